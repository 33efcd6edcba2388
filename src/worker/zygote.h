/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/zygote.h - the process that loads signatures and rules once and forks the scan workers,
 * and how its master (the gateway, or `sallyport scan`) talks to it: fixed-size messages on a
 * SOCK_SEQPACKET socket, descriptors beside them.
 *
 *   master -> zygote   CONFIG (bundle)                              once, first
 *                      SPAWN (job table, socket, eventfd, cache)    SPAWNED or EXITED answers
 *                      KILL                                         EXITED answers
 *                      QUIT                                         the socket is closed
 *   zygote -> master   READY or FAILED                              once, after CONFIG
 *                      EXITED                                       whenever a worker ends
 *
 * The zygote enters its namespaces and makes one small tmpfs for each worker number while it is
 * still root, then becomes `sallyport-scan` for good *before* it parses signatures. Workers die
 * with it. Without root (a user's `sallyport scan`) it does what it may - no_new_privs, seccomp,
 * Landlock, user namespaces where allowed - and says in READY what is missing.
 *
 * The tmpfs cover one mount point that no scan needs (/dev/shm, else /media or /mnt), for the
 * zygote and its workers only: signatures must not be kept there.
 */
#ifndef WORKER_ZYGOTE_H
#define WORKER_ZYGOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

enum zygote_type {
	ZYGOTE_CONFIG = 1, /* fd[0]: bundle; text: path of the main configuration file */
	ZYGOTE_READY,      /* engine is loaded; text describes it and says what the host does not
			    * give; generation identifies it */
	ZYGOTE_FAILED,     /* text says why; the zygote exits with 78 */
	ZYGOTE_SPAWN,      /* worker, threads, pins, node; for each thread fd jobs, socket, eventfd;
			    * then cache (may be left out) */
	ZYGOTE_SPAWNED,    /* worker, pid */
	ZYGOTE_KILL,       /* worker: SIGKILL it */
	ZYGOTE_EXITED, /* worker, pid (0: could not be forked), status as of waitpid(2); text: why
			* it could not start, "" if it had. The number may be used again */
	ZYGOTE_QUIT,   /* end the workers and exit */
	ZYGOTE_TYPES
};

#define ZYGOTE_THREADS_MAX 16
#define ZYGOTE_FDS_MAX     (3 * ZYGOTE_THREADS_MAX + 1)
#define ZYGOTE_TEXT_MAX    400
#define ZYGOTE_WORKERS_MAX 256

struct zygote_msg {
	uint32_t type;
	uint32_t worker;  /* number, below ZYGOTE_WORKERS_MAX */
	uint32_t threads; /* of a worker; 0 is one */
	int32_t pid, status;
	uint32_t node; /* memory node + 1; 0: no preference */
	uint64_t generation;
	uint16_t pins[ZYGOTE_THREADS_MAX]; /* processor of each thread + 1; 0: not pinned */
	char text[ZYGOTE_TEXT_MAX];        /* NUL-terminated */
};

/* Send, never blocking. @fds may be NULL. */
int zygote_send(int sock, const struct zygote_msg *m, const int *fds, size_t fds_n,
		struct err *err) MUST_CHECK;
/* Receive if something is there: 1; 0: nothing (-EAGAIN inside); -EPIPE: the other side is gone;
 * -EBADMSG: malformed. Descriptors come with CLOEXEC, unused ret_fds are -1. */
int zygote_recv(int sock, struct zygote_msg *ret_m, int ret_fds[ZYGOTE_FDS_MAX],
		struct err *err) MUST_CHECK;

struct worker_ops; /* worker/ops.h; programs pass &worker_product_ops */

enum zygote_huge { ZYGOTE_HUGE_COLLAPSE, ZYGOTE_HUGE_ADVISE, ZYGOTE_HUGE_NO };

struct zygote_setup {
	const struct worker_ops *ops;
	int sock;              /* to the master */
	const char *user;      /* to become; NULL: stay */
	unsigned workers_max;  /* tmpfs to prepare; at most ZYGOTE_WORKERS_MAX */
	uint64_t tmpfs_bytes;  /* for each worker */
	uint64_t memory_bytes; /* RLIMIT_DATA of a scan thread beyond the engine; 0: none */
	enum zygote_huge huge; /* pages for the engine */
	bool keep_stderr;      /* workers keep it: for debugging and sanitizers */
};

/* Run as zygote until QUIT or until the master is gone. Returns an exit code of sysexits.h. The
 * process must be single-threaded and own no descriptors but sock, stdin..stderr. */
int zygote_main(const struct zygote_setup *setup);

#endif
