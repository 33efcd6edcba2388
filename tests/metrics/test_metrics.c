/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics: counting, percentiles, both outputs, and names that agree with the layers above. */
#include "metrics/metrics.h"

#include <string.h>

#include "core/jout.h"
#include "metrics/cost.h"
#include "policy/policy.h"
#include "scan/facts.h"
#include "tests/t.h"

static bool has(const struct str *s, const char *part)
{
	return strstr(str_view(s), part) != NULL;
}

static unsigned count(const struct str *s, const char *part)
{
	unsigned n = 0;

	for (const char *p = str_view(s); (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

static void test_values(struct metrics *m)
{
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 99) == 0, "nothing observed yet");
	metrics_add(m, METRIC_DELIVERED, 2);
	metrics_add(m, METRIC_DELIVERED, 1);
	T_OK(metrics_value(m, METRIC_DELIVERED) == 3, "counter");
	metrics_add(m, METRIC_SCAN_CPU_US, 1500000);
	metrics_set(m, METRIC_IN_FLIGHT, 9);
	metrics_set(m, METRIC_IN_FLIGHT, 4);
	T_OK(metrics_value(m, METRIC_IN_FLIGHT) == 4, "gauge");
	for (unsigned i = 0; i < 99; i++)
		metrics_observe_us(m, METRIC_SCAN_US, 100);
	metrics_observe_us(m, METRIC_SCAN_US, UINT64_C(1) << 62);
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 50) == 128, "median in its bucket");
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 99) == 128, "99 of 100");
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 100) > 1000000,
	     "the one that is out of range");
	T_OK(metrics_value(m, METRIC_SCAN_US) == 100, "count of a histogram");
	for (uint64_t us = 0; us <= 2; us++)
		metrics_observe_us(m, METRIC_COMMIT_US, us);
	metrics_observe_us(m, METRIC_COMMIT_US, 128);
	metrics_observe_us(m, METRIC_COMMIT_US, 129);
	T_OK(metrics_percentile_us(m, METRIC_COMMIT_US, 80) == 128 &&
		     metrics_percentile_us(m, METRIC_COMMIT_US, 81) == 256 &&
		     metrics_percentile_us(m, METRIC_COMMIT_US, 40) == 1,
	     "a power of two belongs to the bucket it ends");
}

static void test_dirs(struct metrics *m)
{
	char dir[32];

	metrics_set_waiting(m, "/q/\"in\"", 7);
	metrics_set_waiting(m, "/q/\"in\"", 8);
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(dir, sizeof(dir), "/many/%u", i);
		metrics_set_waiting(m, dir, i);
	}
}

static void test_json(const struct metrics *m)
{
	struct str text AUTO(str_fini);
	struct jout j;

	str_init(&text, 64 * 1024);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	metrics_json(m, &j, "metrics");
	jout_end(&j);
	T_OK(has(&text, "\"messages_delivered_total\":3"), "json counter");
	T_OK(has(&text, "\"scan_microseconds\":{\"count\":100,"), "json histogram");
	T_OK(has(&text, "\"messages_waiting\":{\"/q/\\\"in\\\"\":8,\"/many/0\":0,"),
	     "json directories");
	T_OK(has(&text, "\"/many/29\":29,\"other\":39},"), "those too many are one");
	T_OK(has(&text, "{\"name\":\"virus\",\"count\":2,\"cpu_us\":3001,\"wall_us\":5000,"
			"\"p50_us\":1,\"p99_us\":8192,\"max_us\":5000,\"counted\":1,\"cycles\":10,"
			"\"instructions\":20,\"cache_misses\":30,\"branch_misses\":40}"),
	     "json stages");
	T_OK(has(&text, "{\"name\":\"read\",\"count\":1,\"cpu_us\":1,\"wall_us\":0,\"p50_us\":1,"
			"\"p99_us\":1,\"max_us\":0}"),
	     "no counters where none were counted");
	T_OK(has(&text, "{\"worker\":2,\"messages\":5,\"cpu_us\":2000001,\"deaths\":3}]"),
	     "json workers");
	str_reset(&text);
	metrics_write_json(m, &text);
	T_OK(!text.failed && str_view(&text)[0] == '{' && text.p[text.n - 1] == '}', "json alone");
}

static void test_sets(struct metrics *m)
{
	static const struct cost slow = { 3000000, 5000000, { 10, 20, 30, 40 } };
	static const struct cost fast = { 1000, 900, { 1, 2, 3, 4 } };

	for (unsigned i = 0; i < STAGE_COUNT; i++)
		metrics_name_stage(m, i, stage_name(i));
	metrics_add_stage(m, CHECK_VIRUS, &slow, true);
	metrics_add_stage(m, CHECK_VIRUS, &fast, false);
	metrics_add_stage(m, STAGE_READ, &fast, false);
	metrics_add_worker(m, 2, &(struct metric_worker){ .messages = 4, .cpu_us = 2000001 });
	metrics_add_worker(m, 2, &(struct metric_worker){ .messages = 1, .deaths = 3 });
	metrics_add_worker(m, METRIC_WORKERS_MAX, &(struct metric_worker){ .messages = 1 });
	T_OK(metrics_worker(m, 2).messages == 5 && metrics_worker(m, 2).deaths == 3 &&
		     metrics_worker(m, 1).messages == 0 &&
		     metrics_worker(m, METRIC_WORKERS_MAX).messages == 0,
	     "workers are counted apart");
}

