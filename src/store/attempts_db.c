/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/attempts_db.c - the table of attempts in SQLite. */
#include "store/attempts_db.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/store_internal.h"

/* Only a tool or an administrator's shell can hold a lock; the loop must not wait long for them. */
#define BUSY_MS 20

#define DAY_S INT64_C(86400)

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_UPDATE,
	STATEMENT_INSERT,
	STATEMENT_DELETE,
	STATEMENT_ARCHIVE,
	STATEMENT_PRUNE,
	STATEMENT_PRUNE_ARCHIVE,
	STATEMENT_READ_ONLY, /* those from here on are prepared for a view, too */
	STATEMENT_LIST = STATEMENT_READ_ONLY,
	STATEMENT_LIST_ARCHIVE,
	STATEMENTS
};

/* MailScanner's own tables may lack a unique index: hence update, then insert. */
static const char *const sql[STATEMENTS] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
	[STATEMENT_UPDATE] = "UPDATE processing SET count = ?2, nexttime = ?3 WHERE id = ?1",
	[STATEMENT_INSERT] = "INSERT INTO processing (id, count, nexttime) VALUES (?1, ?2, ?3)",
	[STATEMENT_DELETE] = "DELETE FROM processing WHERE id = ?1",
	[STATEMENT_ARCHIVE] = "INSERT INTO archive (id, count, nexttime) VALUES (?1, ?2, ?3)",
	[STATEMENT_PRUNE] = "DELETE FROM processing WHERE nexttime < ?1",
	[STATEMENT_PRUNE_ARCHIVE] = "DELETE FROM archive WHERE nexttime < ?1",
	[STATEMENT_LIST] = "SELECT id, count, nexttime FROM processing ORDER BY nexttime",
	[STATEMENT_LIST_ARCHIVE] = "SELECT id, count, nexttime FROM archive ORDER BY nexttime DESC",
};

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS processing (id TEXT, count INT, nexttime INT);"
	"CREATE TABLE IF NOT EXISTS archive (id TEXT, count INT, nexttime INT);"
	"CREATE INDEX IF NOT EXISTS processing_id ON processing (id);";

struct attempts_db {
	sqlite3 *handle;
	sqlite3_stmt *statements[STATEMENTS];
	char path[512];
};

void attempts_db_close(struct attempts_db **d)
{
	if (*d == NULL)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize((*d)->statements[i]);
	(void)sqlite3_close((*d)->handle);
	free(*d);
	*d = NULL;
}

static int errno_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return -EIO;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return -EACCES;
	default: /* not a database, corrupt, a table of another shape */
		return -EBADMSG;
	}
}

static int fail(const struct attempts_db *d, int code, const char *what, struct err *err)
{
	const char *why =
		d->handle == NULL || code == -EIO ? strerror(-code) : sqlite3_errmsg(d->handle);

	if (code == -EACCES)
		return err_set(err, ERR_CONFIG, code,
			       "%s attempts database '%s': %s: file and directory must be writable "
			       "for user %u",
			       what, d->path, why, (unsigned)geteuid());
	return err_set(err, ERR_TEMP, code, "%s attempts database '%s': %s", what, d->path, why);
}

static int run_schema(struct attempts_db *d)
{
	int r = fault_at("store.db_schema", 0);
	int rc;

	if (r < 0)
		return r;
	rc = sqlite3_exec(d->handle, schema, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : errno_of(rc);
}

static int check_one(void *ret_ok, int n, char **values, char **names UNUSED)
{
	*(bool *)ret_ok = n == 1 && values[0] != NULL && strcmp(values[0], "ok") == 0;
	return 0;
}

static int check(struct attempts_db *d)
{
	bool ok = false;
	int rc = sqlite3_exec(d->handle, "PRAGMA quick_check(1)", check_one, &ok, NULL);

	if (rc != SQLITE_OK)
		return errno_of(rc);
	return ok ? 0 : -EBADMSG;
}

static int prepare(struct attempts_db *d, size_t from)
{
	for (size_t i = from; i < STATEMENTS; i++) {
		int rc = sqlite3_prepare_v3(d->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &d->statements[i], NULL);

		if (rc != SQLITE_OK)
			return errno_of(rc);
	}
	return 0;
}

static int new_handle(struct attempts_db **ret_d, const char *path, int flags, struct err *err)
{
	AUTO(attempts_db_close) struct attempts_db *d = calloc(1, sizeof(*d));
	int r = fault_at("store.db_open", 0);

	if (d == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "attempts database: out of memory");
	if ((size_t)snprintf(d->path, sizeof(d->path), "%s", path) >= sizeof(d->path))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG,
			       "Processing Attempts Database: name longer than %zu bytes",
			       sizeof(d->path) - 1);
	if (r == 0 && sqlite3_open_v2(path, &d->handle, flags, NULL) != SQLITE_OK)
		r = errno_of(sqlite3_errcode(d->handle));
	if (r < 0)
		return fail(d, r, "open", err);
	(void)sqlite3_busy_timeout(d->handle, BUSY_MS);
	*ret_d = TAKE(d);
	return 0;
}

