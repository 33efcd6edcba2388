/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_account.c - costs, limits, forgiveness, a full table. */
#include "throttle/account.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

#define S         UINT64_C(1000000000)
#define START     (1000 * S)
#define HALF_LIFE (300 * S)
#define PENALTY   (600 * S)
#define LIMITS_MS                                                                                  \
	{                                                                                          \
		{                                                                                  \
			0, 60000, 120000, 240000                                                   \
		}                                                                                  \
	}
#define NORMAL  THROTTLE_NORMAL
#define SLOWER  THROTTLE_SLOWER
#define FEW     THROTTLE_FEW
#define NOTHING THROTTLE_NOTHING

static const struct account_limits limits = LIMITS_MS;
static const struct account_settings usual = { HALF_LIFE, PENALTY, 8 };

struct seen { /* what the callback was told */
	unsigned n;
	struct throttle_prefix prefix;
	enum throttle_level before, level;
	uint64_t until_ns;
};

static void note(void *arg, const struct account_source *s, enum throttle_level before)
{
	struct seen *seen = arg;

	seen->n++;
	seen->prefix = s->prefix;
	seen->before = before;
	seen->level = s->level;
	seen->until_ns = s->until_ns;
}

static void address(const char *text, uint8_t ret[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(ret, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, ret + 12) != 1 && inet_pton(AF_INET6, text, ret) != 1)
		abort();
}

static struct account *make(uint32_t max, const struct account_settings *set, struct seen *seen)
{
	struct account *a;
	struct err err;

	*seen = (struct seen){ 0 };
	if (account_new(&a, max, 12345, set, note, seen, &err) < 0)
		abort();
	return a;
}

static struct charge cost(enum charge_reason r, float ms)
{
	struct charge c = { .total_ms = ms };

	c.ms[r] = ms;
	c.n[r] = 1;
	return c;
}

static void charge_within(struct account *a, const char *who, float ms, uint64_t now,
			  const struct account_limits *within)
{
	struct charge c = cost(CHARGE_BOMB, ms);
	uint8_t addr[16];

	address(who, addr);
	account_charge(a, addr, &c, within, now);
}

static void charge(struct account *a, const char *who, float ms, uint64_t now)
{
	charge_within(a, who, ms, now, &limits);
}

static struct account_source get(struct account *a, const char *who, uint64_t now)
{
	struct account_source s = { .total_ms = -1 };
	struct throttle_prefix p;
	uint8_t addr[16];

	address(who, addr);
	account_host(addr, &p);
	(void)account_get(a, &p, now, &s);
	return s;
}

static struct account_source get_network(struct account *a, const char *who, uint64_t now)
{
	struct account_source s = { .total_ms = -1 };
	struct throttle_prefix p;
	uint8_t addr[16];

	address(who, addr);
	account_network(addr, &p);
	(void)account_get(a, &p, now, &s);
	return s;
}

static bool near(float a, float b)
{
	return fabsf(a - b) <= 0.001f * fmaxf(1, fabsf(b));
}

/* --- prices --- */