static const char *const lines[] = {
	"# TYPE sallyport_build_info gauge\nsallyport_build_info{version=\"",
	"# TYPE sallyport_messages_total counter\nsallyport_messages_total{outcome=\"deliver\"} "
	"3\n",
	"sallyport_messages_total{outcome=\"quarantine\"} 0\n",
	"sallyport_scan_cpu_seconds_total 1.500000\n",
	"# TYPE sallyport_messages_in_flight gauge\nsallyport_messages_in_flight 4\n",
	"# TYPE sallyport_scan_seconds histogram\nsallyport_scan_seconds_bucket{le=\"0.000001\"} "
	"0\n",
	"sallyport_scan_seconds_bucket{le=\"0.000064\"} 0\n"
	"sallyport_scan_seconds_bucket{le=\"0.000128\"} 99\n",
	"sallyport_scan_seconds_bucket{le=\"+Inf\"} 100\n",
	"sallyport_scan_seconds_count 100\n",
	"sallyport_commit_seconds_sum 0.000260\n",
	"sallyport_messages_waiting{dir=\"/q/\\\"in\\\"\"} 8\n",
	"sallyport_messages_waiting{dir=\"other\"} 39\n",
	"sallyport_stage_cpu_seconds_total{stage=\"virus\"} 0.003001\n",
	"sallyport_stage_cpu_seconds_total{stage=\"rest\"} 0.000000\n",
	"sallyport_stage_seconds_bucket{stage=\"virus\",le=\"0.000001\"} 1\n"
	"sallyport_stage_seconds_bucket{stage=\"virus\",le=\"0.000004\"} 1\n",
	"sallyport_stage_seconds_bucket{stage=\"virus\",le=\"0.016384\"} 2\n",
	"sallyport_stage_seconds_bucket{stage=\"virus\",le=\"+Inf\"} 2\n"
	"sallyport_stage_seconds_sum{stage=\"virus\"} 0.005000\n"
	"sallyport_stage_seconds_count{stage=\"virus\"} 2\n",
	"sallyport_stage_counted_scans_total{stage=\"virus\"} 1\n",
	"sallyport_stage_cycles_total{stage=\"virus\"} 10\n",
	"sallyport_stage_branch_misses_total{stage=\"virus\"} 40\n",
	"sallyport_worker_messages_total{worker=\"1\"} 0\n"
	"sallyport_worker_messages_total{worker=\"2\"} 5\n",
	"sallyport_worker_cpu_seconds_total{worker=\"2\"} 2.000001\n",
	"sallyport_worker_restarts_total{worker=\"2\"} 3\n",
};

static void test_prometheus(const struct metrics *m)
{
	struct str text AUTO(str_fini);

	str_init(&text, 64 * 1024);
	metrics_write_prometheus(m, &text);
	T_OK(!text.failed && text.p[text.n - 1] == '\n', "%zu bytes", text.n);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		T_OK(has(&text, lines[i]), "line %zu", i);
	T_OK(count(&text, "# TYPE sallyport_messages_total ") == 1 &&
		     count(&text, "# TYPE sallyport_findings_total ") == 1,
	     "one head a family");
}

/* METRIC_FOUND_VIRUS + kind and METRIC_UNFINISHED_LIMITS + check name what they say. */
static void test_order(void)
{
	for (unsigned k = 0; k < FINDING_KINDS + (unsigned)CHECK_COUNT; k++) {
		bool kind = k < FINDING_KINDS;
		unsigned i = kind ? k : k - FINDING_KINDS;
		const char *name = kind ? finding_kind_name((enum finding_kind)i)
					: check_name((enum check_id)i);
		struct metrics *m = metrics_new();
		struct str text AUTO(str_fini);
		char want[96];

		str_init(&text, 64 * 1024);
		metrics_add(m,
			    (enum metric)((kind ? METRIC_FOUND_VIRUS : METRIC_UNFINISHED_LIMITS) +
					  (int)i),
			    5);
		metrics_write_prometheus(m, &text);
		(void)snprintf(want, sizeof(want), "{%s=\"%s\"} 5\n", kind ? "kind" : "check",
			       name);
		T_OK(has(&text, want) && count(&text, " 5\n") == 1, "%s", name);
		metrics_free(&m);
	}
}

static void test_outcomes(void)
{
	static const struct {
		enum metric id;
		enum outcome outcome;
	} rows[] = { { METRIC_DELIVERED, OUTCOME_DELIVER },
		     { METRIC_QUARANTINED, OUTCOME_QUARANTINE },
		     { METRIC_DEFERRED, OUTCOME_DEFER } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metrics *m = metrics_new();
		struct str text AUTO(str_fini);
		char want[96];

		str_init(&text, 64 * 1024);
		metrics_add(m, rows[i].id, 5);
		metrics_write_prometheus(m, &text);
		(void)snprintf(want, sizeof(want), "{outcome=\"%s\"} 5\n",
			       outcome_name(rows[i].outcome));
		T_OK(has(&text, want), "%s", outcome_name(rows[i].outcome));
		metrics_free(&m);
	}
}

int main(void)
{
	struct metrics *m = metrics_new();

	test_values(m);
	test_dirs(m);
	test_sets(m);
	test_json(m);
	test_prometheus(m);
	test_order();
	test_outcomes();
	metrics_free(&m);
	return t_done();
}
