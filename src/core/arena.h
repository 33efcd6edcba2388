/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/arena.h - memory of one message: freed at once, with a ceiling. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/bytes.h"

struct arena;

/* New arena that hands out at most @max_bytes. NULL: out of memory. */
struct arena *arena_new(size_t max_bytes) MUST_CHECK;
/* Runs the registered clean-ups, newest first, and frees all. *@a may be NULL. For AUTO(). */
void arena_free(struct arena **a);
/* The same, but keeps the first block and stays usable: the next message starts here. */
void arena_reset(struct arena *a);

/*
 * All of these return NULL when the ceiling is reached or memory is out: then the *message* fails
 * with ERR_LIMIT, never the process. Memory is aligned for any type and lives until reset or free.
 */
void *arena_alloc(struct arena *a, size_t n) MUST_CHECK;
void *arena_zalloc(struct arena *a, size_t n) MUST_CHECK;
void *arena_array(struct arena *a, size_t count,
		  size_t size) MUST_CHECK; /* zeroed, overflow-safe */
void *arena_dup(struct arena *a, struct bytes b) MUST_CHECK;
char *arena_str(struct arena *a, struct bytes b) MUST_CHECK; /* NUL-terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) MUST_CHECK PRINTF(2, 3);

/* Give the tail of the newest allocation back: @p (of arena_alloc) now has only @n bytes. */
void arena_shrink(struct arena *a, void *p, size_t n);

/* Call @fn(@arg) at reset or free. Returns 0, or -ENOMEM, and then calls @fn(@arg) at once. */
int arena_on_free(struct arena *a, void (*fn)(void *), void *arg) MUST_CHECK;

/* Bytes handed out now; the ceiling. */
size_t arena_used(const struct arena *a);
size_t arena_max(const struct arena *a);

#endif
