/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/test_rule_file.c - the rule file's grammar, sentence by sentence. */
#include "scan/rule_file.h"

#include <errno.h>
#include <string.h>

#include "tests/t.h"

#define T "\t"

/* One line that is a rule. */
static const struct {
	const char *line;
	enum rule_action action;
	const char *regex, *mime, *log, *user, *argument;
} good[] = {
	{ "allow" T "a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "ALLOW" T "a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "Allow," T "a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ " , allow ," T "a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T T T "a" T T "b" T T T T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T " " T "a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T "a" T "-" T "-", RULE_ALLOW, "a", "", "", "", "" },
	{ "allow" T "a" T " - " T " - ", RULE_ALLOW, "a", "", "", "", "" },
	{ "allow" T "a" T "--" T "-x", RULE_ALLOW, "a", "", "--", "-x", "" },
	{ "  allow" T "a" T "b" T "c  ", RULE_ALLOW, "a", "", "b", "c", "" },
	{ T "allow" T "a" T "b" T "c" T, RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T "a b  c" T "log text" T "user text, all of it", RULE_ALLOW, "a b  c", "",
	  "log text", "user text, all of it", "" },
	{ "deny" T "a" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "Deny" T "a" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "denyall" T "a" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "deny it" T "a" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "deny+delete" T "a" T "b" T "c", RULE_DENY_DELETE, "a", "", "b", "c", "" },
	{ "deny delete" T "a" T "b" T "c", RULE_DENY_DELETE, "a", "", "b", "c", "" },
	{ "DENY,DELETE" T "a" T "b" T "c", RULE_DENY_DELETE, "a", "", "b", "c", "" },
	{ "deny and DeLeTe" T "a" T "b" T "c", RULE_DENY_DELETE, "a", "", "b", "c", "" },
	{ "deny delet" T "a" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "rename" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", "" },
	{ "Rename" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", "" },
	{ "rename to .Ppt" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", ".Ppt" },
	{ "rename TO .ppt" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", ".ppt" },
	{ "rename .ppt" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", ".ppt" },
	{ "rename to" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", "" },
	{ "rename to $1.txt x" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", "$1.txt x" },
	{ "rename total.txt" T "a" T "b" T "c", RULE_RENAME, "a", "", "b", "c", "total.txt" },
	{ "a@example.com" T "a" T "b" T "c", RULE_FORWARD, "a", "", "b", "c", "a@example.com" },
	/* MailScanner makes one recipient out of two; here both stay. */
	{ "a@example.com b@example.com" T "a" T "b" T "c", RULE_FORWARD, "a", "", "b", "c",
	  "a@example.com b@example.com" },
	{ "a@example.com,b@example.com" T "a" T "b" T "c", RULE_FORWARD, "a", "", "b", "c",
	  "a@example.com b@example.com" },
	{ ", a@example.com , ,  b@x ," T "a" T "b" T "c", RULE_FORWARD, "a", "", "b", "c",
	  "a@example.com b@x" },
	{ "deny@example.com" T "a" T "b" T "c", RULE_FORWARD, "a", "", "b", "c",
	  "deny@example.com" },
	{ "allow" T "/a/" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T "/a" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T "a/" T "b" T "c", RULE_ALLOW, "a", "", "b", "c", "" },
	{ "allow" T "a\\/" T "b" T "c", RULE_ALLOW, "a\\/", "", "b", "c", "" },
	{ "allow" T "/a\\//" T "b" T "c", RULE_ALLOW, "a\\/", "", "b", "c", "" },
	{ "allow" T "a/b" T "b" T "c", RULE_ALLOW, "a/b", "", "b", "c", "" },
	{ "allow" T "*.exe" T "b" T "c", RULE_ALLOW, ".*.exe", "", "b", "c", "" },
	{ "allow" T "*" T "b" T "c", RULE_ALLOW, ".*", "", "b", "c", "" },
	{ "allow" T "/*\\.exe$/" T "b" T "c", RULE_ALLOW, ".*\\.exe$", "", "b", "c", "" },
	{ "allow" T ".*x" T "b" T "c", RULE_ALLOW, ".*x", "", "b", "c", "" },
	{ "allow" T "a*" T "b" T "c", RULE_ALLOW, "a*", "", "b", "c", "" },
	{ "allow" T "a#b" T "#b" T "c # d", RULE_ALLOW, "a#b", "", "#b", "c # d", "" },
	{ "deny" T "a" T "m" T "b" T "c", RULE_DENY, "a", "m", "b", "c", "" },
	{ "deny" T "-" T "m" T "b" T "c", RULE_DENY, "", "m", "b", "c", "" },
	{ "deny" T "a" T "-" T "b" T "c", RULE_DENY, "a", "", "b", "c", "" },
	{ "deny" T "a" T "/m/" T "-" T "-", RULE_DENY, "a", "m", "", "", "" },
	{ "deny" T "a" T "*m" T "-" T "-", RULE_DENY, "a", ".*m", "", "", "" },
	{ "deny" T "a\xff\xe9" T "b" T "c", RULE_DENY, "a\xff\xe9", "", "b", "c", "" },
	{ "deny" T "a" T "b" T "c\r", RULE_DENY, "a", "", "b", "c", "" },
	{ "\xef\xbb\xbf"
	  "deny" T "a" T "b" T "c",
	  RULE_DENY, "a", "", "b", "c", "" },
};

/* One line that is none, or an odd one. */
static const struct {
	const char *line;
	size_t rows, fatal;
	const char *says; /* NULL: no problem */
} odd[] = {
	{ "", 0, 0, NULL },
	{ "   \t ", 0, 0, NULL },
	{ "# comment", 0, 0, NULL },
	{ "#deny" T "a" T "b" T "c", 0, 0, NULL },
	{ "   # comment after blanks", 0, 0, NULL },
	{ "allow a b c", 0, 0, "1 column(s), expected 4 or 5 with tabs" },
	{ "allow" T "a" T "b", 0, 0, "3 column(s)" },
	{ "allow" T "a" T "b" T, 0, 0, "3 column(s)" },
	{ "allow" T "a" T "b" T "c" T "d" T "e", 0, 0, "6 column(s)" },
	{ "dney" T "a" T "b" T "c", 0, 1, "'dney' is not an action: expected allow, deny" },
	{ "allowed" T "a" T "b" T "c", 0, 1, "'allowed' is not an action" },
	{ "reject" T "a" T "b" T "c", 0, 1, "'reject' is not an action" },
	{ "renameto x" T "a" T "b" T "c", 0, 1, "is not an action" },
	{ "not deny" T "a" T "b" T "c", 0, 1, "is not an action" },
	{ "," T "a" T "b" T "c", 0, 1, "'' is not an action" },
	{ "\x1b[31mdeny" T "a" T "b" T "c", 0, 1, "'\\x1b[31mdeny' is not an action" },
	{ "allow it" T "a" T "b" T "c", 1, 0, "words after 'allow' mean nothing" },
	{ "deny a@example.com" T "a" T "b" T "c", 0, 1,
	  "'deny' among the addresses to forward to is no address" },
	{ "a@example.com root" T "a" T "b" T "c", 0, 1, "'root' among the addresses" },
	{ "deny" T "-" T "b" T "c", 1, 0, "no pattern and never matches" },
	{ "deny" T "-" T "-" T "b" T "c", 1, 0, "no pattern and never matches" },
};

static struct rule_file parse(struct bytes content, struct arena *a)
{
	struct rule_file f = { .rows = NULL };
	struct err err = { .kind = ERR_NONE };

	if (rule_file_parse(&f, content, a, &err) != 0)
		printf("# %s\n", err.text);
	return f;
}

static void test_good(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct rule_file f = parse(bytes_str(good[i].line), a);
		const struct rule_row *row = f.rows;

		T_OK(f.rows_n == 1 && f.problems_n == 0 && row->action == good[i].action &&
			     strcmp(row->regex, good[i].regex) == 0 &&
			     strcmp(row->mime_regex, good[i].mime) == 0 &&
			     strcmp(row->log_text, good[i].log) == 0 &&
			     strcmp(row->user_text, good[i].user) == 0 &&
			     strcmp(row->argument, good[i].argument) == 0 && row->line == 1,
		     "good line %zu", i);
	}
}

static void test_odd(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct rule_file f = parse(bytes_str(odd[i].line), a);
		bool says = odd[i].says == NULL
				    ? f.problems_n == 0
				    : f.problems_n == 1 &&
					      strstr(f.problems[0].text, odd[i].says) != NULL &&
					      f.problems[0].line == 1;

		T_OK(f.rows_n == odd[i].rows && f.fatal_n == odd[i].fatal && says,
		     "odd line %zu: %s", i, f.problems_n > 0 ? f.problems[0].text : "-");
	}
}

static void test_lines(struct arena *a)
{
	static const char text[] = "# first\r\n"
				   "\r\n"
				   "deny" T "a" T "b" T "c\r\n"
				   "bad line\r\n"
				   "  # x\r\n"
				   "allow" T "d" T "e" T "f"; /* no newline at the end */
	struct rule_file f = parse(BYTES(text), a);

	T_OK(f.rows_n == 2 && f.rows[0].line == 3 && f.rows[1].line == 6 &&
		     strcmp(f.rows[0].user_text, "c") == 0 && strcmp(f.rows[1].user_text, "f") == 0,
	     "lines are counted from 1, CRLF and a missing newline do not matter");
	T_OK(f.problems_n == 1 && f.problems[0].line == 4 && !f.problems[0].fatal,
	     "the bad line has its number");
}

static void test_nul(struct arena *a)
{
	static const char text[] = "deny" T "a\0b" T "b" T "c\nallow" T "d" T "e" T "f\n";
	struct rule_file f = parse(BYTES(text), a);

	T_OK(f.fatal_n == 1 && f.rows_n == 1 && strstr(f.problems[0].text, "NUL") != NULL,
	     "a NUL byte would cut a pattern: fatal");
}

static void test_limits(void)
{
	AUTO(arena_free) struct arena *small = arena_new(4096);
	AUTO(arena_free) struct arena *big = arena_new(SIZE_MAX);
	struct rule_file f = { .rows = NULL };
	struct err err = { .kind = ERR_NONE };
	size_t n = 3000;
	char *text = arena_alloc(big, n * 16 + 1);
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, 16, "dney\ta\tb\tc\n");
	f = parse(bytes_of(text, used), big);
	T_OK(f.fatal_n == n && f.problems_n == RULE_PROBLEMS_MAX, "problems have a ceiling");
	f.rows_n = 77;
	T_OK(rule_file_parse(&f, bytes_of(text, used), small, &err) == -ENOMEM &&
		     err.kind == ERR_LIMIT && f.rows_n == 77,
	     "a full arena fails and writes nothing: %s", err.text);
}

int main(void)
{
	AUTO(arena_free) struct arena *a = arena_new(SIZE_MAX);

	test_good(a);
	test_odd(a);
	test_lines(a);
	test_nul(a);
	test_limits();
	return t_done();
}
