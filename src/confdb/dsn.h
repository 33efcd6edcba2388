/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/dsn.h - Perl DBI's names of databases, and its placeholders for PostgreSQL. */
#ifndef CONFDB_DSN_H
#define CONFDB_DSN_H

#include "core/err.h"
#include "core/str.h"

enum dsn_driver { DSN_SQLITE, DSN_PGSQL };

#define DSN_KEYS_MAX  16u
#define DSN_MAX_BYTES 2000u

/* Keys as libpq names them; for SQLite one: dbname, the file. */
struct dsn {
	enum dsn_driver driver;
	unsigned n;
	const char *keys[DSN_KEYS_MAX], *values[DSN_KEYS_MAX]; /* into text, or constants */
	char text[DSN_MAX_BYTES + 1];
};

/*
 * "DBI:SQLite:dbname=/path", "dbi:SQLite:/path", "DBI:Pg:dbname=x;host=y;port=z". Keys are those
 * that choose a server and its encryption. ERR_CONFIG names what is wrong and what is supported; it
 * never repeats values, since sites write passwords there.
 */
int dsn_parse(struct dsn *ret_d, const char *text, struct err *err) MUST_CHECK;

/*
 * @sql with $1, $2, ... in place of each '?' outside of strings, quoted names, comments and dollar
 * quotes; "\?" is the operator '?'. Returns how many there are; -EINVAL when a quote or comment
 * has no end, -ENOMEM.
 */
int dsn_number_placeholders(const char *sql, struct str *out, struct err *err) MUST_CHECK;

#endif
