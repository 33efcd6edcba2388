/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dsn - a database's name and a statement with placeholders. Needs confdb_dep.
 * The input is both: the name up to the first line feed, then the statement. */
#include <stdlib.h>

#include "confdb/dsn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *text)
{
	static struct dsn d;
	struct err err;

	if (dsn_parse(&d, text, &err) < 0) {
		if (err.kind != ERR_CONFIG || err.text[0] == '\0')
			abort();
		return;
	}
	for (unsigned i = 0; i < d.n; i++) {
		if (strlen(d.keys[i]) == 0 || strlen(d.values[i]) > DSN_MAX_BYTES)
			abort();
	}
	if (d.driver == DSN_SQLITE && (d.n != 1 || d.values[0][0] != '/'))
		abort();
}

/* Every '?' is one placeholder, part of something that keeps it, or an escaped operator. */
static void check_statement(const char *sql)
{
	AUTO(str_fini) struct str out;
	size_t marks = 0;
	int n;

	str_init(&out, MIB);
	for (const char *p = sql; *p != '\0'; p++)
		marks += *p == '?';
	n = dsn_number_placeholders(sql, &out, NULL);
	if (n < 0)
		return;
	for (const char *p = str_view(&out); *p != '\0'; p++)
		marks -= *p == '?';
	if (marks != (size_t)n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size), name = { NULL, 0 };
	AUTO(str_fini) struct str a, b;

	str_init(&a, 100000);
	str_init(&b, 100000);
	(void)bytes_next_line(&in, &name);
	if (memchr(data, 0, size) != NULL || name.n >= 100000 || in.n >= 100000)
		return 0;
	str_add_bytes(&a, name);
	str_add_bytes(&b, in);
	check_name(str_view(&a));
	check_statement(str_view(&b));
	return 0;
}
