/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/test_rules.c - who decides about a name or type: lists, then files. */
#include <errno.h>
#include <string.h>

#include "scan/rule_engine.h"
#include "tests/t.h"

static const char a_conf[] = "# names\n"
			     "allow\t\\.txt$\t-\t-\n"                                    /* :2 */
			     "deny\t\\.exe$\tprogram\tPrograms are not accepted\n"       /* :3 */
			     "deny+delete\t\\.scr$\tsaver\tSavers are not accepted\n"    /* :4 */
			     "rename to .ppt_\t\\.ppt$\tslides\tSlides get a new name\n" /* :5 */
			     "a@example.com, b@example.com\t\\.fwd$\tfwd\tForwarded\n"   /* :6 */
			     "deny\t-\tnever\tnever\n"                                   /* :7 */
			     "deny\t^both\tfrom a\tfrom a\n"                             /* :8 */
			     "allow\t(\\.[a-z0-9]{3})\\1$\t-\t-\n"                       /* :9 */
			     "deny\t\\.[a-z]{3}\\.[a-z]{3}$\ttwo\tTwo extensions\n";     /* :10 */
static const char b_conf[] = "deny\t^both\tfrom b\tfrom b\n"
			     "allow\t\\.exe$\t-\t-\n"
			     "deny\t\\.onlyb$\tb\tb\n"
			     "deny\t*.star$\tstar\tstar\n"
			     "deny\t/slash$/\tslash\tslash\n";
static const char mime_conf[] = "allow\ttext\t-\t-\t-\n"
				"deny\texecutable\t-\tprogram\tNo programs\n"
				"deny\t-\t^application/x-dos\tmime\tNo programs\n"
				"allow\t-\t^image/\t-\t-\n"
				"deny\tself-extract\t^application/zip\tsfx\tNo such archives\n";

static const struct rule_source_file files[] = {
	{ "/etc/b.conf", BYTES(b_conf) },
	{ "/etc/a.conf", BYTES(a_conf) },
	{ "/etc/mime.conf", BYTES(mime_conf) },
	{ "/etc/a.conf", BYTES(a_conf) },
};
static const struct rule_source_list lists[] = {
	{ "\\.ok$ ^fine", "option Allow Filenames" },
	{ "", "option Allow Filenames" },
	{ "^fine", "option Deny Filenames" },
};

#define A "/etc/a.conf"
#define B "/etc/b.conf"
#define M "/etc/mime.conf"

