/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/recipients.c - recipients of one message to whom rulesets give different values. They are
 * sorted into groups with equal values; each group is judged by its own: one scan for each
 * different request, one after the other. Groups with whom the same is to be done are one *class*:
 * one class, and the message goes on as a whole; more, and it is split (split.c), one message for
 * each class. Those who were not looked at become one more, which is looked at in its own life:
 * recipients that are too many groups (Maximum Split Envelopes), and those whose scan was still to
 * come when one came to nothing, so that they are not held up by it.
 *
 * Values are asked for one recipient of a group, never for several: what two recipients get
 * together is what neither would get alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "msg/internal.h"

/* What is asked outside of policy and action (hold.c, commit.c, site.c). */
static const enum opt_id deliver_options[] = { OPT_OUTGOING_QUEUE_DIR, OPT_DELIVERY_METHOD };
static const enum opt_id hold_options[] = { OPT_QUARANTINE_DIR };

#define EDIT_OPTIONS_MAX 64

struct group {
	struct decision decision;
	bool has_facts;
	bool later;     /* not looked at */
	uint32_t class; /* first group with whom the same is done; CLASS_LATER */
};

#define CLASS_LATER CONF_NO_GROUP

struct recipients {
	struct conf_groups groups;
	struct group *v;
	uint32_t now;        /* the group that is being judged */
	bool broken;         /* no more scans in this attempt */
	bool disagree;       /* there is more than one class */
	bool has_later;      /* somebody was not looked at */
	struct arena *arena; /* for scans after the first */
	struct conf_who all; /* everybody */
};

/* --- which options --- */

static void add_option(struct site *s, enum opt_id id)
{
	for (size_t i = 0; i < s->recipient_ids_n; i++)
		if (s->recipient_ids[i] == id)
			return;
	if (s->recipient_ids_n < RECIPIENT_OPTIONS_MAX && conf_recipient_matters(s->conf, id))
		s->recipient_ids[s->recipient_ids_n++] = id;
}

void recipients_options(struct site *s)
{
	enum opt_id ids[EDIT_OPTIONS_MAX];

	s->recipient_ids_n = 0;
	if (conf_joins_recipients(s->conf))
		return;
	for (size_t i = 0; i < policy_options_n; i++)
		add_option(s, policy_options[i]);
	for (size_t i = 0; i < ARRAY_LEN(hold_options); i++)
		add_option(s, hold_options[i]);
	for (size_t i = 0; i < ARRAY_LEN(deliver_options); i++)
		add_option(s, deliver_options[i]);
	for (int o = EDIT_CLEAN; o <= EDIT_UNTOUCHED; o++) {
		size_t n = edit_options((enum edit_outcome)o, ids, EDIT_OPTIONS_MAX);

		for (size_t i = 0; i < MIN_OF(n, EDIT_OPTIONS_MAX); i++)
			add_option(s, ids[i]);
	}
}

/* --- groups --- */

static struct conf_who who_of(const struct recipients *x, uint32_t group)
{
	struct conf_who who = x->all;

	who.to = x->all.to + x->groups.first[group];
	who.to_n = 1;
	return who;
}

