/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/sets.c - families that have one member for each stage of a scan, and for each worker. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "metrics/rows.h"

#define STAGE_BUCKETS_STEP 2 /* of the powers of two: there are many stages */

static const struct {
	const char *name, *family, *help;
} events[COST_EVENTS] = {
	[COST_CYCLES] = { "cycles", "stage_cycles_total", "Processor cycles of a stage." },
	[COST_INSTRUCTIONS] = { "instructions", "stage_instructions_total",
				"Instructions of a stage." },
	[COST_CACHE_MISSES] = { "cache_misses", "stage_cache_misses_total",
				"Last-level cache misses of a stage." },
	[COST_BRANCH_MISSES] = { "branch_misses", "stage_branch_misses_total",
				 "Mispredicted branches of a stage." },
};

static const struct {
	const char *family, *help;
	size_t offset;
	bool is_time;
} worker_rows[] = {
	{ "worker_messages_total",
	  "Messages that a scan thread, counted over all workers, has answered.",
	  offsetof(struct metric_worker, messages), false },
	{ "worker_cpu_seconds_total", "Processor time of a scan thread's scans.",
	  offsetof(struct metric_worker, cpu_us), true },
	{ "worker_restarts_total",
	  "How often a worker died or was ended, told with its first scan thread.",
	  offsetof(struct metric_worker, deaths), false },
};

static uint64_t field(const struct metric_worker *w, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const char *)w + offset, sizeof(v));
	return v;
}

/* --- counting --- */

void metrics_name_stage(struct metrics *m, unsigned i, const char *name)
{
	assert(i < METRIC_STAGES_MAX);
	m->stages[i].name = name;
}

void metrics_add_stage(struct metrics *m, unsigned i, const struct cost *c, bool counted)
{
	struct stage_metrics *s = &m->stages[i];

	assert(i < METRIC_STAGES_MAX);
	histogram_observe(&s->wall, c->wall_ns / 1000);
	s->cpu_ns += c->cpu_ns;
	if (!counted)
		return;
	s->counted++;
	for (size_t k = 0; k < COST_EVENTS; k++)
		s->events[k] += c->events[k];
}

void metrics_add_worker(struct metrics *m, unsigned i, const struct metric_worker *more)
{
	if (i >= METRIC_WORKERS_MAX)
		return;
	m->workers_n = MAX_OF(m->workers_n, i + 1);
	m->workers[i].messages += more->messages;
	m->workers[i].cpu_us += more->cpu_us;
	m->workers[i].deaths += more->deaths;
}

struct metric_worker metrics_worker(const struct metrics *m, unsigned i)
{
	return i < METRIC_WORKERS_MAX ? m->workers[i] : (struct metric_worker){ 0 };
}

/* --- JSON --- */

static void put_stage(struct jout *j, const struct stage_metrics *s)
{
	jout_object(j, NULL);
	jout_member_str(j, "name", bytes_str(s->name));
	jout_member_num(j, "count", s->wall.count);
	jout_member_num(j, "cpu_us", s->cpu_ns / 1000);
	jout_member_num(j, "wall_us", s->wall.sum_us);
	jout_member_num(j, "p50_us", histogram_percentile(&s->wall, 50));
	jout_member_num(j, "p99_us", histogram_percentile(&s->wall, 99));
	jout_member_num(j, "max_us", s->wall.max_us);
	if (s->counted > 0) {
		jout_member_num(j, "counted", s->counted);
		for (size_t k = 0; k < COST_EVENTS; k++)
			jout_member_num(j, events[k].name, s->events[k]);
	}
	jout_end(j);
}

void metrics_stages_json(const struct metrics *m, struct jout *j, const char *name)
{
	jout_array(j, name);
	for (size_t i = 0; i < METRIC_STAGES_MAX; i++)
		if (m->stages[i].name != NULL)
			put_stage(j, &m->stages[i]);
	jout_end(j);
}

