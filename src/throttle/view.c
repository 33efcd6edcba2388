/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/view.c - what commands and metrics see. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "throttle/internal.h"

#define REASONS_SHOWN 3

const char *throttle_reasons(const struct account_source *s, char out[THROTTLE_REASONS_TEXT])
{
	bool shown[CHARGE_REASONS] = { false };
	size_t n = 0;

	out[0] = '\0';
	for (int k = 0; k < REASONS_SHOWN; k++) {
		int best = -1;

		for (int i = 0; i < CHARGE_REASONS; i++)
			if (!shown[i] && s->ms[i] >= 1 && (best < 0 || s->ms[i] > s->ms[best]))
				best = i;
		if (best < 0)
			break;
		shown[best] = true;
		n += (size_t)snprintf(out + n, THROTTLE_REASONS_TEXT - n, "%s%u %s, %.1f s",
				      n == 0 ? "" : "; ", s->n[best],
				      charge_reason_text((enum charge_reason)best),
				      (double)s->ms[best] / 1000);
		if (n >= THROTTLE_REASONS_TEXT)
			break;
	}
	if (out[0] == '\0')
		(void)snprintf(out, THROTTLE_REASONS_TEXT, "next to nothing");
	return out;
}

uint64_t throttle_now_ns(const struct throttle *t)
{
	return t == NULL ? 0 : loop_now_ns(t->loop);
}

uint64_t throttle_half_life_s(const struct throttle *t)
{
	return t == NULL ? 0 : t->account_settings.half_life_ns / THROTTLE_SECOND_NS;
}

/* --- lists --- */

struct rows {
	void (*each)(void *arg, const struct throttle_row *r);
	void *arg;
	uint64_t now_ns;
};

static uint64_t left_s(uint64_t until_ns, uint64_t now_ns)
{
	if (until_ns == 0)
		return 0;
	/* 0 is for ever: what ends this moment has a second left. */
	return until_ns <= now_ns
		       ? 1
		       : (until_ns - now_ns + THROTTLE_SECOND_NS - 1) / THROTTLE_SECOND_NS;
}

static void account_row(void *arg, const struct account_source *s)
{
	const struct rows *rows = arg;
	struct throttle_row r = { .prefix = s->prefix,
				  .level = s->level,
				  .origin = "account",
				  .left_s = left_s(s->until_ns, rows->now_ns) };
	char reasons[THROTTLE_REASONS_TEXT];

	(void)snprintf(r.why, sizeof(r.why), "%s", throttle_reasons(s, reasons));
	rows->each(rows->arg, &r);
}

void throttle_each_row(struct throttle *t, enum throttle_list l,
		       void (*each)(void *arg, const struct throttle_row *r), void *arg)
{
	static const char *const origins[] = {
		[PREFIX_CONF] = "option", [PREFIX_COMMAND] = "command", [PREFIX_KERNEL] = "kernel"
	};
	struct rows rows = { each, arg, throttle_now_ns(t) };

	for (size_t i = 0; t != NULL && i < t->lists[l].n; i++) {
		const struct prefix_entry *e = &t->lists[l].v[i];
		const struct throttle_row r = { .prefix = e->p,
						.level = e->level,
						.origin = origins[e->origin],
						.left_s = left_s(e->until_ns, rows.now_ns) };

		each(arg, &r);
	}
	if (t != NULL && l == THROTTLE_LIST_PENALTY)
		account_each_penalised(t->account, account_row, &rows);
}

/* --- one source --- */

void throttle_explain(struct throttle *t, const struct throttle_prefix *address,
		      struct throttle_explanation *ret_e)
{
	struct throttle_prefix p;
	struct err err;

	*ret_e = (struct throttle_explanation){ .now_ns = throttle_now_ns(t) };
	throttle_decide(t, address, ret_e->now_ns, &ret_e->decision);
	if (t == NULL)
		return;
	account_host(address->addr, &p);
	ret_e->has_host =
		address->bits >= p.bits && account_get(t->account, &p, ret_e->now_ns, &ret_e->host);
	account_network(address->addr, &p);
	ret_e->has_network = account_get(t->account, &p, ret_e->now_ns, &ret_e->network);
	if (t->maps == NULL || t->link.method == THROTTLE_USER ||
	    t->link.method == THROTTLE_NFTABLES)
		(void)snprintf(ret_e->kernel_error, sizeof(ret_e->kernel_error),
			       "no kernel program counts its connections");
	else if (throttle_maps_source(t->maps, address, ret_e->kernel, &ret_e->kernel_n, &err) < 0)
		(void)snprintf(ret_e->kernel_error, sizeof(ret_e->kernel_error), "%.190s",
			       err.text);
}

size_t throttle_costliest(struct throttle *t, struct account_source *ret_s, size_t max)
{
	return t == NULL ? 0 : account_costliest(t->account, throttle_now_ns(t), ret_s, max);
}

/* --- numbers --- */

void throttle_status(struct throttle *t, struct throttle_status *ret_s)
{
	struct err err;

	*ret_s = (struct throttle_status){ .method = THROTTLE_USER };
	if (t == NULL)
		return;
	ret_s->mode = t->mode;
	ret_s->off = t->off;
	ret_s->off_left_s = left_s(t->off_until_ns, throttle_now_ns(t));
	ret_s->method = t->link.method;
	ret_s->parts = t->link.parts;
	for (int l = 0; l < THROTTLE_LISTS; l++)
		ret_s->lists[l] = t->lists[l].n;
	ret_s->accounts = account_n(t->account);
	ret_s->penalised = account_penalised_n(t->account);
	ret_s->evicted = account_evicted(t->account);
	ret_s->has_counts =
		t->maps != NULL && throttle_maps_counts(t->maps, &ret_s->counts, &err) == 0;
}

void throttle_measure(struct throttle *t)
{
	static const enum metric rows[THROTTLE_VERDICTS] = {
		[THROTTLE_DROP_DENIED] = METRIC_THROTTLE_REFUSED_DENIED,
		[THROTTLE_DROP_PENALTY] = METRIC_THROTTLE_REFUSED_PENALTY,
		[THROTTLE_DROP_RATE] = METRIC_THROTTLE_REFUSED_RATE,
		[THROTTLE_DROP_CONCURRENT] = METRIC_THROTTLE_REFUSED_CONCURRENT,
	};
	struct throttle_counts now;
	struct err err;

	if (t == NULL)
		return;
	metrics_set(t->metrics, METRIC_THROTTLE_SOURCES, account_n(t->account));
	metrics_set(t->metrics, METRIC_THROTTLE_PENALISED, account_penalised_n(t->account));
	metrics_add(t->metrics, METRIC_THROTTLE_EVICTED, account_evicted(t->account) - t->evicted);
	t->evicted = account_evicted(t->account);
	if (t->maps == NULL || throttle_maps_counts(t->maps, &now, &err) < 0)
		return;
	for (int v = THROTTLE_DROP_DENIED; v < THROTTLE_VERDICTS; v++)
		for (int l = 0; l < THROTTLE_LAYERS; l++)
			if (now.n[l][v] > t->counted.n[l][v])
				metrics_add(t->metrics, rows[v], now.n[l][v] - t->counted.n[l][v]);
	t->counted = now;
}
