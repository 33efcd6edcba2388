/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/conf.c - asking a snapshot. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "conf/compat.h"
#include "conf/conf_internal.h"
#include "conf/ruleset.h"
#include "core/str.h"

struct conf *conf_ref(struct conf *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void conf_unref(struct conf **c)
{
	struct conf *gone = *c;

	*c = NULL;
	if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_free(&gone->arena);
	free(gone);
}

uint64_t conf_generation(const struct conf *c)
{
	return c->generation;
}

/* ---- values of all matches ---- */

#define JOINED_VALUES 16u

/*
 * The only per-thread state of the folder: joined values must live somewhere, and the callers'
 * interface is that of a value the snapshot lends. The buffers grow to the longest value and stay.
 */
struct joined {
	struct conf_value value;
	struct str text, written, where;
};
static _Thread_local struct joined joined_ring[JOINED_VALUES];
static _Thread_local unsigned joined_next;

static struct joined *next_joined(void)
{
	struct joined *j = &joined_ring[joined_next++ % JOINED_VALUES];

	if (j->text.max_bytes == 0) {
		str_init(&j->text, CONF_VALUE_MAX_BYTES);
		str_init(&j->written, CONF_VALUE_MAX_BYTES);
		str_init(&j->where, 4096);
	}
	str_reset(&j->text);
	str_reset(&j->written);
	str_reset(&j->where);
	return j;
}

static void add_joined(struct str *s, char joint, const char *text)
{
	if (s->n > 0 && *text != '\0')
		str_add_char(s, joint);
	str_add(s, text);
}

static bool is_repeated(const struct rule_hits *h, const struct ruleset *rs, size_t i)
{
	uint32_t value = rs->rules[h->list[i]].value;

	for (size_t k = 0; k < i && k < 64; k++) {
		if (rs->rules[h->list[k]].value == value)
			return true;
	}
	return false;
}

static void join(struct joined *j, const struct ruleset *rs, const struct rule_hits *h,
		 bool without_repeats)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct conf_value *v = &rs->values[rs->rules[h->list[i]].value];

		if (without_repeats && is_repeated(h, rs, i))
			continue;
		add_joined(&j->text, rs->joint, v->text);
		add_joined(&j->written, rs->joint, v->written);
	}
}

/* The text of one value as it is, of several joined. NULL: too long or no memory. */
static const struct conf_value *join_hits(const struct ruleset *rs, const struct rule_hits *h)
{
	const struct conf_value *first = &rs->values[rs->rules[h->list[0]].value];
	struct joined *j;

	if (h->n == 1)
		return first;
	j = next_joined();
	join(j, rs, h, false);
	if (j->text.failed || j->written.failed) {
		str_reset(&j->text);
		str_reset(&j->written);
		join(j, rs, h, true);
	}
	if (j->text.failed || j->written.failed)
		return NULL;
	j->value = *first;
	j->value.text = str_view(&j->text);
	j->value.written = str_view(&j->written);
	return &j->value;
}

/* ---- one value ---- */

enum rule_many ruleset_many(const struct conf *c)
{
	if (!c->one_for_many)
		return MANY_EACH;
	return c->compatible ? MANY_ANY : MANY_DOMAIN;
}

const struct conf_value *conf_value_of(const struct conf *c, enum opt_id id,
				       const struct conf_who *who)
{
	const struct conf_setting *set;
	const struct conf_value *v = NULL;
	struct rule_hits hits;

	assert(id < OPT_ROWS);
	set = &c->settings[id];
	if (set->rules == NULL || who == NULL)
		return &set->value;
	rule_hits_init(&hits);
	ruleset_match(set->rules, who, ruleset_many(c), &hits);
	if (hits.n > 0 && !hits.failed)
		v = join_hits(set->rules, &hits);
	rule_hits_fini(&hits);
	return v == NULL ? &set->value : v;
}

/* Joined words: "1", "0 1", "0 convert". */
static bool has_word(const char *joined, const char *word)
{
	struct bytes rest = bytes_str(joined), w;

	while (bytes_next_word(&rest, &w)) {
		if (bytes_eq(w, bytes_str(word)))
			return true;
	}
	return false;
}

static bool only_ones(const char *joined)
{
	struct bytes rest = bytes_str(joined), w;

	while (bytes_next_word(&rest, &w)) {
		if (!bytes_eq(w, BYTES("1")))
			return false;
	}
	return true;
}

bool conf_bool(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	const char *text = conf_value_of(c, id, who)->text;
	const struct opt *o = &opt_rows[id];

	assert(o->type == OPT_YESNO);
	if (c->compatible && compat_plain_truth(id))
		return *text != '\0' && strcmp(text, "0") != 0;
	if ((o->flags & OPT_ONLY_ONES) != 0)
		return only_ones(text);
	if ((o->flags & OPT_NO_ZERO) != 0)
		return !has_word(text, "0");
	return has_word(text, "1");
}

double conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	assert(opt_rows[id].type == OPT_NUMBER);
	return conf_value_of(c, id, who)->num;
}

int64_t conf_num(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	double v = conf_real(c, id, who);

	if (v >= 9.2e18)
		return INT64_MAX;
	return v <= -9.2e18 ? INT64_MIN : (int64_t)v;
}

const char *conf_str(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	assert(opt_rows[id].type >= OPT_DIR);
	return conf_value_of(c, id, who)->text;
}

const char *conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	assert(opt_rows[id].type == OPT_YESNO || opt_rows[id].type == OPT_ENUM);
	return conf_value_of(c, id, who)->text;
}

const char *conf_written(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	return conf_value_of(c, id, who)->written;
}

const char *conf_where(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	const struct conf_setting *set = &c->settings[id];
	struct rule_hits hits;
	struct joined *j;

	if (set->rules == NULL || who == NULL)
		return set->where;
	rule_hits_init(&hits);
	ruleset_match(set->rules, who, ruleset_many(c), &hits);
	j = hits.n == 0 ? NULL : next_joined();
	if (j != NULL)
		conf_place_add(&j->where, set->rules->file, set->rules->rules[hits.list[0]].line);
	rule_hits_fini(&hits);
	return j == NULL ? set->where : str_view(&j->where);
}

const char *conf_variable(const struct conf *c, const char *name)
{
	return conf_var_get(c, bytes_str(name));
}

struct conf_serial conf_serial(const struct conf *c, enum conf_back_end b)
{
	return c->serials[b];
}

bool conf_wants_host(const struct conf *c)
{
	return c->wants_host;
}

/* Add @text to @ret unless it is there. Returns the new count. */
static size_t add_once(const char **ret, size_t n, size_t max, const char *text)
{
	for (size_t i = 0; i < MIN_OF(n, max); i++) {
		if (strcmp(ret[i], text) == 0)
			return n;
	}
	if (n < max)
		ret[n] = text;
	return n + 1;
}

size_t conf_every_value(const struct conf *c, enum opt_id id, const char **ret, size_t max)
{
	const struct conf_setting *set = &c->settings[id];
	size_t n = add_once(ret, 0, max, set->value.text);

	for (size_t i = 0; set->rules != NULL && i < set->rules->values_n; i++)
		n = add_once(ret, n, max, set->rules->values[i].text);
	return n;
}

int conf_values(const struct conf *c, enum opt_id id, const char ***ret, size_t *ret_n)
{
	const struct ruleset *rs = c->settings[id].rules;
	size_t max = 1 + (rs == NULL ? 0 : rs->values_n);
	const char **values = calloc(max, sizeof(*values));

	if (values == NULL)
		return -ENOMEM;
	*ret = values;
	*ret_n = conf_every_value(c, id, values, max);
	return 0;
}
