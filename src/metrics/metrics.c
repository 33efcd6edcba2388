/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics/metrics.c - the rows and their values. */
#include "metrics/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/jout.h"
#include "metrics/rows.h"

const struct metric_row metric_rows[METRICS] = {
#define COUNTER(id_, name_, help_)                                                                 \
	[METRIC_##id_] = { name_, help_, METRIC_COUNTER, NULL, NULL, NULL }
#define GAUGE(id_, name_, help_) [METRIC_##id_] = { name_, help_, METRIC_GAUGE, NULL, NULL, NULL }
/* One of several that Prometheus knows as one name with a label. */
#define LABELLED(id_, name_, family_, label_, value_, help_)                                       \
	[METRIC_##id_] = { name_, help_, METRIC_COUNTER, family_, label_, value_ }
#define OUTCOME(id_, name_, value_)                                                                \
	LABELLED(id_, "messages_" name_ "_total", "messages_total", "outcome", value_,             \
		 "Messages by outcome.")
#define FOUND(id_, value_)                                                                         \
	LABELLED(FOUND_##id_, "findings_" value_ "_total", "findings_total", "kind", value_,       \
		 "Findings by kind.")
#define UNFINISHED(id_, value_)                                                                    \
	LABELLED(UNFINISHED_##id_, "unfinished_" value_ "_total", "unfinished_checks_total",       \
		 "check", value_, "Messages kept in the queue because a check did not finish.")
#define PENALTIES(id_, value_)                                                                     \
	LABELLED(THROTTLE_##id_, "throttle_penalties_" value_ "_total",                            \
		 "throttle_penalties_total", "level", value_,                                      \
		 "Penalties that sources got for what their mail cost.")
#define REFUSED(id_, value_)                                                                       \
	LABELLED(THROTTLE_REFUSED_##id_, "throttle_refused_" value_ "_total",                      \
		 "throttle_refused_total", "verdict", value_, "Connections the kernel refused.")
/* In microseconds: @name_ in JSON, @family_ in seconds for Prometheus. */
#define HISTOGRAM(id_, name_, family_, help_)                                                      \
	[METRIC_##id_] = { name_, help_, METRIC_HISTOGRAM, family_, NULL, NULL }

	OUTCOME(DELIVERED, "delivered", "deliver"),
	OUTCOME(QUARANTINED, "quarantined", "quarantine"),
	OUTCOME(DEFERRED, "deferred", "defer"),
	OUTCOME(OTHER_OUTCOMES, "other", "other"),
	COUNTER(BYTES, "message_bytes_total", "Bytes of finished messages."),
	COUNTER(EXPANDED_BYTES, "expanded_bytes_total", "Bytes made by decoding and unpacking."),
	FOUND(VIRUS, "virus"),
	FOUND(FILENAME, "filename"),
	FOUND(FILETYPE, "filetype"),
	FOUND(CONTENT, "content"),
	FOUND(PHISHING, "phishing"),
	FOUND(SIZE, "size"),
	FOUND(ENCRYPTED, "encrypted"),
	FOUND(DOS, "dos"),
	FOUND(UNPARSABLE, "unparsable"),
	FOUND(SPAM, "spam"),
	FOUND(MCP, "mcp"),
	FOUND(OTHER, "other"),
	UNFINISHED(LIMITS, "limits"),
	UNFINISHED(MIME, "mime"),
	UNFINISHED(SIZES, "sizes"),
	UNFINISHED(ARCHIVES, "archives"),
	UNFINISHED(FILENAMES, "filenames"),
	UNFINISHED(FILETYPES, "filetypes"),
	UNFINISHED(CONTENT, "content"),
	UNFINISHED(VIRUS, "virus"),
	UNFINISHED(TEST, "test"),
	COUNTER(INVALID_QUEUE_FILES, "invalid_queue_files_total",
		"Queue files that could not be read."),
	COUNTER(ATTEMPTS_FAILED, "attempts_failed_total", "Attempts at a message that failed."),
	COUNTER(ATTEMPTS_EXCEEDED, "attempts_exceeded_total",
		"Messages set aside after too many attempts."),
	COUNTER(WORKER_DEATHS, "worker_deaths_total", "Scan workers that died."),
	COUNTER(WORKER_TIMEOUTS, "worker_timeouts_total",
		"Scan workers ended because a message took too long."),
	COUNTER(COMMITS, "commit_groups_total", "Groups of messages committed together."),
	COUNTER(SYNCS, "commit_syncs_total", "Files and directories synced."),
	COUNTER(CACHE_HITS, "cache_hits_total", "Contents whose verdict was known already."),
	[METRIC_SCAN_CPU_US] = { "scan_cpu_microseconds_total", "Processor time of scanning.",
				 METRIC_TIME_COUNTER, "scan_cpu_seconds_total", NULL, NULL },
	COUNTER(DNS_QUESTIONS, "dns_questions_total", "Questions to the resolver."),
	COUNTER(DNS_CACHE_HITS, "dns_cache_hits_total", "Answered from its cache."),
	COUNTER(DNS_ASKED, "dns_asked_total", "Questions a DNS server was asked."),
	COUNTER(DNS_FAILURES, "dns_failures_total", "Questions without an answer."),
	COUNTER(HOST_NAMES_KEPT, "host_names_kept_total",
		"Times a message stayed in the queue because its client's name is not known."),
	COUNTER(HOST_NAMES_GIVEN_UP, "host_names_given_up_total",
		"Messages judged without the name of their client."),
	COUNTER(SPLITS, "messages_split_total",
		"Messages whose recipients disagreed, made several."),
	COUNTER(THROTTLE_CHARGED, "throttle_charged_messages_total",
		"Messages whose sender was charged for what they cost."),
	PENALTIES(SLOWER, "slower"),
	PENALTIES(FEW, "few"),
	PENALTIES(NOTHING, "nothing"),
	REFUSED(DENIED, "denied"),
	REFUSED(PENALTY, "penalty"),
	REFUSED(RATE, "rate"),
	REFUSED(CONCURRENT, "concurrent"),
	COUNTER(THROTTLE_EVICTED, "throttle_accounts_evicted_total",
		"Accounts of senders given up because the table was full."),
	GAUGE(IN_FLIGHT, "messages_in_flight", "Messages in hand."),
	GAUGE(WORKERS_UP, "workers_up", "Scan workers that are ready or at work."),
	GAUGE(RESOLVING, "messages_resolving", "Messages that wait for their client's name."),
	GAUGE(DNS_IN_FLIGHT, "dns_in_flight", "Questions under way or waiting."),
	GAUGE(THROTTLE_SOURCES, "throttle_accounts", "Senders and networks that have an account."),
	GAUGE(THROTTLE_PENALISED, "throttle_penalised", "Senders and networks with a penalty."),
	HISTOGRAM(QUEUE_WAIT_US, "queue_wait_microseconds", "queue_wait_seconds",
		  "How long messages wait for a worker."),
	HISTOGRAM(SCAN_US, "scan_microseconds", "scan_seconds",
		  "From handing a message over to its facts."),
	HISTOGRAM(COMMIT_US, "commit_microseconds", "commit_seconds",
		  "From joining a group to the end of its commit."),
	HISTOGRAM(TOTAL_US, "message_microseconds", "message_seconds",
		  "From the claim of a message to its end."),
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics **m)
{
	if (*m == NULL)
		return;
	for (size_t i = 0; i < METRIC_DIRS_MAX; i++)
		free((*m)->dirs[i].name);
	free(*m);
	*m = NULL;
}

void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
	assert(metric_rows[id].kind <= METRIC_TIME_COUNTER);
	m->values[id] += n;
}

void metrics_set(struct metrics *m, enum metric id, uint64_t v)
{
	assert(metric_rows[id].kind == METRIC_GAUGE);
	m->values[id] = v;
}

void metrics_set_total(struct metrics *m, enum metric id, uint64_t v)
{
	assert(metric_rows[id].kind == METRIC_COUNTER);
	m->values[id] = v;
}

void metrics_set_waiting(struct metrics *m, const char *dir, uint64_t n)
{
	size_t i = 0;

	while (i < METRIC_DIRS_MAX - 1 && m->dirs[i].name != NULL &&
	       strcmp(m->dirs[i].name, dir) != 0)
		i++;
	if (m->dirs[i].name == NULL)
		m->dirs[i].name = strdup(i < METRIC_DIRS_MAX - 1 ? dir : "other");
	m->dirs[i].waiting = n;
}

/* Bucket k: above 2^(k-1), up to 2^k. */
static unsigned bucket_of(uint64_t us)
{
	unsigned k = us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1);

	return MIN_OF(k, METRIC_BUCKETS - 1u);
}

void histogram_observe(struct histogram *h, uint64_t us)
{
	h->count++;
	h->sum_us += us;
	h->max_us = MAX_OF(h->max_us, us);
	h->buckets[bucket_of(us)]++;
}

void metrics_observe_us(struct metrics *m, enum metric id, uint64_t us)
{
	assert(metric_rows[id].kind == METRIC_HISTOGRAM);
	histogram_observe(&m->histograms[id], us);
}

uint64_t metrics_value(const struct metrics *m, enum metric id)
{
	return metric_rows[id].kind == METRIC_HISTOGRAM ? m->histograms[id].count : m->values[id];
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	uint64_t wanted = (h->count * percent + 99) / 100, seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned k = 0; k < METRIC_BUCKETS; k++) {
		seen += h->buckets[k];
		if (seen >= wanted)
			return UINT64_C(1) << k;
	}
	return UINT64_C(1) << METRIC_BUCKETS;
}

