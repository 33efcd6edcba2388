/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/queue_head.h - what the fuzzers of queue header files share. Before it is included:
 * HEAD_PARSE, HEAD_BUILD (functions of the format) and HEAD_ID.
 */
#ifndef TESTS_FUZZ_QUEUE_HEAD_H
#define TESTS_FUZZ_QUEUE_HEAD_H

#include <stdlib.h>

#define ARENA_BYTES (4u * 1024 * 1024)

struct parsed {
	struct queue_entry e;
	struct pair_entry p;
};

static int parse(struct parsed *x, struct bytes raw, struct arena *a)
{
	const struct queue_settings set = { .received_ip_header = 2 };
	struct err err;

	memset(x, 0, sizeof(*x));
	x->p.raw = raw;
	x->e.format = &x->p;
	memcpy(x->e.id, HEAD_ID, sizeof(HEAD_ID));
	return HEAD_PARSE(&x->e, &set, a, &err);
}

/* Written in two rounds, of which the first only counts. Empty: no memory. */
static struct bytes write_head(const struct pair_build *b, struct arena *a)
{
	struct sink s = { 0 };
	size_t n;

	HEAD_BUILD(b, &s);
	n = s.n;
	s = (struct sink){ .p = arena_alloc(a, n) };
	if (s.p == NULL)
		return BYTES("");
	HEAD_BUILD(b, &s);
	if (s.n != n)
		abort();
	return bytes_of(s.p, n);
}

static struct bytes build(const struct parsed *x, const struct header_list *l,
			  const struct queue_copied *body, struct arena *a)
{
	struct queue_change change = { .headers = l };
	struct pair_build b = { .e = &x->e, .change = &change, .body = body };

	return write_head(&b, a);
}

/* Every second recipient in one part, the others in another: together they are all, in order. */
static void try_parts(const struct parsed *x, struct arena *a)
{
	static const struct queue_change nothing = { .body_fd = -1 };
	uint32_t *of = arena_array(a, x->e.env.to_n, sizeof(*of));
	size_t seen[2] = { 0 };
	struct parsed part[2];

	if (of == NULL)
		return;
	for (size_t i = 0; i < x->e.env.to_n; i++)
		of[i] = (uint32_t)(i % 2);
	for (uint32_t k = 0; k < 2; k++) {
		const struct pair_part of_k = { .id = HEAD_ID, .of = of, .number = k };
		struct pair_build b = { .e = &x->e, .change = &nothing, .part = &of_k };
		struct bytes out = write_head(&b, a);

		if (out.n == 0)
			return;
		if (parse(&part[k], out, a) < 0 && (k == 0 || x->e.env.to_n > 1)) {
			if (arena_used(a) > ARENA_BYTES / 2)
				return;
			abort();
		}
	}
	for (size_t i = 0; i < x->e.env.to_n; i++)
		if (strcmp(part[i % 2].e.env.to_verbatim[seen[i % 2]++], x->e.env.to_verbatim[i]) !=
		    0)
			abort();
	if (x->e.env.to_n > 1 && (part[0].e.env.to_n != seen[0] || part[1].e.env.to_n != seen[1] ||
				  !part[0].e.env.split_mark || !part[1].e.env.split_mark))
		abort();
	if (x->e.env.to_n > 1 && !x->e.env.split_mark &&
	    (part[0].e.env.to_all != x->e.env.to_all || part[1].e.env.to_all != x->e.env.to_all))
		abort();
}

#endif
