/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics/meter.h - the cost of each stage of a piece of work, by one thread. At every moment of
 * the work one stage is being charged; meter_step() ends it and begins the next.
 *
 * A step reads the monotonic clock (25 ns, no system call). The thread's own clock takes a system
 * call (0.3 to 0.7 us), so it is read only when 100 us have passed since the last time: a shorter
 * stage is charged what the wall clock says, and the sum is put right at the next reading. Hardware
 * counters are read at each step where that takes no system call, else only in every 16th
 * piece of work.
 */
#ifndef METRICS_METER_H
#define METRICS_METER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "metrics/cost.h"
#include "metrics/perf_group.h"

#define METER_STAGES_MAX 16 /* all are cleared for each piece of work */

struct meter {
	bool charging;            /* false: clocks for the caller, but no costs */
	struct perf_group *group; /* NULL: the host's counters cannot be had; owned */
	_Atomic uint8_t *shown;   /* the stage is stored here at each step; NULL: nowhere */
	unsigned works;           /* pieces of work so far, for the sampling */
	bool counting;            /* this one's hardware events */
	unsigned stage;
	uint64_t wall_ns, cpu_ns; /* at the last step */
	uint64_t known_wall_ns,
		began_ns;             /* when the thread's clock was last read; its first value */
	uint64_t events[COST_EVENTS]; /* at the last step */
	struct cost costs[METER_STAGES_MAX];
};

/* @charging: note costs; then the counters @events are opened when the host has them (NULL:
 * without). By the thread that will work, before the system-call filter. Never fails. */
void meter_init(struct meter *m, bool charging, const struct perf_event *events);
void meter_fini(struct meter *m);

/* A new piece of work, whose first stage is @stage. Forgets the costs of the one before. */
void meter_begin(struct meter *m, unsigned stage);
/* The present stage ends, @next begins. Returns the thread's CPU time, good to 100 us; m->wall_ns
 * is the present moment. */
uint64_t meter_step(struct meter *m, unsigned next);
/* The work is done: charge the present stage. Returns its CPU time in all, exact. */
uint64_t meter_end(struct meter *m);

#endif
