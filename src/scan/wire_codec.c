/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/wire_codec.c - numbers, texts and lists, in both directions. Reader and writer run on one
 * machine, so numbers are in its byte order. */
#include "scan/wire_codec.h"

static size_t room(const struct wire_codec *c)
{
	size_t taken = c->at + c->reserve;

	return taken < c->size ? c->size - taken : 0;
}

void wire_raw(struct wire_codec *c, void *p, size_t n)
{
	if (c->failed)
		return;
	if (n > (wire_writing(c) ? room(c) : c->in.n)) {
		c->failed = true;
		return;
	}
	if (n == 0)
		return;
	if (wire_writing(c)) {
		memcpy(c->out + c->at, p, n);
		c->at += n;
	} else {
		memcpy(p, c->in.p, n);
		c->in = bytes_from(c->in, n);
	}
}

void wire_u8(struct wire_codec *c, uint8_t *v)
{
	wire_raw(c, v, sizeof(*v));
}

void wire_u32(struct wire_codec *c, uint32_t *v)
{
	wire_raw(c, v, sizeof(*v));
}

void wire_u64(struct wire_codec *c, uint64_t *v)
{
	wire_raw(c, v, sizeof(*v));
}

void wire_i64(struct wire_codec *c, int64_t *v)
{
	wire_raw(c, v, sizeof(*v));
}

void wire_bool(struct wire_codec *c, bool *v)
{
	uint8_t byte = *v ? 1 : 0;

	wire_u8(c, &byte);
	if (byte > 1)
		c->failed = true;
	else if (!c->failed)
		*v = byte == 1;
}

unsigned wire_enum(struct wire_codec *c, unsigned v, unsigned count)
{
	uint8_t byte = (uint8_t)v;

	wire_u8(c, &byte);
	if (byte >= count)
		c->failed = true;
	return c->failed ? 0 : byte;
}

/* Not in the middle of a UTF-8 character. */
static size_t clipped(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	n = max;
	while (n > 0 && ((uint8_t)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void put_str(struct wire_codec *c, const char *s)
{
	size_t n = s == NULL ? 0 : clipped(s, strlen(s), c->clip);
	uint32_t n32 = (uint32_t)n;

	wire_u32(c, &n32);
	wire_raw(c, (void *)(uintptr_t)s, n);
}

/* The next text, still in the input; false: malformed. */
static bool take_str(struct wire_codec *c, struct bytes *ret)
{
	uint32_t n = 0;

	wire_u32(c, &n);
	if (c->failed || n > c->in.n || bytes_index(bytes_head(c->in, n), 0) >= 0) {
		c->failed = true;
		return false;
	}
	*ret = bytes_head(c->in, n);
	c->in = bytes_from(c->in, n);
	return true;
}

void wire_str(struct wire_codec *c, const char **s)
{
	struct bytes text;

	if (wire_writing(c)) {
		put_str(c, *s);
		return;
	}
	*s = "";
	if (!take_str(c, &text) || text.n == 0)
		return;
	*s = arena_str(c->a, text);
	if (*s == NULL) {
		c->no_memory = c->failed = true;
		*s = "";
	}
}

void wire_opt_str(struct wire_codec *c, const char **s)
{
	bool there = wire_writing(c) && *s != NULL;

	wire_bool(c, &there);
	if (there)
		wire_str(c, s);
	else if (!wire_writing(c))
		*s = NULL;
}

void wire_text(struct wire_codec *c, char *buf, size_t size)
{
	struct bytes text;

	if (wire_writing(c)) {
		put_str(c, buf);
		return;
	}
	if (!take_str(c, &text))
		return;
	if (text.n >= size) {
		c->failed = true;
		return;
	}
	memset(buf, 0, size);
	if (text.n > 0)
		memcpy(buf, text.p, text.n);
}

static void put_list(struct wire_codec *c, uint8_t *base, size_t n, size_t elem_size, size_t max,
		     void (*each)(struct wire_codec *c, void *elem))
{
	size_t count_at = c->at, i, mark;
	uint32_t written = 0;

	wire_u32(c, &written);
	if (c->failed)
		return;
	for (i = 0; i < MIN_OF(n, max); i++) {
		mark = c->at;
		each(c, base + i * elem_size);
		if (c->failed) {
			c->at = mark;
			c->failed = false;
			break;
		}
	}
	if (i < n)
		c->cut = true;
	written = (uint32_t)i;
	memcpy(c->out + count_at, &written, sizeof(written));
}

void wire_list(struct wire_codec *c, void **base, size_t *n, size_t elem_size, size_t max,
	       void (*each)(struct wire_codec *c, void *elem))
{
	uint32_t count = 0;
	uint8_t *list;

	if (wire_writing(c)) {
		put_list(c, *base, *n, elem_size, max, each);
		return;
	}
	*base = NULL;
	*n = 0;
	wire_u32(c, &count);
	/* Every element takes at least one byte: a huge count cannot make a huge array. */
	if (c->failed || count > max || count > c->in.n) {
		c->failed = true;
		return;
	}
	if (count == 0)
		return;
	list = arena_array(c->a, count, elem_size);
	if (list == NULL) {
		c->no_memory = c->failed = true;
		return;
	}
	for (uint32_t i = 0; i < count && !c->failed; i++)
		each(c, list + i * elem_size);
	*base = list;
	*n = count;
}
