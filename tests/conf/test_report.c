/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_report.c - mistakes as people read them: where, what, and how many at most. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "core/str.h"
#include "tests/t.h"

#define SHOWN 10000 /* conf.h */

static const struct {
	const char *file;
	unsigned line, column;
	const char *place, *without_column;
} places[] = {
	{ "/etc/m.conf", 7, 12, "/etc/m.conf:7:12", "/etc/m.conf:7" },
	{ "/etc/m.conf", 7, 0, "/etc/m.conf:7:0", "/etc/m.conf:7" },
	{ "SQL Ruleset spam", 3, 5, "SQL Ruleset spam row 3", "SQL Ruleset spam row 3" },
	{ "LDAP Ruleset spam", 4, 5, "LDAP Ruleset spam row 4", "LDAP Ruleset spam row 4" },
	{ "/SQL x", 1, 2, "/SQL x:1:2", "/SQL x:1" },
	{ "SQLite", 1, 2, "SQLite:1:2", "SQLite:1" },
	{ "", 1, 2, ":1:2", ":1" },
};

static void check_places(void)
{
	AUTO(conf_report_free) struct conf_report *r = conf_report_new();
	AUTO(str_fini) struct str place, shorter;

	str_init(&place, 200);
	str_init(&shorter, 200);
	if (r == NULL)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		conf_report_add(r, CONF_ERROR, places[i].file, places[i].line, places[i].column,
				"wrong");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		str_reset(&place);
		str_reset(&shorter);
		conf_problem_place(conf_report_at(r, i), &place);
		conf_place_add(&shorter, places[i].file, places[i].line);
		T_OK(strcmp(str_view(&place), places[i].place) == 0, "%s", str_view(&place));
		T_OK(strcmp(str_view(&shorter), places[i].without_column) == 0, "  %s",
		     str_view(&shorter));
	}
	T_OK(conf_report_count(r) == ARRAY_LEN(places) &&
		     conf_report_at(r, ARRAY_LEN(places)) == NULL,
	     "no more than there are");
}

/* A file's bytes must not steer the terminal, and one mistake is one line. */
static void check_text(void)
{
	AUTO(conf_report_free) struct conf_report *r = conf_report_new();
	char longer[2000];

	if (r == NULL)
		abort();
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	conf_report_add(r, CONF_WARNING, "/f", 1, 1, "a\033[31mb\nc\177d 100%s");
	conf_report_add(r, CONF_ERROR, "/f", 1, 1, longer);
	T_OK(strcmp(conf_report_at(r, 0)->text, "a?[31mb?c?d 100%s") == 0, "printable: %s",
	     conf_report_at(r, 0)->text);
	T_OK(conf_report_at(r, 0)->severity == CONF_WARNING &&
		     conf_report_at(r, 1)->severity == CONF_ERROR,
	     "how bad");
	T_OK(strlen(conf_report_at(r, 1)->text) == 511, "of bounded length");
	conf_report_add(NULL, CONF_ERROR, "/f", 1, 1, "nobody wants to know");
}

static void check_many(void)
{
	AUTO(conf_report_free) struct conf_report *r = conf_report_new();
	const struct conf_problem *p;
	unsigned wrong = 0;
	char text[32];

	if (r == NULL)
		abort();
	for (unsigned i = 0; i < SHOWN + 20; i++) {
		(void)snprintf(text, sizeof(text), "problem %u", i);
		conf_report_add(r, CONF_ERROR, i % 3 == 0 ? "/a" : "/b", i, 1, text);
	}
	for (unsigned i = 0; i < SHOWN; i++) {
		p = conf_report_at(r, i);
		(void)snprintf(text, sizeof(text), "problem %u", i);
		wrong += p == NULL || strcmp(p->text, text) != 0 || p->line != i ||
			 strcmp(p->file, i % 3 == 0 ? "/a" : "/b") != 0;
	}
	T_OK(conf_report_count(r) == SHOWN + 1 && wrong == 0, "ten thousand as they came");
	p = conf_report_at(r, SHOWN);
	T_OK(p != NULL && strstr(p->text, "more than 10000 problems") != NULL,
	     "then one that says so");
}

int main(void)
{
	check_places();
	check_text();
	check_many();
	return t_done();
}
