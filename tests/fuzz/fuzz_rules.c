/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/fuzz/fuzz_rules.c - needs scan_dep. Rule file, NUL, subject: the parser survives any bytes,
 * every pattern that compiles says in Hyperscan what it says in PCRE2. */
#include <stdlib.h>
#include <string.h>

#include "scan/rule_file.h"
#include "scan/rule_set.h"

#define ROWS_MAX    8
#define PATTERN_MAX 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Counted repeats make compilers slow, which is the administrator's affair, not a defect. */
static bool is_quick(const char *pattern)
{
	unsigned braces = 0, digits = 0;

	if (strlen(pattern) > PATTERN_MAX)
		return false;
	for (; *pattern != '\0'; pattern++) {
		digits = *pattern >= '0' && *pattern <= '9' ? digits + 1 : 0;
		braces += *pattern == '{';
		if (digits > 2 || braces > 1)
			return false;
	}
	return true;
}

static size_t patterns_of(const struct rule_file *f, struct rule_pattern *p)
{
	size_t n = 0;

	for (size_t i = 0; i < f->rows_n && n < ROWS_MAX; i++) {
		struct rule_set *s = NULL;

		p[n] = (struct rule_pattern){ f->rows[i].regex, "f:1" };
		if (!is_quick(p[n].text) || rule_set_new(&s, &p[n], 1, RULE_SET_PLAIN, NULL) < 0)
			continue;
		rule_set_free(&s);
		n++;
	}
	return n;
}

static int ask(const struct rule_set *s, struct bytes subject, size_t *ret)
{
	AUTO(rule_work_free) struct rule_work *w = NULL;
	size_t in;

	if (rule_work_new(&w, NULL) < 0 || rule_work_fit(w, s, NULL) < 0)
		return -1;
	return rule_set_match(s, w, &subject, 1, ret, &in, NULL);
}

static void compare(const struct rule_pattern *p, size_t n, struct bytes subject)
{
	AUTO(rule_set_free) struct rule_set *fast = NULL;
	AUTO(rule_set_free) struct rule_set *slow = NULL;
	size_t x = 0, y = 0;

	if (rule_set_new(&slow, p, n, RULE_SET_PLAIN, NULL) < 0)
		abort(); /* each compiled alone */
	if (rule_set_new(&fast, p, n, 0, NULL) < 0)
		abort();
	/* A pattern may give up in one of the two (its rows before may decide in the other). */
	if (ask(slow, subject, &y) == 0 && ask(fast, subject, &x) == 0 && x != y)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new(1u << 20);
	struct bytes all = bytes_of(data, size), rules = all, subject = { data, 0 };
	ptrdiff_t nul = bytes_index(all, 0);
	struct rule_pattern p[ROWS_MAX];
	struct rule_file f;
	size_t n;

	if (a == NULL)
		return 0;
	if (rule_file_parse(&f, all, a, NULL) == 0)
		for (size_t i = 0; i < f.rows_n; i++)
			if (f.rows[i].action == RULE_NONE || f.rows[i].line == 0)
				abort();
	if (nul >= 0) {
		rules = bytes_head(all, (size_t)nul);
		subject = bytes_head(bytes_from(all, (size_t)nul + 1), 512);
	}
	if (rule_file_parse(&f, rules, a, NULL) < 0)
		return 0;
	n = patterns_of(&f, p);
	if (n > 0)
		compare(p, n, subject);
	return 0;
}
