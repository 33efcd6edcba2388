/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_explain.c - what check says about configurations without mistakes. */
#include "conf/explain.h"

#include "tests/conf/tree.h"

#define RULES "/site/test.rules"

static const struct {
	const char *rules;
	const char *says; /* NULL: nothing */
	unsigned line;
} orders[] = {
	{ "From: a@b one\nFrom: c@d two\n", NULL, 0 },
	{ "From: a@b one\nFrom: a@b two\n", "line 1 matches all", 2 },
	{ "From: a@b one\nTo: a@b two\n", NULL, 0 },
	{ "FromOrTo: a@b one\nTo: a@b two\n", "line 1 matches all", 2 },
	{ "FromOrTo: a@b one\nFrom: a@b two\n", "line 1 matches all", 2 },
	{ "From: a@b one\nFromOrTo: a@b two\n", NULL, 0 },
	{ "From: a@b one\nFromAndTo: a@b two\n", "line 1 matches all", 2 },
	{ "FromAndTo: a@b one\nFrom: a@b two\n", NULL, 0 },
	{ "From: *@b one\nFrom: a@b two\n", "line 1 matches all", 2 },
	{ "From: a@b one\nFrom: *@b two\n", NULL, 0 },
	{ "From: *.org one\nFrom: x.org two\n", "line 1 matches all", 2 },
	{ "From: *.org one\nFrom: *.x.org two\n", "line 1 matches all", 2 },
	{ "From: *.x.org one\nFrom: x.org two\n", NULL, 0 },
	{ "From: joe@ one\nFrom: joe@x.org two\n", "line 1 matches all", 2 },
	{ "From: joe@ one\nFrom: x.org two\n", NULL, 0 },
	{ "From: j*@x.org one\nFrom: joe@x.org two\n", "line 1 matches all", 2 },
	{ "From: j*@x.org one\nFrom: x.org two\n", NULL, 0 },
	{ "From: /^j/ one\nFrom: joe@x.org two\n", "line 1 matches all", 2 },
	{ "From: /x.org$/ one\nFrom: x.org two\n", NULL, 0 },
	{ "From: a@b and To: c@d one\nFrom: a@b two\n", NULL, 0 },
	{ "From: a@b one\nFrom: a@b and To: c@d two\n", "line 1 matches all", 2 },
	{ "To: c@d one\nFrom: a@b and To: c@d two\n", "line 1 matches all", 2 },
	{ "From: 192.0. one\nFrom: 192.0.2. two\n", "line 1 matches all", 2 },
	{ "From: 192.0.2. one\nFrom: 192.0. two\n", NULL, 0 },
	{ "From: 10.0.0.0/8 one\nFrom: 10.1.0.0/16 two\n", "line 1 matches all", 2 },
	{ "From: 10.1.0.0/16 one\nFrom: 10.0.0.0/8 two\n", NULL, 0 },
	{ "From: 10.0.0.0/8 one\nFrom: 10.2.3.4 two\n", "line 1 matches all", 2 },
	{ "From: 10.0.0.0/8 one\nFromOrTo: 10.2.3.4 two\n", NULL, 0 },
	{ "From: 10.2. one\nFrom: 10.2.3.4 two\n", "line 1 matches all", 2 },
	{ "From: 10.2. one\nFrom: 10.2.3.0/24 two\n", NULL, 0 },
	{ "From: 10.0.0.0-10.0.0.99 one\nFrom: 10.0.0.7 two\n", "line 1 matches all", 2 },
	{ "From: 10.0.0.0/24 one\nFrom: 10.0.0.0-10.0.1.9 two\n", NULL, 0 },
	{ "From: 2001:db8::/32 one\nFrom: 2001:db8::1 two\n", "line 1 matches all", 2 },
	{ "From: host:a.test one\nFrom: host:mx.a.test two\n", "line 1 matches all", 2 },
	{ "From: host:mx.a.test one\nFrom: host:a.test two\n", NULL, 0 },
	{ "From: host:a.test one\nFrom: host-nocheck:mx.a.test two\n", NULL, 0 },
	{ "From: a@b one\nFrom: x.org two\nFrom: joe@x.org three\n", "line 2 matches all", 3 },
	{ "From: default one\nTo: default two\n", "default is set again at line 2", 1 },
	{ "From: default one\nTo: default one\n", NULL, 0 },
	{ "From: default one\nFrom: a@b two\n", NULL, 0 },
	/* conditions that exclude each other */
	{ "From: a@b and From: c@d one\n", "no sender is both", 1 },
	{ "From: a@b and From: *@b one\n", NULL, 0 },
	{ "From: a@b and To: c@d one\n", NULL, 0 },
	{ "From: a@b and From: 10.2.3.4 one\n", NULL, 0 },
	{ "From: a@b and From: /^c/ one\n", NULL, 0 },
	{ "To: a@b and To: c@d one\n", "no recipient is both", 1 },
	{ "To: x.org and To: a@y.org one\n", "no recipient is both", 1 },
	{ "To: x.org and To: y.org one\n", "no recipient is both", 1 },
	{ "To: x.org and To: *.y.org one\n", "no recipient is both", 1 },
	{ "To: mx.x.org and To: *.x.org one\n", NULL, 0 },
	{ "To: a*@x.org and To: x.org one\n", NULL, 0 },
	{ "To: a@x.org and To: a@x.org. one\n", NULL, 0 },
	{ "FromOrTo: a@b and FromOrTo: c@d one\n", NULL, 0 },
	{ "From: 10.1 one\n", "write '10.1.'", 1 },
	{ "From: 10.1. one\n", NULL, 0 },
	{ "From: 192.168 one\n", NULL, 0 },
	{ "From: 10 one\n", "write '10.'", 1 },
	{ "From: 10.0 one\n", NULL, 0 },
	{ "From: 25 one\n", "write '25.'", 1 },
	{ "From: 26 one\n", NULL, 0 },
	{ "From: 2001:db8:1 one\n", NULL, 0 },
	{ "To: a@b one\nFromAndTo: a@b two\n", "line 1 matches all", 2 },
	{ "To: a@b one\nFromOrTo: a@b two\n", NULL, 0 },
	{ "FromOrTo: a@b one\nVirus: a@b two\n", NULL, 0 },
	{ "From: a@b and To: c@d one\nFrom: a@b and To: c@d two\n", NULL, 0 },
	{ "From: a@b one\nTo: c@d and From: a@b two\n", "line 1 matches all", 2 },
	{ "From: /^10\\.0\\.0\\.0$/ one\nFrom: 10.0.0.0/8 two\n", NULL, 0 },
	{ "From: /^10\\.0\\.0\\.1$/ one\nFrom: 10.0.0.1 two\n", NULL, 0 },
	{ "From: 10.0.0.0/24 one\nFrom: 10.0.0.0/24 two\n", "line 1 matches all", 2 },
	{ "From: 10.0.0.0/25 one\nFrom: 10.0.0.0/24 two\n", NULL, 0 },
	{ "From: host: one\nFrom: host:a.test two\n", NULL, 0 },
	{ "From: host:a.test one\nFrom: host: two\n", NULL, 0 },
	{ "From: host-nocheck:a.test one\nFrom: host-nocheck:mx.a.test two\n", "line 1 matches all",
	  2 },
	{ "From: 192.0.2.1 one\nFrom: 192.0.2.1 two\n", "line 1 matches all", 2 },
	{ "From: 192.0.2.1 one\nFrom: 192.0.2.2 two\n", NULL, 0 },
};

