/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/kernel.h - the kernel's share: programs and maps that count and refuse connections.
 *
 * Two sides. The *supervisor* (root) loads what this kernel accepts, attaches and pins it. The
 * *gateway* (no rights) gets descriptors of the maps and fills lists and penalties through them;
 * a reload changes the settings map and nothing else. Where no BPF program can be had, nftables
 * sets are filled by the supervisor on the gateway's word; where these cannot be had either, the
 * decisions remain in user space (account.h) and nothing refuses a connection.
 */
#ifndef THROTTLE_KERNEL_H
#define THROTTLE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "sallyport/throttle_abi.h"

/* THROTTLE_XDP_ALONE is never asked for: what is left where sk_lookup cannot be had but XDP can. */
enum throttle_method {
	THROTTLE_AUTO,
	THROTTLE_SK_LOOKUP,
	THROTTLE_NFTABLES,
	THROTTLE_USER,
	THROTTLE_XDP_ALONE
};
enum throttle_xdp { THROTTLE_XDP_NO, THROTTLE_XDP_GENERIC, THROTTLE_XDP_NATIVE };

/* A prefix of a mapped address; the bits behind @bits are zero. */
struct throttle_prefix {
	uint8_t addr[16];
	uint8_t bits;
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". False: none of these. */
bool throttle_prefix_parse(const char *text, struct throttle_prefix *ret_p);
#define THROTTLE_PREFIX_TEXT 50
/* The way it is written for people: IPv4 as IPv4, no "/32" or "/128". Returns @out. */
const char *throttle_prefix_text(const struct throttle_prefix *p, char out[THROTTLE_PREFIX_TEXT]);

struct throttle_setup {
	enum throttle_method method;
	enum throttle_xdp xdp;
	const char *const *interfaces; /* for XDP */
	size_t interfaces_n;
	const char
		*pin_dir; /* on a BPF file system, which is mounted if it is not; NULL: no pins */
	bool keep;        /* programs stay when the daemon ends */
	uint32_t sources_max, connections_max, lists_max; /* entries in the maps; 0: 65,536 */
	struct throttle_settings settings;
};

/* What of it works, each with the reason where it does not: for `throttle stats` and the log. */
enum throttle_part {
	THROTTLE_PART_SK_LOOKUP,
	THROTTLE_PART_CONCURRENCY, /* tracepoint on TCP states, seeded by iter/tcp */
	THROTTLE_PART_HANDSHAKE,   /* rates charge ended handshakes: takes both of the above */
	THROTTLE_PART_XDP,
	THROTTLE_PART_EVENTS,
	THROTTLE_PART_PINS,
	THROTTLE_PART_NFTABLES,
	THROTTLE_PARTS
};
struct throttle_part_state {
	bool active;
	char why[160]; /* "" when all of it is active or it was not asked for */
};
const char *throttle_part_name(enum throttle_part p);

enum throttle_list {
	THROTTLE_LIST_ALLOW,
	THROTTLE_LIST_DENY,
	THROTTLE_LIST_PENALTY,
	THROTTLE_LIST_ALL /* for throttle_kernel_link.nft only */
};

/* --- supervisor --- */

struct throttle_kernel;

/*
 * Load and attach. Never fails for want of a feature: what cannot be had is in
 * throttle_kernel_parts() and throttle_kernel_method() says what is in force. Pinned maps of an
 * earlier run are taken over when their shape is the same, replaced when it is not. -EBUSY: another
 * daemon holds @pin_dir. Start-up only; blocking.
 */
int throttle_kernel_open(struct throttle_kernel **ret_k, const struct throttle_setup *s,
			 struct err *err) MUST_CHECK;
/* Detach, unless keep was asked for; *@k may be NULL. */
void throttle_kernel_close(struct throttle_kernel **k);
enum throttle_method throttle_kernel_method(const struct throttle_kernel *k);
const struct throttle_part_state *throttle_kernel_parts(const struct throttle_kernel *k);

/* Other settings from now on, by whatever is in force: a reload. */
int throttle_kernel_settings(struct throttle_kernel *k, const struct throttle_settings *s,
			     struct err *err) MUST_CHECK;

/* Descriptors for throttle_maps_open(), lent, -1 where there is none. */
enum throttle_fd {
	THROTTLE_FD_SETTINGS,
	THROTTLE_FD_ALLOW,
	THROTTLE_FD_DENY,
	THROTTLE_FD_PENALTY,
	THROTTLE_FD_RATES,
	THROTTLE_FD_OPEN, /* concurrent connections */
	THROTTLE_FD_STATS,
	THROTTLE_FD_EVENTS,
	THROTTLE_FDS
};
void throttle_kernel_fds(const struct throttle_kernel *k, int ret_fds[THROTTLE_FDS]);
/* nftables only: refuse (@level NOTHING) or slow @p for @seconds; @seconds 0: lift it. */
int throttle_kernel_nft(struct throttle_kernel *k, const struct throttle_prefix *p,
			enum throttle_level level, uint32_t seconds, struct err *err) MUST_CHECK;
/* nftables only: put @p into the allow or deny list (@in), or take it out. */
int throttle_kernel_nft_list(struct throttle_kernel *k, enum throttle_list l,
			     const struct throttle_prefix *p, bool in, struct err *err) MUST_CHECK;

/* nftables only: empty all lists; with @refuse false nobody is refused until it is called again. */
int throttle_kernel_nft_anew(struct throttle_kernel *k, bool refuse, struct err *err) MUST_CHECK;

/* --- gateway --- */

struct throttle_maps;

/* Takes the descriptors over on success. All of them may be -1 (nothing works, every call says so).
 */
int throttle_maps_open(struct throttle_maps **ret_m, const int fds[THROTTLE_FDS],
		       struct err *err) MUST_CHECK;
void throttle_maps_close(struct throttle_maps **m);

/* Change settings (reload). -EOPNOTSUPP: no map. */
int throttle_maps_settings(struct throttle_maps *m, const struct throttle_settings *s,
			   struct err *err) MUST_CHECK;

/* Put @p in, or replace it. @penalty for the penalty list, else NULL. -E2BIG (ERR_LIMIT): full. */
int throttle_maps_put(struct throttle_maps *m, enum throttle_list l,
		      const struct throttle_prefix *p, const struct throttle_penalty *penalty,
		      struct err *err) MUST_CHECK;
/* -ENOENT: it was not there. */
int throttle_maps_remove(struct throttle_maps *m, enum throttle_list l,
			 const struct throttle_prefix *p, struct err *err) MUST_CHECK;
/*
 * @each with every entry; @penalty NULL for the other lists. It must not change the list. Two
 * system calls an entry: at start, or on a small list.
 */
int throttle_maps_each(struct throttle_maps *m, enum throttle_list l,
		       void (*each)(void *arg, const struct throttle_prefix *p,
				    const struct throttle_penalty *penalty),
		       void *arg, struct err *err) MUST_CHECK;

/* Sums over all processors. */
struct throttle_counts {
	uint64_t n[THROTTLE_LAYERS][THROTTLE_VERDICTS];
	uint64_t opened, closed; /* connections, by the tracepoint */
	uint64_t events_lost;
	uint64_t open_full; /* connections that the map of open ones had no room for */
	uint64_t rate_full; /* ended handshakes that no bucket could be made for */
};
int throttle_maps_counts(struct throttle_maps *m, struct throttle_counts *ret_c,
			 struct err *err) MUST_CHECK;

/* What the kernel knows about one source in each tier of its family. */
struct throttle_source {
	struct throttle_prefix prefix;
	uint64_t tokens_x1000;  /* connections it may open now, in thousandths */
	uint64_t seen, refused; /* new connections since it was last forgotten */
	uint32_t open;          /* concurrent */
	bool known;
};
int throttle_maps_source(struct throttle_maps *m, const struct throttle_prefix *address,
			 struct throttle_source ret_s[3], size_t *ret_n,
			 struct err *err) MUST_CHECK;

/* Becomes readable when there are events; -1: there are none to be had. */
int throttle_maps_event_fd(const struct throttle_maps *m);
/* Hand waiting events to @each, at most 1,000. Returns how many. */
int throttle_maps_events(struct throttle_maps *m,
			 void (*each)(void *arg, const struct throttle_event *e), void *arg,
			 struct err *err) MUST_CHECK;

#endif
