/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/host_limits.h - what this kernel, and the limits we were started with, give Sallyport. */
#ifndef TOOLS_HOST_LIMITS_H
#define TOOLS_HOST_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "host/group.h"

struct host_limit {
	const char *name;
	char value[100];
	bool ok;
	const char *advice; /* what it costs when not ok, and what to do; "" */
};

/* All of them; a table of the caller's. Returns how many, at most @max. Makes a short-lived child.
 */
size_t host_limits(struct host_limit *ret, size_t max, const struct host_group *g);

#define HOST_LIMITS_MAX 24

#endif
