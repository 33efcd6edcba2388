/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/scan.c - engine, scanner, and the order in which a message is looked at. A check is one
 * function and one row of checks[].
 *
 * Nothing half-done counts as done (promise P2): each check starts as FAILED, becomes RAN only
 * when it came to its end, and LIMIT when it did so on a message that was not seen whole.
 */
#include "scan/scan.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/probe.h"
#include "scan/check.h"

/* libclamav frees much after each scan; giving that back to the kernel is half of its cost. */
#define TRIM_THRESHOLD (256 * 1024 * 1024)
#define MMAP_THRESHOLD (32 * 1024 * 1024)

struct scan_engine {
	struct clam_engine *clam; /* NULL: the configuration never asks for viruses */
	struct rule_engine *rules;
	struct type_engine *types;
	locale_t utf8; /* made here, because a worker may not open its files */
	unsigned scanners_n;
	uint64_t generation;
	bool counters; /* Performance Counters */
};

_Static_assert(STAGE_COUNT <= METER_STAGES_MAX, "every stage has a place in the meter");

static const struct {
	enum check_id id;
	check_fn *run;
} checks[] = {
	{ CHECK_ARCHIVES, check_archives },   { CHECK_FILENAMES, check_filenames },
	{ CHECK_FILETYPES, check_filetypes }, { CHECK_SIZES, check_sizes },
	{ CHECK_CONTENT, check_content },     { CHECK_VIRUS, check_virus },
	{ CHECK_TEST, check_test },
};

/* --- engine --- */

/* Whether option @id is something other than @no for anybody. */
static bool wanted(const struct conf *c, enum opt_id id, const char *no)
{
	enum { VALUES_MAX = 64 };
	const char *values[VALUES_MAX];
	size_t n = conf_every_value(c, id, values, VALUES_MAX);

	for (size_t i = 0; i < MIN_OF(n, (size_t)VALUES_MAX); i++)
		if (strcmp(values[i], no) != 0 && strcmp(values[i], "0") != 0)
			return true;
	return n > VALUES_MAX;
}

