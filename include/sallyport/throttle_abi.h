/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport/throttle_abi.h - what bpf/conn_throttle.bpf.c and user space share: values of maps and
 * events. Fixed-width types, explicit padding; addresses are 16 bytes, IPv4 mapped
 * (::ffff:a.b.c.d), in network order. Times are nanoseconds of CLOCK_MONOTONIC (the programs' is up
 * to a tick late), so that pinned maps stay meaningful over a restart of the daemon, not over a
 * boot.
 */
#ifndef SALLYPORT_THROTTLE_ABI_H
#define SALLYPORT_THROTTLE_ABI_H

#ifndef __VMLINUX_H__
#include <stdint.h>
#endif

#define THROTTLE_ABI_VERSION 2
#define THROTTLE_PORTS_MAX   16

/* Which addresses share one count. Prefix lengths of the mapped address: IPv4 /24 is 120. */
enum throttle_tier {
	THROTTLE_V4_HOST, /* /32 */
	THROTTLE_V4_NET,  /* /24 */
	THROTTLE_V6_HOST, /* /128 */
	THROTTLE_V6_NET,  /* /64 */
	THROTTLE_V6_SITE, /* /48 */
	THROTTLE_TIERS
};

/* What a penalty does to the addresses of its prefix. */
enum throttle_level {
	THROTTLE_NORMAL,
	THROTTLE_SLOWER, /* a part of the usual rate (throttle_settings.slower_div) */
	THROTTLE_FEW,    /* a few connections a minute, one at a time */
	THROTTLE_NOTHING /* none */
};

/* Why a connection was let in or refused; also the index of the per-CPU counters. */
enum throttle_verdict {
	THROTTLE_PASS,
	THROTTLE_PASS_ALLOWED, /* on the allow list */
	THROTTLE_PASS_FULL,    /* a map was full: let in and counted */
	THROTTLE_PASS_ODD,     /* a packet that could not be read; XDP only */
	THROTTLE_DROP_DENIED,  /* on the deny list */
	THROTTLE_DROP_PENALTY,
	THROTTLE_DROP_RATE,
	THROTTLE_DROP_CONCURRENT,
	THROTTLE_VERDICTS
};

enum throttle_layer { THROTTLE_LAYER_LOOKUP, THROTTLE_LAYER_XDP, THROTTLE_LAYERS };

struct throttle_rate {        /* a token bucket; all 0: no limit */
	uint64_t interval_ns; /* time that earns one connection */
	uint32_t burst;       /* connections at once after a rest */
	uint32_t concurrent;  /* open at the same time; 0: no limit */
};

/* struct throttle_settings.flags */
#define THROTTLE_F_LOOPBACK   1u /* judge 127.0.0.0/8 and ::1 like any other address: tests only */
/* Nothing is in that list, so that a look into it can be saved. Only who fills the lists sets it
 * (throttle_maps_*), and takes it back before an entry goes in; without it the list is looked at.
 */
#define THROTTLE_F_NO_ALLOW   2u
#define THROTTLE_F_NO_DENY    4u
#define THROTTLE_F_NO_PENALTY 8u
/*
 * Both sk_lookup and the tracepoint that sees handshakes end are there: the first only looks at the
 * buckets, the second charges them. Only who loads them sets it. Without it SYNs are charged.
 */
#define THROTTLE_F_HANDSHAKE  16u

struct throttle_settings {       /* the one element of the settings map: changed by a reload */
	uint32_t version;        /* THROTTLE_ABI_VERSION */
	uint32_t enforce;        /* 0: count only */
	uint32_t slower_div;     /* THROTTLE_SLOWER: the rate divided by this */
	uint32_t few_per_minute; /* THROTTLE_FEW; 0: as if it were 1 */
	uint32_t flags;
	/* XDP in front of sk_lookup drops what comes this many times faster than the rates allow;
	 * 0: it leaves rates to sk_lookup. XDP alone enforces the rates themselves. */
	uint32_t flood_factor;
	uint16_t ports[THROTTLE_PORTS_MAX]; /* host order; 0: unused */
	struct throttle_rate tiers[THROTTLE_TIERS];
	/* A random number, another one after each change of a list: what was found out about an
	 * address holds as long as it stands (throttle_cell.clean). 0: nothing holds. */
	uint64_t lists_key;
	/* From then on every bucket that is empty is known to its cell; 0: never. Limits that
	 * change put it off, until what was charged under the earlier ones is paid. */
	uint64_t cells_from_ns;
};

