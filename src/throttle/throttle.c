/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/throttle.c - charges, levels, decisions; once a second a look at what has ended. */
#include "throttle/throttle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/log.h"
#include "throttle/internal.h"

#define WRITE_EVERY_TICKS 30
#define SEND_AGAIN_NS     UINT64_C(20000000)

/* --- levels --- */

static void say_raised(const struct throttle *t, const struct account_source *s)
{
	char prefix[THROTTLE_PREFIX_TEXT], reasons[THROTTLE_REASONS_TEXT];
	unsigned long long for_s = (s->until_ns - loop_now_ns(t->loop)) / THROTTLE_SECOND_NS;

	log_notice("Throttle: %s %s level %s for %llu s: %s",
		   throttle_prefix_text(&s->prefix, prefix),
		   enforce_is_on(t) ? "is at" : "(counted only, not refused) is at",
		   throttle_level_name(s->level), for_s, throttle_reasons(s, reasons));
}

static void level_changed(void *arg, const struct account_source *s, enum throttle_level before)
{
	static const enum metric metrics[] = { [THROTTLE_SLOWER] = METRIC_THROTTLE_SLOWER,
					       [THROTTLE_FEW] = METRIC_THROTTLE_FEW,
					       [THROTTLE_NOTHING] = METRIC_THROTTLE_NOTHING };
	char prefix[THROTTLE_PREFIX_TEXT];
	struct throttle *t = arg;

	if (t->restoring)
		return; /* it was said and counted by an earlier run; throttle_attach() follows */
	if (s->level > before) {
		say_raised(t, s);
		metrics_add(t->metrics, metrics[s->level], 1);
	} else if (s->level < before) {
		log_info("Throttle: %s is at level %s again",
			 throttle_prefix_text(&s->prefix, prefix), throttle_level_name(s->level));
	}
	t->dirty = t->urgent = true;
	enforce_penalty(t, &s->prefix, s->level, s->until_ns);
}

/* --- charging --- */

void throttle_charge(struct throttle *t, const struct conf *c, const struct conf_who *who,
		     bool authenticated, const struct charge_facts *f)
{
	struct account_limits limits;
	struct throttle_prefix p;
	struct charge charge;
	uint64_t now;

	if (t == NULL || authenticated || who->client_ip == NULL ||
	    !throttle_prefix_parse(who->client_ip, &p) || account_is_nobody(p.addr))
		return;
	charge_price(&t->prices, f, &charge);
	now = loop_now_ns(t->loop);
	if (!(charge.total_ms > 0) || lists_allow(t, &p, now))
		return;
	throttle_conf_limits(c, who, &limits);
	metrics_add(t->metrics, METRIC_THROTTLE_CHARGED, 1);
	account_charge(t->account, p.addr, &charge, &limits, now);
	t->dirty = true;
}

/* --- deciding --- */

const char *throttle_action_name(enum throttle_action a)
{
	static const char *const names[] = { "pass", "slow", "refuse" };

	return names[a];
}

/* The worst penalty by hand of all that cover @p: a milder one of a host does not hide it. */
static const struct prefix_entry *worst_by_hand(const struct throttle *t,
						const struct throttle_prefix *p, uint64_t now_ns)
{
	const struct prefix_set *set = &t->lists[THROTTLE_LIST_PENALTY];
	const struct prefix_entry *worst = NULL, *e;
	struct throttle_prefix wide = *p;

	while ((e = prefix_set_match(set, &wide, now_ns)) != NULL) {
		if (worst == NULL || e->level > worst->level)
			worst = e;
		if (e->p.bits == 0)
			break;
		wide = e->p;
		wide.bits--;
	}
	return worst;
}

static void decide_by_account(const struct throttle *t, const struct throttle_prefix *p,
			      uint64_t now_ns, struct throttle_decision *d)
{
	char prefix[THROTTLE_PREFIX_TEXT], reasons[THROTTLE_REASONS_TEXT];
	struct account_source s;

	if (!account_get(t->account, p, now_ns, &s) || s.level <= d->level || s.until_ns <= now_ns)
		return;
	d->level = s.level;
	(void)snprintf(d->why, sizeof(d->why), "%s cost too much: %s",
		       throttle_prefix_text(&s.prefix, prefix), throttle_reasons(&s, reasons));
}

static void decide(struct throttle_decision *d, enum throttle_action action, const char *what,
		   const struct throttle_prefix *p)
{
	char prefix[THROTTLE_PREFIX_TEXT];

	d->action = action;
	(void)snprintf(d->why, sizeof(d->why), "%s is on the %s list",
		       throttle_prefix_text(p, prefix), what);
}

void throttle_decide(const struct throttle *t, const struct throttle_prefix *address,
		     uint64_t now_ns, struct throttle_decision *ret_d)
{
	const struct prefix_entry *e;
	struct throttle_prefix p;

	*ret_d = (struct throttle_decision){ .why = "nothing is known against it" };
	if (t == NULL || account_is_nobody(address->addr))
		return;
	e = prefix_set_match(&t->lists[THROTTLE_LIST_ALLOW], address, now_ns);
	if (e != NULL) {
		decide(ret_d, THROTTLE_DO_PASS, "allow", &e->p);
		return;
	}
	e = prefix_set_match(&t->lists[THROTTLE_LIST_DENY], address, now_ns);
	if (e != NULL) {
		ret_d->level = THROTTLE_NOTHING;
		decide(ret_d, THROTTLE_DO_REFUSE, "deny", &e->p);
		return;
	}
	e = worst_by_hand(t, address, now_ns);
	if (e != NULL) {
		ret_d->level = e->level;
		decide(ret_d, THROTTLE_DO_SLOW, "penalty", &e->p);
	}
	account_host(address->addr, &p);
	if (address->bits >= p.bits) /* or it is a network: its first address is one of many */
		decide_by_account(t, &p, now_ns, ret_d);
	account_network(address->addr, &p);
	decide_by_account(t, &p, now_ns, ret_d);
	ret_d->action = ret_d->level == THROTTLE_NORMAL    ? THROTTLE_DO_PASS
			: ret_d->level == THROTTLE_NOTHING ? THROTTLE_DO_REFUSE
							   : THROTTLE_DO_SLOW;
}

