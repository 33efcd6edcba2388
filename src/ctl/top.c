/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/top.c - all that a live view shows, in one answer. */
#include "ctl/internal.h"
#include "metrics/metrics.h"
#include "msg/gate.h"

#define NS_PER_MS UINT64_C(1000000)

static const struct {
	const char *name;
	enum metric id;
} totals[] = {
	{ "delivered", METRIC_DELIVERED },
	{ "quarantined", METRIC_QUARANTINED },
	{ "deferred", METRIC_DEFERRED },
	{ "other", METRIC_OTHER_OUTCOMES },
	{ "bytes", METRIC_BYTES },
	{ "expanded_bytes", METRIC_EXPANDED_BYTES },
	{ "scan_cpu_us", METRIC_SCAN_CPU_US },
	{ "cache_hits", METRIC_CACHE_HITS },
	{ "attempts_failed", METRIC_ATTEMPTS_FAILED },
	{ "worker_deaths", METRIC_WORKER_DEATHS },
	{ "worker_timeouts", METRIC_WORKER_TIMEOUTS },
	{ "commits", METRIC_COMMITS },
	{ "syncs", METRIC_SYNCS },
}, times[] = {
	{ "wait", METRIC_QUEUE_WAIT_US },
	{ "scan", METRIC_SCAN_US },
	{ "commit", METRIC_COMMIT_US },
	{ "message", METRIC_TOTAL_US },
};

static void put_totals(const struct ctl *c, struct jout *j)
{
	jout_object(j, "totals");
	for (size_t i = 0; i < ARRAY_LEN(totals); i++)
		jout_member_num(j, totals[i].name, metrics_value(c->metrics, totals[i].id));
	jout_end(j);
	jout_object(j, "times");
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		jout_object(j, times[i].name);
		jout_member_num(j, "count", metrics_value(c->metrics, times[i].id));
		jout_member_num(j, "p50_us", metrics_percentile_us(c->metrics, times[i].id, 50));
		jout_member_num(j, "p99_us", metrics_percentile_us(c->metrics, times[i].id, 99));
		jout_end(j);
	}
	jout_end(j);
}

static void put_queue(void *arg, const struct gate_queue *q)
{
	struct jout *j = arg;

	jout_object(j, NULL);
	jout_member_str(j, "path", bytes_str(q->path));
	if (q->counted)
		jout_member_num(j, "messages", q->messages);
	jout_member_num(j, "in_hand", q->in_hand);
	if (q->oldest_s >= 0)
		jout_member_int(j, "oldest_s", q->oldest_s);
	jout_end(j);
}

struct put_workers {
	const struct ctl *ctl;
	struct jout *j;
};

static void put_worker(void *arg, const struct gate_worker *w)
{
	const struct put_workers *p = arg;
	struct metric_worker done = metrics_worker(p->ctl->metrics, w->worker);
	struct jout *j = p->j;

	jout_object(j, NULL);
	jout_member_num(j, "worker", w->worker);
	jout_member_int(j, "pid", w->pid);
	jout_member_int(j, "core", w->core);
	jout_member_str(j, "state", bytes_of(&w->state, 1));
	if (w->id != NULL) {
		jout_member_str(j, "id", bytes_str(w->id));
		jout_member_num(j, "age_ms", w->age_ms);
	}
	jout_member_num(j, "in_hand", w->in_hand);
	jout_member_num(j, "messages", done.messages);
	jout_member_num(j, "cpu_us", done.cpu_us);
	jout_member_num(j, "deaths", done.deaths);
	if (w->retiring)
		jout_member_bool(j, "retiring", true);
	jout_end(j);
}

static void put_gate(struct ctl *c, struct jout *j)
{
	struct put_workers p = { c, j };
	struct gate_status s = { .engine = "" };

	if (c->gate != NULL) {
		gate_measure(c->gate);
		gate_status(c->gate, &s);
	}
	jout_member_str(j, "engine", bytes_str(s.engine));
	jout_member_bool(j, "draining", s.draining);
	jout_member_num(j, "in_flight", s.in_flight);
	jout_member_num(j, "in_flight_max", s.in_flight_max);
	jout_member_num(j, "workers_up", s.workers_up);
	jout_array(j, "queues");
	if (c->gate != NULL)
		gate_each_queue(c->gate, put_queue, j);
	jout_end(j);
	jout_array(j, "workers");
	if (c->gate != NULL)
		gate_each_worker(c->gate, put_worker, &p);
	jout_end(j);
}

int ctl_top(struct ctl *c, const json_t *request UNUSED, struct jout *j, struct err *err UNUSED)
{
	jout_member_str(j, "version", bytes_str(SALLYPORT_VERSION));
	jout_member_num(j, "uptime_ms", (loop_now_ns(c->loop) - c->began_ns) / NS_PER_MS);
	put_gate(c, j);
	put_totals(c, j);
	metrics_stages_json(c->metrics, j, "stages");
	return 0;
}
