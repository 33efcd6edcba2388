/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recipients by the values rulesets give them: who is in which group, what differs between two. */
#include "conf/recipients.h"

#include <errno.h>
#include <stdio.h>

#include "tests/conf/site.h"

#define RULES  "/site/test.rules"
#define TO_MAX 8

static struct arena *arena;

/* "0120-": the group of each recipient, '-' in none. */
static const char *groups_text(const struct conf_groups *g, size_t to_n)
{
	static char text[TO_MAX + 1];

	for (size_t i = 0; i < to_n; i++)
		text[i] = g->of[i] == CONF_NO_GROUP ? '-' : (char)('0' + g->of[i]);
	text[to_n] = '\0';
	return text;
}

static const struct {
	const char *option, *rules, *to;
	size_t max;
	bool matters;
	const char *want; /* NULL: not asked */
} cases[] = {
	{ "Maximum Message Size", "To: a@x 5\nTo: b@x 7\nFromOrTo: default 0\n", "a@x b@x c@x a@x",
	  100, true, "0120" },
	{ "Maximum Message Size", "From: s@y 5\nFromOrTo: default 0\n", "a@x b@x", 100, false,
	  "00" },
	{ "Maximum Message Size", "FromOrTo: *@x 5\nFromOrTo: default 0\n", "a@x b@y", 100, true,
	  "01" },
	{ "Maximum Message Size", "FromAndTo: *@x 5\nFromOrTo: default 0\n", "a@x b@y", 100, true,
	  "00" },
	/* the same value by another rule or from the default */
	{ "Maximum Message Size", "To: a@x 5\nTo: b@x 5\nFromOrTo: default 5\n", "a@x b@x c@x", 100,
	  true, "000" },
	/* what two recipients would get together only */
	{ "Maximum Message Size", "To: a@x and To: b@x 5\nFromOrTo: default 0\n", "a@x b@x", 100,
	  true, "00" },
	{ "Maximum Message Size", "From: s@y and To: b@x 5\nFromOrTo: default 0\n", "a@x b@x", 100,
	  true, "01" },
	/* all matches: joined values of one recipient are one value */
	{ "Virus Scanning", "To: *@x yes\nTo: a@x no\nFromOrTo: default yes\n", "a@x b@x c@y", 100,
	  true, "011" },
	{ "Virus Scanning", "To: b@x no\nFromOrTo: default yes\n", "a@x b@x c@x b@x", 100, true,
	  "0101" },
	/* more groups than wanted: the last place is for those in none */
	{ "Maximum Message Size", "To: a@x 1\nTo: b@x 2\nTo: c@x 3\nFromOrTo: default 0\n",
	  "a@x b@x c@x d@x", 4, true, "0123" },
	{ "Maximum Message Size", "To: a@x 1\nTo: b@x 2\nTo: c@x 3\nFromOrTo: default 0\n",
	  "a@x b@x c@x a@x d@x b@x", 3, true, "01-0-1" },
	{ "Maximum Message Size", "To: a@x 1\nTo: b@x 2\nTo: c@x 3\nFromOrTo: default 0\n",
	  "a@x b@x c@x a@x b@x", 2, true, "0--0-" },
};

static struct conf *load(const char *path, const char *rules, const char *main_text)
{
	struct conf *c;
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, main_text);
	site_file(&s, RULES, rules);
	if (path != NULL)
		site_file(&s, path,
			  "To: *@d1.test yes\nTo: *@d1.test no\nTo: *.test yes\n"
			  "FromOrTo: default no\n");
	site_load(&s);
	c = s.conf == NULL ? NULL : conf_ref(s.conf);
	T_OK(c != NULL && conf_report_count(s.report) == 0, "loads: %s",
	     conf_report_count(s.report) == 0 ? s.err.text : conf_report_at(s.report, 0)->text);
	site_close(&s);
	return c;
}

