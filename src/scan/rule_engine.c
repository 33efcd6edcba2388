/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/rule_engine.c - the rule sets of a configuration, compiled.
 *
 * Compiled once for each rule file and each list, not for each combination: rulesets join the
 * values of all recipients, so that the number of combinations has no limit but that of files has.
 * Files are asked one after the other, which is the same as one file made of all of them.
 * Lists have no order, so a joined list without its repeats is looked up and, when it is new,
 * compiled by the worker, which keeps the last few.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "core/str.h"
#include "scan/rule_engine.h"
#include "scan/rule_set.h"

#define KEPT_LISTS     32
#define LIST_WORDS_MAX 10000
#define FNV_START      UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME      UINT64_C(0x100000001b3)

struct list_entry {
	const char *text; /* as in the option; kept lists: sorted, without repeats */
	const char *option;
	struct rule_set *set;
	char *kept_text; /* kept lists: text, malloc'ed */
	uint64_t used;   /* kept lists: when last */
};

struct rule_engine {
	struct arena *arena;
	struct rule_book *files; /* sorted by path */
	size_t files_n;
	struct list_entry *lists; /* sorted by text */
	size_t lists_n;
	uint64_t hash;
};

struct rule_scratch {
	struct rule_engine *engine;
	struct rule_work *work;
	struct list_entry kept[KEPT_LISTS];
	uint64_t clock;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
}

static uint64_t fnv(uint64_t hash, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		hash = (hash ^ b.p[i]) * FNV_PRIME;
	return (hash ^ 0xff) * FNV_PRIME; /* "ab","c" is not "a","bc" */
}

/* --- one rule file --- */

static int report_fatal(const char *path, const struct rule_file *f, struct err *err)
{
	for (size_t i = 0; i < f->problems_n; i++)
		if (f->problems[i].fatal)
			return err_set(err, ERR_CONFIG, -EINVAL, "%s:%u: %s", path,
				       f->problems[i].line, f->problems[i].text);
	return err_set(err, ERR_CONFIG, -EINVAL, "%s: too many mistakes", path);
}

static int compile_columns(struct rule_book *e, struct arena *a, struct err *err)
{
	size_t n = e->rules.rows_n;
	struct rule_pattern *text = arena_array(a, n + 1, sizeof(*text));
	struct rule_pattern *mime = arena_array(a, n + 1, sizeof(*mime));
	bool any_mime = false;
	int r;

	e->where = arena_array(a, n + 1, sizeof(*e->where));
	if (text == NULL || mime == NULL || e->where == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++) {
		const struct rule_row *row = &e->rules.rows[i];

		e->where[i] = arena_printf(a, "%s:%u", e->path, row->line);
		if (e->where[i] == NULL)
			return out_of_memory(err);
		text[i] = (struct rule_pattern){ row->regex, e->where[i] };
		mime[i] = (struct rule_pattern){ row->mime_regex, e->where[i] };
		any_mime = any_mime || row->mime_regex[0] != '\0';
	}
	r = rule_set_new(&e->text, text, n, RULE_SET_JIT, err);
	return r < 0 || !any_mime ? r : rule_set_new(&e->mime, mime, n, RULE_SET_JIT, err);
}

static int compile_file(struct rule_book *f, struct arena *a, struct err *err)
{
	struct err why = { .kind = ERR_NONE };
	int r = rule_file_parse(&f->rules, f->content, a, &why);

	if (r < 0)
		return err_set(err, ERR_CONFIG, r, "%s: %s", f->path, why.text);
	if (f->rules.fatal_n > 0)
		return report_fatal(f->path, &f->rules, err);
	return compile_columns(f, a, err);
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct rule_book *)a)->path, ((const struct rule_book *)b)->path);
}

const struct rule_book *rule_scratch_book(const struct rule_scratch *s, struct bytes path)
{
	const struct rule_engine *e = s->engine;
	char text[PATH_MAX];
	struct rule_book key = { .path = text };

	if (path.n >= sizeof(text))
		return NULL;
	memcpy(text, path.p, path.n);
	text[path.n] = '\0';
	return bsearch(&key, e->files, e->files_n, sizeof(key), compare_files);
}

struct rule_work *rule_scratch_work(struct rule_scratch *s)
{
	return s->work;
}

/* --- lists --- */

static int compare_words(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN_OF(x->n, y->n));

	if (c != 0)
		return c;
	return x->n < y->n ? -1 : x->n > y->n;
}

static int split_words(const char *text, struct bytes **ret, size_t *ret_n, struct err *err)
{
	struct bytes rest = bytes_str(text), word;
	struct bytes *words;
	size_t n = 0;

	while (bytes_next_word(&rest, &word))
		n++;
	if (n > LIST_WORDS_MAX)
		return err_set(err, ERR_CONFIG, -EFBIG, "a list has more than %d patterns",
			       LIST_WORDS_MAX);
	words = calloc(n + 1, sizeof(*words));
	if (words == NULL)
		return out_of_memory(err);
	rest = bytes_str(text);
	for (size_t i = 0; i < n; i++)
		(void)bytes_next_word(&rest, &words[i]);
	*ret = words;
	*ret_n = n;
	return 0;
}