static const struct {
	enum rule_field field;
	const char *allow, *deny, *files, *subject;
	enum rule_action action;
	const char *where, *user;
} cases[] = {
	/* nothing to ask, nothing found */
	{ RULE_NAME, NULL, NULL, NULL, "a.exe", RULE_NONE, "", "" },
	{ RULE_NAME, "", "", "", "a.exe", RULE_NONE, "", "" },
	{ RULE_NAME, "  \t", " ", " ", "a.exe", RULE_NONE, "", "" },
	{ RULE_NAME, NULL, NULL, A, "a.doc", RULE_NONE, "", "" },
	{ RULE_NAME, NULL, NULL, A, "", RULE_NONE, "", "" },
	/* rule files: every action */
	{ RULE_NAME, NULL, NULL, A, "a.txt", RULE_ALLOW, A ":2", "" },
	{ RULE_NAME, NULL, NULL, A, "a.TXT", RULE_ALLOW, A ":2", "" },
	{ RULE_NAME, NULL, NULL, A, "a.exe", RULE_DENY, A ":3", "Programs are not accepted" },
	{ RULE_NAME, NULL, NULL, A, "a.ExE", RULE_DENY, A ":3", "Programs are not accepted" },
	{ RULE_NAME, NULL, NULL, A, "a.scr", RULE_DENY_DELETE, A ":4", "Savers are not accepted" },
	{ RULE_NAME, NULL, NULL, A, "a.ppt", RULE_RENAME, A ":5", "Slides get a new name" },
	{ RULE_NAME, NULL, NULL, A, "a.fwd", RULE_FORWARD, A ":6", "Forwarded" },
	/* the first rule of the file that matches */
	{ RULE_NAME, NULL, NULL, A, "a.exe.txt", RULE_ALLOW, A ":2", "" },
	{ RULE_NAME, NULL, NULL, A, "a.txt.exe", RULE_DENY, A ":3", "Programs are not accepted" },
	{ RULE_NAME, NULL, NULL, A, "a.doc.doc", RULE_ALLOW, A ":9", "" },
	{ RULE_NAME, NULL, NULL, A, "a.doc.xls", RULE_DENY, A ":10", "Two extensions" },
	{ RULE_NAME, NULL, NULL, A, "both.txt", RULE_ALLOW, A ":2", "" },
	/* unanchored, '.' takes newlines */
	{ RULE_NAME, NULL, NULL, B, "xbothx", RULE_NONE, "", "" },
	{ RULE_NAME, NULL, NULL, B, "x.star", RULE_DENY, B ":4", "star" },
	{ RULE_NAME, NULL, NULL, B, "x\ny.star", RULE_DENY, B ":4", "star" },
	{ RULE_NAME, NULL, NULL, B, "aslash", RULE_DENY, B ":5", "slash" },
	/* several files, in the order of the option */
	{ RULE_NAME, NULL, NULL, A " " B, "both", RULE_DENY, A ":8", "from a" },
	{ RULE_NAME, NULL, NULL, B " " A, "both", RULE_DENY, B ":1", "from b" },
	{ RULE_NAME, NULL, NULL, B "\t" A " ", "a.exe", RULE_ALLOW, B ":2", "" },
	{ RULE_NAME, NULL, NULL, A " " B, "a.exe", RULE_DENY, A ":3", "Programs are not accepted" },
	{ RULE_NAME, NULL, NULL, A " " B, "a.onlyb", RULE_DENY, B ":3", "b" },
	{ RULE_NAME, NULL, NULL, A " " A " " A " " B, "a.onlyb", RULE_DENY, B ":3", "b" },
	/* allow list before deny list before files */
	{ RULE_NAME, "\\.exe$", "\\.exe$", A, "a.exe", RULE_ALLOW, "option Allow Filenames", "" },
	{ RULE_NAME, "", "\\.txt$", A, "a.txt", RULE_DENY_DELETE, "option Deny Filenames", "" },
	{ RULE_NAME, "\\.zip$", "\\.com$", A, "a.exe", RULE_DENY, A ":3",
	  "Programs are not accepted" },
	{ RULE_NAME, "\\.ok$ ^fine", "^fine", A, "fine.exe", RULE_ALLOW, "option Allow Filenames",
	  "" },
	{ RULE_NAME, "", "^fine", A, "fine.txt", RULE_DENY_DELETE, "option Deny Filenames", "" },
	/* lists: any of their patterns, caseless, unanchored */
	{ RULE_NAME, "a b c", "", "", "xcx", RULE_ALLOW, "option Allow Filenames", "" },
	{ RULE_NAME, "a b c", "", "", "xCx", RULE_ALLOW, "option Allow Filenames", "" },
	{ RULE_NAME, "a b c", "", "", "xdx", RULE_NONE, "", "" },
	{ RULE_NAME, "", "a  b\tc", "", "b", RULE_DENY_DELETE, "option Deny Filenames", "" },
	{ RULE_NAME, "", "*.exe", "", "a.exe", RULE_DENY_DELETE, "option Deny Filenames", "" },
	{ RULE_NAME, "", "/a$/", "", "ba", RULE_DENY_DELETE, "option Deny Filenames", "" },
	{ RULE_NAME, "", "(.)\\1", "", "abb", RULE_DENY_DELETE, "option Deny Filenames", "" },
	/* types: the same, with their own options */
	{ RULE_TYPE, NULL, NULL, M, "ASCII text", RULE_ALLOW, M ":1", "" },
	{ RULE_TYPE, NULL, NULL, M, "PE32 executable (GUI) Intel 80386", RULE_DENY, M ":2",
	  "No programs" },
	{ RULE_TYPE, NULL, NULL, M, "text executable", RULE_ALLOW, M ":1", "" },
	{ RULE_TYPE, NULL, NULL, M, "Zip self-extracting", RULE_DENY, M ":5", "No such archives" },
	{ RULE_TYPE, NULL, NULL, M, "application/x-dosexec", RULE_NONE, "", "" },
	{ RULE_TYPE, "executable", "", M, "PE32 executable", RULE_ALLOW, "option Allow Filetypes",
	  "" },
	{ RULE_TYPE, "", "text", M, "ASCII text", RULE_DENY_DELETE, "option Deny Filetypes", "" },
	/* MIME types: the MIME column, rules without one are passed over */
	{ RULE_MIME, NULL, NULL, M, "application/x-dosexec", RULE_DENY, M ":3", "No programs" },
	{ RULE_MIME, NULL, NULL, M, "image/png", RULE_ALLOW, M ":4", "" },
	{ RULE_MIME, NULL, NULL, M, "application/zip", RULE_DENY, M ":5", "No such archives" },
	{ RULE_MIME, NULL, NULL, M, "text/plain", RULE_NONE, "", "" },
	{ RULE_MIME, NULL, NULL, M, "executable", RULE_NONE, "", "" },
	{ RULE_MIME, NULL, NULL, A, "a.exe", RULE_NONE, "", "" }, /* a file without MIME column */
	{ RULE_MIME, "^app", "", M, "application/x-dosexec", RULE_ALLOW,
	  "option Allow File MIME Types", "" },
	{ RULE_MIME, "", "^image/", M, "image/png", RULE_DENY_DELETE, "option Deny File MIME Types",
	  "" },
};

