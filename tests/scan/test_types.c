/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/test_types.c - filetype rules on whole messages; libmagic's answers. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/scan/rules_fixture.h"

static const char normal[] = "allow\ttext\t-\t-\n"
			     "deny\texecutable\tprogram\tPrograms are not accepted\n"
			     "deny+delete\t^PDF\tpdf\tPDF is not accepted\n"
			     "rename\t^GIF\tgif\tPictures get a new name\n"
			     "a@example.com\t^PNG\tpng\tGoes to others\n"
			     "deny\t-\t^application/zip$\tzip\tNo ZIP by MIME type\n"
			     "allow\t-\t^application/x-executable\t-\t-\n"
			     "deny\tversion 1\\.4\tnever\tBehind the comma\n"
			     "deny\tcharset\tcharset\tBehind the semicolon\n"
			     "deny\t^empty$\tempty\tNothing in it\n";
static const char archives[] = "deny\ttext\tnote\tNotes in archives are not accepted\n";
static const char mime_only[] = "deny\t-\t^image/png$\tpng\tNo PNG\n"
				"deny\t-\t^inode/x-empty$\tnone\tNothing in it\n";

static const struct rule_source_file files[] = {
	{ "n.conf", BYTES(normal) },
	{ "a.conf", BYTES(archives) },
	{ "m.conf", BYTES(mime_only) },
	{ "none.conf", BYTES("# nothing\n") },
};

#define PDF  "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"
#define ZIP  "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt"
#define EOCD "PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
	struct bytes content;
	const char *name, *rules;
	char origin;
	unsigned depth;
	char class; /* '-': no finding */
	const char *rule, *report, *log;
	bool delete_part;
} leaves[] = {
	{ BYTES("just text\n"), "a", "n.conf", 'n', 0, '-', NULL, NULL, NULL, false },
	{ BYTES(PDF), "a.pdf", "n.conf", 'n', 0, 'f', "n.conf:3", "PDF is not accepted (a.pdf)",
	  "Filetype Checks: pdf (%id% a.pdf)", true },
	{ BYTES("GIF89a\1\0\1\0\0\0\0"), "a.gif", "n.conf", 'n', 0, '-', NULL, NULL, NULL, false },
	{ BYTES(PNG), "a.png", "n.conf", 'n', 0, 0, "n.conf:5", "Goes to others (a.png)",
	  "Filetype Checks: png (%id% a.png)", false },
	{ BYTES(ZIP EOCD), "a.zip", "n.conf", 'n', 0, 'f', "n.conf:6",
	  "No ZIP by MIME type (a.zip)", "Filetype Mime Checks: zip (%id% a.zip)", false },
	{ BYTES(""), "a", "n.conf", 'n', 0, 'f', "n.conf:10", "Nothing in it (a)", NULL, false },
	{ BYTES(""), "a", "m.conf", 'n', 0, 'f', "m.conf:2", NULL, NULL, false },
	{ BYTES(PNG), "a.png", "m.conf", 'n', 0, 'f', "m.conf:1", NULL,
	  "Filetype Mime Checks: png (%id% a.png)", false },
	{ BYTES(PDF), "a.png", "m.conf", 'n', 0, '-', NULL, NULL, NULL, false },
	{ BYTES(PDF), "a.png", "none.conf", 'n', 0, '-', NULL, NULL, NULL, false },
	{ BYTES(PDF), "a.png", NULL, 'n', 0, '-', NULL, NULL, NULL, false },
	/* which set */
	{ BYTES("just text\n"), "a", "n.conf", 'z', 1, 'f', "a.conf:1",
	  "Notes in archives are not accepted (a)", NULL, false },
	{ BYTES("just text\n"), "a", "n.conf", 't', 1, '-', NULL, NULL, NULL, false },
	/* unnamed */
	{ BYTES(PDF), NULL, "n.conf", 'n', 0, 'f', "n.conf:3", "PDF is not accepted (msg-0-1.dat)",
	  NULL, true },
	/* what only a file, not a buffer, tells: an archive behind something else */
	{ BYTES("\x01\x02junk\xff" ZIP EOCD), "a", "n.conf", 'n', 0, 'f', "n.conf:6", NULL, NULL,
	  false },
};

