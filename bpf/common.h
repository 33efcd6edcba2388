/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/common.h - settings, ports, addresses and keys, for all programs. */
#ifndef BPF_COMMON_H
#define BPF_COMMON_H

#include "maps.h"

#include <bpf/bpf_endian.h>

static __always_inline struct throttle_settings *get_settings(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline struct throttle_stats *get_stats(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

static __always_inline bool is_our_port(const struct throttle_settings *s, uint32_t port)
{
	for (int i = 0; i < THROTTLE_PORTS_MAX; i++) {
		if (s->ports[i] == 0)
			return false;
		if (s->ports[i] == port)
			return true;
	}
	return false;
}

static __always_inline uint32_t tier_bits(uint32_t tier)
{
	switch (tier) {
	case THROTTLE_V4_NET:
		return 120;
	case THROTTLE_V6_NET:
		return 64;
	case THROTTLE_V6_SITE:
		return 48;
	default:
		return 128;
	}
}

static __always_inline void map_v4(uint32_t word[4], uint32_t addr)
{
	word[0] = word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = addr;
}

static __always_inline bool is_v4(const uint32_t word[4])
{
	return word[0] == 0 && word[1] == 0 && word[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_loopback(const uint32_t word[4], bool v4)
{
	if (v4)
		return (word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return word[0] == 0 && word[1] == 0 && word[2] == 0 && word[3] == bpf_htonl(1);
}

/* The first @bits of @word. */
static __always_inline void key_of(struct throttle_lpm_key *key, const uint32_t word[4],
				   uint32_t bits)
{
	uint32_t *to = (uint32_t *)key->addr;

	key->prefix_bits = bits;
#pragma unroll
	for (uint32_t i = 0; i < 4; i++) {
		if (bits >= 32 * (i + 1))
			to[i] = word[i];
		else if (bits <= 32 * i)
			to[i] = 0;
		else
			to[i] = word[i] & bpf_htonl(~0u << (32 * (i + 1) - bits));
	}
}

/* Spread over 64 bits; a multiplication each, so of no use against who knows @seed. */
static __always_inline uint64_t mix(const struct throttle_lpm_key *key, uint64_t seed)
{
	const uint32_t *w = (const uint32_t *)key->addr;
	uint64_t x = ((uint64_t)w[0] << 32 | w[1]) ^ seed;

	x = (x ^ x >> 32) * (seed | 1) + key->prefix_bits;
	x ^= (uint64_t)w[2] << 32 | w[3];
	x = (x ^ x >> 32) * 0x9e3779b97f4a7c15ull;
	return x ^ x >> 32;
}

/* Who finds addresses that share a cell makes look-ups slower, no more. */
static __always_inline struct throttle_cell *cell_of(const struct throttle_lpm_key *key)
{
	uint32_t at = (uint32_t)mix(key, 0xd6e8feb86659fd93ull) & (THROTTLE_CELLS - 1);

	return bpf_map_lookup_elem(&cells, &at);
}

/* The mark of an address that is on no list; never 0. */
static __always_inline uint64_t clean_mark(const struct throttle_lpm_key *key, uint64_t lists_key)
{
	return mix(key, lists_key) | 1;
}

#endif
