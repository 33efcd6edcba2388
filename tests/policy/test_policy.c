/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: no combination of check states lets a message pass that policy wanted checked, every
 * finding keeps it, and every option reaches the request.
 */
#include "policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "tests/t.h"

static struct arena *arena;

/* --- options --- */

static struct conf *load_with(const char *text, const char *path, const char *content)
{
	struct conf_report *report = conf_report_new();
	struct conf_source *s = NULL;
	struct conf *c = NULL;
	struct err err = { .kind = ERR_NONE };

	if (report == NULL || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/m.conf", CONF_FILE, false, bytes_str(text)) < 0 ||
	    conf_source_add(s, path, CONF_FILE, false, bytes_str(content)) < 0 ||
	    conf_load(&c, s, "/m.conf", report, &err) < 0)
		printf("# %s\n", err.text);
	conf_report_free(&report);
	conf_source_close(&s);
	return c;
}

static struct conf *load(const char *text)
{
	return load_with(text, "/unused", "");
}

static struct scan_request ask(const char *text)
{
	struct scan_request r = { 0 };
	struct conf *c = load(text);

	arena_reset(arena);
	if (c != NULL && policy_request(c, NULL, arena, &r, NULL) < 0)
		printf("# no request\n");
	conf_unref(&c);
	return r;
}

static void test_bools(void)
{
	static const struct {
		const char *option;
		size_t offset;
	} rows[] = {
#define FLAG(option, field) { option, offsetof(struct scan_request, field) }
		FLAG("Virus Scanning", virus_scanning),
		FLAG("ClamAV Full Message Scan", full_message_scan),
		FLAG("Dangerous Content Scanning", dangerous_content),
		FLAG("Allow Partial Messages", allow_partial),
		FLAG("Allow External Message Bodies", allow_external),
		FLAG("Allow Password-Protected Archives", allow_encrypted_archives),
		FLAG("Archives Must Be Password-Protected", require_encrypted_archives),
		FLAG("Check Filenames In Password-Protected Archives", check_encrypted_names),
		FLAG("Block Encrypted Messages", block_encrypted),
		FLAG("Block Unencrypted Messages", block_unencrypted),
		FLAG("Find Archives By Content", find_archives_by_content),
		FLAG("Unpack Microsoft Documents", unpack_documents),
		FLAG("Find UU-Encoded Files", find_uu),
		FLAG("Expand TNEF", expand_tnef),
		FLAG("Deliver Unparsable TNEF", allow_broken_tnef),
		FLAG("Override Filetypes", override_filetypes),
		FLAG("Archives: Ignore DAT File Executable", ignore_dat),
		FLAG("Log Permitted Filenames", log_permitted_names),
		FLAG("Log Permitted Filetypes", log_permitted_types),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[128];
		struct scan_request yes, no;

		(void)snprintf(text, sizeof(text), "%s = yes\n", rows[i].option);
		yes = ask(text);
		(void)snprintf(text, sizeof(text), "%s = no\n", rows[i].option);
		no = ask(text);
		T_OK(*(bool *)((char *)&yes + rows[i].offset) &&
			     !*(bool *)((char *)&no + rows[i].offset),
		     "%s", rows[i].option);
	}
}

