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

/* One connection more. Past THROTTLE_DEBT_NS nothing is added: nobody pays for longer. */
static __always_inline void owe(struct throttle_entry *e, const struct limit *l, uint64_t now_ns)
{
	uint64_t most = l->depth_ns > THROTTLE_DEBT_NS ? l->depth_ns : THROTTLE_DEBT_NS;

	for (int i = 0; i < CHARGE_TRIES; i++) {
		uint64_t full = *(volatile uint64_t *)&e->full_ns;
		uint64_t next = full_at(full, e->depth_ns, l, now_ns) + l->interval_ns;

		if (next - now_ns > l->depth_ns + most)
			next = now_ns + l->depth_ns + most;
		if (__sync_val_compare_and_swap(&e->full_ns, full, next) == full)
			break;
	}
	note_charge(e, l);
}

/*
 * Where nobody is refused, connections come that would have been: what they find no room for is
 * not charged to them. True: this one would have been let in.
 */
static __always_inline bool had_room(const struct conn *c, const struct limit *l, int n)
{
	struct throttle_entry *e[TIERS_OF_ONE] = {};
	struct throttle_lpm_key key;

	key_of(&key, c->word, 128);
	e[0] = bpf_map_lookup_elem(&rates, &key);
	return too_many_open(c, l, n) == n && look(c, l, n, e) == n;
}

static __always_inline void charge_limits(const struct conn *c, struct throttle_settings *s,
					  uint32_t first, int n)
{
	/* Before any list is looked at; atomic, so that no processor does it later. */
	uint64_t gen = __sync_fetch_and_add(&s->lists_gen, 0);
	uint32_t level = THROTTLE_NORMAL, bits = 0;
	struct limit l[TIERS_OF_ONE] = {};
	struct throttle_stats *st;
	struct throttle_entry *e;
	struct throttle_lpm_key key;

	if (on_lists(c, s, &level, &bits) != THROTTLE_PASS)
		return;
	limits_of(l, c, s, first, n, level, bits);
	if (s->enforce == 0 && !had_room(c, l, n))
		return;
#pragma unroll
	for (int i = 0; i < n; i++) {
		if (l[i].interval_ns == 0)
			continue;
		key_of(&key, c->word, l[i].bits);
		e = get_entry(&key);
		if (e != NULL) {
			owe(e, &l[i], c->now_ns);
			if (i == 0)
				e->clean_gen = level == THROTTLE_NORMAL ? gen : 0;
			continue;
		}
		st = get_stats();
		if (st != NULL)
			st->rate_full++;
	}
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
