/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/confdb.c - one load's way to its databases. */
#include "confdb/confdb.h"

#include <errno.h>
#include <stdlib.h>

#include "confdb/cache.h"
#include "confdb/dsn.h"
#include "confdb/internal.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/num.h"

struct confdb {
	struct conf_database ops; /* first: a struct conf_database * is one of us */
	const struct back_end *end[CONF_BACK_ENDS];
	void *self[CONF_BACK_ENDS];
	bool answered;                /* something came from a server */
	struct conf_source *cache;    /* from now on all comes from here; NULL: from the servers */
	struct err why;               /* the server gave no answer */
	enum conf_back_end serial_of; /* of confdb_serial() alone */
	struct str serial;            /* the same: its answer */
};

static int choose(const struct conf_query *q, const struct back_end **ret, struct err *err)
{
	struct dsn d;
	int r;

	*ret = &back_end_ldap;
	if (q->ldap)
		return 0;
	r = dsn_parse(&d, q->dsn, err);
	if (r < 0) { /* the line to look at is that of the name */
		if (err != NULL)
			err->code = -ENOTCONN;
		return -ENOTCONN;
	}
	*ret = d.driver == DSN_SQLITE ? &back_end_sqlite : &back_end_pgsql;
	return 0;
}

static int ask_server(struct confdb *c, const struct conf_query *q, struct str *text,
		      struct err *err)
{
	enum conf_back_end b = q->ldap ? CONF_LDAP : CONF_SQL;
	struct rows rows = { .text = text, .q = q };
	uint64_t began = clock_now_ns();
	int r = 0;

	if (c->self[b] == NULL) {
		r = choose(q, &c->end[b], err);
		if (r == 0)
			r = c->end[b]->open(&c->self[b], q, err);
	}
	if (r == 0)
		r = c->end[b]->ask(c->self[b], q, &rows, err);
	/* A library that logs: SQL Debug asks for nothing else. */
	if (q->debug)
		log_info("%s: %s '%s': %u rows in %u ms", r == 0 ? c->end[b]->name : "failed",
			 q->ldap ? "LDAP" : q->statement, q->argument, rows.n,
			 (unsigned)((clock_now_ns() - began) / 1000000));
	return r;
}

static int ask(struct conf_database *d, const struct conf_query *q, struct str *rows,
	       struct err *err)
{
	struct confdb *c = (struct confdb *)(void *)d;
	struct err why = { .kind = ERR_NONE };
	int r;

	if (c->cache != NULL)
		return cache_ask(c->cache, q, rows, err);
	r = ask_server(c, q, rows, &why);
	c->answered |= r == 0;
	/* Never some answers from here and some from there. */
	if (r < 0 && why.kind == ERR_TEMP && !c->answered && cache_open(&c->cache, q->cache) == 0) {
		c->why = why;
		str_reset(rows);
		return cache_ask(c->cache, q, rows, err);
	}
	if (r < 0 && err != NULL)
		*err = why;
	return r;
}

/* Everything is empty until the one number is there, and then loading ends. */
static int ask_serial(struct conf_database *d, const struct conf_query *q, struct str *rows,
		      struct err *err)
{
	struct confdb *c = (struct confdb *)(void *)d;
	int r;

	if (c->serial.n > 0)
		return err_set(err, ERR_CONFIG, -ECANCELED, "not asked");
	if (q->what != CONF_QUERY_SERIAL || q->ldap != (c->serial_of == CONF_LDAP))
		return 0;
	r = ask_server(c, q, rows, err);
	if (r == 0)
		str_add_bytes(&c->serial, str_bytes(rows));
	else if (err != NULL)
		c->why = *err;
	return r;
}

static struct confdb *new_confdb(void)
{
	struct confdb *c = calloc(1, sizeof(*c));

	if (c != NULL) {
		c->ops.ask = ask;
		str_init(&c->serial, 4096);
	}
	return c;
}

int confdb_open(struct conf_database **ret_d, struct err *err)
{
	struct confdb *c = new_confdb();

	if (c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	*ret_d = &c->ops;
	return 0;
}

void confdb_close(struct conf_database **d)
{
	struct confdb *c = (struct confdb *)(void *)*d;

	if (c == NULL)
		return;
	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++) {
		if (c->end[b] != NULL)
			c->end[b]->close(&c->self[b]);
	}
	conf_source_close(&c->cache);
	str_fini(&c->serial);
	free(c);
	*d = NULL;
}

bool confdb_used_cache(const struct conf_database *d, const char **ret_why)
{
	const struct confdb *c = (const struct confdb *)(const void *)d;

	*ret_why = c->why.text;
	return c->cache != NULL;
}

/* The second column of the first row. */
static int parse_serial(struct confdb *c, int64_t *ret, struct err *err)
{
	struct bytes b = str_bytes(&c->serial), line = { NULL, 0 };
	uint64_t n;

	(void)bytes_next_line(&b, &line);
	b = bytes_from(line, (size_t)(bytes_index(line, '\t') + 1));
	if (num_parse(bytes_trim(b), 10, INT64_MAX, &n) < 0)
		return err_set(err, ERR_CONFIG, -EINVAL, "the serial number is none");
	*ret = (int64_t)n;
	return 0;
}

int confdb_serial(const char *path, enum conf_back_end b, int64_t *ret_number, struct err *err)
{
	AUTO(confdb_close) struct conf_database *d = NULL;
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_unref) struct conf *conf = NULL;
	struct confdb *c;
	int r = confdb_open(&d, err);

	if (r == 0)
		r = conf_source_disk(&s, err);
	if (r < 0)
		return r;
	c = (struct confdb *)(void *)d;
	c->ops.ask = ask_serial;
	c->serial_of = b;
	conf_source_set_database(s, d);
	r = conf_load(&conf, s, path, NULL, err);
	if (c->serial.n > 0)
		return parse_serial(c, ret_number, err);
	if (r == 0 || c->why.code == 0)
		return r < 0 ? r
			     : err_set(err, ERR_CONFIG, -ENOENT,
				       "there is no serial number to ask");
	if (err != NULL)
		*err = c->why;
	return c->why.code;
}
