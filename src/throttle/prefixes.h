/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/prefixes.h - a bounded set of prefixes: allowed, denied, penalised by hand. Pure. */
#ifndef THROTTLE_PREFIXES_H
#define THROTTLE_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "throttle/kernel.h"

enum prefix_origin {
	PREFIX_CONF,    /* an option says so */
	PREFIX_COMMAND, /* somebody said so: sallyport throttle add */
	PREFIX_KERNEL,  /* found in the kernel, of an earlier run */
};

struct prefix_entry {
	struct throttle_prefix p;
	uint8_t level; /* enum throttle_level, of penalties */
	uint8_t origin;
	uint64_t until_ns; /* CLOCK_MONOTONIC; 0: without end */
};

struct prefix_set {
	struct prefix_entry *v; /* longest prefixes first, then by address */
	size_t n, cap, max;
	uint32_t of_bits[129]; /* how many of each length */
};

void prefix_set_init(struct prefix_set *s, size_t max);
void prefix_set_fini(struct prefix_set *s);
/* Put in or replace. -ENOSPC (ERR_LIMIT): full. */
int prefix_set_put(struct prefix_set *s, const struct prefix_entry *e, struct err *err) MUST_CHECK;
/* Behind the others, for many at once: prefix_set_sort() makes them count, and leaves one of those
 * with the same prefix. */
int prefix_set_append(struct prefix_set *s, const struct prefix_entry *e,
		      struct err *err) MUST_CHECK;
void prefix_set_sort(struct prefix_set *s);
bool prefix_set_remove(struct prefix_set *s, const struct throttle_prefix *p);
/* Move what has ended into *@ret_gone, which the caller frees; what finds no memory there stays. */
void prefix_set_take_ended(struct prefix_set *s, uint64_t now_ns, struct prefix_set *ret_gone);
/* The very prefix; NULL. Lent until the set changes. */
const struct prefix_entry *prefix_set_find(const struct prefix_set *s,
					   const struct throttle_prefix *p);
/* The longest one that covers @p and has not ended; NULL. */
const struct prefix_entry *prefix_set_match(const struct prefix_set *s,
					    const struct throttle_prefix *p, uint64_t now_ns);

bool prefix_covers(const struct throttle_prefix *wide, const struct throttle_prefix *p);
/* Written as IPv6, and so short that it covers all mapped IPv4 addresses: ::/0. Nobody means that.
 */
bool prefix_mixes(const struct throttle_prefix *p);

#endif