uint64_t metrics_percentile_us(const struct metrics *m, enum metric id, unsigned percent)
{
	return histogram_percentile(&m->histograms[id], percent);
}

static void put_histogram(const struct metrics *m, enum metric id, struct jout *j)
{
	jout_object(j, metric_rows[id].name);
	jout_member_num(j, "count", m->histograms[id].count);
	jout_member_num(j, "sum_us", m->histograms[id].sum_us);
	jout_member_num(j, "p50_us", metrics_percentile_us(m, id, 50));
	jout_member_num(j, "p90_us", metrics_percentile_us(m, id, 90));
	jout_member_num(j, "p99_us", metrics_percentile_us(m, id, 99));
	jout_member_num(j, "max_us", m->histograms[id].max_us);
	jout_end(j);
}

void metrics_json(const struct metrics *m, struct jout *j, const char *name)
{
	jout_object(j, name);
	for (int i = 0; i < METRICS; i++) {
		enum metric id = (enum metric)i;

		if (metric_rows[id].kind == METRIC_HISTOGRAM)
			put_histogram(m, id, j);
		else
			jout_member_num(j, metric_rows[id].name, m->values[id]);
	}
	jout_object(j, METRIC_WAITING);
	for (size_t i = 0; i < METRIC_DIRS_MAX; i++)
		if (m->dirs[i].name != NULL)
			jout_member_num(j, m->dirs[i].name, m->dirs[i].waiting);
	jout_end(j);
	metrics_sets_json(m, j);
	jout_end(j);
}

void metrics_write_json(const struct metrics *m, struct str *out)
{
	struct jout j;

	jout_begin(&j, out);
	metrics_json(m, &j, NULL);
}
