/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/copy.h - copy a range of a file through the ring, a piece at a time, without blocking. */
#ifndef LOOP_COPY_H
#define LOOP_COPY_H

#include "loop/loop.h"

#define COPY_PIECE_BYTES (256u * 1024)

struct copy {
	struct op op;
	struct loop *loop;
	int from_fd, to_fd;
	uint64_t from, to, left;
	uint8_t *buf;
	unsigned have, put; /* bytes in buf, of which written */
	bool reading;
	void (*done)(struct copy *c, int result); /* 0 or -errno; -ENODATA: the source is shorter */
};

/* Start to copy @n bytes. @c lives until @done, which is never called from in here. -ENOMEM. */
int copy_start(struct copy *c, struct loop *l, int from_fd, uint64_t from, int to_fd, uint64_t to,
	       uint64_t n, void (*done)(struct copy *c, int result)) MUST_CHECK;

#endif
