/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/files.h - what a daemon leaves in the file system, and leaving the terminal. */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include "core/err.h"

/* Write our pid into @path and hold a lock on it: -EBUSY when another sallyportd does. Returns the
 * descriptor that holds the lock. */
int files_pid_open(const char *path, struct err *err) MUST_CHECK;
void files_pid_remove(const char *path);
/* Listening stream socket at @path (its directory is made if missing), for root and @user. */
int files_listen(const char *path, const char *user, struct err *err) MUST_CHECK;
/* Go to the background: own session, no terminal, log to syslog. The parent exits with 0. */
int files_daemonize(const char *facility, struct err *err) MUST_CHECK;

#endif
