/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy/policy.h - facts and options in, decision out. Pure: no I/O, no clock, no third-party
 * header. The one place that says what may pass.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>

#include "conf/conf.h"
#include "core/arena.h"
#include "core/err.h"
#include "scan/facts.h"
#include "scan/request.h"

enum outcome {
	OUTCOME_DELIVER,
	OUTCOME_DELIVER_MODIFIED,
	OUTCOME_QUARANTINE,
	OUTCOME_DELETE,
	OUTCOME_FORWARD,
	OUTCOME_DEFER, /* a check the policy requires did not finish: the mail stays in the queue */
	OUTCOMES
};

struct decision {
	enum outcome outcome;
	bool scanned; /* something was looked for (Mail Header says clean, not "unscanned") */
	bool virus_infected, name_infected, size_infected, other_infected;
	const char *why; /* one line: the first finding, or the check that did not finish */
};

/* What the worker must do for this message, from the options' values for @who. The rules are copied
 * to @a: joined values of @c last only until others are asked for, and a message may wait for its
 * worker. -ENOMEM (ERR_LIMIT): they do not fit; never a request without its rules. */
int policy_request(const struct conf *c, const struct conf_who *who, struct arena *a,
		   struct scan_request *ret_r, struct err *err) MUST_CHECK;

/* False: Scan Messages says no - deliver untouched, do not even ask a worker. */
bool policy_wants_scan(const struct conf *c, const struct conf_who *who);

/* Whether the message may pass only if check @id ran to its end: follows from what was asked. */
bool policy_requires(const struct scan_request *r, enum check_id id);

/*
 * In this release: any finding, or facts that were cut or hit a limit -> QUARANTINE; a check that
 * is required and did not run, or any that began and did not finish -> DEFER; else DELIVER.
 */
void policy_decide(const struct conf *c, const struct conf_who *who, const struct scan_request *r,
		   const struct facts *f, struct arena *a, struct decision *ret_d);

/* The options that policy_wants_scan(), policy_request() and policy_decide() ask for. Recipients
 * with equal values of these are judged alike. */
extern const enum opt_id policy_options[];
extern const size_t policy_options_n;

/* Whether the same is done with a message by either; for deliveries, header values apart. Who adds
 * a member to struct decision compares it here. */
bool policy_same_action(const struct decision *a, const struct decision *b);

const char *outcome_name(enum outcome o); /* "deliver-modified" ... as in JSON */

#endif
