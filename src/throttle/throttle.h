/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/throttle.h - the gateway's side of the throttle: charges senders, keeps the lists, and
 * has the kernel refuse whom they name. Loop thread only. Nothing of it stops mail: what the kernel
 * does not take is logged, and the decision stays here to be asked for.
 *
 * Every function but throttle_new() accepts NULL for the throttle: Throttle = no.
 */
#ifndef THROTTLE_THROTTLE_H
#define THROTTLE_THROTTLE_H

#include "conf/conf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "throttle/account.h"
#include "throttle/kernel.h"
#include "throttle/options.h"
#include "throttle/prefixes.h"

struct throttle;

/* Reads the state file. *@ret_t is NULL when @c says Throttle = no. */
int throttle_new(struct throttle **ret_t, struct loop *l, struct metrics *m, const struct conf *c,
		 struct err *err) MUST_CHECK;
/* Writes the state file. */
void throttle_free(struct throttle **t);
/* Another configuration is in force. */
void throttle_reload(struct throttle *t, const struct conf *c);

/* --- what the supervisor loaded --- */

struct throttle_kernel_link {
	enum throttle_method method; /* THROTTLE_USER: nothing works */
	struct throttle_part_state parts[THROTTLE_PARTS];
	/* For THROTTLE_NFTABLES: put @p into a list, penalties with a level, for @seconds; 0: take
	 * it out. Negative: not now, it will be called again. THROTTLE_LIST_ALL: empty all
	 * of them, and refuse nobody from now on when @level is THROTTLE_NORMAL. */
	int (*nft)(void *arg, enum throttle_list l, const struct throttle_prefix *p,
		   enum throttle_level level, uint32_t seconds);
	void *nft_arg;
};

/* @fds are taken over. Penalties that the kernel has and we do not are adopted. */
void throttle_attach(struct throttle *t, const struct throttle_kernel_link *k,
		     int fds[THROTTLE_FDS]);

/* --- charging and deciding --- */

/* Charge @who->client_ip for one message, unless it is allowed, nobody or @authenticated. */
void throttle_charge(struct throttle *t, const struct conf *c, const struct conf_who *who,
		     bool authenticated, const struct charge_facts *f);

enum throttle_action { THROTTLE_DO_PASS, THROTTLE_DO_SLOW, THROTTLE_DO_REFUSE };
const char *throttle_action_name(enum throttle_action a);

struct throttle_decision {
	enum throttle_action action;
	enum throttle_level level;
	char why[256];
};

/* What is to become of a connection of @address. The kernel's rates are not asked. */
void throttle_decide(const struct throttle *t, const struct throttle_prefix *address,
		     uint64_t now_ns, struct throttle_decision *ret_d);

/* Refuse nobody for @seconds (0: until it is called again or the gateway starts anew); costs are
 * kept all the same. */
int throttle_switch(struct throttle *t, bool off, uint32_t seconds, struct err *err) MUST_CHECK;

/* --- lists --- */

const char *throttle_list_name(enum throttle_list l);
/* @seconds 0: without end. -EINVAL: loopback, or a penalty without a level. -ENOSPC: full. */
int throttle_add(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p,
		 enum throttle_level level, uint32_t seconds, struct err *err) MUST_CHECK;
/* A penalty's account inside @p is closed, too. -ENOENT: not there; -EPERM: an option says so. */
int throttle_del(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p,
		 struct err *err) MUST_CHECK;

struct throttle_row {
	struct throttle_prefix prefix;
	enum throttle_level level; /* of penalties */
	const char *origin;        /* "option", "command", "kernel", "account" */
	uint64_t left_s;           /* 0: without end */
	char why[256];             /* of accounts */
};
void throttle_each_row(struct throttle *t, enum throttle_list l,
		       void (*each)(void *arg, const struct throttle_row *r), void *arg);

/* --- what is to be seen --- */

struct throttle_status {
	enum throttle_mode mode;
	bool off;            /* by command */
	uint64_t off_left_s; /* 0: without end */
	enum throttle_method method;
	const struct throttle_part_state *parts; /* THROTTLE_PARTS */
	size_t lists[3];                         /* entries, by enum throttle_list */
	size_t accounts, penalised;
	uint64_t evicted;
	bool has_counts;
	struct throttle_counts counts;
};
void throttle_status(struct throttle *t, struct throttle_status *ret_s);

struct throttle_explanation {
	struct throttle_decision decision;
	bool has_host, has_network;
	struct account_source host, network;
	struct throttle_source kernel[3]; /* by tier */
	size_t kernel_n;
	char kernel_error[200]; /* why kernel_n is 0 */
	uint64_t now_ns;        /* what the times of accounts relate to */
};
void throttle_explain(struct throttle *t, const struct throttle_prefix *address,
		      struct throttle_explanation *ret_e);
/* "zip bombs and limits 90 s (3), scan CPU 4 s": the largest contributions. Returns @out. */
#define THROTTLE_REASONS_TEXT 200
const char *throttle_reasons(const struct account_source *s, char out[THROTTLE_REASONS_TEXT]);
size_t throttle_costliest(struct throttle *t, struct account_source *ret_s, size_t max);
uint64_t throttle_now_ns(const struct throttle *t);
uint64_t throttle_half_life_s(const struct throttle *t);

/* Bring gauges and the kernel's counters into the metrics. */
void throttle_measure(struct throttle *t);

#endif
