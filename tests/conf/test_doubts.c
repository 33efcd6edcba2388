/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_doubts.c - rules that load and match no mail are told of, and no others. */
#include <stdio.h>

#include "tests/conf/site.h"

#define RULES "/site/test.rules"

static const struct {
	const char *rule;
	const char *says; /* NULL: nothing */
} cases[] = {
	{ "From: <> yes", "the null sender is /^$/" },
	{ "From: \"\" yes", "the null sender is /^$/" },
	{ "From: /^$/ yes", NULL },
	{ "From: <joe@b.test> yes", "without < and >" },
	{ "From: \"a<b\"@c.test yes", NULL },
	{ "To: a@b.test,c@d.test yes", "write a rule for each" },
	{ "To: *@b.test, yes", "write a rule for each" },
	{ "To: \"a,b\"@c.test yes", NULL },
	{ "From: @a.test,@b.test:joe@c.test yes", NULL },
	{ "From: /a,b|<x/ yes", NULL },
	/* networks that are none */
	{ "From: 192.0.2.0/-1 yes", "is no network" },
	{ "From: 192.0.2.0/0x18 yes", "is no network" },
	{ "From: 192.0.2.0/24;198.51.100.0/24 yes", "is no network" },
	{ "From: 192.0.2.0/24,198.51.100.0/24 yes", "write a rule for each" },
	{ "From: 192.0.2.0/24 yes", NULL },
	{ "From: a/b@c.test yes", NULL },
	{ "From: fe80::1%eth0 yes", "without a zone" },
	{ "From: a%b@c.test yes", NULL },
	{ "From: 192.0.2.* yes", "not for IP addresses" },
	{ "From: 10.1.* yes", "not for IP addresses" },
	{ "From: 163.* yes", NULL },
	{ "From: *.163.test yes", NULL },
	{ "From: 163.test yes", NULL },
	{ "From: [192.0.2.1] yes", "a class of characters" },
	{ "From: joe@[192.0.2.1] yes", "a class of characters" },
	{ "From: joe@[IPv6:2001:db8::1] yes", "a class of characters" },
	{ "From: joe@\\[192.0.2.1\\] yes", NULL },
	{ "From: jo[eh]@b.test yes", NULL },
	{ "From: joe@[12].test yes", NULL },
	/* beginnings of addresses */
	{ "From: 256. yes", "no address begins so" },
	{ "From: 10.01. yes", "no address begins so" },
	{ "From: 010.1.2.3 yes", "no address begins so" },
	{ "From: 192.0.2.1.5 yes", "no address begins so" },
	{ "From: 192.0.2.1. yes", "no address begins so" },
	{ "From: 10..1 yes", "no address begins so" },
	{ "From: .10 yes", "no address begins so" },
	{ "From: 2001:0db8: yes", "no address begins so" },
	{ "From: 2001:db8::5::1 yes", "no address begins so" },
	{ "From: 12345: yes", "no address begins so" },
	{ "From: 1:2:3:4:5:6:7:8:9 yes", "no address begins so" },
	{ "From: :1: yes", "no address begins so" },
	{ "From: 0. yes", NULL },
	{ "From: 10. yes", NULL },
	{ "From: 10.255. yes", NULL },
	{ "From: 192.0.2 yes", NULL },
	{ "From: 2001: yes", NULL },
	{ "From: 2001:db8:0:1: yes", NULL },
	{ "From: 2001:db8:: yes", NULL },
	{ "From: :: yes", NULL },
	{ "From: ::1.2. yes", NULL },
	{ "From: cafe:1 yes", NULL },
	{ "From: cafe yes", "taken for the beginning of an IP address" },
	{ "From: bad.de yes", "taken for the beginning of an IP address" },
	/* the blank that is missing */
	{ "From:192.0.2.1 joe@b.test yes", "is there a blank missing" },
	{ "From: a@b.test and To:c@d.test e@f.test yes", "is there a blank missing" },
	{ "From joe@b.test yes", NULL },
	{ "FromOrTo: joe@b.test yes", NULL },
};

static void check(size_t i)
{
	struct site s;
	size_t n;

	site_open(&s);
	site_file(&s, SITE_MAIN, "Virus Scanning = " RULES "\n");
	site_file(&s, RULES, cases[i].rule);
	site_load(&s);
	n = conf_report_count(s.report);
	T_OK(s.r == 0 &&
		     (cases[i].says == NULL ? n == 0
					    : n == 1 && site_problem(&s, cases[i].says) != NULL),
	     "%s: %s", cases[i].rule, cases[i].says == NULL ? "nothing" : cases[i].says);
	if (n != (cases[i].says != NULL))
		site_show(&s);
	site_close(&s);
}

/* An option that takes any text. */
static void check_third(void)
{
	static const char *const rules[] = {
		"From: a@b.test and To: c@d.test and To: e@f.test text\n",
		"From: a@b.test and To: c@d.test and To others\n",
		"From: a@b.test and more\nFromOrTo: default and so on\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct site s;

		site_open(&s);
		site_file(&s, SITE_MAIN, "Information Header Value = " RULES "\n");
		site_file(&s, RULES, rules[i]);
		site_load(&s);
		T_OK((site_problem(&s, "two conditions at most") != NULL) == (i == 0), "%s",
		     rules[i]);
		site_close(&s);
	}
}

/* Addresses that are IPv4 addresses in IPv6 clothes: networks of them, too. */
static const struct {
	const char *network;
	bool holds; /* 192.0.2.1 */
} mapped[] = {
	{ "::ffff:192.0.2.1/128", true },  { "::ffff:192.0.2.0/120", true },
	{ "::ffff:192.0.3.0/120", false }, { "::ffff:0:0/96", true },
	{ "::ffff:c000:200/120", true },   { "::ffff:0:0/95", false },
	{ "::ffff:192.0.2.0/24", false },  { "::/0", false },
};

static void check_mapped(size_t i)
{
	const struct conf_who who = { .from = "", .client_ip = "::ffff:192.0.2.1" };
	char rules[100];
	struct site s;

	site_open(&s);
	(void)snprintf(rules, sizeof(rules), "From: %s no\n", mapped[i].network);
	site_file(&s, SITE_MAIN, "Virus Scanning = " RULES "\n");
	site_file(&s, RULES, rules);
	site_load(&s);
	T_OK(s.r == 0 && conf_bool(s.conf, OPT_VIRUS_SCANNING, &who) == !mapped[i].holds, "%s",
	     mapped[i].network);
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(i);
	for (size_t i = 0; i < ARRAY_LEN(mapped); i++)
		check_mapped(i);
	check_third();
	return t_done();
}
