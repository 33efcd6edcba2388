/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_options.c - each option of section Throttle reaches its place, at the start
 * and by a reload, and none is forgotten here. */
#include "throttle/options.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/str.h"
#include "tests/t.h"
#include "throttle/internal.h"

/* Where options end. */
struct places {
	struct throttle_settings settings;
	struct account_settings account;
	struct charge_prices prices;
	struct throttle_setup setup;
	struct account_limits limits;
};

#define S        UINT64_C(1000000000)
#define AT(part) offsetof(struct places, part), sizeof(((struct places *)0)->part)

static const struct row {
	enum opt_id id;
	const char *value;
	size_t at, size;
	uint64_t want;
} rows[] = {
	{ OPT_THROTTLE, "account", AT(settings.enforce), 0 },
	{ OPT_THROTTLE_METHOD, "nftables", AT(setup.method), THROTTLE_NFTABLES },
	{ OPT_THROTTLE_PORTS, "2525", AT(settings.ports[0]), 2525 },
	{ OPT_THROTTLE_XDP, "native", AT(setup.xdp), THROTTLE_XDP_NATIVE },
	{ OPT_THROTTLE_XDP_INTERFACES, "eth0 eth1", AT(setup.interfaces_n), 2 },
	{ OPT_THROTTLE_HOST_RATE, "6", AT(settings.tiers[THROTTLE_V4_HOST].interval_ns), 10 * S },
	{ OPT_THROTTLE_HOST_RATE, "6", AT(settings.tiers[THROTTLE_V6_HOST].interval_ns), 10 * S },
	{ OPT_THROTTLE_HOST_RATE, "0", AT(settings.tiers[THROTTLE_V4_HOST].interval_ns), 0 },
	{ OPT_THROTTLE_HOST_BURST, "7", AT(settings.tiers[THROTTLE_V4_HOST].burst), 7 },
	{ OPT_THROTTLE_HOST_BURST, "7", AT(settings.tiers[THROTTLE_V6_HOST].burst), 7 },
	{ OPT_THROTTLE_HOST_CONCURRENT, "8", AT(settings.tiers[THROTTLE_V4_HOST].concurrent), 8 },
	{ OPT_THROTTLE_HOST_CONCURRENT, "8", AT(settings.tiers[THROTTLE_V6_HOST].concurrent), 8 },
	{ OPT_THROTTLE_NETWORK_RATE, "6", AT(settings.tiers[THROTTLE_V4_NET].interval_ns), 10 * S },
	{ OPT_THROTTLE_NETWORK_RATE, "6", AT(settings.tiers[THROTTLE_V6_NET].interval_ns), 10 * S },
	{ OPT_THROTTLE_NETWORK_BURST, "9", AT(settings.tiers[THROTTLE_V4_NET].burst), 9 },
	{ OPT_THROTTLE_NETWORK_BURST, "9", AT(settings.tiers[THROTTLE_V6_NET].burst), 9 },
	{ OPT_THROTTLE_NETWORK_CONCURRENT, "5", AT(settings.tiers[THROTTLE_V4_NET].concurrent), 5 },
	{ OPT_THROTTLE_NETWORK_CONCURRENT, "5", AT(settings.tiers[THROTTLE_V6_NET].concurrent), 5 },
	{ OPT_THROTTLE_SITE_RATE, "6", AT(settings.tiers[THROTTLE_V6_SITE].interval_ns), 10 * S },
	{ OPT_THROTTLE_SITE_BURST, "3", AT(settings.tiers[THROTTLE_V6_SITE].burst), 3 },
	{ OPT_THROTTLE_SITE_CONCURRENT, "4", AT(settings.tiers[THROTTLE_V6_SITE].concurrent), 4 },
	{ OPT_THROTTLE_SLOWER_DIVISOR, "11", AT(settings.slower_div), 11 },
	{ OPT_THROTTLE_FEW_PER_MINUTE, "12", AT(settings.few_per_minute), 12 },
	{ OPT_THROTTLE_XDP_FLOOD_FACTOR, "13", AT(settings.flood_factor), 13 },
	{ OPT_THROTTLE_COST_FREE, "14", AT(prices.free_ms), 14 },
	{ OPT_THROTTLE_COST_EXPANDED, "15", AT(prices.expanded_ms_mb), 15 },
	{ OPT_THROTTLE_COST_BOMB, "16", AT(prices.each_ms[CHARGE_BOMB]), 16 },
	{ OPT_THROTTLE_COST_VIRUS, "17", AT(prices.each_ms[CHARGE_VIRUS]), 17 },
	{ OPT_THROTTLE_COST_BLOCKED, "18", AT(prices.each_ms[CHARGE_BLOCKED]), 18 },
	{ OPT_THROTTLE_COST_CONTENT, "19", AT(prices.each_ms[CHARGE_CONTENT]), 19 },
	{ OPT_THROTTLE_COST_ENCRYPTED, "20", AT(prices.each_ms[CHARGE_ENCRYPTED]), 20 },
	{ OPT_THROTTLE_COST_SPAM, "21", AT(prices.each_ms[CHARGE_SPAM]), 21 },
	{ OPT_THROTTLE_COST_WORKER, "22", AT(prices.each_ms[CHARGE_WORKER]), 22 },
	{ OPT_THROTTLE_NETWORK_FACTOR, "23", AT(account.network_factor), 23 },
	{ OPT_THROTTLE_COST_HALF_LIFE, "24", AT(account.half_life_ns), 24 * S },
	{ OPT_THROTTLE_PENALTY_TIME, "25", AT(account.penalty_ns), 25 * S },
	{ OPT_THROTTLE_KEEP, "yes", AT(setup.keep), true },
	{ OPT_THROTTLE_PIN_DIRECTORY, "", AT(setup.pin_dir), 0 },
	{ OPT_THROTTLE_RATE_ENTRIES, "2001", AT(setup.sources_max), 2001 },
	{ OPT_THROTTLE_CONNECTION_ENTRIES, "2002", AT(setup.connections_max), 2002 },
	{ OPT_THROTTLE_LIST_ENTRIES, "2003", AT(setup.lists_max), 2003 },
};

