/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/rule_screen.h - one Hyperscan pass in front of the conditions that have no key.
 *
 * The screen says which conditions *may* match; each of these is then asked as if there were no
 * screen, so that it changes the cost and never the answer. Expressions that Hyperscan might read
 * differently from PCRE2 stay outside and are asked one by one, and a subject with control
 * characters is not screened at all.
 */
#ifndef CONF_RULE_SCREEN_H
#define CONF_RULE_SCREEN_H

#include "conf/ruleset.h"

/* What an expression is matched with. */
enum screen_class { SCREEN_ADDRESS, SCREEN_CLIENT, SCREEN_HOST, SCREEN_REPORT, SCREEN_CLASSES };

struct rule_screen;

/* Numbers of conditions, in no order until rule_candidates_sort(). */
#define CANDIDATES_MAX 512u
struct rule_candidates {
	uint32_t list[CANDIDATES_MAX];
	size_t n;
	bool too_many;
};

/*
 * Compile what stands in @rs->linear into @rs->screen, when it is enough to be worth it. The
 * databases of an earlier process are taken from the source (a bundle) when it has them. What
 * cannot be compiled is left to be asked one by one; a long list of that is a problem line. False:
 * no memory.
 */
bool rule_screen_build(struct conf_loader *l, struct ruleset *rs) MUST_CHECK;
void rule_screen_free(struct rule_screen **s);

/* Conditions outside the screen, ascending. */
const uint32_t *rule_screen_rest(const struct rule_screen *s, size_t *ret_n);
/* Whether it holds any of class @c: otherwise the subject need not be made. */
bool rule_screen_asks(const struct rule_screen *s, enum screen_class c);
/* How many conditions it holds. */
size_t rule_screen_count(const struct rule_screen *s);

/* One pass of one evaluation; scratch is taken from the screen and given back. Any thread. */
struct screen_pass {
	struct rule_screen *screen;
	struct screen_work *work;
	struct rule_candidates *found;
};
/* False: no memory. */
/* Work space for expressions that lasts from one evaluation to the next. */
struct regex_scratch *screen_pass_regex(struct screen_pass *p);
bool screen_pass_begin(struct screen_pass *p, struct rule_screen *s, struct rule_candidates *found);
/* Add what may match @subject. False: it cannot be said; ask all conditions one by one. */
bool screen_pass_add(struct screen_pass *p, enum screen_class c, struct bytes subject);
void screen_pass_end(struct screen_pass *p);

/* Ascending, each once. */
void rule_candidates_sort(struct rule_candidates *c);

/* rule_expr.c: the expression that matches at least what @p does, for Hyperscan, and literals that
 * every match holds, one a line (empty: none). False: there is none that both read alike. Both
 * texts are reset first. */
bool rule_expression(const struct pattern *p, enum screen_class *ret_class, struct str *out,
		     struct str *literals);

#endif