static struct check_result run(struct fixture *x)
{
	struct check_result r = { .state = CHECK_STATES };
	struct err err = { .kind = ERR_NONE };

	if (check_filetypes(&x->state, &r, &err) < 0) {
		r.state = CHECK_FAILED;
		r.why = arena_str(x->arena, bytes_str(err.text));
	}
	return r;
}

static void rules(struct fixture *x, const char *file)
{
	memset(x->request.rules, 0, sizeof(x->request.rules));
	x->request.rules[SCAN_RULES_NORMAL].type_rules = file;
	x->request.rules[SCAN_RULES_ARCHIVES].type_rules = file == NULL ? NULL : "a.conf";
}

static struct leaf *add(struct fixture *x, struct bytes content, const char *names, char origin,
			unsigned depth)
{
	struct leaf *leaf = fixture_leaf(x, names, origin, depth);

	leaf->content = content;
	return leaf;
}

static void test_leaves(struct fixture *x)
{
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
		const struct finding *f;
		struct check_result r;
		bool ok;

		fixture_reset(x);
		rules(x, leaves[i].rules);
		(void)add(x, leaves[i].content, leaves[i].name, leaves[i].origin, leaves[i].depth);
		r = run(x);
		f = x->facts.findings;
		ok = leaves[i].class == '-'
			     ? x->facts.findings_n == 0
			     : x->facts.findings_n == 1 && f->kind == FINDING_FILETYPE &&
				       f->class == leaves[i].class &&
				       f->delete_part == leaves[i].delete_part &&
				       strcmp(f->rule, leaves[i].rule) == 0 &&
				       (leaves[i].report == NULL ||
					strcmp(f->report, leaves[i].report) == 0) &&
				       (leaves[i].log == NULL ||
					strcmp(f->log, leaves[i].log) == 0);
		T_OK(r.state == CHECK_RAN && ok, "leaf %zu: %s", i,
		     x->facts.findings_n > 0 ? f->report : "no finding");
	}
}

static void test_lists(struct fixture *x)
{
	struct scan_rules *n = &x->request.rules[SCAN_RULES_NORMAL];
	const struct finding *f;

	rules(x, "n.conf");
	fixture_reset(x);
	n->deny_types = "^PNG";
	n->allow_types = "^PDF";
	(void)add(x, BYTES(PNG), "a.png", 'n', 0);
	(void)add(x, BYTES(PDF), "a.pdf", 'n', 0);
	(void)run(x);
	f = x->facts.findings;
	T_OK(x->facts.findings_n == 1 && f->delete_part &&
		     strcmp(f->rule, "option Deny Filetypes") == 0 &&
		     strstr(f->log, "Filetype Checks: ") == f->log,
	     "allow and deny lists come before the rules");

	rules(x, "n.conf");
	fixture_reset(x);
	n->allow_mime_types = "^application/pdf$";
	n->deny_mime_types = "^image/";
	(void)add(x, BYTES(PDF), "a.pdf", 'n', 0);
	(void)add(x, BYTES(PNG), "a.png", 'n', 0);
	(void)run(x);
	f = x->facts.findings;
	T_OK(x->facts.findings_n == 2 && f[0].class == 0 && f[1].class == 'f' &&
		     strcmp(f[1].rule, "option Deny File MIME Types") == 0,
	     "the MIME allow list takes a hit by type back; both passes report");

	rules(x, NULL); /* MailScanner runs nothing then; ours does */
	fixture_reset(x);
	n->deny_mime_types = "^image/";
	(void)add(x, BYTES(PNG), "a.png", 'n', 0);
	(void)run(x);
	T_OK(x->facts.findings_n == 1, "MIME lists alone are enough");
}

