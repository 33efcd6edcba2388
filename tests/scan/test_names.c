/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/test_names.c - filename rules on whole messages; safe names. */
#include "tests/scan/rules_fixture.h"

static const char normal[] = "allow\t\\.txt$\t-\t-\n"
			     "deny\t\\.exe$\tprogram\tPrograms are not accepted\n"
			     "deny+delete\t\\.scr$\tsaver\tSavers are not accepted\n"
			     "rename\t\\.fdf$\tform\tForms get a new name\n"
			     "a@example.com b@example.com\t\\.fwd$\tforward\tGoes to others\n"
			     "deny\t\\.silent$\t-\t-\n"
			     "deny\t.{150,}\tlong\tLong name\n"
			     "deny\t^msg-\\d+-\\d+\\.dat$\tunnamed\tUnnamed data\n";
static const char archives[] = "allow\t\\.exe$\t-\t-\n"
			       "deny\t\\.txt$\tnote\tNotes in archives are not accepted\n";

static const struct rule_source_file files[] = {
	{ "n.conf", BYTES(normal) },
	{ "a.conf", BYTES(archives) },
};

/* --- safe names --- */

#define X10 "xxxxxxxxxx"
#define U10 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"

static const struct {
	const char *name, *safe;
} safe[] = {
	{ "a.txt", "a.txt" },
	{ "A-Z_09%()+,={}.txt", "A-Z_09%()+,={}.txt" },
	{ "with blanks.txt", "withblanks.txt" },
	{ "a;b&c|d<e>f'g\"h.txt", "abcdefgh.txt" },
	{ "a\nb\x1b[31m.txt", "ab31m.txt" },
	{ "/etc/passwd", "passwd" },
	{ "..\\..\\evil.exe", "evil.exe" },
	{ "dir/", "dir" },
	{ "a/b\\c.exe", "c.exe" },
	{ "caf\xc3\xa9.doc", "caf\xc3\xa9.doc" },
	{ "caf\xe9.doc", "caf\xe9.doc" },
	{ "", ".dat" },
	{ "/", ".dat" },
	{ ".", ".dat" },
	{ "..", "..dat" },
	{ "....", "....dat" },
	{ "???", ".dat" },
	{ ".profile", ".profile" },
	{ X10 X10 X10 X10 "xxxxxx.txt", X10 X10 X10 X10 "xxxxxx.txt" }, /* 50 */
	{ X10 X10 X10 X10 "xxxxxxx.txt", X10 "xxxx.txt" },              /* 51 */
	{ X10 X10 X10 X10 X10 ".html", X10 "xxxx.htm" },
	{ X10 X10 X10 X10 X10 ".c,v", X10 "xxxx.dat" },
	{ X10 X10 X10 X10 X10 "x", X10 "xxxx.dat" },
	{ X10 X10 X10 X10 X10 ".", X10 "xxxx.dat" },
	{ X10 "." X10 X10 X10 X10 ".exe", X10 ".xxx.exe" },
	{ U10 U10 U10 U10 ".doc", U10 U10 U10 U10 ".doc" }, /* 44 characters */
	{ U10 U10 U10 U10 U10 ".doc", U10 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9.doc" },
};

static void test_safe(struct fixture *x)
{
	char many[20001];

	fixture_reset(x);
	for (size_t i = 0; i < ARRAY_LEN(safe); i++) {
		const char *got = scan_safe_name(&x->state, safe[i].name);

		T_OK(strcmp(got, safe[i].safe) == 0, "safe name %zu: %s", i, got);
	}
	memset(many, 0x80, sizeof(many) - 1); /* no character starts */
	many[sizeof(many) - 1] = '\0';
	T_OK(strlen(scan_safe_name(&x->state, many)) < 100, "bytes that are no characters");
	many[100] = 'x';
	T_OK(strlen(scan_safe_name(&x->state, many)) < 100, "and with one among them");
}

/* --- one leaf --- */

struct expect {
	const char *names;
	char origin;
	unsigned depth;
	char class; /* of the finding; 0 when forwarded; '-' when there is none */
	const char *rule, *report, *log;
	bool delete_part;
};

static const struct expect leaves[] = {
	{ "a.doc", 'n', 0, '-', NULL, NULL, NULL, false },
	{ "a.txt", 'n', 0, '-', NULL, NULL, NULL, false },
	{ "a.exe", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)",
	  "Filename Checks: program (%id% a.exe)", false },
	{ "A.EXE", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (A.EXE)",
	  "Filename Checks: program (%id% A.EXE)", false },
	{ "a.scr", 'n', 0, 'f', "n.conf:3", "Savers are not accepted (a.scr)",
	  "Filename Checks: saver (%id% a.scr)", true },
	{ "a.fdf", 'n', 0, '-', NULL, NULL, NULL, false },
	{ "a.fwd", 'n', 0, 0, "n.conf:5", "Goes to others (a.fwd)",
	  "Filename Checks: forward (%id% a.fwd)", false },
	{ "a.silent", 'n', 0, 'f', "n.conf:6", "A file of this name is not accepted (a.silent)",
	  "Filename Checks:  (%id% a.silent)", false },
	/* what Windows, the disk and other readers make of it */
	{ "a.exe.", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe.)", NULL, false },
	{ "a.exe . . ", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe..)", NULL,
	  false },
	{ "a.ex e", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)", NULL, false },
	{ "a.exe\"", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe/", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe\n", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe\x01", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe$", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)", NULL, false },
	{ "..\\a.exe", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)", NULL, false },
	{ "\xff\xfe.exe", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	/* readings are judged apart: the strictest counts */
	{ "a.txt|b.exe", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (b.exe)", NULL,
	  false },
	{ "b.exe|a.txt", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (b.exe)", NULL,
	  false },
	{ "a.exe|b.exe", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)", NULL,
	  false },
	{ "a.exe|b.scr", 'n', 0, 'f', "n.conf:3", NULL, NULL, true },
	{ "a.fwd|b.exe", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.fdf|b.fwd", 'n', 0, 0, "n.conf:5", NULL, NULL, false },
	{ "a.txt|b.doc", 'n', 0, '-', NULL, NULL, NULL, false },
	/* encoded words are no reading when there is another */
	{ "=?utf-8?B?" X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "?=|a.txt", 'n',
	  0, '-', NULL, NULL, NULL, false },
	{ "=?utf-8?B?" X10 X10 X10 X10 X10 X10 X10
	  "?= =?utf-8?B?" X10 X10 X10 X10 X10 X10 X10 X10 X10 "?=|a.txt",
	  'n', 0, '-', NULL, NULL, NULL, false },
	{ "=?utf-8?B?" X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "?=", 'n', 0,
	  'f', "n.conf:7", NULL, NULL, false },
	{ "a.txt|=?x?q?a?=.exe", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.txt|=?x.exe", 'n', 0, 'f', "n.conf:2", NULL, NULL, false },
	{ "=?x?q?a?=|a.exe", 'n', 0, 'f', "n.conf:2", "Programs are not accepted (a.exe)", NULL,
	  false },
	{ "=?x?q?a?=|=?x?B?" X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "?=", 'n',
	  0, 'f', "n.conf:7", NULL, NULL, false },
	/* unnamed parts get a name as on MailScanner's disk */
	{ NULL, 'n', 0, 'f', "n.conf:8", "Unnamed data (msg-0-1.dat)", NULL, false },
	{ "", 'n', 0, '-', NULL, NULL, NULL, false },
	/* which set: option Archives Are says "zro" */
	{ "a.exe", 'z', 1, '-', NULL, NULL, NULL, false },
	{ "a.txt", 'z', 1, 'f', "a.conf:2", "Notes in archives are not accepted (a.txt)", NULL,
	  false },
	{ "a.txt", 'r', 2, 'f', "a.conf:2", NULL, NULL, false },
	{ "a.txt", 'o', 1, 'f', "a.conf:2", NULL, NULL, false },
	{ "a.txt", 'u', 1, '-', NULL, NULL, NULL, false },
	{ "a.exe", 'u', 1, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe", 't', 1, 'f', "n.conf:2", NULL, NULL, false },
	{ "a.exe", 0, 0, 'f', "n.conf:2", NULL, NULL, false },
};

static bool found_as(const struct facts *f, const struct expect *want)
{
	const struct finding *got = f->findings;

	if (want->class == '-')
		return f->findings_n == 0;
	return f->findings_n == 1 && got->kind == FINDING_FILENAME && got->class == want->class &&
	       got->delete_part == want->delete_part && strcmp(got->rule, want->rule) == 0 &&
	       (want->report == NULL || strcmp(got->report, want->report) == 0) &&
	       (want->log == NULL || strcmp(got->log, want->log) == 0);
}

static struct check_result run(struct fixture *x)
{
	struct check_result r = { .state = CHECK_STATES };
	struct err err = { .kind = ERR_NONE };

	if (check_filenames(&x->state, &r, &err) < 0) {
		r.state = CHECK_FAILED;
		r.why = arena_str(x->arena, bytes_str(err.text));
	}
	return r;
}

static void test_leaves(struct fixture *x)
{
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
		struct check_result r;

		fixture_reset(x);
		(void)fixture_leaf(x, leaves[i].names, leaves[i].origin, leaves[i].depth);
		r = run(x);
		T_OK(r.state == CHECK_RAN && found_as(&x->facts, &leaves[i]), "leaf %zu: %s", i,
		     x->facts.findings_n > 0 ? x->facts.findings[0].report : "no finding");
	}
}

static void test_forward(struct fixture *x)
{
	fixture_reset(x);
	(void)fixture_leaf(x, "a.fwd", 'n', 0);
	(void)run(x);
	T_OK(x->facts.findings_n == 1 &&
		     strcmp(x->facts.findings[0].name, "a@example.com b@example.com") == 0,
	     "a forward names its addresses");
}

static void test_unnamed(struct fixture *x)
{
	static const struct {
		const char *type, *name;
	} types[] = {
		{ "text/plain", "msg-0-1.txt" }, { "text/html", "msg-0-2.html" },
		{ "text/x-any", "msg-0-3.txt" }, { "image/gif", "msg-0-4.gif" },
		{ "image/jpeg", "msg-0-5.jpg" }, { "application/pdf", "msg-0-6.dat" },
	};
	struct mime_part parts[ARRAY_LEN(types)];
	bool ok = true;

	fixture_reset(x);
	x->request.rules[SCAN_RULES_NORMAL].deny_names = "^msg-";
	memset(parts, 0, sizeof(parts));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		parts[i].type = types[i].type;
		fixture_leaf(x, NULL, 'n', 0)->part = &parts[i];
	}
	(void)run(x);
	ok = x->facts.findings_n == ARRAY_LEN(types);
	for (size_t i = 0; ok && i < ARRAY_LEN(types); i++)
		ok = strcmp(x->facts.findings[i].name, types[i].name) == 0;
	T_OK(ok, "names of unnamed parts, by type and number");
	x->request.rules[SCAN_RULES_NORMAL].deny_names = NULL;
}

