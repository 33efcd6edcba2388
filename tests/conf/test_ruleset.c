/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_ruleset.c - rulesets: lines, patterns, directions, defaults, joined values. */
#include <stdio.h>

#include "conf/pattern.h"
#include "core/str.h"
#include "tests/conf/asked.h"
#include "tests/conf/site.h"

#define RULES "/site/test.rules"

/* ---- whole rulesets ---- */

static const struct {
	enum opt_id id;
	const char *rules, *who;
	const char *want; /* internal value; who NULL: asked without a message */
} sets[] = {
	/* first match, in file order */
	{ OPT_SPAM_ACTIONS, "From: a.example one\nFrom: joe@a.example two\n", "f=joe@a.example",
	  "one" },
	{ OPT_SPAM_ACTIONS, "From: joe@a.example two\nFrom: a.example one\n", "f=joe@a.example",
	  "two" },
	{ OPT_SPAM_ACTIONS, "From: /joe/ re\nFrom: joe@a.example two\n", "f=joe@a.example", "re" },
	{ OPT_SPAM_ACTIONS, "From: joe@a.example two\nFrom: /joe/ re\n", "f=joe@a.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2. ip\nFrom: joe@a.example two\n",
	  "f=joe@a.example i=192.0.2.3", "ip" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.0/24 net\nFrom: 192.0.2.3 one\n", "i=192.0.2.3", "net" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.3 one\nFrom: 192.0.2.0/24 net\n", "i=192.0.2.3", "one" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.3 one\nFrom: 192.0.2.0/24 net\n", "i=192.0.2.4", "net" },
	{ OPT_SPAM_ACTIONS, "To: @b one\nTo: @c two\n", "t=x@c t=x@b", "one" },
	{ OPT_SPAM_ACTIONS, "To: @c two\nTo: @b one\n", "t=x@c t=x@b", "two" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d both\nFrom: a@b one\n", "f=a@b t=c@d", "both" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d both\nFrom: a@b one\n", "f=a@b t=e@f", "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\nFrom: a@b two\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "To: a@b one\nFrom: a@b two\n", "f=a@b t=c@d", "two" },

	/* defaults */
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=c@d", "dflt" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=", "dflt" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", NULL, "dflt" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\nTo: * first\nFrom: *@* last\n", "f=c@d", "last" },
	{ OPT_SPAM_ACTIONS, "From: * last\n", "t=c@d", "last" },
	{ OPT_SPAM_ACTIONS, "FromAndTo: Default dflt\n", "f=a@b t=c@d", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: @ dflt\n", "f=a@b", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: default and To: default dflt\n", "f=a@b", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: default and To: c@d one\nTo: default dflt\n", "f=a@b t=c@d",
	  "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\n", "f=c@d", "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "", "f=c@d", "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "# nothing\n\n", NULL, "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "Virus: default store\n", "f=a@b v=x", "store" },
	{ OPT_SPAM_ACTIONS, "Virus: default store\nFrom: default one\n", "f=a@b", "one" },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b 10m\nFromOrTo: default 50k\n", "f=a@b", "10000000" },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b 10m\nFromOrTo: default 50k\n", "f=c@d", "50000" },

	/* values */
	{ OPT_SPAM_ACTIONS, "From: a@b  store   forward x@y  \n", "f=a@b", "store   forward x@y" },
	{ OPT_SPAM_ACTIONS, "From: a@b store # no\n", "f=a@b", "store" },
	{ OPT_SPAM_ACTIONS, "From: a@b\n", "f=a@b", "" },
	{ OPT_SPAM_ACTIONS, "From: a@b x\\ny\n", "f=a@b", "x\ny" },
	{ OPT_SPAM_ACTIONS, "From: a@b at %name%\n", "f=a@b", "at acme" },
	{ OPT_SPAM_ACTIONS, "From: a@b at $HOST\n", "f=a@b", "at mx1" },
	{ OPT_SPAM_ACTIONS, "From: a@b one,\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d\n", "f=a@b t=c@d", "" },
	{ OPT_SPAM_ACTIONS, "From: a@b band\n", "f=a@b", "band" },
	{ OPT_MAIL_HEADER, "From: a@b X my header:\n", "f=a@b", "X-my-header:" },
	{ OPT_ALLOW_IFRAME_TAGS, "From: a@b disarm\n", "f=a@b", "convert" },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b Yes\nFrom: c@d YES,\n", "f=c@d", "1" },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b maybe\nFrom: @b yes\n", "f=a@b", "1" },
	{ OPT_SPAM_ACTIONS, "\xef\xbb\xbf# mark\nFrom: a@b one\r\n", "f=a@b", "one" },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q1/\nFromOrTo: default /q2\n", "f=a@b", "/q1" },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q9\nFromOrTo: default /q2\n", "f=a@b", "/q2" },
	{ OPT_INLINE_HTML_SIGNATURE, "From: a@b /f1\nFromOrTo: default /f2\n", "f=a@b", "/f1" },
	{ OPT_SENDMAIL, "From: a@b /bin/sm -t\n", "f=a@b", "/bin/sm -t" },

	/* all matches */
	{ OPT_VIRUS_SCANNING, "From: a@b yes\nFrom: @b no\n", "f=a@b", "1 0" },
	{ OPT_VIRUS_SCANNING, "From: @b no\nFrom: a@b yes\n", "f=a@b", "0 1" },
	{ OPT_VIRUS_SCANNING, "To: @b no\nTo: @c yes\n", "t=x@b t=y@b t=z@c", "0 0 1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: @b no\n", "f=a@b t=x@b t=y@c", "0 0" },
	{ OPT_VIRUS_SCANNING, "FromAndTo: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: @b and To: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "To: @b and From: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: /b/ no\nTo: /b/ yes\n", "f=a@b t=x@b t=y@b", "0 1 1" },
	{ OPT_VIRUS_SCANNING, "From: a@b yes no\n", "f=a@b", "1 0" },
	{ OPT_VIRUS_SCANNING, "From: a@b no\nFromOrTo: default yes\n", "f=a@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: a@b no\nFromOrTo: default no\n", "f=c@d", "0" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.1 no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2. no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: /^192/ no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.0/24 no\n", "i=192.0.2.1", "0" },
	{ OPT_VIRUS_SCANNING, "From: 192.0.2.1 no\n", "i=192.0.2.1", "0" },
	{ OPT_SILENT_VIRUSES, "From: a@b one  two\nFrom: @b three\n", "f=a@b", "one two three" },
	{ OPT_SILENT_VIRUSES, "From: a@b one  two\n", "f=a@b", "one two" },
	{ OPT_SILENT_VIRUSES, "From: a@b\nFrom: @b three\n", "f=a@b", "three" },
	{ OPT_SPAMASSASSIN_RULE_ACTIONS, "From: a@b A=>store\nFrom: @b B=>delete\n", "f=a@b",
	  "A=>store,B=>delete" },
	{ OPT_FILENAME_RULES, "From: a@b /f1\nTo: @c /f2\n", "f=a@b t=d@c", "/f1 /f2" },
	{ OPT_ARCHIVE_MAIL, "To: @b /a/_TOUSER_\n", "t=x@b t=y@b", "/a/_TOUSER_ /a/_TOUSER_" },
	{ OPT_VIRUS_SCANNING, "From: *@*.b no\nFrom: x*@*.b yes\nFrom: *x@*.b no\n", "f=x@a.b",
	  "0 1 0" },
	{ OPT_VIRUS_SCANNING, "Virus: x no\n", "v=x v=xx", "0" },

	/* options that should have no ruleset: all matches */
	{ OPT_LOG_SPAM, "From: a@b yes\nFrom: @b no\n", "f=a@b", "1 0" },
	{ OPT_LOG_SPAM, "From: a@b yes\nFromOrTo: default no\n", NULL, "0" },

	/* files of patterns */
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=joe@l1.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=c@d", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\n", "i=192.0.2.200", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p2 one\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p6 one\nFrom: default two\n", "f=joe@l2.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p4 one\nFrom: default two\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /nowhere one\nFrom: default two\n", "f=joe@l1.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\n", "f=joe@l1.example t=a@r2", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\n", "f=joe@l2.example t=a@r1", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\nTo: default two\n",
	  "f=joe@l2.example t=a@r3", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: a@r1 one\nTo: default two\n",
	  "f=joe@l2.example t=a@r1", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p8 dflt\n", "f=x@y", "dflt" },
	{ OPT_SILENT_VIRUSES, "From: /p1 one\n", "f=joe@l1.example i=192.0.2.200", "one one" },
	{ OPT_SPAM_ACTIONS, "Virus: /p9 one\n", "v=W32/Klez", "one" },
};

static void pattern_files(struct site *s)
{
	char name[8], text[8];

	site_file(s, "/p1", "# senders\nl1.example\n  l2.example # two\n192.0.2.128/25\n");
	for (unsigned i = 2; i <= 6; i++) { /* each names the one before */
		(void)snprintf(name, sizeof(name), "/p%u", i);
		(void)snprintf(text, sizeof(text), "/p%u\n", i - 1);
		site_file(s, name, i == 5 ? "/p4\nl1.example\n" : text);
	}
	site_file(s, "/p7", "r1\nr2\n");
	site_file(s, "/p8", "a@b\ndefault\n");
	site_file(s, "/p9", "bagle\nklez\n");
}

static void common_files(struct site *s)
{
	site_file(s, "/f1", "one");
	site_file(s, "/f2", "two");
	site_dir(s, "/q1");
	site_dir(s, "/q2");
	site_command(s, "/bin/sm");
	pattern_files(s);
	if (conf_source_add_env(s->source, "HOST", "mx1") < 0)
		abort();
}

static void load_rules(struct site *s, enum opt_id id, const char *rules, const char *more)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%%name%% = acme\n%s = %s\n%s", opt_rows[id].name, RULES,
		       more);
	site_open(s);
	site_file(s, SITE_MAIN, text);
	site_file(s, RULES, rules);
	common_files(s);
	site_load(s);
}