static void test_passed_over(struct fixture *x)
{
	static const struct {
		const char *names;
		unsigned depth;
		bool ignore_dat, unread, exempt;
		size_t findings;
	} cases[] = {
		{ "a.pdf", 0, false, false, false, 1 },
		{ "a.pdf", 0, false, true, false, 0 },
		{ "a.pdf", 0, false, false, true, 0 },
		{ "a.dat", 1, false, false, false, 1 },
		{ "a.dat", 1, true, false, false, 0 },
		{ "A.DAT", 1, true, false, false, 0 },
		{ "a.dat", 0, true, false, false, 1 },
		{ "a.dat.x", 1, true, false, false, 1 },
		{ "a.dat|b.pdf", 1, true, false, false, 1 },
		{ NULL, 1, true, false, false, 1 },
	};

	rules(x, "n.conf");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct leaf *leaf;

		fixture_reset(x);
		x->request.ignore_dat = cases[i].ignore_dat;
		leaf = add(x, BYTES(PDF), cases[i].names, 't', cases[i].depth);
		leaf->unread = cases[i].unread;
		leaf->type_exempt = cases[i].exempt;
		(void)run(x);
		T_OK(x->facts.findings_n == cases[i].findings, "passed over %zu", i);
	}
	x->request.ignore_dat = false;
}

static void test_answers(struct fixture *x)
{
	struct fact_part part = { .file_type = "" };
	struct leaf *pdf, *text, *member;

	rules(x, "n.conf");
	x->request.rules[SCAN_RULES_ARCHIVES].type_rules = "n.conf";
	fixture_reset(x);
	pdf = add(x, BYTES(PDF), "a.pdf", 'n', 0);
	pdf->fact = &part;
	member = add(x, BYTES("GIF89a\1\0\1\0\0\0\0"), "b", 'z', 1);
	member->fact = &part;
	text = add(x, BYTES("just text\n"), "c", 'n', 0);
	(void)run(x);
	T_OK(strcmp(pdf->file_type, "PDF document") == 0 &&
		     strcmp(pdf->file_mime, "application/pdf") == 0,
	     "text up to the comma, MIME type: %s, %s", pdf->file_type, pdf->file_mime);
	T_OK(strcmp(text->file_type, "ASCII text") == 0 &&
		     strcmp(text->file_mime, "text/plain") == 0,
	     "%s, %s", text->file_type, text->file_mime);
	T_OK(strcmp(part.file_type, "PDF document") == 0,
	     "the part's fact is about the part, not its members");

	rules(x, "none.conf");
	fixture_reset(x);
	pdf = add(x, BYTES(PDF), "a.pdf", 'n', 0);
	(void)run(x);
	T_OK(pdf->file_type == NULL && pdf->file_mime == NULL, "no rules: nothing is asked");
}

static void test_cache(struct fixture *x)
{
	struct fact_verdict v = { .file_type = "PDF document", .mime_type = "application/pdf" };
	struct leaf *leaf;

	rules(x, "n.conf");
	fixture_reset(x);
	leaf = add(x, BYTES("just text\n"), "a", 'n', 0);
	leaf->cached = &v;
	(void)run(x);
	T_OK(x->facts.findings_n == 1 && strcmp(leaf->file_type, "PDF document") == 0,
	     "what the cache knows is not asked again");
	memset(v.file_type, 'x', sizeof(v.file_type) - 1);
	v.mime_type[0] = '\0';
	fixture_reset(x);
	leaf = add(x, BYTES("just text\n"), "a", 'n', 0);
	leaf->cached = &v;
	(void)run(x);
	T_OK(strcmp(leaf->file_type, "ASCII text") == 0 &&
		     strcmp(leaf->file_mime, "text/plain") == 0,
	     "but what may have been cut, or is not there, is");
}

