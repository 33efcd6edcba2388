/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics: counting, percentiles, JSON. */
#include "metrics/metrics.h"

#include <string.h>

#include "core/jout.h"
#include "tests/t.h"

int main(void)
{
	struct metrics *m = metrics_new();
	struct str text;
	struct jout j;

	str_init(&text, 64 * 1024);
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 99) == 0, "nothing observed yet");
	metrics_add(m, METRIC_DELIVERED, 2);
	metrics_add(m, METRIC_DELIVERED, 1);
	T_OK(metrics_value(m, METRIC_DELIVERED) == 3, "counter");
	for (unsigned i = 0; i < 99; i++)
		metrics_observe_us(m, METRIC_SCAN_US, 100);
	metrics_observe_us(m, METRIC_SCAN_US, UINT64_MAX);
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 50) == 128, "median in its bucket");
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 99) == 128, "99 of 100");
	T_OK(metrics_percentile_us(m, METRIC_SCAN_US, 100) > 1000000,
	     "the one that is out of range");
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	metrics_json(m, &j, "metrics");
	jout_end(&j);
	T_OK(strstr(str_view(&text), "\"messages_delivered_total\":3") != NULL, "json counter");
	T_OK(strstr(str_view(&text), "\"scan_microseconds\":{\"count\":100,") != NULL,
	     "json histogram");
	str_fini(&text);
	metrics_free(&m);
	return t_done();
}