static void test_numbers(void)
{
	struct scan_request r = ask("Maximum Message Size = 5m\nMaximum Attachment Size = 7\n"
				    "Minimum Attachment Size = 3\n"
				    "Maximum Attachments Per Message = 9\n"
				    "Maximum Archive Depth = 4\nMaximum Expanded Bytes = 2m\n"
				    "Maximum Member Bytes = 3m\nMaximum Expansion Ratio = 11\n"
				    "Maximum Archive Members = 12\nMaximum MIME Depth = 13\n"
				    "Maximum MIME Parts = 14\nMaximum Header Bytes = 15000\n"
				    "Maximum Header Lines = 16\nMessage CPU Limit = 17\n"
				    "Archives Are = zip rar ole zoo\n");

	T_OK(r.max_message_bytes == 5000000 && r.max_attachment_bytes == 7 &&
		     r.min_attachment_bytes == 3 && r.max_attachments == 9,
	     "sizes");
	T_OK(!r.no_unpack && r.limits.max[BUDGET_ARCHIVE_DEPTH] == 4, "depth");
	T_OK(r.limits.max[BUDGET_EXPANDED_BYTES] == 2000000 &&
		     r.limits.max[BUDGET_MEMBER_BYTES] == 3000000 &&
		     r.limits.max[BUDGET_RATIO] == 11 && r.limits.max[BUDGET_MEMBERS] == 12 &&
		     r.limits.max[BUDGET_MIME_DEPTH] == 13 && r.limits.max[BUDGET_PARTS] == 14 &&
		     r.limits.max[BUDGET_HEADER_BYTES] == 15000 &&
		     r.limits.max[BUDGET_HEADER_LINES] == 16 &&
		     r.limits.max[BUDGET_CPU_MS] == 17000,
	     "limits of ours");
	T_OK(r.limits.max[BUDGET_MEMORY] == budget_default_limits.max[BUDGET_MEMORY],
	     "the rest by default");
	T_OK(strcmp(r.archives_are, "zro") == 0, "archives are: %s", r.archives_are);
	r = ask("Maximum Archive Depth = 0\nMaximum Attachments Per Message = 0\n");
	T_OK(r.no_unpack && r.max_attachments == 200, "zeros that mean something else");
	for (int i = BUDGET_NONE + 1; i < BUDGET_LIMITS; i++)
		T_OK(r.limits.max[i] > 0, "%s is never off",
		     budget_limit_name((enum budget_limit)i));
	r = ask("Maximum Attachments Per Message = -1\n");
	T_OK(r.max_attachments < 0, "negative is no limit");
}

static void test_words(void)
{
	static const struct conf_who who = { .client_ip = "192.0.2.9" }, nobody = { 0 };
	struct conf *c = load("Virus Scanning = yes\n");
	struct scan_request r = ask("File Command =\n");

	T_OK(!r.check_types, "an empty File Command: no file types");
	r = ask("File Command = /no/matter/what\n");
	T_OK(r.check_types, "any other: file types");
	r = ask("Archives Are = zip ZOO unpacked ole rar other tnef nothing\n");
	T_OK(strcmp(r.archives_are, "zuortn") == 0, "each initial once: %s", r.archives_are);
	r = ask("Archives Are = a b c d e f g h i j\n");
	T_OK(strcmp(r.archives_are, "abcdefg") == 0, "as many as there are places: %s",
	     r.archives_are);

	arena_reset(arena);
	T_OK(policy_request(c, &who, arena, &r, NULL) == 0 && strcmp(r.client_ip, "192.0.2.9") == 0,
	     "the client's address");
	T_OK(policy_request(c, &nobody, arena, &r, NULL) == 0 && r.client_ip[0] == '\0',
	     "no client's address");
	conf_unref(&c);
}

static void test_modes(void)
{
	static const char *const values[] = { "no", "yes", "virus" };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		char text[256];
		struct conf *c;
		struct scan_request r;

		(void)snprintf(text, sizeof(text),
			       "Scan Messages = %s\nBlock Encrypted Messages = yes\n"
			       "Maximum Message Size = 1m\nMaximum Attachment Size = 5\n",
			       values[i]);
		c = load(text);
		T_OK(c != NULL && policy_wants_scan(c, NULL) == (i != 0), "Scan Messages = %s",
		     values[i]);
		conf_unref(&c);
		r = ask(text);
		if (i == 2)
			T_OK(r.virus_scanning && !r.dangerous_content && !r.check_types &&
				     !r.block_encrypted && r.allow_partial && r.allow_external &&
				     r.max_message_bytes <= 0 && r.max_attachment_bytes < 0 &&
				     !policy_requires(&r, CHECK_CONTENT) &&
				     policy_requires(&r, CHECK_VIRUS),
			     "virus only");
	}
}

