/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/compat.h - option Compatibility: which corrected behaviour of MailScanner comes back. The
 * table for people is in docs/differences.md.
 *
 * What could let mail pass unchecked, or lose it, does not: a rule that matches less may have been
 * the one that denies. Therefore mistakes in how rules match come back only for options that
 * decide about words in headers, notices and logs.
 */
#ifndef CONF_COMPAT_H
#define CONF_COMPAT_H

#include <stdbool.h>

#include "conf/opt.h"

/* @text is the value of option Compatibility; NULL: not set. */
bool compat_wanted(const char *text);

/* Whatever the rules of @id say, no mail is lost by it and none passes unchecked. */
bool compat_is_harmless(enum opt_id id);

/* The joined value "0 0" of @id counts as yes: Perl's idea of truth. */
bool compat_plain_truth(enum opt_id id);

#endif
