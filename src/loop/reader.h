/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/reader.h - the worker's restricted ring: it can read and close, nothing else, and is
 * made after Landlock and all loss of privilege, just before seccomp forbids the making
 * of rings. Reads go into the worker's own buffers, never into a mapping of a file that others may
 * write. Where the host has no io_uring the same interface reads with pread(2).
 */
#ifndef LOOP_READER_H
#define LOOP_READER_H

#include "core/bytes.h"
#include "core/err.h"

struct reader;

struct read_item {
	int fd; /* closed by the reader, also on failure */
	uint64_t offset;
	uint8_t *buf; /* room for @n bytes */
	size_t n;     /* at most INT_MAX */
	int result;   /* out: bytes read (all of @n unless the file is shorter), or -errno */
};

int reader_new(struct reader **ret_r, struct err *err) MUST_CHECK;
void reader_free(struct reader **r);
/* "io_uring", or why it reads without. */
const char *reader_mode(const struct reader *r);
/* Read all items in one submission; items of 512 KB and more in turns of their own. Short reads
 * are continued. Returns 0, or negative when the ring itself failed (items' results are then
 * undefined). */
int reader_run(struct reader *r, struct read_item *items, unsigned n, struct err *err) MUST_CHECK;
/* For the hostile test: submit opcode @opcode with @fd on this ring and give its result. */
int reader_try(struct reader *r, uint8_t opcode, int fd, const void *addr) MUST_CHECK;

#endif
