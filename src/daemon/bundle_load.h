/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/bundle_load.h - parse a bundle in a thread of its own: a million rules take a second, for
 * which the gateway's loop has no time. The snapshot is immutable and its references are atomic, so
 * that nothing else is shared with the thread.
 */
#ifndef DAEMON_BUNDLE_LOAD_H
#define DAEMON_BUNDLE_LOAD_H

#include <pthread.h>

#include "daemon/channel.h"
#include "msg/gate.h"

struct bundle_load {
	bool running; /* nobody but the thread looks at what follows */
	pthread_t thread;
	int event_fd;         /* readable when the thread has ended; -1: never used */
	struct channel_msg m; /* of the zygote that the configuration is for: its path */
	int bundle_fd, sock;  /* what came with it; -1 or owned */
	struct conf *conf;    /* the result */
	int result;           /* negative: @err says why */
	struct err err;
};

/* The bundle in @fd, whose main file is @path; here and now. */
int bundle_load_now(struct conf **ret_c, int fd, const char *path, struct err *err) MUST_CHECK;

void bundle_load_init(struct bundle_load *b);
/* Waits for the thread. */
void bundle_load_fini(struct bundle_load *b);

/* @fds are taken over on success. @g lends its way out of the loop's core and class. */
int bundle_load_begin(struct bundle_load *b, struct gate *g, const struct channel_msg *m,
		      int bundle_fd, int sock, struct err *err) MUST_CHECK;
/* After event_fd has become readable: the thread is gone, the members hold what it found. */
void bundle_load_end(struct bundle_load *b);

#endif