struct throttle_lpm_key {     /* of every map but settings, statistics and events */
	uint32_t prefix_bits; /* 0 .. 128, of the mapped address */
	uint8_t addr[16];     /* bits behind the prefix are zero */
};

/* Value in the allow and deny tries. The prefix once more, because a look-up does not tell which
 * entry it found. */
struct throttle_listed {
	uint32_t prefix_bits;
	uint32_t pad;
};

/*
 * Value in the penalty trie. Of the unexpired entries that cover an address the worst counts, so
 * that neither an expired nor a milder penalty of a host hides one of its network.
 */
struct throttle_penalty {
	uint64_t until_ns;
	uint32_t level;       /* enum throttle_level */
	uint32_t reason;      /* of user space; not looked at by the kernel */
	uint32_t prefix_bits; /* as in throttle_listed; throttle_maps_put() fills it in */
	uint32_t pad;
};

/*
 * Value in the rates map (LRU). The bucket is a GCRA: @full_ns is when the bucket will be full
 * again, so that one compare-and-swap takes a connection out of it. Further away than the bucket is
 * deep it is a debt, of handshakes that ended at once, and is paid with time; unless the bucket was
 * deeper when that was written: then it comes from a stricter limit, which is over.
 */
struct throttle_entry {
	uint64_t full_ns;
	uint64_t depth_ns;      /* what the bucket was deep when full_ns was written */
	uint64_t flood_full_ns; /* the same as full_ns for XDP in front of sk_lookup */
	/* Connections judged, and refused because of this prefix. Not atomic: processors that judge
	 * the same source at once may lose some. */
	uint64_t seen, refused;
	uint64_t event_ns; /* when the last event was sent */
};
/* The longest debt, or as much as the bucket is deep where that is longer. */
#define THROTTLE_DEBT_NS      (600ull * 1000 * 1000 * 1000)
#define THROTTLE_EVENT_GAP_NS (60ull * 1000 * 1000 * 1000)

/*
 * Element of the array of cells. Prefixes fall into cells by a hash, and a look into a cell is a
 * tenth of one into the map of rates: most SYNs need no more.
 */
struct throttle_cell {
	uint64_t empty_until_ns; /* before that, one of its buckets may be empty; after it, none */
	uint64_t clean;          /* mark of the last address charged that was on no list */
};
#define THROTTLE_CELLS 65536 /* a power of two */

/* Value in the map of open connections; the high bit: about to be removed. */
struct throttle_open {
	uint64_t n;
};
#define THROTTLE_OPEN_GONE (1ull << 63)

struct throttle_stats {   /* the one element, per processor */
	uint64_t n[2][8]; /* [THROTTLE_LAYERS][THROTTLE_VERDICTS] */
	uint64_t opened, closed;
	uint64_t events_lost;
	uint64_t open_full; /* connections that the map of open ones had no room for */
	uint64_t rate_full; /* ended handshakes that no bucket could be made for */
};

/* Ring buffer: the first refusal because of a prefix in THROTTLE_EVENT_GAP_NS. */
struct throttle_event {
	uint64_t at_ns;
	uint8_t addr[16];
	uint16_t port; /* host order */
	uint8_t verdict, layer;
	uint32_t prefix_bits; /* of the tier, list entry or penalty that refused */
};

_Static_assert(sizeof(struct throttle_rate) == 16, "ABI");
_Static_assert(sizeof(struct throttle_settings) == 72 + THROTTLE_TIERS * 16, "ABI");
_Static_assert(sizeof(struct throttle_lpm_key) == 20, "ABI");
_Static_assert(sizeof(struct throttle_penalty) == 24, "ABI");
_Static_assert(sizeof(struct throttle_event) == 32, "ABI");
_Static_assert(sizeof(struct throttle_listed) == 8, "ABI");
_Static_assert(sizeof(struct throttle_entry) == 48, "ABI");
_Static_assert(sizeof(struct throttle_cell) == 16, "ABI");
_Static_assert(sizeof(struct throttle_stats) == (2 * 8 + 5) * 8, "ABI");
_Static_assert(THROTTLE_LAYERS == 2 && THROTTLE_VERDICTS == 8, "ABI: throttle_stats.n");

#endif
