/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/isolate.h - what the zygote gives up before it reads anything: namespaces, mounts, user,
 * capabilities. What this host does not allow is noted, not fatal, except that root which was told
 * to become somebody else must be able to.
 */
#ifndef WORKER_ISOLATE_H
#define WORKER_ISOLATE_H

#include <stdbool.h>

#include "worker/scratch.h"
#include "worker/zygote.h"

/* What could not be had: "network namespace, Landlock"; "" when nothing is missing. */
struct missing {
	char text[200];
};
void missing_add(struct missing *m, const char *what);

struct isolation {
	struct missing missing;
	struct scratch scratch;
	bool own_user; /* nobody else's processes run as our user */
};

/* Zygote only, single-threaded, once. */
int isolate(struct isolation *ret_i, const struct zygote_setup *setup, struct err *err) MUST_CHECK;

#endif
