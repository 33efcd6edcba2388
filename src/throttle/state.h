/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/state.h - accounts and lists as text, so that a restart keeps them. Pure: text in, text
 * out. Times are written as Unix seconds, since CLOCK_MONOTONIC ends with the machine.
 *
 *   sallyport-throttle 1 WRITTEN
 *   allow PREFIX UNTIL                    (UNTIL 0: without end)
 *   deny PREFIX UNTIL
 *   penalty PREFIX UNTIL LEVEL
 *   account PREFIX UNTIL LEVEL STRIKES SINCE CHARGES LIMIT*3 MS:COUNT*9
 *   end
 */
#ifndef THROTTLE_STATE_H
#define THROTTLE_STATE_H

#include "core/str.h"
#include "throttle/account.h"
#include "throttle/prefixes.h"

struct state_clock { /* the same moment on both clocks */
	uint64_t now_ns, unix_s;
};

void state_begin(struct str *out, const struct state_clock *now);
void state_add_entry(struct str *out, const struct state_clock *now, enum throttle_list l,
		     const struct prefix_entry *e);
void state_add_account(struct str *out, const struct state_clock *now,
		       const struct account_source *s);
void state_end(struct str *out);

struct state_reader {
	void (*entry)(void *arg, enum throttle_list l, const struct prefix_entry *e);
	/* @age_ns: since it was written */
	void (*account)(void *arg, const struct account_source *s, uint64_t age_ns);
	void *arg;
};

/* Hand over what @text holds; what has ended meanwhile is left out. Returns how many lines made no
 * sense, -EBADMSG when it is no such text at all. A text that ends early is read up to there and
 * counts one more. */
int state_read(struct bytes text, const struct state_clock *now,
	       const struct state_reader *r) MUST_CHECK;

#endif
