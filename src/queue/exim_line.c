/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/exim_line.c - the single pieces of Exim's -H file: options, recipients, headers. */
#include <errno.h>

#include "core/num.h"
#include "queue/exim_head.h"

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

/* Take a line off @rest, LF included in what is taken and not in the line. */
static bool take_line(struct bytes *rest, struct bytes *ret_line)
{
	return bytes_index(*rest, '\n') >= 0 && bytes_next_line(rest, ret_line);
}

/* "-", "--" for tainted, "--(lookup)" for quoted for a lookup. */
static struct bytes without_dashes(struct bytes line)
{
	ptrdiff_t close;

	line = bytes_from(line, bytes_starts(line, BYTES("--")) ? 2 : 1);
	if (line.n > 0 && line.p[0] == '(') {
		close = bytes_index(line, ')');
		line = bytes_from(line, close < 0 ? line.n : (size_t)close + 1);
	}
	return line;
}

static bool is_acl(struct bytes name)
{
	return bytes_eq(name, BYTES("aclc")) || bytes_eq(name, BYTES("aclm")) ||
	       bytes_eq(name, BYTES("acl"));
}

/* "name length" or "number length" of an acl variable: its bytes and an LF follow the line. */
static int take_acl_data(struct bytes *rest, struct bytes value, const char **ret_why)
{
	const uint8_t *blank = value.n == 0 ? NULL : memrchr(value.p, ' ', value.n);
	uint64_t n;

	if (blank == NULL)
		return bad(ret_why, "acl variable without a length");
	value = bytes_from(value, (size_t)(blank + 1 - value.p));
	if (num_parse(value, 10, SIZE_MAX, &n) < 0 || n >= rest->n)
		return bad(ret_why, "acl variable longer than the file");
	if (rest->p[n] != '\n')
		return bad(ret_why, "acl variable without its end");
	*rest = bytes_from(*rest, (size_t)n + 1);
	return 0;
}

int exim_next_option(struct bytes *rest, struct exim_option *ret, const char **ret_why)
{
	struct bytes line, start = *rest;
	ptrdiff_t blank;
	int r = 0;

	if (!take_line(rest, &line))
		return bad(ret_why, "ends within the options");
	line = without_dashes(line);
	blank = bytes_index(line, ' ');
	ret->name = blank < 0 ? line : bytes_head(line, (size_t)blank);
	ret->value = bytes_from(line, blank < 0 ? line.n : (size_t)blank + 1);
	if (is_acl(ret->name))
		r = take_acl_data(rest, ret->value, ret_why);
	ret->raw = bytes_head(start, start.n - rest->n);
	return r;
}

int exim_next_header(struct bytes *rest, struct header *ret_h, const char **ret_why)
{
	struct bytes at = *rest, text;
	uint64_t n;

	if (at.n == 0)
		return 0;
	if (num_take(&at, rest->n, &n) < 0)
		return bad(ret_why, "a header without its length");
	if (rest->n - at.n < 3 || at.n < 2 || at.p[1] != ' ' || at.p[0] < ' ')
		return bad(ret_why, "a header length that is not followed by a flag");
	text = bytes_from(at, 2);
	if (n == 0 || n > text.n || text.p[n - 1] != '\n')
		return bad(ret_why, "a header that is not as long as it says");
	/* Exim skips blanks after the flag: it would read such a text differently. */
	if (ascii_is_space(text.p[0]))
		return bad(ret_why, "a header that begins with a blank");
	*ret_h = (struct header){ .text = bytes_head(text, (size_t)n - 1),
				  .mark = bytes_head(at, 1),
				  .deleted = at.p[0] == '*' };
	*rest = bytes_from(text, (size_t)n);
	return 1;
}

static size_t digits_before(struct bytes line, size_t end, const char *more)
{
	while (end > 0 && (ascii_is_digit(line.p[end - 1]) ||
			   (line.p[end - 1] != '\0' && strchr(more, line.p[end - 1]) != NULL)))
		end--;
	return end;
}

/* Take "TEXT length,number" and the blank before TEXT off the end of @line. */
static int drop_field(struct bytes *line)
{
	size_t digits = digits_before(*line, line->n, ",-");
	struct bytes number = bytes_from(*line, digits);
	uint64_t n;

	if (digits == 0 || line->p[digits - 1] != ' ')
		return -EBADMSG;
	line->n = digits - 1;
	if (num_take(&number, line->n, &n) < 0 || number.n == 0 || number.p[0] != ',' ||
	    n >= line->n || line->p[line->n - n - 1] != ' ')
		return -EBADMSG;
	line->n -= (size_t)n + 1;
	return 0;
}

/*
 * An address may hold blanks, so Exim reads from the end: nothing, " n" (early version 4),
 * " n,n,n" (version 3), or fields named by the bits behind '#': 1 errors_to and parent number,
 * 2 original recipient and DSN flags.
 */
int exim_recipient(struct bytes line, struct bytes *ret_address)
{
	size_t digits = digits_before(line, line.n, "");
	uint64_t flags;

	if (digits > 0 && line.p[digits - 1] == ',') {
		size_t start = digits_before(line, digits, ",");

		if (start > 0 && line.p[start - 1] == ' ')
			line.n = start - 1;
	} else if (digits > 0 && line.p[digits - 1] == ' ') {
		line.n = digits - 1;
	} else if (digits > 0 && line.p[digits - 1] == '#') {
		if (num_parse(bytes_from(line, digits), 10, 3, &flags) < 0)
			return -EBADMSG;
		line.n = digits - 1;
		if ((flags & 1) != 0 && drop_field(&line) < 0)
			return -EBADMSG;
		if ((flags & 2) != 0 && drop_field(&line) < 0)
			return -EBADMSG;
	}
	if (line.n == 0)
		return -EBADMSG;
	*ret_address = line;
	return 0;
}
