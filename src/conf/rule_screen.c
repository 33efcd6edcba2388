/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/rule_screen.c - Hyperscan databases over the conditions without keys.
 *
 * Every expression is compiled as a prefilter: a superset of its matches is all that is asked for.
 * Chunks, because the compiler's time grows faster than its input and nothing can stop it half
 * way; between chunks time and memory are looked at.
 *
 * Limits: hs_compile_multi() can fail for one chunk; its conditions are then asked one by one.
 */
#include "conf/rule_screen.h"

#include <hs/hs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"

#define WORTH_IT     16u      /* expressions of one class; below that PCRE2 alone is as fast */
#define SCREEN_MAX   1000000u /* conditions of one ruleset */
#define BYTES_MAX    (256 * MIB)
#define COMPILE_NS   (UINT64_C(30) * 1000000000) /* of processor time */
#define SHARED_MAX   32u   /* conditions with one literal; more make candidates of no use */
#define TOLD_REST    1000u /* so many that remain are worth a line */
#define SCREEN_FLAGS (HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | HS_FLAG_PREFILTER)

struct database {
	hs_database_t *db;
	enum screen_class class;
	uint32_t *conds; /* by number of its expressions */
};

/* What one evaluation needs to itself. */
struct screen_work {
	hs_scratch_t *scratch;
	struct regex_scratch regex;
};

struct rule_screen {
	struct database *list;
	size_t n, cap;
	hs_scratch_t *model;                 /* never scanned with: clones are made of it */
	_Atomic(struct screen_work *) spare; /* of an evaluation that has ended */
	uint32_t *rest;                      /* conditions outside */
	size_t rest_n;
	size_t inside_n;
	bool asks[SCREEN_CLASSES];
};

/* ---- compiling ---- */

/* Literals and whole expressions are compiled apart: they cost too different times. */
enum form { FORM_LITERAL, FORM_WHOLE, FORMS };
static const size_t chunk[FORMS] = { 100000, 1024 };

/* What is to be compiled. */
struct wanted {
	char **text;
	size_t *place; /* in rs->linear */
	size_t n, cap;
};

/* How many conditions have a literal, roughly: two may share a counter. */
#define LITERALS_SIZE 1048576u

struct build {
	struct conf_loader *l;
	struct ruleset *rs;
	struct rule_screen *s;
	struct wanted wanted[SCREEN_CLASSES][FORMS];
	size_t wanted_n[SCREEN_CLASSES];
	uint32_t *literals;
	bool *inside; /* by place in rs->linear */
	uint64_t began_ns;
	size_t bytes;
	bool over; /* a limit was reached */
};

static void build_fini(struct build *b)
{
	for (unsigned c = 0; c < SCREEN_CLASSES * FORMS; c++) {
		struct wanted *w = &b->wanted[c / FORMS][c % FORMS];

		for (size_t i = 0; i < w->n; i++)
			free(w->text[i]);
		free(w->text);
		free(w->place);
	}
	free(b->inside);
	free(b->literals);
}

static bool want(struct wanted *w, const char *text, size_t place)
{
	size_t cap = w->cap;

	if (!rule_grow(&w->text, &cap, w->n, sizeof(*w->text)))
		return false;
	if (!rule_grow(&w->place, &w->cap, w->n, sizeof(*w->place)))
		return false;
	w->text[w->n] = strdup(text);
	if (w->text[w->n] == NULL)
		return false;
	w->place[w->n++] = place;
	return true;
}

/* Whether Hyperscan takes it alone: wildcards always, which saves the question. */
static bool is_taken(const struct pattern *p, const char *text)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *e = NULL;
	hs_error_t rc;

	if (p->kind == PATTERN_GLOB || p->kind == PATTERN_HOST_GLOB || p->kind == PATTERN_REPORT)
		return true;
	rc = hs_expression_info(text, SCREEN_FLAGS, &info, &e);
	free(info);
	(void)hs_free_compile_error(e);
	return rc == HS_SUCCESS;
}

struct texts {
	struct str whole, literals, literal;
};

/* The condition of linear place @i to look for: of two either will do. RULE_NONE: neither. */
static uint32_t pick(const struct build *b, size_t i, enum screen_class *ret_class, struct texts *t)
{
	const struct rule *r = &b->rs->rules[b->rs->conds[b->rs->linear[i]].rule];

	for (uint32_t cond = r->cond; cond <= r->cond + r->two; cond++) {
		const struct pattern *p = &b->rs->conds[cond].pattern;

		if (rule_expression(p, ret_class, &t->whole, &t->literals) &&
		    (t->literals.n > 0 || is_taken(p, str_view(&t->whole))))
			return cond;
	}
	return RULE_NONE;
}