static void test_lists(struct fixture *x)
{
	struct scan_rules *n = &x->request.rules[SCAN_RULES_NORMAL];
	struct scan_rules *a = &x->request.rules[SCAN_RULES_ARCHIVES];
	const struct finding *f;

	fixture_reset(x);
	n->deny_names = a->deny_names = "\\.doc$";
	n->allow_names = "^good";
	(void)fixture_leaf(x, "bad.doc", 'n', 0);
	(void)fixture_leaf(x, "good.doc", 'n', 0);
	(void)fixture_leaf(x, "good.exe", 'n', 0);
	(void)fixture_leaf(x, "in.doc", 'z', 1);
	(void)run(x);
	f = x->facts.findings;
	T_OK(x->facts.findings_n == 2 && strcmp(f[0].rule, "option Deny Filenames") == 0 &&
		     f[0].delete_part && strstr(f[0].report, "(bad.doc)") != NULL &&
		     strstr(f[0].log, "Filename Checks: ") == f[0].log &&
		     strstr(f[0].log, "(%id% bad.doc)") != NULL,
	     "the deny list deletes; the allow list comes first");
	T_OK(x->facts.findings_n == 2 && strcmp(f[1].rule, "option Archives: Deny Filenames") == 0,
	     "the archives' list has its own option: %s", f[1].rule);
	n->deny_names = a->deny_names = n->allow_names = NULL;
}

