/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/attempts_db.h - MailScanner's two tables in one SQLite file. Every function
 * returns 0 or a count, or negative errno with @err.
 */
#ifndef STORE_ATTEMPTS_DB_H
#define STORE_ATTEMPTS_DB_H

#include "store/attempts.h"

struct attempts_db;

/* Open for writing, making or replacing the file as attempts_open() says. */
int attempts_db_open(struct attempts_db **ret_d, const char *path, char ret_notice[256],
		     struct err *err) MUST_CHECK;
/* Open for reading only; -ENOENT: there is none. */
int attempts_db_view(struct attempts_db **ret_d, const char *path, struct err *err) MUST_CHECK;
void attempts_db_close(struct attempts_db **d);

/* Forget rows nobody has touched for long: their ids may have been given to other messages. */
int attempts_db_prune(struct attempts_db *d, int64_t now_s, struct err *err) MUST_CHECK;
/* Calls @each for every row of processing; a negative answer stops. */
int attempts_db_each(struct attempts_db *d, int (*each)(const struct attempts_row *r, void *arg),
		     void *arg, struct err *err) MUST_CHECK;
/* Between these, changes are one. */
int attempts_db_begin(struct attempts_db *d, struct err *err) MUST_CHECK;
int attempts_db_commit(struct attempts_db *d, struct err *err) MUST_CHECK;
void attempts_db_rollback(struct attempts_db *d);
/* Set or add a row of processing. */
int attempts_db_put(struct attempts_db *d, const struct attempts_row *r,
		    struct err *err) MUST_CHECK;
int attempts_db_delete(struct attempts_db *d, const char *id, struct err *err) MUST_CHECK;
/* Add a row to archive. */
int attempts_db_archive(struct attempts_db *d, const struct attempts_row *r,
			struct err *err) MUST_CHECK;
int attempts_db_list(struct attempts_db *d, bool archive, struct attempts_row *ret, size_t max,
		     struct err *err) MUST_CHECK;

#endif
