/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/scratch.h - a private directory for each worker, where libraries may write: a tmpfs of
 * limited size in the zygote's mount namespace, or a plain directory where that cannot be had.
 * Private because libclamav's temporary names repeat in sibling workers.
 */
#ifndef WORKER_SCRATCH_H
#define WORKER_SCRATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct scratch {
	char root[200];
	bool is_tmpfs;
	unsigned n;
};

/* Prepare @n directories for @uid. @may_mount: we are in our own mount namespace with the right to
 * mount; @bytes limits each. */
int scratch_init(struct scratch *s, unsigned n, uint64_t bytes, bool may_mount, uid_t uid,
		 gid_t gid, struct err *err) MUST_CHECK;
/* Remove what plain directories leave on the host. Never called in a worker. */
void scratch_fini(struct scratch *s);
/* "ROOT/7". Returns @out. */
const char *scratch_path(const struct scratch *s, unsigned number, char *out, size_t size);

/* Remove everything below @dir_fd. The tree is hostile: no recursion, no link is followed. Returns
 * 0, or -errno when something is left. Inside the sandbox it cannot enter directories whose mode
 * was taken away; the next worker can, before it locks itself in. */
int scratch_clean(int dir_fd) MUST_CHECK;

#endif
