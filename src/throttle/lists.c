/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/lists.c - who is allowed, denied, or penalised by hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/networks.h"
#include "core/log.h"
#include "throttle/internal.h"

const char *throttle_list_name(enum throttle_list l)
{
	static const char *const names[] = { [THROTTLE_LIST_ALLOW] = "allow",
					     [THROTTLE_LIST_DENY] = "deny",
					     [THROTTLE_LIST_PENALTY] = "penalty" };

	return names[l];
}

bool lists_allow(const struct throttle *t, const struct throttle_prefix *p, uint64_t now_ns)
{
	return prefix_set_match(&t->lists[THROTTLE_LIST_ALLOW], p, now_ns) != NULL;
}

/* --- of options --- */

struct filling {
	struct prefix_set set;
	size_t left_out, mixed;
};

static void take_network(void *arg, const struct conf_network *n)
{
	struct prefix_entry e = { .origin = PREFIX_CONF };
	struct filling *f = arg;
	struct err err;

	memcpy(e.p.addr, n->addr, sizeof(e.p.addr));
	e.p.bits = n->bits;
	if (prefix_mixes(&e.p)) {
		f->mixed++;
		return;
	}
	f->left_out += prefix_set_append(&f->set, &e, &err) < 0;
}

static void list_from_conf(struct throttle *t, const struct conf *c, enum throttle_list l,
			   enum opt_id id)
{
	struct prefix_set *old = &t->lists[l], gone;
	struct filling f = { .left_out = 0 };
	struct err err;

	prefix_set_init(&f.set, old->max);
	conf_each_network(c, id, take_network, &f);
	prefix_set_sort(&f.set);
	for (size_t i = 0; i < old->n; i++) {
		const struct prefix_entry *e = &old->v[i];

		if (e->origin != PREFIX_CONF && prefix_set_find(&f.set, &e->p) == NULL)
			f.left_out += prefix_set_put(&f.set, e, &err) < 0;
	}
	if (f.mixed > 0)
		log_warning(
			"Throttle %s: networks such as ::/0 would hold all IPv4 addresses, too, "
			"and are left out: 2000::/3 is all of IPv6 that is in use, 0.0.0.0/0 "
			"all of IPv4",
			l == THROTTLE_LIST_ALLOW ? "Allow" : "Deny");
	if (f.left_out > 0)
		log_warning("Throttle: %zu entries of the %s list are left out: Throttle List "
			    "Entries = %zu",
			    f.left_out, throttle_list_name(l), old->max);
	gone = *old;
	*old = f.set;
	/* The maps are compared as a whole later; the sets of nftables cannot be read. */
	for (size_t i = 0; i < gone.n && t->link.method == THROTTLE_NFTABLES; i++)
		if (prefix_set_find(old, &gone.v[i].p) == NULL)
			enforce_entry(t, l, &gone.v[i].p);
	prefix_set_fini(&gone);
}

static bool is_allowed(const void *arg, const struct throttle_prefix *p)
{
	const struct throttle *t = arg;

	return lists_allow(t, p, loop_now_ns(t->loop));
}

void lists_from_conf(struct throttle *t, const struct conf *c)
{
	list_from_conf(t, c, THROTTLE_LIST_ALLOW, OPT_THROTTLE_ALLOW);
	list_from_conf(t, c, THROTTLE_LIST_DENY, OPT_THROTTLE_DENY);
	(void)account_forgive_all(t->account, is_allowed, t); /* they owe nothing now */
}

/* --- of commands --- */

static void apply(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p)
{
	enum throttle_level level = THROTTLE_NORMAL;
	uint64_t until_ns = 0;
	struct account_source s;

	if (l != THROTTLE_LIST_PENALTY) {
		enforce_entry(t, l, p);
		return;
	}
	if (account_get(t->account, p, loop_now_ns(t->loop), &s)) {
		level = s.level;
		until_ns = s.until_ns;
	}
	enforce_penalty(t, p, level, until_ns);
}

