/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/packets.h - frames from a line of words, and programs run on them. */
#ifndef TESTS_THROTTLE_PACKETS_H
#define TESTS_THROTTLE_PACKETS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 1500

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t n;
	size_t next_at, next_size; /* where the number of the next header goes */
	size_t total_at;           /* IPv4 total length; 0: none */
	size_t payload_at;         /* IPv6 payload length; 0: none */
};

/*
 * Words, outermost header first: vlan qinq old (tags), arp, ip4=ADDRESS opts=BYTES frag=OFFSET mf,
 * ip6=ADDRESS hop route dest ah frag6=OFFSET esp none hip, tcp=PORT syn ack rst fin, udp=PORT,
 * icmp, pad=BYTES, total=LENGTH (IPv4, as it lies), version=N, length=WORDS (IPv4 header),
 * cut=BYTES.
 */
void frame_build(struct frame *f, const char *words);

/* XDP_PASS or XDP_DROP, or negative errno. @ret_ns: for each of @repeat runs; may be NULL. */
int frame_run(int prog_fd, const struct frame *f, unsigned repeat, uint32_t *ret_ns);

/* SK_PASS or SK_DROP, or negative errno. @address as text, @protocol 6 or 17. */
int lookup_run(int prog_fd, const char *address, uint16_t port, uint32_t protocol, unsigned repeat,
	       uint32_t *ret_ns);

#endif