static void test_exempt(struct fixture *x)
{
	static const struct {
		const char *names;
		bool override, exempt;
	} cases[] = {
		{ "a.txt", true, true },        { "a.txt", false, false },
		{ "a.doc", true, false }, /* allowed for want of a rule */
		{ "a.exe", true, false },       { "a.txt|b.txt", true, true },
		{ "a.txt|b.doc", true, false }, { "a.txt|b.exe", true, false },
		{ "listed", true, true },       { "a.fdf", true, false },
	};

	x->request.rules[SCAN_RULES_NORMAL].allow_names = "^listed$";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct leaf *leaf;

		fixture_reset(x);
		x->request.override_filetypes = cases[i].override;
		leaf = fixture_leaf(x, cases[i].names, 'n', 0);
		(void)run(x);
		T_OK(leaf->type_exempt == cases[i].exempt, "Override Filetypes, %s",
		     cases[i].names);
	}
	x->request.override_filetypes = false;
	x->request.rules[SCAN_RULES_NORMAL].allow_names = NULL;
}

static void test_encrypted(struct fixture *x)
{
	for (int wanted = 0; wanted < 2; wanted++) {
		struct leaf *leaf;

		fixture_reset(x);
		x->request.check_encrypted_names = wanted != 0;
		leaf = fixture_leaf(x, "secret.txt", 'z', 1);
		leaf->encrypted = leaf->unread = true;
		leaf = fixture_leaf(x, "part.exe", 'n', 0);
		leaf->encrypted = leaf->unread = true;
		leaf = fixture_leaf(x, "broken.txt", 'z', 1);
		leaf->unread = true;
		(void)run(x);
		T_OK(x->facts.findings_n == 2u + (unsigned)wanted, "names of encrypted members: %s",
		     wanted ? "checked" : "not asked for");
	}
}