/* The first problem about the rules. */
static const struct conf_problem *of_rules(const struct site *s)
{
	const struct conf_problem *p = NULL;

	for (size_t i = 0; i < conf_report_count(s->report); i++) {
		p = conf_report_at(s->report, i);
		if (strcmp(p->file, RULES) == 0)
			return p;
	}
	return NULL;
}

static void check_order(size_t i)
{
	const struct conf_problem *p;
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, "Attachments Zip Filename = " RULES "\n");
	site_file(&s, RULES, orders[i].rules);
	site_load(&s);
	conf_report_free(&s.report);
	s.report = conf_report_new();
	if (s.conf == NULL || s.report == NULL)
		abort();
	conf_explain(s.conf, s.report);
	p = of_rules(&s);
	if (!T_OK(orders[i].says == NULL ? p == NULL
					 : p != NULL && p->line == orders[i].line &&
						   strstr(p->text, orders[i].says) != NULL,
		  "%.50s", orders[i].rules))
		site_show(&s);
	site_close(&s);
}

static const struct {
	const char *text, *says;
	unsigned line;
} notes[] = {
	{ "Max Children = 5\n\nChildren = 6\n", "Max Children is set again at line 3", 1 },
	{ "%a% = 1\nMax Children = %a%\n%a% = 2\n", "%a% is changed here, but", 3 },
	{ "%a% = 1\n%a% = 2\nMax Children = %a%\n", NULL, 0 },
	{ "%a% = 1\nMax Children = %a%\n%a% = 1\n", NULL, 0 },
	{ "%a% = 1\nDB Password = %a%\n%a% = 2\n", NULL, 0 },
	{ "Information Header Value = x.customize\n", "looks like a ruleset in a database", 1 },
	{ "Information Header Value = We customize mail\n", NULL, 0 },
	{ "\nRestart Every = 77\n", "Restart Every is accepted without effect", 2 },
	{ "Restart Every = 7200\n", NULL, 0 },
	{ "Restart Every = 14400\n", NULL, 0 },
	{ "MCP Checks = yes\n", "it waits for message content protection, which is not built yet",
	  1 },
	{ "MCP Checks = no\n", NULL, 0 },
	{ "Max Children = 6\n", NULL, 0 },
	{ "Max Children = 6\ninclude /site/more\n", NULL, 0 },
};

