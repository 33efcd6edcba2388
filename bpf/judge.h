/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/judge.h - may this source open a connection? The same for sk_lookup and XDP.
 *
 * Order: loopback, allow list, deny list, penalty, open connections, rates. Where ended handshakes
 * are seen (charge.h), a SYN, which anybody can forge, is only judged by what the buckets hold: it
 * writes nothing. Elsewhere it is charged, from the narrowest tier to the widest, and given back
 * when a wider one refuses: a host that is refused takes nothing from its network, and is not
 * charged for its neighbours.
 *
 * Functions that are not static are verified once, by themselves, not once for each way that leads
 * to a call of them: without them loading takes seconds. The price is a check of each pointer.
 */
#ifndef BPF_JUDGE_H
#define BPF_JUDGE_H

#include "common.h"

#define SECOND_NS (1000ull * 1000 * 1000)

/* At most three tiers for one address, at most four penalties looked at. */
#define TIERS_OF_ONE  3
#define PENALTY_LOOKS 4
#define CHARGE_TRIES  8

struct conn {
	union {
		uint8_t addr[16];
		uint32_t word[4];
	};
	uint64_t now_ns;
	uint16_t port;
	bool v4;
	uint8_t layer;
	bool flood_only; /* rates are somebody else's: only what is far above them */
};

struct limit {
	struct throttle_entry *entry;   /* NULL: no rate */
	uint64_t interval_ns, depth_ns; /* depth: of the bucket */
	uint32_t concurrent, bits;
	bool penal; /* a penalty made it what it is */
};

static __always_inline struct throttle_entry *get_entry(const struct throttle_lpm_key *key)
{
	static const struct throttle_entry fresh;
	struct throttle_entry *e = bpf_map_lookup_elem(&rates, key);

	if (e != NULL)
		return e;
	bpf_map_update_elem(&rates, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rates, key);
}

static __always_inline void send_event(const struct conn *c, uint32_t verdict, uint32_t bits)
{
	struct throttle_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	struct throttle_stats *st;

	if (e == NULL) {
		st = get_stats();
		if (st != NULL)
			st->events_lost++;
		return;
	}
	e->at_ns = c->now_ns;
	__builtin_memcpy(e->addr, c->addr, sizeof(e->addr));
	e->port = c->port;
	e->verdict = (uint8_t)verdict;
	e->layer = c->layer;
	e->prefix_bits = bits;
	bpf_ringbuf_submit(e, 0);
}

/* Book a refusal at @e, the entry of the first @bits of the address. Returns @verdict. */
__noinline uint32_t book(struct throttle_entry *e, const struct conn *c, uint32_t verdict,
			 uint32_t bits)
{
	uint64_t last;

	if (e == NULL || c == NULL)
		return verdict;
	e->seen++;
	e->refused++;
	last = e->event_ns;
	if (last != 0 && c->now_ns - last < THROTTLE_EVENT_GAP_NS)
		return verdict;
	if (__sync_val_compare_and_swap(&e->event_ns, last, c->now_ns) == last)
		send_event(c, verdict, bits);
	return verdict;
}

/* The same where the entry is not known yet. */
__noinline uint32_t refuse(const struct conn *c, uint32_t verdict, uint32_t bits)
{
	struct throttle_lpm_key key;
	struct throttle_entry *e;

	if (c == NULL)
		return verdict;
	key_of(&key, c->word, bits);
	e = get_entry(&key);
	return e != NULL ? book(e, c, verdict, bits) : verdict;
}

