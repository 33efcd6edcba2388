/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/state.c - accounts and lists as text. */
#include "throttle/state.h"

#include <errno.h>
#include <string.h>

#include "core/num.h"

#define SECOND_NS UINT64_C(1000000000)
#define MAGIC     "sallyport-throttle 1 "
#define WORD_MAX  64

static const char *const list_words[] = { [THROTTLE_LIST_ALLOW] = "allow",
					  [THROTTLE_LIST_DENY] = "deny",
					  [THROTTLE_LIST_PENALTY] = "penalty" };

/* --- writing --- */

/* 0 stays 0: it means never. Rounded up, so that nothing ends a moment early. */
static unsigned long long to_unix(const struct state_clock *now, uint64_t ns)
{
	if (ns == 0)
		return 0;
	if (ns >= now->now_ns)
		return now->unix_s + (ns - now->now_ns + SECOND_NS - 1) / SECOND_NS;
	return now->unix_s - MIN_OF((now->now_ns - ns) / SECOND_NS, now->unix_s);
}

void state_begin(struct str *out, const struct state_clock *now)
{
	str_addf(out, MAGIC "%llu\n", (unsigned long long)now->unix_s);
}

void state_add_entry(struct str *out, const struct state_clock *now, enum throttle_list l,
		     const struct prefix_entry *e)
{
	char text[THROTTLE_PREFIX_TEXT];

	str_addf(out, "%s %s %llu", list_words[l], throttle_prefix_text(&e->p, text),
		 to_unix(now, e->until_ns));
	if (l == THROTTLE_LIST_PENALTY)
		str_addf(out, " %u", e->level);
	str_add_char(out, '\n');
}

void state_add_account(struct str *out, const struct state_clock *now,
		       const struct account_source *s)
{
	char text[THROTTLE_PREFIX_TEXT];

	str_addf(out, "account %s %llu %u %u %llu %u", throttle_prefix_text(&s->prefix, text),
		 to_unix(now, s->until_ns), s->level, s->strikes, to_unix(now, s->since_ns),
		 s->charges);
	for (int l = THROTTLE_SLOWER; l <= THROTTLE_NOTHING; l++)
		str_addf(out, " %.0f", (double)s->limits.ms[l]);
	for (int i = 0; i < CHARGE_REASONS; i++)
		str_addf(out, " %.0f:%u", (double)s->ms[i], s->n[i]);
	str_add_char(out, '\n');
}

void state_end(struct str *out)
{
	str_add(out, "end\n");
}

/* --- reading --- */

struct line {
	struct bytes rest;
	bool bad;
};

static uint64_t number(struct line *l, uint64_t max)
{
	struct bytes word;
	uint64_t v = 0;

	if (!bytes_next_word(&l->rest, &word) || num_parse(word, 10, max, &v) < 0)
		l->bad = true;
	return v;
}

static void prefix(struct line *l, struct throttle_prefix *ret_p)
{
	struct bytes word;
	char text[WORD_MAX];

	if (!bytes_next_word(&l->rest, &word) || word.n >= sizeof(text)) {
		l->bad = true;
		return;
	}
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	if (!throttle_prefix_parse(text, ret_p))
		l->bad = true;
}

/* "MS:COUNT" */
static void cost(struct line *l, float *ret_ms, uint32_t *ret_n)
{
	struct bytes word = { 0 };
	ptrdiff_t colon = -1;
	uint64_t ms = 0, n = 0;

	if (bytes_next_word(&l->rest, &word))
		colon = bytes_index(word, ':');
	if (colon < 0 || num_parse(bytes_head(word, (size_t)colon), 10, UINT32_MAX, &ms) < 0 ||
	    num_parse(bytes_from(word, (size_t)colon + 1), 10, UINT32_MAX, &n) < 0)
		l->bad = true;
	*ret_ms = (float)ms;
	*ret_n = (uint32_t)n;
}

