/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoders: never beyond their bounds, and what the definition encodes they decode. Needs mime_dep.
 */
#include <stdlib.h>

#include "mime/decode.h"
#include "tests/mime/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Buffers of exactly the promised size: the sanitizer sees every byte beyond. */
static void decode_anything(struct bytes in)
{
	uint8_t *out = malloc(base64_bound(in.n));
	struct base64_clean lines;
	char name[64];
	bool clean;

	check(out != NULL);
	check(base64_decode(out, in, &lines) <= base64_bound(in.n));
	check(lines.in_n <= in.n && lines.out_n <= lines.in_n);
	for (unsigned rules = 0; rules <= BASE64_LINE_DROP; rules = rules * 2 + (rules == 0))
		check(base64_decode_by(out, in, rules) <= base64_bound(in.n));
	free(out);
	out = malloc(qp_bound(in.n));
	check(out != NULL);
	check(qp_decode(out, in, &clean) <= in.n);
	for (unsigned rule = QP_KEEP; rule <= QP_DROP_LOWER; rule++)
		check(qp_decode_by(out, in, (enum qp_rule)rule) <= in.n);
	free(out);
	out = malloc(block_bound(in.n));
	check(out != NULL);
	check(uu_decode(out, in, false) <= block_bound(in.n));
	check(uu_decode(out, in, true) <= block_bound(in.n));
	check(yenc_decode(out, in) <= in.n);
	check(binhex_decode(out, block_bound(in.n), in, name) <= block_bound(in.n));
	free(out);
}

static void find_blocks(struct bytes in)
{
	struct bytes rest = in;
	struct block b;
	size_t seen = 0;

	while (block_next(&rest, &b)) {
		check(b.whole.p >= in.p && b.whole.n > 0);
		check(b.body.p >= b.whole.p && b.body.p + b.body.n <= b.whole.p + b.whole.n);
		check((size_t)(b.whole.p - in.p) >= seen);
		seen = (size_t)(b.whole.p - in.p) + b.whole.n;
	}
}

static void round_trips(struct bytes in)
{
	char *text = malloc(in.n * 4 + 64);
	uint8_t *out = malloc(in.n * 8 + 256);
	struct base64_clean lines;
	size_t n;
	bool clean;

	check(text != NULL && out != NULL);
	n = ref_base64(text, in, 76, "\r\n");
	check(bytes_eq(bytes_of(out, base64_decode(out, bytes_of(text, n), &lines)), in));
	check(lines.all);
	n = ref_qp(text, in);
	check(bytes_eq(bytes_of(out, qp_decode(out, bytes_of(text, n), &clean)), in) && clean);
	n = ref_uu(text, in);
	check(bytes_eq(bytes_of(out, uu_decode(out, bytes_of(text, n), false)), in));
	n = ref_yenc(text, in);
	check(bytes_eq(bytes_of(out, yenc_decode(out, bytes_of(text, n))), in));
	free(text);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	check(copy != NULL);
	memcpy(copy, data, size);
	decode_anything(bytes_of(copy, size));
	find_blocks(bytes_of(copy, size));
	round_trips(bytes_of(copy, size));
	free(copy);
	return 0;
}