static void test_rules(void)
{
	static const char text[] = "Allow Filenames = 1\nDeny Filenames = 2\n"
				   "Allow Filetypes = 3\nDeny Filetypes = 4\n"
				   "Allow File MIME Types = 5\nDeny File MIME Types = 6\n"
				   "Archives: Allow Filenames = a1\nArchives: Deny Filenames = a2\n"
				   "Archives: Allow Filetypes = a3\nArchives: Deny Filetypes = a4\n"
				   "Archives: Allow File MIME Types = a5\n"
				   "Archives: Deny File MIME Types = a6\n";
	static const char *const want[SCAN_RULES_SETS][6] = {
		{ "1", "2", "3", "4", "5", "6" }, { "a1", "a2", "a3", "a4", "a5", "a6" }
	};
	struct conf *c = load(text);
	struct scan_request r;

	arena_reset(arena);
	T_OK(policy_request(c, NULL, arena, &r, NULL) == 0, "request");
	conf_unref(&c); /* what the request holds is its own */
	for (size_t i = 0; i < SCAN_RULES_SETS; i++) {
		const struct scan_rules *x = &r.rules[i];
		const char *got[6] = { x->allow_names, x->deny_names,       x->allow_types,
				       x->deny_types,  x->allow_mime_types, x->deny_mime_types };

		for (size_t k = 0; k < 6; k++)
			T_OK(strcmp(got[k], want[i][k]) == 0, "rule set %zu, list %zu: %s", i, k,
			     got[k]);
	}
}

/* Values of several recipients are joined in memory that the next questions use again: a message
 * that waits must not get the rules of another. */
static void test_waiting(void)
{
	static const char rules[] = "To: a@example.com \\.a$\nTo: b@example.com \\.b$\n"
				    "To: c@example.com \\.c$\nTo: d@example.com \\.d$\n"
				    "FromOrTo: default none\n";
	static const char *const first_to[] = { "a@example.com", "b@example.com" };
	static const char *const second_to[] = { "c@example.com", "d@example.com" };
	struct conf_who first = { .from = "x@y", .to = first_to, .to_n = 2 };
	struct conf_who second = { .from = "x@y", .to = second_to, .to_n = 2 };
	struct conf *c = load_with("Deny Filenames = /deny.rules\n"
				   "Archives: Deny Filenames = /deny.rules\n",
				   "/deny.rules", rules);
	struct arena *tiny = arena_new(16);
	struct scan_request r, other;
	struct err err = { .kind = ERR_NONE };

	arena_reset(arena);
	T_OK(policy_request(c, &first, arena, &r, NULL) == 0 &&
		     strcmp(r.rules[0].deny_names, "\\.a$ \\.b$") == 0,
	     "rules of two recipients: %s", r.rules[0].deny_names);
	for (unsigned i = 0; i < 40; i++)
		if (policy_request(c, &second, arena, &other, NULL) < 0)
			break;
	T_OK(strcmp(r.rules[0].deny_names, "\\.a$ \\.b$") == 0 &&
		     strcmp(r.rules[1].deny_names, "\\.a$ \\.b$") == 0 &&
		     strcmp(other.rules[0].deny_names, "\\.c$ \\.d$") == 0,
	     "and still, after 40 other messages");
	T_OK(policy_request(c, &first, tiny, &r, &err) == -ENOMEM && err.kind == ERR_LIMIT, "%s",
	     err.text);
	arena_free(&tiny);
	conf_unref(&c);
}

/* --- decisions --- */

static struct decision decide(const struct scan_request *r, const struct facts *f)
{
	struct decision d;

	arena_reset(arena);
	policy_decide(NULL, NULL, r, f, arena, &d);
	return d;
}

/* What the options can ask for, as bits. */
static struct scan_request request_of(unsigned bits)
{
	return (struct scan_request){ .virus_scanning = (bits & 1) != 0,
				      .dangerous_content = (bits & 2) != 0,
				      .check_types = (bits & 4) != 0,
				      .allow_partial = (bits & 8) != 0,
				      .allow_external = (bits & 16) != 0 };
}

/* Independent of policy.c: may this state of this check go with a delivery? */
static bool may_pass(unsigned bits, enum check_id id, enum check_state state)
{
	bool virus = (bits & 1) != 0, content = (bits & 2) != 0, types = (bits & 4) != 0;
	bool needed[CHECK_COUNT] = {
		[CHECK_LIMITS] = true,
		[CHECK_MIME] = true,
		[CHECK_SIZES] = content,
		[CHECK_ARCHIVES] = virus || content,
		[CHECK_FILENAMES] = content,
		[CHECK_FILETYPES] = content && types,
		[CHECK_CONTENT] = content || (bits & 24) != 24,
		[CHECK_VIRUS] = virus,
	};

	return state == CHECK_RAN || (state == CHECK_SKIPPED && !needed[id]);
}