static void show(const struct conf *c, enum opt_id id, const struct conf_who *who, char *out,
		 size_t size)
{
	enum opt_type type = opt_rows[id].type;

	if (type == OPT_NUMBER)
		(void)snprintf(out, size, "%lld", (long long)conf_num(c, id, who));
	else if (type == OPT_YESNO || type == OPT_ENUM)
		(void)snprintf(out, size, "%s", conf_words(c, id, who));
	else
		(void)snprintf(out, size, "%s", conf_str(c, id, who));
}

static void check_set(size_t i)
{
	char got[200] = "(not loaded)";
	struct asked a;
	struct site s;

	load_rules(&s, sets[i].id, sets[i].rules, "");
	ask(&a, sets[i].who == NULL ? "" : sets[i].who);
	if (s.conf != NULL)
		show(s.conf, sets[i].id, sets[i].who == NULL ? NULL : &a.who, got, sizeof(got));
	if (!T_OK(strcmp(got, sets[i].want) == 0, "%s %.40s | %s -> '%s'",
		  opt_rows[sets[i].id].name, sets[i].rules, sets[i].who, got))
		site_show(&s);
	site_close(&s);
}

/* ---- yes/no of recipients that disagree ---- */

static const struct {
	enum opt_id id;
	bool both, only_no; /* "1 0" and "0 0" */
} votes[] = {
	{ OPT_VIRUS_SCANNING, true, false },
	{ OPT_DANGEROUS_CONTENT_SCANNING, true, false },
	{ OPT_QUARANTINE_INFECTIONS, true, false },
	{ OPT_DELIVER_CLEANED_MESSAGES, true, false },
	{ OPT_BLOCK_ENCRYPTED_MESSAGES, true, false },
	{ OPT_OVERRIDE_FILETYPES, true, false },
	{ OPT_ADD_ENVELOPE_TO_HEADER, false, false },
	{ OPT_ADD_ENVELOPE_FROM_HEADER, false, false },
	{ OPT_ALLOW_PASSWORD_PROTECTED_ARCHIVES, false, false },
	{ OPT_ARCHIVES_MUST_BE_PASSWORD_PROTECTED, false, false },
	{ OPT_IGNORE_DENIAL_OF_SERVICE, false, false },
	{ OPT_USE_SPAMASSASSIN, true, false },
	{ OPT_MCP_USE_SPAMASSASSIN, true, false },
};

