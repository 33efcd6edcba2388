/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/packet.h - from a frame to "a SYN to this port from this address".
 *
 * Of fragments only the first has ports; the others pass, and without the first they are nothing.
 * What cannot be read passes too: the kernel's own parser decides about it, and sk_lookup sees
 * what comes out of that.
 */
#ifndef BPF_PACKET_H
#define BPF_PACKET_H

#include "judge.h"

#define VLAN_TAGS_MAX   4
#define EXT_HEADERS_MAX 8

/* Protocol numbers on the wire. */
enum {
	ETHERTYPE_IP = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100
};
enum { NEXT_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_AH = 51, NEXT_DEST = 60 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

struct eth_head {
	uint8_t to[6], from[6];
	uint16_t type;
} __attribute__((packed));

struct vlan_head {
	uint16_t tag, type;
};

struct ip4_head {
	uint8_t version_length, tos;
	uint16_t total, id, fragment;
	uint8_t ttl, protocol;
	uint16_t check;
	uint32_t from, to;
};

struct ip6_head {
	uint32_t version;
	uint16_t payload;
	uint8_t next, hops;
	uint32_t from[4], to[4];
};

struct ip6_ext { /* of the options, routing and fragment headers, and of AH */
	uint8_t next, length;
	uint16_t fragment;
};

struct tcp_head {
	uint16_t from, to;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t window, check, urgent;
};

enum seen { SEEN_OTHER, SEEN_TCP, SEEN_ODD };

struct frame {
	void *at, *end;
};

/* A pointer to the next @size bytes, which are taken; NULL: there are not so many. */
#define TAKE_HEAD(f, size)                                                                         \
	({                                                                                         \
		void *take_at_ = (f)->at;                                                          \
		void *take_next_ = take_at_ + (size);                                              \
		if (take_next_ > (f)->end)                                                         \
			take_at_ = NULL;                                                           \
		else                                                                               \
			(f)->at = take_next_;                                                      \
		take_at_;                                                                          \
	})

static __always_inline enum seen take_ip4(struct frame *f, struct conn *c)
{
	const struct ip4_head *ip = TAKE_HEAD(f, sizeof(*ip));
	uint32_t head, total;

	if (ip == NULL)
		return SEEN_ODD;
	if (ip->protocol != IPPROTO_TCP || (ip->fragment & bpf_htons(0x1fff)) != 0)
		return SEEN_OTHER;
	head = (ip->version_length & 15u) * 4;
	total = bpf_ntohs(ip->total);
	if (ip->version_length >> 4 != 4 || head < sizeof(*ip) ||
	    total < head + sizeof(struct tcp_head))
		return SEEN_ODD;
	map_v4(c->word, ip->from);
	c->v4 = true;
	if (TAKE_HEAD(f, head - sizeof(*ip)) == NULL)
		return SEEN_ODD;
	return SEEN_TCP;
}

/* Step over one extension header that @next names. */
static __always_inline enum seen take_ext(struct frame *f, uint8_t *next)
{
	const struct ip6_ext *ext = f->at;
	uint32_t length;

	if ((void *)ext + 8 > f->end)
		return SEEN_ODD;
	length = (ext->length + 1u) * 8;
	if (*next == NEXT_FRAGMENT) {
		if ((ext->fragment & bpf_htons(0xfff8)) != 0)
			return SEEN_OTHER;
		length = 8;
	} else if (*next == NEXT_AH) {
		length = (ext->length + 2u) * 4;
	}
	*next = ext->next;
	return TAKE_HEAD(f, length) != NULL ? SEEN_TCP : SEEN_ODD;
}

static __always_inline enum seen take_ip6(struct frame *f, struct conn *c)
{
	const struct ip6_head *ip = TAKE_HEAD(f, sizeof(*ip));
	enum seen seen;
	uint8_t next;

	if (ip == NULL || (ip->version & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return SEEN_ODD;
	next = ip->next;
#pragma unroll
	for (int i = 0; i < 4; i++)
		c->word[i] = ip->from[i];
	c->v4 = false;
	for (int i = 0; i < EXT_HEADERS_MAX; i++) {
		if (next == IPPROTO_TCP)
			return SEEN_TCP;
		if (next != NEXT_HOP && next != NEXT_ROUTING && next != NEXT_FRAGMENT &&
		    next != NEXT_AH && next != NEXT_DEST)
			return SEEN_OTHER;
		seen = take_ext(f, &next);
		if (seen != SEEN_TCP)
			return seen;
	}
	return next == IPPROTO_TCP ? SEEN_TCP : SEEN_ODD;
}

static __always_inline enum seen take_ip(struct frame *f, struct conn *c)
{
	const struct eth_head *eth = TAKE_HEAD(f, sizeof(*eth));
	const struct vlan_head *vlan;
	uint16_t type;

	if (eth == NULL)
		return SEEN_ODD;
	type = eth->type;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		if (type != bpf_htons(ETHERTYPE_VLAN) && type != bpf_htons(ETHERTYPE_QINQ) &&
		    type != bpf_htons(ETHERTYPE_QINQ_OLD))
			break;
		vlan = TAKE_HEAD(f, sizeof(*vlan));
		if (vlan == NULL)
			return SEEN_ODD;
		type = vlan->type;
	}
	if (type == bpf_htons(ETHERTYPE_IP))
		return take_ip4(f, c);
	if (type == bpf_htons(ETHERTYPE_IPV6))
		return take_ip6(f, c);
	return SEEN_OTHER;
}

/* SEEN_TCP: a SYN that asks for a connection; @c has where from and to which port. */
static __always_inline enum seen take_syn(struct frame *f, struct conn *c)
{
	const struct tcp_head *tcp;
	enum seen seen = take_ip(f, c);

	if (seen != SEEN_TCP)
		return seen;
	tcp = TAKE_HEAD(f, sizeof(*tcp));
	if (tcp == NULL)
		return SEEN_ODD;
	c->port = bpf_ntohs(tcp->to);
	return (tcp->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN ? SEEN_TCP
										 : SEEN_OTHER;
}

#endif
