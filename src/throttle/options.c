/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/options.c - options to settings. */
#include "throttle/options.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "conf/networks.h"
#include "core/num.h"

#define SECOND_NS UINT64_C(1000000000)

/* The value of a row of words: its internal number. */
static unsigned word_of(const struct conf *c, enum opt_id id)
{
	uint64_t v = 0;

	(void)!num_parse(bytes_str(conf_words(c, id, NULL)), 10, 9, &v);
	return (unsigned)v;
}

/* Bounds are those of the row, so that nothing is lost. */
static uint32_t number_of(const struct conf *c, enum opt_id id)
{
	return (uint32_t)MAX_OF(conf_num(c, id, NULL), 0);
}

enum throttle_mode throttle_conf_mode(const struct conf *c)
{
	return (enum throttle_mode)word_of(c, OPT_THROTTLE);
}

const char *throttle_method_name(enum throttle_method m)
{
	static const char *const names[] = {
		[THROTTLE_AUTO] = "auto",         [THROTTLE_SK_LOOKUP] = "sk_lookup",
		[THROTTLE_NFTABLES] = "nftables", [THROTTLE_USER] = "user",
		[THROTTLE_XDP_ALONE] = "xdp",
	};

	return names[m];
}

static const char *const level_names[] = {
	[THROTTLE_NORMAL] = "normal",
	[THROTTLE_SLOWER] = "slower",
	[THROTTLE_FEW] = "few",
	[THROTTLE_NOTHING] = "nothing",
};

const char *throttle_level_name(enum throttle_level l)
{
	return level_names[l];
}

enum throttle_level throttle_level_find(const char *name)
{
	for (int l = THROTTLE_SLOWER; l <= THROTTLE_NOTHING; l++)
		if (strcasecmp(name, level_names[l]) == 0)
			return (enum throttle_level)l;
	return THROTTLE_NORMAL;
}

static struct throttle_rate rate_of(const struct conf *c, enum opt_id rate, enum opt_id burst,
				    enum opt_id concurrent)
{
	uint32_t per_minute = number_of(c, rate);

	return (struct throttle_rate){
		.interval_ns = per_minute == 0 ? 0 : 60 * SECOND_NS / per_minute,
		.burst = per_minute == 0 ? 0 : number_of(c, burst),
		.concurrent = number_of(c, concurrent),
	};
}

void throttle_conf_settings(const struct conf *c, struct throttle_settings *ret_s)
{
	struct throttle_rate host = rate_of(c, OPT_THROTTLE_HOST_RATE, OPT_THROTTLE_HOST_BURST,
					    OPT_THROTTLE_HOST_CONCURRENT);
	struct throttle_rate net = rate_of(c, OPT_THROTTLE_NETWORK_RATE, OPT_THROTTLE_NETWORK_BURST,
					   OPT_THROTTLE_NETWORK_CONCURRENT);
	struct throttle_rate site = rate_of(c, OPT_THROTTLE_SITE_RATE, OPT_THROTTLE_SITE_BURST,
					    OPT_THROTTLE_SITE_CONCURRENT);

	*ret_s = (struct throttle_settings){
		.version = THROTTLE_ABI_VERSION,
		.enforce = throttle_conf_mode(c) == THROTTLE_ENFORCE,
		.slower_div = number_of(c, OPT_THROTTLE_SLOWER_DIVISOR),
		.few_per_minute = number_of(c, OPT_THROTTLE_FEW_PER_MINUTE),
		.flood_factor = number_of(c, OPT_THROTTLE_XDP_FLOOD_FACTOR),
		.tiers = { [THROTTLE_V4_HOST] = host,
			   [THROTTLE_V4_NET] = net,
			   [THROTTLE_V6_HOST] = host,
			   [THROTTLE_V6_NET] = net,
			   [THROTTLE_V6_SITE] = site },
	};
	(void)conf_ports_parse(bytes_str(conf_str(c, OPT_THROTTLE_PORTS, NULL)), ret_s->ports);
}