static const struct limit_row {
	enum opt_id id;
	enum throttle_level level;
} limit_rows[] = {
	{ OPT_THROTTLE_SLOWER_COST, THROTTLE_SLOWER },
	{ OPT_THROTTLE_FEW_COST, THROTTLE_FEW },
	{ OPT_THROTTLE_NOTHING_COST, THROTTLE_NOTHING },
};

/* test_throttle.c and test_account.c look at what these do. */
static const enum opt_id elsewhere[] = { OPT_THROTTLE_ALLOW, OPT_THROTTLE_DENY,
					 OPT_THROTTLE_STATE_FILE, OPT_THROTTLE_SOURCES };

static struct conf *configure(enum opt_id id, const char *value)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(str_fini) struct str text;
	struct conf *c;
	struct err err;

	str_init(&text, 1000);
	if (id != OPT_THROTTLE)
		str_add(&text, "Throttle = enforce\n");
	str_addf(&text, "Throttle State File = /nonexistent/throttle.state\n%s = %s\n",
		 opt_rows[id].name, value);
	if (conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/c", CONF_FILE, false, str_bytes(&text)) < 0 ||
	    conf_load(&c, s, "/c", NULL, &err) < 0)
		abort();
	return c;
}

static struct conf *defaults(void)
{
	return configure(OPT_THROTTLE_SLOWER_COST, opt_rows[OPT_THROTTLE_SLOWER_COST].def);
}

static void at_start(const struct conf *c, struct arena *a, struct places *ret_p)
{
	struct err err;

	memset(ret_p, 0, sizeof(*ret_p));
	throttle_conf_settings(c, &ret_p->settings);
	throttle_conf_account(c, &ret_p->account);
	throttle_conf_prices(c, &ret_p->prices);
	throttle_conf_limits(c, NULL, &ret_p->limits);
	if (throttle_conf_setup(c, a, &ret_p->setup, &err) < 0)
		abort();
}

static uint64_t value_at(const struct places *p, const struct row *r)
{
	uint64_t v = 0;

	memcpy(&v, (const char *)p + r->at, r->size); /* little-endian */
	return v;
}

static void check_row(const struct row *r, struct loop *l, struct metrics *m, struct arena *a)
{
	struct conf *before = defaults(), *after = configure(r->id, r->value);
	struct throttle *t = NULL;
	struct places p;
	struct err err;

	at_start(before, a, &p);
	T_OK(value_at(&p, r) != r->want, "%s: %s is not the default", opt_rows[r->id].name,
	     r->value);
	at_start(after, a, &p);
	T_OK(value_at(&p, r) == r->want, "  at the start: %llu",
	     (unsigned long long)value_at(&p, r));
	/* What the supervisor loads is read at the start only; the row says so. */
	if (r->at >= offsetof(struct places, setup)) {
		T_OK((opt_rows[r->id].flags & OPT_RESTART) != 0, "  and needs a restart");
	} else if (throttle_new(&t, l, m, before, &err) < 0) {
		abort();
	} else {
		throttle_reload(t, after);
		memset(&p, 0xff, sizeof(p));
		p.settings = t->settings;
		p.account = t->account_settings;
		p.prices = t->prices;
		T_OK(value_at(&p, r) == r->want, "  by a reload: %llu",
		     (unsigned long long)value_at(&p, r));
	}
	throttle_free(&t);
	conf_unref(&before);
	conf_unref(&after);
}

static void check_limits(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
		struct conf *c = configure(limit_rows[i].id, "77");
		struct places p;

		at_start(c, a, &p);
		T_OK(p.limits.ms[limit_rows[i].level] == 77000, "%s is asked for each message",
		     opt_rows[limit_rows[i].id].name);
		conf_unref(&c);
	}
}

static bool is_tested(enum opt_id id)
{
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		found |= rows[i].id == id;
	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++)
		found |= limit_rows[i].id == id;
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		found |= elsewhere[i] == id;
	return found;
}

int main(void)
{
	struct metrics *m = metrics_new();
	struct arena *a = arena_new(MIB);
	struct loop *l = NULL;
	struct err err;

	if (m == NULL || a == NULL)
		abort();
	if (loop_new(&l, 64, &err) < 0)
		return t_skip_all(err.text);
	log_set_level(LOG_LEVEL_ERR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i], l, m, a);
	check_limits(a);
	for (int id = 0; id < OPT_ROWS; id++)
		if (strcmp(opt_rows[id].section, "Throttle") == 0)
			T_OK(is_tested((enum opt_id)id), "%s has a test", opt_rows[id].name);
	loop_free(&l);
	arena_free(&a);
	metrics_free(&m);
	return t_done();
}