/* Every state of every check, one request: 5^9 combinations. */
static unsigned try_all(unsigned bits, unsigned long *ret_n)
{
	struct scan_request r = request_of(bits);
	struct facts f = { .subject = "", .limit_why = "" };
	unsigned wrong = 0;
	unsigned state[CHECK_COUNT] = { 0 };

	for (;;) {
		bool pass = true;
		unsigned i = 0;

		for (unsigned k = 0; k < CHECK_COUNT; k++) {
			f.checks[k].state = (enum check_state)state[k];
			pass = pass && may_pass(bits, (enum check_id)k, (enum check_state)state[k]);
		}
		wrong += decide(&r, &f).outcome != (pass ? OUTCOME_DELIVER : OUTCOME_DEFER);
		++*ret_n;
		while (i < CHECK_COUNT && ++state[i] == CHECK_STATES)
			state[i++] = 0;
		if (i == CHECK_COUNT)
			return wrong;
	}
}

static void test_exhaustive(void)
{
	/* all of the five bits' meanings appear, each in both values */
	static const unsigned requests[] = { 0, 3, 25, 31 };

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		unsigned long n = 0;
		unsigned wrong = try_all(requests[i], &n);

		T_OK(wrong == 0 && n == 1953125, "request %u: %u of %lu combinations wrong",
		     requests[i], wrong, n);
	}
	for (unsigned bits = 0; bits < 32; bits++) {
		unsigned wrong = 0;

		for (int id = 0; id < CHECK_COUNT; id++)
			for (int s = 0; s <= CHECK_STATES; s++) {
				struct scan_request r = request_of(bits);
				struct facts f = { .subject = "" };

				for (int k = 0; k < CHECK_COUNT; k++)
					f.checks[k].state = CHECK_RAN;
				f.checks[id].state = (enum check_state)s;
				wrong += (decide(&r, &f).outcome == OUTCOME_DELIVER) !=
					 may_pass(bits, (enum check_id)id, (enum check_state)s);
			}
		T_OK(wrong == 0, "request %u: one check at a time, also with a state unknown",
		     bits);
	}
}

static struct facts all_ran(void)
{
	struct facts f = { .subject = "", .limit_why = "" };

	for (int i = 0; i < CHECK_COUNT; i++)
		f.checks[i].state = CHECK_RAN;
	return f;
}

static const struct {
	enum finding_kind kind;
	char class;
	const char *bits; /* of v n s o */
} infections[] = {
	{ FINDING_VIRUS, 'v', "v" },      { FINDING_VIRUS, 0, "v" },
	{ FINDING_FILENAME, 'f', "n" },   { FINDING_FILETYPE, 'f', "n" },
	{ FINDING_SIZE, 's', "s" },       { FINDING_CONTENT, 'c', "o" },
	{ FINDING_CONTENT, 'e', "o" },    { FINDING_CONTENT, 0, "o" },
	{ FINDING_ENCRYPTED, 'c', "o" },  { FINDING_DOS, 'd', "o" },
	{ FINDING_UNPARSABLE, 'e', "o" }, { FINDING_CONTENT, 'v', "v" },
};

static void test_findings(void)
{
	struct scan_request r = request_of(31);

	for (size_t i = 0; i < ARRAY_LEN(infections); i++) {
		struct finding x = { .kind = infections[i].kind,
				     .class = infections[i].class,
				     .name = "",
				     .report = "bad\nthing" };
		struct facts f = all_ran();
		struct decision d;
		char bits[5];

		f.findings = &x;
		f.findings_n = 1;
		d = decide(&r, &f);
		(void)snprintf(bits, sizeof(bits), "%s%s%s%s", d.virus_infected ? "v" : "",
			       d.name_infected ? "n" : "", d.size_infected ? "s" : "",
			       d.other_infected ? "o" : "");
		T_OK(d.outcome == OUTCOME_QUARANTINE && strcmp(bits, infections[i].bits) == 0, "%s",
		     d.why);
		T_OK(strchr(d.why, '\n') == NULL, "  in one line");
		f.checks[CHECK_VIRUS].state = CHECK_FAILED;
		T_OK(decide(&r, &f).outcome == OUTCOME_QUARANTINE,
		     "  also when another check failed");
	}
}