static void check_votes(size_t i)
{
	enum opt_id id = votes[i].id;
	struct asked a;
	struct site s;

	load_rules(&s, id, "To: @b yes\nTo: @c no\nTo: @d no\n", "");
	ask(&a, "t=x@b t=x@c");
	T_OK(conf_bool(s.conf, id, &a.who) == votes[i].both, "%s: yes and no", opt_rows[id].name);
	ask(&a, "t=x@d t=x@c");
	T_OK(conf_bool(s.conf, id, &a.who) == votes[i].only_no, "%s: no and no", opt_rows[id].name);
	ask(&a, "t=x@b t=y@b");
	T_OK(conf_bool(s.conf, id, &a.who), "%s: yes and yes", opt_rows[id].name);
	site_close(&s);
}

/* ---- one recipient for many ---- */

static const struct {
	const char *who, *want;
} many[] = {
	{ "t=x@b", "one" },        { "t=x@b t=y@b", "dom" },
	{ "t=x@b t=y@c", "dflt" }, { "t=x@b t=y@c t=z@d", "dflt" },
	{ "t=x t=y", "dflt" },     { "f=a@b t=x@b t=y@b", "dom" },
	{ "t=x@b t=y", "dflt" },   { "t=x t=y@b", "dflt" },
	{ "t=x@b t=y@B", "dflt" }, { "t=x@b t=y@b t=z@c", "dflt" },
};

