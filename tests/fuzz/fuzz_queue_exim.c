/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dep: queue_dep - Exim's -H file: a file that is accepted is written back byte for byte. */
#include "queue/exim_head.h"

#define HEAD_PARSE exim_head_parse
#define HEAD_BUILD exim_head_build
#define HEAD_ID    "1xVETZ-00046K-2I"
#include "tests/fuzz/queue_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
