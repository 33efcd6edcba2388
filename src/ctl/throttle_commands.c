/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/throttle_commands.c - what can be asked about senders, and told. */
#include <errno.h>
#include <string.h>

#include "ctl/internal.h"
#include "throttle/throttle.h"

#define ROWS_MAX    20000
#define SOURCES_MAX 200

/* --- arguments --- */

static const char *text_of(const json_t *request, const char *name)
{
	const char *s = json_string_value(json_object_get(request, name));

	return s == NULL ? "" : s;
}

static int prefix_of(const json_t *request, const char *name, struct throttle_prefix *ret_p,
		     struct err *err)
{
	const char *text = text_of(request, name);

	if (throttle_prefix_parse(text, ret_p))
		return 0;
	return err_set(err, ERR_INPUT, -EINVAL,
		       "'%.60s' is not an address or a network such as 192.0.2.0/24 or "
		       "2001:db8::/32",
		       text);
}

/* One sender, or a network that has an account: of a larger one nothing could be said that holds
 * for all in it. */
static int source_of(const json_t *request, struct throttle_prefix *ret_p, struct err *err)
{
	struct throttle_prefix network;
	int r = prefix_of(request, "address", ret_p, err);

	if (r < 0)
		return r;
	account_network(ret_p->addr, &network);
	if (ret_p->bits >= network.bits)
		return 0;
	return err_set(err, ERR_INPUT, -EINVAL,
		       "%.60s holds many senders: ask for an address, or for a network not larger "
		       "than an IPv4 /24 or an IPv6 /48",
		       text_of(request, "address"));
}

static int list_of(const json_t *request, enum throttle_list *ret_l, struct err *err)
{
	const char *text = text_of(request, "list");

	for (int l = THROTTLE_LIST_ALLOW; l <= THROTTLE_LIST_PENALTY; l++)
		if (strcmp(text, throttle_list_name((enum throttle_list)l)) == 0) {
			*ret_l = (enum throttle_list)l;
			return 0;
		}
	return err_set(err, ERR_INPUT, -EINVAL, "'%.60s' is no list: allow, deny or penalty", text);
}

static int seconds_of(const json_t *request, uint32_t *ret_s, struct err *err)
{
	json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));

	if (seconds < 0 || seconds >= UINT32_MAX)
		return err_set(err, ERR_INPUT, -ERANGE, "seconds: expected 0 to 4294967294");
	*ret_s = (uint32_t)seconds;
	return 0;
}

static int has_throttle(const struct ctl *c, struct err *err)
{
	if (c->throttle != NULL)
		return 0;
	return err_set(err, ERR_CONFIG, -ENOENT,
		       c->gate == NULL ? "the gateway is still starting"
				       : "option Throttle is no: nobody is charged or refused");
}

static void member_text(struct jout *j, const char *name, const char *text)
{
	jout_member_str(j, name, bytes_str(text));
}

static void member_prefix(struct jout *j, const char *name, const struct throttle_prefix *p)
{
	char text[THROTTLE_PREFIX_TEXT];

	member_text(j, name, throttle_prefix_text(p, text));
}

/* --- lists --- */

struct rows {
	struct jout *j;
	bool penalties;
	unsigned n;
};

static void add_row(void *arg, const struct throttle_row *r)
{
	struct rows *rows = arg;

	if (rows->n++ >= ROWS_MAX)
		return;
	jout_object(rows->j, NULL);
	member_prefix(rows->j, "prefix", &r->prefix);
	if (rows->penalties)
		member_text(rows->j, "level", throttle_level_name(r->level));
	member_text(rows->j, "origin", r->origin);
	jout_member_num(rows->j, "left_s", r->left_s);
	if (r->why[0] != '\0')
		member_text(rows->j, "why", r->why);
	jout_end(rows->j);
}

int ctl_throttle_list(struct ctl *c, const json_t *request UNUSED, struct jout *j, struct err *err)
{
	int r = has_throttle(c, err);
	bool cut = false;

	if (r < 0)
		return r;
	for (int l = THROTTLE_LIST_ALLOW; l <= THROTTLE_LIST_PENALTY; l++) {
		struct rows rows = { .j = j, .penalties = l == THROTTLE_LIST_PENALTY };

		jout_array(j, throttle_list_name((enum throttle_list)l));
		throttle_each_row(c->throttle, (enum throttle_list)l, add_row, &rows);
		jout_end(j);
		cut |= rows.n > ROWS_MAX;
	}
	jout_member_bool(j, "cut", cut);
	return 0;
}

