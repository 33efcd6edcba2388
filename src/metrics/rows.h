/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/rows.h - inside this folder: the rows and where their values are. */
#ifndef METRICS_ROWS_H
#define METRICS_ROWS_H

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

struct metrics {
	uint64_t values[METRICS];
	struct histogram histograms[METRICS];
	struct {
		char *name; /* NULL: unused */
		uint64_t waiting;
	} dirs[METRIC_DIRS_MAX];
};

#endif
