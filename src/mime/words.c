/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/words.c - encoded words of RFC 2047, as generously as readers take them. */
#include "core/num.h"
#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/internal.h"

enum { CHARSET_MAX_BYTES = 80 };

struct word {
	struct bytes charset, text;
	bool base64;
	size_t n; /* bytes of the whole word */
};

/*
 * Offset of the "?=" that ends the text at the start of @in, or -1. Another "=?" ends the search,
 * so that words without an end cost no more than their length.
 */
static ptrdiff_t text_end(struct bytes in)
{
	for (size_t i = 0; i + 1 < in.n; i++) {
		if (in.p[i] == '?' && in.p[i + 1] == '=')
			return (ptrdiff_t)i;
		if (in.p[i] == '=' && in.p[i + 1] == '?' && (i + 2 == in.n || in.p[i + 2] != '='))
			return -1;
	}
	return -1;
}

/* "=?charset?B?text?=" at the start of @in. Blanks inside the text are taken, as readers do. */
static bool word_at(struct bytes in, struct word *ret)
{
	struct bytes rest = in;
	ptrdiff_t n;
	uint8_t kind;

	if (!bytes_starts(rest, BYTES("=?")))
		return false;
	rest = bytes_from(rest, 2);
	n = bytes_index(bytes_head(rest, CHARSET_MAX_BYTES), '?');
	if (n <= 0 || rest.n < (size_t)n + 3 || rest.p[n + 2] != '?')
		return false;
	ret->charset = bytes_head(rest, (size_t)n);
	kind = ascii_lower(rest.p[n + 1]);
	if (kind != 'b' && kind != 'q')
		return false;
	ret->base64 = kind == 'b';
	rest = bytes_from(rest, (size_t)n + 3);
	n = text_end(rest);
	if (n < 0)
		return false;
	ret->text = bytes_head(rest, (size_t)n);
	ret->n = (size_t)(ret->text.p + n + 2 - in.p);
	n = bytes_index(ret->charset, '*'); /* RFC 2231: language behind '*' */
	if (n >= 0)
		ret->charset = bytes_head(ret->charset, (size_t)n);
	return true;
}

static size_t raw_word(uint8_t *out, const struct word *w)
{
	size_t n = 0;
	uint64_t byte;

	if (w->base64)
		return base64_decode_by(out, w->text, BASE64_URL);
	for (size_t i = 0; i < w->text.n; i++) {
		uint8_t c = w->text.p[i];

		if (c == '=' && i + 2 < w->text.n &&
		    num_parse(bytes_head(bytes_from(w->text, i + 1), 2), 16, 255, &byte) == 0) {
			c = (uint8_t)byte;
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		out[n++] = c;
	}
	return n;
}

/*
 * Neighbours of the same charset and kind are joined before conversion: senders split characters.
 * *@io_n grows by the bytes of the joined words.
 */
static size_t gather(uint8_t *raw, struct bytes in, struct word *w, size_t *io_n)
{
	struct bytes charset = w->charset;
	size_t n = raw_word(raw, w);
	bool base64 = w->base64;

	for (*io_n = w->n;;) {
		size_t at = *io_n;

		while (at < in.n && ascii_is_space(in.p[at]))
			at++;
		if (!word_at(bytes_from(in, at), w) || w->base64 != base64 ||
		    !bytes_eq_nocase(charset, w->charset))
			break;
		n += raw_word(raw + n, w);
		*io_n = at + w->n;
	}
	w->charset = charset;
	return n;
}

struct builder {
	struct arena *a;
	char *out;
	size_t n, room;
	bool failed;
};

static void add(struct builder *o, struct bytes b)
{
	if (o->room - o->n < b.n) {
		size_t room = (o->n + b.n) * 2 + 64;
		char *more = arena_alloc(o->a, room);

		if (more == NULL) {
			o->failed = true;
			return;
		}
		if (o->n > 0)
			memcpy(more, o->out, o->n);
		o->out = more;
		o->room = room;
	}
	if (b.n > 0)
		memcpy(o->out + o->n, b.p, b.n);
	o->n += b.n;
}

/* Returns the bytes of @in that were used; 0: no encoded word here. */
static size_t add_words(struct builder *o, struct bytes in)
{
	struct bytes text;
	struct word w;
	uint8_t *raw;
	size_t used, n;

	if (!word_at(in, &w))
		return 0;
	raw = arena_alloc(o->a, base64_bound(in.n) + in.n);
	if (raw == NULL) {
		o->failed = true;
		return in.n;
	}
	n = gather(raw, in, &w, &used);
	arena_shrink(o->a, raw, n);
	text = charset_to_utf8(o->a, bytes_of(raw, n), w.charset);
	o->failed = o->failed || text.p == NULL;
	if (!o->failed)
		add(o, text);
	return used;
}

/* Blanks between two encoded words vanish; a fold elsewhere becomes nothing but its blank. */
static size_t add_plain(struct builder *o, struct bytes in)
{
	size_t n = 1;

	if (in.p[0] == '\r' || in.p[0] == '\n')
		return 1;
	while (n < in.n && in.p[n] != '=' && in.p[n] != '\r' && in.p[n] != '\n')
		n++;
	add(o, bytes_head(in, n));
	return n;
}

static size_t blanks_before_word(struct bytes in)
{
	struct word w;
	size_t n = 0;

	while (n < in.n && ascii_is_space(in.p[n]))
		n++;
	return n > 0 && word_at(bytes_from(in, n), &w) ? n : 0;
}

char *mime_words_decode(struct arena *a, struct bytes in)
{
	struct builder o = { .a = a };

	while (in.n > 0 && !o.failed) {
		size_t used = add_words(&o, in);

		in = bytes_from(in, used);
		if (used > 0)
			in = bytes_from(in, blanks_before_word(in));
		else
			in = bytes_from(in, add_plain(&o, in));
	}
	add(&o, bytes_of("", 1));
	return o.failed ? NULL : o.out;
}
