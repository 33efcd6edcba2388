/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/refresh.h - reading a configuration that needs a database, in a process of its own: a
 * server that does not answer must not hold up the supervisor's other duties. One at a time; the
 * password of the database lives and ends there.
 */
#ifndef DAEMON_REFRESH_H
#define DAEMON_REFRESH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "core/err.h"
#include "daemon/children.h"

enum refresh_job { REFRESH_NOTHING, REFRESH_LOAD, REFRESH_SQL, REFRESH_LDAP };

struct refresh {
	enum refresh_job job; /* under way */
	pid_t pid;            /* 0: it has been waited for */
	int sock;             /* -1: nothing is under way */
	uint64_t end_ns;
};

/* What became of it. */
struct refresh_answer {
	uint32_t job;
	int32_t kind, code; /* of struct err; code 0: done */
	int64_t number;     /* REFRESH_SQL, REFRESH_LDAP: the serial number now */
	char text[256];
};

/*
 * Begin @job for the configuration that @o says; a question for a serial number gives way to a
 * load.
 * @close_fds are those of the caller that the other process must not hold (-1 among them is fine).
 */
int refresh_start(struct refresh *f, enum refresh_job job, const struct daemon_options *o,
		  struct children *cs, const int *close_fds, size_t close_n,
		  struct err *err) MUST_CHECK;
/* True when it is over. *@ret_bundle_fd is the bundle of a load that succeeded, or -1. Call it when
 * f->sock is readable and after f->end_ns. */
bool refresh_over(struct refresh *f, struct refresh_answer *ret, int *ret_bundle_fd);
/* Whether a load of @c asked a database; whether that has a serial number to look at, and how long
 * from one look to the next. */
bool refresh_uses_database(const struct conf *c);
bool refresh_has_serial(const struct conf *c, enum conf_back_end b);
uint64_t refresh_interval_ns(const struct conf *c, enum conf_back_end b);
/* End it without an answer. */
void refresh_stop(struct refresh *f);

#endif
