/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confdb/pgsql.c - configuration from PostgreSQL. libpq's own waiting has no limit that holds for
 * several addresses or for a server that stops answering, hence its non-blocking half and poll().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "confdb/dsn.h"
#include "confdb/internal.h"
#include "core/clock.h"

struct pgsql {
	PGconn *conn;
	uint64_t end_ns;
	char host[256];
};

/* Own: what a statement may cost on the server, and one moment for all answers. */
static const char *const preparation[] = {
	("SET statement_timeout = " STATEMENT_MS),
	"SET idle_in_transaction_session_timeout = 0",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
};

static void close_connection(void **self)
{
	struct pgsql *p = *self;

	if (p == NULL)
		return;
	PQfinish(p->conn);
	free(p);
	*self = NULL;
}

/* False: it is too late. */
static bool wait_for(struct pgsql *p, short events)
{
	struct pollfd fd = { .fd = PQsocket(p->conn), .events = events };
	uint64_t now = clock_now_ns();

	if (now >= p->end_ns)
		return false;
	(void)poll(&fd, 1, (int)((p->end_ns - now) / 1000000 + 1));
	return clock_now_ns() < p->end_ns;
}

static int connect_in_time(struct pgsql *p, struct err *err)
{
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;

	while (PQstatus(p->conn) != CONNECTION_BAD && s != PGRES_POLLING_OK &&
	       s != PGRES_POLLING_FAILED) {
		if (!wait_for(p, s == PGRES_POLLING_READING ? POLLIN : POLLOUT))
			return no_connection(err, ERR_TEMP, "PostgreSQL",
					     "no connection after 30 s");
		s = PQconnectPoll(p->conn);
	}
	if (PQstatus(p->conn) == CONNECTION_OK)
		return 0;
	return no_connection(err, ERR_TEMP, "PostgreSQL", PQerrorMessage(p->conn));
}

/* The statement's next result, NULL when there is no more; fails when it is late or lost. */
static int next_result(struct pgsql *p, PGresult **ret, struct err *err)
{
	int r;

	while ((r = PQflush(p->conn)) > 0) {
		if (!wait_for(p, POLLOUT))
			break;
	}
	while (r == 0 && PQisBusy(p->conn)) {
		if (!wait_for(p, POLLIN))
			return err_set(err, ERR_TEMP, -ETIMEDOUT, "no answer after %s ms",
				       STATEMENT_MS);
		if (!PQconsumeInput(p->conn))
			r = -1;
	}
	if (r != 0)
		return err_set(err, ERR_TEMP, -EIO, "%s", ONE_LINE(PQerrorMessage(p->conn)));
	*ret = PQgetResult(p->conn);
	return 0;
}

static void clear(PGresult **r)
{
	PQclear(*r);
	*r = NULL;
}

/* A server that stops, restarts or is full comes back; a statement it cannot read stays one. */
static enum err_kind kind_of(const char *state)
{
	static const char *const passing[] = { "08", "40", "53", "55", "57", "58" };

	for (size_t i = 0; state != NULL && i < ARRAY_LEN(passing); i++) {
		if (strncmp(state, passing[i], 2) == 0)
			return ERR_TEMP;
	}
	return state == NULL ? ERR_TEMP : ERR_CONFIG;
}

static int refused(const PGresult *r, struct err *err)
{
	enum err_kind kind = kind_of(PQresultErrorField(r, PG_DIAG_SQLSTATE));

	return err_set(err, kind, kind == ERR_TEMP ? -EIO : -EINVAL, "%s",
		       ONE_LINE(PQresultErrorMessage(r)));
}

