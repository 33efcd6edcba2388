/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics/metrics.h - counters and latency histograms of one process, written by its one loop
 * thread: no atomics. Names, help texts and outputs come from the rows in metrics.c.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdint.h>

#include "core/base.h"

struct jout;
struct metrics;

enum metric {
	METRIC_DELIVERED,
	METRIC_QUARANTINED,
	METRIC_DEFERRED,
	METRIC_OTHER_OUTCOMES,
	METRIC_BYTES,
	METRIC_FOUND_VIRUS,
	METRIC_FOUND_FILENAME,
	METRIC_FOUND_FILETYPE,
	METRIC_FOUND_CONTENT,
	METRIC_FOUND_OTHER,
	METRIC_INVALID_QUEUE_FILES,
	METRIC_WORKER_DEATHS,
	METRIC_WORKER_TIMEOUTS,
	METRIC_COMMITS,
	METRIC_SYNCS,
	METRIC_SCAN_CPU_US,
	/* histograms of microseconds */
	METRIC_QUEUE_WAIT_US,
	METRIC_SCAN_US,
	METRIC_COMMIT_US,
	METRIC_TOTAL_US,
	METRICS
};

/* NULL: out of memory. */
struct metrics *metrics_new(void) MUST_CHECK;
void metrics_free(struct metrics **m);

void metrics_add(struct metrics *m, enum metric id, uint64_t n);
/* @id is a histogram. Buckets are powers of two. */
void metrics_observe_us(struct metrics *m, enum metric id, uint64_t us);
uint64_t metrics_value(const struct metrics *m, enum metric id); /* a histogram's count */
/* Upper bound of the bucket that holds the @percent-th observation; 0 without any. */
uint64_t metrics_percentile_us(const struct metrics *m, enum metric id, unsigned percent);

/* All of them as member @name of the open object: numbers, histograms as {"count", "sum_us",
 * "p50_us", "p99_us"}. */
void metrics_json(const struct metrics *m, struct jout *j, const char *name);

#endif
