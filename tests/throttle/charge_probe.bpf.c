/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/charge_probe.bpf.c - what the tracepoint does when a handshake ends, in a program
 * that the kernel's test run takes: tracepoints it does not run.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "charge.h"

char _license[] SEC("license") = "GPL";

/* As in conn_throttle.bpf.c. */
#define KEEP(x) asm volatile("" : "+r"(x))

SEC("sk_lookup")
int on_ended(struct bpf_sk_lookup *ctx)
{
	struct conn c = { .layer = THROTTLE_LAYER_LOOKUP };
	uint32_t family = ctx->family, a, b, d, e;

	KEEP(family);
	c.now_ns = bpf_ktime_get_ns();
	c.v4 = family == AF_INET;
	if (c.v4) {
		a = ctx->remote_ip4;
		KEEP(a);
		map_v4(c.word, a);
	} else {
		a = ctx->remote_ip6[0];
		KEEP(a);
		b = ctx->remote_ip6[1];
		KEEP(b);
		d = ctx->remote_ip6[2];
		KEEP(d);
		e = ctx->remote_ip6[3];
		KEEP(e);
		c.word[0] = a;
		c.word[1] = b;
		c.word[2] = d;
		c.word[3] = e;
	}
	(void)charge_handshake(&c);
	return SK_PASS;
}