static int open_once(struct attempts_db **ret_d, const char *path, struct err *err)
{
	AUTO(attempts_db_close) struct attempts_db *d = NULL;
	int r = new_handle(&d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);

	if (r < 0)
		return r;
	r = run_schema(d);
	if (r == 0)
		r = check(d);
	if (r == 0)
		r = prepare(d, 0);
	if (r < 0)
		return fail(d, r, "open", err);
	*ret_d = TAKE(d);
	return 0;
}

/* The write-ahead log belongs to the broken file: left behind, it would be applied to the new one.
 */
static int set_aside(const char *path, struct err *err)
{
	char from[600], to[600];
	int r;

	(void)snprintf(from, sizeof(from), "%s-wal", path);
	(void)snprintf(to, sizeof(to), "%s.broken-wal", path);
	r = STORE_CALL("db_rename", rename(from, to));
	if (r < 0 && r != -ENOENT)
		return err_code(err, r, "rename '%s'", from);
	(void)snprintf(from, sizeof(from), "%s-shm", path);
	(void)unlink(from);
	(void)snprintf(to, sizeof(to), "%s.broken", path);
	r = STORE_CALL("db_rename", rename(path, to));
	if (r < 0)
		return err_code(err, r, "rename '%s' to '%s'", path, to);
	return 0;
}

int attempts_db_open(struct attempts_db **ret_d, const char *path, char ret_notice[256],
		     struct err *err)
{
	struct err why = { .kind = ERR_NONE };
	int r = open_once(ret_d, path, &why);

	if (r != -EBADMSG) {
		if (r < 0 && err != NULL)
			*err = why;
		return r;
	}
	r = set_aside(path, err);
	if (r == 0)
		r = open_once(ret_d, path, err);
	if (r == 0 && ret_notice != NULL)
		(void)snprintf(ret_notice, 256, "%.160s: renamed to .broken and begun anew",
			       why.text);
	return r;
}

int attempts_db_view(struct attempts_db **ret_d, const char *path, struct err *err)
{
	AUTO(attempts_db_close) struct attempts_db *d = NULL;
	int r = STORE_CALL("db_view", access(path, F_OK));

	if (r < 0)
		return err_code(err, r, "attempts database '%s'", path);
	r = new_handle(&d, path, SQLITE_OPEN_READONLY, err);
	if (r < 0)
		return r;
	r = prepare(d, STATEMENT_READ_ONLY);
	if (r < 0)
		return fail(d, r, "read", err);
	*ret_d = TAKE(d);
	return 0;
}

/* Run a statement that gives no rows. */
static int run(struct attempts_db *d, enum statement which, struct err *err)
{
	sqlite3_stmt *s = d->statements[which];
	int r = fault_at("store.db_write", 0), rc;

	if (r == 0 && s == NULL)
		return err_set(err, ERR_BUG, -EBADF, "attempts database '%s' is open for reading",
			       d->path);
	if (r == 0) {
		rc = sqlite3_step(s);
		if (rc != SQLITE_DONE)
			r = errno_of(rc);
	}
	if (r < 0)
		r = fail(d, r, "write", err);
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return r;
}

static void bind(struct attempts_db *d, enum statement which, const struct attempts_row *row)
{
	sqlite3_stmt *s = d->statements[which];

	/* A bind that fails leaves NULL: such a row matches and means nothing. */
	(void)sqlite3_bind_text(s, 1, row->id, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 2, row->count);
	(void)sqlite3_bind_int64(s, 3, row->next_s);
}

