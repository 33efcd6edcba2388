/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confdb/confdb.h - configuration from SQLite, PostgreSQL and LDAP: answers the questions of
 * conf/database.c. One connection for one load, in one read-only transaction, so that all answers
 * show one moment of the database.
 *
 * Everything here blocks, for minutes when a server does not answer: tools, start-up and the
 * supervisor's loader process only.
 */
#ifndef CONFDB_CONFDB_H
#define CONFDB_CONFDB_H

#include "conf/conf.h"

/* For conf_source_set_database(). Connects when it is asked first. */
int confdb_open(struct conf_database **ret_d, struct err *err) MUST_CHECK;
/* *@d may be NULL. After conf_source_close(). For AUTO(). */
void confdb_close(struct conf_database **d);

/* Whether an answer came from the copy on disk (SQL Cache File), and why the server gave none. */
bool confdb_used_cache(const struct conf_database *d, const char **ret_why);
/*
 * Keep all answers of the bundle @fd in the file @path, for a start without the server: replaced
 * as a whole, mode 0600. The bundle holds the configuration files too, but no password.
 */
int confdb_write_cache(const char *path, int fd, struct err *err) MUST_CHECK;

/*
 * The serial number that back end @b has now: reads the configuration file @path to learn whom to
 * ask, and asks nothing else. -ENOENT: the configuration has no such back end or no number.
 */
int confdb_serial(const char *path, enum conf_back_end b, int64_t *ret_number,
		  struct err *err) MUST_CHECK;

#endif
