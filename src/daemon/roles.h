/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/roles.h - the mains of sallyportd's processes. Each returns an exit code of sysexits.h. */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include <stdbool.h>

#include "conf/conf.h"

struct daemon_options {
	const char *conf_path;
	bool foreground;
	bool once;            /* handle what waits, then end */
	const char *only_id;  /* once, and this message only; NULL: all */
	const char *in_queue; /* in place of option Incoming Queue Dir; NULL: none */
};

/* The process that people start. Returns when everything has ended. */
int supervisor_main(const struct daemon_options *o);
/* Started by the supervisor, its channel on CHANNEL_FD. */
int gateway_main(const struct daemon_options *o);

/* Started by the supervisor: CHANNEL_FD towards the gateway, then listening sockets. */
int exporter_main(void);

/*
 * Read the configuration from disk; problems go to the log. *@ret_bundle_fd is for the other
 * processes. Without @databases nothing blocks on a server: -ENOTSUP, and nothing logged, when the
 * files name one.
 */
int load_from_disk(const struct daemon_options *o, bool databases, struct conf **ret_c,
		   int *ret_bundle_fd, struct err *err) MUST_CHECK;
/* The same configuration from the bundle @fd, which somebody else has read and logged. */
int load_from_bundle(int fd, const char *path, struct conf **ret_c, struct err *err) MUST_CHECK;

/* Option Log Level. */
void log_from_conf(const struct conf *c);

#endif
