/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/opened.h - how many connections each source has open, and that each is charged once.
 *
 * An entry is made at the first connection and removed with the last. Removing and adding meet on
 * different processors, and the kernel gives a removed entry's memory to the next one at once:
 * hence the mark THROTTLE_OPEN_GONE, and the second look after adding.
 */
#ifndef BPF_OPENED_H
#define BPF_OPENED_H

#include "charge.h"

#include <bpf/bpf_core_read.h>

/* What a counted socket adds to; found again when the socket closes, when its port is 0 already. */
struct counted {
	uint8_t addr[16];
	uint32_t tiers; /* bits: enum throttle_tier */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct counted);
} socks SEC(".maps");

/* Sockets of other network namespaces pass the tracepoint too. */
const volatile uint32_t own_netns;

static __always_inline bool add_one(const struct throttle_lpm_key *key)
{
	static const struct throttle_open first = { .n = 1 };
	struct throttle_open *o = bpf_map_lookup_elem(&open, key);
	uint64_t before;

	if (o == NULL) {
		if (bpf_map_update_elem(&open, key, &first, BPF_NOEXIST) == 0)
			return true;
		o = bpf_map_lookup_elem(&open, key);
		if (o == NULL)
			return false;
	}
	before = __sync_fetch_and_add(&o->n, 1);
	if ((before & THROTTLE_OPEN_GONE) != 0)
		return false;
	if (bpf_map_lookup_elem(&open, key) == o)
		return true;
	__sync_fetch_and_add(&o->n, -1);
	return false;
}

static __always_inline void drop_one(const struct throttle_lpm_key *key)
{
	struct throttle_open *o = bpf_map_lookup_elem(&open, key);

	if (o == NULL)
		return;
	if (__sync_fetch_and_add(&o->n, -1) == 1 &&
	    __sync_val_compare_and_swap(&o->n, 0, THROTTLE_OPEN_GONE) == 0)
		bpf_map_delete_elem(&open, key);
}

static __always_inline void read_peer(const struct sock *sk, uint32_t word[4])
{
	if (sk->__sk_common.skc_family == AF_INET) {
		map_v4(word, sk->__sk_common.skc_daddr);
		return;
	}
	word[0] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0];
	word[1] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1];
	word[2] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
	word[3] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3];
}

static __always_inline bool is_ours(const struct throttle_settings *s, const struct sock *sk)
{
	uint16_t family = sk->__sk_common.skc_family;

	return (family == AF_INET || family == AF_INET6) &&
	       is_our_port(s, sk->__sk_common.skc_num) &&
	       sk->__sk_common.skc_net.net->ns.inum == own_netns;
}

/*
 * Add to the counts of all tiers; the bits of those that had room. The widest first, which goes
 * last when a connection ends, and none without it: so that where it has none the others have none.
 */
static __always_inline uint32_t add_tiers(const uint32_t word[4])
{
	uint32_t first = THROTTLE_V6_HOST, end = THROTTLE_TIERS, done = 0;
	struct throttle_lpm_key key;

	if (is_v4(word)) {
		first = THROTTLE_V4_HOST;
		end = THROTTLE_V4_NET + 1;
	}
#pragma unroll
	for (uint32_t i = 0; i < THROTTLE_TIERS; i++) {
		uint32_t tier = THROTTLE_TIERS - 1 - i;

		if (tier < first || tier >= end || (tier < end - 1 && done == 0))
			continue;
		key_of(&key, word, tier_bits(tier));
		if (add_one(&key))
			done |= 1u << tier;
	}
	return done;
}

/*
 * An established socket: count it unless it is counted. @ended: its handshake, just now. Two
 * programs see each socket (kernel_bpf.c): making its storage, which only one of them can, comes
 * first.
 */
static __always_inline void count_open(struct sock *sk, bool ended)
{
	struct conn c = { .layer = THROTTLE_LAYER_LOOKUP };
	const struct throttle_settings *s = get_settings();
	struct throttle_stats *st = get_stats();
	struct counted *mine;

	if (s == NULL || st == NULL || !is_ours(s, sk))
		return;
	read_peer(sk, c.word);
	c.v4 = is_v4(c.word);
	if (is_loopback(c.word, c.v4) && (s->flags & THROTTLE_F_LOOPBACK) == 0)
		return;
	if (bpf_sk_storage_get(&socks, sk, NULL, 0) != NULL)
		return;
	mine = bpf_sk_storage_get(&socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (ended) {
		c.now_ns = bpf_ktime_get_ns(); /* the coarse one is not for tracing programs */
		(void)charge_handshake(&c);
	}
	if (mine == NULL) {
		st->open_full++;
		return;
	}
	mine->tiers = add_tiers(c.word);
	__builtin_memcpy(mine->addr, c.word, sizeof(c.word));
	st->opened++;
	if (mine->tiers != (c.v4 ? 0x03 : 0x1c))
		st->open_full++;
}

static __always_inline void count_close(struct sock *sk)
{
	struct counted *mine = bpf_sk_storage_get(&socks, sk, NULL, 0);
	struct throttle_stats *st = get_stats();
	struct throttle_lpm_key key;
	uint32_t word[4];

	if (mine == NULL)
		return;
	__builtin_memcpy(word, mine->addr, sizeof(word));
#pragma unroll
	for (uint32_t tier = 0; tier < THROTTLE_TIERS; tier++) {
		if ((mine->tiers & 1u << tier) == 0)
			continue;
		key_of(&key, word, tier_bits(tier));
		drop_one(&key);
	}
	bpf_sk_storage_delete(&socks, sk);
	if (st != NULL)
		st->closed++;
}

#endif
