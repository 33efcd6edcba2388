/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/timers.c - the heap of timers. */
#include "loop/timers.h"

#include <errno.h>
#include <stdlib.h>

void timers_fini(struct timers *ts)
{
	free(ts->heap);
	*ts = (struct timers){ 0 };
}

static void put(struct timers *ts, struct timer *t, uint32_t place)
{
	ts->heap[place] = t;
	t->place = place;
}

static void sift_up(struct timers *ts, struct timer *t, uint32_t place)
{
	while (place > 1 && ts->heap[place / 2]->due_ns > t->due_ns) {
		put(ts, ts->heap[place / 2], place);
		place /= 2;
	}
	put(ts, t, place);
}

static void sift_down(struct timers *ts, struct timer *t, uint32_t place)
{
	while (place * 2 <= ts->n) {
		uint32_t child = place * 2;

		if (child < ts->n && ts->heap[child + 1]->due_ns < ts->heap[child]->due_ns)
			child++;
		if (ts->heap[child]->due_ns >= t->due_ns)
			break;
		put(ts, ts->heap[child], place);
		place = child;
	}
	put(ts, t, place);
}

void timers_clear(struct timers *ts, struct timer *t)
{
	uint32_t place = t->place;
	struct timer *last;

	if (place == 0)
		return;
	t->place = 0;
	last = ts->heap[ts->n--];
	if (last == t)
		return;
	if (place > 1 && ts->heap[place / 2]->due_ns > last->due_ns)
		sift_up(ts, last, place);
	else
		sift_down(ts, last, place);
}

int timers_set(struct timers *ts, struct timer *t, uint64_t due_ns)
{
	timers_clear(ts, t);
	if (ts->n + 1 >= ts->cap) {
		uint32_t cap = ts->cap == 0 ? 64 : ts->cap * 2;
		struct timer **heap = reallocarray(ts->heap, cap, sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		ts->heap = heap;
		ts->cap = cap;
	}
	t->due_ns = due_ns;
	sift_up(ts, t, ++ts->n);
	return 0;
}

uint64_t timers_next_ns(const struct timers *ts)
{
	return ts->n == 0 ? 0 : ts->heap[1]->due_ns;
}

void timers_fire(struct timers *ts, uint64_t now_ns)
{
	/* One that sets itself to "now" again must not hold the loop: only those set before. */
	for (uint32_t left = ts->n; left > 0 && ts->n > 0; left--) {
		struct timer *t = ts->heap[1];

		if (t->due_ns > now_ns)
			return;
		timers_clear(ts, t);
		t->fire(t);
	}
}
