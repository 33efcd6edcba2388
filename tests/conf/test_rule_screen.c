/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_rule_screen.c - a ruleset with its Hyperscan screen answers as the same one
 * without it: 100,000 comparisons of random rules and messages, seeded, the same on each run.
 */
#include <stdio.h>

#include "conf/conf_internal.h"
#include "conf/rule_screen.h"
#include "core/str.h"
#include "tests/conf/site.h"

#define ROUNDS   50
#define MESSAGES 1000 /* two options, each ROUNDS * MESSAGES */
#define RULES    "/site/test.rules"

static uint64_t seed = 20250301;

static unsigned below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

#define PICK(list) list[below(ARRAY_LEN(list))]

/* ---- random expressions, also such as the screen must leave alone ---- */

static const char *const atoms[] = {
	"a",      "b",       "joe",    "news",        "x",         "[a-f]",   "[^a-f]",   "[jb]o",
	"\\d",    "\\w",     "\\S",    "\\W",         "\\D",       ".",       "\\.",      "@",
	"-",      "[0-9]",   "1",      "example",     "(?:a|b)",   "(joe|b)", "(a|)",     "\\b",
	"^",      "$",       "[\\w.]", "[[:alpha:]]", "(?=j)",     "(?!x)",   "(?i:JOE)", "\\B",
	"[x-]",   "[]a]",    "\\x61",  "(j)\\1",      "\\Qa.b\\E", "[.@]",    "(?<=@)x",  "\\s",
	"[\\-a]", "[a\\]b]", "z",      "\xc3\xa9",    "[\xc3]",    "(?>a+)",  "(*UTF)",   "\\h",
	"E",      "JOE",     "\\/",    "[A-C]",       "[^@]",      "192",     "\\.0\\.",  "dyn",
	"eicar",  "W32",     "Klez",   "(?#remark)b", "\\N",       "\\R",     "\\p{L}",   "(?s:.)",
};
static const char *const repeats[] = { "*",  "+",   "?",    "{2}",   "{1,3}", "{2,}", "*?",
				       "+?", "a++", "{,3}", "{100}", "{x}",   "??" };

static void add_expression(struct str *s)
{
	unsigned n = 1 + below(5);

	str_add_char(s, '/');
	if (below(4) == 0)
		str_add_char(s, '^');
	for (unsigned i = 0; i < n; i++) {
		str_add(s, PICK(atoms));
		if (below(4) == 0)
			str_add(s, PICK(repeats));
		if (below(8) == 0)
			str_add_char(s, '|');
	}
	if (below(4) == 0)
		str_add_char(s, '$');
	str_add_char(s, '/');
}

static const char *const pieces[] = { "a", "b", "joe", "news", "x",   "*",
				      "*", "*", "*",   "@",    ".",   "example",
				      "-", "+", "1",   "*@*",  "dyn", "\xc3\xa9" };

static void add_wildcard(struct str *s)
{
	unsigned n = 2 + below(5);

	str_add_char(s, '*');
	for (unsigned i = 0; i < n; i++)
		str_add(s, PICK(pieces));
	str_add(s, below(2) == 0 ? "*" : "*x");
}

static void add_pattern(struct str *s, bool virus)
{
	static const char *const plain[] = { "joe@x.example", "*@x.example", "192.0.2.0/24", "*",
					     "host:x.example" };
	unsigned kind = below(virus ? 2 : 10);

	if (kind == 9)
		str_add(s, PICK(plain));
	else if (kind >= 7)
		str_add(s, kind == 7 ? "host:" : "host-nocheck:");
	if (kind == 9)
		return;
	if (kind % 2 == 0)
		add_wildcard(s);
	else
		add_expression(s);
}

static void random_rules(struct str *s)
{
	static const char *const directions[] = { "From:", "To:", "FromOrTo:", "FromAndTo:",
						  "Virus:" };
	unsigned n = 45 + below(50);

	str_reset(s);
	for (unsigned i = 0; i < n; i++) {
		const char *d = PICK(directions);

		str_addf(s, "%s ", d);
		add_pattern(s, d[0] == 'V');
		if (below(4) == 0) {
			d = PICK(directions);
			str_addf(s, " and %s ", d);
			add_pattern(s, d[0] == 'V');
		}
		str_addf(s, " v%u\n", i);
	}
}

/* ---- random messages ---- */

struct message {
	struct conf_who who;
	char from[80], to_text[3][80], host[80], report[2][120];
	const char *to[3], *reports[2];
};

