/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/check_rules.c - the rule files and lists of file names and types that a configuration
 * names: each mistake with its line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/explain.h"
#include "core/num.h"
#include "core/text.h"
#include "scan/check.h"
#include "scan/rule_file.h"
#include "scan/rule_set.h"
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

/* False: @text compiles; otherwise *@ret_err says why not. */
static bool is_broken(const char *text, struct err *ret_err)
{
	const struct rule_pattern p = { text, "" };
	struct rule_set *set = NULL;
	bool broken = rule_set_new(&set, &p, 1, RULE_SET_PLAIN, ret_err) < 0;

	rule_set_free(&set);
	return broken;
}

/* The reason without the place in front of it, which is "". */
static const char *reason(const struct err *err)
{
	return strncmp(err->text, ": ", 2) == 0 ? err->text + 2 : err->text;
}

static void check_patterns(struct seen *s, const struct rule_file *f, const char *path,
			   struct conf_report *r)
{
	for (size_t i = 0; i < f->rows_n; i++) {
		const char *texts[] = { f->rows[i].regex, f->rows[i].mime_regex };
		struct err err;

		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			if (!is_broken(texts[k], &err))
				continue;
			conf_report_add(r, CONF_ERROR, path, f->rows[i].line, 1, reason(&err));
			s->fatal = true;
		}
	}
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
	check_patterns(s, &f, path, r);
}

/* Patterns that stand in an option itself. */
static void check_list(struct seen *s, const struct conf *c, enum opt_id id, struct conf_report *r)
{
	AUTO(arena_free) struct arena *a = arena_new(16 * MIB);
	size_t n = conf_every_value(c, id, s->text, VALUES_MAX);

	for (size_t i = 0; a != NULL && i < MIN_OF(n, VALUES_MAX); i++) {
		struct bytes rest = bytes_str(s->text[i]), word;

		while (bytes_next_word(&rest, &word)) {
			const char *pattern = rule_pattern_text(word, a), *text;
			struct err err;

			if (pattern == NULL || !is_broken(pattern, &err))
				continue;
			text = arena_printf(a, "%s: %s", opt_rows[id].name, reason(&err));
			if (text != NULL)
				conf_report_option(c, r, CONF_ERROR, id, text);
			s->fatal = true;
		}
	}
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

bool cli_check_rules(const struct conf *c, struct conf_report *r)
{
	static const enum opt_id files[] = { OPT_FILENAME_RULES, OPT_FILETYPE_RULES,
					     OPT_ARCHIVES_FILENAME_RULES,
					     OPT_ARCHIVES_FILETYPE_RULES };
	static const enum opt_id lists[] = {
		OPT_ALLOW_FILENAMES,
		OPT_DENY_FILENAMES,
		OPT_ALLOW_FILETYPES,
		OPT_DENY_FILETYPES,
		OPT_ALLOW_FILE_MIME_TYPES,
		OPT_DENY_FILE_MIME_TYPES,
		OPT_ARCHIVES_ALLOW_FILENAMES,
		OPT_ARCHIVES_DENY_FILENAMES,
		OPT_ARCHIVES_ALLOW_FILETYPES,
		OPT_ARCHIVES_DENY_FILETYPES,
		OPT_ARCHIVES_ALLOW_FILE_MIME_TYPES,
		OPT_ARCHIVES_DENY_FILE_MIME_TYPES,
	};
	struct seen *seen = calloc(1, sizeof(*seen));
	struct rule_engine *e = NULL;
	struct err err;
	bool fine;

	for (size_t i = 0; seen != NULL && i < ARRAY_LEN(files); i++)
		check_option(seen, c, files[i], r);
	for (size_t i = 0; seen != NULL && i < ARRAY_LEN(lists); i++)
		check_list(seen, c, lists[i], r);
	if (seen != NULL && !seen->fatal && rule_engine_new(&e, c, &err) < 0) {
		add_engine_problem(&err, r); /* what only all of them together can be */
		seen->fatal = true;
	}
	fine = seen != NULL && !seen->fatal;
	rule_engine_free(&e);
	free(seen);
	return fine;
}