void metrics_sets_json(const struct metrics *m, struct jout *j)
{
	metrics_stages_json(m, j, "stages");
	jout_array(j, "workers");
	for (unsigned i = 0; i < m->workers_n; i++) {
		jout_object(j, NULL);
		jout_member_num(j, "worker", i);
		jout_member_num(j, "messages", m->workers[i].messages);
		jout_member_num(j, "cpu_us", m->workers[i].cpu_us);
		jout_member_num(j, "deaths", m->workers[i].deaths);
		jout_end(j);
	}
	jout_end(j);
}

/* --- Prometheus --- */

static void put_stage_cpu(const struct metrics *m, struct str *out)
{
	prometheus_head(out, "stage_cpu_seconds_total", "Processor time of a stage of the scans.",
			"counter");
	for (size_t i = 0; i < METRIC_STAGES_MAX; i++) {
		if (m->stages[i].name == NULL)
			continue;
		str_addf(out, "sallyport_stage_cpu_seconds_total{stage=\"%s\"} ",
			 m->stages[i].name);
		prometheus_seconds(out, m->stages[i].cpu_ns / 1000);
		str_add_char(out, '\n');
	}
}

static void put_stage_wall(const struct metrics *m, struct str *out)
{
	prometheus_head(out, "stage_seconds", "How long a stage of a scan takes.", "histogram");
	for (size_t i = 0; i < METRIC_STAGES_MAX; i++)
		if (m->stages[i].name != NULL)
			prometheus_histogram(out, "stage_seconds", "stage", m->stages[i].name,
					     &m->stages[i].wall, STAGE_BUCKETS_STEP);
}

/* One family: @offset of a number in struct stage_metrics. */
static void put_stage_number(const struct metrics *m, struct str *out, const char *family,
			     const char *help, size_t offset)
{
	prometheus_head(out, family, help, "counter");
	for (size_t i = 0; i < METRIC_STAGES_MAX; i++) {
		uint64_t v;

		if (m->stages[i].name == NULL)
			continue;
		memcpy(&v, (const char *)&m->stages[i] + offset, sizeof(v));
		str_addf(out, "sallyport_%s{stage=\"%s\"} %" PRIu64 "\n", family, m->stages[i].name,
			 v);
	}
}

static bool any_counted(const struct metrics *m)
{
	for (size_t i = 0; i < METRIC_STAGES_MAX; i++)
		if (m->stages[i].counted > 0)
			return true;
	return false;
}

static void put_stages(const struct metrics *m, struct str *out)
{
	if (m->stages[0].name == NULL)
		return;
	put_stage_cpu(m, out);
	put_stage_wall(m, out);
	if (!any_counted(m))
		return;
	put_stage_number(m, out, "stage_counted_scans_total",
			 "Scans whose events were counted: all, or a sample.",
			 offsetof(struct stage_metrics, counted));
	for (size_t k = 0; k < COST_EVENTS; k++)
		put_stage_number(m, out, events[k].family, events[k].help,
				 offsetof(struct stage_metrics, events) + k * sizeof(uint64_t));
}

static void put_workers(const struct metrics *m, struct str *out)
{
	for (size_t r = 0; m->workers_n > 0 && r < ARRAY_LEN(worker_rows); r++) {
		prometheus_head(out, worker_rows[r].family, worker_rows[r].help, "counter");
		for (unsigned i = 0; i < m->workers_n; i++) {
			uint64_t v = field(&m->workers[i], worker_rows[r].offset);

			str_addf(out, "sallyport_%s{worker=\"%u\"} ", worker_rows[r].family, i);
			if (worker_rows[r].is_time)
				prometheus_seconds(out, v);
			else
				str_addf(out, "%" PRIu64, v);
			str_add_char(out, '\n');
		}
	}
}

void metrics_sets_prometheus(const struct metrics *m, struct str *out)
{
	put_stages(m, out);
	put_workers(m, out);
}
