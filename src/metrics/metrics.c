/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/metrics.c - the rows and their values. */
#include "metrics/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "core/jout.h"

#define BUCKETS 40 /* 2^39 us is six days */

struct histogram {
	uint64_t count, sum_us, buckets[BUCKETS];
};

struct metrics {
	uint64_t counters[METRICS];
	struct histogram histograms[METRICS];
};

static const struct {
	const char *name; /* without the prefix "sallyport_" */
	bool histogram;
} rows[METRICS] = {
	[METRIC_DELIVERED] = { "messages_delivered_total", false },
	[METRIC_QUARANTINED] = { "messages_quarantined_total", false },
	[METRIC_DEFERRED] = { "messages_deferred_total", false },
	[METRIC_OTHER_OUTCOMES] = { "messages_other_total", false },
	[METRIC_BYTES] = { "message_bytes_total", false },
	[METRIC_FOUND_VIRUS] = { "findings_virus_total", false },
	[METRIC_FOUND_FILENAME] = { "findings_filename_total", false },
	[METRIC_FOUND_FILETYPE] = { "findings_filetype_total", false },
	[METRIC_FOUND_CONTENT] = { "findings_content_total", false },
	[METRIC_FOUND_OTHER] = { "findings_other_total", false },
	[METRIC_INVALID_QUEUE_FILES] = { "invalid_queue_files_total", false },
	[METRIC_WORKER_DEATHS] = { "worker_deaths_total", false },
	[METRIC_WORKER_TIMEOUTS] = { "worker_timeouts_total", false },
	[METRIC_COMMITS] = { "commit_groups_total", false },
	[METRIC_SYNCS] = { "commit_syncs_total", false },
	[METRIC_SCAN_CPU_US] = { "scan_cpu_microseconds_total", false },
	[METRIC_QUEUE_WAIT_US] = { "queue_wait_microseconds", true },
	[METRIC_SCAN_US] = { "scan_microseconds", true },
	[METRIC_COMMIT_US] = { "commit_microseconds", true },
	[METRIC_TOTAL_US] = { "message_microseconds", true },
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics **m)
{
	free(*m);
	*m = NULL;
}

void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
	assert(!rows[id].histogram);
	m->counters[id] += n;
}

void metrics_observe_us(struct metrics *m, enum metric id, uint64_t us)
{
	struct histogram *h = &m->histograms[id];
	unsigned bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

	assert(rows[id].histogram);
	h->count++;
	h->sum_us += us;
	h->buckets[MIN_OF(bucket, BUCKETS - 1u)]++;
}

uint64_t metrics_value(const struct metrics *m, enum metric id)
{
	return rows[id].histogram ? m->histograms[id].count : m->counters[id];
}

uint64_t metrics_percentile_us(const struct metrics *m, enum metric id, unsigned percent)
{
	const struct histogram *h = &m->histograms[id];
	uint64_t wanted = (h->count * percent + 99) / 100, seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted)
			return UINT64_C(1) << i;
	}
	return UINT64_C(1) << BUCKETS;
}

static void put_histogram(const struct metrics *m, enum metric id, struct jout *j)
{
	jout_object(j, rows[id].name);
	jout_member_num(j, "count", m->histograms[id].count);
	jout_member_num(j, "sum_us", m->histograms[id].sum_us);
	jout_member_num(j, "p50_us", metrics_percentile_us(m, id, 50));
	jout_member_num(j, "p99_us", metrics_percentile_us(m, id, 99));
	jout_end(j);
}

void metrics_json(const struct metrics *m, struct jout *j, const char *name)
{
	jout_object(j, name);
	for (int i = 0; i < METRICS; i++) {
		enum metric id = (enum metric)i;

		if (rows[id].histogram)
			put_histogram(m, id, j);
		else
			jout_member_num(j, rows[id].name, m->counters[id]);
	}
	jout_end(j);
}