/* A Unix time as CLOCK_MONOTONIC; what lies before the machine's start becomes 1. */
static uint64_t from_unix(const struct state_clock *now, uint64_t s)
{
	uint64_t ago_ns, ahead_ns, ns;

	if (s == 0)
		return 0;
	if (s <= now->unix_s) {
		if (__builtin_mul_overflow(now->unix_s - s, SECOND_NS, &ago_ns))
			ago_ns = UINT64_MAX;
		return now->now_ns > ago_ns ? now->now_ns - ago_ns : 1;
	}
	if (__builtin_mul_overflow(s - now->unix_s, SECOND_NS, &ahead_ns) ||
	    __builtin_add_overflow(now->now_ns, ahead_ns, &ns))
		return UINT64_MAX;
	return ns;
}

static void read_entry(struct line *l, enum throttle_list list, const struct state_clock *now,
		       const struct state_reader *r)
{
	struct prefix_entry e = { .origin = PREFIX_COMMAND };
	uint64_t until_s;

	prefix(l, &e.p);
	until_s = number(l, UINT64_MAX);
	if (list == THROTTLE_LIST_PENALTY) {
		e.level = (uint8_t)number(l, THROTTLE_NOTHING);
		l->bad |= e.level == THROTTLE_NORMAL;
	}
	e.until_ns = from_unix(now, until_s);
	if (!l->bad && l->rest.n == 0 && (until_s == 0 || until_s > now->unix_s))
		r->entry(r->arg, list, &e);
}

static void read_account(struct line *l, uint64_t age_ns, const struct state_clock *now,
			 const struct state_reader *r)
{
	struct account_source s = { 0 };
	uint64_t until_s, since_s;

	prefix(l, &s.prefix);
	until_s = number(l, UINT64_MAX);
	s.level = (uint8_t)number(l, THROTTLE_NOTHING);
	s.strikes = (uint8_t)number(l, UINT8_MAX);
	since_s = number(l, UINT64_MAX);
	s.charges = (uint32_t)number(l, UINT32_MAX);
	for (int i = THROTTLE_SLOWER; i <= THROTTLE_NOTHING; i++)
		s.limits.ms[i] = (float)number(l, UINT64_MAX);
	for (int i = 0; i < CHARGE_REASONS; i++)
		cost(l, &s.ms[i], &s.n[i]);
	s.until_ns = from_unix(now, until_s);
	s.since_ns = from_unix(now, since_s);
	if (until_s <= now->unix_s)
		s.level = THROTTLE_NORMAL;
	if (!l->bad && l->rest.n == 0)
		r->account(r->arg, &s, age_ns);
}

static bool read_line(struct bytes text, uint64_t age_ns, const struct state_clock *now,
		      const struct state_reader *r)
{
	struct line l = { .rest = text };
	struct bytes word;

	if (!bytes_next_word(&l.rest, &word))
		return true;
	if (bytes_eq(word, BYTES("account"))) {
		read_account(&l, age_ns, now, r);
		return !l.bad && l.rest.n == 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(list_words); i++)
		if (bytes_eq(word, bytes_str(list_words[i]))) {
			read_entry(&l, (enum throttle_list)i, now, r);
			return !l.bad && l.rest.n == 0;
		}
	return false;
}

int state_read(struct bytes text, const struct state_clock *now, const struct state_reader *r)
{
	struct state_clock then = *now;
	uint64_t written_s, age_ns = 0;
	struct bytes line;
	int bad = 0;

	if (!bytes_next_line(&text, &line) || !bytes_starts(line, BYTES(MAGIC)) ||
	    num_parse(bytes_from(line, sizeof(MAGIC) - 1), 10, UINT64_MAX, &written_s) < 0)
		return -EBADMSG;
	if (now->unix_s > written_s &&
	    __builtin_mul_overflow(now->unix_s - written_s, SECOND_NS, &age_ns))
		age_ns = UINT64_MAX;
	/* A clock that was set back: what was left then is left now, not for years. */
	then.unix_s = MAX_OF(now->unix_s, written_s);
	while (bytes_next_line(&text, &line)) {
		if (bytes_eq(line, BYTES("end")))
			return bad;
		bad += !read_line(line, age_ns, &then, r);
	}
	return bad + 1;
}