static const char *const words[] = { "a",   "b", "joe", "news", "x",        "1",        "-",
				     ".",   "@", "@",   "JOE",  "example",  "\xc3\xa9", "jj",
				     "A.b", "_", "abc", "zz",   "x.example" };

static void random_text(char *out, size_t size, unsigned n)
{
	size_t at = 0;

	out[0] = '\0';
	while (n-- > 0 && at + 12 < size)
		at += (size_t)snprintf(out + at, size - at, "%s", PICK(words));
	if (below(60) == 0 && at + 2 < size)
		memcpy(out + at, below(2) == 0 ? "\n" : "\t", 2);
}

static void random_message(struct message *m)
{
	static const char *const ips[] = { "192.0.2.1", "192.0.2.77", "10.1.2.3", "2001:db8::1",
					   "garbage" };
	static const char *const found[] = { "eicar", "W32/Klez", " a b ", "\n", "joe.exe x" };

	memset(m, 0, sizeof(*m));
	random_text(m->from, sizeof(m->from), below(8));
	m->who.from = m->from;
	m->who.to_n = below(4);
	for (size_t i = 0; i < m->who.to_n; i++) {
		random_text(m->to_text[i], sizeof(m->to_text[i]), 1 + below(8));
		m->to[i] = m->to_text[i];
	}
	m->who.to = m->to;
	m->who.client_ip = below(6) == 0 ? NULL : PICK(ips);
	random_text(m->host, sizeof(m->host), below(6));
	m->who.client_host = below(3) == 0 ? NULL : m->host;
	m->who.client_host_checked = below(3) == 0 ? NULL : m->host;
	m->who.reports_n = below(3);
	for (size_t i = 0; i < m->who.reports_n; i++) {
		(void)snprintf(m->report[i], sizeof(m->report[i]), "%s%s%s", PICK(found),
			       PICK(words), PICK(found));
		m->reports[i] = m->report[i];
	}
	m->who.reports = m->reports;
}

/* ---- the comparison ---- */

struct sums {
	unsigned differ, matched, compared;
	size_t screened, rest;
};

static bool same(const struct rule_hits *a, const struct rule_hits *b)
{
	return a->n == b->n && memcmp(a->list, b->list, a->n * sizeof(*a->list)) == 0;
}

static void compare(const struct ruleset *rs, struct sums *sums)
{
	struct ruleset bare = *rs;

	bare.screen = NULL;
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct rule_hits fast, slow;
		struct message m;

		random_message(&m);
		rule_hits_init(&fast);
		rule_hits_init(&slow);
		ruleset_match(rs, &m.who, MANY_EACH, &fast);
		ruleset_match(&bare, &m.who, MANY_EACH, &slow);
		if (!same(&fast, &slow) && sums->differ++ < 3)
			printf("# differs: from '%s', first %u against %u\n", m.from,
			       fast.n > 0 ? rs->rules[fast.list[0]].line : 0,
			       slow.n > 0 ? rs->rules[slow.list[0]].line : 0);
		sums->matched += slow.n > 0;
		sums->compared++;
		rule_hits_fini(&fast);
		rule_hits_fini(&slow);
	}
}

static void load(struct site *s, enum opt_id id, const char *rules)
{
	char text[100];

	(void)snprintf(text, sizeof(text), "%s = %s\n", opt_rows[id].name, RULES);
	site_open(s);
	site_file(s, SITE_MAIN, text);
	site_file(s, RULES, rules);
	site_load(s);
	if (s->conf == NULL || s->conf->settings[id].rules == NULL)
		abort();
}

static void check_same(enum opt_id id, const char *what, struct sums *sums)
{
	struct sums mine = { .differ = 0 };
	AUTO(str_fini) struct str rules;

	str_init(&rules, MIB);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct ruleset *rs;
		struct site s;

		random_rules(&rules);
		load(&s, id, str_view(&rules));
		rs = s.conf->settings[id].rules;
		mine.screened += rs->screen == NULL ? 0 : rule_screen_count(rs->screen);
		mine.rest += rs->linear_n;
		compare(rs, &mine);
		site_close(&s);
	}
	T_OK(mine.differ == 0, "%s: %u of %u differ", what, mine.differ, mine.compared);
	T_OK(mine.matched > mine.compared / 4, "  %u match something", mine.matched);
	T_OK(mine.screened > mine.rest / 3, "  %zu of %zu conditions are screened", mine.screened,
	     mine.rest);
	sums->compared += mine.compared;
}

