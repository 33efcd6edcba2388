/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/prometheus.c - the rows in Prometheus' text format. */
#include <inttypes.h>
#include <string.h>

#include "core/str.h"
#include "metrics/rows.h"

#define US_PER_S UINT64_C(1000000)

/* Shorter and longer buckets than 1 us .. 2^31 us (36 minutes) tell nobody anything. */
#define SHOWN_BUCKETS 32

static void put_seconds(struct str *s, uint64_t us)
{
	str_addf(s, "%" PRIu64 ".%06" PRIu64, us / US_PER_S, us % US_PER_S);
}

static void put_label(struct str *s, const char *label, const char *value)
{
	str_addf(s, "{%s=\"", label);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			str_add_char(s, '\\');
		if (*value == '\n')
			str_add(s, "\\n");
		else
			str_add_char(s, *value);
	}
	str_add(s, "\"}");
}

static void put_head(struct str *s, const char *name, const char *help, const char *type)
{
	str_addf(s, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\n", name, help, name, type);
}

static void put_histogram(struct str *s, const char *name, const struct histogram *h)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < SHOWN_BUCKETS; k++) {
		sum += h->buckets[k];
		str_addf(s, "sallyport_%s_bucket{le=\"", name);
		put_seconds(s, UINT64_C(1) << k);
		str_addf(s, "\"} %" PRIu64 "\n", sum);
	}
	str_addf(s, "sallyport_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nsallyport_%s_sum ", name,
		 h->count, name);
	put_seconds(s, h->sum_us);
	str_addf(s, "\nsallyport_%s_count %" PRIu64 "\n", name, h->count);
}

static void put_value(struct str *s, const struct metric_row *row, const char *name, uint64_t v)
{
	str_addf(s, "sallyport_%s", name);
	if (row->label != NULL)
		put_label(s, row->label, row->value);
	str_add_char(s, ' ');
	if (row->kind == METRIC_TIME_COUNTER)
		put_seconds(s, v);
	else
		str_addf(s, "%" PRIu64, v);
	str_add_char(s, '\n');
}

static void put_waiting(const struct metrics *m, struct str *s)
{
	put_head(s, METRIC_WAITING, "Messages waiting in a queue directory.", "gauge");
	for (size_t i = 0; i < METRIC_DIRS_MAX; i++) {
		if (m->dirs[i].name == NULL)
			continue;
		str_add(s, "sallyport_" METRIC_WAITING);
		put_label(s, "dir", m->dirs[i].name);
		str_addf(s, " %" PRIu64 "\n", m->dirs[i].waiting);
	}
}

void metrics_write_prometheus(const struct metrics *m, struct str *out)
{
	static const char *const types[] = { [METRIC_COUNTER] = "counter",
					     [METRIC_TIME_COUNTER] = "counter",
					     [METRIC_GAUGE] = "gauge",
					     [METRIC_HISTOGRAM] = "histogram" };
	const char *last = "";

	for (int i = 0; i < METRICS; i++) {
		const struct metric_row *row = &metric_rows[i];
		const char *name = row->family == NULL ? row->name : row->family;

		if (strcmp(name, last) != 0)
			put_head(out, name, row->help, types[row->kind]);
		last = name;
		if (row->kind == METRIC_HISTOGRAM)
			put_histogram(out, name, &m->histograms[i]);
		else
			put_value(out, row, name, m->values[i]);
	}
	put_waiting(m, out);
}
