/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/rule_set.c - Hyperscan and PCRE2 behind one question.
 *
 * hs_compile_lit*() is not used on purpose: such a database compiles and then fails to scan
 * (HS_UNKNOWN_ERROR with no match, Hyperscan 5.4.0). Any other answer of hs_scan() than success or
 * "stopped by us" fails the check for the same reason.
 */
#include "scan/rule_set.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <hs/hs.h>
#include <limits.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/fault.h"

#define HS_FLAGS    (HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY)
/* (*UTF) in a pattern would make the result on bytes that are no UTF-8 undefined. */
#define PCRE2_FLAGS (PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP)

/*
 * A rule is trusted, the name it runs on is not. PCRE2 counts steps anew at every offset of the
 * text, so that its limit alone lets a cubic pattern run 2.5 s on 800 bytes (measured); therefore
 * the limit shrinks with the text: all offsets together take STEPS_TOTAL, a quarter of a second
 * interpreted. A sane rule takes a few steps a byte.
 */
#define STEPS_TOTAL      10000000u
#define STEPS_OFFSET_MAX 1000000u
#define STEPS_OFFSET_MIN 10000u
#define PCRE2_TEXT_MAX   8192u /* no name is longer; two seconds with STEPS_OFFSET_MIN */
#define MATCH_HEAP_KIB   (16u * 1024)
#define JIT_STACK_MAX    (512u * 1024)

enum how { HOW_NEVER, HOW_NATIVE, HOW_PREFILTER, HOW_PLAIN };

struct row {
	enum how how;
	const char *where;
	pcre2_code *code; /* NULL when Hyperscan alone decides */
};

struct rule_set {
	size_t n;
	size_t confirm_n;        /* rows that need PCRE2 */
	size_t *confirm;         /* their numbers, ascending */
	size_t lowest;           /* smallest native row: nothing Hyperscan can say is better */
	hs_database_t *database; /* NULL: every row is PCRE2's */
	struct row rows[];
};

struct rule_work {
	hs_scratch_t *scratch;
	bool *candidate; /* by row: the prefilter fired */
	size_t candidate_cap;
	pcre2_match_data *match_data;
	pcre2_match_context *match_context;
	pcre2_jit_stack *jit_stack;
};

struct scan {
	const struct rule_set *set;
	struct rule_work *work;
	size_t best;
};

/* --- compiling --- */

static int compile_row(struct row *row, const struct rule_pattern *p, pcre2_compile_context *cc,
		       struct err *err)
{
	PCRE2_UCHAR reason[160];
	PCRE2_SIZE offset;
	int code;

	row->where = p->where;
	row->code = pcre2_compile((PCRE2_SPTR)p->text, PCRE2_ZERO_TERMINATED, PCRE2_FLAGS, &code,
				  &offset, cc);
	if (row->code != NULL)
		return 0;
	if (pcre2_get_error_message(code, reason, sizeof(reason)) < 0)
		reason[0] = '\0';
	return err_set(err, ERR_CONFIG, -EINVAL, "%s: pattern '%.80s' is wrong at offset %zu: %s",
		       p->where, p->text, (size_t)offset, (const char *)reason);
}

static int compile_rows(struct rule_set *s, const struct rule_pattern *p, struct err *err)
{
	pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
	int r = 0;

	if (cc == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	/* What Hyperscan takes a newline for, however the library was built. */
	(void)pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		if (p[i].text[0] != '\0')
			r = compile_row(&s->rows[i], &p[i], cc, err);
	pcre2_compile_context_free(cc);
	return r;
}

static bool hyperscan_takes(const char *text, unsigned flags)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *e = NULL;
	hs_error_t rc = hs_expression_info(text, flags, &info, &e);

	free(info);
	(void)hs_free_compile_error(e);
	return rc == HS_SUCCESS;
}

