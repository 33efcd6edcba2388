/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/prelimits.c - what must be asked of the raw bytes before GMime sees them, in one pass.
 *
 * GMime has no limit on parts or headers (a megabyte of empty parts takes 134 MB of heap) and
 * recurses for each group in an address list, so that 90 KB of "a:a:a:..." overflow a stack.
 * Nothing is parsed here: each line of dashes may start a part and so a header block, and behind
 * a block that speaks of messages comes the header block of one.
 */
#include <errno.h>

#include "mime/internal.h"

enum {
	ADDRESS_COLONS_MAX = 500, /* 190 bytes of stack each; no real header comes near */
	DASH_LINES_PER_PART = 64, /* lines of dashes are mostly signatures, SQL, patches */
	/* Heap of GMime for each, measured and rounded up. */
	HEAP_PER_DASH_LINE = 1400,
	HEAP_PER_FIELD = 450,
	HEAP_PER_MESSAGE = 16384,
};

struct pre {
	struct budget *b;
	uint64_t dash_lines, fields, multiparts;
	uint64_t block_bytes, block_fields; /* of this header block */
	uint64_t colons;                    /* of this address field */
	bool in_field, in_type, in_address; /* of what kind a folded line is */
	bool in_header, message_next, digest;
	const char *why; /* set: refused */
};

static void start_block(struct pre *p, bool in_header)
{
	p->in_header = in_header;
	p->block_bytes = p->block_fields = 0;
	p->in_field = p->in_type = p->in_address = false;
	p->message_next = p->digest;
}

static bool has_nocase(struct bytes b, struct bytes word)
{
	for (; b.n >= word.n; b = bytes_from(b, 1))
		if ((b.p[0] | 0x20) == word.p[0] && bytes_starts_nocase(b, word))
			return true;
	return false;
}

/* A Content-Type, maybe folded: is a message inside, or many? */
static void type_line(struct pre *p, struct bytes line)
{
	if (has_nocase(line, BYTES("message")))
		p->message_next = true;
	if (!has_nocase(line, BYTES("multipart")))
		return;
	p->multiparts++;
	if (has_nocase(line, BYTES("digest")))
		p->digest = true;
}

static void address_line(struct pre *p, struct bytes line)
{
	for (;;) {
		ptrdiff_t colon = bytes_index(line, ':');

		if (colon < 0)
			return;
		line = bytes_from(line, (size_t)colon + 1);
		if (++p->colons <= ADDRESS_COLONS_MAX)
			continue;
		(void)budget_allows(p->b, BUDGET_MIME_DEPTH, p->colons,
				    BYTES("groups in an address header"));
		p->why = "an address header nests too many groups";
		return;
	}
}

/* From, Sender, Reply-To, To, Cc, Bcc and their kin; told apart by the first letter first. */
static bool is_address_field(struct bytes line)
{
	static const struct bytes names[] = {
		BYTES("from"), BYTES("sender"), BYTES("reply-to"), BYTES("to"),
		BYTES("cc"),   BYTES("bcc"),    BYTES("resent-"),  BYTES("disposition-n"),
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((line.p[0] | 0x20) == names[i].p[0] && bytes_starts_nocase(line, names[i]))
			return true;
	return false;
}

/* A name without blanks, then a colon. Anything else in a block costs GMime nothing that stays. */
static bool is_field(struct bytes line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f && line.p[n] != ':')
		n++;
	while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	return n > 0 && n < line.n && line.p[n] == ':';
}

static void start_field(struct pre *p, struct bytes line)
{
	p->in_field = is_field(line);
	if (!p->in_field)
		return;
	p->fields++;
	p->block_fields++;
	p->in_type = (line.p[0] | 0x20) == 'c' && bytes_starts_nocase(line, BYTES("content-t"));
	p->in_address = is_address_field(line);
	p->colons = 0;
}

static void header_line(struct pre *p, struct bytes line)
{
	if (line.p[0] != ' ' && line.p[0] != '\t')
		start_field(p, line);
	if (!p->in_field)
		return;
	p->block_bytes += line.n + 1;
	if (!budget_allows(p->b, BUDGET_HEADER_LINES, p->block_fields, bytes_head(line, 40)) ||
	    !budget_allows(p->b, BUDGET_HEADER_BYTES, p->block_bytes, bytes_head(line, 40)))
		p->why = "a header is too long";
	if (p->in_type)
		type_line(p, line);
	if (p->in_address)
		address_line(p, line);
}

static void one_line(struct pre *p, struct bytes line)
{
	if (line.n >= 2 && line.p[0] == '-' && line.p[1] == '-') {
		p->dash_lines++;
		start_block(p, true);
	} else if (!p->in_header) {
		return;
	} else if (line.n == 0 || (line.n == 1 && line.p[0] == '\r')) {
		start_block(p, p->message_next);
	} else {
		header_line(p, line);
	}
}

static void check_sums(struct pre *p)
{
	uint64_t max = p->b->limits.max[BUDGET_PARTS];
	uint64_t heap =
		HEAP_PER_MESSAGE + p->dash_lines * HEAP_PER_DASH_LINE + p->fields * HEAP_PER_FIELD;

	if (max > 0 && p->dash_lines / DASH_LINES_PER_PART > max &&
	    !budget_allows(p->b, BUDGET_PARTS, p->dash_lines, BYTES("lines that start with --")))
		p->why = "too many lines start with --";
	else if (!budget_allows(p->b, BUDGET_PARTS, p->multiparts, BYTES("multipart headers")))
		p->why = "too many multiparts";
	else if (!budget_charge(p->b, BUDGET_MEMORY, heap, BYTES("MIME parser")))
		p->why = "parsing takes too much memory";
}

/* To the next line of dashes; @rest is the end of @message. */
static void skip_body(struct bytes message, struct bytes *rest)
{
	size_t at = message.n - rest->n;

	*rest = bytes_from(message, mime_find_dashes(message, at));
}

int mime_prelimits(struct bytes message, struct budget *b, struct err *err)
{
	struct pre p = { .b = b };
	struct bytes rest = message, line;

	start_block(&p, true);
	while (p.why == NULL && bytes_next_line(&rest, &line)) {
		one_line(&p, line);
		if (!p.in_header)
			skip_body(message, &rest);
	}
	if (p.why == NULL)
		check_sums(&p);
	if (p.why != NULL)
		return err_set(err, ERR_LIMIT, -EFBIG, "not parsed, %s: %s", p.why, b->why);
	return 0;
}