/* Patterns of a list: any of them, so sorted and without repeats. */
static int distinct_words(const char *text, struct bytes **ret, size_t *ret_n, struct err *err)
{
	struct bytes *words = NULL;
	size_t n = 0, kept = 0;
	int r = split_words(text, &words, &n, err);

	if (r < 0)
		return r;
	qsort(words, n, sizeof(*words), compare_words);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_words(&words[i], &words[i - 1]) != 0)
			words[kept++] = words[i];
	*ret = words;
	*ret_n = kept;
	return 0;
}

static int compile_words(struct rule_set **ret_s, const struct bytes *words, size_t n,
			 const char *option, unsigned flags, struct err *err)
{
	AUTO(arena_free) struct arena *a = arena_new(SIZE_MAX);
	struct rule_pattern *p;

	p = a == NULL ? NULL : arena_array(a, n + 1, sizeof(*p));
	if (p == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct rule_pattern){ rule_pattern_text(words[i], a), option };
		if (p[i].text == NULL)
			return out_of_memory(err);
	}
	return rule_set_new(ret_s, p, n, flags, err);
}

static int compile_list(struct rule_set **ret_s, const char *text, const char *option,
			unsigned flags, struct err *err)
{
	struct bytes *words = NULL;
	size_t n = 0;
	int r = distinct_words(text, &words, &n, err);

	if (r == 0)
		r = compile_words(ret_s, words, n, option, flags, err);
	free(words);
	return r;
}

static int compare_lists(const void *a, const void *b)
{
	return strcmp(((const struct list_entry *)a)->text, ((const struct list_entry *)b)->text);
}

static struct list_entry *find_list(const struct rule_engine *e, const char *text)
{
	struct list_entry key = { .text = text };

	return bsearch(&key, e->lists, e->lists_n, sizeof(key), compare_lists);
}

/* --- the engine --- */

/* Entries sorted and without repeats, so that each is compiled once. */
static int take_files(struct rule_engine *e, const struct rule_source_file *files, size_t n)
{
	size_t kept = 0;

	e->files = arena_array(e->arena, n + 1, sizeof(*e->files));
	if (e->files == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		e->files[i].path = arena_str(e->arena, bytes_str(files[i].path));
		e->files[i].content = files[i].content;
		if (e->files[i].path == NULL)
			return -ENOMEM;
	}
	qsort(e->files, n, sizeof(*e->files), compare_files);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_files(&e->files[i], &e->files[kept - 1]) != 0)
			e->files[kept++] = e->files[i];
	e->files_n = kept;
	return 0;
}

static int take_lists(struct rule_engine *e, const struct rule_source_list *lists, size_t n)
{
	size_t kept = 0;

	e->lists = arena_array(e->arena, n + 1, sizeof(*e->lists));
	if (e->lists == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		e->lists[i].text = arena_str(e->arena, bytes_str(lists[i].text));
		e->lists[i].option = arena_str(e->arena, bytes_str(lists[i].option));
		if (e->lists[i].text == NULL || e->lists[i].option == NULL)
			return -ENOMEM;
	}
	qsort(e->lists, n, sizeof(*e->lists), compare_lists);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_lists(&e->lists[i], &e->lists[kept - 1]) != 0)
			e->lists[kept++] = e->lists[i];
	e->lists_n = kept;
	return 0;
}

static int compile_all(struct rule_engine *e, struct err *err)
{
	int r = 0;

	e->hash = FNV_START;
	for (size_t i = 0; r == 0 && i < e->files_n; i++) {
		struct rule_book *f = &e->files[i];

		e->hash = fnv(fnv(e->hash, bytes_str(f->path)), f->content);
		r = compile_file(f, e->arena, err);
		f->content = bytes_of(NULL, 0);
	}
	for (size_t i = 0; r == 0 && i < e->lists_n; i++) {
		struct list_entry *l = &e->lists[i];

		e->hash = fnv(e->hash, bytes_str(l->text));
		r = compile_list(&l->set, l->text, l->option, RULE_SET_JIT, err);
	}
	return r;
}

int rule_engine_from_files(struct rule_engine **ret_e, const struct rule_source_file *files,
			   size_t files_n, const struct rule_source_list *lists, size_t lists_n,
			   struct err *err)
{
	AUTO(rule_engine_free) struct rule_engine *e = calloc(1, sizeof(*e));
	int r;

	if (e == NULL)
		return out_of_memory(err);
	e->arena = arena_new(SIZE_MAX);
	if (e->arena == NULL || take_files(e, files, files_n) < 0 ||
	    take_lists(e, lists, lists_n) < 0)
		return out_of_memory(err);
	r = compile_all(e, err);
	if (r < 0)
		return r;
	*ret_e = TAKE(e);
	return 0;
}