static unsigned hs_flags(enum how how)
{
	return how == HOW_PREFILTER ? HS_FLAGS | HS_FLAG_PREFILTER : HS_FLAGS;
}

static void classify(struct rule_set *s, const struct rule_pattern *p, bool plain)
{
	for (size_t i = 0; i < s->n; i++) {
		struct row *row = &s->rows[i];

		if (p[i].text[0] == '\0')
			row->how = HOW_NEVER;
		else if (plain)
			row->how = HOW_PLAIN;
		else if (hyperscan_takes(p[i].text, hs_flags(HOW_NATIVE)))
			row->how = HOW_NATIVE;
		else if (hyperscan_takes(p[i].text, hs_flags(HOW_PREFILTER)))
			row->how = HOW_PREFILTER;
		else
			row->how = HOW_PLAIN;
	}
}

struct expressions {
	const char **text;
	unsigned *flags, *ids;
	unsigned n;
};

static void expressions_fini(struct expressions *x)
{
	free(x->text);
	free(x->flags);
	free(x->ids);
}

static bool collect(struct expressions *x, const struct rule_set *s, const struct rule_pattern *p)
{
	x->text = calloc(s->n + 1, sizeof(*x->text));
	x->flags = calloc(s->n + 1, sizeof(*x->flags));
	x->ids = calloc(s->n + 1, sizeof(*x->ids));
	if (x->text == NULL || x->flags == NULL || x->ids == NULL)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		if (s->rows[i].how != HOW_NATIVE && s->rows[i].how != HOW_PREFILTER)
			continue;
		x->text[x->n] = p[i].text;
		x->flags[x->n] = hs_flags(s->rows[i].how);
		x->ids[x->n++] = (unsigned)i;
	}
	return true;
}

/* The compiler refused row @id (of all when negative) although it had accepted it alone. */
static void demote(struct rule_set *s, const struct expressions *x, int failed)
{
	for (unsigned i = 0; i < x->n; i++) {
		struct row *row = &s->rows[x->ids[i]];

		if (failed < 0)
			row->how = HOW_PLAIN;
		else if ((unsigned)failed == i)
			row->how = row->how == HOW_NATIVE ? HOW_PREFILTER : HOW_PLAIN;
	}
}

/* One attempt: 1 compiled, 0 some rows were demoted and it should be tried again. */
static int compile_database_once(struct rule_set *s, const struct rule_pattern *p, struct err *err)
{
	AUTO(expressions_fini) struct expressions x = { .n = 0 };
	hs_compile_error_t *e = NULL;
	hs_error_t rc;

	if (!collect(&x, s, p))
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	if (x.n == 0)
		return 1;
	rc = hs_compile_multi(x.text, x.flags, x.ids, x.n, HS_MODE_BLOCK, NULL, &s->database, &e);
	if (rc == HS_SUCCESS)
		return 1;
	demote(s, &x, e == NULL ? -1 : e->expression);
	(void)hs_free_compile_error(e);
	return 0;
}

static int compile_database(struct rule_set *s, const struct rule_pattern *p, struct err *err)
{
	int r;

	/* Each turn takes something from Hyperscan, so this ends. */
	do
		r = compile_database_once(s, p, err);
	while (r == 0);
	return r < 0 ? r : 0;
}

