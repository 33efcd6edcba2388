/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/internal.h - what the back ends share. */
#ifndef CONFDB_INTERNAL_H
#define CONFDB_INTERNAL_H

#include "conf/conf.h"
#include "core/str.h"

#define CONNECT_NS   (UINT64_C(30) * 1000000000) /* MailScanner's limit */
#define STATEMENT_NS (UINT64_C(120) * 1000000000)
#define STATEMENT_MS "120000"

#define PARAMETERS_MAX 2u
#define ROWS_MAX       10000000u
#define COLUMN_MAX     ((size_t)MIB)

/* The rows of one answer. */
struct rows {
	struct str *text;
	const struct conf_query *q;
	uint32_t n;
};

/* Columns that the answer to @what must have. */
unsigned rows_columns_min(enum conf_query_kind what);
unsigned rows_columns_max(enum conf_query_kind what);
/* Whether the statement has as many columns as it must. */
int rows_check_columns(const struct rows *r, unsigned columns, struct err *err) MUST_CHECK;
/* Add one row; line breaks inside become blanks. Fails above the limits. */
int rows_add(struct rows *r, struct bytes first, struct bytes second, struct err *err) MUST_CHECK;

/* What stands for the placeholders of a statement, in their order. Returns how many. */
unsigned query_parameters(const struct conf_query *q, const char *host,
			  const char *ret[PARAMETERS_MAX]);
int check_placeholders(const struct conf_query *q, unsigned found, unsigned given,
		       struct err *err) MUST_CHECK;

/* One kind of server. @self is NULL until open() succeeded, and again after close(). */
struct back_end {
	const char *name;
	int (*open)(void **ret_self, const struct conf_query *q, struct err *err);
	int (*ask)(void *self, const struct conf_query *q, struct rows *rows, struct err *err);
	void (*close)(void **self);
};

extern const struct back_end back_end_sqlite, back_end_pgsql, back_end_ldap;

/* err_set() for a connection that cannot be had: code -ENOTCONN. Line breaks in @text, which is
 * what a server or library said, become blanks. */
int no_connection(struct err *err, enum err_kind kind, const char *what, const char *text);
/* The same text in one line, for other errors. In @out, which is returned. */
const char *one_line(char *out, size_t size, const char *text);
#define ONE_LINE(text) one_line((char[201]){ 0 }, 201, (text))

#endif