static bool is_loopback(const struct throttle_prefix *p)
{
	return p->bits >= 104 && account_is_nobody(p->addr);
}

int throttle_add(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p,
		 enum throttle_level level, uint32_t seconds, struct err *err)
{
	struct prefix_entry e = { .p = *p, .level = (uint8_t)level, .origin = PREFIX_COMMAND };
	const struct prefix_entry *old;
	char text[THROTTLE_PREFIX_TEXT];
	int r;

	if (t == NULL)
		return err_set(err, ERR_CONFIG, -EINVAL, "Throttle = no: there are no lists");
	if (l != THROTTLE_LIST_ALLOW && is_loopback(p))
		return err_set(err, ERR_INPUT, -EINVAL,
			       "%s: loopback and unknown addresses are never refused",
			       throttle_prefix_text(p, text));
	if (prefix_mixes(p))
		return err_set(
			err, ERR_INPUT, -EINVAL,
			"%s would hold all IPv4 addresses, too: 2000::/3 is all of IPv6 that "
			"is in use, 0.0.0.0/0 all of IPv4",
			throttle_prefix_text(p, text));
	if (l == THROTTLE_LIST_PENALTY && level == THROTTLE_NORMAL)
		return err_set(err, ERR_INPUT, -EINVAL,
			       "a penalty needs a level: slower, few or nothing");
	old = prefix_set_find(&t->lists[l], p);
	if (old != NULL && old->origin == PREFIX_CONF)
		return err_set(err, ERR_INPUT, -EEXIST, "option Throttle %s has %s already",
			       l == THROTTLE_LIST_ALLOW ? "Allow" : "Deny",
			       throttle_prefix_text(p, text));
	if (seconds > 0)
		e.until_ns = loop_now_ns(t->loop) + seconds * THROTTLE_SECOND_NS;
	r = prefix_set_put(&t->lists[l], &e, err);
	if (r < 0)
		return r;
	if (l == THROTTLE_LIST_ALLOW)
		(void)account_forgive(t->account, p);
	apply(t, l, p);
	log_notice("Throttle: %s was put on the %s list by command", throttle_prefix_text(p, text),
		   throttle_list_name(l));
	keep_write(t);
	return 0;
}

int throttle_del(struct throttle *t, enum throttle_list l, const struct throttle_prefix *p,
		 struct err *err)
{
	const struct prefix_entry *e = t == NULL ? NULL : prefix_set_find(&t->lists[l], p);
	char text[THROTTLE_PREFIX_TEXT];
	size_t forgiven = 0;
	bool there;

	(void)throttle_prefix_text(p, text);
	if (t == NULL)
		return err_set(err, ERR_CONFIG, -EINVAL, "Throttle = no: there are no lists");
	if (e != NULL && e->origin == PREFIX_CONF)
		return err_set(err, ERR_INPUT, -EPERM,
			       "option Throttle %s says so: change it there and reload",
			       l == THROTTLE_LIST_ALLOW ? "Allow" : "Deny");
	there = prefix_set_remove(&t->lists[l], p);
	if (l == THROTTLE_LIST_PENALTY)
		forgiven = account_forgive(t->account, p);
	apply(t, l, p); /* also when it is not here: what the kernel has must go */
	if (!there && forgiven == 0)
		return err_set(err, ERR_INPUT, -ENOENT, "%s is not on the %s list", text,
			       throttle_list_name(l));
	log_notice("Throttle: %s was taken off the %s list by command", text,
		   throttle_list_name(l));
	keep_write(t);
	return 0;
}

/* Many may end in the same moment: one pass, whatever their number. */
void lists_expire(struct throttle *t, uint64_t now_ns)
{
	for (int l = 0; l < THROTTLE_LISTS; l++) {
		struct prefix_set gone;

		prefix_set_take_ended(&t->lists[l], now_ns, &gone);
		for (size_t i = 0; i < gone.n; i++)
			apply(t, (enum throttle_list)l, &gone.v[i].p);
		t->dirty |= gone.n > 0;
		prefix_set_fini(&gone);
	}
}