/* Keep PCRE2's form only of the rows that need it. */
static int settle(struct rule_set *s, unsigned flags, struct err *err)
{
	s->confirm = calloc(s->n + 1, sizeof(*s->confirm));
	if (s->confirm == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	s->lowest = SIZE_MAX;
	for (size_t i = 0; i < s->n; i++) {
		struct row *row = &s->rows[i];

		/* Prefilters too: a scan that stops at a later row must have let them speak. */
		if (row->how == HOW_NATIVE || row->how == HOW_PREFILTER)
			s->lowest = MIN_OF(s->lowest, i);
		if (row->how == HOW_NATIVE) {
			pcre2_code_free(row->code);
			row->code = NULL;
		} else if (row->how != HOW_NEVER) {
			s->confirm[s->confirm_n++] = i;
			/* Refused (no memory that may be executed): the interpreter does it. */
			if ((flags & RULE_SET_JIT) != 0)
				(void)pcre2_jit_compile(row->code, PCRE2_JIT_COMPLETE);
		}
	}
	return 0;
}

int rule_set_new(struct rule_set **ret_s, const struct rule_pattern *patterns, size_t n,
		 unsigned flags, struct err *err)
{
	bool plain = (flags & RULE_SET_PLAIN) != 0 || hs_valid_platform() != HS_SUCCESS;
	AUTO(rule_set_free) struct rule_set *s = NULL;
	int r;

	if (n > UINT_MAX / 2)
		return err_set(err, ERR_CONFIG, -EFBIG, "rules: %zu patterns are too many", n);
	s = calloc(1, sizeof(*s) + n * sizeof(s->rows[0]));
	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	s->n = n;
	r = compile_rows(s, patterns, err);
	if (r < 0)
		return r;
	classify(s, patterns, plain);
	r = compile_database(s, patterns, err);
	if (r < 0)
		return r;
	r = settle(s, flags, err);
	if (r < 0)
		return r;
	*ret_s = TAKE(s);
	return 0;
}

void rule_set_free(struct rule_set **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		pcre2_code_free((*s)->rows[i].code);
	(void)hs_free_database((*s)->database);
	free((*s)->confirm);
	free(*s);
	*s = NULL;
}

void rule_set_info(const struct rule_set *s, struct rule_set_info *ret_i)
{
	*ret_i = (struct rule_set_info){ .native_n = 0 };
	for (size_t i = 0; i < s->n; i++) {
		ret_i->native_n += s->rows[i].how == HOW_NATIVE;
		ret_i->prefilter_n += s->rows[i].how == HOW_PREFILTER;
		ret_i->plain_n += s->rows[i].how == HOW_PLAIN;
	}
	if (s->database != NULL)
		(void)hs_database_size(s->database, &ret_i->database_bytes);
}

/* --- matching --- */

int rule_work_new(struct rule_work **ret_w, struct err *err)
{
	AUTO(rule_work_free) struct rule_work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	w->match_data = pcre2_match_data_create(1, NULL);
	w->match_context = pcre2_match_context_create(NULL);
	w->jit_stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
	if (w->match_data == NULL || w->match_context == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
	(void)pcre2_set_heap_limit(w->match_context, MATCH_HEAP_KIB);
	/* Without one (no JIT in this library) the machine stack's 32 KiB serve. */
	if (w->jit_stack != NULL)
		pcre2_jit_stack_assign(w->match_context, NULL, w->jit_stack);
	*ret_w = TAKE(w);
	return 0;
}

void rule_work_free(struct rule_work **w)
{
	if (*w == NULL)
		return;
	(void)hs_free_scratch((*w)->scratch);
	pcre2_match_data_free((*w)->match_data);
	pcre2_match_context_free((*w)->match_context);
	pcre2_jit_stack_free((*w)->jit_stack);
	free((*w)->candidate);
	free(*w);
	*w = NULL;
}

int rule_work_fit(struct rule_work *w, const struct rule_set *s, struct err *err)
{
	if (s->n > w->candidate_cap) {
		bool *p = realloc(w->candidate, s->n * sizeof(*p));

		if (p == NULL)
			return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
		w->candidate = p;
		w->candidate_cap = s->n;
	}
	if (s->database != NULL && hs_alloc_scratch(s->database, &w->scratch) != HS_SUCCESS)
		return err_set(err, ERR_TEMP, -ENOMEM, "rules: no scratch memory for Hyperscan");
	return 0;
}

/* Matches come by offset, not by row: only the best possible one may end the scan. */
static int on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to UNUSED,
		    unsigned flags UNUSED, void *context)
{
	struct scan *scan = context;

	if (scan->set->rows[id].how == HOW_PREFILTER) {
		scan->work->candidate[id] = true;
		return 0;
	}
	scan->best = MIN_OF(scan->best, id);
	return scan->best == scan->set->lowest;
}

static int run_hyperscan(struct scan *scan, struct bytes subject, struct err *err)
{
	const struct rule_set *s = scan->set;
	int rc;

	if (s->database == NULL)
		return 0;
	if (subject.n > UINT_MAX)
		return err_set(err, ERR_LIMIT, -EFBIG, "rules: a text of %zu bytes is too long",
			       subject.n);
	rc = hs_scan(s->database, subject.n == 0 ? "" : (const char *)subject.p,
		     (unsigned)subject.n, 0, scan->work->scratch, on_match, scan);
	rc = fault_at("rules.scan", rc);
	if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
		return err_set(err, ERR_BUG, -EIO, "rules: Hyperscan failed with code %d", rc);
	return 0;
}

static unsigned steps_allowed(size_t text_bytes)
{
	size_t steps = STEPS_TOTAL / (text_bytes + 1);

	return (unsigned)MIN_OF(MAX_OF(steps, STEPS_OFFSET_MIN), STEPS_OFFSET_MAX);
}

/* 1: @row matches, 0: it does not. */
static int run_pcre2(struct rule_work *w, const struct row *row, struct bytes subject,
		     struct err *err)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.n == 0 ? (const uint8_t *)"" : subject.p);
	int rc;

	if (subject.n > PCRE2_TEXT_MAX)
		return err_set(err, ERR_LIMIT, -E2BIG,
			       "%s: a text of %zu bytes is too long for this pattern", row->where,
			       subject.n);
	(void)pcre2_set_match_limit(w->match_context, steps_allowed(subject.n));
	rc = pcre2_match(row->code, text, subject.n, 0, 0, w->match_data, w->match_context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter keeps its stack on the heap */
		rc = pcre2_match(row->code, text, subject.n, 0, PCRE2_NO_JIT, w->match_data,
				 w->match_context);
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	return err_set(err, ERR_LIMIT, -E2BIG,
		       "%s: pattern needs too many steps on this text of %zu bytes (PCRE2 code %d)",
		       row->where, subject.n, rc);
}

