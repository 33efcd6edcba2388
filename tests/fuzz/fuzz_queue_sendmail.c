/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dep: queue_dep - sendmail's qf file: a file that is accepted is written back byte for byte. */
#include <stdlib.h>

#include "queue/sendmail_head.h"

#define ARENA_BYTES (4u * 1024 * 1024)

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
	memcpy(x->e.id, "ID", 3);
	return sendmail_head_parse(&x->e, &set, a, &err);
}

static struct bytes build(const struct parsed *x, const struct header_list *l, struct arena *a)
{
	struct queue_change change = { .headers = l };
	struct pair_build b = { .e = &x->e, .change = &change };
	struct sink s = { 0 };
	size_t n;

	sendmail_head_build(&b, &s);
	n = s.n;
	s = (struct sink){ .p = arena_alloc(a, n) };
	if (s.p == NULL)
		return BYTES("");
	sendmail_head_build(&b, &s);
	if (s.n != n)
		abort();
	return bytes_of(s.p, n);
}

/* Lines stand in the order in which sendmail writes them. */
static bool is_usual(const struct parsed *x)
{
	struct bytes rest = x->p.raw, record;
	bool headers = false;

	if (!sendmail_head_can_copy(&x->p) || rest.n < 2 || memcmp(rest.p + rest.n - 2, ".\n", 2))
		return false;
	while (sendmail_next_record(&rest, &record) && record.p[0] != '.') {
		if (headers && record.p[0] != 'H')
			return false;
		headers |= record.p[0] == 'H';
	}
	return true;
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
		const struct pair_part of_k = { .id = "ID", .of = of, .number = k };
		struct pair_build b = { .e = &x->e, .change = &nothing, .part = &of_k };
		struct sink s = { 0 };

		sendmail_head_build(&b, &s);
		s = (struct sink){ .p = arena_alloc(a, s.n) };
		if (s.p == NULL)
			return;
		sendmail_head_build(&b, &s);
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
	struct header added = { .text = BYTES("X: \x80\xff") };
	struct parsed x, y;
	struct bytes out;
	size_t headers;

	if (a == NULL || parse(&x, bytes_of(data, n), a) < 0)
		return 0;
	if (x.e.env.to_n == 0 || x.e.env.sender == NULL || x.e.env.client_ip == NULL)
		abort();
	for (size_t i = 0; i < x.e.headers.n; i++)
		if (!sendmail_head_is_verbatim(&x.p, x.e.headers.v[i].text))
			abort();
	out = build(&x, &x.e.headers, a);
	if (is_usual(&x) && !bytes_eq(out, x.p.raw))
		abort();
	try_parts(&x, a);
	/* Changed: one header more, which is read as it was given; nothing else moves. */
	headers = x.e.headers.n;
	if (header_list_insert(&x.e.headers, a, 0, added) < 0)
		return 0;
	out = build(&x, &x.e.headers, a);
	if (out.n == 0 || parse(&y, out, a) < 0)
		return 0;
	if (y.e.headers.n != headers + 1 || !bytes_eq(y.e.headers.v[0].text, added.text) ||
	    y.e.env.to_n != x.e.env.to_n)
		abort();
	for (size_t i = 1; i < y.e.headers.n; i++)
		if (!bytes_eq(y.e.headers.v[i].text, x.e.headers.v[i].text))
			abort();
	return 0;
}