static struct scan_rules rules_of(size_t i)
{
	struct scan_rules r = { .allow_names = NULL };

	if (cases[i].field == RULE_NAME) {
		r.allow_names = cases[i].allow;
		r.deny_names = cases[i].deny;
		r.name_rules = cases[i].files;
		/* must not be asked about names */
		r.deny_types = r.deny_mime_types = ".*";
	} else {
		r.type_rules = cases[i].files;
		r.deny_names = ".*";
		if (cases[i].field == RULE_TYPE) {
			r.allow_types = cases[i].allow;
			r.deny_types = cases[i].deny;
		} else {
			r.allow_mime_types = cases[i].allow;
			r.deny_mime_types = cases[i].deny;
		}
	}
	return r;
}

static void test_cases(struct rule_scratch *s)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scan_rules r = rules_of(i);
		struct bytes subject = bytes_str(cases[i].subject);
		struct rule_match m = { .action = RULE_NONE };
		struct err err = { .kind = ERR_NONE };
		int rc = rule_first_match(s, &r, cases[i].field, &subject, 1, &m, &err);

		if (rc < 0) {
			T_OK(false, "case %zu: %s", i, err.text);
			continue;
		}
		T_OK(m.action == cases[i].action && strcmp(m.where, cases[i].where) == 0 &&
			     strcmp(m.user_text, cases[i].user) == 0 &&
			     m.from_list == (strncmp(m.where, "option", 6) == 0),
		     "case %zu: action %d by '%s'", i, m.action, m.where);
	}
}

static struct rule_match ask(struct rule_scratch *s, const char *files_option,
			     struct bytes *subjects, size_t n)
{
	struct scan_rules r = { .name_rules = files_option };
	struct rule_match m = { .action = RULE_NONE };

	if (rule_first_match(s, &r, RULE_NAME, subjects, n, &m, NULL) < 0)
		m.where = "failed";
	return m;
}