void rule_engine_free(struct rule_engine **e)
{
	if (*e == NULL)
		return;
	for (size_t i = 0; i < (*e)->files_n; i++) {
		rule_set_free(&(*e)->files[i].text);
		rule_set_free(&(*e)->files[i].mime);
	}
	for (size_t i = 0; i < (*e)->lists_n; i++)
		rule_set_free(&(*e)->lists[i].set);
	arena_free(&(*e)->arena);
	free(*e);
	*e = NULL;
}

uint64_t rule_engine_hash(const struct rule_engine *e)
{
	return e->hash;
}

static void add_info(struct rule_engine_info *info, const struct rule_set *s)
{
	struct rule_set_info one;

	if (s == NULL)
		return;
	rule_set_info(s, &one);
	info->sets_n++;
	info->native_n += one.native_n;
	info->prefilter_n += one.prefilter_n;
	info->plain_n += one.plain_n;
	info->database_bytes += one.database_bytes;
}

void rule_engine_info(const struct rule_engine *e, struct rule_engine_info *ret_i)
{
	*ret_i = (struct rule_engine_info){ .sets_n = 0 };
	for (size_t i = 0; i < e->files_n; i++) {
		add_info(ret_i, e->files[i].text);
		add_info(ret_i, e->files[i].mime);
	}
	for (size_t i = 0; i < e->lists_n; i++)
		add_info(ret_i, e->lists[i].set);
}

/* --- one worker's share --- */

static int fit(struct rule_scratch *s, const struct rule_set *set, struct err *err)
{
	return set == NULL ? 0 : rule_work_fit(s->work, set, err);
}

int rule_scratch_new(struct rule_scratch **ret_s, struct rule_engine *e, struct err *err)
{
	AUTO(rule_scratch_free) struct rule_scratch *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return out_of_memory(err);
	s->engine = e;
	r = rule_work_new(&s->work, err);
	for (size_t i = 0; r == 0 && i < e->files_n; i++) {
		r = fit(s, e->files[i].text, err);
		if (r == 0)
			r = fit(s, e->files[i].mime, err);
	}
	for (size_t i = 0; r == 0 && i < e->lists_n; i++)
		r = fit(s, e->lists[i].set, err);
	if (r < 0)
		return r;
	*ret_s = TAKE(s);
	return 0;
}

static void forget_list(struct list_entry *l)
{
	rule_set_free(&l->set);
	free(l->kept_text);
	*l = (struct list_entry){ .text = NULL };
}

void rule_scratch_free(struct rule_scratch **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < KEPT_LISTS; i++)
		forget_list(&(*s)->kept[i]);
	rule_work_free(&(*s)->work);
	free(*s);
	*s = NULL;
}

/* The kept list with this text; else the entry to use for it: a free one or the oldest. */
static struct list_entry *kept_list(struct rule_scratch *s, const char *text)
{
	struct list_entry *oldest = &s->kept[0];

	for (size_t i = 0; i < KEPT_LISTS; i++) {
		struct list_entry *l = &s->kept[i];

		if (l->text != NULL && strcmp(l->text, text) == 0)
			return l;
		if (l->used < oldest->used)
			oldest = l;
	}
	return oldest;
}

static char *join_words(const struct bytes *words, size_t n)
{
	struct str text;

	str_init(&text, SIZE_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			str_add_char(&text, ' ');
		str_add_bytes(&text, words[i]);
	}
	return str_take(&text);
}

/* Compiled by this worker. No machine code: its sandbox may forbid making any. */
static int new_list(struct rule_scratch *s, const struct bytes *words, size_t n, const char *option,
		    const struct rule_set **ret_set, struct err *err)
{
	char *text = join_words(words, n);
	struct list_entry *l;
	int r = 0;

	if (text == NULL)
		return out_of_memory(err);
	l = kept_list(s, text);
	if (l->text != NULL && strcmp(l->text, text) == 0) {
		free(text);
	} else {
		forget_list(l);
		l->text = l->kept_text = text;
		r = compile_words(&l->set, words, n, option, 0, err);
		if (r == 0)
			r = rule_work_fit(s->work, l->set, err);
		if (r < 0)
			forget_list(l);
	}
	l->used = ++s->clock;
	*ret_set = l->set;
	return r;
}

int rule_scratch_list(struct rule_scratch *s, const char *text, const char *option,
		      const struct rule_set **ret_set, struct err *err)
{
	const struct list_entry *known;
	struct bytes *words = NULL;
	size_t n = 0;
	int r;

	*ret_set = NULL;
	if (bytes_trim(bytes_str(text)).n == 0)
		return 0;
	known = find_list(s->engine, text);
	if (known != NULL) {
		*ret_set = known->set;
		return 0;
	}
	r = distinct_words(text, &words, &n, err);
	if (r == 0)
		r = new_list(s, words, n, option, ret_set, err);
	free(words);
	return r;
}