/* ---- single things ---- */

static void add_many(struct str *s, const char *head, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		str_addf(s, "From: /%s%ux/ v%u\n", head, i, i);
}

static void check_sizes(void)
{
	AUTO(str_fini) struct str rules;
	const struct ruleset *rs;
	struct site s;

	str_init(&rules, MIB);
	add_many(&rules, "joe", 15);
	load(&s, OPT_SPAM_ACTIONS, str_view(&rules));
	T_OK(s.conf->settings[OPT_SPAM_ACTIONS].rules->screen == NULL, "15 are not worth it");
	site_close(&s);

	add_many(&rules, "jim", 9000);
	load(&s, OPT_SPAM_ACTIONS, str_view(&rules));
	rs = s.conf->settings[OPT_SPAM_ACTIONS].rules;
	T_OK(rs->screen != NULL && rule_screen_count(rs->screen) == 9015, "9,015 in chunks");
	for (unsigned i = 0; i < 9000; i += 4499) {
		char from[40], want[20];
		struct conf_who who = { .from = from };

		(void)snprintf(from, sizeof(from), "jim%ux@a", i);
		(void)snprintf(want, sizeof(want), "v%u", i);
		T_OK(strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &who), want) == 0, "%s", from);
	}
	T_OK(conf_report_count(s.report) == 0, "without a word");
	site_close(&s);
}

static void check_rest(void)
{
	AUTO(str_fini) struct str rules;
	struct site s;

	str_init(&rules, MIB);
	add_many(&rules, "(?=j)joe", 1200);
	load(&s, OPT_SPAM_ACTIONS, str_view(&rules));
	T_OK(site_problem(&s, "tried one by one") != NULL, "what cannot be screened is said");
	site_close(&s);
}

/* More recipients than candidates fit, each with its own match. */
static void check_crowd(void)
{
	static char text[700][24];
	static const char *to[700];
	struct conf_who who = { .from = "", .to = to, .to_n = ARRAY_LEN(to) };
	AUTO(str_fini) struct str rules;
	struct rule_hits hits;
	unsigned right = 0;
	struct site s;

	str_init(&rules, MIB);
	for (unsigned i = 0; i < ARRAY_LEN(to); i++) {
		str_addf(&rules, "To: /^jim%ux/ v%u\n", i, i);
		(void)snprintf(text[i], sizeof(text[i]), "jim%ux@a", i);
		to[i] = text[i];
	}
	load(&s, OPT_SILENT_VIRUSES, str_view(&rules));
	rule_hits_init(&hits);
	ruleset_match(s.conf->settings[OPT_SILENT_VIRUSES].rules, &who, MANY_EACH, &hits);
	for (uint32_t i = 0; i < hits.n; i++)
		right += hits.list[i] == i;
	T_OK(hits.n == ARRAY_LEN(to) && right == ARRAY_LEN(to),
	     "700 recipients, 700 rules: %zu, %u in their places", hits.n, right);
	rule_hits_fini(&hits);
	site_close(&s);
}

/* The second loader of one source gets what the first made. */
static void check_made(void)
{
	AUTO(str_fini) struct str rules;
	struct conf_who who = { .from = "joe7x@a" };
	AUTO(conf_unref) struct conf *again = NULL;
	struct bytes kept;
	struct site s;

	str_init(&rules, MIB);
	add_many(&rules, "^joe", 40);
	load(&s, OPT_SPAM_ACTIONS, str_view(&rules));
	T_OK(s.source->made(s.source, "expressions", &kept) < 0, "nobody made that");
	T_OK(conf_load(&again, s.source, SITE_MAIN, s.report, &s.err) == 0 &&
		     again->settings[OPT_SPAM_ACTIONS].rules->screen != NULL &&
		     strcmp(conf_str(again, OPT_SPAM_ACTIONS, &who), "v7") == 0,
	     "a second load");
	site_close(&s);
}

int main(void)
{
	struct sums sums = { .differ = 0 };

	check_same(OPT_SPAM_ACTIONS, "first match", &sums);
	check_same(OPT_SILENT_VIRUSES, "all matches", &sums);
	T_OK(sums.compared >= 100000, "%u comparisons", sums.compared);
	check_sizes();
	check_rest();
	check_crowd();
	check_made();
	return t_done();
}