/* The worst penalty in force; its level, THROTTLE_NORMAL: none. */
__noinline uint32_t find_penalty(const struct conn *c, uint32_t *ret_bits)
{
	struct throttle_lpm_key key;
	uint32_t worst = THROTTLE_NORMAL;

	if (c == NULL || ret_bits == NULL)
		return worst;
	key_of(&key, c->word, 128);
	for (int i = 0; i < PENALTY_LOOKS; i++) {
		const struct throttle_penalty *p = bpf_map_lookup_elem(&penalty, &key);

		if (p == NULL)
			break;
		if (p->until_ns > c->now_ns && p->level > worst) {
			worst = p->level;
			*ret_bits = p->prefix_bits;
		}
		if (p->prefix_bits == 0 || p->prefix_bits > key.prefix_bits)
			break;
		key.prefix_bits = p->prefix_bits - 1;
	}
	return worst;
}

/* What @tier may do, a penalty of the first @penal_bits bits considered. */
static __always_inline void limit_of(struct limit *l, const struct throttle_settings *s,
				     uint32_t tier, uint32_t level, uint32_t penal_bits)
{
	const struct throttle_rate *r = &s->tiers[tier];
	uint64_t burst = r->burst;

	l->bits = tier_bits(tier);
	l->interval_ns = r->interval_ns;
	l->concurrent = r->concurrent;
	l->penal = level != THROTTLE_NORMAL && l->bits >= penal_bits;
	if (l->penal && level == THROTTLE_SLOWER) {
		l->interval_ns *= s->slower_div > 1 ? s->slower_div : 1;
	} else if (l->penal) {
		l->interval_ns = 60 * SECOND_NS / (s->few_per_minute > 0 ? s->few_per_minute : 1);
		l->concurrent = 1;
		burst = 1;
	}
	l->depth_ns = l->interval_ns * (burst > 0 ? burst : 1);
}

static __always_inline const struct throttle_open *open_of(const struct conn *c, uint32_t bits)
{
	struct throttle_lpm_key key;

	key_of(&key, c->word, bits);
	return bpf_map_lookup_elem(&open, &key);
}

static __always_inline uint64_t count_of(const struct throttle_open *o)
{
	return o != NULL ? o->n & ~THROTTLE_OPEN_GONE : 0;
}

/*
 * The first of @n tiers that has as many connections open as it may; @n: none. No tier has more
 * than a wider one (opened.h): where the widest has fewer than the least that any may, one look is
 * enough.
 */
static __always_inline int too_many_open(const struct conn *c, const struct limit *l,
					 uint32_t first, int n)
{
	uint32_t least = ~0u;
	uint64_t wide;

#pragma unroll
	for (int i = 0; i < n; i++)
		if (l[i].concurrent != 0 && l[i].concurrent < least)
			least = l[i].concurrent;
	if (least == ~0u)
		return n;
	wide = count_of(open_of(c, tier_bits(first + (uint32_t)n - 1)));
	if (wide < least)
		return n;
#pragma unroll
	for (int i = 0; i < n - 1; i++)
		if (l[i].concurrent != 0 &&
		    count_of(open_of(c, tier_bits(first + (uint32_t)i))) >= l[i].concurrent)
			return i;
	return l[n - 1].concurrent != 0 && wide >= l[n - 1].concurrent ? n - 1 : n;
}

/*
 * When the bucket is full again, as seen by the limit that is in force now: what an earlier,
 * stricter one left behind is over, and there is one connection to take, so that a lifted penalty
 * is over. @was_deep_ns: the bucket when @full_ns was written. Never before now. (One interval
 * more, because the clock of another processor's look-up may be a little ahead of ours.)
 */
static __always_inline uint64_t full_at(uint64_t full_ns, uint64_t was_deep_ns,
					const struct limit *l, uint64_t now_ns)
{
	if (full_ns <= now_ns)
		return now_ns;
	if (full_ns - now_ns > l->depth_ns + l->interval_ns && was_deep_ns > l->depth_ns)
		return now_ns + l->depth_ns - l->interval_ns;
	return full_ns;
}

/* The same if one more connection were taken, 0 when there is none to take. */
static __always_inline uint64_t next_full(uint64_t full_ns, uint64_t was_deep_ns,
					  const struct limit *l, uint64_t now_ns)
{
	full_ns = full_at(full_ns, was_deep_ns, l, now_ns) + l->interval_ns;
	return full_ns - now_ns <= l->depth_ns ? full_ns : 0;
}

