/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/names.c - what a mail reader may show as the name of a part. Readers disagree on nearly
 * everything here (RFC 2231 against RFC 2047, sections out of order, doubles, quotes), so every
 * reading is kept; the first is what most of them show.
 */
#include <stdlib.h>

#include "core/num.h"
#include "mime/charset.h"
#include "mime/internal.h"

enum { NAMES_MAX = 24 };

struct names {
	struct mime_ctx *c;
	struct mime_name *first, **last;
	unsigned n;
	bool failed;
};

static void add_text(struct names *ns, char *text)
{
	struct mime_name *name;

	if (text == NULL) {
		ns->failed = true;
		return;
	}
	if (text[0] == '\0' || ns->n == NAMES_MAX)
		return;
	for (name = ns->first; name != NULL; name = name->next)
		if (strcmp(name->text, text) == 0)
			return;
	name = arena_zalloc(ns->c->a, sizeof(*name));
	if (name == NULL) {
		ns->failed = true;
		return;
	}
	name->text = text;
	*ns->last = name;
	ns->last = &name->next;
	ns->n++;
}

enum { NESTED_WORDS_MAX = 3 };

/* Encoded words, and what is an encoded word again once it is decoded. */
static void add_words(struct names *ns, struct bytes b)
{
	for (unsigned i = 0; i < NESTED_WORDS_MAX && !ns->failed; i++) {
		char *text = mime_words_decode(ns->c->a, b);

		add_text(ns, text);
		b = bytes_str(text);
		if (bytes_find(b, BYTES("=?")) < 0)
			return;
	}
}

/* A C reader stops at a NUL, others leave it out. */
static void add_without_nul(struct names *ns, struct bytes b)
{
	char *out = arena_alloc(ns->c->a, b.n + 1);
	size_t n = 0;

	if (out == NULL) {
		ns->failed = true;
		return;
	}
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] != '\0')
			out[n++] = (char)b.p[i];
	out[n] = '\0';
	add_text(ns, out);
}

/* The name decoded by RFC 2047, then as it stands. */
static void add_name(struct names *ns, struct bytes b)
{
	b = bytes_trim(b);
	if (bytes_find(b, BYTES("=?")) >= 0 || bytes_index(b, '\n') >= 0 ||
	    bytes_index(b, '\r') >= 0)
		add_words(ns, b);
	add_text(ns, arena_str(ns->c->a, b));
	if (bytes_index(b, '\0') >= 0)
		add_without_nul(ns, b);
}

/* %XX undone, into the arena. */
static struct bytes percent_decode(struct names *ns, struct bytes b)
{
	uint8_t *out = arena_alloc(ns->c->a, b.n + 1);
	size_t n = 0;
	uint64_t byte;

	if (out == NULL) {
		ns->failed = true;
		return bytes_of(NULL, 0);
	}
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '%' &&
		    num_parse(bytes_head(bytes_from(b, i + 1), 2), 16, 255, &byte) == 0 &&
		    i + 2 < b.n) {
			out[n++] = (uint8_t)byte;
			i += 2;
		} else {
			out[n++] = b.p[i];
		}
	}
	return bytes_of(out, n);
}

/* Take "charset'language'" off *@value; without the two quotes there is no charset. */
static struct bytes take_charset(struct bytes *value)
{
	struct bytes charset = bytes_head(*value, 0);
	ptrdiff_t q1 = bytes_index(*value, '\''), q2;

	if (q1 < 0)
		return charset;
	q2 = bytes_index(bytes_from(*value, (size_t)q1 + 1), '\'');
	if (q2 < 0)
		return charset;
	charset = bytes_head(*value, (size_t)q1);
	*value = bytes_from(*value, (size_t)(q1 + q2) + 2);
	return charset;
}

static void add_extended(struct names *ns, struct bytes value)
{
	struct bytes rest = value, charset = take_charset(&rest);
	struct bytes raw = percent_decode(ns, rest);

	if (!ns->failed) {
		raw = charset_to_utf8(ns->c->a, raw, charset);
		ns->failed = raw.p == NULL;
	}
	if (!ns->failed)
		add_name(ns, raw);
}

