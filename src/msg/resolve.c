/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/resolve.c - the name of a message's client, where a host: rule asks for one.
 *
 * A name that could not be looked up is not "no name": the message stays in the queue, which is no
 * attempt at it, and comes back when the resolver asks that question again (5 s, doubling to a
 * minute). Messages that wait for names take half of the places at most, so that those whose names
 * are known pass them; the others are let go and listed again a second later (up to a minute later
 * while no answers come).
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "dns/client_host.h"
#include "msg/internal.h"

#define NS_PER_S      UINT64_C(1000000000)
#define TELL_AGAIN_NS (60 * NS_PER_S)
#define DELAY_MAX_S   60u

struct lookup {
	struct msg *msg;
	struct client_host host;
};

/* --- what could not be found out --- */

/* One line a minute, however many messages it is about. */
static void tell(struct msg *m, const struct client_host *h, const char *what)
{
	struct resolve *r = &m->gate->resolve;
	uint64_t now = loop_now_ns(m->gate->loop);

	if (r->told_ns != 0 && now - r->told_ns < TELL_AGAIN_NS) {
		r->untold_n++;
		return;
	}
	log_warning("Message %s %s: the name of its client %s cannot be looked up (%s: %s); %u "
		    "more since the last such line. See DNS Servers, Host Name Lookup Failure",
		    m->entry.id, what, m->who.client_ip, h->question, dns_status_name(h->status),
		    r->untold_n);
	r->told_ns = now;
	r->untold_n = 0;
}

/* Back into the queue as if it had not been touched. */
static void let_go(struct msg *m, uint64_t again_ns)
{
	struct gate *g = m->gate;

	m->failed_attempt = false;
	if (m->site == g->site && !g->draining)
		intake_retry_at(&g->intake, m->dir_i, m->entry.id,
				MAX_OF(again_ns, loop_now_ns(g->loop) + NS_PER_S));
	life_enter(m, MSG_RELEASED);
}

static unsigned room(const struct gate *g)
{
	return MAX_OF(g->in_flight_max / 2, 1u);
}

static void set_timer(struct resolve *r)
{
	struct loop *l = r->gate->loop;

	(void)!loop_timer_set(l, &r->timer, loop_now_ns(l) + r->delay_s * NS_PER_S);
}

/* Claiming a whole queue in vain costs something: less often while there are no answers. */
static void list_again(struct timer *t)
{
	struct resolve *r = CONTAINER_OF(t, struct resolve, timer);

	if (r->gate->draining)
		return;
	r->delay_s = MIN_OF(r->delay_s * 2, DELAY_MAX_S);
	if (r->n < room(r->gate))
		intake_rescan(&r->gate->intake);
	else
		set_timer(r);
}

static void answers_come(struct resolve *r)
{
	if (r->delay_s == 1)
		return;
	r->delay_s = 1;
	if (r->timer.place != 0)
		set_timer(r);
}

/* Its question goes on: the answer may be known when the message comes again. */
static void no_room(struct msg *m)
{
	struct gate *g = m->gate;

	(void)err_set(&m->why, ERR_TEMP, -EBUSY, "%u clients' names are being looked up",
		      g->resolve.n);
	if (g->resolve.timer.place == 0)
		set_timer(&g->resolve);
	m->failed_attempt = false;
	life_enter(m, MSG_RELEASED);
}

static bool is_kept(const struct msg *m)
{
	const struct conf *c = m->site->conf;
	int64_t limit_s = conf_num(c, OPT_HOST_NAME_LOOKUP_LIMIT, NULL);

	if (strcmp(conf_words(c, OPT_HOST_NAME_LOOKUP_FAILURE, NULL), "keep") != 0)
		return false;
	return limit_s == 0 || (int64_t)clock_unix_s() - m->entry.env.received_s < limit_s;
}