static void test_prices(void)
{
	static const struct charge_prices p = {
		.free_ms = 100,
		.expanded_ms_mb = 1,
		.each_ms = { [CHARGE_BOMB] = 30000,
			     [CHARGE_VIRUS] = 5000,
			     [CHARGE_WORKER] = 60000 },
	};
	static const struct {
		const char *what;
		struct charge_facts f;
		float total, cpu, expanded;
	} cases[] = {
		{ "an ordinary message is free",
		  { .cpu_us = 5000, .expanded_bytes = 2000000 },
		  0,
		  0,
		  0 },
		{ "just what is free", { .cpu_us = 100000 }, 0, 0, 0 },
		{ "CPU beyond it", { .cpu_us = 1100000 }, 1000, 1000, 0 },
		{ "bytes beyond what CPU left",
		  { .cpu_us = 40000, .expanded_bytes = 400000000 },
		  340,
		  0,
		  340 },
		{ "both", { .cpu_us = 200000, .expanded_bytes = 50000000 }, 150, 100, 50 },
		{ "two bombs, a virus",
		  { .n = { [CHARGE_BOMB] = 2, [CHARGE_VIRUS] = 1 } },
		  65000,
		  0,
		  0 },
		{ "no price", { .n = { [CHARGE_SPAM] = 7 } }, 0, 0, 0 },
		{ "numbers that overflow end at the ceiling",
		  { .cpu_us = UINT64_MAX,
		    .expanded_bytes = UINT64_MAX,
		    .n = { [CHARGE_WORKER] = UINT32_MAX } },
		  1e9f,
		  1e9f,
		  1e9f },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct charge c;

		charge_price(&p, &cases[i].f, &c);
		T_OK(near(c.total_ms, cases[i].total) && near(c.ms[CHARGE_CPU], cases[i].cpu) &&
			     near(c.ms[CHARGE_EXPANDED], cases[i].expanded),
		     "%s: %.1f ms", cases[i].what, (double)c.total_ms);
		T_OK(c.n[CHARGE_CPU] == (cases[i].cpu > 0) &&
			     c.n[CHARGE_EXPANDED] == (cases[i].expanded > 0) &&
			     memcmp(c.n + CHARGE_BOMB, cases[i].f.n + CHARGE_BOMB,
				    sizeof(c.n) - CHARGE_BOMB * sizeof(c.n[0])) == 0,
		     "  each reason counted");
	}
}