static void test_states(struct fixture *x)
{
	struct check_result r;

	fixture_reset(x);
	r = run(x);
	T_OK(r.state == CHECK_RAN && r.why == NULL, "no leaves");
	(void)fixture_leaf(x, "a.fdf", 'n', 0);
	(void)fixture_leaf(x, "b.fdf", 'n', 0);
	r = run(x);
	T_OK(r.state == CHECK_RAN && r.why != NULL && strcmp(r.why, "rename not applied: 2") == 0,
	     "renames are counted");
	x->request.dangerous_content = false;
	r = run(x);
	T_OK(r.state == CHECK_SKIPPED && strstr(r.why, "Dangerous Content") != NULL, "skipped: %s",
	     r.why);
	x->request.dangerous_content = true;
	x->request.rules[SCAN_RULES_NORMAL].name_rules = "gone.conf";
	r = run(x);
	T_OK(r.state == CHECK_FAILED && strstr(r.why, "gone.conf") != NULL, "failed: %s", r.why);
	x->request.rules[SCAN_RULES_NORMAL].name_rules = "n.conf";
	x->request.limits.max[BUDGET_CPU_MS] = 1;
	fixture_reset(x);
	x->state.budget.cpu_start_ns = 0; /* this thread has compiled rules since */
	(void)fixture_leaf(x, "a.exe", 'n', 0);
	r = run(x);
	T_OK(r.state == CHECK_LIMIT && r.why != NULL, "limit: %s", r.why == NULL ? "" : r.why);
	x->request.limits.max[BUDGET_CPU_MS] = 0;
}

/* A full arena fails the message, never the process. */
static void test_memory(struct fixture *x)
{
	struct arena *all = x->arena;
	unsigned failed = 0, ran = 0;

	for (size_t max = 0; max < 3000; max += 16) {
		AUTO(arena_free) struct arena *small = arena_new(max);

		fixture_reset(x);
		(void)fixture_leaf(x, "a.txt|b.exe", 'n', 0);
		(void)fixture_leaf(x, NULL, 'n', 0);
		x->state.arena = small;
		if (run(x).state == CHECK_RAN)
			ran += x->facts.findings_n == 2;
		else
			failed++;
		x->state.arena = all;
	}
	T_OK(failed > 10 && ran > 10 && failed + ran == 3000 / 16 + 1,
	     "too little memory: failed %u times, else complete", failed);
}

int main(void)
{
	struct fixture x;

	fixture_init(&x, files, ARRAY_LEN(files));
	x.request.rules[SCAN_RULES_NORMAL].name_rules = "n.conf";
	x.request.rules[SCAN_RULES_ARCHIVES].name_rules = "a.conf";
	test_safe(&x);
	test_leaves(&x);
	test_forward(&x);
	test_unnamed(&x);
	test_lists(&x);
	test_exempt(&x);
	test_encrypted(&x);
	test_states(&x);
	test_memory(&x);
	fixture_fini(&x);
	return t_done();
}
