/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/conn_throttle.bpf.c - the programs that refuse. docs/throttle-kernel.md says which does what,
 * and why.
 *
 * Nothing here reads kernel structures: it loads where the kernel has no type information. The
 * clock is that of the last tick: a few milliseconds late, and a fifth of the cost.
 */
#include "kernel_types.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "judge.h"
#include "lookup.h"
#include "packet.h"

/* XDP in front of sk_lookup leaves the usual rates to it, so that one SYN is charged once. */
const volatile bool xdp_alone;

char _license[] SEC("license") = "GPL";

SEC("sk_lookup")
int on_lookup(struct bpf_sk_lookup *ctx)
{
	const struct throttle_settings *s = get_settings();
	struct conn c = { .layer = THROTTLE_LAYER_LOOKUP };
	uint32_t port = ctx->local_port, family = ctx->family, verdict;

	KEEP(port);
	KEEP(family);
	if (s == NULL || ctx->protocol != IPPROTO_TCP || !is_our_port(s, port))
		return SK_PASS;
	c.port = (uint16_t)port;
	c.now_ns = bpf_ktime_get_coarse_ns();
	c.v4 = family == AF_INET;
	if (c.v4) {
		read_remote4(ctx, c.word);
		verdict = judge_as(&c, s, true, THROTTLE_LAYER_LOOKUP);
	} else {
		read_remote6(ctx, c.word);
		verdict = judge_as(&c, s, false, THROTTLE_LAYER_LOOKUP);
	}
	return settle(&c, s, verdict) ? SK_PASS : SK_DROP;
}

SEC("xdp")
int on_packet(struct xdp_md *ctx)
{
	struct frame f = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };
	struct conn c = { .layer = THROTTLE_LAYER_XDP };
	const struct throttle_settings *s;
	enum seen seen = take_syn(&f, &c);

	if (seen == SEEN_OTHER)
		return XDP_PASS;
	s = get_settings();
	if (s == NULL)
		return XDP_PASS;
	if (seen == SEEN_ODD)
		return settle(&c, s, THROTTLE_PASS_ODD) ? XDP_PASS : XDP_DROP;
	if (!is_our_port(s, c.port))
		return XDP_PASS;
	c.flood_only = !xdp_alone;
	c.now_ns = bpf_ktime_get_coarse_ns();
	return settle(&c, s, judge(&c, s)) ? XDP_PASS : XDP_DROP;
}
