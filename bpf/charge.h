/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/charge.h - a handshake has ended: whoever asked for it has the address, and pays.
 *
 * It is charged whatever the buckets hold: sk_lookup let it in when they held one, and of
 * handshakes that end at once each takes it. So a bucket may owe, and refuses until that is paid.
 */
#ifndef BPF_CHARGE_H
#define BPF_CHARGE_H

#include "judge.h"

/* The bucket is empty until then: its cell has to say so. Too many at it at once: the next will. */
static __always_inline void note_empty(struct throttle_cell *cell, uint64_t until_ns)
{
	for (int i = 0; i < CHARGE_TRIES; i++) {
		uint64_t before = *(volatile uint64_t *)&cell->empty_until_ns;

		if (before >= until_ns ||
		    __sync_val_compare_and_swap(&cell->empty_until_ns, before, until_ns) == before)
			return;
	}
}

/* One connection more. Returns until when there is none to take. Past THROTTLE_DEBT_NS nothing is
 * added: nobody pays for longer. */
static __always_inline uint64_t owe(struct throttle_entry *e, const struct limit *l,
				    uint64_t now_ns)
{
	uint64_t most = l->depth_ns > THROTTLE_DEBT_NS ? l->depth_ns : THROTTLE_DEBT_NS, next = 0;

	for (int i = 0; i < CHARGE_TRIES; i++) {
		uint64_t full = *(volatile uint64_t *)&e->full_ns;

		next = full_at(full, e->depth_ns, l, now_ns) + l->interval_ns;
		if (next - now_ns > l->depth_ns + most)
			next = now_ns + l->depth_ns + most;
		if (__sync_val_compare_and_swap(&e->full_ns, full, next) == full)
			break;
	}
	note_charge(e, l);
	return next + l->interval_ns > l->depth_ns ? next + l->interval_ns - l->depth_ns : 0;
}

/*
 * Where nobody is refused, connections come that would have been: what they find no room for is
 * not charged to them. True: this one would have been let in.
 */
static __always_inline bool had_room(const struct conn *c, const struct limit *l, uint32_t first,
				     int n)
{
	struct throttle_entry *e;

	return too_many_open(c, l, first, n) == n && look(c, l, first, n, false, &e) == n;
}

/* One tier of an address that is on no list (@clean, else 0). */
static __always_inline void charge_tier(const struct conn *c, const struct limit *l, uint32_t bits,
					uint64_t clean)
{
	struct throttle_lpm_key key;
	struct throttle_cell *cell;
	struct throttle_entry *e;
	struct throttle_stats *st;
	uint64_t until = 0;

	key_of(&key, c->word, bits);
	cell = cell_of(&key);
	if (l->interval_ns != 0) {
		e = get_entry(&key);
		if (e != NULL)
			until = owe(e, l, c->now_ns);
		st = e != NULL ? NULL : get_stats();
		if (st != NULL)
			st->rate_full++;
	}
	if (cell == NULL)
		return;
	if (until > c->now_ns)
		note_empty(cell, until);
	if (clean != 0)
		*(volatile uint64_t *)&cell->clean = clean_mark(&key, clean);
}

static __always_inline void charge_limits(const struct conn *c, struct throttle_settings *s,
					  uint32_t first, int n)
{
	/* Before any list is looked at; atomic, so that no processor does it later. */
	uint64_t lists_key = __sync_fetch_and_add(&s->lists_key, 0);
	uint32_t level = THROTTLE_NORMAL, bits = 0;
	struct limit l[TIERS_OF_ONE] = {};

	if (on_lists(c, s, &level, &bits) != THROTTLE_PASS)
		return;
	limits_of(l, s, first, n, level, bits, false);
	if (s->enforce == 0 && !had_room(c, l, first, n))
		return;
#pragma unroll
	for (int i = 0; i < n; i++)
		charge_tier(c, &l[i], tier_bits(first + (uint32_t)i),
			    i == 0 && level == THROTTLE_NORMAL ? lists_key : 0);
}

/* Before it is counted as open. Loopback is the caller's affair. */
__noinline uint32_t charge_handshake(const struct conn *c)
{
	struct throttle_settings *s = get_settings();

	if (c == NULL || s == NULL || (s->flags & THROTTLE_F_HANDSHAKE) == 0)
		return 0;
	if (c->v4)
		charge_limits(c, s, THROTTLE_V4_HOST, 2);
	else
		charge_limits(c, s, THROTTLE_V6_HOST, 3);
	return 0;
}

#endif
