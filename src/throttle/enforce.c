/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/enforce.c - lists and penalties on their way into the kernel: BPF maps through our own
 * descriptors, nftables through the supervisor. A system call happens when an entry or a level
 * changes, never for a message.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/ip.h"
#include "core/log.h"
#include "throttle/internal.h"

bool enforce_is_on(const struct throttle *t)
{
	return t->mode == THROTTLE_ENFORCE && !t->off && t->link.method != THROTTLE_USER;
}

static bool by_maps(const struct throttle *t)
{
	return t->maps != NULL && t->link.method != THROTTLE_NFTABLES &&
	       t->link.method != THROTTLE_USER;
}

static bool by_nft(const struct throttle *t)
{
	return t->link.method == THROTTLE_NFTABLES && t->link.nft != NULL;
}

/* The same trouble comes with every entry: one line a minute. */
static void trouble(struct throttle *t, const struct throttle_prefix *p, const struct err *err)
{
	uint64_t now = loop_now_ns(t->loop);
	char text[THROTTLE_PREFIX_TEXT];

	if (t->trouble_ns != 0 && now - t->trouble_ns < TROUBLE_GAP_NS)
		return;
	t->trouble_ns = now;
	log_warning("Throttle: the kernel does not take %s: %s; the decision holds here only",
		    p == NULL ? "settings" : throttle_prefix_text(p, text), err->text);
}

/* --- one entry --- */

/* What is to be in force for the very prefix @p: by hand or by account, the worse counts. */
static enum throttle_level wanted(struct throttle *t, const struct throttle_prefix *p,
				  uint64_t *ret_until_ns)
{
	const struct prefix_entry *hand = prefix_set_find(&t->lists[THROTTLE_LIST_PENALTY], p);
	enum throttle_level level = THROTTLE_NORMAL;
	struct account_source s;

	*ret_until_ns = 0;
	if (account_get(t->account, p, loop_now_ns(t->loop), &s) && s.level > THROTTLE_NORMAL) {
		level = s.level;
		*ret_until_ns = s.until_ns;
	}
	if (hand != NULL && hand->level > level) {
		level = hand->level;
		*ret_until_ns = hand->until_ns == 0 ? UINT64_MAX : hand->until_ns;
	}
	return level;
}

static uint32_t seconds_left(const struct throttle *t, uint64_t until_ns)
{
	uint64_t now = loop_now_ns(t->loop), s;

	if (until_ns == 0)
		return THROTTLE_NO_END_S;
	s = until_ns > now ? (until_ns - now + THROTTLE_SECOND_NS - 1) / THROTTLE_SECOND_NS : 1;
	return (uint32_t)MIN_OF(s, (uint64_t)THROTTLE_NO_END_S);
}

/* Where nobody is to be refused, the sets of nftables are empty, too. */
static bool is_refusing(const struct throttle *t)
{
	return t->mode == THROTTLE_ENFORCE && !t->off;
}

static int empty_nft(struct throttle *t)
{
	static const struct throttle_prefix all = { .bits = 0 };

	if (!by_nft(t))
		return 0;
	return t->link.nft(t->link.nft_arg, THROTTLE_LIST_ALL, &all,
			   t->off ? THROTTLE_NORMAL : THROTTLE_NOTHING, 0);
}

/* False: the supervisor does not take it now. */
static bool send_nft(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p,
		     enum throttle_level level, uint32_t seconds)
{
	if (t->nft_sent >= NFT_AT_ONCE || t->link.nft(t->link.nft_arg, l, p, level, seconds) < 0)
		return false;
	t->nft_sent++;
	return true;
}

static bool send_penalty(struct throttle *t, const struct throttle_prefix *p,
			 enum throttle_level level, uint64_t until_ns)
{
	uint32_t seconds = 0;

	if (level > THROTTLE_NORMAL && is_refusing(t))
		seconds = seconds_left(t, until_ns);
	return send_nft(t, THROTTLE_LIST_PENALTY, p, level, seconds);
}

