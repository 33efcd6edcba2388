/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/arena: ceiling, alignment, clean-ups, reuse. */
#include "core/arena.h"

#include <stdint.h>
#include <stdio.h>

#include "tests/t.h"

static int order[4];
static int calls;

static void note(void *arg)
{
	order[calls++] = *(int *)arg;
}

int main(void)
{
	static int one = 1, two = 2;
	struct arena *a = arena_new(64 * 1024);
	void *p, *q;

	T_OK(a != NULL, "new");
	p = arena_alloc(a, 3);
	q = arena_alloc(a, 3);
	T_OK((uintptr_t)p % 16 == 0 && (uintptr_t)q % 16 == 0 && p != q, "aligned and distinct");
	T_OK(arena_alloc(a, 60 * 1024) != NULL, "a block larger than the first");
	T_OK(arena_alloc(a, 8 * 1024) == NULL, "the ceiling answers NULL");
	T_OK(arena_alloc(a, SIZE_MAX - 3) == NULL, "no overflow near SIZE_MAX");
	T_OK(arena_array(a, SIZE_MAX / 2, 4) == NULL, "no overflow in a product");
	T_OK(arena_alloc(a, 16) != NULL, "small ones still fit below the ceiling");
	T_OK(arena_on_free(a, note, &one) == 0 && arena_on_free(a, note, &two) == 0, "clean-ups");
	arena_reset(a);
	T_OK(calls == 2 && order[0] == 2 && order[1] == 1, "newest first");
	T_OK(arena_used(a) == 0, "reset hands all back");
	p = arena_alloc(a, 4096);
	arena_shrink(a, p, 16);
	T_OK(arena_used(a) == 16, "shrink gives the tail back");
	T_OK(arena_printf(a, "%d-%s", 5, "x")[0] == '5', "printf");
	arena_free(&a);
	arena_free(&a);
	T_OK(a == NULL, "free twice is harmless");
	return t_done();
}
