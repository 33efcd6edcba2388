/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/str.h - text under construction, with a ceiling. */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>

#include "core/bytes.h"

/*
 * A growing, always NUL-terminated buffer. Reaching @max_bytes or running out of memory sets
 * @failed; later appends do nothing, so that the caller checks once, at the end.
 */
struct str {
	char *p;  /* never NULL after the first append */
	size_t n; /* bytes without the NUL */
	size_t cap;
	size_t max_bytes;
	bool failed;
};

void str_init(struct str *s, size_t max_bytes);
/* Frees; leaves @s empty and reusable with the same ceiling. Usable with AUTO(). */
void str_fini(struct str *s);
void str_reset(struct str *s);

void str_add(struct str *s, const char *text);
void str_add_bytes(struct str *s, struct bytes b);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF(2, 3);

/* "" when nothing was added yet. Lent until the next call on @s. */
const char *str_view(const struct str *s);
struct bytes str_bytes(const struct str *s);

/* Gives the malloc'ed text away (NULL when @failed); @s is empty afterwards. */
char *str_take(struct str *s) MUST_CHECK;

#endif
