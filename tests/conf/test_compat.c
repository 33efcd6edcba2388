/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_compat.c - option Compatibility: each row of the table in docs/differences.md,
 * both ways. */
#include <stdio.h>

#include "conf/compat.h"
#include "conf/conf_internal.h"
#include "tests/conf/site.h"

#define RULES "/site/test.rules"

static const char *const one_to[] = { "x@b" };
static const char *const two_to[] = { "x@b", "y@b" };

#define WHO(from_, to_) ((struct conf_who){ .from = from_, .to = to_, .to_n = ARRAY_LEN(to_) })

static const struct {
	const char *what;
	enum opt_id id;
	const char *rules;
	struct conf_who who;
	const char *ours, *theirs; /* written value */
} cases[] = {
	{ "lower-cased escapes, a subject text",
	  OPT_SPAM_SUBJECT_TEXT,
	  "From: /^\\S+@a$/ one\nFrom: default two\n",
	  { .from = "joe@a" },
	  "one",
	  "two" },
	{ "upper-case letters alone do no harm",
	  OPT_SPAM_SUBJECT_TEXT,
	  "From: /^JOe@a$/ one\nFrom: default two\n",
	  { .from = "joe@a" },
	  "one",
	  "one" },
	{ "lower-cased escapes among wildcards",
	  OPT_SPAM_SUBJECT_TEXT,
	  "From: j\\D*@a one\nFrom: default two\n",
	  { .from = "joe@a" },
	  "one",
	  "two" },
	{ "escapes of an expression on the client",
	  OPT_SPAM_SUBJECT_TEXT,
	  "From: /^192\\.0\\D/ one\nFrom: default two\n",
	  { .from = "joe@a", .client_ip = "192.0.2.1" },
	  "one",
	  "one" },
	{ "lower-cased escapes, what decides about mail",
	  OPT_VIRUS_SCANNING,
	  "From: /^\\S+@a$/ yes\nFrom: default no\n",
	  { .from = "joe@a" },
	  "yes",
	  "yes" },
	{ "lower-cased escapes, what becomes of spam",
	  OPT_SPAM_ACTIONS,
	  "From: /^\\S+@a$/ store\nFrom: default delete\n",
	  { .from = "joe@a" },
	  "store",
	  "store" },
	{ "files of patterns in step: first with first", OPT_SPAM_SUBJECT_TEXT,
	  "From: /p1 and To: /p2 one\nFrom: default two\n", WHO("j@s1", one_to), "one", "one" },
	{ "files of patterns in step: second with first", OPT_SPAM_SUBJECT_TEXT,
	  "From: /p1 and To: /p2 one\nFrom: default two\n", WHO("j@s2", one_to), "one", "two" },
	{ "files of patterns in step: none left", OPT_SPAM_SUBJECT_TEXT,
	  "From: /p1 and To: @b one\nFrom: default two\n", WHO("j@s3", one_to), "one", "two" },
	{ "files of patterns, what decides about mail", OPT_SCAN_MESSAGES,
	  "From: /p1 and To: /p2 yes\nFrom: default no\n", WHO("j@s2", one_to), "yes", "yes" },
	{ "files of patterns, cleaned messages", OPT_DELIVER_CLEANED_MESSAGES,
	  "From: /p1 and To: /p2 yes\nFrom: default no\n", WHO("j@s2", one_to), "yes", "yes" },
	{ "one stands for many: all in one domain", OPT_SPAM_ACTIONS,
	  "To: @b store\nFrom: default deliver\n", WHO("j@a", two_to), "store", "deliver" },
	{ "one stands for many: there is only one", OPT_SPAM_ACTIONS,
	  "To: @b store\nFrom: default deliver\n", WHO("j@a", one_to), "store", "store" },
	{ "hex words are beginnings of IP addresses",
	  OPT_SPAM_ACTIONS,
	  "From: bad.de store\nFrom: default deliver\n",
	  { .from = "joe@bad.de" },
	  "deliver",
	  "deliver" },
	{ "FromOrTo: and an address, all matches",
	  OPT_SILENT_VIRUSES,
	  "FromOrTo: 192.0.2.1 one\nFrom: default two\n",
	  { .from = "a@b", .client_ip = "192.0.2.1" },
	  "two",
	  "two" },
	{ "an IPv6 address is one address",
	  OPT_SPAM_SUBJECT_TEXT,
	  "From: 2001:db8::1 one\nFrom: default two\n",
	  { .from = "a@b", .client_ip = "2001:db8::1f" },
	  "two",
	  "two" },
};

static void load(struct site *s, enum opt_id id, const char *rules, bool compatible)
{
	char text[300];

	(void)snprintf(text, sizeof(text),
		       "%s = %s\nUse Default Rules With Multiple Recipients = yes\n%s",
		       opt_rows[id].name, RULES, compatible ? "Compatibility = MailScanner\n" : "");
	site_open(s);
	site_file(s, SITE_MAIN, text);
	site_file(s, RULES, rules);
	site_file(s, "/p1", "s1\ns2\ns3\n");
	site_file(s, "/p2", "@b\n@c\n");
	site_load(s);
	if (s->conf == NULL)
		abort();
}

static void check(size_t i, bool compatible)
{
	const char *want = compatible ? cases[i].theirs : cases[i].ours, *got;
	struct site s;

	load(&s, cases[i].id, cases[i].rules, compatible);
	got = conf_written(s.conf, cases[i].id, &cases[i].who);
	if (!T_OK(strcmp(got, want) == 0, "%s, %s: '%s'", cases[i].what,
		  compatible ? "as MailScanner" : "as written", got))
		site_show(&s);
	site_close(&s);
}

/* "0 0" of two recipients. */
static void check_truth(enum opt_id id, bool compatible, bool want)
{
	struct conf_who who = WHO("j@a", two_to);
	struct site s;

	load(&s, id, "To: x@b no\nTo: y@b no\nFrom: default no\n", compatible);
	s.conf->one_for_many = false;
	T_OK(conf_bool(s.conf, id, &who) == want, "%s: no and no, %s", opt_rows[id].name,
	     compatible ? "as MailScanner" : "as written");
	T_OK(!conf_bool(s.conf, id, NULL), "  one no is no");
	site_close(&s);
}

static void check_option(void)
{
	struct site s;

	T_OK(compat_wanted("mailscanner") && compat_wanted(" MailScanner ") && !compat_wanted("") &&
		     !compat_wanted(NULL) && !compat_wanted("yes"),
	     "the option's value");
	site_text(&s, "Compatibility = exchange\n");
	T_OK(s.r == 0 && site_problem(&s, "none of the known words") != NULL,
	     "another value is a problem line");
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check(i, false);
		check(i, true);
	}
	check_truth(OPT_USE_SPAMASSASSIN, false, false);
	check_truth(OPT_USE_SPAMASSASSIN, true, true);
	check_truth(OPT_MCP_USE_SPAMASSASSIN, true, true);
	check_truth(OPT_VIRUS_SCANNING, true, false);
	check_option();
	return t_done();
}
