/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/block.c - encoded files in the midst of text: where they begin and end. */
#include "core/num.h"
#include "mime/decode.h"

/*
 * All of these begin at the start of a line, so that one memchr pass with a look at the first
 * bytes of each line finds them.
 */
struct opener {
	struct bytes prefix;
	bool (*open)(struct bytes line, struct block *b);
	bool (*is_end)(struct bytes line);
};

static bool open_uu(struct bytes line, struct block *b)
{
	struct bytes rest = line, word, mode;
	uint64_t bits;

	b->kind = BLOCK_UU;
	if (!bytes_next_word(&rest, &word) || !bytes_next_word(&rest, &mode))
		return false;
	if (bytes_eq_nocase(word, BYTES("begin-base64")))
		b->kind = BLOCK_UU_BASE64;
	else if (!bytes_eq_nocase(word, BYTES("begin")))
		return false;
	if (mode.n < 3 || num_parse(mode, 8, 0777777, &bits) < 0)
		return false;
	b->name = bytes_trim(rest);
	return b->name.n > 0;
}

static bool end_uu(struct bytes line)
{
	line = bytes_trim(line);
	return bytes_eq_nocase(line, BYTES("end")) || bytes_eq(line, BYTES("===="));
}

static bool open_yenc(struct bytes line, struct block *b)
{
	ptrdiff_t name = bytes_find(line, BYTES(" name="));

	b->kind = BLOCK_YENC;
	b->name = name < 0 ? bytes_head(line, 0) : bytes_trim(bytes_from(line, (size_t)name + 6));
	return true;
}

static bool end_yenc(struct bytes line)
{
	return bytes_starts_nocase(line, BYTES("=yend"));
}

static bool open_binhex(struct bytes line, struct block *b)
{
	b->kind = BLOCK_BINHEX;
	b->name = bytes_head(line, 0);
	return true;
}

/* The closing colon ends a line that has more than it; the opening one starts a line. */
static bool end_binhex(struct bytes line)
{
	line = bytes_trim(line);
	return line.n > 1 && line.p[line.n - 1] == ':';
}

static const struct opener openers[] = {
	{ BYTES("begin"), open_uu, end_uu },
	{ BYTES("=ybegin "), open_yenc, end_yenc },
	{ BYTES("(This file must be converted with BinHex"), open_binhex, end_binhex },
};

/* A line ends at LF, CR LF or a lone CR. False: nothing left. */
static bool next_line(struct bytes *rest, struct bytes *ret_line)
{
	size_t n = 0, end;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
		n++;
	*ret_line = bytes_head(*rest, n);
	end = n + 1;
	if (n + 1 < rest->n && rest->p[n] == '\r' && rest->p[n + 1] == '\n')
		end++;
	*rest = bytes_from(*rest, end);
	return true;
}

/*
 * Letters of the first data line tell XX from UU: its first character counts the bytes in both
 * alphabets ('M' and 'h' for a full line of 45), and XX has no punctuation but '+' and '-'.
 */
static bool is_xx(struct bytes body)
{
	struct bytes line;
	bool lower = false;

	for (unsigned i = 0; i < 3 && next_line(&body, &line); i++)
		for (size_t j = 0; j < line.n; j++) {
			uint8_t c = line.p[j];

			if (!ascii_is_alnum(c) && c != '+' && c != '-')
				return false;
			lower = lower || (c >= 'a' && c <= 'z');
		}
	return lower;
}

static const struct opener *opener_of(struct bytes line, struct block *b)
{
	for (size_t i = 0; i < ARRAY_LEN(openers); i++)
		if (bytes_starts_nocase(line, openers[i].prefix) && openers[i].open(line, b))
			return &openers[i];
	return NULL;
}

/*
 * Sets the body up to the end line or to where another block begins (the first may be a decoy);
 * without either, to the end of the text.
 */
