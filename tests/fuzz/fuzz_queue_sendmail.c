/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dep: queue_dep - sendmail's qf file: a file that is accepted is written back byte for byte. */
#include "queue/sendmail_head.h"

#define HEAD_PARSE sendmail_head_parse
#define HEAD_BUILD sendmail_head_build
#define HEAD_ID    "ID"
#include "tests/fuzz/queue_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
	out = build(&x, &x.e.headers, NULL, a);
	if (is_usual(&x) && !bytes_eq(out, x.p.raw))
		abort();
	try_parts(&x, a);
	/* Changed: one header more, which is read as it was given; nothing else moves. */
	headers = x.e.headers.n;
	if (header_list_insert(&x.e.headers, a, 0, added) < 0)
		return 0;
	out = build(&x, &x.e.headers, NULL, a);
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
