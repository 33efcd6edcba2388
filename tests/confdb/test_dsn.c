/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/confdb/test_dsn.c - names of databases, and placeholders for PostgreSQL. */
#include "confdb/dsn.h"

#include <string.h>

#include "tests/t.h"

static const struct {
	const char *text;
	const char *want; /* "driver key=value key=value"; NULL: refused */
	const char *says; /* part of the reason */
} names[] = {
	{ "DBI:SQLite:dbname=/var/lib/x.db", "0 dbname=/var/lib/x.db", NULL },
	{ "dbi:SQLite:/var/lib/x.db", "0 dbname=/var/lib/x.db", NULL },
	{ "  dbi:sqlite:/x.db  ", "0 dbname=/x.db", NULL },
	{ "DBI:SQLite:database=/x.db", "0 dbname=/x.db", NULL },
	{ "DBI:SQLite:db=/x.db;sqlite_open_flags=1", "0 dbname=/x.db", NULL },
	{ "dbi:SQLite(RaiseError=>1):dbname=/x.db", "0 dbname=/x.db", NULL },
	{ "dbi:SQLite:/a=b.db", "0 dbname=/a=b.db", NULL },
	{ "DBI:SQLite:dbname=x.db", NULL, "absolute path" },
	{ "DBI:SQLite:", NULL, "absolute path" },
	{ "DBI:SQLite::memory:", NULL, "absolute path" },
	{ "DBI:SQLite:uri=file:/x.db", NULL, "no part 'uri'" },
	{ "DBI:Pg:dbname=ms;host=db.example.com;port=5433",
	  "1 dbname=ms host=db.example.com port=5433", NULL },
	{ "dbi:pg:db=ms host=/run/pg", "1 dbname=ms host=/run/pg", NULL },
	{ "dbi:Pg:database='a b\\'c'; sslmode=verify-full", "1 dbname=a b'c sslmode=verify-full",
	  NULL },
	{ "dbi:Pg:", "1", NULL },
	{ "dbi:Pg:dbname=", "1 dbname=", NULL },
	{ "dbi:Pg:dbname=a\\ b;;  ;port=1", "1 dbname=a b port=1", NULL },
	{ "dbi:Pg(AutoCommit=>0,PrintError=>1):dbname=x", "1 dbname=x", NULL },
	{ "dbi:Pg:dbname=x;password=geheim", NULL, "belongs into DB Password" },
	{ "dbi:Pg:dbname=x;options=-c", NULL, "no part 'options'" },
	{ "dbi:Pg:dbname='x", NULL, "has no end" },
	{ "dbi:Pg:dbname", NULL, "not NAME=VALUE" },
	{ "dbi:Pg:=x", NULL, "not NAME=VALUE" },
	{ "dbi:Pg", NULL, "no driver" },
	{ "dbi:Pg(x:dbname=y", NULL, "no driver" },
	{ "dbi::x", NULL, "no driver" },
	{ "dbi:", NULL, "no driver" },
	{ "", NULL, "begin with DBI:" },
	{ "mysql://x", NULL, "begin with DBI:" },
	{ "DBI:mysql:database=mailscanner;host=localhost", NULL,
	  "'mysql' databases are not supported; expected DBI:SQLite" },
	{ "dbi:Pg:host=a host=a host=a host=a host=a host=a host=a host=a host=a host=a host=a "
	  "host=a host=a host=a host=a host=a host=a",
	  NULL, "more than 16" },
};

static const char *describe(const struct dsn *d, struct str *s)
{
	str_init(s, 8192);
	str_addf(s, "%d", (int)d->driver);
	for (unsigned i = 0; i < d->n; i++)
		str_addf(s, " %s=%s", d->keys[i], d->values[i]);
	return str_view(s);
}

static void test_names(void)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = { .kind = ERR_NONE };
		AUTO(str_fini) struct str s;
		struct dsn d;
		int r = dsn_parse(&d, names[i].text, &e);

		str_init(&s, 1);
		if (names[i].want != NULL)
			T_OK(r == 0 && strcmp(describe(&d, &s), names[i].want) == 0,
			     "%s -> %s (%s)", names[i].text, str_view(&s), e.text);
		else
			T_OK(r < 0 && e.kind == ERR_CONFIG &&
				     strstr(e.text, names[i].says) != NULL &&
				     strstr(e.text, "geheim") == NULL,
			     "%s: %s", names[i].text, e.text);
	}
}