static void find_end(struct bytes *rest, struct block *b, bool (*is_end)(struct bytes))
{
	const uint8_t *start = rest->p;
	struct block other;
	struct bytes line;

	b->body = *rest;
	for (;;) {
		struct bytes before = *rest;

		if (!next_line(rest, &line))
			break;
		if (opener_of(line, &other) != NULL) {
			*rest = before;
			b->body.n = (size_t)(line.p - start);
			break;
		}
		if (is_end(line)) {
			b->body.n = (size_t)(line.p - start);
			b->body.n += b->kind == BLOCK_BINHEX ? line.n : 0;
			break;
		}
	}
	b->whole = bytes_of(b->whole.p, (size_t)(rest->p - b->whole.p));
	if (b->kind == BLOCK_UU && is_xx(b->body))
		b->kind = BLOCK_XX;
}

bool block_next(struct bytes *rest, struct block *ret_block)
{
	struct bytes line;

	while (next_line(rest, &line)) {
		const struct opener *o = opener_of(line, ret_block);

		if (o == NULL)
			continue;
		ret_block->whole = line;
		find_end(rest, ret_block, o->is_end);
		return true;
	}
	return false;
}

bool block_whole(struct bytes in, enum block_kind kind, struct block *ret_block)
{
	struct bytes rest = in;

	if (block_next(&rest, ret_block))
		return true;
	*ret_block = (struct block){ .kind = kind, .body = in, .whole = in };
	if (kind == BLOCK_UU && is_xx(in))
		ret_block->kind = BLOCK_XX;
	return in.n > 0;
}

/* Value of an encoded character; UU takes both blank and backquote for zero. */
static uint8_t uu_value(uint8_t c, bool xx)
{
	if (!xx)
		return (uint8_t)((c - ' ') & 63);
	if (c == '+' || c == '-')
		return c == '-';
	if (ascii_is_digit(c))
		return (uint8_t)(c - '0' + 2);
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A' + 12);
	return (uint8_t)((c - 'a' + 38) & 63);
}

static uint8_t *uu_line(uint8_t *out, struct bytes line, bool xx)
{
	size_t want = uu_value(line.p[0], xx), made = 0;
	uint8_t v[4];

	for (size_t i = 1; made < want && i < line.n; i += 4) {
		for (size_t j = 0; j < 4; j++)
			v[j] = i + j < line.n ? uu_value(line.p[i + j], xx) : 0;
		out[made] = (uint8_t)(v[0] << 2 | v[1] >> 4);
		out[made + 1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
		out[made + 2] = (uint8_t)(v[2] << 6 | v[3]);
		made += 3;
	}
	return out + MIN_OF(made, want);
}

/* Lines that are no data: mail headers between pieces, blank lines, a second begin. */
static bool is_uu_data(struct bytes line, bool xx)
{
	if (line.n == 0 || bytes_starts(line, BYTES("begin ")) || bytes_eq(line, BYTES("end")))
		return false;
	return xx || (line.p[0] >= ' ' && line.p[0] <= '`');
}

size_t uu_decode(uint8_t *out, struct bytes body, bool xx)
{
	uint8_t *start = out;
	struct bytes line;

	while (next_line(&body, &line))
		if (is_uu_data(line, xx))
			out = uu_line(out, line, xx);
	return (size_t)(out - start);
}

size_t yenc_decode(uint8_t *out, struct bytes body)
{
	uint8_t *start = out;
	struct bytes line;

	while (next_line(&body, &line)) {
		if (bytes_starts(line, BYTES("=ybegin ")) || bytes_starts(line, BYTES("=ypart ")))
			continue;
		if (end_yenc(line))
			break;
		for (size_t i = 0; i < line.n; i++) {
			bool escaped = line.p[i] == '=' && i + 1 < line.n;

			i += escaped;
			*out++ = (uint8_t)(line.p[i] - (escaped ? 42 + 64 : 42));
		}
	}
	return (size_t)(out - start);
}