static void check_many(void)
{
	struct asked a;
	struct site s;

	load_rules(&s, OPT_SPAM_ACTIONS,
		   "To: x@b one\nTo: @b dom\nTo: @c other\nFromOrTo: default dflt\n",
		   "Use Default Rules With Multiple Recipients = yes\n");
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		ask(&a, many[i].who);
		T_OK(strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &a.who), many[i].want) == 0,
		     "one for many: %s", many[i].who);
	}
	site_close(&s);
}

/* The one that stands for all is an address, of whatever length theirs are. */
static void check_stand_in(void)
{
	static char longest[2][HOST_MAX + 8];
	const char *const to[] = { longest[0], longest[1] };
	struct conf_who who = { .from = "", .to = to, .to_n = 2 };
	struct asked a;
	struct site s;

	load_rules(&s, OPT_SPAM_ACTIONS,
		   "To: /^(\\*@\\*|z)$/ any\nTo: /^\\*@d/ dom\nFromOrTo: default dflt\n",
		   "Use Default Rules With Multiple Recipients = yes\n");
	ask(&a, "t=x@b t=x@c");
	T_OK(strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &a.who), "any") == 0, "*@* for all");
	for (size_t n = HOST_MAX; n < HOST_MAX + 7; n++) {
		const char *want = n <= HOST_MAX + 3 ? "dom" : "any";

		for (size_t i = 0; i < 2; i++) {
			memset(longest[i], 'd', n);
			longest[i][n] = '\0';
			memcpy(longest[i], i == 0 ? "x@" : "y@", 2);
		}
		T_OK(strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &who), want) == 0,
		     "one domain, %zu characters: %s", n, want);
	}
	site_close(&s);
}

