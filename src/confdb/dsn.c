/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/dsn.c - the names of databases. */
#include "confdb/dsn.h"

#include <errno.h>

#define SUPPORTED "expected DBI:SQLite:dbname=/PATH or DBI:Pg:dbname=NAME;host=HOST;port=PORT"

/* What a name may say, and what libpq calls it. */
static const struct {
	const char *name, *key;
} pg_keys[] = {
	{ "dbname", "dbname" },
	{ "database", "dbname" },
	{ "db", "dbname" },
	{ "host", "host" },
	{ "hostaddr", "hostaddr" },
	{ "port", "port" },
	{ "service", "service" },
	{ "user", "user" },
	{ "sslmode", "sslmode" },
	{ "sslrootcert", "sslrootcert" },
	{ "sslcert", "sslcert" },
	{ "sslkey", "sslkey" },
	{ "sslcrl", "sslcrl" },
	{ "channel_binding", "channel_binding" },
	{ "target_session_attrs", "target_session_attrs" },
	{ "krbsrvname", "krbsrvname" },
};

static bool is_separator(char c)
{
	return c == ';' || ascii_is_space((uint8_t)c);
}

/* Moves *@p behind a word of letters and '_'; cuts it there when that is a '='. */
static char *take_key(char **p)
{
	char *key = *p;

	while (ascii_is_alpha((uint8_t) * *p) || **p == '_')
		(*p)++;
	if (**p != '=' || *p == key)
		return NULL;
	*(*p)++ = '\0';
	return key;
}

/* A value up to the next separator, or in single quotes with backslashes, as libpq has them. */
static char *take_value(char **p)
{
	bool quoted = **p == '\'';
	char *from = *p + quoted, *to = from, *value = from;

	while (*from != '\0' && (quoted ? *from != '\'' : !is_separator(*from))) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	if (quoted && *from != '\'')
		return NULL;
	if (*from != '\0')
		from++;
	*to = '\0';
	*p = from;
	return value;
}

static const char *known_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(pg_keys); i++) {
		if (strcmp(pg_keys[i].name, name) == 0)
			return pg_keys[i].key;
	}
	return NULL;
}

static int add(struct dsn *d, const char *key, const char *value, struct err *err)
{
	if (d->n == DSN_KEYS_MAX)
		return err_set(err, ERR_CONFIG, -E2BIG, "more than %u parts", DSN_KEYS_MAX);
	d->keys[d->n] = key;
	d->values[d->n++] = value;
	return 0;
}

static int parse_pgsql(struct dsn *d, char *p, struct err *err)
{
	for (;;) {
		char *name, *value;
		const char *key;
		int r;

		while (is_separator(*p))
			p++;
		if (*p == '\0')
			return 0;
		name = take_key(&p);
		if (name == NULL)
			return err_set(err, ERR_CONFIG, -EINVAL, "a part is not NAME=VALUE; %s",
				       SUPPORTED);
		key = known_key(name);
		if (key == NULL)
			return err_set(err, ERR_CONFIG, -EINVAL, "there is no part '%.40s'; %s%s",
				       name, SUPPORTED,
				       strcmp(name, "password") == 0
					       ? "; the password belongs into DB Password"
					       : "");
		value = take_value(&p);
		if (value == NULL)
			return err_set(err, ERR_CONFIG, -EINVAL, "the quote of '%.40s' has no end",
				       name);
		r = add(d, key, value, err);
		if (r < 0)
			return r;
	}
}

/* The file, bare or as dbname=, db= or database=; what follows a ';' tunes Perl's driver. */
static int parse_sqlite(struct dsn *d, char *p, struct err *err)
{
	char *end = strchr(p, ';'), *eq;

	if (end != NULL)
		*end = '\0';
	eq = strchr(p, '=');
	if (eq != NULL && *p != '/') {
		*eq = '\0';
		if (known_key(p) == NULL || strcmp(known_key(p), "dbname") != 0)
			return err_set(err, ERR_CONFIG, -EINVAL, "there is no part '%.40s'; %s", p,
				       SUPPORTED);
		p = eq + 1;
	}
	if (*p != '/')
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "the file of an SQLite database must have an absolute path; %s",
			       SUPPORTED);
	return add(d, "dbname", p, err);
}

/* Moves *@p behind the driver and a (Name=>value) list behind it, up to and with the colon. */
static bool take_driver(char **p, struct bytes *ret)
{
	char *from = *p;

	while (ascii_is_alnum((uint8_t) * *p) || **p == '_')
		(*p)++;
	*ret = bytes_of(from, (size_t)(*p - from));
	if (**p == '(') {
		*p = strchr(*p, ')');
		if (*p == NULL)
			return false;
		(*p)++;
	}
	if (**p != ':' || ret->n == 0)
		return false;
	(*p)++;
	return true;
}

int dsn_parse(struct dsn *ret_d, const char *text, struct err *err)
{
	struct bytes b = bytes_trim(bytes_str(text)), driver;
	char *p = ret_d->text;

	ret_d->n = 0;
	if (b.n > DSN_MAX_BYTES)
		return err_set(err, ERR_CONFIG, -E2BIG, "longer than %u bytes", DSN_MAX_BYTES);
	memcpy(p, b.p, b.n);
	p[b.n] = '\0';
	if (!bytes_starts_nocase(b, BYTES("dbi:")))
		return err_set(err, ERR_CONFIG, -EINVAL, "it does not begin with DBI:; %s",
			       SUPPORTED);
	p += 4;
	if (!take_driver(&p, &driver))
		return err_set(err, ERR_CONFIG, -EINVAL, "there is no driver behind DBI:; %s",
			       SUPPORTED);
	if (bytes_eq_nocase(driver, BYTES("SQLite"))) {
		ret_d->driver = DSN_SQLITE;
		return parse_sqlite(ret_d, p, err);
	}
	ret_d->driver = DSN_PGSQL;
	if (bytes_eq_nocase(driver, BYTES("Pg")))
		return parse_pgsql(ret_d, p, err);
	return err_set(err, ERR_CONFIG, -EPROTONOSUPPORT, "'%.*s' databases are not supported; %s",
		       (int)MIN_OF(driver.n, 40u), (const char *)driver.p, SUPPORTED);
}
