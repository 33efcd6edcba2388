/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/worker.h - the scan worker's whole life, in the process the zygote forked. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "worker/ops.h"

struct worker_setup {
	const struct worker_ops *ops;
	struct scan_engine *engine;
	const char *tmp_dir;
	unsigned threads;     /* at most ZYGOTE_THREADS_MAX */
	const uint16_t *pins; /* processor of each + 1; 0: not pinned */
	unsigned node;        /* memory node + 1; 0: no preference */
	uint64_t tmpfs_bytes, memory_bytes;
	bool own_user, keep_stderr;
	pid_t zygote;
	const int *fds; /* of each thread: jobs, socket, eventfd; then cache (-1: none) */
	int status_fd;  /* why it could not start, as text; closed when it has */
};

/* Returns the exit code for _exit(). */
int worker_main(const struct worker_setup *setup);

/* Facts of a message that was not scanned: every check in @state, for the reason @why (lent). */
void worker_facts(struct facts *ret_f, enum check_state state, const char *why);

#endif
