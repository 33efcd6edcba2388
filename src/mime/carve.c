/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/carve.c - parts that stand behind a boundary-like line without being part of GMime's tree.
 *
 * Whatever trick hides a boundary (a parameter given twice, comments, quotes, encodings, a header
 * that only some readers see), the part itself starts with "--", some token, and a header block.
 * So every such place that the tree does not know becomes an alternate part, up to the next line
 * with the same token. One pass over the bytes; well-formed mail has nothing to add.
 */
#include <stdlib.h>

#include "mime/internal.h"

enum { LINES_FIRST = 16 };

struct dash_line {
	const uint8_t *start, *behind; /* behind: first byte of the next line */
	struct bytes token;            /* without the dashes and blanks around it */
	size_t next_same;              /* index of the next line with this token; SIZE_MAX: none */
};

struct carve {
	struct mime_ctx *c;
	struct bytes buf;
	struct mime_part *top; /* the part whose bytes these are */
	struct dash_line *lines;
	size_t lines_n;
	bool bare_cr;             /* a line of dashes ends, or the one before it, at a lone CR */
	struct mime_part **known; /* sorted by where their header block starts */
	size_t known_n;
};

static bool is_eol(uint8_t ch)
{
	return ch == '\n' || ch == '\r';
}

static size_t line_end(struct bytes buf, size_t at)
{
	while (at < buf.n && !is_eol(buf.p[at]))
		at++;
	return at;
}

static bool is_blank(uint8_t ch)
{
	return ascii_is_space(ch) || ch == '\0';
}

static struct bytes trim(struct bytes b)
{
	while (b.n > 0 && is_blank(b.p[b.n - 1]))
		b.n--;
	while (b.n > 0 && is_blank(b.p[0]))
		b = bytes_from(b, 1);
	return b;
}

static struct bytes token_of(struct bytes line)
{
	line = trim(bytes_from(line, 2));
	if (line.n >= 2 && line.p[line.n - 1] == '-' && line.p[line.n - 2] == '-')
		line = trim(bytes_head(line, line.n - 2));
	return line;
}

static bool ends_at_cr(struct bytes buf, size_t at)
{
	return at + 1 < buf.n && buf.p[at] == '\r' && buf.p[at + 1] != '\n';
}

/* Room for one more; an array that is outgrown stays in the arena, all of them below twice it. */
static struct dash_line *new_line(struct carve *cv)
{
	size_t n = cv->lines_n;

	if (n == 0 || (n >= LINES_FIRST && (n & (n - 1)) == 0)) {
		struct dash_line *more =
			arena_array(cv->c->a, MAX_OF(n * 2, (size_t)LINES_FIRST), sizeof(*more));

		if (more == NULL)
			return NULL;
		if (n > 0)
			memcpy(more, cv->lines, n * sizeof(*more));
		cv->lines = more;
	}
	return &cv->lines[cv->lines_n++];
}

static int find_dash_lines(struct carve *cv)
{
	struct bytes buf = cv->buf;

	for (size_t at = mime_find_dashes(buf, 0); at < buf.n;) {
		struct dash_line *d = new_line(cv);
		size_t end = line_end(buf, at);

		if (d == NULL)
			return mime_no_memory(cv->c);
		d->start = buf.p + at;
		d->token = token_of(bytes_of(d->start, end - at));
		d->next_same = SIZE_MAX;
		cv->bare_cr =
			cv->bare_cr || ends_at_cr(buf, end) || (at > 0 && ends_at_cr(buf, at - 1));
		at = mime_find_dashes(buf, end);
		if (end < buf.n)
			end += end + 1 < buf.n && buf.p[end] == '\r' && buf.p[end + 1] == '\n' ? 2
											       : 1;
		d->behind = buf.p + end;
	}
	return 0;
}

static uint32_t hash_of(struct bytes b)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < b.n; i++)
		h = (h ^ b.p[i]) * 16777619u;
	return h ^ h >> 15;
}