#define INTERFACES_MAX 64

int throttle_conf_setup(const struct conf *c, struct arena *a, struct throttle_setup *ret_s,
			struct err *err)
{
	struct bytes rest = bytes_str(conf_str(c, OPT_THROTTLE_XDP_INTERFACES, NULL)), word;
	const char **names = arena_zalloc(a, INTERFACES_MAX * sizeof(*names));
	const char *pins = conf_str(c, OPT_THROTTLE_PIN_DIRECTORY, NULL);
	size_t n = 0;

	if (names == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	while (n < INTERFACES_MAX && bytes_next_word(&rest, &word)) {
		names[n] = arena_str(a, word);
		if (names[n++] == NULL)
			return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	}
	*ret_s = (struct throttle_setup){
		.method = (enum throttle_method)word_of(c, OPT_THROTTLE_METHOD),
		.xdp = (enum throttle_xdp)word_of(c, OPT_THROTTLE_XDP),
		.interfaces = names,
		.interfaces_n = n,
		.pin_dir = pins[0] == '\0' ? NULL : pins,
		.keep = conf_bool(c, OPT_THROTTLE_KEEP, NULL),
		.sources_max = number_of(c, OPT_THROTTLE_RATE_ENTRIES),
		.connections_max = number_of(c, OPT_THROTTLE_CONNECTION_ENTRIES),
		.lists_max = number_of(c, OPT_THROTTLE_LIST_ENTRIES),
	};
	throttle_conf_settings(c, &ret_s->settings);
	return 0;
}

void throttle_conf_account(const struct conf *c, struct account_settings *ret_s)
{
	*ret_s = (struct account_settings){
		.half_life_ns = number_of(c, OPT_THROTTLE_COST_HALF_LIFE) * SECOND_NS,
		.penalty_ns = number_of(c, OPT_THROTTLE_PENALTY_TIME) * SECOND_NS,
		.network_factor = number_of(c, OPT_THROTTLE_NETWORK_FACTOR),
	};
}

void throttle_conf_prices(const struct conf *c, struct charge_prices *ret_p)
{
	*ret_p = (struct charge_prices){
		.free_ms = number_of(c, OPT_THROTTLE_COST_FREE),
		.expanded_ms_mb = number_of(c, OPT_THROTTLE_COST_EXPANDED),
		.each_ms = {
			[CHARGE_BOMB] = number_of(c, OPT_THROTTLE_COST_BOMB),
			[CHARGE_VIRUS] = number_of(c, OPT_THROTTLE_COST_VIRUS),
			[CHARGE_BLOCKED] = number_of(c, OPT_THROTTLE_COST_BLOCKED),
			[CHARGE_CONTENT] = number_of(c, OPT_THROTTLE_COST_CONTENT),
			[CHARGE_ENCRYPTED] = number_of(c, OPT_THROTTLE_COST_ENCRYPTED),
			[CHARGE_SPAM] = number_of(c, OPT_THROTTLE_COST_SPAM),
			[CHARGE_WORKER] = number_of(c, OPT_THROTTLE_COST_WORKER),
		},
	};
}

void throttle_conf_limits(const struct conf *c, const struct conf_who *who,
			  struct account_limits *ret_l)
{
	static const enum opt_id rows[] = { [THROTTLE_SLOWER] = OPT_THROTTLE_SLOWER_COST,
					    [THROTTLE_FEW] = OPT_THROTTLE_FEW_COST,
					    [THROTTLE_NOTHING] = OPT_THROTTLE_NOTHING_COST };

	*ret_l = (struct account_limits){ 0 };
	for (int l = THROTTLE_SLOWER; l <= THROTTLE_NOTHING; l++)
		ret_l->ms[l] = (float)MAX_OF(conf_num(c, rows[l], who), 0) * 1000;
}
