/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/str.c - the growing text buffer. */
#include "core/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void str_init(struct str *s, size_t max_bytes)
{
	*s = (struct str){ .max_bytes = max_bytes };
}

void str_fini(struct str *s)
{
	free(s->p);
	str_init(s, s->max_bytes);
}

void str_reset(struct str *s)
{
	s->n = 0;
	s->failed = false;
	if (s->p != NULL)
		s->p[0] = '\0';
}

/* Make room for @more bytes and the NUL. */
static bool reserve(struct str *s, size_t more)
{
	size_t need, cap;
	char *p;

	if (s->failed)
		return false;
	if (__builtin_add_overflow(s->n, more, &need) || need > s->max_bytes) {
		s->failed = true;
		return false;
	}
	if (need < s->cap)
		return true;
	cap = s->cap == 0 ? 128 : s->cap;
	while (cap <= need)
		cap *= 2;
	p = realloc(s->p, cap);
	if (p == NULL) {
		s->failed = true;
		return false;
	}
	s->p = p;
	s->cap = cap;
	return true;
}

void str_add_bytes(struct str *s, struct bytes b)
{
	if (!reserve(s, b.n))
		return;
	if (b.n > 0)
		memcpy(s->p + s->n, b.p, b.n);
	s->n += b.n;
	s->p[s->n] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_add_bytes(s, bytes_str(text));
}

void str_add_char(struct str *s, char c)
{
	str_add_bytes(s, bytes_of(&c, 1));
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(s, (size_t)n)) {
		s->failed = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(s->p + s->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->n += (size_t)n;
}

const char *str_view(const struct str *s)
{
	return s->p == NULL ? "" : s->p;
}

struct bytes str_bytes(const struct str *s)
{
	return bytes_of(str_view(s), s->n);
}

char *str_take(struct str *s)
{
	char *p = NULL;

	if (!s->failed && reserve(s, 0)) {
		s->p[s->n] = '\0';
		p = TAKE(s->p);
	}
	str_fini(s);
	return p;
}