/* More matches than the first list has room for. */
static void check_many_hits(void)
{
	AUTO(str_fini) struct str rules, want;
	struct asked a;
	struct site s;

	str_init(&rules, MIB);
	str_init(&want, MIB);
	for (unsigned i = 0; i < 200; i++) {
		str_addf(&rules, "From: a@b v%u\n", i);
		str_addf(&want, "%sv%u", i == 0 ? "" : " ", i);
	}
	load_rules(&s, OPT_SILENT_VIRUSES, str_view(&rules), "");
	ask(&a, "f=a@b");
	T_OK(strcmp(conf_str(s.conf, OPT_SILENT_VIRUSES, &a.who), str_view(&want)) == 0,
	     "200 values, in order");
	site_close(&s);
}

/* ---- what is said about mistakes ---- */

static const struct {
	enum opt_id id;
	const char *rules, *says, *file;
	unsigned line, column;
} mistakes[] = {
	{ OPT_SPAM_ACTIONS, "\n  Form: a@b x\n", "'Form:' is not a direction", RULES, 2, 3 },
	{ OPT_SPAM_ACTIONS, "From: a@b and Form: c@d x\n", "'Form:' is not a direction", RULES, 1,
	  15 },
	{ OPT_SPAM_ACTIONS, "From:\n", "too few fields", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: a@b and From:\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b # yes\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b and To: c@d\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: @c yes\nFrom: a@b sure\n", "'sure' is not one of: no, yes",
	  RULES, 2, 11 },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b large\n", "'large' is not a number", RULES, 1, 11 },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q9\n", "'/q9' is not an existing directory", RULES, 1,
	  11 },
	{ OPT_INLINE_HTML_SIGNATURE, "From: a@b /f9\n", "is not a file", RULES, 1, 11 },
	{ OPT_SPAM_ACTIONS, "From: (joe@b x\n", "'(joe@b' is not a regular expression", RULES, 1,
	  7 },
	{ OPT_SPAM_ACTIONS, "From: /[/ x\n", "is not a regular expression", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.0/99 x\n", "is not a network", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.0/255.0.255.0 x\n", "is not a network", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.9-10.0.0.1 x\n", "is not a range", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: bad.de x\n", "is taken for the beginning of an IP", RULES, 1,
	  7 },
	{ OPT_SPAM_ACTIONS, "From: /@EXAMPLE/ x\n", "holds no lower-case letter", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: /^10\\.\\d+\\./ x\n", "if only in an escape", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "To: 192.0.2.1 x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "FromAndTo: 192.0.2.1 x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "To: host:b x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.1 no\n", "never match", RULES, 1, 1 },
	{ OPT_LOG_SPAM, "From: a@b yes\n", "should be a simple value", SITE_MAIN, 2, 12 },
	{ OPT_SPAM_ACTIONS, "From: /nowhere x\n", "cannot be read", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: /p6 x\n", "nest deeper than 4", "/p3", 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: /f1 x\nFrom: /pbad x\n", "is not a network", "/pbad", 2, 3 },
	{ OPT_SPAM_ACTIONS, "From: /pbad x\n", "the rest of this one is ignored", "/pbad", 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: a@b %nobody%\n", "%nobody% is not defined", RULES, 1, 11 },
};

static void check_mistake(size_t i)
{
	const struct conf_problem *p;
	char text[200];
	struct site s;

	site_open(&s);
	(void)snprintf(text, sizeof(text), "\n%s = %s\n", opt_rows[mistakes[i].id].name, RULES);
	site_file(&s, SITE_MAIN, text);
	site_file(&s, RULES, mistakes[i].rules);
	common_files(&s);
	site_file(&s, "/pbad", "a@b c@d\n  10/99\n");
	site_load(&s);
	p = site_problem(&s, mistakes[i].says);
	if (!T_OK(s.r == 0 && p != NULL && p->line == mistakes[i].line &&
			  p->column == mistakes[i].column && strcmp(p->file, mistakes[i].file) == 0,
		  "%.40s: %s", mistakes[i].rules, mistakes[i].says))
		site_show(&s);
	site_close(&s);
}

/* ---- when a value is a ruleset at all ---- */

static const struct {
	const char *line;
	enum opt_id id;
	bool want;
} meant[] = {
	{ "Virus Scanning = /r/any.name", OPT_VIRUS_SCANNING, true },
	{ "Virus Scanning = /r/report.txt", OPT_VIRUS_SCANNING, false },
	{ "Virus Scanning = /r/report.html", OPT_VIRUS_SCANNING, false },
	{ "Scan Messages = /r/any.name", OPT_SCAN_MESSAGES, true },
	{ "Maximum Message Size = /r/any.name", OPT_MAXIMUM_MESSAGE_SIZE, true },
	{ "Maximum Message Size = 5", OPT_MAXIMUM_MESSAGE_SIZE, false },
	{ "Outgoing Queue Dir = /r/any.name", OPT_OUTGOING_QUEUE_DIR, true },
	{ "Outgoing Queue Dir = /q", OPT_OUTGOING_QUEUE_DIR, false },
	{ "Inline HTML Signature = /r/x.rules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/x.rule", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/x.Rules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/myrules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/any.name", OPT_INLINE_HTML_SIGNATURE, false },
	{ "Sendmail = /r/x.rules", OPT_SENDMAIL, true },
	{ "Spam Actions = /r/x.rules", OPT_SPAM_ACTIONS, true },
	{ "Spam Actions = /r/none.rules", OPT_SPAM_ACTIONS, false },
	{ "Spam Actions = /r/any.name", OPT_SPAM_ACTIONS, false },
	{ "Spam Actions = r/x.rules", OPT_SPAM_ACTIONS, false },
	{ "Silent Viruses = /r/x.rules", OPT_SILENT_VIRUSES, true },
};

/* A ruleset says itself where its default comes from. */
static void check_meant(size_t i)
{
	static const char *const names[] = { "/r/any.name", "/r/report.txt", "/r/report.html",
					     "/r/x.rules",  "/r/x.rule",     "/r/x.Rules",
					     "/r/myrules" };
	struct site s;
	bool is;

	site_open(&s);
	site_file(&s, SITE_MAIN, meant[i].line);
	for (size_t k = 0; k < ARRAY_LEN(names); k++)
		site_file(&s, names[k],
			  "From: default yes\nFrom: default 7\nFrom: default /q\n"
			  "From: default /r/any.name\nFrom: default /bin/sm\n");
	site_dir(&s, "/q");
	site_command(&s, "/bin/sm");
	site_load(&s);
	is = s.conf != NULL && strncmp(conf_where(s.conf, meant[i].id, NULL), "/r/", 3) == 0;
	if (!T_OK(is == meant[i].want, "%s", meant[i].line))
		site_show(&s);
	site_close(&s);
}

static void check_unreadable(void)
{
	struct site s;

	site_text(&s, "Virus Scanning = /r/none.rules\n");
	T_OK(s.r == 0 && conf_bool(s.conf, OPT_VIRUS_SCANNING, NULL) &&
		     site_problem(&s, "the ruleset '/r/none.rules' cannot be read") != NULL,
	     "a ruleset that is not there: the default");
	site_close(&s);

	load_rules(&s, OPT_FILENAME_RULES, "From: a@b /nowhere\n", "");
	T_OK(s.r < 0 && site_problem(&s, "mail would pass unchecked") != NULL,
	     "a rule file that is not there, in a ruleset: refused");
	site_close(&s);
}

/* Two files of patterns that would make more than four million rules. */
static void check_pairs(void)
{
	AUTO(str_fini) struct str a, b;
	struct asked who;
	struct site s;

	str_init(&a, MIB);
	str_init(&b, MIB);
	for (unsigned i = 0; i < 2001; i++) {
		str_addf(&a, "a%u@b\n", i);
		if (i < 2000)
			str_addf(&b, "c%u@d\n", i);
	}
	site_open(&s);
	site_file(&s, SITE_MAIN, "Spam Actions = " RULES "\n");
	site_file(&s, RULES, "From: /pairs/a and To: /pairs/b one\nFrom: a7@b two\n");
	site_file(&s, "/pairs/a", str_view(&a));
	site_file(&s, "/pairs/b", str_view(&b));
	site_load(&s);
	ask(&who, "f=a7@b t=c7@d");
	T_OK(s.conf != NULL && site_problem(&s, "more than 4000000 pairs") != NULL &&
		     strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &who.who), "two") == 0,
	     "4,002,000 pairs: the rule is left out, and that is said");
	site_close(&s);
}