static bool send_entry(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p)
{
	const struct prefix_entry *e = prefix_set_find(&t->lists[l], p);

	return send_nft(t, l, p, THROTTLE_NORMAL,
			e != NULL && is_refusing(t) ? THROTTLE_NO_END_S : 0);
}

static void later(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p)
{
	const struct prefix_entry e = { .p = *p };
	struct err err;

	if (prefix_set_put(&t->pending[l], &e, &err) < 0)
		trouble(t, p, &err);
}

static void put_penalty(struct throttle *t, const struct throttle_prefix *p,
			enum throttle_level level, uint64_t until_ns)
{
	const struct throttle_penalty v = { .until_ns = until_ns, .level = level };
	struct err err;
	int r;

	if (level > THROTTLE_NORMAL)
		r = throttle_maps_put(t->maps, THROTTLE_LIST_PENALTY, p, &v, &err);
	else
		r = throttle_maps_remove(t->maps, THROTTLE_LIST_PENALTY, p, &err);
	if (r < 0 && r != -ENOENT)
		trouble(t, p, &err);
}

void enforce_penalty(struct throttle *t, const struct throttle_prefix *p,
		     enum throttle_level account, uint64_t until_ns)
{
	const struct prefix_entry *hand = prefix_set_find(&t->lists[THROTTLE_LIST_PENALTY], p);

	if (hand != NULL && hand->level > account) {
		account = hand->level;
		until_ns = hand->until_ns == 0 ? UINT64_MAX : hand->until_ns;
	}
	if (by_maps(t))
		put_penalty(t, p, account, until_ns);
	else if (by_nft(t) && !send_penalty(t, p, account, until_ns))
		later(t, THROTTLE_LIST_PENALTY, p);
}

void enforce_entry(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p)
{
	struct err err;
	int r;

	if (by_nft(t)) {
		if (!send_entry(t, l, p))
			later(t, l, p);
		return;
	}
	if (!by_maps(t))
		return;
	if (prefix_set_find(&t->lists[l], p) != NULL)
		r = throttle_maps_put(t->maps, l, p, NULL, &err);
	else
		r = throttle_maps_remove(t->maps, l, p, &err);
	if (r < 0 && r != -ENOENT)
		trouble(t, p, &err);
}

/* --- everything --- */

struct collect {
	struct prefix_set set;
	uint64_t now_ns;
};

static void collect(void *arg, const struct throttle_prefix *p,
		    const struct throttle_penalty *penalty)
{
	struct collect *c = arg;
	struct prefix_entry e = { .p = *p, .origin = PREFIX_KERNEL };
	struct err err;

	if (penalty != NULL) {
		e.level = (uint8_t)MIN_OF(penalty->level, (uint32_t)THROTTLE_NOTHING);
		e.until_ns = penalty->until_ns == UINT64_MAX ? 0 : penalty->until_ns;
		if (e.level == THROTTLE_NORMAL || penalty->until_ns <= c->now_ns)
			return;
	}
	(void)!prefix_set_append(&c->set, &e, &err); /* the maps are as bounded as the set */
}

static int read_kernel(struct throttle *t, enum throttle_list l, struct collect *ret_c,
		       struct err *err)
{
	int r;

	ret_c->now_ns = loop_now_ns(t->loop);
	prefix_set_init(&ret_c->set, t->lists[l].max * 2);
	r = throttle_maps_each(t->maps, l, collect, ret_c, err);
	prefix_set_sort(&ret_c->set);
	if (r < 0)
		prefix_set_fini(&ret_c->set);
	return r;
}

static void list_to_kernel(struct throttle *t, enum throttle_list l)
{
	const struct prefix_set *own = &t->lists[l];
	struct collect have;
	struct err err;

	if (read_kernel(t, l, &have, &err) < 0) {
		trouble(t, NULL, &err);
		return;
	}
	for (size_t i = 0; i < have.set.n; i++)
		if (prefix_set_find(own, &have.set.v[i].p) == NULL)
			enforce_entry(t, l, &have.set.v[i].p);
	for (size_t i = 0; i < own->n; i++)
		if (prefix_set_find(&have.set, &own->v[i].p) == NULL)
			enforce_entry(t, l, &own->v[i].p);
	prefix_set_fini(&have.set);
}