static void test_length(void)
{
	char text[DSN_MAX_BYTES + 2];
	struct dsn d;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "dbi:SQLite:/", 12);
	T_OK(dsn_parse(&d, text, NULL) < 0, "one byte too long");
	text[sizeof(text) - 2] = '\0';
	T_OK(dsn_parse(&d, text, NULL) == 0 && strlen(d.values[0]) == DSN_MAX_BYTES - 11,
	     "as long as it may be");
}

static const struct {
	const char *sql, *want; /* NULL: refused */
	int n;
} statements[] = {
	{ "SELECT 1", "SELECT 1", 0 },
	{ "", "", 0 },
	{ "SELECT o, v FROM c WHERE h = ?", "SELECT o, v FROM c WHERE h = $1", 1 },
	{ "a=? AND b=?", "a=$1 AND b=$2", 2 },
	{ "a='?' AND b=?", "a='?' AND b=$1", 1 },
	{ "a='it''s ?' AND b=?", "a='it''s ?' AND b=$1", 1 },
	{ "a='x\\' AND b=?", "a='x\\' AND b=$1", 1 },
	{ "a=E'x\\'?' AND b=?", "a=E'x\\'?' AND b=$1", 1 },
	{ "a=e'\\\\' AND b=?", "a=e'\\\\' AND b=$1", 1 },
	{ "name'x\\' ?", "name'x\\' $1", 1 }, /* the e belongs to a name */
	{ "\"col?\" = ?", "\"col?\" = $1", 1 },
	{ "\"a\"\"?\" = ?", "\"a\"\"?\" = $1", 1 },
	{ "? -- what?\n, ?", "$1 -- what?\n, $2", 2 },
	{ "? -- what?", "$1 -- what?", 1 },
	{ "a - ? -b", "a - $1 -b", 1 },
	{ "/* ? /* ? */ ? */ ?", "/* ? /* ? */ ? */ $1", 1 },
	{ "a / ?", "a / $1", 1 },
	{ "?::text", "$1::text", 1 },
	{ "$$ ? $$ ?", "$$ ? $$ $1", 1 },
	{ "$q$ ? $$ ? $q$ ?", "$q$ ? $$ ? $q$ $1", 1 },
	{ "a$b$ ?", "a$b$ $1", 1 }, /* a name may hold dollars */
	{ "$1 ?", "$1 $1", 1 },
	{ "data \\? 'key' AND h=?", "data ? 'key' AND h=$1", 1 },
	{ "data \\?| array['a']", "data ?| array['a']", 0 },
	{ "a='\xc3\xa4?' ?", "a='\xc3\xa4?' $1", 1 },
	{ "'", NULL, 0 },
	{ "a='x''", NULL, 0 },
	{ "E'\\'", NULL, 0 },
	{ "\"x", NULL, 0 },
	{ "/* /* */", NULL, 0 },
	{ "$a$ ? $b$", NULL, 0 },
	{ "$$", NULL, 0 },
};

static void test_statements(void)
{
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		struct err e = { .kind = ERR_NONE };
		AUTO(str_fini) struct str s;
		int n;

		str_init(&s, 10000);
		n = dsn_number_placeholders(statements[i].sql, &s, &e);
		if (statements[i].want == NULL)
			T_OK(n < 0 && e.kind == ERR_CONFIG, "[%s]: %s", statements[i].sql, e.text);
		else
			T_OK(n == statements[i].n && strcmp(str_view(&s), statements[i].want) == 0,
			     "[%s] -> [%s] %d", statements[i].sql, str_view(&s), n);
	}
}

static void test_limits(void)
{
	AUTO(str_fini) struct str in, out, small;

	str_init(&in, 10000);
	str_init(&out, 20000);
	str_init(&small, 4);
	for (int i = 0; i < 1000; i++)
		str_add_char(&in, '?');
	T_OK(dsn_number_placeholders(str_view(&in), &out, NULL) == 1000, "1000 placeholders");
	str_add_char(&in, '?');
	str_reset(&out);
	T_OK(dsn_number_placeholders(str_view(&in), &out, NULL) < 0, "not one more");
	T_OK(dsn_number_placeholders("SELECT 1", &small, NULL) < 0, "no room is an error");
}

int main(void)
{
	test_names();
	test_length();
	test_statements();
	test_limits();
	return t_done();
}
