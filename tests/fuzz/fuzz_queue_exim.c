/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dep: queue_dep - Exim's -H file: a file that is accepted is written back byte for byte. */
#include <stdlib.h>

#include "queue/exim_head.h"

#define ARENA_BYTES (4u * 1024 * 1024)
#define ID_N        16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
	memcpy(x->e.id, "1xVETZ-00046K-2I", ID_N);
	return exim_head_parse(&x->e, &set, a, &err);
}

static struct bytes build(const struct parsed *x, const struct header_list *l,
			  const struct queue_copied *body, struct arena *a)
{
	struct queue_change change = { .headers = l };
	struct pair_build b = { .e = &x->e, .change = &change, .body = body };
	struct sink s = { 0 };
	size_t n;

	exim_head_build(&b, &s);
	n = s.n;
	s = (struct sink){ .p = arena_alloc(a, n) };
	if (s.p == NULL)
		return BYTES("");
	exim_head_build(&b, &s);
	if (s.n != n)
		abort();
	return bytes_of(s.p, n);
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
		const struct pair_part of_k = { .id = "1xVETZ-00046K-2I", .of = of, .number = k };
		struct pair_build b = { .e = &x->e, .change = &nothing, .part = &of_k };
		struct sink s = { 0 };

		exim_head_build(&b, &s);
		s = (struct sink){ .p = arena_alloc(a, s.n) };
		if (s.p == NULL)
			return;
		exim_head_build(&b, &s);
		if (parse(&part[k], bytes_of(s.p, s.n), a) < 0 && (k == 0 || x->e.env.to_n > 1)) {
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
				  part[1].e.env.split_from == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO(arena_free) struct arena *a = arena_new(ARENA_BYTES);
	const struct queue_copied body = { .lines = 7, .nuls = 1 };
	struct header added = { .text = BYTES("From: x\n\ty") };
	struct parsed x, y;
	struct bytes out;
	size_t headers;

	if (a == NULL || parse(&x, bytes_of(data, n), a) < 0)
		return 0;
	if (x.e.env.to_n == 0 || x.e.env.sender == NULL || x.e.env.client_ip == NULL)
		abort();
	for (size_t i = 0; i < x.e.headers.n; i++)
		if (!exim_head_is_verbatim(&x.p, x.e.headers.v[i].text))
			abort();
	out = build(&x, &x.e.headers, NULL, a);
	/* Numbers with more zeros or blanks than Exim writes come out shorter; nothing else may. */
	if (out.n > n || (out.n == n && !bytes_eq(out, x.p.raw)))
		abort();
	try_parts(&x, a);
	headers = x.e.headers.n;
	if (header_list_insert(&x.e.headers, a, headers, added) < 0)
		return 0;
	out = build(&x, &x.e.headers, &body, a);
	if (out.n == 0 || parse(&y, out, a) < 0)
		return 0;
	if (y.e.headers.n != headers + 1 || y.e.headers.v[headers].mark.p[0] != 'F' ||
	    y.e.env.to_n != x.e.env.to_n)
		abort();
	for (size_t i = 0; i <= headers; i++)
		if (!bytes_eq(y.e.headers.v[i].text, x.e.headers.v[i].text))
			abort();
	return 0;
}