static __always_inline uint64_t *bucket_of(struct throttle_entry *e, bool flood)
{
	uint64_t second = flood;

	/* The verifier does not know that a bool read back from the stack is 0 or 1. */
	asm volatile("%0 &= 1" : "+r"(second));
	return second != 0 ? &e->flood_full_ns : &e->full_ns;
}

/* A flood's bucket has no debts: whatever is too far away comes from another limit. */
static __always_inline uint64_t was_deep(const struct throttle_entry *e, bool flood)
{
	return flood ? ~0ull : e->depth_ns;
}

/* Take one connection; false: none there, or too many at it at once. */
__noinline uint32_t charge_again(struct throttle_entry *e, uint64_t interval_ns, uint64_t depth_ns,
				 const struct conn *c)
{
	struct limit l = { .interval_ns = interval_ns, .depth_ns = depth_ns };
	uint64_t *bucket;

	if (e == NULL || c == NULL)
		return false;
	bucket = bucket_of(e, c->flood_only);
	for (int i = 1; i < CHARGE_TRIES; i++) {
		uint64_t full = *(volatile uint64_t *)bucket;
		uint64_t next = next_full(full, was_deep(e, c->flood_only), &l, c->now_ns);

		if (next == 0)
			return false;
		if (__sync_val_compare_and_swap(bucket, full, next) == full)
			return true;
	}
	return false;
}

static __always_inline void note_charge(struct throttle_entry *e, const struct limit *l)
{
	if (e->depth_ns != l->depth_ns)
		e->depth_ns = l->depth_ns;
	e->seen++;
}

/* The usual case inline, and numbers instead of a pointer to @l, which thus stays in registers. */
static __always_inline bool charge(struct throttle_entry *e, const struct limit *l,
				   const struct conn *c, bool flood)
{
	uint64_t *bucket = bucket_of(e, flood);
	uint64_t full = *(volatile uint64_t *)bucket;
	uint64_t next = next_full(full, was_deep(e, flood), l, c->now_ns);

	if (next == 0)
		return false;
	if (__sync_val_compare_and_swap(bucket, full, next) != full &&
	    !charge_again(e, l->interval_ns, l->depth_ns, c))
		return false;
	if (!flood)
		note_charge(e, l);
	return true;
}

static __always_inline uint32_t over_rate(const struct conn *c, const struct limit *l,
					  struct throttle_entry *e)
{
	return book(e, c, l->penal ? THROTTLE_DROP_PENALTY : THROTTLE_DROP_RATE, l->bits);
}

/* Give one connection back. */
static __always_inline void refund(struct throttle_entry *e, const struct limit *l, bool flood)
{
	__sync_fetch_and_add(bucket_of(e, flood), -l->interval_ns);
	if (!flood)
		e->seen--;
}

/* All of @n tiers are charged, or none and the verdict is that of the one that refuses. */
static __always_inline uint32_t judge_rates(const struct conn *c, const struct limit *l,
					    uint32_t first, int n, bool flood)
{
	struct throttle_entry *e[TIERS_OF_ONE] = {};
	uint32_t verdict = THROTTLE_PASS;
	struct throttle_lpm_key key;

#pragma unroll
	for (int i = 0; i < n; i++) {
		if (l[i].interval_ns == 0)
			continue;
		key_of(&key, c->word, tier_bits(first + (uint32_t)i));
		e[i] = get_entry(&key);
		if (e[i] == NULL) {
			verdict = THROTTLE_PASS_FULL;
			continue;
		}
		if (charge(e[i], &l[i], c, flood))
			continue;
#pragma unroll
		for (int before = 0; before < i; before++)
			if (e[before] != NULL)
				refund(e[before], &l[before], flood);
		return over_rate(c, &l[i], e[i]);
	}
	return verdict;
}

