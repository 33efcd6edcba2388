/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/rule_index.c - the hash from keys to the conditions of a ruleset. */
#include <stdlib.h>
#include <sys/mman.h>

#include "conf/ruleset.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

uint32_t rule_hash(enum key_kind kind, struct bytes key)
{
	uint32_t h = RULE_HASH_START;

	for (size_t i = key.n; i > 0; i--)
		h = RULE_HASH_STEP(h, key.p[i - 1]);
	return RULE_HASH_END(h, kind);
}

bool rule_grow(void *list, size_t *cap, size_t n, size_t size)
{
	void **p = list;
	void *bigger;
	size_t want;

	if (n < *cap)
		return true;
	want = *cap == 0 ? 16 : *cap * 2;
	if (want >= RULE_NONE)
		return false;
	bigger = reallocarray(*p, want, size);
	if (bigger == NULL)
		return false;
	*p = bigger;
	*cap = want;
	return true;
}

static bool has_key(const struct rule_cond *c)
{
	enum key_kind kind;
	struct bytes key;

	/* "sender and all recipients" is looked up by its sender, reports are few */
	return pattern_key(&c->pattern, 0, &kind, &key);
}

static uint32_t first_hash(const struct rule_cond *c)
{
	enum key_kind kind = KEY_ADDRESS;
	struct bytes key = { NULL, 0 };

	(void)pattern_key(&c->pattern, 0, &kind, &key);
	return rule_hash(kind, key);
}

static bool add_linear(struct ruleset *rs, uint32_t cond)
{
	if (!rule_grow(&rs->linear, &rs->linear_cap, rs->linear_n, sizeof(*rs->linear)))
		return false;
	rs->linear[rs->linear_n++] = cond;
	return true;
}

static void note_kind(struct ruleset *rs, enum key_kind kind, struct bytes key)
{
	rs->has_kind |= UINT64_C(1) << kind;
	if (kind == KEY_NET4 || kind == KEY_NET6)
		rs->has_bits[kind == KEY_NET6][key.p[0] / 64] |= UINT64_C(1) << (key.p[0] % 64);
}

/* Sides of which a key decides without another look: rule_entry.sides. */
static uint8_t sides_of(const struct ruleset *rs, const struct rule_cond *c)
{
	if (rs->all_matches || rs->rules[c->rule].two || c->pattern.kind == PATTERN_GLOB)
		return 0;
	switch ((enum rule_direction)c->direction) {
	case RULE_FROM:
		return 1u << SIDE_FROM;
	case RULE_TO:
		return 1u << SIDE_TO;
	case RULE_OR:
		return 1u << SIDE_FROM | 1u << SIDE_TO;
	default:
		return 0;
	}
}

static bool add_entries(struct ruleset *rs, uint32_t cond)
{
	const struct pattern *p = &rs->conds[cond].pattern;
	uint8_t sides = sides_of(rs, &rs->conds[cond]);
	enum key_kind kind;
	struct bytes key;

	for (size_t i = 0; pattern_key(p, i, &kind, &key); i++) {
		if (!rule_grow(&rs->entries, &rs->entries_cap, rs->entries_n, sizeof(*rs->entries)))
			return false;
		rs->entries[rs->entries_n++] = (struct rule_entry){ .key = key.p,
								    .rule = rs->conds[cond].rule,
								    .sides = sides,
								    .key_n = (uint16_t)key.n,
								    .hash = rule_hash(kind, key),
								    .cond = cond,
								    .kind = (uint8_t)kind };
		note_kind(rs, kind, key);
	}
	return true;
}

/* How often keys occur, roughly: two keys may share a counter. */
struct counts {
	uint32_t *n;
	uint32_t mask;
};

static size_t power_of_two(size_t at_least)
{
	size_t n = 16;

	while (n < at_least)
		n *= 2;
	return n;
}

static bool count_keys(const struct ruleset *rs, struct counts *c)
{
	size_t size = power_of_two(rs->conds_n * 2);

	c->n = calloc(size, sizeof(*c->n));
	c->mask = (uint32_t)(size - 1);
	if (c->n == NULL)
		return false;
	for (size_t i = 0; i < rs->conds_n; i++)
		c->n[first_hash(&rs->conds[i]) & c->mask]++;
	return true;
}

/* The condition of @r to look up, RULE_NONE when neither can be. */
static uint32_t rarer_cond(const struct ruleset *rs, const struct rule *r, const struct counts *c)
{
	const struct rule_cond *one = &rs->conds[r->cond], *two = one + 1;

	if (!r->two)
		return has_key(one) ? r->cond : RULE_NONE;
	if (!has_key(one) || !has_key(two))
		return has_key(one) ? r->cond : has_key(two) ? r->cond + 1 : RULE_NONE;
	return c->n[first_hash(one) & c->mask] <= c->n[first_hash(two) & c->mask] ? r->cond
										  : r->cond + 1;
}

static bool index_rules(struct ruleset *rs)
{
	struct counts c;
	bool ok = count_keys(rs, &c);

	for (size_t i = 0; i < rs->rules_n && ok; i++) {
		uint32_t cond = rarer_cond(rs, &rs->rules[i], &c);

		if (cond == RULE_NONE)
			ok = add_linear(rs, rs->rules[i].cond);
		else
			ok = add_entries(rs, cond);
	}
	free(c.n);
	return ok;
}

static bool build_filter(struct ruleset *rs)
{
	rs->filter_words = power_of_two(rs->entries_n / 8 + 1);
	rs->filter = calloc(rs->filter_words, sizeof(*rs->filter));
	if (rs->filter == NULL)
		return false;
	for (size_t i = 0; i < rs->entries_n; i++) {
		uint32_t h = rs->entries[i].hash;

		rs->filter[h & (rs->filter_words - 1)] |= RULE_FILTER_BITS(h);
	}
	return true;
}

#define HUGE_PAGE (2 * MIB)

/*
 * Big tables are asked at random places: with small pages each question also costs a walk through
 * the page tables. A wish, no more; failing changes nothing.
 */
static void in_huge_pages(void *p, size_t bytes)
{
	uintptr_t from = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(HUGE_PAGE - 1);

	if (bytes < HUGE_PAGE || from >= to)
		return;
	(void)madvise((void *)from, to - from, MADV_HUGEPAGE);
	(void)madvise((void *)from, to - from, MADV_COLLAPSE);
}

bool rule_index_build(struct ruleset *rs)
{
	if (!index_rules(rs) || !build_filter(rs))
		return false;
	rs->heads_n = power_of_two(rs->entries_n + rs->entries_n / 2);
	rs->heads = malloc(rs->heads_n * sizeof(*rs->heads));
	if (rs->heads == NULL)
		return false;
	memset(rs->heads, 0xff, rs->heads_n * sizeof(*rs->heads));
	/* backwards, so that each bucket is in order of the rules */
	for (size_t i = rs->entries_n; i > 0; i--) {
		struct rule_entry *e = &rs->entries[i - 1];
		uint32_t *head = &rs->heads[e->hash & (rs->heads_n - 1)];

		e->next = *head;
		*head = (uint32_t)(i - 1);
	}
	in_huge_pages(rs->filter, rs->filter_words * sizeof(*rs->filter));
	in_huge_pages(rs->heads, rs->heads_n * sizeof(*rs->heads));
	in_huge_pages(rs->entries, rs->entries_n * sizeof(*rs->entries));
	in_huge_pages(rs->rules, rs->rules_n * sizeof(*rs->rules));
	return true;
}