static uint32_t *literal_count(const struct build *b, struct bytes literal)
{
	return &b->literals[rule_hash(KEY_KINDS, literal) % LITERALS_SIZE];
}

static void count_literals(struct build *b, const struct texts *t)
{
	struct bytes rest = str_bytes(&t->literals), one;

	while (bytes_next_line(&rest, &one))
		++*literal_count(b, one);
}

/* The rarest one, of equals the longest. False: all are too common. */
static bool choose_literal(const struct build *b, struct texts *t)
{
	struct bytes rest = str_bytes(&t->literals), one, best = BYTES("");
	uint32_t best_n = SHARED_MAX + 1;

	while (bytes_next_line(&rest, &one)) {
		uint32_t n = *literal_count(b, one);

		if (n > best_n || (n == best_n && one.n <= best.n) || n > SHARED_MAX)
			continue;
		best = one;
		best_n = n;
	}
	str_reset(&t->literal);
	str_add_bytes(&t->literal, best);
	return best.n > 0 && !t->literal.failed;
}

static bool want_place(struct build *b, size_t i, struct texts *t)
{
	enum form form = FORM_LITERAL;
	enum screen_class class;
	uint32_t cond = pick(b, i, &class, t);

	if (cond == RULE_NONE)
		return true;
	if (!choose_literal(b, t))
		form = FORM_WHOLE;
	if (form == FORM_WHOLE && !is_taken(&b->rs->conds[cond].pattern, str_view(&t->whole)))
		return true;
	b->rs->linear[i] = cond;
	b->wanted_n[class]++;
	return want(&b->wanted[class][form],
		    str_view(form == FORM_LITERAL ? &t->literal : &t->whole), i);
}

static bool want_all(struct build *b)
{
	struct texts t;
	size_t n = MIN_OF(b->rs->linear_n, SCREEN_MAX);
	enum screen_class class;
	bool ok = true;

	str_init(&t.whole, 64 * KIB);
	str_init(&t.literals, 64 * KIB);
	str_init(&t.literal, 64 * KIB);
	b->over = n < b->rs->linear_n;
	for (size_t i = 0; i < n; i++) {
		if (pick(b, i, &class, &t) != RULE_NONE)
			count_literals(b, &t);
	}
	for (size_t i = 0; ok && i < n; i++)
		ok = want_place(b, i, &t);
	str_fini(&t.whole);
	str_fini(&t.literals);
	str_fini(&t.literal);
	return ok;
}

/* ---- databases of an earlier process ---- */

/* All that a database depends on, in front of it where it is kept. */
static void describe(const struct wanted *w, size_t from, size_t n, struct str *out)
{
	str_add(out, hs_version());
	for (size_t i = from; i < from + n; i++)
		str_addf(out, "\n%s", w->text[i]);
	str_add_char(out, '\n');
}

static uint64_t hash_of(struct bytes b)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < b.n; i++)
		h = (h ^ b.p[i]) * UINT64_C(1099511628211);
	return h;
}

static hs_database_t *take_made(struct build *b, const char *name, struct bytes about)
{
	hs_database_t *db = NULL;
	struct bytes kept;

	if (b->l->source->made(b->l->source, name, &kept) < 0 || !bytes_starts(kept, about))
		return NULL;
	kept = bytes_from(kept, about.n);
	if (hs_deserialize_database((const char *)kept.p, kept.n, &db) != HS_SUCCESS)
		return NULL;
	return db;
}

static void keep_made(struct build *b, const char *name, struct bytes about,
		      const hs_database_t *db)
{
	AUTO(str_fini) struct str all = { 0 };
	char *bytes = NULL;
	size_t n = 0;

	if (hs_serialize_database(db, &bytes, &n) != HS_SUCCESS)
		return;
	str_init(&all, about.n + n);
	str_add_bytes(&all, about);
	str_add_bytes(&all, bytes_of(bytes, n));
	free(bytes);
	if (!all.failed)
		b->l->source->keep_made(b->l->source, name, str_bytes(&all));
}

/* ---- chunks ---- */

