/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/content.c - the decoded content of a leaf. */
#include <errno.h>

#include "mime/decode.h"
#include "mime/internal.h"

enum { BLANK_BOMB_BYTES = 100000 };

static size_t decode_block(uint8_t *out, size_t max, struct mime_part *p, enum block_kind kind)
{
	struct block b;
	char name[64];

	if (!block_whole(p->raw, kind, &b))
		return 0;
	switch (b.kind) {
	case BLOCK_UU:
	case BLOCK_XX:
		return uu_decode(out, b.body, b.kind == BLOCK_XX);
	case BLOCK_UU_BASE64:
		return base64_decode_by(out, b.body, 0);
	case BLOCK_YENC:
		return yenc_decode(out, b.body);
	case BLOCK_BINHEX:
		return binhex_decode(out, max, b.body, name);
	}
	return 0;
}

static size_t decode_into(uint8_t *out, size_t max, struct mime_part *p)
{
	bool clean = true;
	size_t n = 0;

	switch (p->encoding) {
	case MIME_BASE64:
		n = base64_decode(out, p->raw, &clean);
		break;
	case MIME_QP:
		n = qp_decode(out, p->raw, &clean);
		if (qp_longest_blank_line(bytes_of(out, n)) > BLANK_BOMB_BYTES)
			p->defects |= MIME_QP_BLANK_BOMB;
		break;
	case MIME_UU:
		n = decode_block(out, max, p, BLOCK_UU);
		break;
	case MIME_YENC:
		n = decode_block(out, max, p, BLOCK_YENC);
		break;
	case MIME_BINHEX:
		n = decode_block(out, max, p, BLOCK_BINHEX);
		break;
	case MIME_7BIT:
		break;
	}
	if (!clean && p->encoding == MIME_BASE64)
		p->defects |= MIME_BAD_BASE64;
	return n;
}

static size_t bound_of(const struct mime_part *p)
{
	if (p->encoding == MIME_BASE64)
		return base64_bound(p->raw.n);
	if (p->encoding == MIME_QP)
		return qp_bound(p->raw.n);
	return block_bound(p->raw.n);
}

int mime_decode(struct mime_part *p, struct arena *a, struct budget *b, struct err *err)
{
	struct mime_ctx c = { .a = a, .b = b, .err = err };
	uint8_t *out;
	size_t room, n;

	if (p->decoded)
		return 0;
	if (p->encoding == MIME_7BIT) {
		p->content = p->raw;
		p->decoded = true;
		return 0;
	}
	room = bound_of(p);
	out = arena_alloc(a, room);
	if (out == NULL)
		return mime_no_memory(&c);
	n = decode_into(out, room, p);
	arena_shrink(a, out, n);
	if (!budget_charge(b, BUDGET_EXPANDED_BYTES, n, bytes_str(p->id)))
		return mime_limit(&c);
	p->content = bytes_of(out, n);
	p->decoded = true;
	return 0;
}
