/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/scan/rules_fixture.h - a message of leaves made by hand, for the checks on names and types.
 * The functions of scan.c that these checks call are here as weak doubles: with scan.c in the
 * library the real ones are used.
 */
#ifndef TESTS_SCAN_RULES_FIXTURE_H
#define TESTS_SCAN_RULES_FIXTURE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan/rule_engine.h"
#include "tests/t.h"

struct fixture {
	struct scan_state state;
	struct scan_request request;
	struct scanner scanner;
	struct facts facts;
	struct rule_engine *rules;
	struct arena *arena;
};

__attribute__((weak)) int scan_add_finding(struct scan_state *s, const struct finding *f,
					   struct err *err)
{
	struct finding *grown = arena_array(s->arena, s->facts->findings_n + 1, sizeof(*grown));

	if (grown == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for a finding");
	if (s->facts->findings_n > 0)
		memcpy(grown, s->facts->findings, s->facts->findings_n * sizeof(*grown));
	grown[s->facts->findings_n++] = *f;
	s->facts->findings = grown;
	return 0;
}

__attribute__((weak)) int scan_find(struct scan_state *s, const struct leaf *leaf UNUSED,
				    enum finding_kind kind, char class, const char *name,
				    const char *report, const char *log, const char *rule,
				    struct err *err)
{
	struct finding f = { .kind = kind,
			     .class = class,
			     .part = "1",
			     .name = name,
			     .scanner = "",
			     .report = report,
			     .log = log,
			     .rule = rule };

	return scan_add_finding(s, &f, err);
}

static inline void fixture_init(struct fixture *x, const struct rule_source_file *files, size_t n)
{
	struct err err = { .kind = ERR_NONE };

	memset(x, 0, sizeof(*x));
	x->arena = arena_new(SIZE_MAX);
	if (rule_engine_from_files(&x->rules, files, n, NULL, 0, &err) < 0 ||
	    rule_scratch_new(&x->scanner.rules, x->rules, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	x->request.dangerous_content = true;
	x->request.check_types = true;
	memcpy(x->request.archives_are, "zro", sizeof("zro"));
}

/* A new message without leaves. */
static inline void fixture_reset(struct fixture *x)
{
	arena_reset(x->arena);
	memset(&x->facts, 0, sizeof(x->facts));
	x->state = (struct scan_state){ .scanner = &x->scanner,
					.request = &x->request,
					.arena = x->arena,
					.facts = &x->facts };
	x->state.leaves_tail = &x->state.leaves;
	budget_init(&x->state.budget, &x->request.limits, 1000, 0);
}

/* @names: readings, separated by '|'; NULL: unnamed. */
static inline struct leaf *fixture_leaf(struct fixture *x, const char *names, char origin,
					unsigned depth)
{
	struct leaf *leaf = arena_zalloc(x->arena, sizeof(*leaf));
	char *rest = names == NULL ? NULL : arena_str(x->arena, bytes_str(names)), *name;

	leaf->names = arena_array(x->arena, 8, sizeof(*leaf->names));
	while (rest != NULL && (name = strsep(&rest, "|")) != NULL)
		leaf->names[leaf->names_n++] = name;
	leaf->path = leaf->names;
	leaf->path_n = MIN_OF(leaf->names_n, (size_t)1);
	leaf->origin = origin;
	leaf->depth = depth;
	*x->state.leaves_tail = leaf;
	x->state.leaves_tail = &leaf->next;
	x->state.leaves_n++;
	return leaf;
}

static inline void fixture_fini(struct fixture *x)
{
	rule_scratch_free(&x->scanner.rules);
	rule_engine_free(&x->rules);
	type_engine_free(&x->scanner.types);
	arena_free(&x->arena);
}

#endif
