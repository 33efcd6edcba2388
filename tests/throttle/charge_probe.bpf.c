/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/charge_probe.bpf.c - what the tracepoint does when a handshake ends, in a program
 * that the kernel's test run takes: tracepoints it does not run.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "charge.h"
#include "lookup.h"

char _license[] SEC("license") = "GPL";

SEC("sk_lookup")
int on_ended(struct bpf_sk_lookup *ctx)
{
	struct conn c = { .layer = THROTTLE_LAYER_LOOKUP };
	uint32_t family = ctx->family;

	KEEP(family);
	c.now_ns = bpf_ktime_get_ns();
	c.v4 = family == AF_INET;
	if (c.v4)
		read_remote4(ctx, c.word);
	else
		read_remote6(ctx, c.word);
	(void)charge_handshake(&c);
	return SK_PASS;
}
