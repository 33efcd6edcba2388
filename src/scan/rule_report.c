/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rule_report.c - from what a rule decided to findings. */
#include "scan/rule_report.h"

#include <errno.h>

#include "core/clock.h"

const struct scan_rules *rule_report_set(const struct scan_state *s, const struct leaf *leaf)
{
	bool archives =
		leaf->origin != '\0' && strchr(s->request->archives_are, leaf->origin) != NULL;

	return &s->request->rules[archives ? SCAN_RULES_ARCHIVES : SCAN_RULES_NORMAL];
}

static const char *extension(const char *type)
{
	static const struct {
		const char *type, *ext;
	} known[] = {
		{ "text/html", "html" },
		{ "image/gif", "gif" },
		{ "image/jpeg", "jpg" },
		{ "message/rfc822", "msg" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(type, known[i].type) == 0)
			return known[i].ext;
	return strncmp(type, "text/", 5) == 0 ? "txt" : "dat";
}

/* One "=?charset?b?text?=" at the start of @rest, or false. */
static bool take_encoded_word(struct bytes *rest)
{
	struct bytes b = *rest;
	ptrdiff_t n;

	if (!bytes_starts(b, BYTES("=?")))
		return false;
	b = bytes_from(b, 2);
	for (int part = 0; part < 2; part++) {
		n = bytes_index(b, '?');
		if (n < 0)
			return false;
		b = bytes_from(b, (size_t)n + 1);
	}
	n = bytes_find(b, BYTES("?="));
	if (n < 0)
		return false;
	*rest = bytes_from(b, (size_t)n + 2);
	return true;
}

bool rule_report_encoded(const char *name)
{
	struct bytes rest = bytes_trim(bytes_str(name));

	if (rest.n == 0)
		return false;
	while (rest.n > 0) {
		if (!take_encoded_word(&rest))
			return false;
		rest = bytes_trim(rest);
	}
	return true;
}

static const char *unnamed(struct scan_state *s, const struct leaf *leaf, size_t number)
{
	bool part = leaf->depth == 0 && leaf->part != NULL && leaf->part->type != NULL;

	return arena_printf(s->arena, "msg-0-%zu.%s", number,
			    part ? extension(leaf->part->type) : "dat");
}

const char *rule_report_name(struct scan_state *s, const struct leaf *leaf, size_t number)
{
	for (size_t i = 0; i < leaf->names_n; i++)
		if (!rule_report_encoded(leaf->names[i]))
			return leaf->names[i];
	return leaf->names_n > 0 ? leaf->names[0] : unnamed(s, leaf, number);
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to report what a rule found");
}

/* "option Archives: Deny Filenames": rules.c does not know which of the two sets it was given. */
static const char *place(struct scan_state *s, const struct leaf *leaf, const struct rule_match *m)
{
	static const char option[] = "option ";

	if (!m->from_list || rule_report_set(s, leaf) != &s->request->rules[SCAN_RULES_ARCHIVES])
		return m->where;
	return arena_printf(s->arena, "%sArchives: %s", option, m->where + sizeof(option) - 1);
}

static int add(struct scan_state *s, const struct leaf *leaf, const struct rule_words *words,
	       const struct rule_match *m, const char *name, struct err *err)
{
	bool forward = m->action == RULE_FORWARD;
	const char *safe = scan_safe_name(s, name), *where = place(s, leaf, m);
	const char *user = m->from_list ? words->list_text : m->user_text;
	const char *log_text = m->from_list ? words->list_text : m->log_text;
	const char *report, *log;
	size_t before = s->facts->findings_n;
	int r;

	report = arena_printf(s->arena, "%s (%s)", user[0] == '\0' ? words->untold_text : user,
			      safe);
	log = arena_printf(s->arena, "%s: %s (%%id%% %s)", words->log_prefix, log_text, safe);
	if (report == NULL || log == NULL || where == NULL)
		return no_memory(err);
	r = scan_find(s, leaf, words->kind, forward ? '\0' : 'f', forward ? m->argument : name,
		      report, log, where, err);
	if (r == 0 && s->facts->findings_n > before)
		s->facts->findings[before].delete_part = m->action == RULE_DENY_DELETE;
	return r;
}

int rule_report(struct scan_state *s, const struct leaf *leaf, const struct rule_words *words,
		const struct rule_match *m, const char *name, struct err *err)
{
	switch (m->action) {
	case RULE_NONE:
	case RULE_ALLOW:
	case RULE_RENAME:
		return 0;
	case RULE_DENY:
	case RULE_DENY_DELETE:
	case RULE_FORWARD:
		break;
	}
	return add(s, leaf, words, m, name, err);
}

bool rule_report_go_on(struct scan_state *s, const struct leaf *leaf, struct check_result *r)
{
	struct bytes where = bytes_str(leaf->path_n > 0 ? leaf->path[leaf->path_n - 1] : "");

	if (budget_check_cpu(&s->budget, clock_thread_cpu_ns(), where))
		return true;
	r->state = CHECK_LIMIT;
	r->why = s->budget.why;
	return false;
}

const char *rule_report_renames(struct scan_state *s, size_t renames)
{
	return renames == 0 ? NULL : arena_printf(s->arena, "rename not applied: %zu", renames);
}
