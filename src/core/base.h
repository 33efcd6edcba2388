/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/base.h - the few macros every file of the project may use. */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED            __attribute__((unused))

/* AUTO(thing_close) struct thing *t = NULL; - calls thing_close(&t) at the end of the scope. */
#define AUTO(destroy) __attribute__((cleanup(destroy)))

/* Hand the value of a local owner over and leave the owner empty: *ret_x = TAKE(x). */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) *take_p_ = &(p);                                                     \
		__typeof__(p) take_v_ = *take_p_;                                                  \
		*take_p_ = (__typeof__(p))0;                                                       \
		take_v_;                                                                           \
	})

/* The same for a descriptor, whose empty value is -1. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_p_ = &(fd);                                                              \
		int take_v_ = *take_p_;                                                            \
		*take_p_ = -1;                                                                     \
		take_v_;                                                                           \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Close *fd unless it is negative, set it to -1. Keeps errno. Usable with AUTO(). */
void fd_close(int *fd);

#endif
