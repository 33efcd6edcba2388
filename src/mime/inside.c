/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/inside.c - what the content of a leaf holds beyond its type: encoded files between lines
 * of text, and whole messages (forwarded as text, or as message/rfc822 in a transfer encoding).
 */
#include "mime/decode.h"
#include "mime/internal.h"

enum { HEADER_WITHIN_LINES = 30, HEADER_MAX_LINES = 31 };

static const enum mime_encoding encoding_of[] = {
	[BLOCK_UU] = MIME_UU,     [BLOCK_XX] = MIME_UU,         [BLOCK_UU_BASE64] = MIME_UU,
	[BLOCK_YENC] = MIME_YENC, [BLOCK_BINHEX] = MIME_BINHEX,
};

static int add_block(struct mime_ctx *c, struct mime_part *below, const struct block *b)
{
	struct mime_part *p = mime_new_part(c, below);
	struct mime_name *name;

	if (p == NULL)
		return mime_failed(c);
	p->depth = below->depth;
	p->alternate = below->alternate;
	p->uu_member = true;
	p->type = "application/octet-stream";
	p->encoding = encoding_of[b->kind];
	p->headers = bytes_head(b->whole, 0);
	p->raw = b->whole;
	mime_link(p);
	if (b->name.n == 0)
		return 0;
	name = arena_zalloc(c->a, sizeof(*name));
	if (name == NULL)
		return mime_no_memory(c);
	name->text = arena_str(c->a, b->name);
	if (name->text == NULL)
		return mime_no_memory(c);
	p->names = name->text[0] != '\0' ? name : NULL;
	return 0;
}

/* "begin" at the start of a line or behind "=y". The pair "gi" is rarer than its neighbours. */
static bool holds_begin(struct bytes text)
{
	for (size_t at = 0; at < text.n; at++) {
		const uint8_t *p;

		at += mime_find_pair(bytes_from(text, at), 'g', 'i');
		if (at < 2 || text.n - at < 3 || memcmp(text.p + at - 2, "begin", 5) != 0)
			continue;
		p = text.p + at - 2;
		if (p == text.p || p[-1] == '\n' || p[-1] == '\r' || p[-1] == 'y')
			return true;
	}
	return false;
}

static bool holds_binhex(struct bytes text)
{
	for (size_t at = 0; at < text.n; at++) {
		at += mime_find_pair(bytes_from(text, at), 'H', 'e');
		if (at >= 3 && text.n - at >= 3 && memcmp(text.p + at - 3, "BinHex", 6) == 0)
			return true;
	}
	return false;
}

/* Without these words there is no block to look for line by line. */
static bool may_hold_block(struct bytes text)
{
	return holds_begin(text) || holds_binhex(text);
}

static int add_blocks(struct mime_ctx *c, struct mime_part *p, struct bytes text)
{
	struct bytes rest = text;
	struct block b;
	int r = 0;

	if (!may_hold_block(text))
		return 0;
	while (r == 0 && block_next(&rest, &b))
		r = add_block(c, p, &b);
	return r == 0 ? mime_number(c, p) : r;
}

static bool is_fold(struct bytes line)
{
	return line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* "Name: ..." with a name of letters, digits and '-'. */
static bool is_field(struct bytes line)
{
	size_t n = 0;

	while (n < line.n && (ascii_is_alnum(line.p[n]) || line.p[n] == '-'))
		n++;
	return n > 0 && n < line.n && line.p[n] == ':';
}

static bool declares_content(struct bytes line)
{
	return bytes_starts_nocase(line, BYTES("content-t")) ||
	       bytes_starts_nocase(line, BYTES("content-disp"));
}

/* A header block at the start of @text that says something about its content. */
static bool is_header_block(struct bytes text)
{
	bool content = false, field = false;
	struct bytes line;

	for (unsigned i = 0; i <= HEADER_MAX_LINES && bytes_next_line(&text, &line); i++) {
		if (bytes_trim(line).n == 0)
			return content;
		field = is_field(line) || (field && is_fold(line));
		if (!field)
			return false;
		content = content || declares_content(line);
	}
	return false;
}

/*
 * A header block that starts within the first lines: the rest is a message. Behind a line of
 * dashes it is a part, and mime_carve() has found it.
 */
static bool find_message(struct bytes text, struct bytes *ret_message)
{
	struct bytes rest = text, at = text, line;
	bool dashes = false;

	for (unsigned i = 0; i < HEADER_WITHIN_LINES && bytes_next_line(&rest, &line); i++) {
		if (!dashes && is_field(line) && is_header_block(at)) {
			*ret_message = at;
			return true;
		}
		dashes = bytes_starts(line, BYTES("--"));
		at = rest;
	}
	return false;
}

/* Reading bytes again costs as much as expanding them: that is what bounds nested readings. */
static int read_message(struct mime_ctx *c, struct mime_part *p, struct bytes message,
			enum mime_as as)
{
	struct mime_part *top;
	int r;

	if (!budget_charge(c->b, BUDGET_EXPANDED_BYTES, message.n, bytes_str(p->id)))
		return mime_limit(c);
	r = mime_prelimits(message, c->b, c->err);
	return r < 0 ? r : mime_read(c, message, p, as, &top);
}

static bool is_text(const char *type)
{
	return strncmp(type, "text", 4) == 0 || strncmp(type, "message/", 8) == 0 ||
	       strncmp(type, "application/octet-stream", 24) == 0;
}

int mime_look_inside(struct mime_ctx *c, struct mime_part *p, struct bytes content,
		     bool *ret_parsed)
{
	struct bytes message;

	*ret_parsed = false;
	if (content.n == 0)
		return 0;
	if (mime_is_message(p->type)) {
		*ret_parsed = true;
		return read_message(c, p, content, MIME_AS_CHILD);
	}
	if (mime_is_multipart(p->type)) {
		*ret_parsed = true; /* its parts are found by carving */
		return 0;
	}
	if (!is_text(p->type))
		return 0;
	if (find_message(content, &message)) {
		*ret_parsed = true;
		return read_message(c, p, message, MIME_AS_READING);
	}
	return add_blocks(c, p, content);
}