/* What an earlier run had imposed, and its state file does not tell, goes on to its end. */
static void adopt_penalties(struct throttle *t)
{
	struct account_source s;
	struct collect have;
	size_t adopted = 0;
	struct err err;

	if (read_kernel(t, THROTTLE_LIST_PENALTY, &have, &err) < 0) {
		trouble(t, NULL, &err);
		return;
	}
	for (size_t i = 0; i < have.set.n; i++) {
		const struct prefix_entry *e = &have.set.v[i];

		if (prefix_set_find(&t->lists[THROTTLE_LIST_PENALTY], &e->p) != NULL ||
		    (account_get(t->account, &e->p, have.now_ns, &s) && s.level >= e->level))
			continue;
		adopted += prefix_set_put(&t->lists[THROTTLE_LIST_PENALTY], e, &err) == 0;
	}
	prefix_set_fini(&have.set);
	if (adopted > 0)
		log_info("Throttle: %zu penalties of an earlier run go on", adopted);
}

static void account_penalty(void *arg, const struct account_source *s)
{
	enforce_penalty(arg, &s->prefix, s->level, s->until_ns);
}

void enforce_all(struct throttle *t)
{
	const struct prefix_set *hand = &t->lists[THROTTLE_LIST_PENALTY];
	uint64_t until_ns;

	for (int l = THROTTLE_LIST_ALLOW; l <= THROTTLE_LIST_DENY; l++) {
		if (by_maps(t))
			list_to_kernel(t, (enum throttle_list)l);
		for (size_t i = 0; by_nft(t) && i < t->lists[l].n; i++)
			enforce_entry(t, (enum throttle_list)l, &t->lists[l].v[i].p);
	}
	account_each_penalised(t->account, account_penalty, t);
	for (size_t i = 0; i < hand->n; i++) {
		enum throttle_level level = wanted(t, &hand->v[i].p, &until_ns);

		enforce_penalty(t, &hand->v[i].p, level, until_ns);
	}
}

void enforce_settings(struct throttle *t)
{
	struct throttle_settings s = t->settings;
	struct err err;

	if (t->off)
		s.enforce = 0;
	if (by_maps(t) && throttle_maps_settings(t->maps, &s, &err) < 0)
		trouble(t, NULL, &err);
}

int enforce_switch(struct throttle *t, bool off, uint64_t until_ns, struct err *err)
{
	bool before = t->off;

	t->off = off;
	t->off_until_ns = off ? until_ns : 0;
	if (off == before)
		return 0;
	if (empty_nft(t) < 0) {
		t->off = before;
		return err_set(err, ERR_TEMP, -EAGAIN,
			       "the supervisor is busy with nftables; try again");
	}
	enforce_settings(t);
	enforce_all(t);
	return 0;
}

/* --- events --- */

static const char *verdict_text(uint8_t verdict)
{
	switch (verdict) {
	case THROTTLE_DROP_DENIED:
		return "it is on the deny list";
	case THROTTLE_DROP_PENALTY:
		return "of its penalty";
	case THROTTLE_DROP_RATE:
		return "it opens too many connections a minute";
	case THROTTLE_DROP_CONCURRENT:
		return "it has too many connections open";
	default:
		return "of something unknown";
	}
}

