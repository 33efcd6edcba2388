/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics/perf_group.h - counters of the calling thread through perf_event_open: one group, read
 * in user space where the processor and the kernel allow it, by one read() otherwise.
 *
 * To be opened by the thread that is counted, before a system-call filter forbids it.
 */
#ifndef METRICS_PERF_GROUP_H
#define METRICS_PERF_GROUP_H

#include <stdbool.h>

#include "core/err.h"
#include "metrics/cost.h"

struct perf_group;

struct perf_event { /* as in struct perf_event_attr */
	uint32_t type;
	uint64_t config;
};

/* Cycles, instructions, cache and branch misses, in the order of enum cost_event. */
extern const struct perf_event perf_group_hardware[COST_EVENTS];

/* Count @events (COST_EVENTS of them) of this thread from now on. -ENOENT, -EOPNOTSUPP: the host
 * has no such counters; -EACCES: kernel.perf_event_paranoid forbids it. */
int perf_group_open(struct perf_group **ret_g, const struct perf_event *events,
		    struct err *err) MUST_CHECK;
void perf_group_close(struct perf_group **g);
/* Whether reading takes no system call. */
bool perf_group_is_cheap(const struct perf_group *g);
/* Values since the opening. False: they cannot be had now. */
bool perf_group_read(const struct perf_group *g, uint64_t ret_values[COST_EVENTS]);

#endif
