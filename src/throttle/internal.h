/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/internal.h - inside throttle/: what the files of the façade share.
 *
 *   throttle.c   life, charges, levels, decisions, the tick
 *   lists.c      lists of options and commands
 *   enforce.c    lists and penalties into the kernel, its events and counts
 *   keep.c       the state file
 *   view.c       what others see
 */
#ifndef THROTTLE_INTERNAL_H
#define THROTTLE_INTERNAL_H

#include "throttle/state.h"
#include "throttle/throttle.h"

#define THROTTLE_LISTS     3
#define THROTTLE_SECOND_NS UINT64_C(1000000000)
#define THROTTLE_NO_END_S  315360000u /* ten years, where an end must be named */
#define EVENTS_LOGGED_MAX  20         /* in a second */
#define TROUBLE_GAP_NS     (60 * THROTTLE_SECOND_NS)
#define NFT_AT_ONCE        100 /* records: the channel has room for other words, too */

struct throttle {
	struct loop *loop;
	struct metrics *metrics;
	enum throttle_mode mode;
	struct charge_prices prices;
	struct throttle_settings settings;
	struct account_settings account_settings;
	struct account *account;
	struct prefix_set lists[THROTTLE_LISTS];
	struct timer timer;
	uint64_t second_ns; /* when the last second began */

	/* kernel */
	struct throttle_kernel_link link;
	struct throttle_maps *maps; /* NULL: none */
	/* for nftables: what the supervisor has not taken yet, by list; which, not what */
	struct prefix_set pending[THROTTLE_LISTS];
	unsigned nft_sent; /* since the last look at what waits */
	struct op event_op;
	unsigned events_logged, events_left_out;
	bool off;                       /* by command: refuse nobody */
	uint64_t off_until_ns;          /* 0: without end */
	uint64_t trouble_ns;            /* when the kernel's last refusal was logged */
	struct throttle_counts counted; /* what the metrics have already */
	uint64_t evicted;

	/* state file */
	char *path, *path_new; /* the name it is written under before it is renamed */
	bool dirty, restoring;
	bool unwritten;      /* the last writing failed, which was said */
	bool urgent;         /* a level or list changed: a crash must not lose it */
	unsigned ticks;      /* since it was written */
	unsigned wait_ticks; /* before it may be written again */
};

/* --- enforce.c --- */
/* Whether anything refuses connections: penalties and lists go to it. */
bool enforce_is_on(const struct throttle *t);
/* Bring the penalty of the very prefix @p, by hand or by @account (its level until @until_ns), into
 * the kernel. */
void enforce_penalty(struct throttle *t, const struct throttle_prefix *p,
		     enum throttle_level account, uint64_t until_ns);
/* The same for the lists without levels. */
void enforce_entry(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p);
/* Everything: the kernel's lists become ours. */
void enforce_all(struct throttle *t);
void enforce_settings(struct throttle *t);
/* Refuse nobody, until @until_ns (0: without end), or again as the options say. */
int enforce_switch(struct throttle *t, bool off, uint64_t until_ns, struct err *err) MUST_CHECK;
/* Once a second. */
void enforce_tick(struct throttle *t);
/* Give the supervisor some of what waits for it; true: more is left. */
bool enforce_send(struct throttle *t);
void enforce_close(struct throttle *t);

/* --- lists.c --- */
/* What options say; entries of commands stay. */
void lists_from_conf(struct throttle *t, const struct conf *c);
void lists_expire(struct throttle *t, uint64_t now_ns);
bool lists_allow(const struct throttle *t, const struct throttle_prefix *p, uint64_t now_ns);

/* --- keep.c --- */
void keep_read(struct throttle *t);
/* Begin to write it, now or, when it was written a moment ago, as soon as may be. */
void keep_write(struct throttle *t);
/* Write and sync it before this returns: at the end. */
void keep_write_last(struct throttle *t);

#endif