int scan_engine_new(struct scan_engine **ret_e, const struct conf *c, struct err *err)
{
	AUTO(scan_engine_free) struct scan_engine *e = calloc(1, sizeof(*e));
	int r;

	if (e == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan engine: out of memory");
	mime_init();
	e->counters = conf_bool(c, OPT_PERFORMANCE_COUNTERS, NULL);
	e->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	r = rule_engine_new(&e->rules, c, err);
	if (r == 0)
		r = type_engine_new(&e->types, err);
	if (r == 0 && wanted(c, OPT_VIRUS_SCANNING, "no") && wanted(c, OPT_VIRUS_SCANNERS, "none"))
		r = clam_engine_new(&e->clam, c, err);
	if (r < 0)
		return r;
	e->generation = rule_engine_hash(e->rules);
	if (e->clam != NULL)
		e->generation = e->generation * 31 + clam_engine_generation(e->clam);
	*ret_e = TAKE(e);
	return 0;
}

void scan_engine_free(struct scan_engine **e)
{
	if (*e == NULL)
		return;
	clam_engine_free(&(*e)->clam);
	type_engine_free(&(*e)->types);
	rule_engine_free(&(*e)->rules);
	if ((*e)->utf8 != (locale_t)0)
		freelocale((*e)->utf8);
	free(*e);
	*e = NULL;
}

uint64_t scan_engine_generation(const struct scan_engine *e)
{
	return e->generation;
}

const char *scan_engine_describe(const struct scan_engine *e)
{
	return e->clam == NULL ? "no signatures" : clam_engine_describe(e->clam);
}

/* --- scanner --- */

/* libmagic keeps what it is at in its handle: the first scanner has the engine's, which was loaded
 * before the fork, each further one (another thread of this worker) loads its own. */
static int make_types(struct scanner *s, struct err *err)
{
	int r = 0;

	s->types = s->engine->types;
	if (s->types != NULL && s->engine->scanners_n > 1) {
		r = type_engine_new(&s->own_types, err);
		s->types = s->own_types;
	}
	return r == 0 && s->types != NULL ? type_engine_prepare(s->types, err) : r;
}

static int make_hash(struct scanner *s, struct err *err)
{
	/* Fetched once: the implicit fetch of each digest costs more than a small digest. */
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->hash = EVP_MD_CTX_new();
	if (s->sha256 == NULL || s->hash == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "libcrypto: no SHA-256");
	return 0;
}

int scanner_new(struct scanner **ret_s, struct scan_engine *e, const char *tmp_dir,
		const struct verdict_cache *cache, struct err *err)
{
	AUTO(scanner_free) struct scanner *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scanner: out of memory");
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	s->engine = e;
	e->scanners_n++;
	s->utf8 = e->utf8;
	s->cache = cache;
	r = make_hash(s, err);
	if (r == 0)
		r = rule_scratch_new(&s->rules, e->rules, err);
	if (r == 0 && e->clam != NULL)
		r = clam_scanner_new(&s->clam, e->clam, tmp_dir, err);
	if (r == 0)
		r = make_types(s, err);
	if (r < 0)
		return r;
	meter_init(&s->meter, e->counters, NULL);
	*ret_s = TAKE(s);
	return 0;
}

void scanner_free(struct scanner **s)
{
	if (*s == NULL)
		return;
	meter_fini(&(*s)->meter);
	(*s)->engine->scanners_n--;
	type_engine_free(&(*s)->own_types);
	clam_scanner_free(&(*s)->clam);
	rule_scratch_free(&(*s)->rules);
	EVP_MD_CTX_free((*s)->hash);
	EVP_MD_free((*s)->sha256);
	free(*s);
	*s = NULL;
}

void scanner_set_test_hook(struct scanner *s, void (*hook)(const char *what))
{
	s->test_hook = hook;
}

void scanner_begin_thread(struct scanner *s)
{
	_Atomic uint8_t *shown = s->meter.shown;

	meter_fini(&s->meter);
	meter_init(&s->meter, s->engine->counters, perf_group_hardware);
	s->meter.shown = shown;
}

void scanner_show_stage(struct scanner *s, _Atomic uint8_t *shown)
{
	s->meter.shown = shown;
}

/* --- one message --- */

static void set_result(struct scan_state *s, enum check_id id, enum check_state state,
		       const char *why, uint64_t since_ns)
{
	struct check_result *r = &s->facts->checks[id];
	uint64_t ns = clock_now_ns() - since_ns, us = ns / 1000;

	r->state = state;
	/* No memory left for a reason: the state says enough. */
	r->why = why == NULL ? NULL : arena_str(s->arena, bytes_str(why));
	r->us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	PROBE4(check_end, check_name(id), ns, state, s->request->id);
}

static enum check_state failed_state(struct scan_state *s, const struct err *e)
{
	if (e->kind != ERR_LIMIT)
		return CHECK_FAILED;
	scan_limit(s, BUDGET_MEMORY, "%s", e->text);
	return CHECK_LIMIT;
}

static void run_check(struct scan_state *s, enum check_id id, check_fn *run)
{
	struct check_result result = { .state = CHECK_RAN };
	struct err e = { .kind = ERR_NONE };
	uint64_t start_ns = s->scanner->meter.wall_ns;
	int r = run(s, &result, &e);

	if (r < 0)
		set_result(s, id, failed_state(s, &e), e.text, start_ns);
	else if (result.state == CHECK_RAN && s->budget.hit != BUDGET_NONE)
		set_result(s, id, CHECK_LIMIT, s->budget.why, start_ns);
	else
		set_result(s, id, result.state, result.why, start_ns);
}

/* From here on, time is that of check @id. Returns CPU time as meter_step(). */
static uint64_t begin_check(struct scan_state *s, enum check_id id)
{
	uint64_t cpu_ns = meter_step(&s->scanner->meter, id);

	PROBE2(check_begin, check_name(id), s->request->id);
	return cpu_ns;
}

/* The message itself cannot be taken apart: none of the checks that need it can run. */
static void give_up(struct scan_state *s, enum check_state state, const char *why)
{
	uint64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		set_result(s, checks[i].id, state, why, now_ns);
}

static int find_unparsable(struct scan_state *s, const char *why, struct err *err)
{
	return scan_find(s, NULL, FINDING_UNPARSABLE, 'e', "cantparse",
			 "The message is built in a way that cannot be read", why, "", err);
}

/* Structure and decoding. Returns whether the other checks have something to look at. */
static bool take_apart(struct scan_state *s)
{
	const struct meter *m = &s->scanner->meter;
	struct err e = { .kind = ERR_NONE };
	int r;

	(void)begin_check(s, CHECK_LIMITS);
	r = mime_prelimits(s->message, &s->budget, &e);
	set_result(s, CHECK_LIMITS, r == 0 ? CHECK_RAN : failed_state(s, &e),
		   r == 0 ? NULL : e.text, m->wall_ns);
	if (r < 0) {
		set_result(s, CHECK_MIME, s->facts->checks[CHECK_LIMITS].state, e.text, m->wall_ns);
		give_up(s, s->facts->checks[CHECK_LIMITS].state, e.text);
		return false;
	}
	(void)begin_check(s, CHECK_MIME);
	r = mime_parse(&s->tree, s->message, s->arena, &s->budget, &e);
	if (r == 0)
		r = scan_add_mime_leaves(s, &e);
	else
		s->tree.root = NULL;
	if (r < 0 && e.kind == ERR_INPUT && s->leaves == NULL)
		r = find_unparsable(s, e.text, &e);
	set_result(s, CHECK_MIME, r == 0 ? CHECK_RAN : failed_state(s, &e), r == 0 ? NULL : e.text,
		   m->wall_ns);
	if (r < 0 && s->leaves == NULL)
		give_up(s, s->facts->checks[CHECK_MIME].state, e.text);
	return r == 0 || s->leaves != NULL;
}

static void run_checks(struct scan_state *s)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		uint64_t cpu_ns = begin_check(s, checks[i].id);
		bool in_time =
			budget_check_cpu(&s->budget, cpu_ns, bytes_str(check_name(checks[i].id)));

		if (in_time)
			run_check(s, checks[i].id, checks[i].run);
		else
			set_result(s, checks[i].id, CHECK_LIMIT, s->budget.why, clock_now_ns());
	}
}