static void test_texts(struct rule_scratch *s)
{
	struct bytes name = BYTES("a.fwd"), nul = BYTES("a.txt\0.exe");
	struct bytes two[] = { BYTES("x.doc"), BYTES("a.exe"), BYTES("b.exe"), BYTES("a.scr") };
	struct rule_match m = ask(s, A, &name, 1);

	T_OK(strcmp(m.argument, "a@example.com b@example.com") == 0 &&
		     strcmp(m.log_text, "fwd") == 0,
	     "all addresses and the log text");
	name = BYTES("x.ppt");
	m = ask(s, A, &name, 1);
	T_OK(strcmp(m.argument, ".ppt_") == 0, "the text to rename to");
	m = ask(s, A, &nul, 1);
	T_OK(m.action == RULE_DENY, "a NUL does not end a name");
	m = ask(s, A, two, ARRAY_LEN(two));
	T_OK(m.action == RULE_DENY && m.subject == 1, "the reading that matched is told");
}

static void test_failures(struct rule_scratch *s)
{
	struct scan_rules missing = { .name_rules = A " /etc/none.conf" };
	struct scan_rules bad = { .deny_names = "ok (" };
	struct bytes name = BYTES("x"), exe = BYTES("a.exe");
	struct rule_match m = { .action = RULE_ALLOW };
	struct err err = { .kind = ERR_NONE };

	T_OK(rule_first_match(s, &missing, RULE_NAME, &name, 1, &m, &err) == -ENOENT &&
		     err.kind == ERR_CONFIG && m.action == RULE_ALLOW,
	     "a file that was not loaded is a failed check: %s", err.text);
	T_OK(rule_first_match(s, &missing, RULE_NAME, &exe, 1, &m, &err) == 0 &&
		     m.action == RULE_DENY,
	     "unless an earlier file has decided");
	for (int i = 0; i < 2; i++)
		T_OK(rule_first_match(s, &bad, RULE_NAME, &name, 1, &m, &err) == -EINVAL &&
			     strstr(err.text, "option Deny Filenames: pattern '('") == err.text,
		     "a bad pattern in a list is a failed check each time: %s", err.text);
}

/* Rulesets repeat values for each recipient and join them in any order. */
static void test_new_lists(struct rule_scratch *s)
{
	static char text[40000];
	struct scan_rules r = { .deny_names = text };
	struct bytes name = BYTES("a.p39"), other = BYTES("a.none");
	struct rule_match m = { .action = RULE_NONE };
	bool ok = true;
	size_t n = 0;

	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\\.p%d$ ", i % 40);
	ok = rule_first_match(s, &r, RULE_NAME, &name, 1, &m, NULL) == 0 &&
	     m.action == RULE_DENY_DELETE;
	ok = ok && rule_first_match(s, &r, RULE_NAME, &other, 1, &m, NULL) == 0 &&
	     m.action == RULE_NONE;
	T_OK(ok, "a thousand values of forty");
	for (int i = 0; i < 100; i++) { /* more than are kept */
		(void)snprintf(text, sizeof(text), "^x ^n%d", i % 50);
		ok = ok && rule_first_match(s, &r, RULE_NAME, &other, 1, &m, NULL) == 0 &&
		     m.action == RULE_NONE;
		(void)snprintf(text, sizeof(text), "^a ^n%d", i % 50);
		ok = ok && rule_first_match(s, &r, RULE_NAME, &other, 1, &m, NULL) == 0 &&
		     m.action == RULE_DENY_DELETE;
	}
	T_OK(ok, "old lists make room for new ones");
}

