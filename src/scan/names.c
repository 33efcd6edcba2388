/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/names.c - filename rules on every reading of every name.
 *
 * A name that mail readers take for more than one is judged once for each, and the strictest answer
 * counts: else an allow rule for "a.txt" would let the part pass that others show as "b.exe".
 * Within one reading the rules see the name as it is, as Windows would store it and as it would be
 * on disk, and the first rule that matches any of these decides, as in MailScanner.
 *
 * Limits: a rename rule changes nothing yet; the result's "why" counts them.
 */
#include <errno.h>

#include "scan/rule_report.h"

#define FORMS_MAX 4

static const struct rule_words words = {
	.kind = FINDING_FILENAME,
	.log_prefix = "Filename Checks",
	.list_text = "The name of this file is on the list of names that are not accepted",
	.untold_text = "A file of this name is not accepted",
};

struct forms {
	struct bytes form[FORMS_MAX];
	size_t n;
};

/* What was decided about one leaf so far. */
struct judgement {
	struct rule_match match;
	const char *name; /* the reading it is about */
	bool all_allowed; /* each reading by a rule, not for want of one */
};

static void add_form(struct forms *f, struct bytes b)
{
	for (size_t i = 0; i < f->n; i++)
		if (bytes_eq(f->form[i], b))
			return;
	f->form[f->n++] = b;
}

/* Windows drops dots and blanks at the end: "a.exe. ." is stored as "a.exe". */
static struct bytes strip_end(struct bytes b)
{
	while (b.n > 0 && (b.p[b.n - 1] == '.' || ascii_is_space(b.p[b.n - 1])))
		b.n--;
	return b;
}

static int make_forms(struct arena *a, const char *name, struct forms *f)
{
	struct bytes stripped = strip_end(bytes_str(name));
	const char *text = arena_str(a, stripped), *safe, *safe_stripped;

	if (text == NULL)
		return -ENOMEM;
	safe = rule_report_safe(a, name);
	safe_stripped = rule_report_safe(a, text);
	if (safe == NULL || safe_stripped == NULL)
		return -ENOMEM;
	f->n = 0;
	add_form(f, bytes_str(name));
	add_form(f, stripped);
	add_form(f, bytes_str(safe));
	add_form(f, bytes_str(safe_stripped));
	return 0;
}

/* A higher action is the stricter one. */
static int strictness(enum rule_action a)
{
	static const int order[] = {
		[RULE_NONE] = 0,    [RULE_ALLOW] = 0, [RULE_RENAME] = 1,
		[RULE_FORWARD] = 2, [RULE_DENY] = 3,  [RULE_DENY_DELETE] = 4,
	};

	return order[a];
}

static int judge_name(struct scan_state *s, const struct leaf *leaf, const char *name,
		      struct judgement *j, struct err *err)
{
	struct rule_match m;
	struct forms f;
	int r;

	if (make_forms(s->arena, name, &f) < 0)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to check a name");
	r = rule_first_match(s->scanner->rules, rule_report_set(s, leaf), RULE_NAME, f.form, f.n,
			     &m, err);
	if (r < 0)
		return r;
	j->all_allowed = j->all_allowed && m.action == RULE_ALLOW;
	if (j->name == NULL || strictness(m.action) > strictness(j->match.action)) {
		j->match = m;
		j->name = name;
	}
	return 0;
}

static int judge_leaf(struct scan_state *s, const struct leaf *leaf, size_t number,
		      struct judgement *j, struct err *err)
{
	const char *first = rule_report_name(s, leaf, number);
	bool encoded;
	int r;

	*j = (struct judgement){ .all_allowed = true };
	if (first == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to check a name");
	encoded = rule_report_encoded(first); /* then all of them are */
	r = judge_name(s, leaf, first, j, err);
	for (size_t i = 0; r == 0 && i < leaf->names_n; i++)
		if (leaf->names[i] != first && (encoded || !rule_report_encoded(leaf->names[i])))
			r = judge_name(s, leaf, leaf->names[i], j, err);
	return r;
}

/* Members that cannot be read have names all the same; an option says whether they matter. */
static bool is_checked(const struct scan_state *s, const struct leaf *leaf)
{
	return leaf->depth == 0 || !leaf->encrypted || s->request->check_encrypted_names;
}

int check_filenames(struct scan_state *s, struct check_result *ret_result, struct err *err)
{
	struct check_result result = { .state = CHECK_RAN };
	size_t number = 0, renames = 0;

	if (!s->request->dangerous_content) {
		result.state = CHECK_SKIPPED;
		result.why = "Dangerous Content Scanning is no";
		*ret_result = result;
		return 0;
	}
	for (struct leaf *leaf = s->leaves; leaf != NULL; leaf = leaf->next) {
		struct judgement j;
		int r;

		number++;
		if (!is_checked(s, leaf))
			continue;
		if (!rule_report_go_on(s, leaf, &result))
			break;
		r = judge_leaf(s, leaf, number, &j, err);
		if (r == 0)
			r = rule_report(s, leaf, &words, &j.match, j.name, err);
		if (r < 0)
			return r;
		renames += j.match.action == RULE_RENAME;
		leaf->type_exempt = s->request->override_filetypes && j.all_allowed;
	}
	if (result.why == NULL)
		result.why = rule_report_renames(s, renames);
	*ret_result = result;
	return 0;
}
