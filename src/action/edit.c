/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * action/edit.c - MailScanner's primitives on a header list. Lines that are not edited keep their
 * bytes, whatever they hold; names are compared whole (MailScanner takes some as the beginning of
 * a regular expression, docs/differences.md).
 */
#include "action/edit.h"

#include <errno.h>
#include <stdlib.h>

#include "action/header_pattern.h"
#include "core/num.h"

/* "X-Name:" as people write it in options, and "X-Name". */
static struct bytes plain_name(const char *name)
{
	struct bytes b = bytes_trim(bytes_str(name));

	if (b.n > 0 && b.p[b.n - 1] == ':')
		b.n--;
	return bytes_trim(b);
}

/* --- building lines --- */

/* Room for @parts and a NUL that nobody counts. */
static uint8_t *room(struct edit *e, size_t n)
{
	uint8_t *p = arena_alloc(e->arena, n);

	if (p == NULL)
		e->failed = true;
	return p;
}

/*
 * What may stand in a header of ours: a line break only as a fold, so that no value - an option
 * with \n in it, an odd envelope address - can begin a header of its own. Writes at most 2 * n.
 */
static size_t put_value(uint8_t *out, const char *value)
{
	size_t n = 0;

	for (const char *v = value; *v != '\0'; v++) {
		uint8_t c = (uint8_t)*v;

		if (c != '\n') {
			out[n++] = (c < ' ' && c != '\t') || c == 0x7f ? '?' : c;
		} else if (v[1] != '\0' && v[1] != '\n') {
			out[n++] = '\n';
			if (v[1] != ' ' && v[1] != '\t')
				out[n++] = '\t';
		}
	}
	return n;
}

static size_t put_bytes(uint8_t *out, struct bytes b)
{
	if (b.n > 0)
		memcpy(out, b.p, b.n);
	return b.n;
}

/* Blanks inside a name would end it: '-'. */
static size_t put_name(uint8_t *out, struct bytes name)
{
	for (size_t i = 0; i < name.n; i++)
		out[i] =
			name.p[i] <= ' ' || name.p[i] == 0x7f || name.p[i] == ':' ? '-' : name.p[i];
	return name.n;
}

static struct bytes new_line(struct edit *e, struct bytes name, const char *value)
{
	uint8_t *p = room(e, name.n + 2 + 2 * strlen(value));
	size_t n;

	if (p == NULL)
		return BYTES("");
	n = put_name(p, name);
	p[n++] = ':';
	if (value[0] != '\0')
		p[n++] = ' ';
	n += put_value(p + n, value);
	return bytes_of(p, n);
}

/* --- primitives --- */

static struct header *first(const struct edit *e, const char *name)
{
	struct bytes plain = plain_name(name);
	ptrdiff_t i = plain.n == 0 ? -1 : header_find(e->list, plain, 0);

	return i < 0 ? NULL : &e->list->v[i];
}

static void delete_from(struct edit *e, struct bytes name, size_t from)
{
	ptrdiff_t i;

	while (name.n > 0 && (i = header_find(e->list, name, from)) >= 0) {
		e->list->v[i].deleted = true;
		from = (size_t)i + 1;
	}
}

void edit_add(struct edit *e, const char *name, const char *value)
{
	struct bytes plain = plain_name(name);
	struct header h = { .text = { 0 } };

	if (plain.n == 0)
		return;
	h.text = new_line(e, plain, value);
	if (e->failed)
		return;
	if (header_list_insert(e->list, e->arena, e->at_top ? 0 : e->list->n, h) < 0)
		e->failed = true;
}

void edit_replace(struct edit *e, const char *name, const char *value)
{
	if (!e->dkim)
		delete_from(e, plain_name(name), 0);
	edit_add(e, name, value);
}

void edit_append(struct edit *e, const char *name, const char *value, const char *separator)
{
	struct header *h = first(e, name);
	uint8_t *p;
	size_t n;

	if (h == NULL) {
		edit_add(e, name, value);
		return;
	}
	p = room(e, h->text.n + 2 * (strlen(separator) + strlen(value)));
	if (p == NULL)
		return;
	n = put_bytes(p, h->text);
	n += put_value(p + n, separator);
	n += put_value(p + n, value);
	h->text = bytes_of(p, n);
}

