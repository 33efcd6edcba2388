/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics/metrics.h - counters, gauges and latency histograms of one process, written by its one
 * loop thread: no atomics. Names, help texts and outputs come from the rows in metrics.c.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"

struct cost;
struct jout;
struct metrics;
struct str;

enum metric {
	METRIC_DELIVERED,
	METRIC_QUARANTINED,
	METRIC_DEFERRED,
	METRIC_OTHER_OUTCOMES,
	METRIC_BYTES,
	METRIC_EXPANDED_BYTES,
	METRIC_FOUND_VIRUS, /* + enum finding_kind, up to METRIC_FOUND_MCP */
	METRIC_FOUND_FILENAME,
	METRIC_FOUND_FILETYPE,
	METRIC_FOUND_CONTENT,
	METRIC_FOUND_PHISHING,
	METRIC_FOUND_SIZE,
	METRIC_FOUND_ENCRYPTED,
	METRIC_FOUND_DOS,
	METRIC_FOUND_UNPARSABLE,
	METRIC_FOUND_SPAM,
	METRIC_FOUND_MCP,
	METRIC_FOUND_OTHER,
	METRIC_UNFINISHED_LIMITS, /* + enum check_id: the check a message was kept for */
	METRIC_UNFINISHED_MIME,
	METRIC_UNFINISHED_SIZES,
	METRIC_UNFINISHED_ARCHIVES,
	METRIC_UNFINISHED_FILENAMES,
	METRIC_UNFINISHED_FILETYPES,
	METRIC_UNFINISHED_CONTENT,
	METRIC_UNFINISHED_VIRUS,
	METRIC_UNFINISHED_TEST,
	METRIC_INVALID_QUEUE_FILES,
	METRIC_ATTEMPTS_FAILED,
	METRIC_ATTEMPTS_EXCEEDED,
	METRIC_WORKER_DEATHS,
	METRIC_WORKER_TIMEOUTS,
	METRIC_COMMITS,
	METRIC_SYNCS,
	METRIC_CACHE_HITS,
	METRIC_SCAN_CPU_US,
	METRIC_DNS_QUESTIONS,
	METRIC_DNS_CACHE_HITS,
	METRIC_DNS_ASKED,
	METRIC_DNS_FAILURES,
	METRIC_HOST_NAMES_KEPT,
	METRIC_HOST_NAMES_GIVEN_UP,
	METRIC_SPLITS,
	METRIC_THROTTLE_CHARGED,
	METRIC_THROTTLE_SLOWER, /* penalties */
	METRIC_THROTTLE_FEW,
	METRIC_THROTTLE_NOTHING,
	METRIC_THROTTLE_REFUSED_DENIED,
	METRIC_THROTTLE_REFUSED_PENALTY,
	METRIC_THROTTLE_REFUSED_RATE,
	METRIC_THROTTLE_REFUSED_CONCURRENT,
	METRIC_THROTTLE_EVICTED,
	/* gauges */
	METRIC_IN_FLIGHT,
	METRIC_WORKERS_UP,
	METRIC_RESOLVING,
	METRIC_DNS_IN_FLIGHT,
	METRIC_THROTTLE_SOURCES,
	METRIC_THROTTLE_PENALISED,
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
/* The present value of a gauge. */
void metrics_set(struct metrics *m, enum metric id, uint64_t v);
/* The present value of a counter that somebody else keeps. */
void metrics_set_total(struct metrics *m, enum metric id, uint64_t v);
/* Messages waiting in queue directory @dir (copied). Beyond 31 directories the others are one,
 * "other", of which the value set last is kept. */
void metrics_set_waiting(struct metrics *m, const char *dir, uint64_t n);
/* @id is a histogram. Buckets are powers of two. */
void metrics_observe_us(struct metrics *m, enum metric id, uint64_t us);

/* --- families with one member for each stage of a scan and each worker --- */
#define METRIC_STAGES_MAX  32
#define METRIC_WORKERS_MAX 256

/* Stage @i (below METRIC_STAGES_MAX) of the scans is called @name (a constant). */
void metrics_name_stage(struct metrics *m, unsigned i, const char *name);
/* One scan spent @c in stage @i. @counted: its events are figures, too. */
void metrics_add_stage(struct metrics *m, unsigned i, const struct cost *c, bool counted);
/* What worker @i (below METRIC_WORKERS_MAX, or it is left out) did more. */
struct metric_worker {
	uint64_t messages, cpu_us, deaths;
};
void metrics_add_worker(struct metrics *m, unsigned i, const struct metric_worker *more);
/* Its totals; zeros when there are none. */
struct metric_worker metrics_worker(const struct metrics *m, unsigned i);
/* Array @name in the open object: {"name", "count", "cpu_us", "wall_us", "p50_us", "p99_us",
 * "max_us"} for each named stage; "cycles", "instructions", "cache_misses", "branch_misses" of
 * "counted" scans where the host can count them. */
void metrics_stages_json(const struct metrics *m, struct jout *j, const char *name);

/* --- reading --- */
uint64_t metrics_value(const struct metrics *m, enum metric id); /* a histogram's count */
/* Upper bound of the bucket that holds the @percent-th observation; 0 without any. */
uint64_t metrics_percentile_us(const struct metrics *m, enum metric id, unsigned percent);

/* All of them as member @name of the open object: numbers, histograms as {"count", "sum_us",
 * "p50_us", "p90_us", "p99_us", "max_us"}, "messages_waiting" as {DIR: number}, "stages" as
 * metrics_stages_json() writes them, "workers" [{"worker", "messages", "cpu_us", "deaths"}]. */
void metrics_json(const struct metrics *m, struct jout *j, const char *name);
/* The same object alone. */
void metrics_write_json(const struct metrics *m, struct str *out);
/* Prometheus' text format 0.0.4: names begin with sallyport_, times are in seconds. */
void metrics_write_prometheus(const struct metrics *m, struct str *out);

#endif