/*
 * Is there a connection to take? Who charges has a finer clock, which is ahead of ours: half an
 * interval earlier will do, a second at most. The account stays exact, since it is kept there.
 */
static __always_inline bool has_one(const struct throttle_entry *e, const struct limit *l,
				    uint64_t now_ns)
{
	uint64_t early = l->interval_ns < 2 * SECOND_NS ? l->interval_ns / 2 : SECOND_NS;
	uint64_t full = *(volatile uint64_t *)&e->full_ns;

	return next_full(full, e->depth_ns, l, now_ns + early) != 0;
}

/* True: no bucket of the cell of @key is empty. */
static __always_inline bool is_known_full(const struct throttle_lpm_key *key, uint64_t now_ns)
{
	const struct throttle_cell *cell = cell_of(key);

	return cell != NULL && *(volatile uint64_t *)&cell->empty_until_ns <= now_ns;
}

/*
 * The first of @n tiers whose bucket is empty, with its entry; @n: none. Writes nothing, and knows
 * nothing of who was never here. @cells: what they tell is true for these limits.
 */
static __always_inline int look(const struct conn *c, const struct limit *l, uint32_t first, int n,
				bool cells, struct throttle_entry **ret_e)
{
	struct throttle_lpm_key key;
	struct throttle_entry *e;

#pragma unroll
	for (int i = 0; i < n; i++) {
		if (l[i].interval_ns == 0)
			continue;
		key_of(&key, c->word, tier_bits(first + (uint32_t)i));
		if (cells && is_known_full(&key, c->now_ns))
			continue;
		e = bpf_map_lookup_elem(&rates, &key);
		if (e == NULL || has_one(e, &l[i], c->now_ns))
			continue;
		*ret_e = e;
		return i;
	}
	return n;
}

static __always_inline uint32_t look_rates(const struct conn *c, const struct limit *l,
					   uint32_t first, int n, bool cells)
{
	struct throttle_entry *e = NULL;
	int empty = look(c, l, first, n, cells, &e);

#pragma unroll
	for (int i = 0; i < n; i++)
		if (i == empty)
			return over_rate(c, &l[i], e);
	return THROTTLE_PASS;
}

/* @n limits from tier @first on; a flood's where that is asked for. */
static __always_inline void limits_of(struct limit l[TIERS_OF_ONE],
				      const struct throttle_settings *s, uint32_t first, int n,
				      uint32_t level, uint32_t penal_bits, bool flood)
{
#pragma unroll
	for (int i = 0; i < n; i++) {
		limit_of(&l[i], s, first + (uint32_t)i, level, penal_bits);
		if (flood)
			l[i].interval_ns /= s->flood_factor; /* so many more at once, too */
	}
}

/* What the lists say: THROTTLE_PASS, with the level of a penalty and its bits, or the verdict. */
static __always_inline uint32_t on_lists(const struct conn *c, const struct throttle_settings *s,
					 uint32_t *ret_level, uint32_t *ret_bits)
{
	const struct throttle_listed *listed;
	struct throttle_lpm_key key;
	uint32_t flags = s->flags;

	key_of(&key, c->word, 128);
	if ((flags & THROTTLE_F_NO_ALLOW) == 0 && bpf_map_lookup_elem(&allow, &key) != NULL)
		return THROTTLE_PASS_ALLOWED;
	if ((flags & THROTTLE_F_NO_DENY) == 0) {
		listed = bpf_map_lookup_elem(&deny, &key);
		if (listed != NULL) {
			*ret_bits = listed->prefix_bits;
			return THROTTLE_DROP_DENIED;
		}
	}
	if ((flags & THROTTLE_F_NO_PENALTY) == 0 && bpf_map_lookup_elem(&penalty, &key) != NULL)
		*ret_level = find_penalty(c, ret_bits);
	return *ret_level >= THROTTLE_NOTHING ? THROTTLE_DROP_PENALTY : THROTTLE_PASS;
}

