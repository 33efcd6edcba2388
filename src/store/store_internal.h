/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/store_internal.h - what the files of this folder share: system calls with fault points. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/bytes.h"
#include "core/fault.h"

/*
 * The result of the system call @call (of type int), or -errno; in test builds the fault point
 * "store.@step" is asked first, so that a call that is made to fail has no effect that leaks.
 */
#define STORE_CALL(step, call)                                                                     \
	({                                                                                         \
		int store_r_ = fault_at("store." step, 0);                                         \
		if (store_r_ >= 0) {                                                               \
			store_r_ = (call);                                                         \
			if (store_r_ < 0)                                                          \
				store_r_ = -errno;                                                 \
		}                                                                                  \
		store_r_;                                                                          \
	})

/* FNV-1a: tells torn bytes and finds places in tables; nothing here needs more. */
static inline uint64_t store_hash(struct bytes b, uint64_t seed)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < b.n; i++)
		h = (h ^ b.p[i]) * UINT64_C(0x100000001b3);
	return h ^ (h >> 32);
}

/* Whether @s may name a file or directory we make: not hidden, no '/', nothing unprintable, at
 * most @max bytes. Bytes from 0x80 on are allowed. */
bool store_name_is_safe(const char *s, size_t max);

/* All of @b to @fd, which may take it in pieces. 0 or -errno. */
int store_write_all(int fd, struct bytes b) MUST_CHECK;

#endif