struct section {
	const struct mime_param *p;
	size_t order; /* of appearance */
};

static int by_number(const void *a, const void *b)
{
	const struct section *x = a, *y = b;

	if (x->p->section != y->p->section)
		return x->p->section < y->p->section ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* One joined value: extended sections decoded, or (@raw) everything as it stands. */
static void add_joined(struct names *ns, const struct section *s, size_t n, bool raw)
{
	struct bytes charset = bytes_of("", 0), piece, all;
	size_t room = 0, used = 0;
	uint8_t *out;

	for (size_t i = 0; i < n; i++)
		room += s[i].p->value.n;
	out = arena_alloc(ns->c->a, room + 1);
	if (out == NULL) {
		ns->failed = true;
		return;
	}
	for (size_t i = 0; i < n && !ns->failed; i++) {
		piece = s[i].p->value;
		if (!raw && i == 0 && s[i].p->extended)
			charset = take_charset(&piece);
		if (!raw && s[i].p->extended)
			piece = percent_decode(ns, piece);
		if (piece.n > 0)
			memcpy(out + used, piece.p, piece.n);
		used += piece.n;
	}
	all = charset_to_utf8(ns->c->a, bytes_of(out, used), charset);
	ns->failed = ns->failed || all.p == NULL;
	if (!ns->failed)
		add_name(ns, all);
}

/* Sections 0, 1, 2 ... without a gap: how many at the start of the sorted @s. */
static size_t contiguous(const struct section *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i].p->section == (int)i)
		i++;
	return i;
}

static void add_sections(struct names *ns, const struct mime_params *ps, struct bytes key)
{
	struct section *s = arena_array(ns->c->a, ps->n + 1, sizeof(*s)), *sorted;
	bool extended = false;
	size_t n = 0, whole;

	if (s == NULL) {
		ns->failed = true;
		return;
	}
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].section < 0 || !bytes_eq_nocase(ps->v[i].key, key))
			continue;
		s[n++] = (struct section){ &ps->v[i], i };
		extended = extended || ps->v[i].extended;
	}
	if (n == 0)
		return;
	sorted = arena_dup(ns->c->a, bytes_of(s, n * sizeof(*s)));
	if (sorted == NULL) {
		ns->failed = true;
		return;
	}
	qsort(sorted, n, sizeof(*s), by_number);
	whole = contiguous(sorted, n);
	if (whole > 0)
		add_joined(ns, sorted, whole, false);
	if (whole < n)
		add_joined(ns, sorted, n, false);
	add_joined(ns, s, n, false);
	if (extended)
		add_joined(ns, sorted, n, true);
}

/* RFC 2231 first: a reader that knows it prefers it. */
static void add_key(struct names *ns, const struct mime_params *ps, struct bytes key)
{
	add_sections(ns, ps, key);
	for (size_t i = 0; i < ps->n && !ns->failed; i++)
		if (ps->v[i].extended && ps->v[i].section < 0 && bytes_eq_nocase(ps->v[i].key, key))
			add_extended(ns, ps->v[i].value);
	for (size_t i = 0; i < ps->n && !ns->failed; i++)
		if (ps->v[i].section < 0 && bytes_eq_nocase(ps->v[i].key, key))
			add_name(ns, ps->v[i].value);
}

/* Sections of one name spread over two header fields. */
static int add_spread(struct names *ns, const struct mime_headers *h)
{
	struct mime_params one[2 * MIME_SAME_FIELD_MAX], all = { .n = 0 };
	size_t fields = 0, n = 0;
	int r = 0;

	for (unsigned i = 0; i < h->disposition.n && r == 0; i++, fields++)
		r = mime_params_read(ns->c, h->disposition.v[i], MIME_QUOTED, &one[fields]);
	for (unsigned i = 0; i < h->type.n && r == 0; i++, fields++)
		r = mime_params_read(ns->c, h->type.v[i], MIME_QUOTED, &one[fields]);
	if (r < 0)
		return r;
	for (size_t i = 0; i < fields; i++)
		n += one[i].n;
	all.v = arena_array(ns->c->a, n, sizeof(all.v[0]));
	if (all.v == NULL)
		return mime_no_memory(ns->c);
	for (size_t i = 0; i < fields; i++)
		for (size_t j = 0; j < one[i].n; j++)
			all.v[all.n++] = one[i].v[j];
	add_sections(ns, &all, BYTES("filename"));
	add_sections(ns, &all, BYTES("name"));
	return 0;
}