#define NO_LISTS (THROTTLE_F_NO_ALLOW | THROTTLE_F_NO_DENY | THROTTLE_F_NO_PENALTY)

/* True: it was on no list when it was charged last, and no list has changed since. */
static __always_inline bool is_clean(const struct conn *c, const struct throttle_settings *s)
{
	const struct throttle_cell *cell;
	struct throttle_lpm_key key;
	uint64_t lists_key = s->lists_key;

	if ((s->flags & NO_LISTS) == NO_LISTS)
		return true;
	if (lists_key == 0)
		return false;
	key_of(&key, c->word, 128);
	cell = cell_of(&key);
	return cell != NULL && *(volatile uint64_t *)&cell->clean == clean_mark(&key, lists_key);
}

static __always_inline bool may_use_cells(const struct conn *c, const struct throttle_settings *s,
					  uint32_t level)
{
	return level == THROTTLE_NORMAL && s->cells_from_ns != 0 && s->cells_from_ns <= c->now_ns;
}

/*
 * @first, @n and @layer are constants where it is called, so that keys are made without a branch.
 * Only sk_lookup may leave the charging to others.
 */
static __always_inline uint32_t judge_limits(const struct conn *c,
					     const struct throttle_settings *s, uint32_t first,
					     int n, uint8_t layer)
{
	bool flood = layer == THROTTLE_LAYER_XDP && c->flood_only;
	bool look_only = layer == THROTTLE_LAYER_LOOKUP && (s->flags & THROTTLE_F_HANDSHAKE) != 0;
	uint32_t level = THROTTLE_NORMAL, bits = 0, verdict = THROTTLE_PASS;
	struct limit l[TIERS_OF_ONE] = {};
	int over;

	if (!look_only || !is_clean(c, s))
		verdict = on_lists(c, s, &level, &bits);
	if (verdict != THROTTLE_PASS)
		return verdict >= THROTTLE_DROP_DENIED ? refuse(c, verdict, bits) : verdict;
	if (flood && s->flood_factor == 0)
		return THROTTLE_PASS;
	limits_of(l, s, first, n, level, bits, flood);
	over = flood ? n : too_many_open(c, l, first, n);
#pragma unroll
	for (int i = 0; i < n; i++)
		if (i == over)
			return refuse(c,
				      l[i].penal ? THROTTLE_DROP_PENALTY : THROTTLE_DROP_CONCURRENT,
				      l[i].bits);
	if (look_only)
		return look_rates(c, l, first, n, may_use_cells(c, s, level));
	return judge_rates(c, l, first, n, flood);
}

/* @v4 and @layer are constants where it is called. */
static __always_inline uint32_t judge_as(const struct conn *c, const struct throttle_settings *s,
					 bool v4, uint8_t layer)
{
	if (is_loopback(c->word, v4) && (s->flags & THROTTLE_F_LOOPBACK) == 0)
		return THROTTLE_PASS_ALLOWED;
	if (v4)
		return judge_limits(c, s, THROTTLE_V4_HOST, 2, layer);
	return judge_limits(c, s, THROTTLE_V6_HOST, 3, layer);
}

/* For XDP, where many ways lead to it. */
__noinline uint32_t judge(const struct conn *c, const struct throttle_settings *s)
{
	if (c == NULL || s == NULL)
		return THROTTLE_PASS;
	return c->v4 ? judge_as(c, s, true, THROTTLE_LAYER_XDP)
		     : judge_as(c, s, false, THROTTLE_LAYER_XDP);
}

/* Count @verdict. True: let it in. */
static __always_inline bool settle(const struct conn *c, const struct throttle_settings *s,
				   uint32_t verdict)
{
	struct throttle_stats *st = get_stats();

	if (st != NULL && c->layer < THROTTLE_LAYERS && verdict < THROTTLE_VERDICTS)
		st->n[c->layer][verdict]++;
	return verdict < THROTTLE_DROP_DENIED || s->enforce == 0;
}

#endif
