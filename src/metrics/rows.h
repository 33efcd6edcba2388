/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/rows.h - inside this folder: the rows and where their values are. */
#ifndef METRICS_ROWS_H
#define METRICS_ROWS_H

#include "core/jout.h"
#include "metrics/cost.h"
#include "metrics/metrics.h"

#define METRIC_BUCKETS  40 /* 2^39 us is six days */
#define METRIC_DIRS_MAX 32
#define METRIC_WAITING  "messages_waiting"

enum metric_kind { METRIC_COUNTER, METRIC_TIME_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
	const char *name; /* in JSON, and without a family for Prometheus, too */
	const char *help;
	enum metric_kind kind;
	const char *family; /* Prometheus' name; rows of one family follow each other */
	const char *label, *value;
};

extern const struct metric_row metric_rows[METRICS];

struct histogram {
	uint64_t count, sum_us, max_us, buckets[METRIC_BUCKETS];
};

struct stage_metrics {
	const char *name; /* NULL: unused */
	struct histogram wall;
	uint64_t cpu_ns, counted, events[COST_EVENTS];
};

struct metrics {
	uint64_t values[METRICS];
	struct histogram histograms[METRICS];
	struct {
		char *name; /* NULL: unused */
		uint64_t waiting;
	} dirs[METRIC_DIRS_MAX];
	struct stage_metrics stages[METRIC_STAGES_MAX];
	struct metric_worker workers[METRIC_WORKERS_MAX];
	unsigned workers_n; /* the highest number seen, and one more */
};

/* sets.c */
void metrics_sets_json(const struct metrics *m, struct jout *j);
void metrics_sets_prometheus(const struct metrics *m, struct str *out);

/* metrics.c and prometheus.c, for sets.c */
void histogram_observe(struct histogram *h, uint64_t us);
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);
void prometheus_head(struct str *s, const char *name, const char *help, const char *type);
void prometheus_seconds(struct str *s, uint64_t us);
/* Lines of one histogram. @label NULL: without a label. Every @step-th bucket is shown. */
void prometheus_histogram(struct str *s, const char *name, const char *label, const char *value,
			  const struct histogram *h, unsigned step);

#endif
