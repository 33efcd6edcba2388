/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/rule_set.h - a list of patterns, compiled: which is the first that matches?
 *
 * Patterns are Perl's, without case, '.' matching newlines too, on bytes (no UTF-8 mode: '.' is
 * one byte, case is ASCII's). Hyperscan runs those it can express, all at once; those of which it
 * knows only a wider form (look-around, back-references) are confirmed by PCRE2; the rest runs in
 * PCRE2. Results are those of PCRE2 one after the other (tests/scan/test_rule_set.c compares).
 */
#ifndef SCAN_RULE_SET_H
#define SCAN_RULE_SET_H

#include "core/bytes.h"
#include "core/err.h"

struct rule_pattern {
	const char *text; /* "" never matches, but keeps its number */
	const char
		*where; /* "FILE:LINE", "option Deny Filenames": for errors; must outlive the set */
};

enum rule_set_flags {
	/* Machine code for PCRE2's patterns. Not in a sandbox that forbids making code. */
	RULE_SET_JIT = 1u << 0,
	/* Only PCRE2, in order: the reference for tests, and CPUs without SSSE3. */
	RULE_SET_PLAIN = 1u << 1,
};

struct rule_set;  /* immutable after rule_set_new(): shared by fork */
struct rule_work; /* what matching writes to: one per worker, never shared */

#define RULE_SET_NO_MATCH SIZE_MAX

/*
 * Compile. Milliseconds for a few patterns, a tenth of a second for a rule file.
 * Fails with ERR_CONFIG (-EINVAL), naming place, offset and reason, for a pattern that is wrong.
 */
int rule_set_new(struct rule_set **ret_s, const struct rule_pattern *patterns, size_t n,
		 unsigned flags, struct err *err) MUST_CHECK;
void rule_set_free(struct rule_set **s);

struct rule_set_info {
	size_t native_n, prefilter_n, plain_n; /* patterns by who runs them */
	size_t database_bytes;
};
void rule_set_info(const struct rule_set *s, struct rule_set_info *ret_i);

int rule_work_new(struct rule_work **ret_w, struct err *err) MUST_CHECK;
void rule_work_free(struct rule_work **w);
/* Make @w large enough for @s. Once for each set, before the first rule_set_match() with both. */
int rule_work_fit(struct rule_work *w, const struct rule_set *s, struct err *err) MUST_CHECK;

/*
 * Number of the first pattern that matches any of @subjects, and which one of these it was, or
 * RULE_SET_NO_MATCH. Subjects are any bytes.
 * Negative: it could not be found out (a pattern ran into its step limit on this subject, or the
 * matcher failed); that is never "no match".
 */
int rule_set_match(const struct rule_set *s, struct rule_work *w, const struct bytes *subjects,
		   size_t subjects_n, size_t *ret_pattern, size_t *ret_subject,
		   struct err *err) MUST_CHECK;

#endif
