/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/tools/test_top.c - two looks at a gateway: what is read, the rates, the page. */
#include <stdlib.h>
#include <string.h>

#include "core/str.h"
#include "core/text.h"
#include "tests/t.h"
#include "tools/top_lines.h"
#include "tools/top_model.h"

#define TOP_BEFORE                                                                                 \
	"{\"ok\":true,\"version\":\"1\",\"uptime_ms\":5000,\"engine\":\"6 signatures\","           \
	"\"draining\":false,\"in_flight\":3,\"in_flight_max\":256,\"workers_up\":2,"               \
	"\"queues\":[{\"path\":\"/q\\u001b[31m\",\"messages\":7,\"oldest_s\":42},"                 \
	"{\"path\":\"/r\",\"in_hand\":0}],"                                                        \
	"\"workers\":[{\"worker\":0,\"pid\":10,\"core\":0,\"state\":\"V\",\"id\":\"A1\","          \
	"\"age_ms\":31000,\"messages\":100,\"cpu_us\":1000000},"                                   \
	"{\"worker\":1,\"pid\":11,\"core\":-1,\"state\":\"I\",\"messages\":50,\"cpu_us\":0}],"     \
	"\"totals\":{\"delivered\":100,\"quarantined\":4,\"deferred\":0,\"bytes\":1000,"           \
	"\"cache_hits\":10,\"worker_deaths\":0},"                                                  \
	"\"stages\":[{\"name\":\"mime\",\"count\":100,\"cpu_us\":1000},"                           \
	"{\"name\":\"virus\",\"count\":100,\"cpu_us\":9000}]}"
#define TOP_NOW                                                                                    \
	"{\"ok\":true,\"version\":\"1\",\"uptime_ms\":7000,\"workers_up\":2,"                      \
	"\"workers\":[{\"worker\":1,\"pid\":11,\"core\":-1,\"state\":\"I\",\"messages\":60,"       \
	"\"cpu_us\":500000},"                                                                      \
	"{\"worker\":0,\"pid\":12,\"core\":0,\"state\":\"\\u0001\",\"messages\":110,"              \
	"\"cpu_us\":3000000}],"                                                                    \
	"\"totals\":{\"delivered\":120,\"quarantined\":2,\"bytes\":5000},"                         \
	"\"stages\":[{\"name\":\"mime\",\"count\":120,\"cpu_us\":3000},"                           \
	"{\"name\":\"virus\",\"count\":120,\"cpu_us\":27000}]}"
#define STATS(drops)                                                                               \
	"{\"ok\":true,\"mode\":\"enforce\",\"method\":\"sk_lookup\",\"penalised\":2,"              \
	"\"entries\":{\"allow\":1,\"deny\":2,\"penalty\":3},\"counts\":{\"lookup\":"               \
	"{\"pass\":9,\"penalty\":" drops "},\"xdp\":{\"pass\":0,\"penalty\":4}}}"
#define SOURCES                                                                                    \
	"{\"ok\":true,\"sources\":[{\"prefix\":\"192.0.2.1\",\"cost_s\":90.5,\"level\":\"few\","   \
	"\"reasons\":[{\"reason\":\"scan CPU\",\"cost_s\":0.5},"                                   \
	"{\"reason\":\"zip bombs\",\"cost_s\":90.0}]}]}"
#define REFUSED "{\"ok\":false,\"error\":\"Throttle = no\"}"

static struct top_frame before, now;
static struct top_rates rates;
static struct top_lines lines;

static bool has_line(const char *part)
{
	for (size_t i = 0; i < lines.n; i++)
		if (strstr(lines.line[i].text, part) != NULL)
			return true;
	return false;
}

static void test_reading(void)
{
	struct err err;

	T_OK(top_read(TOP_BEFORE, STATS("10"), SOURCES, 1.0, &before, &err) == 0, "a look is read");
	T_OK(before.dirs_n == 2 && before.dirs[0].waiting == 7 && before.dirs[0].oldest_s == 42 &&
		     before.dirs[1].waiting < 0 && before.dirs[1].oldest_s < 0,
	     "  queues, one that is not counted yet");
	T_OK(strchr(before.dirs[0].path, '\033') == NULL, "  escape sequences are escaped: %s",
	     before.dirs[0].path);
	T_OK(before.threads_n == 2 && before.threads[0].state == 'V' &&
		     strcmp(before.threads[0].id, "A1") == 0 && before.threads[0].age_s == 31,
	     "  scan threads");
	T_OK(before.allow_n == 1 && before.deny_n == 2 && before.penalties_n == 5,
	     "  lists, penalties by hand and by account");
	T_OK(before.verdicts_n == 2 && before.verdicts[1].n == 14 && before.verdicts[1].refused &&
		     !before.verdicts[0].refused,
	     "  both layers of the kernel together");
	T_OK(strcmp(before.sources[0].why, "zip bombs 90.0 s") == 0, "  reasons but trifles: %s",
	     before.sources[0].why);
}