static void test_case(size_t i)
{
	enum opt_id id = opt_find(bytes_str(cases[i].option));
	const char *to[TO_MAX];
	struct conf_who who = { .from = "s@y", .to = to, .client_ip = "192.0.2.1" };
	char words[256], text[256], *save = NULL;
	struct conf_groups g;
	struct conf *c;
	struct err err;

	(void)snprintf(text, sizeof(text), "%s = " RULES "\n", cases[i].option);
	c = load(NULL, cases[i].rules, text);
	if (c == NULL)
		return;
	(void)snprintf(words, sizeof(words), "%s", cases[i].to);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		to[who.to_n++] = w;
	arena_reset(arena);
	T_OK(conf_recipient_matters(c, id) == cases[i].matters, "%zu: %s recipients", i,
	     cases[i].matters ? "asks for" : "does not ask for");
	/* First: what T_OK() shows is evaluated before its condition. */
	if (!T_OK(conf_group_recipients(c, &who, &id, 1, cases[i].max, arena, &g, &err) == 0,
		  "  %s can be grouped", cases[i].to))
		return;
	T_OK(strcmp(groups_text(&g, who.to_n), cases[i].want) == 0, "  groups of %s: %s",
	     cases[i].to, groups_text(&g, who.to_n));
	T_OK(g.more == (strchr(cases[i].want, '-') != NULL), "  somebody in none: %d", g.more);
	T_OK(g.n < 2 || (conf_groups_differ(&g, 0, 1, &id, 1) == id &&
			 conf_groups_differ(&g, 0, 0, &id, 1) == OPT_ROWS &&
			 conf_groups_differ(&g, 0, 1, NULL, 0) == OPT_ROWS),
	     "  what differs");
	conf_unref(&c);
}

/* More options than joined values last (conf.h), of both kinds, and many recipients. */
static void test_many(void)
{
	static const enum opt_id ids[] = {
		OPT_VIRUS_SCANNING,
		OPT_DANGEROUS_CONTENT_SCANNING,
		OPT_ALLOW_PARTIAL_MESSAGES,
		OPT_ALLOW_EXTERNAL_MESSAGE_BODIES,
		OPT_FIND_UU_ENCODED_FILES,
		OPT_BLOCK_ENCRYPTED_MESSAGES,
		OPT_BLOCK_UNENCRYPTED_MESSAGES,
		OPT_MARK_UNSCANNED_MESSAGES,
		OPT_ADD_ENVELOPE_FROM_HEADER,
		OPT_MAXIMUM_MESSAGE_SIZE,
	};
	static char names[3000][32];
	static const char *to[3000];
	struct conf_who who = { .from = "s@y", .to = to, .to_n = ARRAY_LEN(to) };
	char more[2048] = "Maximum Message Size = " RULES "\n";
	struct conf_groups g;
	struct conf *c;
	struct err err;
	bool ok = true;

	for (size_t i = 0; i + 1 < ARRAY_LEN(ids); i++)
		(void)snprintf(more + strlen(more), sizeof(more) - strlen(more),
			       "%s = /site/bool.rules\n", opt_rows[ids[i]].name);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "u%zu@d%zu.test", i, i % 3);
		to[i] = names[i];
	}
	c = load("/site/bool.rules", "To: *@d2.test 9\nFromOrTo: default 0\n", more);
	if (c == NULL)
		return;
	arena_reset(arena);
	if (!T_OK(conf_group_recipients(c, &who, ids, ARRAY_LEN(ids), 100, arena, &g, &err) == 0,
		  "3,000 recipients, %zu options", ARRAY_LEN(ids)))
		return;
	T_OK(g.n == 3, "  %zu groups", g.n);
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		ok &= g.of[i] == i % 3;
	T_OK(ok && g.first[0] == 0 && g.first[1] == 1 && g.first[2] == 2,
	     "  each in the right one");
	T_OK(conf_groups_differ(&g, 0, 2, ids, ARRAY_LEN(ids)) == OPT_MAXIMUM_MESSAGE_SIZE,
	     "  two groups differ in one option only");
	for (size_t max = 0; max < 256 * 1024; max += 1024) {
		struct arena *small = arena_new(max);
		int r = conf_group_recipients(c, &who, ids, ARRAY_LEN(ids), 100, small, &g, &err);

		ok &= r == 0 || (r == -ENOMEM && err.kind == ERR_LIMIT);
		arena_free(&small);
	}
	T_OK(ok, "  with little memory: an error, never half an answer");
	conf_unref(&c);
}

static void test_joins(void)
{
	static const struct {
		const char *text;
		bool joins;
	} rows[] = {
		{ "", false },
		{ "Recipient Values = split\n", false },
		{ "Recipient Values = join\n", true },
		{ "Recipient Values = Join\n", true },
		{ "Compatibility = mailscanner\n", true },
		{ "Use Default Rules With Multiple Recipients = yes\n", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf *c = load(NULL, "", rows[i].text);

		T_OK(c != NULL && conf_joins_recipients(c) == rows[i].joins,
		     "%zu: recipients are %s", i, rows[i].joins ? "joined" : "split");
		conf_unref(&c);
	}
}

int main(void)
{
	arena = arena_new(4 * MIB);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		test_case(i);
	test_many();
	test_joins();
	arena_free(&arena);
	return t_done();
}
