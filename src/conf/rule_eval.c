/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/rule_eval.c - which rules of a ruleset match a message.
 *
 * Limits: without memory for more than 32 matches the ruleset's default is the answer, and without
 * memory for a regular expression's work space that expression does not match.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/ip.h"
#include "conf/rule_screen.h"

struct eval {
	const struct ruleset *rs;
	const struct conf_who *who;
	struct bytes from;
	const char *const *to;
	size_t to_n;
	struct client client; /* client_of() */
	bool has_client;
	struct regex_scratch own, *scratch; /* own, or the screen's */
	uint32_t best;                      /* first match so far */
	struct rule_hits *hits;
};

void rule_hits_init(struct rule_hits *h)
{
	h->list = h->few;
	h->cap = ARRAY_LEN(h->few);
	h->n = 0;
	h->failed = false;
}

void rule_hits_fini(struct rule_hits *h)
{
	if (h->list != h->few)
		free(h->list);
	rule_hits_init(h);
}

static bool hits_grow(struct rule_hits *h)
{
	uint32_t *bigger;

	if (h->n < h->cap)
		return true;
	bigger = reallocarray(h->list == h->few ? NULL : h->list, h->cap * 2, sizeof(*bigger));
	if (bigger == NULL) {
		h->failed = true;
		return false;
	}
	if (h->list == h->few)
		memcpy(bigger, h->few, sizeof(h->few));
	h->list = bigger;
	h->cap *= 2;
	return true;
}

/* Many rulesets never ask for the address, and reading it costs more than the rest. */
static const struct client *client_of(struct eval *e)
{
	if (!e->has_client)
		client_init(&e->client, e->who->client_ip);
	e->has_client = true;
	return &e->client;
}

/* ---- one condition, asked directly ---- */

static bool from_matches(struct eval *e, const struct rule_cond *c)
{
	const struct pattern *p = &c->pattern;

	if (pattern_is_ip(p))
		return pattern_match_client(p, client_of(e), e->scratch);
	if (pattern_is_host(p))
		return pattern_match_host(p,
					  p->checked ? e->who->client_host_checked
						     : e->who->client_host,
					  e->scratch);
	return pattern_match_address(p, e->from, e->scratch);
}

static size_t to_matches(struct eval *e, const struct rule_cond *c)
{
	size_t n = 0;

	for (size_t i = 0; i < e->to_n; i++)
		n += pattern_match_address(&c->pattern, bytes_str(e->to[i]), e->scratch);
	return n;
}

static bool report_matches(struct eval *e, const struct rule_cond *c)
{
	for (size_t i = 0; i < e->who->reports_n; i++) {
		if (pattern_match_report(&c->pattern, bytes_str(e->who->reports[i]), e->scratch))
			return true;
	}
	return false;
}

/* How many times @c matches: once for the sender, once for each recipient. */
static size_t cond_matches(struct eval *e, const struct rule_cond *c)
{
	switch ((enum rule_direction)c->direction) {
	case RULE_FROM:
		return from_matches(e, c);
	case RULE_TO:
		return to_matches(e, c);
	case RULE_OR:
		return (size_t)from_matches(e, c) + to_matches(e, c);
	case RULE_BOTH:
		return e->to_n > 0 && from_matches(e, c) && to_matches(e, c) == e->to_n;
	case RULE_VIRUS:
		return report_matches(e, c);
	}
	return 0;
}

/* ---- what was found ---- */

/* Rule of condition @cond matches, if its other condition does too. */
static void rule_matched(struct eval *e, uint32_t cond, size_t times)
{
	const struct rule_cond *c = &e->rs->conds[cond];
	const struct rule *r = &e->rs->rules[c->rule];

	if (r->two) {
		const struct rule_cond *other = cond == r->cond ? c + 1 : c - 1;

		if (cond_matches(e, other) == 0)
			return;
		times = 1;
	}
	if (!e->rs->all_matches) {
		e->best = c->rule;
		return;
	}
	for (; times > 0 && hits_grow(e->hits); times--)
		e->hits->list[e->hits->n++] = c->rule;
}