static void test_refusals(void)
{
	static const struct {
		const char *top, *stats, *sources, *what;
		bool fine;
	} cases[] = {
		{ TOP_NOW, REFUSED, REFUSED, "without a throttle", true },
		{ "{\"ok\":false}", REFUSED, REFUSED, "an older gateway", false },
		{ "", REFUSED, REFUSED, "no answer", false },
		{ TOP_NOW, "[", REFUSED, "half an answer", false },
		{ "{\"ok\":true}", REFUSED, REFUSED, "nothing in it", true },
		{ "{\"ok\":true,\"workers\":7,\"queues\":{},\"stages\":[1,null,\"x\"]}", REFUSED,
		  REFUSED, "members of other types", true },
	};
	static struct top_frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { .text = "" };
		int r = top_read(cases[i].top, cases[i].stats, cases[i].sources, 0, &f, &err);

		T_OK((r == 0) == cases[i].fine && (r == 0 || err.text[0] != '\0'), "%s: %s",
		     cases[i].what, r == 0 ? "read" : err.text);
		top_rates(&f, &f, &rates);
		top_lines(&f, &rates, 80, 24, &lines);
		T_OK(lines.n > 0 && lines.n <= 24, "  can be shown");
	}
}

static void test_rates(void)
{
	struct err err;

	T_OK(top_read(TOP_NOW, STATS("30"), SOURCES, 3.0, &now, &err) == 0, "two seconds later");
	top_rates(&before, &now, &rates);
	T_OK(rates.delivered == 10 && rates.bytes == 2000, "  rates by the second");
	T_OK(rates.quarantined == 1, "  a counter that went back counts from 0");
	T_OK(rates.thread_done[0] == 5 && rates.thread_cpu[0] == 0.25 &&
		     rates.thread_done[1] == 5 && rates.thread_cpu[1] == 1,
	     "  threads are found again by their number");
	T_OK(rates.stage_us[1] == 900 && rates.stage_count[1] == 10, "  stages: 900 us each");
	T_OK(rates.verdicts[1] == 10, "  refusals");
	T_OK(now.threads[1].state == '?', "  a letter that is none: ?");
	top_rates(&now, &now, &rates);
	T_OK(rates.delivered == 0, "the same look twice: no rates, no division by nothing");
}

static void test_page(void)
{
	static const unsigned sizes[][2] = {
		{ 80, 24 }, { 200, 60 }, { 40, 10 }, { 20, 3 }, { 1, 1 }
	};

	top_rates(&before, &before, &rates);
	top_lines(&before, &rates, 120, 0, &lines);
	T_OK(has_line("V viruses") && has_line("42.0 s") && has_line("192.0.2.1") &&
		     has_line("enforce by sk_lookup"),
	     "everything is on the page");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool fits = true;

		top_lines(&before, &rates, sizes[i][0], sizes[i][1], &lines);
		for (size_t k = 0; k < lines.n; k++)
			fits &= strlen(lines.line[k].text) <= sizes[i][0];
		T_OK(fits && lines.n <= sizes[i][1], "fits into %u x %u", sizes[i][0], sizes[i][1]);
	}
}

/* What is asked for is not what happens. */
static void test_throttle(void)
{
	static const struct {
		const char *stats, *says;
	} cases[] = {
		{ "{\"ok\":true,\"mode\":\"enforce\",\"method\":\"nftables\"}",
		  "enforce by nftables" },
		{ "{\"ok\":true,\"mode\":\"enforce\",\"method\":\"nftables\",\"off\":true}",
		  "switched off by command" },
		{ "{\"ok\":true,\"mode\":\"enforce\",\"method\":\"user\"}", "nothing refuses" },
		{ "{\"ok\":true,\"mode\":\"account\",\"method\":\"user\"}", "account" },
		{ REFUSED, "off" },
	};
	static struct top_frame f;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		T_OK(top_read(TOP_NOW, cases[i].stats, SOURCES, 0, &f, &err) == 0 &&
			     strstr(f.throttle, cases[i].says) != NULL,
		     "throttle: %s", f.throttle);
}

static void test_characters(void)
{
	static const char top[] =
		"{\"ok\":true,\"queues\":[{\"path\":\"/\\u00e4\\u20ac\\ud83d\\ude00\"}]}";
	static struct top_frame f;
	struct err err;
	bool whole = true;

	if (top_read(top, REFUSED, REFUSED, 0, &f, &err) < 0)
		abort();
	for (unsigned width = 1; width < 60; width++) {
		top_lines(&f, &rates, width, 0, &lines);
		for (size_t k = 0; k < lines.n; k++) {
			struct bytes rest = bytes_str(lines.line[k].text);

			while (rest.n > 0 && text_utf8_length(rest) > 0)
				rest = bytes_from(rest, text_utf8_length(rest));
			whole &= rest.n == 0;
		}
	}
	T_OK(whole, "lines never end in half a character");
}

static void test_json(void)
{
	struct str out;
	struct jout j;

	str_init(&out, 65536);
	jout_begin(&j, &out);
	jout_object(&j, NULL);
	top_json(&before, &rates, &j);
	jout_end(&j);
	T_OK(!out.failed && strstr(str_view(&out), "\"penalties\":5") != NULL &&
		     strstr(str_view(&out), "\"state\":\"V\"") != NULL,
	     "the look as JSON");
	str_fini(&out);
}

int main(void)
{
	test_reading();
	test_refusals();
	test_rates();
	test_page();
	test_throttle();
	test_characters();
	test_json();
	return t_done();
}