static void check_details(void)
{
	const char *values[8];
	struct bytes content;
	struct asked a;
	struct site s;
	size_t n;

	load_rules(&s, OPT_FILENAME_RULES, "From: a@b /f1\nFrom: default /f2\nTo: @c /f1\n", "");
	n = conf_every_value(s.conf, OPT_FILENAME_RULES, values, ARRAY_LEN(values));
	T_OK(n == 2 && strcmp(values[0], "/f2") == 0 && strcmp(values[1], "/f1") == 0,
	     "every value, once");
	T_OK(conf_every_value(s.conf, OPT_FILENAME_RULES, values, 1) == 2,
	     "and how many there are");
	T_OK(conf_file(s.conf, "/f1", &content) == 0 && conf_file(s.conf, "/f2", &content) == 0,
	     "files that rules name are kept");
	ask(&a, "f=a@b");
	T_OK(strcmp(conf_where(s.conf, OPT_FILENAME_RULES, &a.who), RULES ":1") == 0,
	     "where: the rule");
	ask(&a, "f=x@y");
	T_OK(strcmp(conf_where(s.conf, OPT_FILENAME_RULES, &a.who), RULES ":2") == 0,
	     "where: the default rule");
	T_OK(!conf_wants_host(s.conf), "no host: rule");
	site_close(&s);

	load_rules(&s, OPT_VIRUS_SCANNING, "From: host:a no\nFrom: @b no\nTo: @c yes\n", "");
	ask(&a, "f=a@b t=x@c");
	T_OK(strcmp(conf_written(s.conf, OPT_VIRUS_SCANNING, &a.who), "no yes") == 0, "as written");
	T_OK(strcmp(conf_where(s.conf, OPT_VIRUS_SCANNING, NULL), "default") == 0,
	     "no default rule: the built-in default");
	T_OK(conf_wants_host(s.conf), "a host: rule");
	site_close(&s);
}

