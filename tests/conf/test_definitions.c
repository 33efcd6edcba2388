/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_definitions.c - files of definitions: what is told of their lines. */
#include "conf/definitions.h"

#include "tests/conf/site.h"

#define NAMED "/site/named"

static const struct {
	const char *option, *content;
	const char *says; /* NULL: nothing */
	unsigned line, column;
} cases[] = {
	{ "Spam List Definitions", "# none\n\n\tzen \t zen.example.org.\r\nDbl dbl.example.org x\n",
	  NULL, 0, 0 },
	{ "Spam List Definitions", "\xef\xbb\xbfzen zen.example.org\n", NULL, 0, 0 },
	{ "Spam List Definitions", "zen zen.example.org=127.0.0.2\n", NULL, 0, 0 },
	{ "Spam List Definitions", "zen\n", "'zen' is no definition", 1, 1 },
	{ "Spam List Definitions", "a a.org\n zen zen.org x y\n", "'y' is one word too many", 2,
	  16 },
	{ "Spam List Definitions", "zen zen.org # mine\n", "comments in lines of their own", 1,
	  15 },
	{ "Spam List Definitions", "zen zen.org=127.0.0\n", "no IPv4 address behind '='", 1, 5 },
	{ "Spam List Definitions", "zen zen.org=::1\n", "no IPv4 address behind '='", 1, 5 },
	{ "Spam List Definitions", "zen zen.org=\n", "no IPv4 address behind '='", 1, 5 },
	{ "Spam List Definitions", "zen zen\n", "'zen' is no zone", 1, 5 },
	{ "Spam List Definitions", "zen = zen.org\n", "'=' is no zone", 1, 5 },
	{ "Spam List Definitions", "zen http://zen.org/\n", "is no zone", 1, 5 },
	{ "Spam List Definitions", "zen ,zen.org\n", "is no zone", 1, 5 },
	{ "Virus Scanner Definitions", "generic /w /d\nnone /bin/false\n", NULL, 0, 0 },
	{ "Virus Scanner Definitions", "generic\n", "is no definition", 1, 1 },
	{ "Virus Scanner Definitions", "generic /w /d -x\n", "one word too many", 1, 15 },
	{ "Virus Scanner Definitions", "generic wrapper /d\n", "no absolute path", 1, 9 },
	{ "Phishing Safe Sites File", "# x\nexample.org what follows\n*.example.org\n", NULL, 0,
	  0 },
	{ "Phishing Safe Sites File", "a.org\nREMOVE b.org\n", "takes nothing off the list", 2, 1 },
	{ "Phishing Bad Sites File", "Example.org\n", "looked up in lower case", 1, 1 },
	{ "Phishing Bad Sites File", "http://example.org/\n", "expected HOST or *.DOMAIN", 1, 1 },
	{ "Phishing Bad Sites File", "*example.org\n", "expected HOST or *.DOMAIN", 1, 1 },
	{ "Phishing Bad Sites File", "a@example.org\n", "expected HOST or *.DOMAIN", 1, 1 },
	{ "Find Phishing Fraud = no\nPhishing Bad Sites File", "Example.org\n", NULL, 0, 0 },
	{ "Country Sub-Domains List", "co.uk\nac.co.uk what\nuk\n", NULL, 0, 0 },
	{ "Country Sub-Domains List", "co.uk\n  a.b.co.uk\n", "'a.b.co.uk' is skipped", 2, 3 },
	{ "Language Strings", "# x\nSpam = x = y\nscore=\n", NULL, 0, 0 },
	{ "Language Strings", "Spam = x\nscore: x\n", "expected KEY = TEXT", 2, 1 },
	{ "Language Strings", "= x\n", "expected KEY = TEXT", 1, 1 },
};

static void check_case(size_t i)
{
	const struct conf_problem *p;
	char main[300];
	struct site s;

	site_open(&s);
	(void)snprintf(main, sizeof(main), "%s = " NAMED "\n", cases[i].option);
	site_file(&s, SITE_MAIN, main);
	site_file(&s, NAMED, cases[i].content);
	site_load(&s);
	if (s.conf == NULL || conf_report_count(s.report) != 0)
		abort();
	conf_check_definitions(s.conf, s.report);
	p = conf_report_at(s.report, 0);
	if (!T_OK(cases[i].says == NULL
			  ? p == NULL
			  : conf_report_count(s.report) == 1 &&
				    strstr(p->text, cases[i].says) != NULL &&
				    strcmp(p->file, NAMED) == 0 && p->line == cases[i].line &&
				    p->column == cases[i].column,
		  "%s: %.40s", cases[i].option, cases[i].content))
		site_show(&s);
	site_close(&s);
}

/* Several files, rulesets of them, and names that stand in options. */
static void check_names(void)
{
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN,
		  "Phishing Bad Sites File = /site/a /site/b\nLanguage Strings = /site/l.rules\n"
		  "Spam List Definitions = " NAMED "\nSpam List = ZEN, dbl\n"
		  "Spam Domain List = dbl zne\n");
	site_file(&s, "/site/a", "A.org\n");
	site_file(&s, "/site/b", "b.org\nB.org\n");
	site_file(&s, "/site/l.rules", "From: a@b /site/de\nFrom: default /site/en\n");
	site_file(&s, "/site/de", "Spam\n");
	site_file(&s, "/site/en", "Spam = spam\n\nscore\n");
	site_file(&s, NAMED, "zen zen.org\nDBL dbl.org\n");
	site_load(&s);
	T_OK(s.conf != NULL && conf_report_count(s.report) == 0, "a site without mistakes");
	conf_check_definitions(s.conf, s.report);
	conf_report_sort(s.report);
	T_OK(conf_report_count(s.report) == 5, "each file is read: %zu",
	     conf_report_count(s.report));
	T_OK(strcmp(conf_report_at(s.report, 0)->file, "/site/a") == 0 &&
		     conf_report_at(s.report, 1)->line == 2 &&
		     strcmp(conf_report_at(s.report, 2)->file, "/site/de") == 0 &&
		     conf_report_at(s.report, 3)->line == 3,
	     "sorted by file and line");
	T_OK(strstr(conf_report_at(s.report, 4)->text,
		    "Spam Domain List: 'zne' is not defined in " NAMED) != NULL &&
		     conf_report_at(s.report, 4)->line == 5,
	     "a name that no line defines");
	site_close(&s);
}

/* A list of another format must not fill the report. */
static void check_many(void)
{
	AUTO(str_fini) struct str text;
	struct site s;

	str_init(&text, MIB);
	for (unsigned i = 0; i < 10000; i++)
		str_addf(&text, "http://host%u/\n", i);
	site_open(&s);
	site_file(&s, SITE_MAIN, "Phishing Bad Sites File = " NAMED "\n");
	site_file(&s, NAMED, str_view(&text));
	site_load(&s);
	conf_check_definitions(s.conf, s.report);
	T_OK(conf_report_count(s.report) == 51 &&
		     strstr(conf_report_at(s.report, 50)->text, "the rest is not shown") != NULL,
	     "%zu problems of 10,000", conf_report_count(s.report));
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_case(i);
	check_names();
	check_many();
	return t_done();
}