static int take_rows(const PGresult *res, struct rows *rows, struct err *err)
{
	int columns = PQnfields(res), r = rows_check_columns(rows, (unsigned)columns, err);

	for (int i = 0; r == 0 && i < PQntuples(res); i++) {
		struct bytes first = { NULL, 0 };

		if (columns > 1)
			first = bytes_of(PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
		r = rows_add(rows, first,
			     bytes_of(PQgetvalue(res, i, columns - 1),
				      (size_t)PQgetlength(res, i, columns - 1)),
			     err);
	}
	return r;
}

/* All results of what was sent; @rows may be NULL for statements without any. */
static int take_results(struct pgsql *p, struct rows *rows, struct err *err)
{
	int r = 0;

	for (;;) {
		AUTO(clear) PGresult *res = NULL;
		ExecStatusType s;

		r = next_result(p, &res, err);
		if (r < 0 || res == NULL)
			return r;
		s = PQresultStatus(res);
		if (s == PGRES_SINGLE_TUPLE || (s == PGRES_TUPLES_OK && rows != NULL))
			r = take_rows(res, rows, err);
		else if (s == PGRES_COMMAND_OK && rows != NULL)
			r = err_set(err, ERR_CONFIG, -EINVAL, "expected one SELECT statement");
		else if (s != PGRES_COMMAND_OK)
			r = refused(res, err);
		if (r < 0) /* the rest goes with the connection */
			return r;
	}
}

static int prepare_session(struct pgsql *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(preparation); i++) {
		if (!PQsendQuery(p->conn, preparation[i]))
			return no_connection(err, ERR_TEMP, "PostgreSQL", PQerrorMessage(p->conn));
		r = take_results(p, NULL, err);
	}
	return r;
}

static int start(struct pgsql *p, const struct conf_query *q, struct err *err)
{
	const char *keys[DSN_KEYS_MAX + 6], *values[DSN_KEYS_MAX + 6];
	struct dsn d;
	unsigned n = 0;
	int r = dsn_parse(&d, q->dsn, err);

	if (r < 0)
		return r;
	for (; n < d.n; n++) {
		keys[n] = d.keys[n];
		values[n] = d.values[n];
	}
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	keys[n] = "fallback_application_name";
	values[n++] = "sallyport";
	if (*q->username != '\0') {
		keys[n] = "user";
		values[n++] = q->username;
	}
	if (*q->password != '\0') {
		keys[n] = "password";
		values[n++] = q->password;
	}
	keys[n] = values[n] = NULL;
	p->conn = PQconnectStartParams(keys, values, 0);
	return p->conn == NULL ? err_set(err, ERR_TEMP, -ENOMEM, "out of memory") : 0;
}

static int open_connection(void **ret_self, const struct conf_query *q, struct err *err)
{
	AUTO(close_connection) void *self = NULL;
	struct pgsql *p = self = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	(void)gethostname(p->host, sizeof(p->host) - 1);
	p->end_ns = clock_now_ns() + CONNECT_NS;
	r = start(p, q, err);
	if (r == 0)
		r = connect_in_time(p, err);
	if (r == 0 && PQsetnonblocking(p->conn, 1) != 0)
		r = no_connection(err, ERR_TEMP, "PostgreSQL", PQerrorMessage(p->conn));
	if (r == 0)
		r = prepare_session(p, err);
	if (r == 0)
		*ret_self = TAKE(self);
	return r;
}

static int ask_server(void *self, const struct conf_query *q, struct rows *rows, struct err *err)
{
	struct pgsql *p = self;
	const char *parameters[PARAMETERS_MAX];
	unsigned n = query_parameters(q, p->host, parameters);
	AUTO(str_fini) struct str sql;
	int found, r;

	str_init(&sql, 2 * MIB);
	found = dsn_number_placeholders(q->statement, &sql, err);
	if (found < 0)
		return found;
	r = check_placeholders(q, (unsigned)found, n, err);
	if (r < 0)
		return r;
	p->end_ns = clock_now_ns() + STATEMENT_NS + UINT64_C(5000000000);
	/* One row at a time: a million of them must not stand in memory twice. */
	if (!PQsendQueryParams(p->conn, str_view(&sql), found, NULL, parameters, NULL, NULL, 0) ||
	    !PQsetSingleRowMode(p->conn))
		return err_set(err, ERR_TEMP, -EIO, "%s", ONE_LINE(PQerrorMessage(p->conn)));
	return take_results(p, rows, err);
}

const struct back_end back_end_pgsql = { "PostgreSQL", open_connection, ask_server,
					 close_connection };
