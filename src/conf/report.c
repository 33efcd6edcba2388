/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/report.c - the mistakes of one load, kept until somebody shows them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_internal.h"
#include "core/arena.h"
#include "core/text.h"

#define PROBLEMS_MAX      10000u
#define REPORT_MAX_BYTES  (16 * MIB)
#define PROBLEM_TEXT_SIZE 512

struct conf_report {
	struct arena *arena;
	struct conf_problem *list;
	size_t n, cap;
	const char *last_file; /* most problems of a row come from one file */
};

struct conf_report *conf_report_new(void)
{
	struct conf_report *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->arena = arena_new(REPORT_MAX_BYTES);
	if (r->arena == NULL)
		conf_report_free(&r);
	return r;
}

void conf_report_free(struct conf_report **r)
{
	if (*r == NULL)
		return;
	arena_free(&(*r)->arena);
	free((*r)->list);
	free(*r);
	*r = NULL;
}

size_t conf_report_count(const struct conf_report *r)
{
	return r->n;
}

const struct conf_problem *conf_report_at(const struct conf_report *r, size_t i)
{
	return i < r->n ? &r->list[i] : NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct conf_problem *x = a, *y = b;
	int c = x->file == y->file ? 0 : strcmp(x->file, y->file);

	if (c != 0)
		return c;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void conf_report_sort(struct conf_report *r)
{
	/* what says that there were more stays the last */
	if (r->n > 1)
		qsort(r->list, MIN_OF(r->n, PROBLEMS_MAX), sizeof(*r->list), by_place);
}

/* Rows of a database are named by their number, lines of a file by theirs. */
static bool is_row(const char *file)
{
	return bytes_starts(bytes_str(file), BYTES(CONF_PLACE_SQL)) ||
	       bytes_starts(bytes_str(file), BYTES(CONF_PLACE_LDAP));
}

static bool is_switch(const char *file)
{
	return strcmp(file, CONF_PLACE_SWITCH) == 0;
}

const char *conf_place_unit(const char *file)
{
	return is_row(file) ? "row" : "line";
}

void conf_place_add(struct str *out, const char *file, unsigned line)
{
	if (is_switch(file))
		str_add(out, file);
	else
		str_addf(out, is_row(file) ? "%s row %u" : "%s:%u", file, line);
}

void conf_problem_place(const struct conf_problem *p, struct str *out)
{
	if (p->line == 0) {
		str_add(out, p->file);
		return;
	}
	conf_place_add(out, p->file, p->line);
	if (!is_row(p->file) && !is_switch(p->file))
		str_addf(out, ":%u", p->column);
}

static const char *keep_file(struct conf_report *r, const char *file)
{
	if (r->last_file == NULL || strcmp(r->last_file, file) != 0)
		r->last_file = arena_str(r->arena, bytes_str(file));
	return r->last_file == NULL ? "" : r->last_file;
}

/* Room for one more; PROBLEMS_MAX of them and the one that says so. */
static bool grow(struct conf_report *r)
{
	size_t want = r->cap == 0 ? 16 : r->cap * 2;
	struct conf_problem *bigger;

	if (r->n < r->cap)
		return true;
	bigger = reallocarray(r->list, want, sizeof(*bigger));
	if (bigger == NULL)
		return false;
	r->list = bigger;
	r->cap = want;
	return true;
}

void conf_problem_add(struct conf_report *r, enum conf_severity severity, struct conf_place at,
		      const char *fmt, ...)
{
	char text[PROBLEM_TEXT_SIZE];
	struct conf_problem *p;
	va_list ap;

	if (r == NULL || r->n > PROBLEMS_MAX || !grow(r))
		return;
	if (r->n == PROBLEMS_MAX) {
		(void)snprintf(text, sizeof(text), "more than %u problems; the rest is not shown",
			       PROBLEMS_MAX);
	} else {
		va_start(ap, fmt);
		(void)vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		text_make_printable(text);
	}
	p = &r->list[r->n++];
	*p = (struct conf_problem){ .severity = severity, .line = at.line, .column = at.column };
	p->file = keep_file(r, at.file);
	p->text = arena_str(r->arena, bytes_str(text));
	if (p->text == NULL)
		p->text = "(no memory for the text)";
}

void conf_report_add(struct conf_report *r, enum conf_severity severity, const char *file,
		     unsigned line, unsigned column, const char *text)
{
	conf_problem_add(r, severity, (struct conf_place){ file, line, column }, "%s", text);
}
