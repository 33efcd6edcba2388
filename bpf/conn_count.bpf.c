/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/conn_count.bpf.c - the programs that count open connections and charge ended handshakes.
 *
 * An object of their own: they need the kernel's type information, and without it libbpf refuses
 * everything that stands in one object with them.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "opened.h"

char _license[] SEC("license") = "GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int after)
{
	if (after == TCP_CLOSE)
		count_close(sk);
	else if (before == TCP_SYN_RECV && after == TCP_ESTABLISHED &&
		 sk->sk_protocol == IPPROTO_TCP)
		count_open(sk, true);
	return 0;
}

/* Run once at start: connections that were there before the tracepoint was. */
SEC("iter/tcp")
int on_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct sock *sk;

	if (common == NULL)
		return 0;
	sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	if (sk == NULL)
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN || sk->__sk_common.skc_state == TCP_CLOSE)
		return 0;
	count_open(sk, false);
	/* Kernels before 5.18 do not hold the socket meanwhile. */
	if (sk->__sk_common.skc_state == TCP_CLOSE)
		count_close(sk);
	return 0;
}
