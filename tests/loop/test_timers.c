/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/timers: order, moving, clearing, setting oneself again. */
#include "loop/timers.h"

#include "tests/t.h"

#define N 500

struct probe {
	struct timer timer;
	struct timers *ts;
	bool again;
};

static uint64_t last_due;
static unsigned fired, out_of_order;

static void fire(struct timer *t)
{
	struct probe *p = CONTAINER_OF(t, struct probe, timer);

	out_of_order += t->due_ns < last_due;
	last_due = t->due_ns;
	fired++;
	if (p->again)
		T_OK(timers_set(p->ts, t, t->due_ns) == 0, "set again from within");
}

int main(void)
{
	static struct probe probes[N];
	struct timers ts = { 0 };
	uint32_t seed = 1;

	for (unsigned i = 0; i < N; i++) {
		seed = seed * 1103515245 + 12345;
		probes[i] = (struct probe){ .timer.fire = fire, .ts = &ts };
		if (timers_set(&ts, &probes[i].timer, 1 + seed % 1000) != 0)
			return 1;
	}
	for (unsigned i = 0; i < N; i += 5)
		timers_clear(&ts, &probes[i].timer);
	for (unsigned i = 1; i < N; i += 5) /* moved beyond all others */
		T_OK(i > 20 || timers_set(&ts, &probes[i].timer, 5000) == 0, "move");
	timers_clear(&ts, &probes[0].timer);
	timers_fire(&ts, 1000);
	T_OK(out_of_order == 0, "in order");
	T_OK(fired + ts.n == N - N / 5, "each of those that were left once: %u fired, %u left",
	     fired, ts.n);
	timers_fire(&ts, 5000);
	T_OK(ts.n == 0 && timers_next_ns(&ts) == 0, "none left");
	fired = 0;
	last_due = 0;
	probes[0].again = true;
	T_OK(timers_set(&ts, &probes[0].timer, 10) == 0, "set");
	timers_fire(&ts, 20);
	T_OK(fired == 1, "one that sets itself again does not hold the loop");
	timers_fini(&ts);
	return t_done();
}