static void test_addresses(void)
{
	static const struct {
		const char *addr;
		bool nobody;
		uint8_t host, network;
		const char *host_is, *network_is;
	} cases[] = {
		{ "192.0.2.77", false, 128, 120, "192.0.2.77", "192.0.2.0" },
		{ "2001:db8:1:2:3:4:5:6", false, 64, 48, "2001:db8:1:2::", "2001:db8:1::" },
		{ "127.0.0.1", true, 128, 120, "127.0.0.1", "127.0.0.0" },
		{ "127.8.9.10", true, 128, 120, "127.8.9.10", "127.8.9.0" },
		{ "0.0.0.0", true, 128, 120, "0.0.0.0", "0.0.0.0" },
		{ "::1", true, 64, 48, "::", "::" },
		{ "::", true, 64, 48, "::", "::" },
		{ "0.0.0.1", false, 128, 120, "0.0.0.1", "0.0.0.0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct throttle_prefix host, network;
		uint8_t addr[16], want_host[16], want_network[16];

		address(cases[i].addr, addr);
		address(cases[i].host_is, want_host);
		address(cases[i].network_is, want_network);
		account_host(addr, &host);
		account_network(addr, &network);
		T_OK(account_is_nobody(addr) == cases[i].nobody, "%s %s nobody", cases[i].addr,
		     cases[i].nobody ? "is" : "is not");
		T_OK(host.bits == cases[i].host && network.bits == cases[i].network &&
			     memcmp(host.addr, want_host, 16) == 0 &&
			     memcmp(network.addr, want_network, 16) == 0,
		     "  its account and its network's");
	}
}

/* --- time --- */

static void test_decay(void)
{
	static const struct {
		const char *what;
		int64_t after_s;
		float want;
	} cases[] = {
		{ "at once", 0, 1000 },
		{ "half a life", 150, 707.107f },
		{ "one", 300, 500 },
		{ "two", 600, 250 },
		{ "ten", 3000, 0.9766f },
		{ "a year", 31536000, 0 },
		{ "a clock going back", -500, 1000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seen seen;
		struct account *a = make(8, &usual, &seen);
		struct account_source s;

		charge(a, "192.0.2.1", 1000, START);
		s = get(a, "192.0.2.1", START + (uint64_t)(cases[i].after_s * (int64_t)S));
		T_OK(near(s.total_ms, cases[i].want), "after %s: %.4f ms", cases[i].what,
		     (double)s.total_ms);
		account_free(&a);
	}
}

static void test_forgotten(void)
{
	struct seen seen;
	struct account *a = make(8, &usual, &seen);

	charge(a, "192.0.2.1", 1000, START);
	account_tick(a, START + 10 * HALF_LIFE);
	T_OK(account_n(a) == 2, "an account of a millisecond is kept");
	account_tick(a, START + 12 * HALF_LIFE);
	T_OK(account_n(a) == 0, "one of less is forgotten, and its network's");
	charge(a, "192.0.2.1", 0, START);
	T_OK(account_n(a) == 0, "a cost of nothing opens none");
	account_free(&a);
}

/* --- levels --- */

/* One source: a step charges, or lets time pass (charge 0: a tick). */
static const struct level_step {
	const char *what;
	uint64_t at_s;
	float ms;
	enum throttle_level want;
	uint64_t until_s; /* from the start; 0: none */
} level_steps[] = {
	{ "below the first limit", 0, 59999, NORMAL, 0 },
	{ "at the first limit", 0, 1, SLOWER, 600 },
	{ "more of it: until then", 10, 1000, SLOWER, 600 },
	{ "at the second limit: the second strike is longer", 10, 70000, FEW, 1210 },
	{ "at the third: longer", 20, 240000, NOTHING, 2420 },
	{ "a tick within the time", 2400, 0, NOTHING, 2420 },
	{ "over: 1,400 ms are left", 2421, 0, NORMAL, 0 },
	{ "again: the fourth strike", 2500, 60000, SLOWER, 2500 + 8 * 600 },
	{ "over", 7301, 0, NORMAL, 0 },
	{ "the fifth", 7302, 60000, SLOWER, 7302 + 16 * 600 },
	{ "over, and nothing is left", 16903, 0, NORMAL, 0 },
	{ "the account had been forgotten: a first strike", 16903, 60000, SLOWER, 16903 + 600 },
};

static void test_levels(void)
{
	struct seen seen;
	struct account *a = make(8, &usual, &seen);

	for (size_t i = 0; i < ARRAY_LEN(level_steps); i++) {
		const struct level_step *st = &level_steps[i];
		uint64_t now = START + st->at_s * S, until = START + st->until_s * S;
		struct account_source s;

		if (st->ms > 0)
			charge(a, "192.0.2.1", st->ms, now);
		else
			account_tick(a, now);
		s = get(a, "192.0.2.1", now);
		T_OK(s.level == st->want && s.until_ns == (st->until_s == 0 ? 0 : until),
		     "%s: level %u until %lld s, cost %.0f", st->what, s.level,
		     s.until_ns == 0 ? -1LL : (long long)((s.until_ns - START) / S),
		     (double)s.total_ms);
	}
	account_free(&a);
}

static void test_hysteresis(void)
{
	/* A half-life as long as the penalty: at its end the account is just at half. */
	static const struct account_settings slow = { 600 * S, 600 * S, 0 };
	static const struct {
		const char *what;
		float ms;
		enum throttle_level at_end;
	} cases[] = {
		{ "just above half of the limit", 60001, SLOWER },
		{ "between half of FEW and FEW: it stays", 120001, FEW },
		{ "far above NOTHING", 1000000, NOTHING },
	};
	struct seen seen;
	struct account *a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		a = make(8, &slow, &seen);
		charge(a, "192.0.2.1", cases[i].ms, START);
		account_tick(a, START + 599 * S);
		T_OK(seen.n == 1, "%s: one change so far", cases[i].what);
		account_tick(a, START + 600 * S);
		T_OK(seen.n == 2 && seen.level == cases[i].at_end &&
			     seen.until_ns == START + 1200 * S,
		     "  is prolonged once");
		account_free(&a);
	}
	a = make(8, &slow, &seen);
	charge(a, "192.0.2.1", 60000, START);
	account_tick(a, START + 601 * S);
	T_OK(seen.n == 2 && seen.before == SLOWER && seen.level == NORMAL,
	     "just below half of it: forgiven");
	charge(a, "192.0.2.1", 29000, START + 601 * S);
	T_OK(seen.n == 2, "  and not penalised again below the limit");
	account_free(&a);
	a = make(8, &slow, &seen);
	for (unsigned i = 0; i < 1000; i++)
		charge(a, "192.0.2.1", 61, START + i * S / 1000);
	T_OK(seen.n == 1, "a thousand charges, one change: %u", seen.n);
	account_free(&a);
}

/* Who goes on is refused for longer, who does not is refused no harder. */
static void test_going_on(void)
{
	static const struct account_settings slow = { 1200 * S, 600 * S, 0 };
	static const struct account_settings fast = { S, 600 * S, 0 };
	struct account_source s;
	struct seen seen;
	struct account *a = make(8, &slow, &seen);

	charge(a, "192.0.2.1", 60000, START);
	charge(a, "192.0.2.1", 20000, START + 300 * S);
	T_OK(seen.n == 1 && seen.until_ns == START + 600 * S,
	     "more of it in the first half: until then");
	charge(a, "192.0.2.1", 20000, START + 301 * S);
	s = get(a, "192.0.2.1", START + 301 * S);
	T_OK(seen.n == 2 && seen.level == SLOWER && seen.until_ns == START + 901 * S,
	     "in the second half: from now on again");
	T_OK(s.since_ns == START && s.strikes == 1, "  still the first strike, since then");
	charge(a, "192.0.2.1", 60000, START + 302 * S);
	T_OK(get(a, "192.0.2.1", START + 302 * S).since_ns == START + 302 * S,
	     "another level: since now");
	account_free(&a);

	a = make(8, &slow, &seen);
	charge(a, "192.0.2.1", 119000, START);
	account_tick(a, START + 600 * S);
	T_OK(seen.n == 2 && seen.level == SLOWER,
	     "half of a higher limit is left at the end: no higher level");
	account_free(&a);

	a = make(8, &fast, &seen);
	charge(a, "192.0.2.1", 60000, START);
	charge(a, "192.0.2.2", 60000, START);
	account_tick(a, START + 100 * S);
	T_OK(account_n(a) == 2 && account_penalised_n(a) == 2 &&
		     get(a, "192.0.2.1", START + 100 * S).level == SLOWER,
	     "a cost that is long forgiven does not end the penalty");
	account_tick(a, START + 600 * S);
	T_OK(account_n(a) == 0 && account_penalised_n(a) == 0, "its time does");
	account_free(&a);
}

static void test_never(void)
{
	static const struct account_limits none = { { 0, 0, 0, 0 } };
	struct charge c = cost(CHARGE_BOMB, 1e9f);
	struct seen seen;
	struct account *a = make(8, &usual, &seen);
	uint8_t addr[16];

	address("192.0.2.1", addr);
	account_charge(a, addr, &c, &none, START);
	T_OK(seen.n == 0 && get(a, "192.0.2.1", START).level == NORMAL,
	     "limits of 0 are never reached");
	account_free(&a);
}

static void test_networks(void)
{
	struct seen seen;
	struct account *a = make(64, &usual, &seen);
	char text[64];

	for (int i = 0; i < 8; i++)
		charge(a, "192.0.2.1", 30000, START);
	T_OK(get(a, "192.0.2.1", START).level == NOTHING, "eight bombs: nothing more from it");
	T_OK(get_network(a, "192.0.2.1", START).level == NORMAL, "  its network is not to blame");
	T_OK(get_network(a, "192.0.2.1", START).charges == 8, "  but has its part of all eight");
	for (int i = 0; i < 100; i++)
		charge(a, "192.0.2.1", 30000, START);
	T_OK(get_network(a, "192.0.2.1", START).level == NORMAL,
	     "  nor when it sends a hundred (%.0f ms)",
	     (double)get_network(a, "192.0.2.1", START).total_ms);
	T_OK(get_network(a, "192.0.2.1", START).charges == 8, "  which are not its affair at all");
	for (int i = 2; i < 12; i++) {
		(void)snprintf(text, sizeof(text), "192.0.2.%d", i);
		charge(a, text, 30000, START);
	}
	T_OK(get_network(a, "192.0.2.1", START).level == SLOWER, "ten others send one each: it is");
	T_OK(get(a, "192.0.2.5", START).level == NORMAL, "  and each of them alone is not");
	account_free(&a);

	a = make(64, &usual, &seen);
	charge(a, "192.0.2.1", 1e9f, START);
	T_OK(get(a, "192.0.2.1", START).level == NOTHING &&
		     get_network(a, "192.0.2.1", START).level == NORMAL,
	     "one charge of eleven days is not its network's (%.0f ms)",
	     (double)get_network(a, "192.0.2.1", START).total_ms);
	account_free(&a);

	a = make(64, &usual, &seen);
	for (int i = 0; i < 200; i++)
		charge_within(a, "192.0.2.1", 30000, START,
			      &(struct account_limits){ { 0, 50000, 0, 0 } });
	T_OK(get(a, "192.0.2.1", START).level == SLOWER &&
		     get_network(a, "192.0.2.1", START).level == NORMAL,
	     "two hundred bombs where slower is the highest level: not its network's, either");
	account_free(&a);

	a = make(128, &usual, &seen);
	for (int i = 0; i < 70; i++) {
		(void)snprintf(text, sizeof(text), "2001:db8:9:%d::1", i);
		charge(a, text, 30000, START);
	}
	T_OK(get_network(a, "2001:db8:9::", START).level == NOTHING,
	     "a sender that takes another /64 for each bomb: its /48 is refused");
	account_free(&a);

	a = make(64, &(struct account_settings){ HALF_LIFE, PENALTY, 0 }, &seen);
	charge(a, "192.0.2.1", 30000, START);
	T_OK(account_n(a) == 1, "factor 0: networks have no account");
	account_free(&a);

	a = make(64, &usual, &seen);
	charge(a, "2001:db8:1:2::1", 40000, START);
	charge(a, "2001:db8:1:2:ffff::9", 40000, START);
	T_OK(get(a, "2001:db8:1:2::77", START).level == SLOWER, "IPv6: one account for a /64");
	T_OK(get(a, "2001:db8:1:3::1", START).total_ms < 0, "  and none for the next");
	T_OK(near(get_network(a, "2001:db8:1:9::", START).total_ms, 80000), "  and one for a /48");
	account_free(&a);
}

/* --- bounds --- */

static void test_full(void)
{
	static const struct account_settings alone = { HALF_LIFE, PENALTY, 0 };
	struct seen seen;
	struct account *a = make(32, &alone, &seen);
	char text[64];

	charge(a, "198.51.100.1", 70000, START); /* oldest, with a penalty */
	charge(a, "198.51.100.2", 50000, START); /* costly */
	for (int i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof(text), "192.0.2.%d", i);
		charge(a, text, 10, START + 1);
	}
	T_OK(account_n(a) == 32 && account_evicted(a) == 0, "full");
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "203.0.%d.%d", 113 + i / 250, i % 250);
		charge(a, text, 20, START + 2 + (uint64_t)i);
	}
	T_OK(account_n(a) == 32 && account_evicted(a) == 1000, "a thousand more: bounded, counted");
	T_OK(get(a, "198.51.100.1", START + 2).level == SLOWER, "the penalised one has stayed");
	T_OK(get(a, "198.51.100.2", START + 2).total_ms > 49000, "the costly one has stayed");
	T_OK(get(a, "203.0.116.249", START + 2).total_ms > 0, "the newest is there");
	account_free(&a);

	for (int costly = 0; costly < 4; costly++) {
		a = make(4, &alone, &seen);
		for (int i = 0; i < 4; i++) {
			(void)snprintf(text, sizeof(text), "192.0.2.%d", i);
			charge(a, text, i == costly ? 5 : 50, START);
		}
		charge(a, "198.51.100.1", 10, START);
		(void)snprintf(text, sizeof(text), "192.0.2.%d", costly);
		T_OK(account_n(a) == 4 && get(a, text, START).total_ms < 0,
		     "of four the least costly leaves: %s", text);
		account_free(&a);
	}
	a = make(2, &alone, &seen);
	charge(a, "192.0.2.1", 7, START);
	charge(a, "192.0.2.2", 7, START);
	charge(a, "192.0.2.3", 7, START);
	T_OK(get(a, "192.0.2.1", START).total_ms < 0 && get(a, "192.0.2.2", START).total_ms > 0,
	     "of equal ones that which was not charged for longest");
	account_free(&a);
	a = make(2, &alone, &seen);
	charge(a, "192.0.2.1", 900, START);
	charge(a, "192.0.2.2", 700, START + HALF_LIFE);
	charge(a, "192.0.2.3", 7, START + HALF_LIFE);
	T_OK(get(a, "192.0.2.1", START + HALF_LIFE).total_ms < 0, "by what is left of the cost");
	account_free(&a);

	a = make(4, &alone, &seen);
	for (int i = 0; i < 9; i++) {
		(void)snprintf(text, sizeof(text), "192.0.2.%d", i);
		charge(a, text, 60000 + (float)i, START);
	}
	T_OK(account_penalised_n(a) == 4 && seen.n == 9 + 5,
	     "full of penalties: those that leave are lifted (%u changes)", seen.n);
	account_free(&a);
	a = make(1, &alone, &seen);
	charge(a, "192.0.2.1", 5, START);
	charge(a, "192.0.2.2", 5, START);
	T_OK(account_n(a) == 1 && get(a, "192.0.2.2", START).total_ms > 0, "room for one");
	account_free(&a);
}

