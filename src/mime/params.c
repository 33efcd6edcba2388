/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/params.c - "; key=value" lists of Content-Type and Content-Disposition. */
#include "core/num.h"
#include "mime/internal.h"

struct scan {
	struct bytes rest;
	enum mime_quoting quoting;
	bool odd;
};

/* Blanks and, where quotes count, comments. Nesting is a number, not recursion. */
static void skip_blanks(struct scan *s)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; i < s->rest.n; i++) {
		uint8_t c = s->rest.p[i];

		if (s->quoting == MIME_QUOTED && c == '(') {
			depth++;
			s->odd = true;
		} else if (depth > 0 && c == ')') {
			depth--;
		} else if (depth > 0 && c == '\\') {
			i++;
		} else if (depth == 0 && !ascii_is_space(c)) {
			break;
		}
	}
	s->rest = bytes_from(s->rest, i);
}

/* Up to '=', ';' or the end; blanks and comments inside are left out by trimming and splitting. */
static struct bytes take_key(struct scan *s)
{
	size_t n = 0;

	while (n < s->rest.n && s->rest.p[n] != '=' && s->rest.p[n] != ';' &&
	       !(s->quoting == MIME_QUOTED && s->rest.p[n] == '('))
		n++;
	return bytes_trim(bytes_head(s->rest, n));
}

static void skip_past_key(struct scan *s)
{
	for (;;) {
		skip_blanks(s);
		if (s->rest.n == 0 || s->rest.p[0] == '=' || s->rest.p[0] == ';')
			return;
		s->rest = bytes_from(s->rest, 1);
	}
}

/* A quoted string; backslashes are taken away in place of a copy in @out. */
static struct bytes take_quoted(struct scan *s, uint8_t *out)
{
	size_t i = 1, n = 0;

	for (; i < s->rest.n && s->rest.p[i] != '"'; i++) {
		if (s->rest.p[i] == '\\' && i + 1 < s->rest.n) {
			/* Windows paths were never meant to be escaped */
			s->odd = true;
			i++;
		} else if (s->rest.p[i] == '\r' || s->rest.p[i] == '\n') {
			continue;
		}
		out[n++] = s->rest.p[i];
	}
	if (i >= s->rest.n)
		s->odd = true;
	s->rest = bytes_from(s->rest, i + 1);
	return bytes_of(out, n);
}

/* Up to ';'. Stray text behind a quoted string is dropped. */
static struct bytes take_value(struct scan *s, uint8_t *out)
{
	struct bytes value;
	size_t n = 0;

	skip_blanks(s);
	if (s->quoting == MIME_QUOTED && s->rest.n > 0 && s->rest.p[0] == '"') {
		value = take_quoted(s, out);
		skip_blanks(s);
		if (s->rest.n > 0 && s->rest.p[0] != ';')
			s->odd = true;
	} else {
		while (n < s->rest.n && s->rest.p[n] != ';' &&
		       !(s->quoting == MIME_QUOTED && s->rest.p[n] == '('))
			n++;
		value = bytes_trim(bytes_head(s->rest, n));
		if (s->quoting == MIME_UNQUOTED && value.n >= 2 && value.p[0] == '"' &&
		    value.p[value.n - 1] == '"')
			value = bytes_head(bytes_from(value, 1), value.n - 2);
		s->odd = s->odd || (n < s->rest.n && s->rest.p[n] == '(');
		if (value.n > 0 &&
		    (memchr(value.p, '"', value.n) || memchr(value.p, '\\', value.n)))
			s->odd = true;
	}
	while (s->rest.n > 0 && s->rest.p[0] != ';')
		s->rest = bytes_from(s->rest, 1);
	return value;
}

/* "name*3*": key, section and whether it is percent-encoded. */
static void split_key(struct mime_param *p)
{
	struct bytes number;
	ptrdiff_t star;
	uint64_t value;

	p->section = -1;
	if (p->key.n > 0 && p->key.p[p->key.n - 1] == '*') {
		p->extended = true;
		p->key.n--;
	}
	star = bytes_index(p->key, '*');
	if (star < 0)
		return;
	number = bytes_from(p->key, (size_t)star + 1);
	if (num_parse(number, 10, 100000, &value) == 0)
		p->section = (int)value;
	p->key = bytes_head(p->key, (size_t)star);
}

static size_t count_params(struct bytes value)
{
	size_t semicolons = 0, equals = 0;

	for (size_t i = 0; i < value.n; i++) {
		semicolons += value.p[i] == ';';
		equals += value.p[i] == '=';
	}
	return MIN_OF(semicolons, equals) + 1;
}

static bool seen_before(const struct mime_params *ps, const struct mime_param *p)
{
	for (size_t i = 0; i < ps->n && i < 32; i++)
		if (ps->v[i].section == p->section && ps->v[i].extended == p->extended &&
		    bytes_eq_nocase(ps->v[i].key, p->key))
			return true;
	return false;
}

int mime_params_read(struct mime_ctx *c, struct bytes value, enum mime_quoting q,
		     struct mime_params *ret)
{
	struct scan s = { .rest = value, .quoting = q };
	struct mime_params ps = { .v = NULL };
	uint8_t *out = arena_alloc(c->a, value.n);
	ptrdiff_t semicolon = bytes_index(value, ';');

	*ret = ps;
	if (semicolon < 0)
		return 0;
	ps.v = arena_array(c->a, count_params(value), sizeof(ps.v[0]));
	if (ps.v == NULL || out == NULL)
		return mime_no_memory(c);
	s.rest = bytes_from(value, (size_t)semicolon);
	while (s.rest.n > 0) {
		struct mime_param *p = &ps.v[ps.n];

		s.rest = bytes_from(s.rest, 1);
		skip_blanks(&s);
		p->key = take_key(&s);
		skip_past_key(&s);
		if (s.rest.n == 0 || s.rest.p[0] != '=') {
			s.odd = s.odd || p->key.n > 0;
			continue;
		}
		s.rest = bytes_from(s.rest, 1);
		p->value = take_value(&s, out);
		if (p->value.p == out)
			out += p->value.n;
		split_key(p);
		s.odd = s.odd || seen_before(&ps, p);
		ps.n++;
	}
	ps.odd = s.odd;
	*ret = ps;
	return 0;
}
