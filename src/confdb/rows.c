/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/rows.c - answers as text, and what all back ends check. */
#include <errno.h>

#include "confdb/internal.h"
#include "core/text.h"

static const struct {
	const char *option;
	unsigned columns_min, columns_max;
	const char *expects;
} kinds[CONF_QUERIES] = {
	[CONF_QUERY_SERIAL] = { "SQL Serial Number", 1, 1, "1 (number)" },
	[CONF_QUERY_PEEK] = { "SQL Quick Peek", 1, 1, "1 (value)" },
	[CONF_QUERY_SETTINGS] = { "SQL Config", 2, 2, "2 (option, value)" },
	[CONF_QUERY_RULESET] = { "SQL Ruleset", 2, 2, "2 (num, rule)" },
	[CONF_QUERY_SPAMASSASSIN] = { "SQL SpamAssassin Config", 1, 2, "1 (line)" },
};

unsigned rows_columns_min(enum conf_query_kind what)
{
	return kinds[what].columns_min;
}

unsigned rows_columns_max(enum conf_query_kind what)
{
	return kinds[what].columns_max;
}

int rows_check_columns(const struct rows *r, unsigned columns, struct err *err)
{
	if (columns >= rows_columns_min(r->q->what) && columns <= rows_columns_max(r->q->what))
		return 0;
	return err_set(err, ERR_CONFIG, -EINVAL, "the statement gives %u columns; expected %s",
		       columns, kinds[r->q->what].expects);
}

/* Line breaks end rows; a tab ends the first column. */
static void add_column(struct str *s, struct bytes b, bool first)
{
	for (size_t i = 0; i < b.n;) {
		size_t run = i;

		while (run < b.n && b.p[run] != '\n' && b.p[run] != '\r' &&
		       (!first || b.p[run] != '\t'))
			run++;
		str_add_bytes(s, bytes_of(b.p + i, run - i));
		if (run < b.n)
			str_add_char(s, ' ');
		i = run + 1;
	}
}

int rows_add(struct rows *r, struct bytes first, struct bytes second, struct err *err)
{
	r->n++;
	if (first.n > COLUMN_MAX || second.n > COLUMN_MAX)
		return err_set(err, ERR_CONFIG, -EFBIG, "row %u is longer than %zu bytes", r->n,
			       COLUMN_MAX);
	if (r->n > ROWS_MAX)
		return err_set(err, ERR_CONFIG, -EFBIG, "more than %u rows", ROWS_MAX);
	add_column(r->text, first, true);
	str_add_char(r->text, '\t');
	add_column(r->text, second, false);
	str_add_char(r->text, '\n');
	if (!r->text->failed)
		return 0;
	return err_set(err, ERR_TEMP, -ENOMEM, "row %u: no memory, or more than %zu bytes in all",
		       r->n, r->text->max_bytes);
}

unsigned query_parameters(const struct conf_query *q, const char *host,
			  const char *ret[PARAMETERS_MAX])
{
	switch (q->what) {
	case CONF_QUERY_PEEK:
		ret[0] = q->argument;
		ret[1] = host;
		return 2;
	case CONF_QUERY_RULESET:
		ret[0] = q->argument;
		return 1;
	case CONF_QUERY_SETTINGS:
	case CONF_QUERY_SPAMASSASSIN:
		ret[0] = host;
		return 1;
	default:
		return 0;
	}
}

int check_placeholders(const struct conf_query *q, unsigned found, unsigned given, struct err *err)
{
	if (found <= given)
		return 0;
	return err_set(err, ERR_CONFIG, -EINVAL,
		       "the statement has %u placeholders ('?'); %s fills %u at most", found,
		       kinds[q->what].option, given);
}

const char *one_line(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; text != NULL && *text != '\0' && n + 1 < size; text++) {
		uint8_t c = (uint8_t)*text;

		if (c > ' ' || (n > 0 && out[n - 1] != ' '))
			out[n++] = c > ' ' ? (char)c : ' ';
	}
	while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
		n--;
	out[n] = '\0';
	text_make_printable(out);
	return out;
}

int no_connection(struct err *err, enum err_kind kind, const char *what, const char *text)
{
	return err_set(err, kind, -ENOTCONN, "%s: %s", what, ONE_LINE(text));
}