static void test_overflow(void)
{
	struct charge c = { .total_ms = 1e9f };
	struct seen seen;
	struct account *a = make(8, &usual, &seen);
	struct account_source s;
	uint8_t addr[16];

	address("192.0.2.1", addr);
	for (int i = 0; i < CHARGE_REASONS; i++) {
		c.ms[i] = 1e9f;
		c.n[i] = UINT32_MAX;
	}
	for (int i = 0; i < 1000; i++)
		account_charge(a, addr, &c, &limits, START);
	s = get(a, "192.0.2.1", START);
	T_OK(near(s.total_ms, 1e9f) && s.n[CHARGE_VIRUS] == UINT32_MAX && s.charges == 1000,
	     "costs and counts end at their ceiling");
	T_OK(near(get(a, "192.0.2.1", UINT64_MAX).total_ms, 0), "the end of time");
	account_tick(a, UINT64_MAX);
	T_OK(account_penalised_n(a) == 0, "forgives");
	account_free(&a);
	a = make(8, &(struct account_settings){ 1, UINT64_MAX, 1 }, &seen);
	charge(a, "192.0.2.1", 60000, UINT64_MAX / 2);
	T_OK(seen.until_ns > UINT64_MAX / 2, "the longest penalty does not wrap");
	account_free(&a);
}

