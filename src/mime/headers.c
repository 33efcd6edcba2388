/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/headers.c - the Content-* fields of a raw header block, as the most generous reader finds
 * them: at the start of any line (folded lines and lines after a lone CR too), whatever blanks,
 * comments or extra colons stand around the name.
 */
#include "mime/internal.h"

static size_t line_length(struct bytes b)
{
	const uint8_t *lf = b.n == 0 ? NULL : memchr(b.p, '\n', b.n);

	return lf == NULL ? b.n : (size_t)(lf - b.p) + 1;
}

static bool is_blank_line(struct bytes line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != '\r' && line.p[i] != '\n')
			return false;
	return true;
}

size_t mime_header_block(struct bytes b, size_t *ret_lines)
{
	size_t at = 0;

	*ret_lines = 0;
	while (at < b.n) {
		size_t n = line_length(bytes_from(b, at));
		bool blank = is_blank_line(bytes_head(bytes_from(b, at), n));

		at += n;
		if (blank)
			break;
		++*ret_lines;
	}
	return at;
}

static bool is_fold(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* End of the field that starts with the line at @at: behind its folded lines. */
static size_t field_end(struct bytes block, size_t at)
{
	do
		at += line_length(bytes_from(block, at));
	while (at < block.n && is_fold(block.p[at]));
	return at;
}

static void keep(struct mime_values *v, struct bytes value)
{
	if (v->n < MIME_SAME_FIELD_MAX)
		v->v[v->n++] = value;
	else
		v->v[MIME_SAME_FIELD_MAX - 1] = value; /* the last one counts for many readers */
}

static const struct {
	struct bytes name;
	size_t offset;
} content_fields[] = {
	{ BYTES("content-type"), offsetof(struct mime_headers, type) },
	{ BYTES("content-transfer-encoding"), offsetof(struct mime_headers, encoding) },
	{ BYTES("content-disposition"), offsetof(struct mime_headers, disposition) },
	{ BYTES("content-description"), offsetof(struct mime_headers, description) },
};

/* What may stand between a field's name and its value for some reader: blanks, comments, colons. */
static struct bytes skip_to_value(struct bytes rest)
{
	size_t i = 0;

	while (i < rest.n && (ascii_is_space(rest.p[i]) || rest.p[i] == ':' || rest.p[i] == '\0'))
		i++;
	return bytes_from(rest, i);
}

static bool content_field(struct mime_headers *h, struct bytes field)
{
	for (size_t i = 0; i < ARRAY_LEN(content_fields); i++) {
		struct bytes rest;
		ptrdiff_t colon;
		size_t gap;

		if (!bytes_starts_nocase(field, content_fields[i].name))
			continue;
		rest = bytes_from(field, content_fields[i].name.n);
		colon = bytes_index(rest, ':');
		if (colon < 0)
			return false;
		gap = (size_t)colon;
		if (gap > 0 || (rest.n > 1 && rest.p[1] == ':'))
			h->defects |= MIME_BAD_HEADER;
		if (gap > 0 && rest.p[0] != '(' && rest.p[0] != '\0' && !ascii_is_space(rest.p[0]))
			return false; /* a longer name */
		keep((struct mime_values *)((char *)h + content_fields[i].offset),
		     skip_to_value(bytes_from(rest, gap)));
		return true;
	}
	return false;
}

static void other_field(struct mime_headers *h, struct bytes field)
{
	static const struct bytes subject = BYTES("subject:"), id = BYTES("message-id:");

	if (h->subject.p == NULL && bytes_starts_nocase(field, subject))
		h->subject = bytes_trim(bytes_from(field, subject.n));
	else if (h->message_id.p == NULL && bytes_starts_nocase(field, id))
		h->message_id = bytes_trim(bytes_from(field, id.n));
}

/*
 * A list of field names, as DKIM signatures have them in their folds, is no field: a value that
 * has a colon before its first ';', or a type without '/'.
 */
static bool is_name_list(struct bytes line)
{
	bool type = bytes_starts_nocase(line, BYTES("content-type"));
	ptrdiff_t n = bytes_index(line, ':');

	if (n < 0)
		return true;
	line = skip_to_value(bytes_from(line, (size_t)n));
	n = bytes_index(line, ';');
	if (n >= 0)
		line = bytes_head(line, (size_t)n);
	return bytes_index(line, ':') >= 0 || (type && bytes_index(line, '/') < 0);
}

static bool hidden_field(struct mime_headers *h, struct bytes field, struct bytes line)
{
	line = bytes_trim(line);
	return bytes_starts_nocase(line, BYTES("content-")) && !is_name_list(line) &&
	       content_field(h, bytes_from(field, (size_t)(line.p - field.p)));
}

/*
 * "Content-..." where only some readers start a field: in a folded line, behind a lone CR. What
 * follows belongs to it.
 */
static void hidden_fields(struct mime_headers *h, struct bytes field)
{
	struct bytes rest = field, line;
	bool first = true;

	while (bytes_next_line(&rest, &line)) {
		if (!first && hidden_field(h, field, line))
			h->defects |= MIME_BAD_HEADER;
		first = false;
		if ((h->defects & MIME_BARE_CR) == 0)
			continue;
		for (ptrdiff_t cr; (cr = bytes_index(line, '\r')) >= 0;) {
			line = bytes_from(line, (size_t)cr + 1);
			if (hidden_field(h, field, line))
				h->defects |= MIME_BAD_HEADER;
		}
	}
}

static bool has_colon(struct bytes line)
{
	return line.n > 0 && memchr(line.p, ':', line.n) != NULL;
}

/* NUL, or CR that ends no line. */
static unsigned odd_bytes(struct bytes block)
{
	unsigned defects = 0;

	if (block.n > 0 && memchr(block.p, '\0', block.n) != NULL)
		defects |= MIME_NUL;
	for (struct bytes rest = block;;) {
		ptrdiff_t cr = bytes_index(rest, '\r');

		if (cr < 0)
			return defects;
		rest = bytes_from(rest, (size_t)cr + 1);
		if (rest.n > 0 && rest.p[0] != '\n')
			return defects | MIME_BARE_CR;
	}
}

/* A line without a colon, the first of which may be where some readers see the body start. */
static void check_junk(struct mime_headers *h, struct bytes line)
{
	if (has_colon(line) || h->junk != NULL || bytes_trim(line).n == 0 ||
	    bytes_starts(line, BYTES("From ")))
		return;
	h->junk = line.p;
}

static void read_field(struct mime_headers *h, struct bytes field)
{
	struct bytes line = bytes_head(field, line_length(field));
	uint8_t first = ascii_lower(field.p[0]);

	check_junk(h, line);
	if (first == 'c')
		(void)content_field(h, field);
	else if (first == 's' || first == 'm')
		other_field(h, field);
	else if (ascii_is_space(first) && hidden_field(h, field, line))
		h->defects |= MIME_BAD_HEADER;
	if (line.n < field.n || (h->defects & MIME_BARE_CR) != 0)
		hidden_fields(h, field);
}

void mime_headers_read(struct mime_headers *h, struct bytes block)
{
	size_t at = 0;

	*h = (struct mime_headers){ .defects = odd_bytes(block) };
	while (at < block.n) {
		size_t end = field_end(block, at);
		struct bytes field = bytes_head(bytes_from(block, at), end - at);

		if (!is_blank_line(field))
			read_field(h, field);
		at = end;
	}
	if (h->type.n > 1 || h->encoding.n > 1 || h->disposition.n > 1)
		h->defects |= MIME_DUP_HEADER;
	if (h->junk != NULL)
		h->defects |= MIME_NO_BLANK_LINE;
}
