/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host/plan.h - which core does what: pure, so that hosts we do not have can be tried.
 *
 * Scan threads get logical processors in this order: nodes in turn; in a node the first thread of
 * each core before any second one, because two threads of one core share its units. The threads of
 * one worker stay in one node where that goes. Where a control group gives less time than there are
 * processors, "as many as fit" is as many as that time keeps busy.
 */
#ifndef HOST_PLAN_H
#define HOST_PLAN_H

#include "host/group.h"
#include "host/topology.h"

#define PLAN_SCAN_MAX    256u /* scan threads altogether */
#define PLAN_THREADS_MAX 16u  /* in one worker */
#define PLAN_NOTES_MAX   4u
#define PLAN_LOOP_CORES  8u /* cores from which the loop has one for itself */

/* Options as written; NULL is "". */
struct plan_wish {
	int64_t workers; /* Max Children; 0 or less: as many as fit */
	int64_t threads; /* Scan Threads */
	const char *scan_cores, *loop_core, *numa;
	struct cpus allowed; /* what we were started with */
	struct host_group group;
};

struct plan {
	unsigned workers_n, threads_n; /* threads in each worker */
	int loop_cpu;                  /* -1: not pinned */
	struct {
		int16_t cpu, node; /* node -1: the host has but one, or the worker spans two */
	} scan[PLAN_SCAN_MAX];     /* thread T of worker W is W * threads_n + T */
	struct cpus scan_cpus;     /* all of them */
	unsigned notes_n;
	char notes[PLAN_NOTES_MAX][160]; /* what was wished and cannot be: for the log */
	char why[240];                   /* how it came to this, one line */
};

void plan_make(struct plan *ret_p, const struct host *h, const struct plan_wish *w);

#endif