static hs_database_t *compile(const struct wanted *w, size_t from, size_t n)
{
	unsigned *flags = calloc(n, sizeof(*flags)), *ids = calloc(n, sizeof(*ids));
	hs_compile_error_t *e = NULL;
	hs_database_t *db = NULL;

	for (size_t i = 0; flags != NULL && ids != NULL && i < n; i++) {
		flags[i] = SCREEN_FLAGS;
		ids[i] = (unsigned)i;
	}
	if (flags != NULL && ids != NULL &&
	    hs_compile_multi((const char *const *)w->text + from, flags, ids, (unsigned)n,
			     HS_MODE_BLOCK, NULL, &db, &e) != HS_SUCCESS)
		db = NULL;
	(void)hs_free_compile_error(e);
	free(flags);
	free(ids);
	return db;
}

static bool add_database(struct build *b, enum screen_class class, const struct wanted *w,
			 size_t from, size_t n, hs_database_t *db)
{
	uint32_t *conds = calloc(n, sizeof(*conds));
	struct rule_screen *s = b->s;
	size_t bytes = 0;

	if (conds == NULL || !rule_grow(&s->list, &s->cap, s->n, sizeof(*s->list)) ||
	    hs_alloc_scratch(db, &s->model) != HS_SUCCESS) {
		(void)hs_free_database(db);
		free(conds);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		conds[i] = b->rs->linear[w->place[from + i]];
		b->inside[w->place[from + i]] = true;
	}
	s->list[s->n++] = (struct database){ .db = db, .class = class, .conds = conds };
	s->inside_n += n;
	s->asks[class] = true;
	(void)hs_database_size(db, &bytes);
	b->bytes += bytes;
	return true;
}

static bool compile_chunk(struct build *b, enum screen_class class, const struct wanted *w,
			  size_t from, size_t n)
{
	AUTO(str_fini) struct str about;
	hs_database_t *db;
	char name[64];

	str_init(&about, 64 * MIB);
	describe(w, from, n, &about);
	if (about.failed)
		return false;
	(void)snprintf(name, sizeof(name), "expressions %016llx",
		       (unsigned long long)hash_of(str_bytes(&about)));
	db = take_made(b, name, str_bytes(&about));
	if (db == NULL) {
		db = compile(w, from, n);
		if (db != NULL)
			keep_made(b, name, str_bytes(&about), db);
	}
	return db == NULL || add_database(b, class, w, from, n, db);
}

static bool compile_form(struct build *b, enum screen_class class, enum form form)
{
	const struct wanted *w = &b->wanted[class][form];

	for (size_t from = 0; from < w->n; from += chunk[form]) {
		b->over |= b->bytes > BYTES_MAX || clock_thread_cpu_ns() - b->began_ns > COMPILE_NS;
		if (b->over)
			return true;
		if (!compile_chunk(b, class, w, from, MIN_OF(w->n - from, chunk[form])))
			return false;
	}
	return true;
}

static bool compile_class(struct build *b, enum screen_class class)
{
	return b->wanted_n[class] < WORTH_IT ||
	       (compile_form(b, class, FORM_LITERAL) && compile_form(b, class, FORM_WHOLE));
}

static bool list_rest(struct build *b)
{
	struct rule_screen *s = b->s;

	s->rest = calloc(b->rs->linear_n + 1, sizeof(*s->rest));
	if (s->rest == NULL)
		return false;
	for (size_t i = 0; i < b->rs->linear_n; i++) {
		if (!b->inside[i])
			s->rest[s->rest_n++] = b->rs->linear[i];
	}
	return true;
}

static void tell(const struct build *b)
{
	const struct conf_place at = { .file = b->rs->file, .line = 1, .column = 1 };

	if (b->s->rest_n > TOLD_REST)
		conf_problem_add(b->l->report, CONF_WARNING, at,
				 "%zu wildcards and expressions of this ruleset cannot be compiled "
				 "together%s and are tried one by one for each message; addresses, "
				 "domains, *.domain and networks cost nothing",
				 b->s->rest_n, b->over ? " within the limits" : "");
}

bool rule_screen_build(struct conf_loader *l, struct ruleset *rs)
{
	AUTO(build_fini) struct build b = { .l = l, .rs = rs };
	bool ok;

	if (rs->linear_n < WORTH_IT || hs_valid_platform() != HS_SUCCESS)
		return true;
	b.began_ns = clock_thread_cpu_ns();
	b.inside = calloc(rs->linear_n, sizeof(*b.inside));
	b.literals = calloc(LITERALS_SIZE, sizeof(*b.literals));
	b.s = rs->screen = calloc(1, sizeof(*b.s));
	if (b.inside == NULL || b.literals == NULL || b.s == NULL)
		return false;
	ok = want_all(&b);
	for (unsigned c = 0; ok && c < SCREEN_CLASSES; c++)
		ok = compile_class(&b, (enum screen_class)c);
	if (!ok || !list_rest(&b))
		return false;
	tell(&b);
	if (b.s->n == 0)
		rule_screen_free(&rs->screen);
	return true;
}

