/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_expressions.c - expressions of rulesets and addresses made to wear them out: a
 * long address gets past no rule, and one that backtracks without end soon has fewer steps.
 */
#include <stdio.h>

#include "core/str.h"
#include "tests/conf/site.h"

#define RULES "/site/test.rules"

static void load(struct site *s, const char *rules)
{
	site_open(s);
	site_file(s, SITE_MAIN, "Information Header Value = " RULES "\n");
	site_file(s, RULES, rules);
	site_load(s);
	T_OK(s->r == 0, "the rules load");
}

static bool matches(const struct site *s, const struct conf_who *who)
{
	return strcmp(conf_str(s->conf, OPT_INFORMATION_HEADER_VALUE, who), "yes") == 0;
}

/* What the compiled code needs more stack for than there is; look-aheads, so that Hyperscan, which
 * answers before, does not take them. */
static const char *const deep[] = {
	"From: /^(a|b)*(?!x)@evil\\.test$/ yes\n",
	"From: /^((a|b)|(c|d))*(?!x)@evil\\.test$/ yes\n",
	"From: /^(?:.|x)*?(?!x)@evil\\.test$/ yes\n",
	"To: nobody@b.test no\nFrom: /^([^@]|x)*(?!x)@evil\\.test$/ yes\n",
};

static void check_long(const char *rules)
{
	static const size_t lengths[] = { 1, 320, 700, 1500, 5000 };
	char address[5100];
	struct site s;

	load(&s, rules);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		const struct conf_who who = { .from = address };

		memset(address, 'a', lengths[i]);
		(void)snprintf(address + lengths[i], 20, "@evil.test");
		T_OK(matches(&s, &who), "%zu bytes in front of the '@': %s", lengths[i], rules);
		address[lengths[i] + 1] = 'd';
		T_OK(!matches(&s, &who), "  and one that it does not mean");
	}
	site_close(&s);
}

/* "aaa...a?": one step more doubles them. The second half of the expression comes after the first
 * has been given up, so it tells how many steps there were. */
#define HALVES  "/^(?:(?:a|a)+!|a+\\?z)$(?!x)/"
#define ENDLESS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?z"
#define SOME    "aaaaaaaaaaa?z" /* thousands of steps */
#define FEW     "aa?z"

static const struct {
	const char *say;
	const char *to[8];
	bool want; /* of the last one */
} worn[] = {
	{ "without end", { ENDLESS }, false },
	{ "some steps", { SOME }, true },
	{ "some after few", { FEW, FEW, FEW, FEW, FEW, FEW, SOME }, true },
	{ "some after some", { SOME, SOME, SOME, SOME, SOME, SOME, SOME }, true },
	{ "some after three without end", { ENDLESS, ENDLESS, ENDLESS, SOME }, true },
	{ "some after four without end", { ENDLESS, ENDLESS, ENDLESS, ENDLESS, SOME }, false },
	{ "few after five without end",
	  { ENDLESS, ENDLESS, ENDLESS, ENDLESS, ENDLESS, FEW },
	  true },
};

static void check_worn(size_t i)
{
	struct conf_patience patience = { .n = 0 };
	struct conf_who who = { .from = "", .patience = &patience };
	size_t n = 0;
	bool got = false;
	struct site s;

	load(&s, "To: " HALVES " yes\n");
	while (n < ARRAY_LEN(worn[i].to) && worn[i].to[n] != NULL)
		n++;
	for (size_t k = 0; k < n; k++) {
		who.to = worn[i].to + k;
		who.to_n = 1;
		got = matches(&s, &who);
	}
	T_OK(got == worn[i].want, "%s", worn[i].say);
	site_close(&s);
}

/* Another expression has its own steps, and another message all of them. */
static void check_others(void)
{
	static const char *const endless[] = { ENDLESS }, *const some[] = { SOME };
	struct conf_patience patience = { .n = 0 };
	struct conf_who who = { .from = "", .patience = &patience, .to = endless, .to_n = 1 };
	struct site s;

	load(&s, "To: " HALVES " yes\nFrom: /^f(?:a|a)+!|f.*(?!x)z$/ yes\n");
	for (unsigned i = 0; i < 10; i++)
		T_OK(!matches(&s, &who), "worn out");
	who.to = some;
	T_OK(!matches(&s, &who), "this one is tired");
	who.from = "faaaaaaaaaaz";
	T_OK(matches(&s, &who), "another one is not");
	who.from = "";
	patience.n = 0;
	T_OK(matches(&s, &who), "and with another message, neither");
	site_close(&s);
}

/* More tired expressions than can be told apart. */
static void check_crowd(void)
{
	static const char *const to[] = { ENDLESS "!" };
	struct conf_patience patience = { .n = 0 };
	struct conf_who who = { .from = "", .patience = &patience, .to = to, .to_n = 1 };
	AUTO(str_fini) struct str rules;
	struct site s;

	str_init(&rules, MIB);
	for (unsigned i = 0; i < CONF_PATIENCE_MAX + 8; i++)
		str_addf(&rules, "To: /^(?:a|a)+!$(?!x%u)/ yes\n", i);
	load(&s, str_view(&rules));
	T_OK(!matches(&s, &who) && patience.n == CONF_PATIENCE_MAX, "a crowd of them");
	T_OK(!matches(&s, &who) && patience.n == CONF_PATIENCE_MAX, "and again");
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(deep); i++)
		check_long(deep[i]);
	for (size_t i = 0; i < ARRAY_LEN(worn); i++)
		check_worn(i);
	check_others();
	check_crowd();
	return t_done();
}