int recipients_begin(struct msg *m, struct err *err)
{
	size_t max = (size_t)conf_num(m->site->conf, OPT_MAXIMUM_SPLIT_ENVELOPES, NULL);
	struct recipients *x = arena_zalloc(m->arena, sizeof(*x));
	int r;

	if (x == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for the recipients");
	x->all = m->who;
	r = conf_group_recipients(m->site->conf, &m->who, m->site->recipient_ids,
				  m->site->recipient_ids_n, max, m->arena, &x->groups, err);
	if (r < 0)
		return r;
	if (x->groups.n == 1 && !x->groups.more) {
		m->who = who_of(x, 0);
		return 0;
	}
	x->v = arena_array(m->arena, x->groups.n, sizeof(*x->v));
	x->arena = arena_new(m->site->arena_bytes);
	if (x->v == NULL || x->arena == NULL) {
		arena_free(&x->arena);
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for the recipients");
	}
	m->recipients = x;
	return 0;
}

void recipients_free(struct msg *m)
{
	if (m->recipients != NULL)
		arena_free(&m->recipients->arena);
}

/* --- judging each --- */

/* An earlier group for which the same was asked: its answer is theirs. */
static bool copy_earlier(struct recipients *x)
{
	for (uint32_t g = 0; g < x->now; g++) {
		if (conf_groups_differ(&x->groups, g, x->now, policy_options, policy_options_n) !=
		    OPT_ROWS)
			continue;
		x->v[x->now] = x->v[g];
		return true;
	}
	return false;
}

static void defer(struct msg *m, struct group *g)
{
	const char *why = arena_str(m->arena, bytes_str(m->why.text));

	*g = (struct group){ .decision = { .outcome = OUTCOME_DEFER,
					   .why = why == NULL ? "the scan came to nothing"
							      : why } };
}

/* True: a scan is under way. */
static bool ask(struct msg *m)
{
	struct recipients *x = m->recipients;
	struct group *g = &x->v[x->now];
	struct conf_who who = who_of(x, x->now);

	if (!policy_wants_scan(m->site->conf, &who)) {
		g->decision = (struct decision){ .outcome = OUTCOME_DELIVER, .why = "" };
		return false;
	}
	if (x->broken) {
		g->later = true;
		return false;
	}
	if (m->facts != NULL) { /* those stay where they are */
		m->scan_arena = x->arena;
		arena_reset(x->arena);
	}
	if (policy_request(m->site->conf, &who, m->scan_arena, &m->request, &m->why) < 0) {
		x->broken = true;
		defer(m, g);
		return false;
	}
	m->request.id = m->entry.id;
	life_enter(m, MSG_WAITING);
	return true;
}

static bool same_options(const struct recipients *x, uint32_t a, uint32_t b, const enum opt_id *ids,
			 size_t n)
{
	return conf_groups_differ(&x->groups, a, b, ids, n) == OPT_ROWS;
}

static bool same_delivery(const struct recipients *x, uint32_t a, uint32_t b)
{
	enum opt_id ids[EDIT_OPTIONS_MAX];
	enum edit_outcome mark = life_mark_of(&x->v[a].decision, x->v[a].has_facts);
	size_t n = edit_options(mark, ids, EDIT_OPTIONS_MAX);

	return x->v[a].has_facts == x->v[b].has_facts &&
	       same_options(x, a, b, deliver_options, ARRAY_LEN(deliver_options)) &&
	       same_options(x, a, b, ids, MIN_OF(n, EDIT_OPTIONS_MAX));
}

static bool same_action(const struct recipients *x, uint32_t a, uint32_t b)
{
	if (!policy_same_action(&x->v[a].decision, &x->v[b].decision))
		return false;
	switch (x->v[a].decision.outcome) {
	case OUTCOME_DELIVER:
		return same_delivery(x, a, b);
	case OUTCOME_QUARANTINE:
		return same_options(x, a, b, hold_options, ARRAY_LEN(hold_options));
	default:
		return true;
	}
}

/* The first group has been looked at: only others wait for what went wrong with one before them. */
static void classify(struct recipients *x)
{
	x->has_later = x->disagree = x->groups.more;
	for (uint32_t g = 0; g < x->groups.n; g++) {
		uint32_t c = 0;

		while (c < g && (x->v[c].class != c || !same_action(x, c, g)))
			c++;
		x->v[g].class = x->v[g].later ? CLASS_LATER : c;
		x->has_later |= x->v[g].later;
		x->disagree |= x->v[g].class > 0;
	}
}

static void judged(struct msg *m)
{
	struct recipients *x = m->recipients;

	classify(x);
	if (!x->disagree) {
		m->who = who_of(x, 0);
		m->decision = x->v[0].decision;
		if (m->facts != NULL) {
			charge_found(m, m->facts);
			life_log_facts(m);
		}
	}
	life_enter(m, MSG_JUDGED);
}

void recipients_next(struct msg *m)
{
	struct recipients *x = m->recipients;

	for (; x->now < x->groups.n; x->now++)
		if (!copy_earlier(x) && ask(m))
			return;
	judged(m);
}

void recipients_scanned(struct msg *m, const struct facts *f)
{
	struct recipients *x = m->recipients;
	struct group *g = &x->v[x->now];
	struct conf_who who = who_of(x, x->now);

	policy_decide(m->site->conf, &who, &m->request, f, m->arena, &g->decision);
	g->has_facts = true;
	if (m->scan_arena == m->arena) {
		m->facts = arena_dup(m->arena, bytes_of(f, sizeof(*f)));
		if (m->facts == NULL) {
			(void)err_set(&m->why, ERR_LIMIT, -ENOMEM, "no memory for the facts");
			recipients_scan_failed(m);
			return;
		}
	}
	x->now++;
	recipients_next(m);
}

void recipients_scan_failed(struct msg *m)
{
	struct recipients *x = m->recipients;

	x->broken = true;
	defer(m, &x->v[x->now++]);
	recipients_next(m);
}

/* --- what they become --- */

bool recipients_disagree(const struct msg *m)
{
	return m->recipients != NULL && m->recipients->disagree;
}

/* The class that keeps the id: those who must be tried again, for the count of attempts goes with
 * it; else those who were not looked at; else the first. */
static uint32_t staying_class(const struct recipients *x)
{
	for (uint32_t g = 0; g < x->groups.n; g++)
		if (!x->v[g].later && x->v[g].decision.outcome == OUTCOME_DEFER)
			return x->v[g].class;
	return x->has_later ? CLASS_LATER : 0;
}

int recipients_parts(struct msg *m, const uint32_t **ret_part_of, size_t *ret_parts,
		     bool *ret_defer, struct err *err)
{
	const struct recipients *x = m->recipients;
	uint32_t stays = staying_class(x), parts = 1, later = 0;
	uint32_t *part_of = arena_array(m->arena, x->all.to_n, sizeof(*part_of));
	uint32_t *part = arena_array(m->arena, x->groups.n, sizeof(*part));

	if (part_of == NULL || part == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to split it");
	for (uint32_t g = 0; g < x->groups.n; g++) {
		uint32_t c = x->v[g].class;

		if (c == g)
			part[g] = c == stays ? 0 : parts++;
		else if (c != CLASS_LATER)
			part[g] = part[c];
	}
	if (x->has_later && stays != CLASS_LATER)
		later = parts++;
	for (size_t i = 0; i < x->all.to_n; i++) {
		uint32_t g = x->groups.of[i];

		part_of[i] = g == CONF_NO_GROUP || x->v[g].later ? later : part[g];
	}
	*ret_defer = stays != CLASS_LATER && x->v[stays].decision.outcome == OUTCOME_DEFER;
	if (*ret_defer)
		(void)err_set(&m->why, ERR_TEMP, -EAGAIN, "%s", x->v[stays].decision.why);
	*ret_part_of = part_of;
	*ret_parts = parts;
	return 0;
}

/* Two groups of different classes; false: they differ only in that some were not looked at yet. */
static bool find_dissent(const struct recipients *x, uint32_t *ret_other)
{
	for (uint32_t g = 1; g < x->groups.n; g++)
		if (x->v[g].class > 0 && x->v[g].class != CLASS_LATER) {
			*ret_other = g;
			return true;
		}
	return false;
}

/* The option that made the difference, as far as can be told: of those that decide, if the
 * decisions differ, else of the others. */
static enum opt_id cause(const struct recipients *x, uint32_t a, uint32_t b)
{
	bool decided = !policy_same_action(&x->v[a].decision, &x->v[b].decision);
	const struct conf_groups *g = &x->groups;
	enum opt_id any = conf_groups_differ(g, a, b, g->ids, g->ids_n);

	for (size_t i = 0; i < g->ids_n; i++) {
		bool decides = false;

		for (size_t k = 0; k < policy_options_n; k++)
			decides |= policy_options[k] == g->ids[i];
		if (decides == decided && conf_groups_differ(g, a, b, &g->ids[i], 1) != OPT_ROWS)
			return g->ids[i];
	}
	return any;
}

static void list_ids(const struct queue_split *s, char *out, size_t size)
{
	enum { SHOWN_MAX = 5 };
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 1; i < s->parts && i <= SHOWN_MAX && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i == 1 ? "" : ", ", s->ids[i]);
	if (s->parts > SHOWN_MAX + 1 && n < size)
		(void)snprintf(out + n, size - n, " and %zu more", s->parts - 1 - SHOWN_MAX);
}

void recipients_log(const struct msg *m, const struct queue_split *s)
{
	const struct recipients *x = m->recipients;
	char ids[8 * QUEUE_ID_MAX], a[128], b[128], va[64], vb[64];
	struct conf_who first = who_of(x, 0), second;
	enum opt_id id;
	uint32_t other;

	list_ids(s, ids, sizeof(ids));
	if (!find_dissent(x, &other)) {
		log_info("Message %s split into %s: %s", m->entry.id, ids,
			 x->broken ? "its scan came to nothing for some of its recipients"
				   : "more sets of values for its recipients than Maximum Split "
				     "Envelopes");
		return;
	}
	second = who_of(x, other);
	id = cause(x, 0, other);
	log_info("Message %s split into %s: recipients disagree about %s (%s %s, %s %s)",
		 m->entry.id, ids, opt_rows[id].name,
		 text_escape(a, sizeof(a), bytes_str(first.to[0])),
		 text_escape(va, sizeof(va), bytes_str(conf_written(m->site->conf, id, &first))),
		 text_escape(b, sizeof(b), bytes_str(second.to[0])),
		 text_escape(vb, sizeof(vb), bytes_str(conf_written(m->site->conf, id, &second))));
}