static void work_free(struct screen_work *w)
{
	if (w == NULL)
		return;
	(void)hs_free_scratch(w->scratch);
	regex_scratch_fini(&w->regex);
	free(w);
}

void rule_screen_free(struct rule_screen **s)
{
	struct rule_screen *gone = *s;

	*s = NULL;
	if (gone == NULL)
		return;
	for (size_t i = 0; i < gone->n; i++) {
		(void)hs_free_database(gone->list[i].db);
		free(gone->list[i].conds);
	}
	(void)hs_free_scratch(gone->model);
	work_free(atomic_load(&gone->spare));
	free(gone->list);
	free(gone->rest);
	free(gone);
}

const uint32_t *rule_screen_rest(const struct rule_screen *s, size_t *ret_n)
{
	*ret_n = s->rest_n;
	return s->rest;
}

bool rule_screen_asks(const struct rule_screen *s, enum screen_class c)
{
	return s->asks[c];
}

size_t rule_screen_count(const struct rule_screen *s)
{
	return s->inside_n;
}

/* ---- asking ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void rule_candidates_sort(struct rule_candidates *c)
{
	size_t n = 0;

	if (c->n == 0)
		return;
	qsort(c->list, c->n, sizeof(*c->list), by_number);
	for (size_t i = 0; i < c->n; i++) {
		if (n == 0 || c->list[n - 1] != c->list[i])
			c->list[n++] = c->list[i];
	}
	c->n = n;
}

struct scan {
	struct rule_candidates *found;
	const uint32_t *conds;
};

static int on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to UNUSED,
		    unsigned flags UNUSED, void *context)
{
	struct scan *scan = context;
	struct rule_candidates *c = scan->found;

	/* several recipients may have found the same ones */
	if (c->n == CANDIDATES_MAX)
		rule_candidates_sort(c);
	c->too_many = c->n == CANDIDATES_MAX;
	if (c->too_many)
		return 1;
	c->list[c->n++] = scan->conds[id];
	return 0;
}

static struct screen_work *work_new(const struct rule_screen *s)
{
	struct screen_work *w = calloc(1, sizeof(*w));

	if (w != NULL && hs_clone_scratch(s->model, &w->scratch) != HS_SUCCESS) {
		free(w);
		return NULL;
	}
	return w;
}

bool screen_pass_begin(struct screen_pass *p, struct rule_screen *s, struct rule_candidates *found)
{
	struct screen_work *w = atomic_exchange(&s->spare, NULL);

	*p = (struct screen_pass){ .screen = s, .found = found };
	found->n = 0;
	found->too_many = false;
	p->work = w != NULL ? w : work_new(s);
	return p->work != NULL;
}

struct regex_scratch *screen_pass_regex(struct screen_pass *p)
{
	return &p->work->regex;
}

void screen_pass_end(struct screen_pass *p)
{
	struct screen_work *none = NULL;

	if (p->work != NULL && !atomic_compare_exchange_strong(&p->screen->spare, &none, p->work))
		work_free(p->work);
	p->work = NULL;
}

/* Line feeds and their like are where the two libraries differ; reports are made of lines. */
static bool is_screened(enum screen_class class, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++) {
		if ((b.p[i] < 0x20 && (class != SCREEN_REPORT || b.p[i] != '\n')) || b.p[i] == 0x7f)
			return false;
	}
	return b.n <= UINT_MAX;
}

bool screen_pass_add(struct screen_pass *p, enum screen_class class, struct bytes subject)
{
	struct scan scan = { .found = p->found };
	const char *text = subject.n == 0 ? "" : (const char *)subject.p;

	for (size_t i = 0; i < p->screen->n; i++) {
		const struct database *d = &p->screen->list[i];

		if (d->class != class)
			continue;
		if (!is_screened(class, subject))
			return false;
		scan.conds = d->conds;
		if (hs_scan(d->db, text, (unsigned)subject.n, 0, p->work->scratch, on_match,
			    &scan) != HS_SUCCESS)
			return false;
	}
	return true;
}
