/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/sqlite.c - configuration from an SQLite file, which is only read. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "confdb/dsn.h"
#include "confdb/internal.h"
#include "core/clock.h"

#define BUSY_MS       5000
#define STEPS_A_LOOK  100000 /* of SQLite's machine between looks at the clock */
#define STATEMENT_MAX ((int)MIB)

struct sqlite {
	sqlite3 *handle;
	uint64_t end_ns; /* of the statement that runs */
	char host[256];
};

static void close_file(void **self)
{
	struct sqlite *s = *self;

	if (s == NULL)
		return;
	(void)sqlite3_close(s->handle);
	free(s);
	*self = NULL;
}

static int too_late(void *arg)
{
	const struct sqlite *s = arg;

	return clock_now_ns() > s->end_ns;
}

/* Busy, a full disk, no file yet: all of that may pass. */
static enum err_kind kind_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_IOERR:
	case SQLITE_NOMEM:
	case SQLITE_CANTOPEN:
	case SQLITE_PROTOCOL:
	case SQLITE_INTERRUPT:
		return ERR_TEMP;
	default:
		return ERR_CONFIG;
	}
}

static int failed(const struct sqlite *s, int rc, struct err *err)
{
	if ((rc & 0xff) == SQLITE_INTERRUPT)
		return err_set(err, ERR_TEMP, -ETIMEDOUT, "not finished after %u s",
			       (unsigned)(STATEMENT_NS / 1000000000));
	return err_set(err, kind_of(rc), kind_of(rc) == ERR_TEMP ? -EIO : -EINVAL, "%s",
		       ONE_LINE(sqlite3_errmsg(s->handle)));
}

/* The content of the file may be somebody else's work: no functions with effects from its schema,
 * nothing longer than we would take. */
static int protect(struct sqlite *s)
{
	int rc = sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(s->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_limit(s->handle, SQLITE_LIMIT_LENGTH, 4 * (int)COLUMN_MAX);
	(void)sqlite3_limit(s->handle, SQLITE_LIMIT_SQL_LENGTH, STATEMENT_MAX);
	(void)sqlite3_limit(s->handle, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_busy_timeout(s->handle, BUSY_MS);
	sqlite3_progress_handler(s->handle, STEPS_A_LOOK, too_late, s);
	return rc;
}

static int open_file(void **ret_self, const struct conf_query *q, struct err *err)
{
	AUTO(close_file) void *self = NULL;
	struct sqlite *s;
	struct stat st;
	struct dsn d;
	int r = dsn_parse(&d, q->dsn, err);

	if (r < 0)
		return r;
	/* A named pipe in its place would hold us for ever. */
	if (stat(d.values[0], &st) < 0)
		return no_connection(err, ERR_TEMP, d.values[0], strerror(errno));
	if (!S_ISREG(st.st_mode))
		return no_connection(err, ERR_CONFIG, d.values[0], "not a file");
	self = s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	(void)gethostname(s->host, sizeof(s->host) - 1);
	s->end_ns = clock_now_ns() + CONNECT_NS;
	r = sqlite3_open_v2(d.values[0], &s->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL);
	if (r == SQLITE_OK)
		r = protect(s);
	/* reads the header: is it a database at all? */
	if (r == SQLITE_OK)
		r = sqlite3_exec(s->handle, "BEGIN; SELECT count(*) FROM sqlite_master;", NULL,
				 NULL, NULL);
	if (r != SQLITE_OK)
		return no_connection(err, kind_of(r), d.values[0],
				     s->handle == NULL ? "out of memory"
						       : sqlite3_errmsg(s->handle));
	*ret_self = TAKE(self);
	return 0;
}

static void finalize(sqlite3_stmt **s)
{
	(void)sqlite3_finalize(*s);
}

static int prepare(struct sqlite *s, const struct conf_query *q, sqlite3_stmt **ret,
		   struct err *err)
{
	const char *parameters[PARAMETERS_MAX], *rest = NULL;
	unsigned n = query_parameters(q, s->host, parameters);
	int rc = sqlite3_prepare_v2(s->handle, q->statement, -1, ret, &rest), r;

	if (rc != SQLITE_OK)
		return failed(s, rc, err);
	if (*ret == NULL || bytes_trim(bytes_str(rest)).n > 0 || !sqlite3_stmt_readonly(*ret))
		return err_set(err, ERR_CONFIG, -EINVAL, "expected one SELECT statement");
	r = check_placeholders(q, (unsigned)sqlite3_bind_parameter_count(*ret), n, err);
	for (int i = 1; r == 0 && i <= sqlite3_bind_parameter_count(*ret); i++) {
		rc = sqlite3_bind_text(*ret, i, parameters[i - 1], -1, SQLITE_TRANSIENT);
		if (rc != SQLITE_OK)
			r = failed(s, rc, err);
	}
	return r;
}

static struct bytes column(sqlite3_stmt *stmt, int i)
{
	const unsigned char *text = sqlite3_column_text(stmt, i);
	int n = sqlite3_column_bytes(stmt, i);

	return bytes_of(text, text == NULL || n < 0 ? 0 : (size_t)n);
}

static int ask_file(void *self, const struct conf_query *q, struct rows *rows, struct err *err)
{
	AUTO(finalize) sqlite3_stmt *stmt = NULL;
	struct sqlite *s = self;
	int columns, rc = SQLITE_ROW, r;

	s->end_ns = clock_now_ns() + STATEMENT_NS;
	r = prepare(s, q, &stmt, err);
	if (r < 0)
		return r;
	columns = sqlite3_column_count(stmt);
	r = rows_check_columns(rows, (unsigned)columns, err);
	while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct bytes first = columns > 1 ? column(stmt, 0) : bytes_of(NULL, 0);

		r = rows_add(rows, first, column(stmt, columns - 1), err);
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = failed(s, rc, err);
	return r;
}

const struct back_end back_end_sqlite = { "SQLite", open_file, ask_file, close_file };
