/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/placeholders.c - DBI writes '?', PostgreSQL $1: enough of SQL's tokens to tell which '?'
 * is one. */
#include <errno.h>

#include "confdb/dsn.h"

#define PLACEHOLDERS_MAX 1000

/* Characters up to the closing @quote, doubled ones inside; 0: it has no end. */
static size_t quoted_length(const char *s, char quote, bool backslashes)
{
	for (size_t i = 1; s[i] != '\0'; i++) {
		if (backslashes && s[i] == '\\' && s[i + 1] != '\0')
			i++;
		else if (s[i] == quote && s[i + 1] == quote)
			i++;
		else if (s[i] == quote)
			return i + 1;
	}
	return 0;
}

/* Comments of PostgreSQL nest. */
static size_t comment_length(const char *s)
{
	unsigned depth = 0;

	for (size_t i = 0; s[i] != '\0';) {
		if (s[i] == '/' && s[i + 1] == '*') {
			depth++;
			i += 2;
		} else if (s[i] == '*' && s[i + 1] == '/') {
			i += 2;
			if (--depth == 0)
				return i;
		} else {
			i++;
		}
	}
	return 0;
}

static bool is_word(char c)
{
	return ascii_is_alnum((uint8_t)c) || c == '_' || (uint8_t)c >= 0x80;
}

/* "$tag$": its length; 0: it is none ("$1", "a$b$"). */
static size_t tag_length(const char *s)
{
	size_t n = 1;

	while (is_word(s[n]) && (n > 1 || !ascii_is_digit((uint8_t)s[n])))
		n++;
	return s[n] == '$' ? n + 1 : 0;
}

static size_t dollar_length(const char *s, size_t tag)
{
	struct bytes rest = bytes_str(s + tag);
	ptrdiff_t end = bytes_find(rest, bytes_of(s, tag));

	return end < 0 ? 0 : tag + (size_t)end + tag;
}

/* How much of @s is one token that no placeholder can be in; 1: an ordinary character. */
static size_t token_length(const char *s, char before)
{
	const char *end;

	switch (*s) {
	case '\'':
		return quoted_length(s, '\'', before == 'E' || before == 'e');
	case '"':
		return quoted_length(s, '"', false);
	case '-':
		if (s[1] != '-')
			return 1;
		end = strchr(s, '\n');
		return end == NULL ? strlen(s) : (size_t)(end - s);
	case '/':
		return s[1] == '*' ? comment_length(s) : 1;
	case '$':
		if (is_word(before) || tag_length(s) == 0)
			return 1;
		return dollar_length(s, tag_length(s));
	default:
		return 1;
	}
}

/* The E of E'...': a letter that is not the end of a name. */
static char prefix(const char *sql, size_t i)
{
	if (i == 0)
		return '\0';
	return sql[i] == '\'' && i > 1 && is_word(sql[i - 2]) ? '\0' : sql[i - 1];
}

int dsn_number_placeholders(const char *sql, struct str *out, struct err *err)
{
	int n = 0;

	for (size_t i = 0; sql[i] != '\0';) {
		size_t length = token_length(sql + i, prefix(sql, i));

		if (length == 0)
			return err_set(err, ERR_CONFIG, -EINVAL,
				       "a quote or comment of the statement has no end");
		if (sql[i] == '\\' && sql[i + 1] == '?') {
			str_add_char(out, '?');
			length = 2;
		} else if (sql[i] == '?' && n == PLACEHOLDERS_MAX) {
			return err_set(err, ERR_CONFIG, -E2BIG, "more than %d placeholders",
				       PLACEHOLDERS_MAX);
		} else if (sql[i] == '?') {
			str_addf(out, "$%d", ++n);
		} else {
			str_add_bytes(out, bytes_of(sql + i, length));
		}
		i += length;
	}
	return out->failed ? err_set(err, ERR_TEMP, -ENOMEM, "statement: out of memory") : n;
}