/* Of a very large content the start is shown, and nothing of it to the next question. */
static void test_large(struct fixture *x)
{
	size_t n = 40u << 20, middle = 6u << 20;
	uint8_t *big = calloc(1, n);
	struct leaf *leaf;

	rules(x, "n.conf");
	fixture_reset(x);
	memset(big, 0x11, n);
	memcpy(big + middle - sizeof(EOCD) + 1, EOCD, sizeof(EOCD) - 1);
	leaf = add(x, bytes_of(big, middle), "a", 'n', 0);
	(void)run(x);
	T_OK(strcmp(leaf->file_mime, "application/zip") == 0, "the end of 6 MiB is seen: %s",
	     leaf->file_type);
	fixture_reset(x);
	memcpy(big, PDF, sizeof(PDF) - 1);
	leaf = add(x, bytes_of(big, n), "a", 'n', 0);
	(void)run(x);
	T_OK(strcmp(leaf->file_type, "PDF document") == 0, "the start of 40 MiB is seen: %s",
	     leaf->file_type);
	fixture_reset(x);
	leaf = add(x, BYTES("x\n"), "a", 'n', 0);
	(void)run(x);
	T_OK(strcmp(leaf->file_type, "ASCII text") == 0, "and gone afterwards: %s",
	     leaf->file_type);
	free(big);
}

static void test_program(struct fixture *x)
{
	static uint8_t self[8u << 20];
	FILE *in = fopen("/proc/self/exe", "re");
	size_t n = in == NULL ? 0 : fread(self, 1, sizeof(self), in);
	struct leaf *leaf;

	if (in != NULL)
		(void)fclose(in);
	rules(x, "n.conf");
	fixture_reset(x);
	leaf = add(x, bytes_of(self, n), "a", 'n', 0);
	(void)run(x);
	T_OK(x->facts.findings_n == 1 && strcmp(x->facts.findings[0].rule, "n.conf:2") == 0 &&
		     strstr(leaf->file_type, "executable") != NULL,
	     "a position-independent program is a program: %s", leaf->file_type);
}

/* Each process has its own memory file: two workers must not see each other's contents. */
static void test_fork(struct fixture *x)
{
	bool ok = true;
	int status;
	pid_t pid;

	rules(x, "n.conf");
	fixture_reset(x);
	(void)add(x, BYTES(PDF), "a", 'n', 0);
	(void)run(x); /* the file exists now, before the fork */
	pid = fork();
	for (int i = 0; i < 200; i++) {
		struct leaf *leaf;

		fixture_reset(x);
		leaf = add(x, pid == 0 ? BYTES(PDF) : BYTES("just text\n"), "a", 'n', 0);
		(void)run(x);
		ok = ok && strcmp(leaf->file_type, pid == 0 ? "PDF document" : "ASCII text") == 0;
	}
	if (pid == 0)
		_exit(ok ? 0 : 1);
	ok = ok && waitpid(pid, &status, 0) == pid && status == 0;
	T_OK(pid > 0 && ok, "two processes at once");
}

static void test_states(struct fixture *x)
{
	struct check_result r;

	rules(x, "n.conf");
	fixture_reset(x);
	r = run(x);
	T_OK(r.state == CHECK_RAN && r.why == NULL, "no leaves");
	(void)add(x, BYTES("GIF89a\1\0\1\0\0\0\0"), "a", 'n', 0);
	r = run(x);
	T_OK(r.state == CHECK_RAN && r.why != NULL && strcmp(r.why, "rename not applied: 1") == 0,
	     "renames are counted");
	x->request.dangerous_content = false;
	r = run(x);
	T_OK(r.state == CHECK_SKIPPED && strstr(r.why, "Dangerous") != NULL, "skipped: %s", r.why);
	x->request.dangerous_content = true;
	x->request.check_types = false;
	r = run(x);
	T_OK(r.state == CHECK_SKIPPED && strstr(r.why, "File Command") != NULL, "skipped: %s",
	     r.why);
	x->request.check_types = true;
	rules(x, "gone.conf");
	r = run(x);
	T_OK(r.state == CHECK_FAILED, "failed: %s", r.why);
	rules(x, "n.conf");
	x->request.limits.max[BUDGET_CPU_MS] = 1;
	fixture_reset(x);
	(void)add(x, BYTES(PDF), "a", 'n', 0);
	r = run(x);
	T_OK(r.state == CHECK_LIMIT && r.why != NULL && x->facts.findings_n == 0, "limit: %s",
	     r.why == NULL ? "" : r.why);
	x->request.limits.max[BUDGET_CPU_MS] = 0;
}

