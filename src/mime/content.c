/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/content.c - the decoded content of a leaf, and what else its bytes decode to. */
#include <errno.h>

#include "mime/decode.h"
#include "mime/internal.h"

enum { BLANK_BOMB_BYTES = 100000 };

/* The ways readers go about unclean base64, each seen in a mail program or library. */
static const unsigned base64_rules[] = {
	BASE64_STOP_AT_PAD | BASE64_PAD_PENDING,
	BASE64_PAD_PENDING,
	BASE64_SKIP_PAD,
	BASE64_LINE_RESET,
	BASE64_BLANK_RESET,
	BASE64_LINE_DROP,
	BASE64_COUNT_PAD,
	BASE64_STOP_AT_JUNK,
	BASE64_URL,
};

static const enum qp_rule qp_rules[] = { QP_DROP, QP_RESUME, QP_DROP_LOWER };

static const enum block_kind kind_of[] = {
	[MIME_UU] = BLOCK_UU, [MIME_YENC] = BLOCK_YENC, [MIME_BINHEX] = BLOCK_BINHEX
};

static size_t bound_of(const struct mime_part *p)
{
	if (p->encoding == MIME_BASE64 || p->encoding == MIME_GZIP64)
		return base64_bound(p->raw.n);
	if (p->encoding == MIME_QP)
		return qp_bound(p->raw.n);
	return block_bound(p->raw.n);
}

static int add_name(struct mime_ctx *c, struct mime_part *p, const char *text)
{
	struct mime_name *name;

	if (text[0] == '\0' || p->names != NULL)
		return 0;
	name = arena_zalloc(c->a, sizeof(*name));
	if (name == NULL)
		return mime_no_memory(c);
	name->text = arena_str(c->a, bytes_str(text));
	p->names = name;
	return name->text == NULL ? mime_no_memory(c) : 0;
}

/* BinHex says its name only inside: @ret_name. */
static size_t decode_block(uint8_t *out, const struct mime_part *p, char ret_name[64])
{
	struct block b;

	ret_name[0] = '\0';
	if (!block_whole(p->raw, kind_of[p->encoding], &b))
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
		return binhex_decode(out, bound_of(p), b.body, ret_name);
	}
	return 0;
}

static size_t decode_into(uint8_t *out, struct mime_part *p, struct base64_clean *ret_clean,
			  char ret_name[64])
{
	size_t n;

	*ret_clean = (struct base64_clean){ .all = true };
	ret_name[0] = '\0';
	if (p->encoding == MIME_GZIP64) {
		n = base64_decode_by(out, p->raw, 0);
	} else if (p->encoding == MIME_BASE64) {
		n = base64_decode(out, p->raw, ret_clean);
		p->defects |= ret_clean->all ? 0 : MIME_BAD_BASE64;
	} else if (p->encoding == MIME_QP) {
		n = qp_decode(out, p->raw, &ret_clean->all);
		if (qp_longest_blank_line(bytes_of(out, n)) > BLANK_BOMB_BYTES)
			p->defects |= MIME_QP_BLANK_BOMB;
	} else {
		n = decode_block(out, p, ret_name);
	}
	return n;
}

/* True when @content is what @p or one of its readings holds already. */
static bool is_known(const struct mime_part *p, struct bytes content)
{
	if (bytes_eq(p->content, content))
		return true;
	for (const struct mime_part *child = p->children; child != NULL; child = child->next)
		if (child->alternate && child->decoded && bytes_eq(child->content, content))
			return true;
	return false;
}

static int add_reading(struct mime_ctx *c, struct mime_part *below, struct bytes content)
{
	struct mime_part *p = mime_new_reading(c, below);

	if (p == NULL)
		return mime_failed(c);
	p->type = below->type;
	p->charset = below->charset;
	p->names = below->names;
	p->headers = below->headers;
	p->raw = below->raw;
	p->encoding = below->encoding;
	p->attachment = below->attachment;
	p->defects = below->defects;
	p->content = content;
	p->decoded = true;
	return 0;
}

