/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/timers.h - inside loop/: a binary heap of timers embedded in their owners. */
#ifndef LOOP_TIMERS_H
#define LOOP_TIMERS_H

#include "loop/loop.h"

struct timers {
	struct timer **heap; /* [0] is not used: places count from 1 */
	uint32_t n, cap;
};

void timers_fini(struct timers *ts);
int timers_set(struct timers *ts, struct timer *t, uint64_t due_ns) MUST_CHECK;
void timers_clear(struct timers *ts, struct timer *t);
/* When the next one is due; 0: none is set. */
uint64_t timers_next_ns(const struct timers *ts);
/* Fire all that are due at @now_ns; each is cleared first, so that it may set itself again. */
void timers_fire(struct timers *ts, uint64_t now_ns);

#endif
