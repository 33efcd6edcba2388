/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/children.h - the supervisor's child processes: starting them with the rights they need
 * and no more, and taking note of their end. */
#ifndef DAEMON_CHILDREN_H
#define DAEMON_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "daemon/roles.h"

enum child_role { CHILD_NONE, CHILD_GATEWAY, CHILD_ZYGOTE, CHILD_EXPORTER, CHILD_LOADER };

struct child {
	enum child_role role;
	pid_t pid;
	uint64_t started_ns;
};

/* a gateway, an exporter, a loader or two, and zygotes: one, or two during a reload; some retiring
 */
#define CHILDREN_MAX 11

struct children {
	struct child v[CHILDREN_MAX];
};

#define CHILD_FDS_MAX 8

/* Run this program again in @role with @fds (at most CHILD_FDS_MAX) as CHANNEL_FD and what follows
 * it. The gateway becomes Run As User, the exporter sallyport-web; the zygote stays root until it
 * has made its namespaces. @ret_pid may be NULL. */
int children_start(struct children *cs, enum child_role role, const int *fds, size_t fds_n,
		   const struct conf *c, const struct daemon_options *o, pid_t *ret_pid,
		   struct err *err) MUST_CHECK;
/* Take note of a process that somebody else has forked. False: no room. */
bool children_add(struct children *cs, enum child_role role, pid_t pid) MUST_CHECK;
/* One ended child, with its wait status; false: none. */
bool children_reap(struct children *cs, struct child *ret_c, int *ret_status);
unsigned children_count(const struct children *cs, enum child_role role);
unsigned children_total(const struct children *cs);
void children_kill(const struct children *cs, int sig);
/* Those of one role. */
void children_signal(const struct children *cs, enum child_role role, int sig);

const char *child_name(enum child_role role);
/* "signal 9 (Killed)", "status 78"; in a static buffer. */
const char *child_end(int status);

#endif
