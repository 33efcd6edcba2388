/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/account.h - what the mail of each source has cost lately, and what follows from that.
 *
 * Costs are milliseconds of processor time, or what something is said to be worth in them. An
 * account halves in every half-life; it is opened by the first cost, for the address (IPv4 /32,
 * IPv6 /64) and for its network (/24, /48), whose limits are a multiple. Reaching a limit is a
 * penalty for a time, longer for those who come back; it ends when its time is over and the account
 * is below half of the limit, so that nobody flaps.
 *
 * Pure: no I/O, no clock. Times are CLOCK_MONOTONIC nanoseconds given by the caller; one that goes
 * back counts as standing still. Bounded: a full table gives up one of its oldest, the least costly
 * of some, and counts it.
 */
#ifndef THROTTLE_ACCOUNT_H
#define THROTTLE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "throttle/kernel.h"

enum charge_reason {
	CHARGE_CPU,      /* scan time beyond what is free */
	CHARGE_EXPANDED, /* bytes made by decoding and unpacking, beyond what is free */
	CHARGE_BOMB,     /* a limit was hit: zip bombs, endless structures */
	CHARGE_VIRUS,
	CHARGE_BLOCKED, /* name or type of a file */
	CHARGE_CONTENT,
	CHARGE_ENCRYPTED,
	CHARGE_SPAM,
	CHARGE_WORKER, /* a scan worker died or ran out of time */
	CHARGE_REASONS
};

/* "zip bombs", ...: what is counted under it. */
const char *charge_reason_text(enum charge_reason r);

/* What one message did. */
struct charge_facts {
	uint64_t cpu_us, expanded_bytes;
	uint32_t n[CHARGE_REASONS]; /* of CPU and EXPANDED not looked at */
};

struct charge_prices {
	uint32_t free_ms;                 /* of each message's CPU and EXPANDED together */
	uint32_t expanded_ms_mb;          /* a million expanded bytes */
	uint32_t each_ms[CHARGE_REASONS]; /* of CPU and EXPANDED not looked at */
};

struct charge {
	float ms[CHARGE_REASONS];
	uint32_t n[CHARGE_REASONS];
	float total_ms;
};

void charge_price(const struct charge_prices *p, const struct charge_facts *f,
		  struct charge *ret_c);

/* From which cost on a source is at each level; 0: never. [THROTTLE_NORMAL] is not used. */
struct account_limits {
	float ms[THROTTLE_NOTHING + 1];
};

struct account_settings {
	uint64_t half_life_ns, penalty_ns; /* both above 0 */
	uint32_t network_factor;           /* limits of a network; 0: networks have no account */
};

/* One account, as others see it; costs are those at the time of asking. */
struct account_source {
	struct throttle_prefix prefix;
	uint8_t level; /* enum throttle_level */
	uint8_t strikes;
	float ms[CHARGE_REASONS], total_ms;
	uint32_t n[CHARGE_REASONS]; /* since it was opened */
	uint32_t charges;
	uint64_t updated_ns, since_ns, until_ns; /* until: of the level; 0 without one */
	struct account_limits limits;
};

struct account;

/* Called for each change of a level, or of the end of one; it must not call the account. */
typedef void account_change(void *arg, const struct account_source *s, enum throttle_level before);

/* @seed: not known to others, who could otherwise choose addresses that share a bucket. */
int account_new(struct account **ret_a, uint32_t sources_max, uint64_t seed,
		const struct account_settings *s, account_change *change, void *arg,
		struct err *err) MUST_CHECK;
void account_free(struct account **a);
void account_configure(struct account *a, const struct account_settings *s);

/* The account prefixes of a mapped address. */
void account_host(const uint8_t addr[16], struct throttle_prefix *ret_p);
void account_network(const uint8_t addr[16], struct throttle_prefix *ret_p);
/* Loopback, and what queue files hold when the server noted no address: nobody in particular. */
bool account_is_nobody(const uint8_t addr[16]);

/* A charge of nothing opens no account. @addr must not be nobody's. */
void account_charge(struct account *a, const uint8_t addr[16], const struct charge *c,
		    const struct account_limits *limits, uint64_t now_ns);
/* End penalties whose time is over, forget accounts that have become nothing: now and then. */
void account_tick(struct account *a, uint64_t now_ns);
/* False: no account. */
bool account_get(struct account *a, const struct throttle_prefix *p, uint64_t now_ns,
		 struct account_source *ret_s);
/* Close the accounts inside @p; returns how many. Those with a penalty are told to @change. */
size_t account_forgive(struct account *a, const struct throttle_prefix *p);
/* The same for all that @is_one says yes to: one pass over the table. */
size_t account_forgive_all(struct account *a,
			   bool (*is_one)(const void *arg, const struct throttle_prefix *p),
			   const void *arg);
/* Put back what an earlier run had @age_ns ago. Levels are told to @change. */
void account_restore(struct account *a, const struct account_source *s, uint64_t age_ns,
		     uint64_t now_ns);

/* The costliest ones, costliest first. Returns how many. */
#define ACCOUNT_COSTLIEST_MAX 256 /* more are not to be had */
size_t account_costliest(struct account *a, uint64_t now_ns, struct account_source *ret_s,
			 size_t max);
/* Those with a penalty. @each must not change the account. */
void account_each_penalised(struct account *a,
			    void (*each)(void *arg, const struct account_source *s), void *arg);
size_t account_n(const struct account *a);
size_t account_penalised_n(const struct account *a);
/* Accounts given up because the table was full. */
uint64_t account_evicted(const struct account *a);

#endif
