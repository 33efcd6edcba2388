/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole message: limits, parse, every leaf decoded. Needs mime_dep. */
#include <stdlib.h>

#include "mime/mime.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	mime_init();
	return 0;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What callers rely on. */
static void check_part(const struct mime_part *p)
{
	check(p->id != NULL && p->type != NULL);
	check(p->parent == NULL || p->parent->depth <= p->depth);
	check(p->content.n == 0 || p->content.p != NULL);
	for (const struct mime_name *n = p->names; n != NULL; n = n->next)
		check(n->text != NULL && n->text[0] != '\0');
}

static void check_id(const struct mime_tree *t, const struct mime_part *p)
{
	for (struct mime_part *q = t->root; q != p; q = mime_next(q))
		check(strcmp(q->id, p->id) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes msg = bytes_of(data, size);
	struct arena *a = arena_new(64 * MIB);
	struct budget b;
	struct mime_tree t;
	unsigned n = 0;

	budget_init(&b, &budget_default_limits, size, 0);
	if (a != NULL && mime_prelimits(msg, &b, NULL) == 0 &&
	    mime_parse(&t, msg, a, &b, NULL) == 0) {
		for (struct mime_part *p = t.root; p != NULL; p = mime_next(p)) {
			if (mime_is_leaf(p) && mime_decode(p, a, &b, NULL) < 0)
				break;
			check_part(p);
			if (n < 100)
				check_id(&t, p);
			check(++n <= budget_default_limits.max[BUDGET_PARTS]);
		}
	}
	arena_free(&a);
	return 0;
}