/* The lines that nobody disputes are copied from the first reading. */
static size_t decode_by(uint8_t *out, const struct mime_part *p, const struct base64_clean *clean,
			size_t rule)
{
	if (p->encoding == MIME_QP)
		return qp_decode_by(out, p->raw, qp_rules[rule]);
	if (clean->out_n > 0)
		memcpy(out, p->content.p, clean->out_n);
	return clean->out_n + base64_decode_by(out + clean->out_n, bytes_from(p->raw, clean->in_n),
					       base64_rules[rule]);
}

static int try_rule(struct mime_ctx *c, struct mime_part *p, const struct base64_clean *clean,
		    size_t rule)
{
	uint8_t *out = arena_alloc(c->a, bound_of(p));
	struct bytes content;

	if (out == NULL)
		return mime_no_memory(c);
	content = bytes_of(out, decode_by(out, p, clean, rule));
	/* every attempt is charged, not only those that differ: they cost the same time */
	if (!budget_charge(c->b, BUDGET_EXPANDED_BYTES, content.n, bytes_str(p->id)))
		return mime_limit(c);
	if (content.n == 0 || is_known(p, content)) {
		arena_shrink(c->a, out, 0);
		return 0;
	}
	arena_shrink(c->a, out, content.n);
	return add_reading(c, p, content);
}

static int add_readings(struct mime_ctx *c, struct mime_part *p, const struct base64_clean *clean)
{
	bool qp = p->encoding == MIME_QP;
	size_t n = qp ? ARRAY_LEN(qp_rules) : ARRAY_LEN(base64_rules);
	unsigned disputes = qp ? 0 : base64_disputes(bytes_from(p->raw, clean->in_n));
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if (qp || (base64_rules[i] & disputes) != 0)
			r = try_rule(c, p, clean, i);
	return r;
}

static int decode_encoded(struct mime_ctx *c, struct mime_part *p, struct base64_clean *ret_clean)
{
	uint8_t *out = arena_alloc(c->a, bound_of(p));
	char name[64];
	size_t n;
	int r = 0;

	if (out == NULL)
		return mime_no_memory(c);
	n = decode_into(out, p, ret_clean, name);
	arena_shrink(c->a, out, n);
	if (!budget_charge(c->b, BUDGET_EXPANDED_BYTES, n, bytes_str(p->id)))
		return mime_limit(c);
	p->content = bytes_of(out, n);
	if (p->encoding == MIME_GZIP64)
		r = mime_gunzip(c, p->content, &p->content);
	p->decoded = r == 0;
	return r < 0 ? r : add_name(c, p, name);
}

/* Bytes that another part holds too are charged: someone has to look at them once more. */
static int decode_plain(struct mime_ctx *c, struct mime_part *p)
{
	if (p->alternate && !budget_charge(c->b, BUDGET_EXPANDED_BYTES, p->raw.n, bytes_str(p->id)))
		return mime_limit(c);
	p->content = p->raw;
	p->decoded = true;
	return 0;
}

static int look_inside(struct mime_ctx *c, struct mime_part *p)
{
	bool parsed;
	int r = mime_look_inside(c, p, p->content, &parsed);

	return r == 0 && parsed ? mime_complete(c, p->content, p) : r;
}

int mime_decode(struct mime_part *p, struct arena *a, struct budget *b, struct err *err)
{
	struct mime_ctx c = { .a = a, .b = b, .err = err };
	struct base64_clean clean = { .all = true };
	bool looked = p->structural && p->encoding == MIME_7BIT;
	int r;

	if (p->decoded)
		return 0;
	r = p->encoding == MIME_7BIT ? decode_plain(&c, p) : decode_encoded(&c, p, &clean);
	if (r == 0 && !clean.all)
		r = add_readings(&c, p, &clean);
	if (r == 0 && !looked)
		r = look_inside(&c, p);
	return r;
}