/* What people read: the first finding, and the best that is known about it. */
static const struct {
	const char *report, *name, *why;
} reasons[] = {
	{ "Eicar found", "eicar", "virus: Eicar found" },
	{ "", "eicar", "virus: eicar" },
	{ NULL, "eicar", "virus: eicar" },
	{ "", "", "virus" },
	{ NULL, NULL, "virus" },
};

static void test_reasons(void)
{
	struct scan_request r = request_of(31);

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct finding x[] = {
			{ .kind = FINDING_VIRUS,
			  .name = reasons[i].name,
			  .report = reasons[i].report },
			{ .kind = FINDING_SIZE, .class = 's', .name = "second", .report = "second" }
		};
		struct facts f = all_ran();
		struct decision d;

		f.findings = x;
		f.findings_n = 2;
		d = decide(&r, &f);
		T_OK(strcmp(d.why, reasons[i].why) == 0, "why: %s", d.why);
		T_OK(d.virus_infected && d.size_infected && !d.name_infected && !d.other_infected,
		     "  each finding counts");
	}
}

static void test_limits(void)
{
	struct scan_request r = request_of(31);
	struct facts f = all_ran();
	struct decision d;

	d = decide(&r, &f);
	T_OK(d.outcome == OUTCOME_DELIVER && d.scanned && !d.other_infected, "clean");
	f.cut = true;
	d = decide(&r, &f);
	T_OK(d.outcome == OUTCOME_QUARANTINE && d.other_infected, "cut: %s", d.why);
	f = all_ran();
	f.limit_hit = BUDGET_ARCHIVE_DEPTH;
	f.limit_why = "archive depth 8 at a.zip";
	d = decide(&r, &f);
	T_OK(d.outcome == OUTCOME_QUARANTINE && strstr(d.why, "a.zip") != NULL, "%s", d.why);
	for (int known = 0; known < 2; known++) {
		char want[80];

		f.limit_why = known == 0 ? NULL : "";
		d = decide(&r, &f);
		(void)snprintf(want, sizeof(want), "limit: %s",
			       budget_limit_name(BUDGET_ARCHIVE_DEPTH));
		T_OK(strcmp(d.why, want) == 0, "%s", d.why);
	}
	f = all_ran();
	f.checks[CHECK_VIRUS] = (struct check_result){ CHECK_TIMEOUT, "60 s", 0 };
	d = decide(&r, &f);
	T_OK(d.outcome == OUTCOME_DEFER && strstr(d.why, "virus") != NULL &&
		     strstr(d.why, "60 s") != NULL,
	     "%s", d.why);
	r.virus_scanning = false;
	f = all_ran();
	T_OK(!decide(&r, &f).scanned, "without virus scan the header says unscanned");
	T_OK(strcmp(outcome_name(OUTCOME_DELIVER_MODIFIED), "deliver-modified") == 0 &&
		     strcmp(outcome_name(OUTCOMES), "unknown") == 0,
	     "names");
}

/* No memory for the reason changes nothing about the decision. */
static void test_full_arena(void)
{
	struct scan_request r = request_of(31);
	struct finding x = { .kind = FINDING_VIRUS, .name = "x", .report = "y" };
	struct arena *tiny = arena_new(1);
	struct facts f = all_ran();
	struct decision d;

	f.findings = &x;
	f.findings_n = 1;
	policy_decide(NULL, NULL, &r, &f, tiny, &d);
	T_OK(d.outcome == OUTCOME_QUARANTINE && d.why != NULL, "finding: %s", d.why);
	f = all_ran();
	f.checks[CHECK_MIME].state = CHECK_FAILED;
	policy_decide(NULL, NULL, &r, &f, tiny, &d);
	T_OK(d.outcome == OUTCOME_DEFER && d.why != NULL, "missing: %s", d.why);
	arena_free(&tiny);
}

int main(void)
{
	arena = arena_new(64 * KIB);
	test_bools();
	test_numbers();
	test_words();
	test_modes();
	test_rules();
	test_waiting();
	test_exhaustive();
	test_findings();
	test_reasons();
	test_limits();
	test_full_arena();
	arena_free(&arena);
	return t_done();
}