/* True: the message goes on with what is known. False: it has been let go. */
static bool take_names(struct msg *m, const struct client_host *h)
{
	bool failed = h->status != DNS_FOUND && h->status != DNS_NONE;

	if (h->status == DNS_LIMIT) {
		no_room(m);
		return false;
	}
	if (failed && is_kept(m)) {
		metrics_add(m->gate->metrics, METRIC_HOST_NAMES_KEPT, 1);
		tell(m, h, "stays in the queue");
		(void)err_set(&m->why, ERR_TEMP, -EAGAIN, "name of client %s: %s: %s",
			      m->who.client_ip, h->question, dns_status_name(h->status));
		let_go(m, h->again_ns);
		return false;
	}
	if (failed) {
		metrics_add(m->gate->metrics, METRIC_HOST_NAMES_GIVEN_UP, 1);
		tell(m, h, "goes on without a name");
	}
	m->who.client_host = h->name;
	m->who.client_host_checked = h->checked;
	return true;
}

/* --- the way of one message --- */

static void resolved(struct client_host *h)
{
	struct msg *m = CONTAINER_OF(h, struct lookup, host)->msg;

	m->gate->resolve.n--;
	if (h->status == DNS_FOUND || h->status == DNS_NONE)
		answers_come(&m->gate->resolve);
	if (take_names(m, h))
		life_resolved(m);
}

/* The name and its confirmation, together, in twice the time of one question. */
static uint64_t due_ns(const struct msg *m)
{
	return m->began_ns +
	       2 * NS_PER_S * (uint64_t)conf_num(m->site->conf, OPT_DNS_TIMEOUT, NULL);
}

bool resolve_begin(struct msg *m)
{
	struct gate *g = m->gate;
	struct lookup *l;

	if (!conf_wants_host(m->site->conf))
		return true;
	l = arena_zalloc(m->arena, sizeof(*l));
	if (l == NULL) {
		(void)err_set(&m->why, ERR_LIMIT, -ENOMEM, "no memory for the client's name");
		m->failed_attempt = true;
		life_enter(m, MSG_RELEASED);
		return false;
	}
	l->msg = m;
	l->host.done = resolved;
	if (client_host_find(&l->host, g->resolve.dns, m->who.client_ip, due_ns(m)))
		return take_names(m, &l->host);
	if (g->resolve.n >= room(g)) {
		client_host_cancel(&l->host);
		no_room(m);
		return false;
	}
	m->lookup = l;
	g->resolve.n++;
	life_enter(m, MSG_RESOLVING);
	return false;
}

void resolve_release_all(struct gate *g)
{
	for (struct msg *m = g->all; m != NULL; m = m->next_all) {
		if (m->state != MSG_RESOLVING)
			continue;
		client_host_cancel(&m->lookup->host);
		g->resolve.n--;
		(void)err_set(&m->why, ERR_TEMP, -ESHUTDOWN, "stopping");
		m->failed_attempt = false;
		life_enter(m, MSG_RELEASED);
	}
	loop_timer_clear(g->loop, &g->resolve.timer);
}

/* --- life --- */

int resolve_init(struct resolve *r, struct gate *g, struct err *err)
{
	struct dns_settings set = dns_settings_of(g->site->conf);

	r->gate = g;
	r->timer.fire = list_again;
	r->delay_s = 1;
	return dns_new(&r->dns, g->loop, &set, err);
}

void resolve_fini(struct resolve *r)
{
	if (r->gate != NULL)
		loop_timer_clear(r->gate->loop, &r->timer);
	dns_free(&r->dns);
}

void resolve_configure(struct resolve *r)
{
	struct dns_settings set = dns_settings_of(r->gate->site->conf);
	struct err err;

	if (dns_configure(r->dns, &set, &err) < 0)
		log_err("%s; the DNS servers before go on being asked", err.text);
}

void resolve_measure(const struct gate *g)
{
	struct dns_stats s;

	dns_stats(g->resolve.dns, &s);
	metrics_set_total(g->metrics, METRIC_DNS_QUESTIONS, s.questions);
	metrics_set_total(g->metrics, METRIC_DNS_CACHE_HITS, s.hits);
	metrics_set_total(g->metrics, METRIC_DNS_ASKED, s.asked);
	metrics_set_total(g->metrics, METRIC_DNS_FAILURES, s.temp + s.timeouts + s.limits);
	metrics_set(g->metrics, METRIC_DNS_IN_FLIGHT, s.in_flight + s.queued);
	metrics_set(g->metrics, METRIC_RESOLVING, g->resolve.n);
}