/* From the last line to the first, a table of tokens tells where each comes next. */
static int link_same(struct carve *cv)
{
	size_t size = 16, *table;

	while (size < cv->lines_n * 2)
		size *= 2;
	table = arena_array(cv->c->a, size, sizeof(*table)); /* 0: free, else index + 1 */
	if (table == NULL)
		return mime_no_memory(cv->c);
	for (size_t i = cv->lines_n; i-- > 0;) {
		struct dash_line *d = &cv->lines[i];
		size_t at = hash_of(d->token) & (size - 1);

		while (table[at] != 0 && !bytes_eq(cv->lines[table[at] - 1].token, d->token))
			at = (at + 1) & (size - 1);
		if (table[at] != 0)
			d->next_same = table[at] - 1;
		table[at] = i + 1;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct mime_part *const *x = a, *const *y = b;

	if ((*x)->headers.p != (*y)->headers.p)
		return (*x)->headers.p < (*y)->headers.p ? -1 : 1;
	return 0;
}

static bool inside(struct bytes buf, const uint8_t *p)
{
	return p >= buf.p && p <= buf.p + buf.n;
}

static int find_known(struct carve *cv)
{
	size_t n = 0;

	for (struct mime_part *p = cv->top; p != NULL; p = mime_next_below(p, cv->top))
		n++;
	cv->known = arena_array(cv->c->a, n, sizeof(*cv->known));
	if (cv->known == NULL)
		return mime_no_memory(cv->c);
	for (struct mime_part *p = cv->top; p != NULL; p = mime_next_below(p, cv->top))
		if (p->structural && inside(cv->buf, p->headers.p))
			cv->known[cv->known_n++] = p;
	qsort(cv->known, cv->known_n, sizeof(*cv->known), by_start);
	return 0;
}

static const struct mime_part *known_at(const struct carve *cv, const uint8_t *header)
{
	struct mime_part key = { .headers = bytes_of(header, 0) }, *k = &key, **hit;

	hit = bsearch(&k, cv->known, cv->known_n, sizeof(*cv->known), by_start);
	return hit == NULL ? NULL : *hit;
}

/* The deepest part that holds @at: in walking order the last one that does. */
static struct mime_part *holder_of(const struct carve *cv, const uint8_t *at)
{
	struct mime_part *best = cv->top;

	for (struct mime_part *p = cv->top; p != NULL; p = mime_next_below(p, cv->top))
		if (p->structural && at >= p->headers.p && at < p->raw.p + p->raw.n &&
		    inside(cv->buf, p->headers.p))
			best = p;
	return best;
}

/* Blank lines may stand between the boundary and the header for some readers. */
static const uint8_t *header_start(const struct carve *cv, const struct dash_line *d)
{
	const uint8_t *end = cv->buf.p + cv->buf.n, *at = d->behind;

	for (const uint8_t *p = at; p < end && ascii_is_space(*p); p++)
		if (is_eol(*p))
			at = p + 1;
	return at;
}

/* "Name:" first, and a Content- field somewhere in the block. */
static bool is_header(struct bytes block)
{
	ptrdiff_t colon =
		bytes_index(bytes_head(block, MIN_OF(line_end(block, 0), (size_t)200)), ':');

	if (colon <= 0)
		return false;
	for (size_t i = 0; i + 8 <= block.n; i++)
		if ((block.p[i] | 0x20) == 'c' &&
		    bytes_starts_nocase(bytes_from(block, i), BYTES("content-")))
			return true;
	return false;
}

/* Where the part behind line @i ends: at the next line with its token, without the line end. */
static const uint8_t *part_end(const struct carve *cv, const struct dash_line *d)
{
	const uint8_t *end;

	if (d->next_same == SIZE_MAX)
		return cv->buf.p + cv->buf.n;
	end = cv->lines[d->next_same].start;
	if (end > d->behind && end[-1] == '\n')
		end--;
	if (end > d->behind && end[-1] == '\r')
		end--;
	return end;
}

/* The tree has it as it is: same header, and its end is where its own token comes next. */
static bool is_in_tree(const struct mime_part *p, const uint8_t *end)
{
	const uint8_t *known_end = p->raw.p + p->raw.n;

	if (!mime_is_leaf(p))
		return true;
	return known_end <= end && end - known_end <= 4;
}

/*
 * A header block goes no further than the next line of dashes. This also makes all of it linear:
 * no byte is looked at for two candidates.
 */
static size_t block_length(const struct carve *cv, size_t i, struct bytes region)
{
	size_t lines;

	if (i + 1 < cv->lines_n && cv->lines[i + 1].start < region.p + region.n)
		region.n = (size_t)(cv->lines[i + 1].start - region.p);
	return mime_header_block(region, &lines);
}

static int carve_at(struct carve *cv, size_t i)
{
	const struct dash_line *d = &cv->lines[i];
	const uint8_t *end = part_end(cv, d), *start = header_start(cv, d);
	const struct mime_part *p = known_at(cv, start);
	struct bytes region;
	size_t block;

	if (start >= end || (p != NULL && is_in_tree(p, end)))
		return 0;
	region = bytes_of(start, (size_t)(end - start));
	block = block_length(cv, i, region);
	if (!is_header(bytes_head(region, block)))
		return 0;
	return mime_entity_readings(cv->c, holder_of(cv, start), region, block, NULL);
}

int mime_carve(struct mime_ctx *c, struct bytes buf, struct mime_part *top, bool *ret_bare_cr)
{
	struct carve cv = { .c = c, .buf = buf, .top = top };
	int r = find_dash_lines(&cv);

	*ret_bare_cr = cv.bare_cr;
	if (r < 0 || cv.lines_n == 0)
		return r;
	r = link_same(&cv);
	if (r == 0)
		r = find_known(&cv);
	for (size_t i = 0; r == 0 && i < cv.lines_n; i++)
		r = carve_at(&cv, i);
	return r;
}
