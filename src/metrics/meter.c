/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/meter.c - charging stages. */
#include "metrics/meter.h"

#include <assert.h>
#include <string.h>

#include "core/clock.h"

#define FRESH_NS     UINT64_C(100000) /* how old the last reading of the thread's clock may be */
#define SAMPLE_EVERY 16u              /* by read(): 0.9 us for each stage (probes of this design) */

void meter_init(struct meter *m, bool charging, const struct perf_event *events)
{
	struct err err;

	*m = (struct meter){ .charging = charging };
	if (charging && events != NULL && perf_group_open(&m->group, events, &err) < 0)
		m->group = NULL; /* as on most virtual machines: the clocks remain */
}

void meter_fini(struct meter *m)
{
	perf_group_close(&m->group);
}

static void show(struct meter *m)
{
	if (m->shown != NULL)
		atomic_store_explicit(m->shown, (uint8_t)m->stage, memory_order_relaxed);
}

void meter_begin(struct meter *m, unsigned stage)
{
	assert(stage < METER_STAGES_MAX);
	m->stage = stage;
	show(m);
	memset(m->costs, 0, sizeof(m->costs));
	m->cpu_ns = m->began_ns = clock_thread_cpu_ns();
	m->wall_ns = m->known_wall_ns = clock_now_ns();
	m->counting = m->group != NULL &&
		      (perf_group_is_cheap(m->group) || m->works % SAMPLE_EVERY == 0) &&
		      perf_group_read(m->group, m->events);
	m->works++;
}

static void count(struct meter *m, struct cost *c)
{
	uint64_t now[COST_EVENTS];

	if (!perf_group_read(m->group, now)) {
		m->counting = false;
		return;
	}
	for (size_t i = 0; i < COST_EVENTS; i++)
		c->events[i] += now[i] - m->events[i];
	memcpy(m->events, now, sizeof(now));
}

/* Returns the thread's time. @exactly: read its clock however short the stage was. What was taken
 * for granted before and was none, because the thread had to wait, is what later stages get less.
 */
static uint64_t charge(struct meter *m, bool exactly)
{
	struct cost *c = &m->costs[m->stage];
	uint64_t now = clock_now_ns(), cpu = m->cpu_ns + (now - m->wall_ns);

	if (exactly || now - m->known_wall_ns >= FRESH_NS) {
		cpu = clock_thread_cpu_ns();
		m->known_wall_ns = now;
	}
	if (m->charging) {
		c->cpu_ns += cpu > m->cpu_ns ? cpu - m->cpu_ns : 0;
		c->wall_ns += now - m->wall_ns;
		if (m->counting)
			count(m, c);
	}
	m->wall_ns = now;
	m->cpu_ns = MAX_OF(cpu, m->cpu_ns);
	return cpu;
}

uint64_t meter_step(struct meter *m, unsigned next)
{
	assert(next < METER_STAGES_MAX);
	(void)charge(m, false);
	m->stage = next;
	show(m);
	return m->cpu_ns;
}

uint64_t meter_end(struct meter *m)
{
	return charge(m, true) - m->began_ns;
}