/* Whatever happens, the sum is that of its parts, not negative and not above the ceiling. */
static void test_property(void)
{
	uint64_t now = START, x = 88172645463325252u;
	struct seen seen;
	struct account *a = make(64, &usual, &seen);
	bool ok = true;

	for (int i = 0; i < 20000; i++) {
		struct charge c;
		struct charge_facts f = { 0 };
		struct account_source s[64];
		static const struct charge_prices p = { 100,
							1,
							{ 0, 0, 30000, 5000, 7, 1, 2, 3, 4 } };
		uint8_t addr[16];
		size_t n;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		address("192.0.2.1", addr);
		addr[14] = (uint8_t)(x % 7);
		addr[15] = (uint8_t)(x >> 8 & 63);
		f.cpu_us = x >> (x % 64);
		f.n[2 + x % 7] = (uint32_t)(x >> 40) % 5;
		charge_price(&p, &f, &c);
		now = x % 11 == 0 ? now - x % 5 * S : now + x % 40 * S;
		account_charge(a, addr, &c, &limits, now);
		if (x % 5 == 0)
			account_tick(a, now);
		n = account_costliest(a, now, s, ARRAY_LEN(s));
		for (size_t k = 0; k < n; k++) {
			float sum = 0;

			for (int r = 0; r < CHARGE_REASONS; r++) {
				sum += s[k].ms[r];
				ok &= s[k].ms[r] >= 0;
			}
			ok &= sum >= 0 && sum <= 1.001e9f && near(sum, s[k].total_ms);
			ok &= k == 0 || s[k].total_ms <= s[k - 1].total_ms;
			ok &= (s[k].level > NORMAL) == (s[k].until_ns > 0);
		}
	}
	T_OK(ok, "20,000 random steps: sums hold, bounded, sorted");
	T_OK(account_n(a) <= 64 && account_penalised_n(a) <= account_n(a), "lists hold");
	account_free(&a);
}

