/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/explain.h - what a configuration means: for `sallyport check` and `sallyport config`.
 * Tools only: it looks at every rule.
 */
#ifndef CONF_EXPLAIN_H
#define CONF_EXPLAIN_H

#include "conf/conf.h"
#include "core/str.h"

/*
 * Add a warning to @r for everything that loads without a mistake and yet is hardly meant: a line
 * that a later one in the same file replaces, a variable changed below lines that used it, a rule
 * that can never decide, a beginning of an IP address that matches more than its network, and
 * options set by the site that are accepted without effect.
 */
void conf_explain(const struct conf *c, struct conf_report *r);

/* Whether option @id holds another value than its built-in default; a ruleset always does. */
bool conf_is_changed(const struct conf *c, enum opt_id id);

/* "yes", or for a ruleset "RULESET:Default=yes", as MailScanner's --changed shows values. */
void conf_describe(const struct conf *c, enum opt_id id, struct str *out);

#endif
