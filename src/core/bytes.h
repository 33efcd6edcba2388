/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/bytes.h - a borrowed range of bytes: how all input is passed. Not NUL-terminated. */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <string.h>

#include "core/base.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

/* A string literal as bytes. */
#define BYTES(lit) ((struct bytes){ (const uint8_t *)(lit), sizeof(lit) - 1 })

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ (const uint8_t *)p, n };
}

/* NULL gives the empty range. */
static inline struct bytes bytes_str(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, s == NULL ? 0 : strlen(s) };
}

/* What is left after the first @skip bytes; empty when there are fewer. */
static inline struct bytes bytes_from(struct bytes b, size_t skip)
{
	if (skip > b.n)
		skip = b.n;
	/* NULL + 0 is undefined in C, and an empty range may be NULL. */
	return (struct bytes){ skip == 0 ? b.p : b.p + skip, b.n - skip };
}

/* At most the first @n bytes. */
static inline struct bytes bytes_head(struct bytes b, size_t n)
{
	return (struct bytes){ b.p, n < b.n ? n : b.n };
}

bool bytes_eq(struct bytes a, struct bytes b);
/* ASCII only: locale never decides about mail. */
bool bytes_eq_nocase(struct bytes a, struct bytes b);
bool bytes_starts(struct bytes b, struct bytes prefix);
bool bytes_starts_nocase(struct bytes b, struct bytes prefix);
bool bytes_ends_nocase(struct bytes b, struct bytes suffix);

/* Offset of the first @c, or -1. */
ptrdiff_t bytes_index(struct bytes b, uint8_t c);
/* Offset of the first @needle, or -1; an empty needle is found at 0. */
ptrdiff_t bytes_find(struct bytes b, struct bytes needle);

/* Without blanks, tabs, CR, LF, VT and FF at both ends. */
struct bytes bytes_trim(struct bytes b);

/*
 * Take the next line off @rest: *@ret_line is the line without its LF (a CR before it stays).
 * A last line without LF counts. Returns false when nothing is left.
 */
bool bytes_next_line(struct bytes *rest, struct bytes *ret_line);

/* Take the next word (run of bytes other than blank, tab, CR, LF) off @rest; false: none left. */
bool bytes_next_word(struct bytes *rest, struct bytes *ret_word);

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_alnum(uint8_t c)
{
	return ascii_is_digit(c) || ascii_is_alpha(c);
}

#endif