void edit_prepend(struct edit *e, const char *name, const char *value, const char *separator)
{
	struct header *h = first(e, name);
	struct bytes old;
	uint8_t *p;
	size_t n;

	if (h == NULL) {
		edit_add(e, name, value);
		return;
	}
	old = header_value(h->text);
	p = room(e, h->text.n + 2 + 2 * (strlen(separator) + strlen(value)));
	if (p == NULL)
		return;
	n = put_bytes(p, header_name(h->text));
	p[n++] = ':';
	p[n++] = ' ';
	n += put_value(p + n, value);
	n += put_value(p + n, separator);
	n += put_bytes(p + n, old);
	h->text = bytes_of(p, n);
}

void edit_uniq(struct edit *e, const char *name)
{
	struct header *h = first(e, name);

	if (h != NULL)
		delete_from(e, plain_name(name), (size_t)(h - e->list->v) + 1);
}

static int delete_matching(struct edit *e, struct bytes pattern, struct err *err)
{
	AUTO(header_pattern_free) struct header_pattern *p = NULL;
	int r = header_pattern_new(&p, pattern, err);

	for (size_t i = 0; r == 0 && i < e->list->n; i++)
		if (!e->list->v[i].deleted && header_pattern_matches(p, e->list->v[i].text))
			e->list->v[i].deleted = true;
	return r;
}

int edit_delete(struct edit *e, const char *name, struct err *err)
{
	struct bytes b = bytes_trim(bytes_str(name));

	if (b.n > 2 && b.p[0] == '/' && b.p[b.n - 1] == '/')
		return delete_matching(e, bytes_of(b.p + 1, b.n - 2), err);
	delete_from(e, plain_name(name), 0);
	return 0;
}

bool edit_starts_with(const struct edit *e, const char *name, const char *text)
{
	const struct header *h = first(e, name);

	return h != NULL && bytes_starts_nocase(header_value(h->text), bytes_str(text));
}

bool edit_ends_with(const struct edit *e, const char *name, const char *text)
{
	const struct header *h = first(e, name);

	return h != NULL && bytes_ends_nocase(header_value(h->text), bytes_str(text));
}

void edit_multiple(struct edit *e, enum edit_multiple how, const char *name, const char *value)
{
	switch (how) {
	case EDIT_REPLACE:
		edit_replace(e, name, value);
		return;
	case EDIT_ADD:
		edit_add(e, name, value);
		return;
	case EDIT_APPEND:
		edit_append(e, name, value, ", ");
	}
}

/* --- lists --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. */
static size_t sort_unique(const char **v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(v[kept - 1], v[i]) != 0)
			v[kept++] = v[i];
	return kept;
}

/* Joined with ", ", or ",\n\t" where the line would pass column 75 with its comma. */
static char *fold(struct edit *e, const char *const *v, size_t n, size_t column)
{
	enum { COLUMNS_MAX = 75, TAB = 8 };
	size_t total = 1, at = 0;
	char *text;

	for (size_t i = 0; i < n; i++)
		total = num_add_sat(total, strlen(v[i]) + 3);
	text = (char *)room(e, total);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i]), comma = i + 1 < n ? 1 : 0;
		bool breaks = i > 0 && column + 2 + len + comma > COLUMNS_MAX;
		const char *between = i == 0 ? "" : breaks ? ",\n\t" : ", ";

		column = breaks ? TAB + len : column + strlen(between) + len;
		at += put_bytes((uint8_t *)text + at, bytes_str(between));
		at += put_bytes((uint8_t *)text + at, bytes_of(v[i], len));
	}
	text[at] = '\0';
	return text;
}

void edit_replace_list(struct edit *e, const char *name, const char *const *v, size_t n)
{
	const char **sorted = arena_array(e->arena, n + 1, sizeof(*sorted));
	char *text;

	if (sorted == NULL) {
		e->failed = true;
		return;
	}
	if (n > 0)
		memcpy(sorted, v, n * sizeof(*v));
	n = sort_unique(sorted, n);
	text = fold(e, sorted, n, plain_name(name).n + 2);
	if (text != NULL)
		edit_replace(e, name, text);
}
