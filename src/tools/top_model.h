/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/top_model.h - what `sallyport top` shows: one look at the gateway, and what happened
 * between two looks. Reading is from the control socket's answers; nothing here draws.
 */
#ifndef TOOLS_TOP_MODEL_H
#define TOOLS_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/jout.h"

#define TOP_DIRS_MAX     16
#define TOP_THREADS_MAX  256
#define TOP_STAGES_MAX   24
#define TOP_SOURCES_MAX  40
#define TOP_VERDICTS_MAX 8
#define TOP_TEXT_MAX     96

/* Totals since the gateway's start; shown as rates. */
struct top_totals {
	uint64_t delivered, quarantined, deferred, bytes, cache_hits, deaths;
};

struct top_dir {
	char path[TOP_TEXT_MAX];
	int64_t waiting; /* negative: not counted yet */
	double oldest_s; /* of what is in hand; negative: nothing is */
};

struct top_thread {            /* one scan thread */
	int pid, worker, core; /* core -1: any */
	char state;            /* a letter of include/sallyport/control.h */
	char id[TOP_TEXT_MAX]; /* of what it works on; "" */
	double age_s;
	uint64_t done, cpu_us; /* of its worker */
};

struct top_stage {
	char name[TOP_TEXT_MAX];
	uint64_t count, cpu_us;
};

struct top_source { /* who costs most */
	char address[TOP_TEXT_MAX], level[TOP_TEXT_MAX], why[TOP_TEXT_MAX];
	double cost_ms;
};

struct top_verdict { /* connections let in or refused, by the kernel */
	char name[TOP_TEXT_MAX];
	uint64_t n;
	bool refused;
};

struct top_frame {
	double at_s; /* CLOCK_MONOTONIC of the one who asked */
	double uptime_s;
	char version[TOP_TEXT_MAX], engine[TOP_TEXT_MAX], throttle[TOP_TEXT_MAX];
	uint64_t in_flight, in_flight_max, workers_up;
	bool draining;
	struct top_totals totals;
	struct top_dir dirs[TOP_DIRS_MAX];
	struct top_thread threads[TOP_THREADS_MAX];
	struct top_stage stages[TOP_STAGES_MAX];
	struct top_source sources[TOP_SOURCES_MAX];
	struct top_verdict verdicts[TOP_VERDICTS_MAX];
	size_t dirs_n, threads_n, stages_n, sources_n, verdicts_n;
	uint64_t allow_n, deny_n, penalties_n;
};

/* Fill @ret_f from the answers to the commands top, throttle-stats and throttle-sources. Answers
 * are escaped here: what is in a frame can be put on a terminal. -EBADMSG: not one of ours. */
int top_read(const char *top, const char *stats, const char *sources, double at_s,
	     struct top_frame *ret_f, struct err *err) MUST_CHECK;

/* What happened between two looks, by the second of wall time. A counter that went back (the
 * gateway was started anew) counts from 0. */
struct top_rates {
	double delivered, quarantined, deferred, bytes, cache_hits, deaths;
	double thread_done[TOP_THREADS_MAX], thread_cpu[TOP_THREADS_MAX]; /* cpu: 0 .. 1 */
	double stage_cpu[TOP_STAGES_MAX];   /* processors in use, 0 .. number of threads */
	double stage_count[TOP_STAGES_MAX]; /* times a second */
	double stage_us[TOP_STAGES_MAX];    /* processor time each */
	double verdicts[TOP_VERDICTS_MAX];
};
void top_rates(const struct top_frame *before, const struct top_frame *now,
	       struct top_rates *ret_r);

/* The words that a state letter stands for; "?" for others. */
const char *top_state_name(char state);

/* The whole look as members of the open object. */
void top_json(const struct top_frame *f, const struct top_rates *r, struct jout *j);

#endif