static void check_note(size_t i)
{
	const struct conf_problem *p;
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, notes[i].text);
	site_file(&s, "/site/more", "Max Children = 7\n");
	site_load(&s);
	T_OK(s.conf != NULL && conf_report_count(s.report) == 0, "no mistake: %s", notes[i].text);
	conf_explain(s.conf, s.report);
	p = conf_report_at(s.report, 0);
	if (!T_OK(notes[i].says == NULL ? p == NULL
					: p != NULL && strstr(p->text, notes[i].says) != NULL &&
						  p->line == notes[i].line,
		  "  %s", notes[i].says == NULL ? "nothing to say" : notes[i].says))
		site_show(&s);
	site_close(&s);
}

static void check_changed(void)
{
	AUTO(str_fini) struct str text;
	const char *file;
	struct site s;
	size_t lines;

	str_init(&text, 1000);
	site_open(&s);
	site_file(&s, SITE_MAIN,
		  "Max Children = 5\nMax Normal Queue Size = 900\nScan Messages = " RULES "\n");
	site_file(&s, RULES, "To: x@y.org virus\nFromOrTo: default no\n");
	site_load(&s);
	T_OK(!conf_is_changed(s.conf, OPT_MAX_CHILDREN), "set to its default");
	T_OK(!conf_is_changed(s.conf, OPT_MTA), "not set");
	T_OK(conf_is_changed(s.conf, OPT_MAX_NORMAL_QUEUE_SIZE), "changed");
	T_OK(conf_is_changed(s.conf, OPT_SCAN_MESSAGES), "a ruleset");
	conf_describe(s.conf, OPT_SCAN_MESSAGES, &text);
	T_OK(strcmp(str_view(&text), "RULESET:Default=no") == 0, "%s", str_view(&text));
	file = conf_ruleset(s.conf, OPT_SCAN_MESSAGES, &lines);
	T_OK(file != NULL && strcmp(file, RULES) == 0 && lines == 1,
	     "its file, and a line beside the default");
	T_OK(conf_ruleset(s.conf, OPT_MAX_CHILDREN, &lines) == NULL, "no ruleset");
	T_OK(conf_function(s.conf, OPT_SCAN_MESSAGES) == NULL, "no function");
	str_reset(&text);
	conf_describe_place(s.conf, OPT_MAX_NORMAL_QUEUE_SIZE, &text);
	str_add_char(&text, ' ');
	conf_describe_place(s.conf, OPT_MTA, &text);
	T_OK(strcmp(str_view(&text), SITE_MAIN ":2 default") == 0, "%s", str_view(&text));
	site_close(&s);
}

