/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/gunzip.c - the second half of x-gzip64: base64 of a gzip stream (MIME-tools reads it). */
#include <gmime/gmime.h>

#include "mime/internal.h"

/* Deflate expands a byte to no more than 1,032, so that a step of this size stays small. */
enum { STEP_BYTES = 1024 };

struct gunzip {
	struct mime_ctx *c;
	GMimeFilter *filter;
	uint8_t *out;
	size_t n, room;
};

static int append(struct gunzip *g, const char *p, size_t n)
{
	if (!budget_charge(g->c->b, BUDGET_EXPANDED_BYTES, n, BYTES("gzip64")) ||
	    !budget_allows(g->c->b, BUDGET_MEMBER_BYTES, g->n + n, BYTES("gzip64")))
		return mime_limit(g->c);
	if (g->room - g->n < n) {
		size_t room = (g->n + n) * 2;
		uint8_t *more = arena_alloc(g->c->a, room);

		if (more == NULL)
			return mime_no_memory(g->c);
		if (g->n > 0)
			memcpy(more, g->out, g->n);
		g->out = more;
		g->room = room;
	}
	if (n > 0)
		memcpy(g->out + g->n, p, n);
	g->n += n;
	return 0;
}

static int step(struct gunzip *g, struct bytes in)
{
	size_t n = 0, prespace = 0;
	char buf[STEP_BYTES], *out = NULL;

	memcpy(buf, in.p, in.n);
	g_mime_filter_filter(g->filter, buf, in.n, 0, &out, &n, &prespace);
	return append(g, out, n);
}

int mime_gunzip(struct mime_ctx *c, struct bytes in, struct bytes *ret)
{
	struct gunzip g = { .c = c };
	int r = 0;

	*ret = in;
	if (!bytes_starts(in, BYTES("\x1f\x8b")))
		return 0;
	g.filter = g_mime_filter_gzip_new(GMIME_FILTER_GZIP_MODE_UNZIP, 6);
	while (in.n > 0 && r == 0) {
		struct bytes head = bytes_head(in, STEP_BYTES);

		r = step(&g, head);
		in = bytes_from(in, head.n);
	}
	g_object_unref(g.filter);
	if (r == 0 && g.n > 0)
		*ret = bytes_of(g.out, g.n);
	return r;
}