/* --- forgiving, restoring --- */

static void test_forgive(void)
{
	struct throttle_prefix p = { .bits = 120 };
	struct seen seen;
	struct account *a = make(16, &usual, &seen);

	charge(a, "192.0.2.1", 70000, START);
	charge(a, "192.0.2.2", 10, START);
	charge(a, "198.51.100.1", 70000, START);
	address("192.0.2.0", p.addr);
	T_OK(account_forgive(a, &p) == 3 && seen.level == NORMAL && seen.before == SLOWER,
	     "two hosts and their network");
	T_OK(account_n(a) == 2 && account_penalised_n(a) == 1, "the others are as they were");
	T_OK(account_forgive(a, &p) == 0, "nothing left of it");
	p = (struct throttle_prefix){ .bits = 0 };
	T_OK(account_forgive(a, &p) == 2 && account_n(a) == 0 && account_penalised_n(a) == 0,
	     "everything: what there is, and no free place");
	for (int i = 1; i < 9; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "203.0.113.%d", i);
		charge(a, text, 10, START);
	}
	T_OK(account_n(a) == 9 && account_evicted(a) == 0, "all places can be used again");
	account_free(&a);
}

static void test_restore(void)
{
	struct account_source s, bad;
	struct seen seen;
	size_t before;
	struct account *a = make(16, &usual, &seen), *b;

	charge(a, "192.0.2.1", 130000, START);
	s = get(a, "192.0.2.1", START + 100 * S);
	b = make(16, &usual, &seen);
	account_restore(b, &s, 0, START + 100 * S);
	T_OK(seen.n == 1 && seen.level == FEW && seen.until_ns == START + 600 * S, "told");
	T_OK(near(get(b, "192.0.2.1", START + 100 * S).total_ms, s.total_ms), "its cost is back");
	T_OK(get(b, "192.0.2.1", START + 100 * S).strikes == 1, "and its strikes");
	T_OK(get(b, "192.0.2.1", START + 100 * S).since_ns == START &&
		     get(b, "192.0.2.1", START + 100 * S).charges == 1 &&
		     get(b, "192.0.2.1", START + 100 * S).n[CHARGE_BOMB] == 1,
	     "and since when, and how often");
	account_tick(b, START + 600 * S);
	T_OK(get(b, "192.0.2.1", START + 600 * S).level == SLOWER, "at its end it steps down");
	account_tick(b, START + 1200 * S);
	T_OK(get(b, "192.0.2.1", START + 1200 * S).level == NORMAL, "and ends");
	bad = s;
	bad.prefix.addr[15] = 8;
	bad.until_ns = START + 1200 * S;
	seen.n = 0;
	account_restore(b, &bad, 0, START + 1200 * S);
	T_OK(seen.n == 0 && get(b, "192.0.2.8", START + 1200 * S).level == NORMAL,
	     "a penalty that is over is not taken up again");
	bad.ms[CHARGE_CPU] = NAN;
	bad.ms[CHARGE_VIRUS] = -5;
	bad.ms[CHARGE_BOMB] = INFINITY;
	bad.prefix.addr[15] = 9;
	account_restore(b, &bad, 0, START);
	T_OK(get(b, "192.0.2.9", START).total_ms == 0, "what is no cost counts as none");
	s.level = NORMAL;
	s.prefix.addr[15] = 11;
	account_restore(b, &s, HALF_LIFE, START);
	T_OK(near(get(b, "192.0.2.11", START).total_ms, s.total_ms / 2), "half, a half-life later");
	s.level = FEW;
	s.until_ns = s.since_ns = UINT64_MAX;
	s.prefix.addr[15] = 12;
	account_restore(b, &s, 0, START);
	T_OK(get(b, "192.0.2.12", START).since_ns == START, "no penalty began in the future");
	T_OK(get(b, "192.0.2.12", START).until_ns == START + 16 * PENALTY,
	     "no penalty is longer than the longest");
	bad.level = NOTHING + 1;
	bad.prefix.addr[15] = 10;
	account_restore(b, &bad, 0, START);
	T_OK(get(b, "192.0.2.10", START).total_ms < 0, "what is no level is not taken");
	bad.level = NOTHING;
	bad.prefix.bits = 0;
	before = account_n(b);
	account_restore(b, &bad, 0, START);
	T_OK(account_n(b) == before, "nor what has no address");
	account_free(&a);
	account_free(&b);
}