/* The members "list" and "prefix", of a throttle that is there. */
static int entry_of(struct ctl *c, const json_t *request, enum throttle_list *ret_l,
		    struct throttle_prefix *ret_p, struct err *err)
{
	int r = has_throttle(c, err);

	if (r == 0)
		r = list_of(request, ret_l, err);
	return r == 0 ? prefix_of(request, "prefix", ret_p, err) : r;
}

int ctl_throttle_add(struct ctl *c, const json_t *request, struct jout *j, struct err *err)
{
	const char *level = text_of(request, "level");
	struct throttle_prefix p;
	uint32_t seconds = 0;
	enum throttle_list l;
	int r = entry_of(c, request, &l, &p, err);

	if (r == 0)
		r = seconds_of(request, &seconds, err);
	if (r == 0)
		r = throttle_add(c->throttle, l, &p, throttle_level_find(level), seconds, err);
	if (r == 0)
		member_prefix(j, "prefix", &p);
	return r;
}

int ctl_throttle_del(struct ctl *c, const json_t *request, struct jout *j, struct err *err)
{
	struct throttle_prefix p;
	enum throttle_list l;
	int r = entry_of(c, request, &l, &p, err);

	if (r == 0)
		r = throttle_del(c->throttle, l, &p, err);
	if (r == 0)
		member_prefix(j, "prefix", &p);
	return r;
}

/* --- all of it --- */

int ctl_throttle_off(struct ctl *c, const json_t *request, struct jout *j UNUSED, struct err *err)
{
	uint32_t seconds = 0;
	int r = has_throttle(c, err);

	if (r == 0)
		r = seconds_of(request, &seconds, err);
	return r < 0 ? r : throttle_switch(c->throttle, true, seconds, err);
}

int ctl_throttle_on(struct ctl *c, const json_t *request UNUSED, struct jout *j UNUSED,
		    struct err *err)
{
	int r = has_throttle(c, err);

	return r < 0 ? r : throttle_switch(c->throttle, false, 0, err);
}

/* --- one source --- */

static void add_account(struct ctl *c, struct jout *j, const char *name,
			const struct account_source *s)
{
	uint64_t now = throttle_now_ns(c->throttle);

	jout_object(j, name);
	member_prefix(j, "prefix", &s->prefix);
	jout_member_real(j, "cost_s", (double)s->total_ms / 1000);
	member_text(j, "level", throttle_level_name(s->level));
	jout_member_num(j, "since_s", s->since_ns == 0 ? 0 : (now - s->since_ns) / 1000000000);
	jout_member_num(j, "left_s", s->until_ns > now ? (s->until_ns - now) / 1000000000 + 1 : 0);
	jout_member_num(j, "strikes", s->strikes);
	jout_member_num(j, "messages", s->charges);
	jout_object(j, "limits_s");
	for (int l = THROTTLE_SLOWER; l <= THROTTLE_NOTHING; l++)
		jout_member_real(j, throttle_level_name((enum throttle_level)l),
				 (double)s->limits.ms[l] / 1000);
	jout_end(j);
	jout_array(j, "reasons");
	for (int i = 0; i < CHARGE_REASONS; i++) {
		if (s->n[i] == 0)
			continue;
		jout_object(j, NULL);
		member_text(j, "reason", charge_reason_text((enum charge_reason)i));
		jout_member_num(j, "count", s->n[i]);
		jout_member_real(j, "cost_s", (double)s->ms[i] / 1000);
		jout_end(j);
	}
	jout_end(j);
	jout_end(j);
}

static void add_decision(struct jout *j, const struct throttle_decision *d)
{
	member_text(j, "decision", throttle_action_name(d->action));
	member_text(j, "level", throttle_level_name(d->level));
	member_text(j, "why", d->why);
}

static void add_kernel(struct jout *j, const struct throttle_explanation *e)
{
	jout_array(j, "kernel");
	for (size_t i = 0; i < e->kernel_n; i++) {
		const struct throttle_source *s = &e->kernel[i];

		jout_object(j, NULL);
		member_prefix(j, "prefix", &s->prefix);
		jout_member_bool(j, "known", s->known);
		jout_member_real(j, "may_open_now", (double)s->tokens_x1000 / 1000);
		jout_member_num(j, "seen", s->seen);
		jout_member_num(j, "refused", s->refused);
		jout_member_num(j, "open", s->open);
		jout_end(j);
	}
	jout_end(j);
	if (e->kernel_error[0] != '\0')
		member_text(j, "kernel_error", e->kernel_error);
}

