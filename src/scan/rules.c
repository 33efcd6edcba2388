/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/rules.c - the order in which rules are asked: the allow list, the deny list,
 * the rule files as they are listed; the first that matches decides.
 */
#include <errno.h>

#include "scan/rule_engine.h"

static const struct field {
	size_t allow, deny, files; /* offsets of const char * in struct scan_rules */
	const char *allow_option, *deny_option;
} fields[] = {
	[RULE_NAME] = { offsetof(struct scan_rules, allow_names),
			offsetof(struct scan_rules, deny_names),
			offsetof(struct scan_rules, name_rules), "option Allow Filenames",
			"option Deny Filenames" },
	[RULE_TYPE] = { offsetof(struct scan_rules, allow_types),
			offsetof(struct scan_rules, deny_types),
			offsetof(struct scan_rules, type_rules), "option Allow Filetypes",
			"option Deny Filetypes" },
	[RULE_MIME] = { offsetof(struct scan_rules, allow_mime_types),
			offsetof(struct scan_rules, deny_mime_types),
			offsetof(struct scan_rules, type_rules), "option Allow File MIME Types",
			"option Deny File MIME Types" },
};

/* One question: what is asked about, and what is known so far. */
struct question {
	struct rule_scratch *scratch;
	const struct scan_rules *rules;
	enum rule_field field;
	const struct bytes *subjects;
	size_t subjects_n;
	struct rule_match *match;
	struct err *err;
};

static const char *value_at(const struct scan_rules *rules, size_t offset)
{
	const char *text;

	memcpy(&text, (const char *)rules + offset, sizeof(text));
	return text == NULL ? "" : text;
}

static int ask_list(struct question *q, const char *text, const char *option,
		    enum rule_action action)
{
	const struct rule_set *set;
	size_t pattern, subject;
	int r = rule_scratch_list(q->scratch, text, option, &set, q->err);

	if (r < 0 || set == NULL)
		return r;
	r = rule_set_match(set, rule_scratch_work(q->scratch), q->subjects, q->subjects_n, &pattern,
			   &subject, q->err);
	if (r == 0 && pattern != RULE_SET_NO_MATCH)
		*q->match = (struct rule_match){ .action = action,
						 .log_text = "",
						 .user_text = "",
						 .argument = "",
						 .where = option,
						 .subject = subject,
						 .from_list = true };
	return r;
}

static void take_row(struct rule_match *m, const struct rule_book *f, size_t number, size_t subject)
{
	const struct rule_row *row = &f->rules.rows[number];

	*m = (struct rule_match){ .action = row->action,
				  .log_text = row->log_text,
				  .user_text = row->user_text,
				  .argument = row->argument,
				  .where = f->where[number],
				  .subject = subject };
}

static int ask_file(struct question *q, const struct rule_book *f)
{
	const struct rule_set *set = q->field == RULE_MIME ? f->mime : f->text;
	size_t pattern, subject;
	int r;

	if (set == NULL)
		return 0;
	r = rule_set_match(set, rule_scratch_work(q->scratch), q->subjects, q->subjects_n, &pattern,
			   &subject, q->err);
	if (r == 0 && pattern != RULE_SET_NO_MATCH)
		take_row(q->match, f, pattern, subject);
	return r;
}

static int ask_files(struct question *q, const char *files)
{
	struct bytes rest = bytes_str(files), word, last = { NULL, 0 };
	int r = 0;

	while (r == 0 && q->match->action == RULE_NONE && bytes_next_word(&rest, &word)) {
		const struct rule_book *f;

		/* A ruleset gives the same file once for each recipient. */
		if (bytes_eq(word, last))
			continue;
		last = word;
		f = rule_scratch_book(q->scratch, word);
		if (f == NULL)
			return err_set(q->err, ERR_CONFIG, -ENOENT,
				       "rule file '%.*s' was not loaded with the configuration",
				       (int)MIN_OF(word.n, (size_t)100), (const char *)word.p);
		r = ask_file(q, f);
	}
	return r;
}

int rule_first_match(struct rule_scratch *s, const struct scan_rules *rules, enum rule_field field,
		     const struct bytes *subjects, size_t subjects_n, struct rule_match *ret_m,
		     struct err *err)
{
	const struct field *f = &fields[field];
	struct rule_match m = {
		.action = RULE_NONE, .log_text = "", .user_text = "", .argument = "", .where = ""
	};
	struct question q = { s, rules, field, subjects, subjects_n, &m, err };
	int r = ask_list(&q, value_at(rules, f->allow), f->allow_option, RULE_ALLOW);

	if (r == 0 && m.action == RULE_NONE)
		r = ask_list(&q, value_at(rules, f->deny), f->deny_option, RULE_DENY_DELETE);
	if (r == 0 && m.action == RULE_NONE)
		r = ask_files(&q, value_at(rules, f->files));
	if (r == 0)
		*ret_m = m;
	return r;
}

static bool book_has(const struct rule_scratch *s, struct bytes path, enum rule_field field)
{
	const struct rule_book *f = rule_scratch_book(s, path);

	/* One that is missing is wanted, so that asking says what is wrong. */
	return f == NULL || (field == RULE_MIME ? f->mime != NULL : f->rules.rows_n > 0);
}

bool rule_wanted(struct rule_scratch *s, const struct scan_rules *rules, enum rule_field field)
{
	const struct field *f = &fields[field];
	struct bytes rest = bytes_str(value_at(rules, f->files)), word;

	if (bytes_trim(bytes_str(value_at(rules, f->allow))).n > 0 ||
	    bytes_trim(bytes_str(value_at(rules, f->deny))).n > 0)
		return true;
	while (bytes_next_word(&rest, &word))
		if (book_has(s, word, field))
			return true;
	return false;
}
