/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/lookup.h - who asks, out of the context of a socket look-up. */
#ifndef BPF_LOOKUP_H
#define BPF_LOOKUP_H

#include "common.h"

/* Keeps clang 14 from reading the context through a pointer it has moved, which is refused. */
#define KEEP(x) asm volatile("" : "+r"(x))

static __always_inline void read_remote4(const struct bpf_sk_lookup *ctx, uint32_t word[4])
{
	uint32_t a = ctx->remote_ip4;

	KEEP(a);
	map_v4(word, a);
}

static __always_inline void read_remote6(const struct bpf_sk_lookup *ctx, uint32_t word[4])
{
	uint32_t a = ctx->remote_ip6[0], b, c, d;

	KEEP(a);
	b = ctx->remote_ip6[1];
	KEEP(b);
	c = ctx->remote_ip6[2];
	KEEP(c);
	d = ctx->remote_ip6[3];
	KEEP(d);
	word[0] = a;
	word[1] = b;
	word[2] = c;
	word[3] = d;
}

#endif
