/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/meter: every nanosecond is charged to one stage, events through a group of counters that
 * every host has, and what happens without any. */
#include "metrics/meter.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "tests/t.h"

#define MS UINT64_C(1000000)

enum { FIRST, SECOND, THIRD, STAGES };

/* Software events stand in for those of a processor: page faults can be made at will. */
static const struct perf_event software[COST_EVENTS] = {
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS },
};
static const struct perf_event nonsense[COST_EVENTS] = { { UINT32_MAX, 1 } };

static void burn(uint64_t ns)
{
	uint64_t until = clock_thread_cpu_ns() + ns;

	while (clock_thread_cpu_ns() < until)
		;
}

/* @n pages that were never touched before; a page fault for each. */
static void touch(size_t n)
{
	volatile char *p =
		mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	(void)madvise((void *)(uintptr_t)p, n * 4096, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++)
		p[i * 4096] = 1;
	(void)munmap((void *)(uintptr_t)p, n * 4096);
}

static uint64_t sum(const struct meter *m)
{
	uint64_t all = 0;

	for (size_t i = 0; i < METER_STAGES_MAX; i++)
		all += m->costs[i].cpu_ns;
	return all;
}

static void test_time(void)
{
	struct meter m;
	uint64_t cpu, began;

	meter_init(&m, true, NULL);
	began = clock_now_ns();
	meter_begin(&m, FIRST);
	burn(2 * MS);
	(void)meter_step(&m, SECOND);
	burn(10 * MS);
	cpu = meter_step(&m, FIRST) - m.began_ns;
	T_OK(cpu >= 12 * MS, "a step says how much time has been used");
	burn(3 * MS);
	cpu = meter_end(&m);
	T_OK(m.costs[FIRST].cpu_ns >= 5 * MS && m.costs[SECOND].cpu_ns >= 10 * MS &&
		     m.costs[THIRD].cpu_ns == 0,
	     "each stage has its time, in one piece or two");
	T_OK(cpu == sum(&m), "and nothing is lost or counted twice");
	T_OK(m.costs[FIRST].wall_ns + m.costs[SECOND].wall_ns <= clock_now_ns() - began,
	     "elapsed time");
	T_OK(!m.counting, "nothing was counted that was not asked for");
	meter_begin(&m, THIRD);
	T_OK(m.costs[FIRST].cpu_ns == 0 && m.costs[SECOND].wall_ns == 0,
	     "a new piece of work begins with nothing");
	meter_fini(&m);
}

/* Many steps, each shorter than what makes it read the thread's clock. */
static void test_short_stages(void)
{
	uint64_t all, cpu;
	struct meter m;

	meter_init(&m, true, NULL);
	meter_begin(&m, FIRST);
	for (unsigned i = 0; i < 20000; i++)
		(void)meter_step(&m, i % STAGES);
	cpu = meter_end(&m);
	all = sum(&m);
	/* A wait that fell into a short stage stays charged; only such time can be too much. */
	T_OK(all >= cpu, "%llu ns in short stages, %llu in all", (unsigned long long)all,
	     (unsigned long long)cpu);
	T_OK(m.costs[FIRST].cpu_ns > 0 && m.costs[SECOND].cpu_ns > 0 && m.costs[THIRD].cpu_ns > 0,
	     "none of them is free");
	meter_fini(&m);
}

static void test_off(void)
{
	struct meter m;
	uint64_t cpu;

	meter_init(&m, false, perf_group_hardware);
	T_OK(m.group == NULL, "no counters when costs are not wanted");
	meter_begin(&m, FIRST);
	burn(MS);
	cpu = meter_step(&m, SECOND) - m.began_ns;
	T_OK(cpu >= MS && meter_end(&m) >= MS, "the clock still runs");
	T_OK(sum(&m) == 0 && m.costs[FIRST].wall_ns == 0, "but nothing is charged");
	meter_fini(&m);
}

static void test_shown(void)
{
	_Atomic uint8_t shown = 77;
	struct meter m;

	meter_init(&m, false, NULL);
	m.shown = &shown;
	meter_begin(&m, SECOND);
	T_OK(shown == SECOND, "the first stage is shown");
	(void)meter_step(&m, THIRD);
	T_OK(shown == THIRD, "and the next, without costs too");
	meter_fini(&m);
}

static void test_events(void)
{
	unsigned counted = 0;
	struct meter m;

	meter_init(&m, true, software);
	if (m.group == NULL) {
		printf("# no software events for this user: kernel.perf_event_paranoid\n");
		T_OK(true, "events # SKIP perf_event_open is not allowed here");
		return;
	}
	T_OK(!perf_group_is_cheap(m.group), "software events are read by the kernel");
	meter_begin(&m, FIRST);
	touch(3);
	(void)meter_step(&m, SECOND);
	touch(500);
	(void)meter_end(&m);
	T_OK(m.counting && m.costs[SECOND].events[0] >= 500 && m.costs[SECOND].events[0] < 600 &&
		     m.costs[FIRST].events[0] >= 3 && m.costs[FIRST].events[0] < 100,
	     "page faults: %llu and %llu", (unsigned long long)m.costs[FIRST].events[0],
	     (unsigned long long)m.costs[SECOND].events[0]);
	T_OK(m.costs[SECOND].events[1] >= 500 && m.costs[SECOND].events[2] == 0,
	     "each event in its own place");
	for (unsigned i = 0; i < 160; i++) {
		meter_begin(&m, FIRST);
		(void)meter_end(&m);
		counted += m.counting;
	}
	T_OK(counted == 10, "of 160 pieces of work %u are counted when that takes system calls",
	     counted);
	meter_fini(&m);
}

static void test_without(void)
{
	struct perf_group *g = NULL;
	struct err err = { .text = "" };
	struct meter m;

	T_OK(perf_group_open(&g, nonsense, &err) < 0 && g == NULL, "a host without them: %s",
	     err.text);
	meter_init(&m, true, nonsense);
	meter_begin(&m, FIRST);
	burn(MS);
	T_OK(meter_end(&m) >= MS && m.costs[FIRST].cpu_ns >= MS && !m.counting,
	     "clocks work without counters");
	meter_fini(&m);
	meter_init(&m, true, perf_group_hardware);
	printf("# this host %s\n", m.group == NULL ? "has no counters"
				   : perf_group_is_cheap(m.group)
					   ? "has counters, read without system calls"
					   : "has counters, read by the kernel");
	if (m.group != NULL) {
		meter_begin(&m, FIRST);
		burn(MS);
		(void)meter_end(&m);
		T_OK(!m.counting || m.costs[FIRST].events[COST_INSTRUCTIONS] > 1000,
		     "instructions are counted");
	}
	meter_fini(&m);
}

int main(void)
{
	test_time();
	test_short_stages();
	test_off();
	test_shown();
	test_events();
	test_without();
	return t_done();
}