int attempts_db_begin(struct attempts_db *d, struct err *err)
{
	return run(d, STATEMENT_BEGIN, err);
}

int attempts_db_commit(struct attempts_db *d, struct err *err)
{
	return run(d, STATEMENT_COMMIT, err);
}

void attempts_db_rollback(struct attempts_db *d)
{
	if (!sqlite3_get_autocommit(d->handle))
		(void)sqlite3_step(d->statements[STATEMENT_ROLLBACK]);
	(void)sqlite3_reset(d->statements[STATEMENT_ROLLBACK]);
}

int attempts_db_put(struct attempts_db *d, const struct attempts_row *row, struct err *err)
{
	int r;

	bind(d, STATEMENT_UPDATE, row);
	r = run(d, STATEMENT_UPDATE, err);
	if (r < 0 || sqlite3_changes(d->handle) > 0)
		return r;
	bind(d, STATEMENT_INSERT, row);
	return run(d, STATEMENT_INSERT, err);
}

int attempts_db_delete(struct attempts_db *d, const char *id, struct err *err)
{
	(void)sqlite3_bind_text(d->statements[STATEMENT_DELETE], 1, id, -1, SQLITE_STATIC);
	return run(d, STATEMENT_DELETE, err);
}

int attempts_db_archive(struct attempts_db *d, const struct attempts_row *row, struct err *err)
{
	bind(d, STATEMENT_ARCHIVE, row);
	return run(d, STATEMENT_ARCHIVE, err);
}

int attempts_db_prune(struct attempts_db *d, int64_t now_s, struct err *err)
{
	int r;

	(void)sqlite3_bind_int64(d->statements[STATEMENT_PRUNE], 1, now_s - 7 * DAY_S);
	r = run(d, STATEMENT_PRUNE, err);
	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(d->statements[STATEMENT_PRUNE_ARCHIVE], 1, now_s - 90 * DAY_S);
	return run(d, STATEMENT_PRUNE_ARCHIVE, err);
}

/* Columns as the types we want, whatever other programs have stored there. */
static void read_row(sqlite3_stmt *s, struct attempts_row *ret)
{
	const unsigned char *id = sqlite3_column_text(s, 0);
	int64_t count = sqlite3_column_int64(s, 1);

	(void)snprintf(ret->id, sizeof(ret->id), "%s", id == NULL ? "" : (const char *)id);
	ret->count = count < 0 ? 0 : (unsigned)MIN_OF(count, INT64_C(1000000));
	ret->next_s = sqlite3_column_int64(s, 2);
}

static int each_row(struct attempts_db *d, enum statement which,
		    int (*each)(const struct attempts_row *r, void *arg), void *arg,
		    struct err *err)
{
	sqlite3_stmt *s = d->statements[which];
	int r = fault_at("store.db_read", 0), rc = SQLITE_DONE, stop = 0;

	while (r == 0 && stop == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct attempts_row row;

		read_row(s, &row);
		stop = each(&row, arg);
	}
	if (r == 0 && rc != SQLITE_DONE && rc != SQLITE_ROW)
		r = errno_of(rc);
	if (r < 0)
		r = fail(d, r, "read", err);
	(void)sqlite3_reset(s);
	return r < 0 ? r : MIN_OF(stop, 0);
}

int attempts_db_each(struct attempts_db *d, int (*each)(const struct attempts_row *r, void *arg),
		     void *arg, struct err *err)
{
	return each_row(d, STATEMENT_LIST, each, arg, err);
}

struct list {
	struct attempts_row *v;
	size_t n, max;
};

static int list_add(const struct attempts_row *r, void *arg)
{
	struct list *l = arg;

	l->v[l->n++] = *r;
	return l->n == l->max ? 1 : 0;
}

int attempts_db_list(struct attempts_db *d, bool archive, struct attempts_row *ret, size_t max,
		     struct err *err)
{
	struct list l = { .v = ret, .max = max };
	int r;

	if (max == 0)
		return 0;
	r = each_row(d, archive ? STATEMENT_LIST_ARCHIVE : STATEMENT_LIST, list_add, &l, err);
	return r < 0 ? r : (int)MIN_OF(l.n, (size_t)INT32_MAX);
}