static void one_event(void *arg, const struct throttle_event *e)
{
	char source[THROTTLE_PREFIX_TEXT], because[THROTTLE_PREFIX_TEXT];
	struct throttle_prefix p = { .bits = 128 }, wide;
	struct throttle *t = arg;

	if (t->events_logged >= EVENTS_LOGGED_MAX) {
		t->events_left_out++;
		return;
	}
	t->events_logged++;
	memcpy(p.addr, e->addr, sizeof(p.addr));
	wide = p;
	wide.bits = (uint8_t)MIN_OF(e->prefix_bits, 128u);
	ip_mask(wide.addr, wide.bits);
	log_info("Throttle: connections of %s to port %u are refused, because %s (%s)",
		 throttle_prefix_text(&p, source), e->port, verdict_text(e->verdict),
		 throttle_prefix_text(&wide, because));
}

static void read_events(struct throttle *t)
{
	struct err err;

	if (by_maps(t) && throttle_maps_event_fd(t->maps) >= 0 &&
	    throttle_maps_events(t->maps, one_event, t, &err) < 0)
		trouble(t, NULL, &err);
}

static void on_events(struct op *op, int result, bool more)
{
	struct throttle *t = CONTAINER_OF(op, struct throttle, event_op);

	if (result < 0 && result != -EBUSY)
		return;
	read_events(t);
	if (!more)
		loop_poll(t->loop, op, throttle_maps_event_fd(t->maps));
}

/* --- life --- */

static bool send_one(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p)
{
	enum throttle_level level;
	uint64_t until_ns;

	if (l != THROTTLE_LIST_PENALTY)
		return send_entry(t, l, p);
	level = wanted(t, p, &until_ns);
	return send_penalty(t, p, level, until_ns);
}

bool enforce_send(struct throttle *t)
{
	t->nft_sent = 0;
	for (int l = 0; l < THROTTLE_LISTS; l++)
		while (t->pending[l].n > 0) {
			struct throttle_prefix p = t->pending[l].v[t->pending[l].n - 1].p;

			if (!by_nft(t) || !send_one(t, (enum throttle_list)l, &p))
				return by_nft(t);
			(void)prefix_set_remove(&t->pending[l], &p);
		}
	return false;
}

void enforce_tick(struct throttle *t)
{
	struct err err;

	if (t->off && t->off_until_ns != 0 && t->off_until_ns <= loop_now_ns(t->loop) &&
	    enforce_switch(t, false, 0, &err) == 0)
		log_notice("Throttle: connections are refused again: the time of \"throttle off\" "
			   "is over");
	t->events_logged = 0;
	/* The kernel wakes us for an event only when we had read all before it. */
	read_events(t);
	if (t->events_left_out > 0 && t->ticks % 10 == 0) {
		log_info("Throttle: and first connections of %u more sources are refused",
			 t->events_left_out);
		t->events_left_out = 0;
	}
}

void throttle_attach(struct throttle *t, const struct throttle_kernel_link *k,
		     int fds[THROTTLE_FDS])
{
	struct err err;
	int r = 0;

	if (t != NULL && t->maps == NULL) {
		t->link = *k;
		r = throttle_maps_open(&t->maps, fds, &err);
		if (r < 0) {
			log_warning("Throttle: %s; decisions are made here only", err.text);
			t->link.method = THROTTLE_USER;
		}
	}
	if (t == NULL || t->maps == NULL || r < 0) {
		for (int i = 0; i < THROTTLE_FDS; i++)
			fd_close(&fds[i]);
		return;
	}
	if (by_maps(t)) {
		t->event_op.done = on_events;
		if (throttle_maps_event_fd(t->maps) >= 0)
			loop_poll(t->loop, &t->event_op, throttle_maps_event_fd(t->maps));
		adopt_penalties(t);
		enforce_settings(t);
		/* What was counted for an earlier gateway is not news. */
		(void)!throttle_maps_counts(t->maps, &t->counted, &err);
	}
	/* Sets may hold what was for an earlier gateway, and has ended. */
	if (empty_nft(t) < 0)
		log_warning(
			"Throttle: the supervisor does not listen; nftables may hold old entries");
	enforce_all(t);
}

void enforce_close(struct throttle *t)
{
	(void)enforce_send(t);
	throttle_maps_close(&t->maps);
}