/* Where all matches count, a rule behind another one is not idle. */
static void check_all_matches(void)
{
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, "Silent Viruses = " RULES "\n");
	site_file(&s, RULES, "From: a@b one\nFrom: a@b two\n");
	site_load(&s);
	if (s.conf == NULL)
		abort();
	conf_explain(s.conf, s.report);
	T_OK(site_problem(&s, "never decides") == NULL, "all matches: nothing to say");
	site_close(&s);
}

/* Rules of a first-match option, and what is known about the client. */
static const struct {
	const char *rules, *host, *checked;
	bool lacks;
} lacking[] = {
	{ "From: host:a 1\n", NULL, NULL, true },
	{ "From: host:a 1\n", "b", NULL, true },
	{ "From: host:a 1\n", NULL, "b", false },
	{ "From: host-nocheck:a 1\n", NULL, "b", true },
	{ "From: host-nocheck:a 1\n", "b", NULL, false },
	{ "From: @s 1\nFrom: host:a 2\n", NULL, NULL, false }, /* decided before */
	{ "From: host:a 2\nFrom: @s 1\n", NULL, NULL, true },
	{ "From: @x 1\nFrom: host:a 2\n", NULL, NULL, true },
	{ "From: @s and From: host:a 1\n", NULL, NULL, true },
	{ "FromOrTo: host:a 1\n", NULL, NULL, true },
	{ "From: @s 1\n", NULL, NULL, false },
	{ "From: default 1\n", NULL, NULL, false },
};

static void check_lacking(size_t i)
{
	struct conf_who who = { .from = "f@s",
				.client_host = lacking[i].host,
				.client_host_checked = lacking[i].checked };
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, "Maximum Message Size = " RULES "\n");
	site_file(&s, RULES, lacking[i].rules);
	site_load(&s);
	T_OK(conf_lacks_host(s.conf, OPT_MAXIMUM_MESSAGE_SIZE, &who) == lacking[i].lacks,
	     "%zu: the client's name %s matter", i, lacking[i].lacks ? "could" : "cannot");
	T_OK(!conf_lacks_host(s.conf, OPT_MAX_CHILDREN, &who), "  nor where there are no rules");
	site_close(&s);
}

/* One recipient that stands for several, as the option is asked, too: *@* with Compatibility. */
static void check_lacking_for_many(void)
{
	static const char *const to[] = { "x@y", "z@y" };
	const struct conf_who who = { .from = "f@s", .to = to, .to_n = 2 };

	for (int compatible = 0; compatible < 2; compatible++) {
		struct site s;

		site_open(&s);
		site_file(&s, SITE_MAIN,
			  compatible ? "Compatibility = mailscanner\n"
				       "Use Default Rules With Multiple Recipients = yes\n"
				       "Maximum Message Size = " RULES "\n"
				     : "Use Default Rules With Multiple Recipients = yes\n"
				       "Maximum Message Size = " RULES "\n");
		site_file(&s, RULES, "To: *@y 1\nFrom: host:a 2\nFromOrTo: default 3\n");
		site_load(&s);
		T_OK(conf_num(s.conf, OPT_MAXIMUM_MESSAGE_SIZE, &who) == (compatible ? 3 : 1) &&
			     conf_lacks_host(s.conf, OPT_MAXIMUM_MESSAGE_SIZE, &who) ==
				     (compatible == 1),
		     "recipients who are one: %s", compatible ? "*@*" : "*@y");
		site_close(&s);
	}
}

static void check_stock(void)
{
	struct site s;

	tree_site(&s);
	s.r = conf_load(&s.conf, s.source, TREE_MAIN, s.report, &s.err);
	if (s.conf != NULL)
		conf_explain(s.conf, s.report);
	if (!T_OK(s.r == 0 && conf_report_count(s.report) == 0, "the stock configuration: nothing"))
		site_show(&s);
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		check_order(i);
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		check_note(i);
	check_changed();
	check_all_matches();
	for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
		check_lacking(i);
	check_lacking_for_many();
	check_stock();
	return t_done();
}
