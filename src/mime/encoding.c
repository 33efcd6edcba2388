/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/encoding.c - which transfer encodings a Content-Transfer-Encoding may mean to a reader. */
#include "mime/decode.h"
#include "mime/internal.h"

enum { VALUE_MAX_BYTES = 256 };

static const struct {
	struct bytes name;
	enum mime_encoding encoding;
} exact[] = {
	{ BYTES("7bit"), MIME_7BIT },
	{ BYTES("8bit"), MIME_7BIT },
	{ BYTES("binary"), MIME_7BIT },
	{ BYTES("base64"), MIME_BASE64 },
	{ BYTES("quoted-printable"), MIME_QP },
	{ BYTES("x-uuencode"), MIME_UU },
	{ BYTES("uuencode"), MIME_UU },
	{ BYTES("x-uue"), MIME_UU },
	{ BYTES("uue"), MIME_UU },
	{ BYTES("x-uu"), MIME_UU },
	{ BYTES("x-yencode"), MIME_YENC },
	{ BYTES("yenc"), MIME_YENC },
	{ BYTES("binhex"), MIME_BINHEX },
	{ BYTES("x-binhex"), MIME_BINHEX },
	{ BYTES("binhex40"), MIME_BINHEX },
	{ BYTES("x-binhex40"), MIME_BINHEX },
	{ BYTES("mac-binhex"), MIME_BINHEX },
	{ BYTES("mac-binhex40"), MIME_BINHEX },
	{ BYTES("gzip64"), MIME_GZIP64 },
	{ BYTES("x-gzip64"), MIME_GZIP64 },
};

/* Parts of a name by which sloppy readers know an encoding; looked for in any disguise. */
static const struct {
	struct bytes part;
	enum mime_encoding encoding;
} hints[] = {
	{ BYTES("64"), MIME_BASE64 },  { BYTES("quoted"), MIME_QP }, { BYTES("print"), MIME_QP },
	{ BYTES("uu"), MIME_UU },      { BYTES("yenc"), MIME_YENC }, { BYTES("hex"), MIME_BINHEX },
	{ BYTES("hqx"), MIME_BINHEX }, { BYTES("bit"), MIME_7BIT },  { BYTES("binary"), MIME_7BIT },
};

static bool find_exact(struct bytes value, unsigned *io_mask)
{
	for (size_t i = 0; i < ARRAY_LEN(exact); i++) {
		if (!bytes_eq_nocase(value, exact[i].name))
			continue;
		*io_mask |= 1u << exact[i].encoding;
		return true;
	}
	return false;
}

static void find_hints(struct bytes value, unsigned *io_mask)
{
	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (bytes_find(value, hints[i].part) >= 0)
			*io_mask |= 1u << hints[i].encoding;
}

/* Lower case, without blanks, quotes, backslashes and (@drop_comments) comments. */
static struct bytes squeeze(uint8_t *out, struct bytes value, bool drop_comments)
{
	size_t n = 0;
	unsigned depth = 0;

	for (size_t i = 0; i < value.n && n < VALUE_MAX_BYTES; i++) {
		uint8_t c = value.p[i];

		if (drop_comments && c == '(')
			depth++;
		else if (depth > 0)
			depth -= c == ')';
		else if (c > ' ' && c != '"' && c != '\\')
			out[n++] = ascii_lower(c);
	}
	return bytes_of(out, n);
}

static int odd_value(struct mime_ctx *c, struct bytes value, unsigned *io_mask)
{
	uint8_t out[VALUE_MAX_BYTES];
	char *words;

	value = bytes_head(value, 4096);
	find_hints(squeeze(out, value, false), io_mask);
	find_hints(squeeze(out, value, true), io_mask);
	if (bytes_find(value, BYTES("=?")) < 0)
		return 0;
	words = mime_words_decode(c->a, value);
	if (words == NULL)
		return mime_no_memory(c);
	find_hints(squeeze(out, bytes_str(words), true), io_mask);
	return 0;
}

int mime_encodings(struct mime_ctx *c, struct mime_headers *h, struct bytes body,
		   unsigned *ret_mask)
{
	unsigned mask = 0;
	bool odd = (h->defects & ~(unsigned)MIME_BARE_CR) != 0;
	int r = 0;

	for (unsigned i = 0; i < h->encoding.n && r == 0; i++) {
		struct bytes value = bytes_trim(h->encoding.v[i]);

		if (find_exact(value, &mask))
			continue;
		odd = true;
		h->defects |= MIME_BAD_ENCODING;
		r = odd_value(c, value, &mask);
	}
	if (r < 0)
		return r;
	if ((mask & (mask - 1)) != 0)
		h->defects |= MIME_BAD_ENCODING;
	if (odd && (mask & ~(1u << MIME_7BIT)) == 0) {
		mask |= base64_looks_like(body) ? 1u << MIME_BASE64 : 0;
		mask |= qp_looks_like(body) ? 1u << MIME_QP : 0;
	}
	if ((h->defects & MIME_BAD_ENCODING) != 0 || mask == 0)
		mask |= 1u << MIME_7BIT;
	*ret_mask = mask;
	return 0;
}
