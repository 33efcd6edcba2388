/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_conf - a configuration, an included file and a ruleset, all of the input. Needs conf_dep.
 * The input is the three files, separated by 0x01 bytes. */
#include <stdlib.h>

#include "conf/conf.h"
#include "conf/definitions.h"

static const char *const paths[] = { "/f/main.conf", "/f/conf.d/a", "/f/r.rules" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_files(struct conf_source *s, struct bytes in)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ptrdiff_t end = bytes_index(in, 1);
		struct bytes file = end < 0 ? in : bytes_head(in, (size_t)end);

		in = bytes_from(in, end < 0 ? in.n : (size_t)end + 1);
		if (conf_source_add(s, paths[i], CONF_FILE, false, file) < 0)
			abort();
	}
	if (conf_source_add(s, "/d", CONF_DIR, false, BYTES("")) < 0 ||
	    conf_source_add_env(s, "HOST", "mx1") < 0)
		abort();
}

static void ask_all(const struct conf *c)
{
	static const char *const to[] = { "joe@example.com", "x@y.org" };
	const struct conf_who who = { .from = "a@b.example",
				      .to = to,
				      .to_n = 2,
				      .client_ip = "192.0.2.1",
				      .client_host = "mx.b.example" };

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		if (conf_written(c, id, &who) == NULL || conf_where(c, id, NULL) == NULL)
			abort();
		if (opt_rows[id].type == OPT_YESNO)
			(void)conf_bool(c, id, &who);
		if (opt_rows[id].type == OPT_NUMBER)
			(void)conf_num(c, id, &who);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	struct err err;

	if (report == NULL || conf_source_memory(&s, &err) < 0)
		return 0;
	add_files(s, bytes_of(data, size));
	if (conf_load(&c, s, paths[0], report, &err) == 0)
		ask_all(c);
	if (c != NULL)
		conf_check_definitions(c, report);
	conf_report_sort(report);
	for (size_t i = 0; i < conf_report_count(report); i++) {
		const struct conf_problem *p = conf_report_at(report, i);

		if (p->file[0] != '/' || p->line == 0)
			abort();
	}
	return 0;
}