/* Condition @cond has a key of the sender, its host (SIDE_FROM) or of one recipient. */
static void key_found(struct eval *e, uint32_t cond, enum rule_side side, struct bytes address)
{
	const struct rule_cond *c = &e->rs->conds[cond];

	if (!e->rs->all_matches && c->rule >= e->best)
		return;
	if (c->pattern.kind == PATTERN_GLOB &&
	    !pattern_match_address(&c->pattern, address, e->scratch))
		return;
	if ((c->direction == RULE_FROM && side == SIDE_TO) ||
	    (c->direction == RULE_TO && side == SIDE_FROM) || c->direction == RULE_VIRUS)
		return;
	if (c->direction == RULE_BOTH && (side == SIDE_TO || cond_matches(e, c) == 0))
		return;
	rule_matched(e, cond, 1);
}

static void probe_hash(struct eval *e, enum key_kind kind, struct bytes key, uint32_t hash,
		       enum rule_side side, struct bytes address)
{
	const struct ruleset *rs = e->rs;
	uint64_t bits = RULE_FILTER_BITS(hash);
	uint32_t i;

	/* in a big ruleset each table is a cache miss: two at a time, not one after the other */
	__builtin_prefetch(&rs->heads[hash & (rs->heads_n - 1)]);
	if ((rs->filter[hash & (rs->filter_words - 1)] & bits) != bits)
		return;
	i = rs->heads[hash & (rs->heads_n - 1)];
	for (; i != RULE_NONE; i = rs->entries[i].next) {
		const struct rule_entry *x = &rs->entries[i];

		/* first match: in this bucket all that follow come later */
		if (!rs->all_matches && x->rule >= e->best)
			return;
		if (x->hash != hash || x->kind != kind || x->key_n != key.n)
			continue;
		__builtin_prefetch(&rs->rules[x->rule]);
		if (memcmp(x->key, key.p, key.n) != 0)
			continue;
		if ((x->sides >> side & 1) != 0)
			e->best = x->rule;
		else if (x->sides == 0)
			key_found(e, x->cond, side, address);
	}
}

static bool has_kind(const struct eval *e, enum key_kind kind)
{
	return (e->rs->has_kind >> kind & 1) != 0;
}

static void probe(struct eval *e, enum key_kind kind, struct bytes key, enum rule_side side,
		  struct bytes address)
{
	if (has_kind(e, kind))
		probe_hash(e, kind, key, rule_hash(kind, key), side, address);
}

/* All ends of @text that begin with a dot. */
static void probe_ends(struct eval *e, enum key_kind kind, struct bytes text, enum rule_side side,
		       struct bytes address)
{
	uint32_t h = RULE_HASH_START;

	if (!has_kind(e, kind))
		return;
	for (size_t i = text.n; i > 0; i--) {
		h = RULE_HASH_STEP(h, text.p[i - 1]);
		if (text.p[i - 1] == '.')
			probe_hash(e, kind, bytes_from(text, i - 1), RULE_HASH_END(h, kind), side,
				   address);
	}
}

static ptrdiff_t last_index(struct bytes b, uint8_t c)
{
	size_t i = b.n;

	while (i > 0 && b.p[i - 1] != c)
		i--;
	return (ptrdiff_t)i - 1;
}

static void probe_address_once(struct eval *e, struct bytes a, enum rule_side side,
			       struct bytes whole)
{
	ptrdiff_t first = bytes_index(a, '@'), last = last_index(a, '@');

	probe(e, KEY_ADDRESS, a, side, whole);
	if (first < 0)
		return;
	probe(e, KEY_DOMAIN, bytes_from(a, (size_t)last + 1), side, whole);
	probe_ends(e, KEY_SUB, bytes_from(a, (size_t)first + 1), side, whole);
}

