/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/site.h - a configuration in memory, for the tests of conf/. */
#ifndef TESTS_CONF_SITE_H
#define TESTS_CONF_SITE_H

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "tests/t.h"

#define SITE_MAIN "/site/main.conf"

struct site {
	struct conf_source *source;
	struct conf_report *report;
	struct conf *conf; /* NULL: it did not load */
	struct err err;
	int r;
};

static inline void site_file(struct site *s, const char *path, const char *text)
{
	if (conf_source_add(s->source, path, CONF_FILE, false, bytes_str(text)) < 0)
		abort();
}

static inline void site_dir(struct site *s, const char *path)
{
	if (conf_source_add(s->source, path, CONF_DIR, false, BYTES("")) < 0)
		abort();
}

static inline void site_command(struct site *s, const char *path)
{
	if (conf_source_add(s->source, path, CONF_FILE, true, BYTES("")) < 0)
		abort();
}

static inline void site_open(struct site *s)
{
	memset(s, 0, sizeof(*s));
	s->report = conf_report_new();
	if (s->report == NULL || conf_source_memory(&s->source, NULL) < 0)
		abort();
}

static inline void site_load(struct site *s)
{
	s->r = conf_load(&s->conf, s->source, SITE_MAIN, s->report, &s->err);
}

/* Load @text as the main file, without anything else. */
static inline void site_text(struct site *s, const char *text)
{
	site_open(s);
	site_file(s, SITE_MAIN, text);
	site_load(s);
}

static inline void site_close(struct site *s)
{
	conf_unref(&s->conf);
	conf_source_close(&s->source);
	conf_report_free(&s->report);
}

/* The first problem whose text contains @part. */
static inline const struct conf_problem *site_problem(const struct site *s, const char *part)
{
	for (size_t i = 0; i < conf_report_count(s->report); i++) {
		const struct conf_problem *p = conf_report_at(s->report, i);

		if (strstr(p->text, part) != NULL)
			return p;
	}
	return NULL;
}

static inline void site_show(const struct site *s)
{
	for (size_t i = 0; i < conf_report_count(s->report); i++) {
		const struct conf_problem *p = conf_report_at(s->report, i);

		printf("# %s:%u:%u: %s\n", p->file, p->line, p->column, p->text);
	}
}

#endif
