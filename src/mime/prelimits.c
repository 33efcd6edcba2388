/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/prelimits.c - what must be asked of the raw bytes before GMime sees them, in one pass.
 *
 * GMime has no limit on parts or headers (a megabyte of empty parts takes 134 MB of heap) and
 * recurses for each group in an address list, so that 90 KB of "a:a:a:..." overflow a stack.
 */
#include <errno.h>

#include "mime/internal.h"

enum {
	ADDRESS_COLONS_MAX = 500, /* 190 bytes of stack each; no real header comes near */
	DASH_LINES_PER_PART = 64, /* "--" lines are mostly signatures, SQL, patches */
	/* Heap of GMime for each, measured (probes.md, section 5) and rounded up. */
	HEAP_PER_DASH_LINE = 1400,
	HEAP_PER_HEADER = 450,
	HEAP_PER_MESSAGE = 16384,
};

struct pre {
	struct budget *b;
	uint64_t dash_lines, header_lines, block_bytes, block_lines, multiparts, colons;
	bool in_header, in_address, stop;
};

static bool is_blank(struct bytes line)
{
	return line.n == 0 || (line.n == 1 && line.p[0] == '\r');
}

/* Fields that hold addresses, by a part of their name; told apart by their first letter first. */
static bool starts_address(struct bytes line)
{
	static const struct bytes names[] = {
		BYTES("from"), BYTES("sender"), BYTES("reply-to"), BYTES("to"),
		BYTES("cc"),   BYTES("bcc"),    BYTES("resent-"),  BYTES("disposition-n"),
	};
	uint8_t first = line.n > 0 ? ascii_lower(line.p[0]) : 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].p[0] == first && bytes_starts_nocase(line, names[i]))
			return true;
	return false;
}

static bool is_fold(struct bytes line)
{
	return line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/*
 * Colons of one address field. GMime parses these fields in every header block, and a block may
 * start after any blank line or boundary, so each line of the message that looks like one counts.
 */
static void address_line(struct pre *p, struct bytes line)
{
	if (!is_fold(line)) {
		p->in_address = starts_address(line);
		p->colons = 0;
	}
	if (!p->in_address)
		return;
	for (;;) {
		ptrdiff_t colon = bytes_index(line, ':');

		if (colon < 0)
			return;
		line = bytes_from(line, (size_t)colon + 1);
		if (++p->colons <= ADDRESS_COLONS_MAX)
			continue;
		(void)budget_allows(p->b, BUDGET_MIME_DEPTH, UINT64_MAX,
				    BYTES("groups in an address header"));
		p->stop = true;
		return;
	}
}

static bool looks_like_header(struct bytes line)
{
	ptrdiff_t colon = bytes_index(bytes_head(line, 100), ':');

	return is_fold(line) || colon > 0;
}

static void header_line(struct pre *p, struct bytes line)
{
	if (is_blank(line)) {
		p->in_header = false;
		return;
	}
	p->header_lines++;
	p->block_lines++;
	p->block_bytes += line.n + 1;
	if (!budget_allows(p->b, BUDGET_HEADER_LINES, p->block_lines, bytes_head(line, 40)) ||
	    !budget_allows(p->b, BUDGET_HEADER_BYTES, p->block_bytes, bytes_head(line, 40)))
		p->stop = true;
	if ((line.p[0] | 0x20) == 'c' && bytes_starts_nocase(line, BYTES("content-type:")) &&
	    bytes_find(line, BYTES("multipart/")) > 0)
		p->multiparts++;
}

static void start_header(struct pre *p)
{
	p->in_header = true;
	p->block_lines = 0;
	p->block_bytes = 0;
}

static void one_line(struct pre *p, struct bytes line)
{
	if (line.n >= 2 && line.p[0] == '-' && line.p[1] == '-') {
		p->dash_lines++;
		start_header(p);
		return;
	}
	if (p->in_header)
		header_line(p, line);
	if (p->in_header && p->dash_lines > 0 && !looks_like_header(line))
		p->in_header = false; /* text behind a "--" line */
	address_line(p, line);
}

static bool parts_fit(struct pre *p)
{
	uint64_t max = p->b->limits.max[BUDGET_PARTS];
	uint64_t heap = HEAP_PER_MESSAGE + p->dash_lines * HEAP_PER_DASH_LINE +
			p->header_lines * HEAP_PER_HEADER;

	if (max > 0 && p->dash_lines > max * DASH_LINES_PER_PART &&
	    !budget_allows(p->b, BUDGET_PARTS, UINT64_MAX, BYTES("lines that start with --")))
		return false;
	if (!budget_allows(p->b, BUDGET_PARTS, p->multiparts, BYTES("multipart headers")))
		return false;
	return budget_charge(p->b, BUDGET_MEMORY, heap, BYTES("MIME parser"));
}

int mime_prelimits(struct bytes message, struct budget *b, struct err *err)
{
	struct pre p = { .b = b, .in_header = true };
	struct bytes rest = message, line;

	while (!p.stop && bytes_next_line(&rest, &line))
		one_line(&p, line);
	if (p.stop || !parts_fit(&p))
		return err_set(err, ERR_LIMIT, -EFBIG, "message refused before parsing: %s",
			       b->why);
	return 0;
}