/* Rows Hyperscan could not decide, as far as they can beat what it found. */
static int run_confirm(struct scan *scan, struct bytes subject, struct err *err)
{
	const struct rule_set *s = scan->set;

	for (size_t k = 0; k < s->confirm_n && s->confirm[k] < scan->best; k++) {
		const struct row *row = &s->rows[s->confirm[k]];
		int r;

		if (row->how == HOW_PREFILTER && !scan->work->candidate[s->confirm[k]])
			continue;
		r = run_pcre2(scan->work, row, subject, err);
		if (r < 0)
			return r;
		if (r > 0)
			scan->best = s->confirm[k];
	}
	return 0;
}

int rule_set_match(const struct rule_set *s, struct rule_work *w, const struct bytes *subjects,
		   size_t subjects_n, size_t *ret_pattern, size_t *ret_subject, struct err *err)
{
	struct scan scan = { .set = s, .work = w, .best = RULE_SET_NO_MATCH };
	size_t found_in = 0;

	for (size_t i = 0; i < subjects_n && scan.best > 0; i++) {
		size_t before = scan.best;
		int r;

		for (size_t k = 0; k < s->confirm_n; k++)
			w->candidate[s->confirm[k]] = false;
		r = run_hyperscan(&scan, subjects[i], err);
		if (r == 0)
			r = run_confirm(&scan, subjects[i], err);
		if (r < 0)
			return r;
		if (scan.best < before)
			found_in = i;
	}
	*ret_pattern = scan.best;
	*ret_subject = found_in;
	return 0;
}
