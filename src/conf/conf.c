/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/conf.c - asking a snapshot. */
#include <assert.h>
#include <stdlib.h>

#include "conf/conf_internal.h"
#include "conf/ruleset.h"

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

static const struct conf_value *value_of(const struct conf *c, enum opt_id id,
					 const struct conf_who *who UNUSED)
{
	assert(id < OPT_ROWS);
	return &c->settings[id].value;
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
	const char *text = value_of(c, id, who)->text;
	const struct opt *o = &opt_rows[id];

	assert(o->type == OPT_YESNO);
	if ((o->flags & OPT_ONLY_ONES) != 0)
		return only_ones(text);
	if ((o->flags & OPT_NO_ZERO) != 0)
		return !has_word(text, "0");
	return has_word(text, "1");
}

double conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	assert(opt_rows[id].type == OPT_NUMBER);
	return value_of(c, id, who)->num;
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
	return value_of(c, id, who)->text;
}

const char *conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	assert(opt_rows[id].type == OPT_YESNO || opt_rows[id].type == OPT_ENUM);
	return value_of(c, id, who)->text;
}

const char *conf_written(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	return value_of(c, id, who)->written;
}

const char *conf_where(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	(void)value_of(c, id, who);
	return c->settings[id].where;
}

const char *conf_variable(const struct conf *c, const char *name)
{
	return conf_var_get(c, bytes_str(name));
}

bool conf_wants_host(const struct conf *c)
{
	return c->wants_host;
}

size_t conf_every_value(const struct conf *c, enum opt_id id, const char **ret, size_t max)
{
	if (max > 0)
		ret[0] = c->settings[id].value.text;
	return 1;
}
