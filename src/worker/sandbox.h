/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/sandbox.h - what a worker gives up after it was forked: memory, descriptors, files,
 * system calls. In this order:
 *
 *   limits, scanner_new(), Landlock, the ring (loop/reader.h), seccomp
 *
 * The ring comes after Landlock, because a ring keeps the credentials of its birth.
 * seccomp comes after the ring, because it must forbid the making of rings; it does not see what a
 * ring does anyway, so the ring is restricted by itself. No byte of a message is touched
 * before the last step. More scan threads are started after Landlock, which holds for the thread
 * that asks and its children, each makes its own ring, and seccomp then takes them all at once.
 *
 * Limits: a worker may ask whether a path exists and for its metadata anywhere (Landlock does not
 * see stat). Without Landlock (kernels before 5.13, or switched off) it reads what its user may
 * read. Wall time is bounded by the master, which kills.
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

struct sandbox_limits {
	uint64_t memory_bytes; /* beyond what is mapped now; 0: no limit */
	uint64_t file_bytes;   /* largest file it may write */
	uint64_t stack_bytes;
	unsigned threads;  /* that scan */
	bool no_processes; /* only when nobody else's processes run as this user */
};

int sandbox_limit(const struct sandbox_limits *l, struct err *err) MUST_CHECK;

/* ABI version of the kernel; 0: no Landlock. */
int sandbox_landlock_abi(void);
/* From now on only files below @dir_fd, no TCP, no signals to others. No-op without Landlock. */
int sandbox_landlock(int dir_fd, struct err *err) MUST_CHECK;

/* From now on only the system calls that scanning needs: in this thread and in all others of this
 * process, which must be past what is forbidden. */
int sandbox_seccomp(struct err *err) MUST_CHECK;

#endif
