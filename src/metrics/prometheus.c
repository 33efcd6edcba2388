/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/prometheus.c - the rows in Prometheus' text format. */
#include <inttypes.h>
#include <string.h>

#include "core/str.h"
#include "metrics/rows.h"

#define US_PER_S UINT64_C(1000000)

/* Shorter and longer buckets than 1 us .. 2^31 us (36 minutes) tell nobody anything. */
#define SHOWN_BUCKETS 32

void prometheus_seconds(struct str *s, uint64_t us)
{
	str_addf(s, "%" PRIu64 ".%06" PRIu64, us / US_PER_S, us % US_PER_S);
}

static void put_escaped(struct str *s, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			str_add_char(s, '\\');
		if (*value == '\n')
			str_add(s, "\\n");
		else
			str_add_char(s, *value);
	}
}

static void put_label(struct str *s, const char *label, const char *value)
{
	str_addf(s, "{%s=\"", label);
	put_escaped(s, value);
	str_add(s, "\"}");
}

void prometheus_head(struct str *s, const char *name, const char *help, const char *type)
{
	str_addf(s, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\n", name, help, name, type);
}

static void put_series(struct str *s, const char *name, const char *suffix, const char *label,
		       const char *value)
{
	str_addf(s, "sallyport_%s_%s", name, suffix);
	if (label != NULL)
		put_label(s, label, value);
	str_add_char(s, ' ');
}

static void put_bucket(struct str *s, const char *name, const char *label, const char *value)
{
	str_addf(s, "sallyport_%s_bucket{", name);
	if (label != NULL) {
		str_addf(s, "%s=\"", label);
		put_escaped(s, value);
		str_add(s, "\",");
	}
	str_add(s, "le=\"");
}

void prometheus_histogram(struct str *s, const char *name, const char *label, const char *value,
			  const struct histogram *h, unsigned step)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < SHOWN_BUCKETS; k++) {
		sum += h->buckets[k];
		if (k % step != 0)
			continue;
		put_bucket(s, name, label, value);
		prometheus_seconds(s, UINT64_C(1) << k);
		str_addf(s, "\"} %" PRIu64 "\n", sum);
	}
	put_bucket(s, name, label, value);
	str_addf(s, "+Inf\"} %" PRIu64 "\n", h->count);
	put_series(s, name, "sum", label, value);
	prometheus_seconds(s, h->sum_us);
	str_add_char(s, '\n');
	put_series(s, name, "count", label, value);
	str_addf(s, "%" PRIu64 "\n", h->count);
}

static void put_value(struct str *s, const struct metric_row *row, const char *name, uint64_t v)
{
	str_addf(s, "sallyport_%s", name);
	if (row->label != NULL)
		put_label(s, row->label, row->value);
	str_add_char(s, ' ');
	if (row->kind == METRIC_TIME_COUNTER)
		prometheus_seconds(s, v);
	else
		str_addf(s, "%" PRIu64, v);
	str_add_char(s, '\n');
}

static void put_waiting(const struct metrics *m, struct str *s)
{
	prometheus_head(s, METRIC_WAITING,
			"Messages in an incoming queue directory, waiting or in hand.", "gauge");
	for (size_t i = 0; i < METRIC_DIRS_MAX; i++) {
		if (m->dirs[i].name == NULL)
			continue;
		str_add(s, "sallyport_" METRIC_WAITING);
		put_label(s, "dir", m->dirs[i].name);
		str_addf(s, " %" PRIu64 "\n", m->dirs[i].waiting);
	}
}

static void put_build(struct str *s)
{
	prometheus_head(s, "build_info", "Version of the program.", "gauge");
	str_add(s, "sallyport_build_info{version=\"" SALLYPORT_VERSION "\"} 1\n");
}

void metrics_write_prometheus(const struct metrics *m, struct str *out)
{
	static const char *const types[] = { [METRIC_COUNTER] = "counter",
					     [METRIC_TIME_COUNTER] = "counter",
					     [METRIC_GAUGE] = "gauge",
					     [METRIC_HISTOGRAM] = "histogram" };
	const char *last = "";

	put_build(out);
	for (int i = 0; i < METRICS; i++) {
		const struct metric_row *row = &metric_rows[i];
		const char *name = row->family == NULL ? row->name : row->family;

		if (strcmp(name, last) != 0)
			prometheus_head(out, name, row->help, types[row->kind]);
		last = name;
		if (row->kind == METRIC_HISTOGRAM)
			prometheus_histogram(out, name, NULL, NULL, &m->histograms[i], 1);
		else
			put_value(out, row, name, m->values[i]);
	}
	put_waiting(m, out);
	metrics_sets_prometheus(m, out);
}
