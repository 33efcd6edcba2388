/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rule_report.h - inside this folder: what names.c and types.c share. */
#ifndef SCAN_RULE_REPORT_H
#define SCAN_RULE_REPORT_H

#include "scan/check.h"

/* How one kind of rule speaks. */
struct rule_words {
	enum finding_kind kind;
	const char *log_prefix;  /* "Filename Checks" */
	const char *list_text;   /* for users, when a deny list matched */
	const char *untold_text; /* for users, when the rule has no text */
};

/* The rules that hold for @leaf: by the letter of what it came out of. */
const struct scan_rules *rule_report_set(const struct scan_state *s, const struct leaf *leaf);

/*
 * True when @name is nothing but encoded words (RFC 2047): a reading to leave out when there is
 * another. A reader that shows it undecoded has a name that ends in "?=", which nothing opens as a
 * program; and rules on length or dots, run on base64, deny what is innocent.
 */
bool rule_report_encoded(const char *name);

/*
 * The name people know @leaf by: its first reading that is decoded. An unnamed part is
 * "msg-0-NUMBER.txt", where @number counts the leaves from 1: sites have rules for MailScanner's
 * "msg-PID-NUMBER.EXT". NULL: arena full.
 */
const char *rule_report_name(struct scan_state *s, const struct leaf *leaf, size_t number);

/* scan_safe_name() for those who must know: NULL when the arena is full. */
const char *rule_report_safe(struct arena *a, const char *name);

/*
 * Report what @m decided about @leaf: a finding for deny and forward, nothing for allow, none and
 * rename. @name is the reading that matched. A forward has class 0, since it is no report to users,
 * and the addresses (blank-separated) as its name.
 */
int rule_report(struct scan_state *s, const struct leaf *leaf, const struct rule_words *words,
		const struct rule_match *m, const char *name, struct err *err) MUST_CHECK;

/* Limits between two leaves: false, with state and why set, when the check must stop. */
bool rule_report_go_on(struct scan_state *s, const struct leaf *leaf, struct check_result *r);

/* "rename not applied: 2", or NULL when @renames is 0. */
const char *rule_report_renames(struct scan_state *s, size_t renames);

#endif