/* --- life --- */

static void every_second(struct throttle *t, uint64_t now)
{
	account_tick(t->account, now);
	lists_expire(t, now);
	enforce_tick(t);
	t->ticks++;
	if (t->urgent || (t->dirty && t->ticks >= WRITE_EVERY_TICKS))
		keep_write(t);
}

static void tick(struct timer *timer)
{
	struct throttle *t = CONTAINER_OF(timer, struct throttle, timer);
	uint64_t now = loop_now_ns(t->loop), next = THROTTLE_SECOND_NS;

	if (enforce_send(t))
		next = SEND_AGAIN_NS;
	if (now - t->second_ns >= THROTTLE_SECOND_NS) {
		t->second_ns = now;
		every_second(t, now);
	}
	(void)!loop_timer_set(t->loop, timer, now + next);
}

static void configure(struct throttle *t, const struct conf *c)
{
	enum throttle_mode mode = throttle_conf_mode(c);

	/* Programs are loaded at the start only; taking their teeth out is possible at any time. */
	if (mode == THROTTLE_OFF)
		mode = THROTTLE_ACCOUNT;
	t->mode = mode;
	throttle_conf_prices(c, &t->prices);
	throttle_conf_settings(c, &t->settings);
	throttle_conf_account(c, &t->account_settings);
}

int throttle_switch(struct throttle *t, bool off, uint32_t seconds, struct err *err)
{
	int r;

	if (t == NULL)
		return err_set(err, ERR_CONFIG, -EINVAL, "Throttle = no: nobody is refused");
	r = enforce_switch(t, off,
			   seconds == 0 ? 0 : loop_now_ns(t->loop) + seconds * THROTTLE_SECOND_NS,
			   err);
	if (r == 0)
		log_notice("Throttle: switched %s",
			   off ? "off by command: nobody is refused" : "on by command");
	return r;
}

void throttle_reload(struct throttle *t, const struct conf *c)
{
	if (t == NULL)
		return;
	configure(t, c);
	account_configure(t->account, &t->account_settings);
	lists_from_conf(t, c);
	enforce_settings(t);
	enforce_all(t);
}

static char *state_path(const struct conf *c)
{
	const char *path = conf_str(c, OPT_THROTTLE_STATE_FILE, NULL);
	const char *beside = conf_str(c, OPT_PROCESSING_ATTEMPTS_DATABASE, NULL);
	const char *slash = strrchr(beside, '/');
	char *out = NULL;

	if (path[0] != '\0')
		return strdup(path);
	if (asprintf(&out, "%.*s/throttle.state", slash == NULL ? 1 : (int)(slash - beside),
		     slash == NULL ? "." : beside) < 0)
		return NULL;
	return out;
}

int throttle_new(struct throttle **ret_t, struct loop *l, struct metrics *m, const struct conf *c,
		 struct err *err)
{
	AUTO(throttle_free) struct throttle *t = NULL;
	uint64_t seed = 0;
	int r;

	if (throttle_conf_mode(c) == THROTTLE_OFF) {
		*ret_t = NULL;
		return 0;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	t->loop = l;
	t->metrics = m;
	t->timer.fire = tick;
	t->link.method = THROTTLE_USER;
	for (int i = 0; i < THROTTLE_LISTS; i++) {
		size_t max = (size_t)conf_num(c, OPT_THROTTLE_LIST_ENTRIES, NULL);

		prefix_set_init(&t->lists[i], max);
		prefix_set_init(&t->pending[i], max);
	}
	configure(t, c);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = loop_now_ns(l);
	r = account_new(&t->account, (uint32_t)conf_num(c, OPT_THROTTLE_SOURCES, NULL), seed,
			&t->account_settings, level_changed, t, err);
	if (r < 0)
		return r;
	lists_from_conf(t, c);
	t->path = state_path(c);
	if (t->path == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	if (asprintf(&t->path_new, "%s.new", t->path) < 0) {
		t->path_new = NULL;
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	}
	keep_read(t);
	if (loop_timer_set(l, &t->timer, loop_now_ns(l)) < 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	*ret_t = TAKE(t);
	return 0;
}

void throttle_free(struct throttle **t)
{
	struct throttle *x = TAKE(*t);

	if (x == NULL)
		return;
	loop_timer_clear(x->loop, &x->timer);
	if (x->account != NULL && x->path_new != NULL)
		keep_write_last(x);
	enforce_close(x);
	account_free(&x->account);
	for (int i = 0; i < THROTTLE_LISTS; i++) {
		prefix_set_fini(&x->lists[i]);
		prefix_set_fini(&x->pending[i]);
	}
	free(x->path_new);
	free(x->path);
	free(x);
}