/* Joined values are lent for 16 more questions. */
static void check_ring(void)
{
	const char *got[20];
	struct asked a;
	struct site s;

	load_rules(&s, OPT_SILENT_VIRUSES, "To: @b one\nTo: @c two\n", "");
	ask(&a, "t=x@b t=x@c");
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		got[i] = conf_str(s.conf, OPT_SILENT_VIRUSES, &a.who);
	T_OK(strcmp(got[4], "one two") == 0 && strcmp(got[19], "one two") == 0, "ring");
	site_close(&s);
}

/* More text than one value may have: repeats are dropped, nothing is cut. */
static void check_long_join(void)
{
	static const char *to[3000];
	AUTO(str_fini) struct str rules;
	struct conf_who who = { .from = "", .to = to, .to_n = ARRAY_LEN(to) };
	struct site s;

	str_init(&rules, MIB);
	str_add(&rules, "To: @b ");
	for (unsigned i = 0; i < 100; i++)
		str_add(&rules, "ten-bytes ");
	str_add(&rules, "\n");
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = "x@b";
	load_rules(&s, OPT_SILENT_VIRUSES, str_view(&rules), "");
	T_OK(strlen(conf_str(s.conf, OPT_SILENT_VIRUSES, &who)) == 999, "joined once");
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		check_set(i);
	for (size_t i = 0; i < ARRAY_LEN(votes); i++)
		check_votes(i);
	check_many();
	check_stand_in();
	check_many_hits();
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++)
		check_mistake(i);
	for (size_t i = 0; i < ARRAY_LEN(meant); i++)
		check_meant(i);
	check_unreadable();
	check_pairs();
	check_details();
	check_ring();
	check_long_join();
	return t_done();
}
