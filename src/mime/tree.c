/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/tree.c - making, linking, numbering and walking parts. */
#include <errno.h>

#include "mime/internal.h"

int mime_limit(struct mime_ctx *c)
{
	return err_set(c->err, ERR_LIMIT, -EFBIG, "MIME limit reached: %s", c->b->why);
}

int mime_no_memory(struct mime_ctx *c)
{
	(void)budget_charge(c->b, BUDGET_MEMORY, UINT64_MAX, BYTES("MIME tree"));
	return err_set(c->err, ERR_LIMIT, -EFBIG, "MIME tree does not fit into the arena");
}

int mime_failed(struct mime_ctx *c)
{
	return c->b->hit != BUDGET_NONE ? mime_limit(c) : mime_no_memory(c);
}

struct mime_part *mime_new_part(struct mime_ctx *c, struct mime_part *parent)
{
	struct mime_part *p;

	if (!budget_charge(c->b, BUDGET_PARTS, 1, BYTES("message")))
		return NULL;
	p = arena_zalloc(c->a, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->parent = parent;
	p->depth = parent == NULL ? 0 : parent->depth + 1;
	return p;
}

void mime_link(struct mime_part *p)
{
	struct mime_part **link = &p->parent->children;

	while (*link != NULL)
		link = &(*link)->next;
	*link = p;
}

/* 1 -> "a", 26 -> "z", 27 -> "aa", as columns of a spreadsheet. */
static char *letters(char out[8], unsigned n)
{
	char *at = out + 7;

	*at = '\0';
	for (; n > 0 && at > out; n = (n - 1) / 26)
		*--at = (char)('a' + (n - 1) % 26);
	return at;
}

struct mime_part *mime_new_reading(struct mime_ctx *c, struct mime_part *below)
{
	struct mime_part *p = mime_new_part(c, below);
	char buf[8];

	if (p == NULL)
		return NULL;
	p->depth = below->depth;
	p->alternate = true;
	p->id = arena_printf(c->a, "%s%s", below->id, letters(buf, ++below->readings_n));
	if (p->id == NULL)
		return NULL;
	mime_link(p);
	return p;
}

/* "0" and "2.0" (a multipart that is a whole message) leave no trace in the ids below them. */
static size_t prefix_length(const char *id)
{
	size_t n = strlen(id);

	if (n == 1 && id[0] == '0')
		return 0;
	return n > 2 && id[n - 2] == '.' && id[n - 1] == '0' ? n - 2 : n;
}

static int number_children(struct mime_ctx *c, struct mime_part *p)
{
	int len = (int)prefix_length(p->id);
	unsigned n = 0;

	for (struct mime_part *child = p->children; child != NULL; child = child->next) {
		bool whole = !p->multipart && child->multipart;

		if (child->id != NULL) {
			n += !whole && ascii_is_digit((uint8_t)child->id[strlen(child->id) - 1]);
			continue;
		}
		n += !whole;
		child->id = arena_printf(c->a, "%.*s%s%u", len, p->id, len > 0 ? "." : "",
					 whole ? 0 : n);
		if (child->id == NULL)
			return mime_no_memory(c);
	}
	return 0;
}

int mime_number(struct mime_ctx *c, struct mime_part *top)
{
	int r = 0;

	for (struct mime_part *p = top; p != NULL && r == 0; p = mime_next_below(p, top))
		if (p->children != NULL)
			r = number_children(c, p);
	return r;
}

struct mime_part *mime_next_below(struct mime_part *p, const struct mime_part *top)
{
	if (p->children != NULL)
		return p->children;
	while (p != NULL && p != top && p->next == NULL)
		p = p->parent;
	return p == NULL || p == top ? NULL : p->next;
}

struct mime_part *mime_next(struct mime_part *p)
{
	return mime_next_below(p, NULL);
}
