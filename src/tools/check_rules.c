/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/check_rules.c - the rule files of file names and types that a configuration names: each
 * mistake with its line, and, once these are gone, the first pattern that does not compile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/num.h"
#include "core/text.h"
#include "scan/check.h"
#include "scan/rule_file.h"
#include "tools/cli.h"

#define VALUES_MAX 1000
#define SEEN_MAX   1000

struct seen {
	const char *text[VALUES_MAX];
	char path[SEEN_MAX][256];
	size_t n;
	bool fatal;
};

/* False: it was looked at before (or there are too many of them). */
static bool is_new(struct seen *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->path[i], path) == 0)
			return false;
	if (s->n == SEEN_MAX || strlen(path) >= sizeof(s->path[0]))
		return false;
	memcpy(s->path[s->n++], path, strlen(path) + 1);
	return true;
}

static void check_file(struct seen *s, const struct conf *c, const char *path,
		       struct conf_report *r)
{
	AUTO(arena_free) struct arena *a = arena_new(256 * MIB);
	struct rule_file f;
	struct bytes content;
	struct err err;

	if (a == NULL || !is_new(s, path) || conf_file(c, path, &content) < 0)
		return;
	if (rule_file_parse(&f, content, a, &err) < 0) {
		conf_report_add(r, CONF_ERROR, path, 1, 1, err.text);
		s->fatal = true;
		return;
	}
	for (size_t i = 0; i < f.problems_n; i++) {
		const struct rule_problem *p = &f.problems[i];

		conf_report_add(r, p->fatal ? CONF_ERROR : CONF_WARNING, path,
				p->line == 0 ? 1 : p->line, 1, p->text);
	}
	s->fatal |= f.fatal_n > 0;
}

static void check_option(struct seen *s, const struct conf *c, enum opt_id id,
			 struct conf_report *r)
{
	size_t n = conf_every_value(c, id, s->text, VALUES_MAX);

	for (size_t i = 0; i < MIN_OF(n, VALUES_MAX); i++) {
		struct bytes rest = bytes_str(s->text[i]), word;

		while (bytes_next_word(&rest, &word)) {
			char path[256];

			(void)snprintf(path, sizeof(path), "%.*s", (int)word.n,
				       (const char *)word.p);
			check_file(s, c, path, r);
		}
	}
}

/* "FILE:LINE: text" of the engine, apart. */
static void add_engine_problem(const struct err *err, struct conf_report *r)
{
	struct bytes text = bytes_str(err->text), place, number;
	char path[256];
	ptrdiff_t colon = bytes_find(text, BYTES(": "));
	uint64_t line = 1;

	place = colon < 0 ? BYTES("") : bytes_head(text, (size_t)colon);
	for (colon = (ptrdiff_t)place.n - 1; colon > 0 && place.p[colon] != ':'; colon--)
		;
	number = colon <= 0 ? BYTES("") : bytes_from(place, (size_t)colon + 1);
	if (num_parse(number, 10, UINT32_MAX, &line) < 0) {
		conf_report_add(r, CONF_ERROR, "rules", 1, 1, err->text);
		return;
	}
	(void)snprintf(path, sizeof(path), "%.*s", (int)colon, (const char *)place.p);
	conf_report_add(r, CONF_ERROR, path, (unsigned)line, 1, err->text + place.n + 2);
}

void cli_check_rules(const struct conf *c, struct conf_report *r)
{
	static const enum opt_id ids[] = { OPT_FILENAME_RULES, OPT_FILETYPE_RULES,
					   OPT_ARCHIVES_FILENAME_RULES,
					   OPT_ARCHIVES_FILETYPE_RULES };
	struct seen *seen = calloc(1, sizeof(*seen));
	struct rule_engine *e = NULL;
	struct err err;

	for (size_t i = 0; seen != NULL && i < ARRAY_LEN(ids); i++)
		check_option(seen, c, ids[i], r);
	if (seen != NULL && !seen->fatal && rule_engine_new(&e, c, &err) < 0)
		add_engine_problem(&err, r);
	rule_engine_free(&e);
	free(seen);
}
