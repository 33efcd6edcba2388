/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/recipients.c - which recipients of a message get the same values. */
#include "conf/recipients.h"

#include <errno.h>
#include <strings.h>

#include "conf/conf_internal.h"
#include "conf/ruleset.h"

bool conf_recipient_matters(const struct conf *c, enum opt_id id)
{
	const struct ruleset *rs = c->settings[id].rules;

	for (size_t i = 0; rs != NULL && i < rs->conds_n; i++) {
		enum rule_direction d = (enum rule_direction)rs->conds[i].direction;

		if (d == RULE_TO || d == RULE_OR || d == RULE_BOTH)
			return true;
	}
	return false;
}

bool conf_joins_recipients(const struct conf *c)
{
	return c->one_for_many ||
	       strcasecmp(conf_str(c, OPT_RECIPIENT_VALUES, NULL), "join") == 0 ||
	       strcasecmp(conf_str(c, OPT_COMPATIBILITY, NULL), "mailscanner") == 0;
}

/* The different texts of one option, numbered in the order they came. */
struct seen_texts {
	const char **v;
	uint16_t n;
};

struct grouping {
	const struct conf *c;
	struct conf_who who; /* for one recipient */
	struct conf_groups g;
	size_t max;
	uint32_t *of, *first;
	uint16_t *values, *row; /* @row: of the recipient in hand */
	struct seen_texts *texts;
	struct arena *a;
};

static int allocate(struct grouping *x, size_t to_n)
{
	size_t rows = MIN_OF(x->max, to_n);

	x->of = arena_array(x->a, to_n, sizeof(*x->of));
	x->first = arena_array(x->a, rows, sizeof(*x->first));
	x->row = arena_array(x->a, x->g.ids_n, sizeof(*x->row));
	x->texts = arena_array(x->a, x->g.ids_n, sizeof(*x->texts));
	x->values = arena_array(x->a, rows * x->g.ids_n, sizeof(*x->values));
	if (x->of == NULL || x->first == NULL || x->row == NULL || x->texts == NULL ||
	    x->values == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < x->g.ids_n; i++) {
		x->texts[i].v = arena_array(x->a, rows, sizeof(*x->texts[i].v));
		if (x->texts[i].v == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* The number of @text, or that of the next new one. */
static uint16_t number_of(const struct seen_texts *t, const char *text)
{
	uint16_t i = 0;

	while (i < t->n && strcmp(t->v[i], text) != 0)
		i++;
	return i;
}

/* Values of the recipient in hand into @x->row. A text that nobody had yet gets the next number;
 * whether it is kept is up to the caller. */
static void ask(struct grouping *x)
{
	for (size_t i = 0; i < x->g.ids_n; i++)
		x->row[i] =
			number_of(&x->texts[i], conf_value_of(x->c, x->g.ids[i], &x->who)->text);
}

static uint32_t find(const struct grouping *x)
{
	size_t size = x->g.ids_n * sizeof(*x->row);

	for (size_t k = 0; k < x->g.n; k++)
		if (memcmp(x->values + k * x->g.ids_n, x->row, size) == 0)
			return (uint32_t)k;
	return CONF_NO_GROUP;
}

/* A new group for the recipient in hand. The texts are asked for again: those of joined values do
 * not last (conf.h). */
static int add_group(struct grouping *x, uint32_t recipient)
{
	memcpy(x->values + x->g.n * x->g.ids_n, x->row, x->g.ids_n * sizeof(*x->row));
	x->first[x->g.n++] = recipient;
	for (size_t i = 0; i < x->g.ids_n; i++) {
		struct seen_texts *t = &x->texts[i];

		if (x->row[i] < t->n)
			continue;
		t->v[t->n] =
			arena_str(x->a, bytes_str(conf_value_of(x->c, x->g.ids[i], &x->who)->text));
		if (t->v[t->n] == NULL)
			return -ENOMEM;
		t->n++;
	}
	return 0;
}

static int place(struct grouping *x, const char *const *to, uint32_t i)
{
	x->who.to = to + i;
	ask(x);
	x->of[i] = find(x);
	if (x->of[i] != CONF_NO_GROUP)
		return 0;
	if (x->g.n == x->max) {
		x->g.more = true;
		return 0;
	}
	x->of[i] = (uint32_t)x->g.n;
	return add_group(x, i);
}

/* There are more groups than wanted: the last one joins those that are in none. */
static void drop_last(struct grouping *x, size_t to_n)
{
	x->g.n--;
	for (size_t i = 0; i < to_n; i++)
		if (x->of[i] == x->g.n)
			x->of[i] = CONF_NO_GROUP;
}

int conf_group_recipients(const struct conf *c, const struct conf_who *who, const enum opt_id *ids,
			  size_t ids_n, size_t max, struct arena *a, struct conf_groups *ret_g,
			  struct err *err)
{
	struct grouping x = { .c = c, .who = *who, .max = max, .a = a };
	int r;

	x.g.ids = ids;
	x.g.ids_n = ids_n;
	x.who.to_n = 1;
	r = allocate(&x, who->to_n);
	for (uint32_t i = 0; r == 0 && i < who->to_n; i++)
		r = place(&x, who->to, i);
	if (r < 0)
		return err_set(err, ERR_LIMIT, r,
			       "%zu recipients with different values: more than "
			       "the message memory allows",
			       who->to_n);
	if (x.g.more)
		drop_last(&x, who->to_n);
	x.g.of = x.of;
	x.g.first = x.first;
	x.g.values = x.values;
	*ret_g = x.g;
	return 0;
}

static bool is_in(enum opt_id id, const enum opt_id *some, size_t some_n)
{
	for (size_t i = 0; i < some_n; i++)
		if (some[i] == id)
			return true;
	return false;
}

enum opt_id conf_groups_differ(const struct conf_groups *g, uint32_t x, uint32_t y,
			       const enum opt_id *some, size_t some_n)
{
	for (size_t i = 0; i < g->ids_n; i++)
		if (g->values[x * g->ids_n + i] != g->values[y * g->ids_n + i] &&
		    is_in(g->ids[i], some, some_n))
			return g->ids[i];
	return OPT_ROWS;
}