int ctl_throttle_why(struct ctl *c, const json_t *request, struct jout *j, struct err *err)
{
	struct throttle_explanation e;
	struct throttle_status s;
	struct throttle_prefix p;
	int r = has_throttle(c, err);

	if (r == 0)
		r = source_of(request, &p, err);
	if (r < 0)
		return r;
	throttle_status(c->throttle, &s);
	throttle_explain(c->throttle, &p, &e);
	member_prefix(j, "address", &p);
	add_decision(j, &e.decision);
	jout_member_bool(j, "enforced",
			 s.mode == THROTTLE_ENFORCE && !s.off && s.method != THROTTLE_USER);
	if (e.has_host)
		add_account(c, j, "host", &e.host);
	if (e.has_network)
		add_account(c, j, "network", &e.network);
	add_kernel(j, &e);
	jout_member_num(j, "half_life_s", throttle_half_life_s(c->throttle));
	return 0;
}

int ctl_throttle_decide(struct ctl *c, const json_t *request, struct jout *j, struct err *err)
{
	struct throttle_decision d;
	struct throttle_prefix p;
	int r = has_throttle(c, err);

	if (r == 0)
		r = source_of(request, &p, err);
	if (r < 0)
		return r;
	throttle_decide(c->throttle, &p, throttle_now_ns(c->throttle), &d);
	member_prefix(j, "address", &p);
	add_decision(j, &d);
	return 0;
}

int ctl_throttle_sources(struct ctl *c, const json_t *request, struct jout *j, struct err *err)
{
	static struct account_source
		sources[SOURCES_MAX]; /* one loop thread; large for its stack */
	json_int_t n = json_integer_value(json_object_get(request, "n"));
	int r = has_throttle(c, err);
	size_t found;

	if (r < 0)
		return r;
	found = throttle_costliest(c->throttle, sources,
				   n <= 0 ? 20 : (size_t)MIN_OF(n, (json_int_t)SOURCES_MAX));
	jout_array(j, "sources");
	for (size_t i = 0; i < found; i++)
		add_account(c, j, NULL, &sources[i]);
	jout_end(j);
	return 0;
}

/* --- numbers --- */

static void add_counts(struct jout *j, const struct throttle_counts *counts)
{
	static const char *const verdicts[THROTTLE_VERDICTS] = {
		"pass",   "pass_allowed", "pass_full", "pass_odd",
		"denied", "penalty",      "rate",      "concurrent",
	};
	static const char *const layers[THROTTLE_LAYERS] = { "lookup", "xdp" };

	jout_object(j, "counts");
	for (int l = 0; l < THROTTLE_LAYERS; l++) {
		jout_object(j, layers[l]);
		for (int v = 0; v < THROTTLE_VERDICTS; v++)
			jout_member_num(j, verdicts[v], counts->n[l][v]);
		jout_end(j);
	}
	jout_end(j);
	jout_member_num(j, "opened", counts->opened);
	jout_member_num(j, "closed", counts->closed);
	jout_member_num(j, "open_full", counts->open_full);
	jout_member_num(j, "rate_full", counts->rate_full);
	jout_member_num(j, "events_lost", counts->events_lost);
}

static void add_entries(struct jout *j, const struct throttle_status *s)
{
	jout_object(j, "entries");
	for (int l = THROTTLE_LIST_ALLOW; l <= THROTTLE_LIST_PENALTY; l++)
		jout_member_num(j, throttle_list_name((enum throttle_list)l), s->lists[l]);
	jout_end(j);
}

static const char *const modes[] = { "no", "account", "enforce" };

int ctl_throttle_stats(struct ctl *c, const json_t *request UNUSED, struct jout *j, struct err *err)
{
	struct throttle_status s;
	int r = has_throttle(c, err);

	if (r < 0)
		return r;
	throttle_status(c->throttle, &s);
	member_text(j, "mode", modes[s.mode]);
	member_text(j, "method", throttle_method_name(s.method));
	jout_member_bool(j, "off", s.off);
	jout_member_num(j, "off_left_s", s.off_left_s);
	jout_array(j, "parts");
	for (int p = 0; p < THROTTLE_PARTS; p++) {
		jout_object(j, NULL);
		member_text(j, "name", throttle_part_name((enum throttle_part)p));
		jout_member_bool(j, "active", s.parts[p].active);
		member_text(j, "why", s.parts[p].why);
		jout_end(j);
	}
	jout_end(j);
	if (s.method != THROTTLE_USER)
		member_text(j, "rates_charge",
			    s.parts[THROTTLE_PART_HANDSHAKE].active ? "handshakes" : "SYNs");
	add_entries(j, &s);
	jout_member_num(j, "accounts", s.accounts);
	jout_member_num(j, "penalised", s.penalised);
	jout_member_num(j, "evicted", s.evicted);
	if (s.has_counts)
		add_counts(j, &s.counts);
	return 0;
}