static void test_wanted(struct rule_scratch *s)
{
	static const struct {
		struct scan_rules rules;
		bool name, type, mime;
	} wants[] = {
		{ { .name_rules = "" }, false, false, false },
		{ { .name_rules = A }, true, false, false },
		{ { .type_rules = A }, false, true, false },
		{ { .type_rules = M }, false, true, true },
		{ { .type_rules = A " " M }, false, true, true },
		{ { .deny_mime_types = "x" }, false, false, true },
		{ { .allow_types = " x" }, false, true, false },
		{ { .type_rules = "/etc/none.conf" }, false, true, true }, /* asking must fail */
	};

	for (size_t i = 0; i < ARRAY_LEN(wants); i++)
		T_OK(rule_wanted(s, &wants[i].rules, RULE_NAME) == wants[i].name &&
			     rule_wanted(s, &wants[i].rules, RULE_TYPE) == wants[i].type &&
			     rule_wanted(s, &wants[i].rules, RULE_MIME) == wants[i].mime,
		     "wanted %zu", i);
}

/* Configurations an engine is not made of. */
static void test_refused(void)
{
	static const struct {
		const char *content, *says;
	} bad[] = {
		{ "# x\nallow\ta\tb\tc\ndeny\ta(b\tc\td\n",
		  "r.conf:3: pattern 'a(b' is wrong at offset 3" },
		{ "deny\ta\t[\tc\td\n", "r.conf:1: pattern '[' is wrong" },
		{ "allow\ta\tb\tc\ndney\ta\tb\tc\n", "r.conf:2: 'dney' is not an action" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rule_source_file f = { "r.conf", bytes_str(bad[i].content) };
		struct rule_engine *e = NULL;
		struct err err = { .kind = ERR_NONE };

		T_OK(rule_engine_from_files(&e, &f, 1, NULL, 0, &err) < 0 && e == NULL &&
			     err.kind == ERR_CONFIG && strstr(err.text, bad[i].says) == err.text,
		     "refused: %s", err.text);
	}
}

static void test_refused_list(void)
{
	struct rule_source_list l = { "fine [", "option Deny Filetypes" };
	struct rule_engine *e = NULL;
	struct err err = { .kind = ERR_NONE };

	T_OK(rule_engine_from_files(&e, NULL, 0, &l, 1, &err) < 0 && e == NULL &&
		     strstr(err.text, "option Deny Filetypes: pattern '['") == err.text,
	     "refused: %s", err.text);
}

static void test_hash(void)
{
	struct rule_source_file f[2] = { { "a", BYTES("deny\ta\tb\tc\n") },
					 { "b", BYTES("deny\tb\tb\tc\n") } };
	struct rule_source_file swapped[2] = { f[1], f[0] };
	struct rule_source_list l = { "x", "option Deny Filenames" };
	AUTO(rule_engine_free)
	struct rule_engine *one = NULL, *two = NULL, *three = NULL, *four = NULL;

	T_OK(rule_engine_from_files(&one, f, 2, NULL, 0, NULL) == 0 &&
		     rule_engine_from_files(&two, swapped, 2, NULL, 0, NULL) == 0 &&
		     rule_engine_hash(one) == rule_engine_hash(two),
	     "the hash does not depend on the order of the options");
	f[0].content = BYTES("deny\ta\tb\td\n");
	T_OK(rule_engine_from_files(&three, f, 2, NULL, 0, NULL) == 0 &&
		     rule_engine_hash(one) != rule_engine_hash(three),
	     "but on the content");
	T_OK(rule_engine_from_files(&four, swapped, 2, &l, 1, NULL) == 0 &&
		     rule_engine_hash(one) != rule_engine_hash(four),
	     "and on the lists");
}

int main(void)
{
	AUTO(rule_engine_free) struct rule_engine *e = NULL;
	AUTO(rule_scratch_free) struct rule_scratch *s = NULL;
	struct err err = { .kind = ERR_NONE };

	if (!T_OK(rule_engine_from_files(&e, files, ARRAY_LEN(files), lists, ARRAY_LEN(lists),
					 &err) == 0 &&
			  rule_scratch_new(&s, e, &err) == 0,
		  "an engine: %s", err.text))
		return t_done();
	test_cases(s);
	test_texts(s);
	test_failures(s);
	test_new_lists(s);
	test_wanted(s);
	test_refused();
	test_refused_list();
	test_hash();
	return t_done();
}
