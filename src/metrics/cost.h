/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/cost.h - what one stage of a scan took. Plain values, which travel with the facts. */
#ifndef METRICS_COST_H
#define METRICS_COST_H

#include <stdint.h>

/* What the host's counters count, user space only. */
enum cost_event {
	COST_CYCLES,
	COST_INSTRUCTIONS,
	COST_CACHE_MISSES,
	COST_BRANCH_MISSES,
	COST_EVENTS
};

struct cost {
	uint64_t cpu_ns, wall_ns;
	uint64_t events[COST_EVENTS]; /* 0 unless they were counted this time */
};

#endif