static void test_faults(struct fixture *x)
{
#ifdef SALLYPORT_FAULTS
	static const char *const faults[] = { "types.magic=EIO", "types.write=ENOSPC" };

	rules(x, "n.conf");
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct check_result r;

		fixture_reset(x);
		(void)add(x, BYTES("just text\n"), "a", 'n', 0);
		(void)setenv("SALLYPORT_FAULT", faults[i], 1);
		r = run(x);
		(void)unsetenv("SALLYPORT_FAULT");
		T_OK(r.state == CHECK_FAILED, "%s: %s", faults[i], r.why);
		T_OK(run(x).state == CHECK_RAN, "and the next one works");
	}
#else
	(void)x;
#endif
}

/* --- the corpus: how many file types are as they were recorded --- */

static bool same_type(const char *want, const char *got)
{
	return strcmp(want, got) == 0;
}

static void test_corpus(struct fixture *x, const char *corpus, const char *expected)
{
	static uint8_t content[16u << 20];
	unsigned asked = 0, agree = 0, failed = 0;
	uint64_t text_ns = 0;
	char line[4096], path[8192];
	FILE *rows;

	(void)snprintf(path, sizeof(path), "%s/expected-docs.tsv", expected);
	rows = fopen(path, "re");
	rules(x, NULL);
	x->request.rules[SCAN_RULES_NORMAL].deny_types = "no such type";
	x->request.rules[SCAN_RULES_NORMAL].deny_mime_types = "no such type";
	while (rows != NULL && fgets(line, sizeof(line), rows) != NULL) {
		char *rest = line, *file = strsep(&rest, "\t"), *property = strsep(&rest, "\t");
		char *want = strsep(&rest, "\t");
		uint64_t start;
		struct leaf *leaf;
		FILE *in;
		size_t n;

		if (property == NULL || want == NULL || strcmp(property, "filetype.mime") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", corpus, file);
		in = fopen(path, "re");
		if (in == NULL)
			continue;
		n = fread(content, 1, sizeof(content), in);
		(void)fclose(in);
		fixture_reset(x);
		leaf = add(x, bytes_of(content, n), "a", 'n', 0);
		start = clock_thread_cpu_ns();
		failed += run(x).state != CHECK_RAN;
		text_ns += clock_thread_cpu_ns() - start;
		asked++;
		if (leaf->file_mime != NULL && same_type(want, leaf->file_mime))
			agree++;
		else
			printf("# %s: recorded %s, libmagic %s\n", file, want,
			       leaf->file_mime == NULL ? "-" : leaf->file_mime);
	}
	if (rows != NULL)
		(void)fclose(rows);
	printf("# %u of %u as recorded; %llu us each for both questions\n", agree, asked,
	       asked == 0 ? 0ull : (unsigned long long)text_ns / asked / 1000);
	T_OK(asked > 1000 && failed == 0 && agree * 100 >= asked * 95,
	     "corpus: %u of %u types as recorded, %u failed", agree, asked, failed);
}

int main(void)
{
	const char *corpus = getenv("SALLYPORT_CORPUS");
	const char *expected = getenv("SALLYPORT_EXPECTED"); /* folder of the .tsv files */
	struct err err = { .kind = ERR_NONE };
	struct fixture x;

	fixture_init(&x, files, ARRAY_LEN(files));
	if (!T_OK(type_engine_new(&x.scanner.types, &err) == 0, "libmagic loads %s", err.text))
		return t_done();
	test_leaves(&x);
	test_lists(&x);
	test_passed_over(&x);
	test_answers(&x);
	test_cache(&x);
	test_large(&x);
	test_program(&x);
	test_fork(&x);
	test_states(&x);
	test_faults(&x);
	if (corpus == NULL || expected == NULL)
		T_OK(true, "corpus # SKIP SALLYPORT_CORPUS, SALLYPORT_EXPECTED not set");
	else
		test_corpus(&x, corpus, expected);
	fixture_fini(&x);
	return t_done();
}