static uint64_t resident_pages(void)
{
	unsigned long long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%llu %llu", &all, &resident) != 2)
		abort();
	(void)fclose(f);
	return resident;
}

/* Room for many accounts costs nothing before they are there: neither memory nor a look at all. */
static void test_room(void)
{
	uint64_t before = resident_pages(), grown_mb;
	struct account_source top[2];
	struct seen seen;
	struct account *a = make(2000000, &usual, &seen);
	size_t n;

	charge(a, "192.0.2.1", 100000, START);
	charge(a, "198.51.100.1", 50, START);
	account_tick(a, START + S);
	n = account_costliest(a, START + S, top, 2);
	T_OK(n == 2 && top[0].total_ms > 90000, "two million places, four accounts: the costliest");
	T_OK(account_forgive(a, &top[0].prefix) >= 1, "  is forgiven");
	grown_mb = (resident_pages() - before) * 4096 / 1000000;
	T_OK(grown_mb < 100, "  and the empty places are not touched: %llu MB",
	     (unsigned long long)grown_mb);
	account_free(&a);
}

/* Who cost more, but long ago, comes after who costs more now. */
static void test_costliest(void)
{
	static const char *const who[2] = { "192.0.2.1", "198.51.100.1" };
	const struct account_settings hosts = { HALF_LIFE, PENALTY, 0 };

	for (int first = 0; first < 2; first++) {
		struct account_source top[2], now;
		struct seen seen;
		struct account *a = make(16, &hosts, &seen);
		size_t n;

		for (int i = 0; i < 2; i++) {
			bool old = i == first;

			charge(a, who[i], old ? 1000 : 600, START + (old ? 0 : HALF_LIFE));
		}
		now = get(a, who[1 - first], START + HALF_LIFE);
		n = account_costliest(a, START + HALF_LIFE, top, 1);
		T_OK(n == 1 && memcmp(&top[0].prefix, &now.prefix, sizeof(now.prefix)) == 0,
		     "the costliest now: %.0f ms", (double)top[0].total_ms);
		account_free(&a);
	}
}

int main(void)
{
	test_prices();
	test_addresses();
	test_decay();
	test_forgotten();
	test_levels();
	test_hysteresis();
	test_going_on();
	test_never();
	test_networks();
	test_full();
	test_overflow();
	test_property();
	test_forgive();
	test_restore();
	test_costliest();
	test_room();
	return t_done();
}
