/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/recipients.h - recipients of one message to whom rulesets give different values: who has the
 * same ones. Pure: a snapshot and addresses in, groups out.
 */
#ifndef CONF_RECIPIENTS_H
#define CONF_RECIPIENTS_H

#include "conf/conf.h"
#include "core/arena.h"

/* Whether the value of @id can differ between recipients: its ruleset asks for them. A look through
 * the ruleset: at start-up and reload, not for each message. */
bool conf_recipient_matters(const struct conf *c, enum opt_id id);
/* The site wants the values of all recipients joined, as MailScanner does. */
bool conf_joins_recipients(const struct conf *c);

struct conf_groups {
	size_t n;              /* groups; recipients of one have the same value of every option */
	bool more;             /* some recipients are in no group */
	const uint32_t *of;    /* group of each recipient; CONF_NO_GROUP */
	const uint32_t *first; /* the first recipient of each group */
	const enum opt_id *ids;
	size_t ids_n;
	const uint16_t *values; /* number of group g's value of ids[i]: at g * ids_n + i */
};
#define CONF_NO_GROUP UINT32_MAX

/*
 * Group the recipients of @who, each asked for alone, by the values of @ids (lent; must outlive
 * @ret_g). At most @max groups, 2 to 1,000; where there would be more, @max - 1, and all others are
 * in none. Memory is in @a. -ENOMEM (ERR_LIMIT): it is too small.
 */
int conf_group_recipients(const struct conf *c, const struct conf_who *who, const enum opt_id *ids,
			  size_t ids_n, size_t max, struct arena *a, struct conf_groups *ret_g,
			  struct err *err) MUST_CHECK;

/* The first of @some that has different values in the groups @x and @y; OPT_ROWS: none. Those that
 * are not among @g->ids differ for nobody. */
enum opt_id conf_groups_differ(const struct conf_groups *g, uint32_t x, uint32_t y,
			       const enum opt_id *some, size_t some_n);

#endif
