/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/arena.c - block list with bump allocation. */
#include "core/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN       16u
#define ARENA_FIRST_BYTES (16u * 1024)

struct block {
	struct block *next; /* older */
	size_t size, used;
	_Alignas(ARENA_ALIGN) uint8_t data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *top, *first;
	struct cleanup *cleanups;
	size_t used, max;
};

static struct block *block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b != NULL)
		*b = (struct block){ .size = size };
	return b;
}

struct arena *arena_new(size_t max_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->first = block_new(ARENA_FIRST_BYTES);
	if (a->first == NULL) {
		free(a);
		return NULL;
	}
	a->top = a->first;
	a->max = max_bytes;
	return a;
}

static void run_cleanups(struct arena *a)
{
	struct cleanup *c;

	/* A clean-up may not allocate, so the list only shrinks here. */
	for (c = a->cleanups; c != NULL; c = c->next)
		c->fn(c->arg);
	a->cleanups = NULL;
}

void arena_reset(struct arena *a)
{
	run_cleanups(a);
	while (a->top != a->first) {
		struct block *older = a->top->next;

		free(a->top);
		a->top = older;
	}
	a->first->used = 0;
	a->used = 0;
}

void arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	arena_reset(*a);
	free((*a)->first);
	free(*a);
	*a = NULL;
}

static struct block *grow(struct arena *a, size_t need)
{
	size_t size = MIN_OF(a->top->size * 2, (size_t)MIB);
	struct block *b = block_new(MAX_OF(size, need));

	if (b == NULL)
		return NULL;
	b->next = a->top;
	a->top = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->top;
	size_t need, used;
	void *p;

	if (__builtin_add_overflow(n, ARENA_ALIGN - 1, &need))
		return NULL;
	need &= ~(size_t)(ARENA_ALIGN - 1);
	if (__builtin_add_overflow(a->used, need, &used) || used > a->max)
		return NULL;
	if (b->size - b->used < need) {
		b = grow(a, need);
		if (b == NULL)
			return NULL;
	}
	p = b->data + b->used;
	b->used += need;
	a->used = used;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	return __builtin_mul_overflow(count, size, &n) ? NULL : arena_zalloc(a, n);
}

void *arena_dup(struct arena *a, struct bytes b)
{
	void *p = arena_alloc(a, b.n);

	if (p != NULL && b.n > 0)
		memcpy(p, b.p, b.n);
	return p;
}

char *arena_str(struct arena *a, struct bytes b)
{
	char *p = b.n == SIZE_MAX ? NULL : arena_alloc(a, b.n + 1);

	if (p == NULL)
		return NULL;
	if (b.n > 0)
		memcpy(p, b.p, b.n);
	p[b.n] = '\0';
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (p == NULL)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_shrink(struct arena *a, void *p, size_t n)
{
	struct block *b = a->top;
	size_t start = (size_t)((uint8_t *)p - b->data);
	size_t end = (start + n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

	if ((uint8_t *)p < b->data || end > b->used)
		return; /* not the newest block: keeping the bytes is harmless */
	a->used -= b->used - end;
	b->used = end;
}

int arena_on_free(struct arena *a, void (*fn)(void *), void *arg)
{
	struct cleanup *c = arena_alloc(a, sizeof(*c));

	if (c == NULL) {
		fn(arg);
		return -ENOMEM;
	}
	*c = (struct cleanup){ .next = a->cleanups, .fn = fn, .arg = arg };
	a->cleanups = c;
	return 0;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

size_t arena_max(const struct arena *a)
{
	return a->max;
}
