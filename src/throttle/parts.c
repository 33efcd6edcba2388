/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/parts.c - what works, and why the rest does not. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "throttle/kernel_internal.h"

static const char *const names[] = {
	[THROTTLE_PART_SK_LOOKUP] = "sk_lookup", [THROTTLE_PART_CONCURRENCY] = "concurrency",
	[THROTTLE_PART_HANDSHAKE] = "handshake", [THROTTLE_PART_XDP] = "xdp",
	[THROTTLE_PART_EVENTS] = "events",       [THROTTLE_PART_PINS] = "pins",
	[THROTTLE_PART_NFTABLES] = "nftables",
};

const char *throttle_part_name(enum throttle_part p)
{
	return (size_t)p < ARRAY_LEN(names) ? names[p] : "unknown";
}

void throttle_part_why(struct throttle_part_state *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	text_make_printable(p->why);
}