/* Where "name=" or "filename=" stands, whatever stands in front of it; the value's offset or -1. */
static ptrdiff_t find_key(struct bytes value)
{
	for (size_t i = 0; i + 5 <= value.n; i++) {
		size_t at = i + 4;

		if (!bytes_starts_nocase(bytes_from(value, i), BYTES("name")))
			continue;
		while (at < value.n && ascii_is_space(value.p[at]))
			at++;
		if (at < value.n && value.p[at] == '=')
			return (ptrdiff_t)at + 1;
	}
	return -1;
}

/* All punctuation that a reader may take for syntax left out: quotes, escapes, ';', comments. */
static void add_bare(struct names *ns, struct bytes value)
{
	char *out = arena_alloc(ns->c->a, value.n + 1);
	unsigned depth = 0;
	size_t n = 0;

	if (out == NULL) {
		ns->failed = true;
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		uint8_t ch = value.p[i];

		if (ch == '(')
			depth++;
		else if (depth > 0)
			depth -= ch == ')';
		else if (ch >= ' ' && ch != '"' && ch != '\\' && ch != ';')
			out[n++] = (char)ch;
	}
	out[n] = '\0';
	add_text(ns, out);
}

/* The rest of the field as the name: for readers that know no ';'. */
static void add_rest(struct names *ns, struct bytes value)
{
	ptrdiff_t at = find_key(value);

	if (at < 0)
		return;
	value = bytes_trim(bytes_from(value, (size_t)at));
	add_name(ns, value);
	add_bare(ns, value);
}

static int add_value(struct names *ns, struct bytes value, struct bytes first, struct bytes second,
		     bool *io_sections, unsigned *io_defects)
{
	struct mime_params ps;
	int r = mime_params_read(ns->c, value, MIME_QUOTED, &ps);

	if (r < 0)
		return r;
	add_key(ns, &ps, first);
	add_key(ns, &ps, second);
	for (size_t i = 0; i < ps.n; i++)
		*io_sections = *io_sections || ps.v[i].section >= 0;
	if (!ps.odd)
		return 0;
	*io_defects |= MIME_BAD_PARAM;
	r = mime_params_read(ns->c, value, MIME_UNQUOTED, &ps);
	if (r < 0)
		return r;
	add_key(ns, &ps, first);
	add_key(ns, &ps, second);
	add_rest(ns, value);
	return 0;
}

/* "report.exe" in Content-Description is shown as the name by some; a sentence is not. */
static bool is_file_name(struct bytes b)
{
	size_t n = b.n;

	while (n > 0 && ascii_is_alnum(b.p[n - 1]))
		n--;
	return n > 1 && b.p[n - 1] == '.' && n < b.n && b.n - n <= 5;
}

int mime_names_read(struct mime_ctx *c, const struct mime_headers *h, struct mime_part *p)
{
	struct names ns = { .c = c, .last = &ns.first };
	bool sections = false;
	int r = 0;

	for (unsigned i = 0; i < h->disposition.n && r == 0; i++)
		r = add_value(&ns, h->disposition.v[i], BYTES("filename"), BYTES("name"), &sections,
			      &p->defects);
	for (unsigned i = 0; i < h->type.n && r == 0; i++)
		r = add_value(&ns, h->type.v[i], BYTES("name"), BYTES("filename"), &sections,
			      &p->defects);
	if (r == 0 && sections && h->disposition.n + h->type.n > 1)
		r = add_spread(&ns, h);
	for (unsigned i = 0; i < h->description.n && r == 0; i++)
		if (is_file_name(bytes_trim(h->description.v[i])))
			add_name(&ns, h->description.v[i]);
	if (r < 0)
		return r;
	if (ns.failed)
		return mime_no_memory(c);
	p->names = ns.first;
	return 0;
}
