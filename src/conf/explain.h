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
/* The same without the options that have no effect. */
void conf_explain_lines(const struct conf *c, struct conf_report *r);

/* Whether option @id holds another value than its built-in default; a ruleset always does. */
bool conf_is_changed(const struct conf *c, enum opt_id id);

/* Whether it also differs from what MailScanner's sample file says: somebody meant it. */
bool conf_is_own(const struct conf *c, enum opt_id id);

/* The Perl function ("&Name") the site wrote as the value, which cannot run; NULL: none. */
const char *conf_function(const struct conf *c, enum opt_id id);

/* What the line says that sets the option, right or wrong, with variables replaced: a value, a
 * ruleset's file, a function. The default when no line does. Never a password. */
const char *conf_raw_text(const struct conf *c, enum opt_id id);

/* Whether a line sets the option (conf_describe_place()) but does not count, because what it says
 * is wrong: the built-in default holds. */
bool conf_is_rejected(const struct conf *c, enum opt_id id);

/* What of option @id stayed unread because a database was not asked, and why (@ret_why): the name
 * of a ruleset, or "" for the answers to a statement; NULL: nothing. Its value is the default. */
const char *conf_unread(const struct conf *c, enum opt_id id, const char **ret_why);

/* Whether the answer for @who could be another one if the client's name were known: a host: rule
 * comes before the one that decides, and conf_who does not have the name it asks for. */
bool conf_lacks_host(const struct conf *c, enum opt_id id, const struct conf_who *who);

/* File of the ruleset the option has, and how many of its lines hold rules; NULL: none. */
const char *conf_ruleset(const struct conf *c, enum opt_id id, size_t *ret_lines);

/* Add to @r what is wrong with option @id, at the line that sets it; line 0 of the main file when
 * none does and the built-in default is wrong for this host. */
void conf_report_option(const struct conf *c, struct conf_report *r, enum conf_severity severity,
			enum opt_id id, const char *text);

/* The line that sets the option, whatever came of it ("FILE:LINE" into @out); "default". */
void conf_describe_place(const struct conf *c, enum opt_id id, struct str *out);

/* "yes", or for a ruleset "RULESET:Default=yes", as MailScanner's --changed shows values. */
void conf_describe(const struct conf *c, enum opt_id id, struct str *out);

#endif