static int prepare(struct scan_state *s, struct err *err)
{
	struct facts *f = s->facts;

	*f = (struct facts){ .subject = "", .message_id = "", .limit_why = "" };
	for (size_t i = 0; i < CHECK_COUNT; i++)
		f->checks[i] = (struct check_result){ CHECK_FAILED, "not reached", 0 };
	s->leaves_tail = &s->leaves;
	return scan_keep_room(s, err);
}

static void note_cost(struct meter *m, struct facts *f)
{
	f->cpu_us = meter_end(m) / 1000;
	f->has_stages = m->charging;
	f->counted_events = m->counting;
	memcpy(f->stages, m->costs, sizeof(f->stages));
}

int scan_message(struct scanner *scanner, const struct scan_request *r, struct bytes message,
		 struct arena *a, struct facts *ret_f, struct err *err)
{
	struct scan_state s = {
		.scanner = scanner, .request = r, .message = message, .arena = a, .facts = ret_f
	};
	struct meter *m = &scanner->meter;
	int rc = prepare(&s, err);

	if (rc < 0)
		return rc;
	PROBE2(scan_begin, r->id, message.n);
	meter_begin(m, STAGE_REST);
	budget_init(&s.budget, &r->limits, message.n, m->began_ns);
	if (take_apart(&s))
		run_checks(&s);
	(void)meter_step(m, STAGE_REST);
	if (s.budget.hit != BUDGET_NONE)
		scan_find_limit(&s);
	if (s.tree.subject != NULL)
		ret_f->subject = s.tree.subject;
	if (s.tree.message_id != NULL)
		ret_f->message_id = s.tree.message_id;
	ret_f->mime_defects = s.tree.defects;
	for (const struct leaf *l = s.leaves; l != NULL; l = l->next)
		ret_f->cache_hits += l->cached != NULL;
	ret_f->expanded_bytes = s.budget.used[BUDGET_EXPANDED_BYTES];
	note_cost(m, ret_f);
	PROBE3(scan_end, r->id, ret_f->cpu_us, message.n);
	return 0;
}