static void probe_address(struct eval *e, struct bytes a, enum rule_side side)
{
	ptrdiff_t first = bytes_index(a, '@');

	if (first >= 0)
		probe(e, KEY_USER, bytes_head(a, (size_t)first + 1), side, a);
	probe_address_once(e, a, side, a);
	/* a dot at the end may be there or not; a pattern without it must match once only */
	if (a.n > 0 && a.p[a.n - 1] == '.')
		probe_address_once(e, bytes_head(a, a.n - 1), side, a);
}

static void probe_nets(struct eval *e)
{
	enum key_kind kind = e->client.v6 ? KEY_NET6 : KEY_NET4;
	struct net n;

	for (unsigned i = 0; i < ARRAY_LEN(e->rs->has_bits[0]); i++) {
		uint64_t used = e->rs->has_bits[e->client.v6][i];

		for (; used != 0; used &= used - 1) {
			unsigned bits = i * 64 + (unsigned)__builtin_ctzll(used);

			n.bits = (uint8_t)bits;
			memcpy(n.addr, e->client.addr, sizeof(n.addr));
			ip_mask(n.addr, bits);
			probe(e, kind, bytes_of(&n, sizeof(n)), SIDE_FROM, e->from);
		}
	}
}

static void probe_client(struct eval *e)
{
	const uint64_t kinds =
		UINT64_C(1) << KEY_IP_TEXT | UINT64_C(1) << KEY_NET4 | UINT64_C(1) << KEY_NET6;
	struct bytes text;

	if ((e->rs->has_kind & kinds) == 0 || !client_of(e)->known)
		return;
	if (e->client.is_ip)
		probe_nets(e);
	text = bytes_str(e->client.text);
	for (size_t n = 1; n <= text.n && has_kind(e, KEY_IP_TEXT); n++)
		probe(e, KEY_IP_TEXT, bytes_head(text, n), SIDE_FROM, e->from);
}

static void probe_host(struct eval *e, enum key_kind kind, const char *host)
{
	char buf[HOST_MAX];

	if (host == NULL || !has_kind(e, kind))
		return;
	if (*host == '\0')
		probe(e, kind, BYTES(""), SIDE_FROM, e->from);
	else
		probe_ends(e, kind, bytes_of(buf, host_normal(host, buf)), SIDE_FROM, e->from);
}

static void try_each(struct eval *e, const uint32_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t cond = list[i];
		const struct rule_cond *c = &e->rs->conds[cond];
		size_t times;

		if (!e->rs->all_matches && c->rule >= e->best)
			break;
		times = cond_matches(e, c);
		if (times > 0)
			rule_matched(e, cond, times);
	}
}

/* The name in all forms that expressions are matched with: pattern_match_host(). */
static bool screen_host(struct screen_pass *p, const char *host)
{
	char buf[HOST_MAX];
	struct bytes dotted;

	if (host == NULL)
		return true;
	if (!screen_pass_add(p, SCREEN_HOST, bytes_str(host)))
		return false;
	dotted = bytes_of(buf, host_normal(host, buf));
	for (; dotted.n > 0; dotted = bytes_from(dotted, 1)) {
		if (dotted.p[0] == '.' && !screen_pass_add(p, SCREEN_HOST, dotted))
			return false;
	}
	return true;
}

static bool screen_all(struct eval *e, struct screen_pass *p)
{
	const struct rule_screen *s = e->rs->screen;
	bool ok = screen_pass_add(p, SCREEN_ADDRESS, e->from);

	for (size_t i = 0; ok && i < e->to_n; i++)
		ok = screen_pass_add(p, SCREEN_ADDRESS, bytes_str(e->to[i]));
	if (ok && rule_screen_asks(s, SCREEN_CLIENT) && client_of(e)->known)
		ok = screen_pass_add(p, SCREEN_CLIENT, bytes_str(e->client.text));
	for (size_t i = 0; ok && i < e->who->reports_n; i++)
		ok = screen_pass_add(p, SCREEN_REPORT, bytes_str(e->who->reports[i]));
	if (!ok || !rule_screen_asks(s, SCREEN_HOST))
		return ok;
	return screen_host(p, e->who->client_host) && screen_host(p, e->who->client_host_checked);
}

