/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_state.c - what a restart keeps: written, read, broken. */
#include "throttle/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

#define S UINT64_C(1000000000)

static const struct state_clock then = { .now_ns = 5000 * S, .unix_s = 1000000 };

struct got {
	unsigned entries, accounts;
	enum throttle_list list;
	struct prefix_entry entry;
	struct account_source account;
	uint64_t age_ns;
};

static void take_entry(void *arg, enum throttle_list l, const struct prefix_entry *e)
{
	struct got *g = arg;

	g->entries++;
	g->list = l;
	g->entry = *e;
}

static void take_account(void *arg, const struct account_source *s, uint64_t age_ns)
{
	struct got *g = arg;

	g->accounts++;
	g->account = *s;
	g->age_ns = age_ns;
}

static int read_text(struct bytes text, const struct state_clock *now, struct got *g)
{
	const struct state_reader r = { take_entry, take_account, g };

	*g = (struct got){ 0 };
	return state_read(text, now, &r);
}

static void check_round(void)
{
	/* ten seconds later, after a boot: the monotonic clock began anew */
	static const struct state_clock later = { .now_ns = 7 * S, .unix_s = 1000010 };
	struct prefix_entry e = { .level = THROTTLE_FEW, .until_ns = 5060 * S };
	struct account_source s = { .level = THROTTLE_SLOWER,
				    .strikes = 2,
				    .charges = 9,
				    .since_ns = 4990 * S,
				    .until_ns = 5600 * S,
				    .limits = { { 0, 60000, 120000, 240000 } } };
	AUTO(str_fini) struct str out;
	struct got g;

	if (!throttle_prefix_parse("192.0.2.0/24", &e.p) ||
	    !throttle_prefix_parse("2001:db8:1:2::/64", &s.prefix))
		abort();
	for (int i = 0; i < CHARGE_REASONS; i++) {
		s.ms[i] = (float)(i * 1000);
		s.n[i] = (uint32_t)i;
	}
	str_init(&out, 64 * KIB);
	state_begin(&out, &then);
	state_add_entry(&out, &then, THROTTLE_LIST_PENALTY, &e);
	state_add_account(&out, &then, &s);
	state_end(&out);
	T_OK(read_text(str_bytes(&out), &later, &g) == 0, "reads what it wrote:\n# %s",
	     str_view(&out));
	T_OK(g.entries == 1 && g.list == THROTTLE_LIST_PENALTY && g.entry.level == THROTTLE_FEW &&
		     g.entry.until_ns == (7 + 50) * S && g.entry.p.bits == 120,
	     "the penalty ends at the same moment");
	T_OK(g.accounts == 1 && memcmp(&g.account.prefix, &s.prefix, sizeof(s.prefix)) == 0 &&
		     g.account.level == THROTTLE_SLOWER && g.account.strikes == 2 &&
		     g.account.charges == 9 && g.age_ns == 10 * S,
	     "the account, ten seconds old");
	T_OK(g.account.until_ns == (7 + 590) * S && g.account.since_ns == 1, "its times");
	T_OK(memcmp(g.account.ms, s.ms, sizeof(s.ms)) == 0 &&
		     memcmp(g.account.n, s.n, sizeof(s.n)) == 0 &&
		     memcmp(&g.account.limits, &s.limits, sizeof(s.limits)) == 0,
	     "its costs and limits");
}

/* A machine without a battery: its clock begins in 1970. */
static void check_clock_back(void)
{
	static const struct state_clock early = { .now_ns = 7 * S, .unix_s = 5 };
	struct got g;

	T_OK(read_text(bytes_str("sallyport-throttle 1 1000000\ndeny 192.0.2.1 1000060\nend\n"),
		       &early, &g) == 0 &&
		     g.entries == 1 && g.entry.until_ns == (7 + 60) * S,
	     "a clock that was set back: the minute that was left, not eleven days");
	T_OK(read_text(bytes_str("sallyport-throttle 1 1000000\ndeny 192.0.2.1 999999\nend\n"),
		       &early, &g) == 0 &&
		     g.entries == 0,
	     "  and what had ended has ended");
}

#define HEAD "sallyport-throttle 1 1000000\n"
#define COST " 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0"

static const struct {
	const char *what, *text;
	int want;
	unsigned entries, accounts;
} cases[] = {
	{ "nothing", "", -EBADMSG, 0, 0 },
	{ "another file", "hello\n", -EBADMSG, 0, 0 },
	{ "another version", "sallyport-throttle 2 5\nend\n", -EBADMSG, 0, 0 },
	{ "no time", "sallyport-throttle 1 x\nend\n", -EBADMSG, 0, 0 },
	{ "an empty one", HEAD "end\n", 0, 0, 0 },
	{ "cut after its head", HEAD, 1, 0, 0 },
	{ "cut in a line", HEAD "allow 192.0.2.1 0\nallow 192.0.", 2, 1, 0 },
	{ "without end", HEAD "allow 192.0.2.1 0\nend\n", 0, 1, 0 },
	{ "ended", HEAD "deny 192.0.2.1 999999\nend\n", 0, 0, 0 },
	{ "ends at the end of time", HEAD "deny 192.0.2.1 18446744073709551615\nend\n", 0, 1, 0 },
	{ "no level", HEAD "penalty 192.0.2.1 0\nend\n", 1, 0, 0 },
	{ "level 0", HEAD "penalty 192.0.2.1 0 0\nend\n", 1, 0, 0 },
	{ "level 4", HEAD "penalty 192.0.2.1 0 4\nend\n", 1, 0, 0 },
	{ "one word more", HEAD "allow 192.0.2.1 0 x\nend\n", 1, 0, 0 },
	{ "no prefix", HEAD "allow nobody 0\nend\n", 1, 0, 0 },
	{ "an unknown line", HEAD "grant 192.0.2.1 0\nend\n", 1, 0, 0 },
	{ "an account", HEAD "account 192.0.2.1 0 0 0 0 1 1 2 3" COST " 7:1\nend\n", 0, 0, 1 },
	{ "too few costs", HEAD "account 192.0.2.1 0 0 0 0 1 1 2 3" COST "\nend\n", 1, 0, 0 },
	{ "too many", HEAD "account 192.0.2.1 0 0 0 0 1 1 2 3" COST " 7:1 8:1\nend\n", 1, 0, 0 },
	{ "a negative cost", HEAD "account 192.0.2.1 0 0 0 0 1 1 2 3" COST " -7:1\nend\n", 1, 0,
	  0 },
	{ "lines after a bad one count", HEAD "x\n\nallow 192.0.2.1 0\nend\n", 1, 1, 0 },
	{ "nothing counts after the end", HEAD "end\nallow 192.0.2.1 0\n", 0, 0, 0 },
};

int main(void)
{
	check_round();
	check_clock_back();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct got g;
		int r = read_text(bytes_str(cases[i].text), &then, &g);

		T_OK(r == cases[i].want && g.entries == cases[i].entries &&
			     g.accounts == cases[i].accounts,
		     "%s: %d, %u entries, %u accounts", cases[i].what, r, g.entries, g.accounts);
	}
	return t_done();
}
