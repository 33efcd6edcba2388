/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/examine.c - which parts of GMime's tree have other readings. Well-formed parts cost a look
 * at their defect bits and, for text, a pass of two pre-filters.
 */
#include "mime/internal.h"

enum {
	FACE_BORING_BYTES = 1000, /* "This is a multi-part message in MIME format." and the like */
	FACE_DEFECTS = MIME_DUP_HEADER | MIME_BAD_HEADER | MIME_BAD_ENCODING,
};

/* Header and body of a part lie side by side. */
static struct bytes region_of(const struct mime_part *p)
{
	const uint8_t *start = p->headers.n > 0 ? p->headers.p : p->raw.p;

	return bytes_of(start, (size_t)(p->raw.p - start) + p->raw.n);
}

static int other_readings(struct mime_ctx *c, struct mime_part *p)
{
	struct bytes region = region_of(p);
	size_t lines, block = mime_header_block(region, &lines);

	return mime_entity_readings(c, p, region, block, p->raw.p);
}

/* Text before the first and behind the last boundary: shown by readers without MIME, and by some
 * with. The usual few words need no look. */
static int add_face(struct mime_ctx *c, struct mime_part *below, struct bytes face)
{
	struct mime_part *p;

	if (bytes_trim(face).n == 0 ||
	    (face.n <= FACE_BORING_BYTES && bytes_find(face, BYTES("begin")) < 0 &&
	     bytes_find(face, BYTES("://")) < 0))
		return 0;
	p = mime_new_reading(c, below);
	if (p == NULL)
		return mime_failed(c);
	p->type = "text/plain";
	p->headers = bytes_head(face, 0);
	p->raw = face;
	return 0;
}

/* Start of the boundary line in front of a part that starts at @at. */
static const uint8_t *back_to_dashes(const uint8_t *start, const uint8_t *at)
{
	for (const uint8_t *p = at; p > start; p--)
		if ((p[-1] == '\n' || p == start) && p < at && p[0] == '-')
			return p;
	return start;
}

static struct bytes before_first_part(const struct mime_part *p)
{
	const struct mime_part *first = p->children;
	const uint8_t *at = first->headers.n > 0 ? first->headers.p : first->raw.p;

	return bytes_of(p->raw.p, (size_t)(back_to_dashes(p->raw.p, at) - p->raw.p));
}

static const struct mime_part *last_part(const struct mime_part *p)
{
	const struct mime_part *last = NULL;

	for (const struct mime_part *child = p->children; child != NULL; child = child->next)
		if (child->structural)
			last = child;
	return last;
}

/* Behind the closing line, which follows the last byte of the last part; p NULL: there is none. */
static struct bytes behind_last_part(const struct mime_part *p)
{
	const struct mime_part *last = p, *deeper;
	struct bytes rest, line;

	while ((deeper = last_part(last)) != NULL)
		last = deeper;
	rest = bytes_from(p->raw, (size_t)(last->raw.p - p->raw.p) + last->raw.n);
	while (bytes_next_line(&rest, &line))
		if (bytes_starts(line, BYTES("--")))
			return rest.p == NULL ? bytes_of(line.p, 0) : rest;
	return bytes_of(NULL, 0);
}

static int examine_multipart(struct mime_ctx *c, struct mime_part *p)
{
	struct bytes behind = behind_last_part(p);
	int r = add_face(c, p, before_first_part(p));

	if (behind.p == NULL)
		p->defects |= MIME_BAD_BOUNDARY; /* never closed */
	else if (r == 0)
		r = add_face(c, p, behind);
	if (r == 0 && (p->defects & FACE_DEFECTS) != 0)
		r = other_readings(c, p);
	return r;
}

static int examine_leaf(struct mime_ctx *c, struct mime_part *p)
{
	bool parsed;
	int r = 0;

	if (p->defects != 0)
		r = other_readings(c, p);
	if (r == 0 && p->encoding == MIME_7BIT)
		r = mime_look_inside(c, p, p->raw, &parsed);
	return r;
}

/* What is found is linked below and so visited by the same walk: no recursion. */
int mime_examine(struct mime_ctx *c, struct mime_part *top)
{
	int r = 0;

	for (struct mime_part *p = top; p != NULL && r == 0; p = mime_next_below(p, top)) {
		if (!p->structural || p->examined)
			continue;
		p->examined = true;
		if (p->multipart)
			r = examine_multipart(c, p);
		else if (!p->message)
			r = examine_leaf(c, p);
	}
	return r;
}

/* Lone CRs as LFs, as old Macintosh mail has them, and without NULs. */
static struct bytes cleaned_copy(struct mime_ctx *c, struct bytes buf)
{
	uint8_t *copy = arena_alloc(c->a, buf.n);
	size_t n = 0;

	for (size_t i = 0; copy != NULL && i < buf.n; i++) {
		bool lone_cr = buf.p[i] == '\r' && (i + 1 == buf.n || buf.p[i + 1] != '\n');

		if (buf.p[i] != '\0')
			copy[n++] = lone_cr ? '\n' : buf.p[i];
	}
	return bytes_of(copy, n);
}

static int read_cleaned(struct mime_ctx *c, struct bytes buf, struct mime_part *top)
{
	struct mime_part *again;
	bool bare_cr;
	int r;

	if (!budget_charge(c->b, BUDGET_EXPANDED_BYTES, buf.n, BYTES("lone CRs or NULs")))
		return mime_limit(c);
	buf = cleaned_copy(c, buf);
	if (buf.p == NULL)
		return mime_no_memory(c);
	r = mime_prelimits(buf, c->b, c->err);
	if (r == 0)
		r = mime_read(c, buf, top, MIME_AS_READING, &again);
	if (r == 0)
		r = mime_examine(c, again);
	return r < 0 ? r : mime_carve(c, buf, again, &bare_cr);
}

/* Lone CRs in the header of the whole, or NULs in any header. */
static bool has_odd_headers(struct mime_part *top)
{
	unsigned defects = top->defects & MIME_BARE_CR;

	for (struct mime_part *p = top; p != NULL; p = mime_next_below(p, top))
		defects |= p->structural ? p->defects & MIME_NUL : 0;
	return defects != 0;
}

int mime_complete(struct mime_ctx *c, struct bytes buf, struct mime_part *top)
{
	bool bare_cr, odd;
	int r = mime_examine(c, top);

	odd = r == 0 && has_odd_headers(top);
	if (r == 0)
		r = mime_carve(c, buf, top, &bare_cr);
	if (r < 0 || !(bare_cr || odd))
		return r;
	return read_cleaned(c, buf, top);
}