/* False: it cannot be said, nothing was tried. */
static bool try_found(struct eval *e, struct screen_pass *pass)
{
	const uint32_t *rest;
	size_t rest_n;

	if (!screen_all(e, pass) || pass->found->too_many)
		return false;
	rule_candidates_sort(pass->found);
	e->scratch = screen_pass_regex(pass);
	e->scratch->patience = e->own.patience;
	try_each(e, pass->found->list, pass->found->n);
	rest = rule_screen_rest(e->rs->screen, &rest_n);
	try_each(e, rest, rest_n);
	e->scratch->patience = NULL;
	e->scratch = &e->own;
	return true;
}

static bool try_screened(struct eval *e)
{
	struct rule_candidates found;
	struct screen_pass pass;
	bool done;

	if (e->rs->screen == NULL)
		return false;
	done = screen_pass_begin(&pass, e->rs->screen, &found) && try_found(e, &pass);
	screen_pass_end(&pass);
	return done;
}

static void try_linear(struct eval *e)
{
	/* a match in front of the first of them cannot be beaten */
	if (e->rs->linear_n == 0 ||
	    (!e->rs->all_matches && e->rs->conds[e->rs->linear[0]].rule >= e->best))
		return;
	if (!try_screened(e))
		try_each(e, e->rs->linear, e->rs->linear_n);
}

/* ---- the answer ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* In order of the rules; one with two conditions counts once, however it was found. */
static void sort_hits(const struct ruleset *rs, struct rule_hits *h)
{
	size_t n = 0;

	if (h->n == 0)
		return;
	qsort(h->list, h->n, sizeof(*h->list), by_number);
	for (size_t i = 0; i < h->n; i++) {
		if (n > 0 && h->list[n - 1] == h->list[i] && rs->rules[h->list[i]].two)
			continue;
		h->list[n++] = h->list[i];
	}
	h->n = n;
}

/* Use Default Rules With Multiple Recipients: one recipient that stands for all of them. */
static void stand_in(struct eval *e, enum rule_many many, char *out, size_t size,
		     const char **ret_to)
{
	const char *domain = many == MANY_ANY ? NULL : strrchr(e->to[0], '@');

	for (size_t i = 1; i < e->to_n && domain != NULL; i++) {
		const char *d = strrchr(e->to[i], '@');

		if (d == NULL || strcmp(d, domain) != 0)
			domain = NULL;
	}
	if (domain == NULL || strlen(domain) + 2 > size)
		domain = "@*";
	(void)snprintf(out, size, "*%s", domain);
	*ret_to = out;
	e->to = ret_to;
	e->to_n = 1;
}

static void match_all(struct eval *e)
{
	probe_address(e, e->from, SIDE_FROM);
	probe_client(e);
	probe_host(e, KEY_HOST, e->who->client_host);
	probe_host(e, KEY_HOST_CHECKED, e->who->client_host_checked);
	for (size_t i = 0; i < e->to_n; i++)
		probe_address(e, bytes_str(e->to[i]), SIDE_TO);
	try_linear(e);
}

void ruleset_match(const struct ruleset *rs, const struct conf_who *who, enum rule_many many,
		   struct rule_hits *ret_h)
{
	struct eval e = { .rs = rs, .who = who, .to = who->to, .to_n = who->to_n };
	char pseudo[HOST_MAX + 4];
	const char *pseudo_to;
	struct conf_patience patience;

	patience.n = 0;
	e.own.patience = who->patience == NULL ? &patience : who->patience;
	e.from = bytes_str(who->from == NULL ? "" : who->from);
	e.scratch = &e.own;
	e.best = RULE_NONE;
	e.hits = ret_h;
	if (many != MANY_EACH && who->to_n > 1)
		stand_in(&e, many, pseudo, sizeof(pseudo), &pseudo_to);
	match_all(&e);
	regex_scratch_fini(&e.own);
	if (rs->all_matches)
		sort_hits(rs, ret_h);
	else if (e.best != RULE_NONE)
		ret_h->list[ret_h->n++] = e.best;
}
