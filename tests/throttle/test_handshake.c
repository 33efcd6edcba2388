/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/test_handshake.c - SYNs are looked at, ended handshakes are charged: what a forged
 * SYN cannot do, what is owed by handshakes that end at once, and what lists and limits make of it.
 */
#include "charge_probe.skel.h"
#include "core/clock.h"
#include "tests/throttle/bench.h"
#include "tests/throttle/rate_cases.h"

#define SOURCE  "192.0.2.1"
#define NETWORK "192.0.2.0/24"

static const struct throttle_entry nothing;
static struct charge_probe_bpf *probe;

/* What the tracepoint does, over the maps of @b. */
static int load_probe(const struct bench *b)
{
	struct bpf_map *m;
	int r = 0;

	probe = charge_probe_bpf__open();
	if (probe == NULL)
		return -errno;
	bpf_object__for_each_map (m, b->skel->obj) {
		struct bpf_map *to = bpf_object__find_map_by_name(probe->obj, bpf_map__name(m));

		if (r == 0 && to != NULL && !bpf_map__is_internal(m))
			r = bpf_map__reuse_fd(to, bpf_map__fd(m));
	}
	return r == 0 ? charge_probe_bpf__load(probe) : r;
}

static struct throttle_settings raw_settings(const struct bench *b)
{
	struct throttle_settings s = { 0 };
	uint32_t zero = 0;

	(void)bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.settings), &zero, &s);
	return s;
}

static void write_raw(const struct bench *b, const struct throttle_settings *s)
{
	uint32_t zero = 0;

	(void)bpf_map_update_elem(bpf_map__fd(b->skel->maps.settings), &zero, s, BPF_ANY);
}

/* What the supervisor does last; the gateway knows nothing of it. */
static void charge_handshakes(const struct bench *b, bool yes)
{
	struct throttle_settings s = raw_settings(b);

	s.flags = (s.flags & ~THROTTLE_F_HANDSHAKE) | (yes ? THROTTLE_F_HANDSHAKE : 0);
	write_raw(b, &s);
}

static void ended(const char *address)
{
	if (lookup_run(bpf_program__fd(probe->progs.on_ended), address, PORT, 6, 1, NULL) !=
	    SK_PASS)
		(void)T_OK(false, "the probe runs for %s", address);
}

/* One connection after the other: each ends its handshake before the next begins. */
static int connects(struct bench *b, const char *address)
{
	int verdict = lookup(b, address);

	if (verdict == THROTTLE_PASS || verdict == THROTTLE_PASS_ALLOWED)
		ended(address);
	return verdict;
}

static int passes_of(struct bench *b, const char *address, int n)
{
	int passes = 0;

	for (int i = 0; i < n; i++)
		passes += connects(b, address) == THROTTLE_PASS;
	return passes;
}

/* Hours until the bucket is full, rounded. */
static int hours_away(struct bench *b, const char *text)
{
	uint64_t now = clock_now_ns();
	struct throttle_entry e;

	if (!get_entry(b, text, &e))
		return -1;
	return e.full_ns > now ? (int)((e.full_ns - now + HOUR_NS / 2) / HOUR_NS) : 0;
}

/* And a second, because the clock of those who look is a tick late. */
static void pass_time(struct bench *b, const char *text, uint64_t hours)
{
	struct throttle_entry e = { 0 };

	(void)get_entry(b, text, &e);
	e.full_ns -= hours * HOUR_NS + HOUR_NS / 3600;
	set_entry(b, text, &e);
}

static unsigned known(const struct bench *b)
{
	struct throttle_lpm_key key, *at = NULL;
	unsigned n = 0;

	for (; bpf_map_get_next_key(bpf_map__fd(b->skel->maps.rates), at, &key) == 0; at = &key)
		n++;
	return n;
}

/* --- forged SYNs --- */

static void check_forged(struct bench *b)
{
	static const char *const names[] = { SOURCE, "2001:db8:1:1::1" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int passes = 0;

		forget(b);
		charge_handshakes(b, false);
		for (int n = 0; n < 100; n++)
			passes += lookup(b, names[i]) == THROTTLE_PASS;
		T_OK(passes < 5, "%s: charged at the SYN, 100 forged ones use up its rate (%d)",
		     names[i], passes);
		forget(b);
		charge_handshakes(b, true);
		passes = 0;
		for (int n = 0; n < 100; n++)
			passes += lookup(b, names[i]) == THROTTLE_PASS;
		T_OK(passes == 100 && known(b) == 0, "looked at, 100 take nothing, nor an entry");
		T_OK(passes_of(b, names[i], 1) == 1, "and its owner gets in");
	}
}

/* --- one after the other: the same rates, exactly --- */

static void check_seen(struct bench *b)
{
	struct throttle_entry e = { 0 };

	check_rates(b, connects, "handshakes");
	forget(b);
	T_OK(passes_of(b, SOURCE, 7) == 3 && get_entry(b, SOURCE, &e) && e.seen == 7 &&
		     e.refused == 4,
	     "seen are those that ended and those refused");
	T_OK(get_entry(b, NETWORK, &e) && e.seen == 3 && e.refused == 0,
	     "  the network's are those that ended");
	pass_time(b, SOURCE, 1);
	T_OK(passes_of(b, SOURCE, 3) == 1, "an hour earns one");
}

/* --- many at once --- */

static void check_debt(struct bench *b)
{
	struct throttle_entry e = { 0 };
	int passes = 0;

	forget(b);
	for (int i = 0; i < 6; i++)
		passes += lookup(b, SOURCE) == THROTTLE_PASS;
	for (int i = 0; i < 6; i++)
		ended(SOURCE);
	T_OK(passes == 6 && hours_away(b, SOURCE) == 6, "six in flight get in, and all are owed");
	T_OK(hours_away(b, NETWORK) == 6, "  by the network, too");
	set_entry(b, NETWORK, &nothing);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_RATE, "refused while it is owed");
	pass_time(b, SOURCE, 3);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_RATE, "  after three hours, too");
	pass_time(b, SOURCE, 1);
	T_OK(passes_of(b, SOURCE, 5) == 1, "four hours after a burst of six there is one to take");

	forget(b);
	for (int i = 0; i < 1000; i++)
		ended(SOURCE);
	T_OK(hours_away(b, SOURCE) == 6 && hours_away(b, NETWORK) == 10,
	     "a debt is at most as much as the bucket holds");
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].interval_ns = HOUR_NS / 3600;
	apply(b);
	forget(b);
	for (int i = 0; i < 1000; i++)
		ended(SOURCE);
	(void)get_entry(b, SOURCE, &e);
	T_OK(e.full_ns - clock_now_ns() > (THROTTLE_DEBT_NS / 1000000000 - 10) * 1000000000 &&
		     e.full_ns - clock_now_ns() <= THROTTLE_DEBT_NS + 3 * HOUR_NS / 3600,
	     "  or ten minutes, if that is more");
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].interval_ns = HOUR_NS;
	apply(b);
}

/* --- limits that change meanwhile --- */

static void check_limits(struct bench *b)
{
	forget(b);
	put(b, THROTTLE_LIST_PENALTY, SOURCE, THROTTLE_SLOWER, UINT64_MAX);
	T_OK(passes_of(b, SOURCE, 5) == 3 && hours_away(b, SOURCE) == 30,
	     "slower: three, for longer");
	take(b, THROTTLE_LIST_PENALTY, SOURCE);
	T_OK(passes_of(b, SOURCE, 5) == 1 && hours_away(b, SOURCE) == 3,
	     "lifted: one at once, then the usual rate");
	for (int i = 0; i < 4; i++)
		ended(SOURCE);
	T_OK(hours_away(b, SOURCE) == 6 && passes_of(b, SOURCE, 5) == 0,
	     "what is owed under the usual rate is no leftover of a penalty");
	put(b, THROTTLE_LIST_PENALTY, SOURCE, THROTTLE_SLOWER, UINT64_MAX);
	ended(SOURCE);
	T_OK(hours_away(b, SOURCE) == 16, "a penalty adds its own to it");
	take(b, THROTTLE_LIST_PENALTY, SOURCE);
	set_entry(b, NETWORK, &nothing);
	T_OK(lookup(b, SOURCE) == THROTTLE_PASS, "  and ends with it");

	forget(b);
	for (int i = 0; i < 6; i++)
		ended(SOURCE);
	b->settings.tiers[THROTTLE_V4_HOST].interval_ns = HOUR_NS / 60;
	b->settings.tiers[THROTTLE_V4_NET].interval_ns = 0;
	apply(b);
	T_OK(passes_of(b, SOURCE, 5) == 1, "a reload with a higher rate: one at once");
	b->settings.tiers[THROTTLE_V4_HOST].interval_ns = HOUR_NS;
	apply(b);
	T_OK(passes_of(b, SOURCE, 5) == 2, "a reload with a lower rate: what the time is worth");
	b->settings.tiers[THROTTLE_V4_NET].interval_ns = HOUR_NS;
	apply(b);
}

/* What was charged once tells nothing about who sends SYNs now. */
static void check_switch(struct bench *b)
{
	forget(b);
	for (int i = 0; i < 5; i++)
		ended(SOURCE);
	charge_handshakes(b, false);
	ended(SOURCE);
	T_OK(hours_away(b, SOURCE) == 5, "SYNs are charged: an ended handshake is not");
	pass_time(b, NETWORK, 5);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_RATE, "  but what is owed is owed");
	pass_time(b, SOURCE, 3);
	T_OK(lookup(b, SOURCE) == THROTTLE_PASS && hours_away(b, SOURCE) == 3,
	     "  until it is paid; then the SYN is charged");
	charge_handshakes(b, true);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_RATE && hours_away(b, SOURCE) == 3,
	     "  and the other way round");
	apply(b);
	T_OK((raw_settings(b).flags & THROTTLE_F_HANDSHAKE) != 0,
	     "settings that the gateway writes leave it at that");
	charge_handshakes(b, false);
	apply(b);
	T_OK((raw_settings(b).flags & THROTTLE_F_HANDSHAKE) == 0, "  and at the other");
	charge_handshakes(b, true);
}

/* --- cells: most SYNs need no look at the buckets --- */

/* As if the limits had been the same for long enough; 0: they are not trusted. */
static void use_cells(const struct bench *b, uint64_t from_ns)
{
	struct throttle_settings s = raw_settings(b);

	s.cells_from_ns = from_ns;
	write_raw(b, &s);
}

/* A bucket that owes without anybody having told its cell. */
static void empty_behind(struct bench *b, const char *text)
{
	const struct throttle_entry e = { .full_ns = clock_now_ns() + 3 * HOUR_NS,
					  .depth_ns = 3 * HOUR_NS };

	set_entry(b, text, &e);
}

/* What the gateway writes puts them off while something may be owed that they do not know of. */
static void check_cells_settings(struct bench *b)
{
	const uint64_t longest = 10 * HOUR_NS; /* two depths of the deepest bucket */
	uint64_t from;

	b->settings.tiers[THROTTLE_V4_HOST].burst = 2;
	apply(b);
	from = raw_settings(b).cells_from_ns;
	T_OK(from > clock_now_ns() + longest && from < clock_now_ns() + longest + HOUR_NS,
	     "limits that change: not before all is paid that may be owed");
	apply(b);
	T_OK(raw_settings(b).cells_from_ns == from, "limits that stay: from when it was");
	b->settings.enforce = 0;
	apply(b);
	b->settings.enforce = 1;
	apply(b);
	T_OK(raw_settings(b).cells_from_ns == from, "  whether they are in force or not");
	use_cells(b, 0);
	apply(b);
	T_OK(raw_settings(b).cells_from_ns == from, "  after a supervisor who does not know, too");
	b->settings.tiers[THROTTLE_V4_HOST].burst = 3;
	apply(b);
	T_OK(raw_settings(b).cells_from_ns > from, "limits that change again: later");
	use_cells(b, 4711);
	apply(b);
	T_OK(raw_settings(b).cells_from_ns == 4711, "another gateway goes on with what it finds");
	charge_handshakes(b, false);
	apply(b);
	T_OK(raw_settings(b).cells_from_ns == 0,
	     "never where SYNs are charged, which tell no cell");
	charge_handshakes(b, true);
	apply(b);
}

static void check_cells(struct bench *b)
{
	forget(b);
	use_cells(b, 1);
	empty_behind(b, "192.0.9.1");
	T_OK(lookup(b, "192.0.9.1") == THROTTLE_PASS, "its cell says that no bucket is empty");
	use_cells(b, 0);
	T_OK(lookup(b, "192.0.9.1") == THROTTLE_DROP_RATE, "cells that are not in use say nothing");
	use_cells(b, UINT64_MAX);
	T_OK(lookup(b, "192.0.9.1") == THROTTLE_DROP_RATE, "  nor those in use later");
	use_cells(b, 1);
	put(b, THROTTLE_LIST_PENALTY, "192.0.9.1", THROTTLE_SLOWER, UINT64_MAX);
	pass_time(b, "192.0.9.1", 0);
	set_entry(b, "192.0.9.1",
		  &(struct throttle_entry){ .full_ns = clock_now_ns() + 30 * HOUR_NS,
					    .depth_ns = 30 * HOUR_NS });
	T_OK(lookup(b, "192.0.9.1") == THROTTLE_DROP_PENALTY, "with a penalty buckets are asked");
	take(b, THROTTLE_LIST_PENALTY, "192.0.9.1");
	check_seen(b);
	check_debt(b);
	check_cells_settings(b);
}

/* --- count only --- */

static void check_count_only(struct bench *b)
{
	forget(b);
	b->settings.enforce = 0;
	apply(b);
	for (int i = 0; i < 10; i++) {
		(void)lookup(b, SOURCE);
		ended(SOURCE);
	}
	T_OK(hours_away(b, SOURCE) == 3 && hours_away(b, NETWORK) == 3,
	     "nobody is refused: who would have been is not charged");
	forget(b);
	set_open(b, NETWORK, 2);
	set_open(b, SOURCE, 2);
	b->settings.tiers[THROTTLE_V4_HOST].concurrent = 2;
	apply(b);
	ended(SOURCE);
	T_OK(!(hours_away(b, SOURCE) > 0), "  nor who has too many open");
	set_open(b, NETWORK, 0);
	set_open(b, SOURCE, 0);
	b->settings.tiers[THROTTLE_V4_HOST].concurrent = 0;
	b->settings.enforce = 1;
	apply(b);
}

/* --- lists --- */

static const struct {
	enum throttle_list l;
	const char *prefix;
	int verdict;
} listed[] = {
	{ THROTTLE_LIST_ALLOW, NETWORK, THROTTLE_PASS_ALLOWED },
	{ THROTTLE_LIST_DENY, SOURCE, THROTTLE_DROP_DENIED },
	{ THROTTLE_LIST_PENALTY, "192.0.0.0/16", THROTTLE_DROP_PENALTY },
};

/* Past the gateway, which says that something has changed. */
static void put_behind(struct bench *b, const char *text, bool in)
{
	const struct throttle_listed value = { .prefix_bits = 128 };
	struct throttle_lpm_key key = key_of(text);
	int fd = bpf_map__fd(b->skel->maps.deny);

	(void)!(in ? bpf_map_update_elem(fd, &key, &value, BPF_ANY)
		   : bpf_map_delete_elem(fd, &key));
}

/* Who is known to be on no list is not looked for, until a list changes. */
static void check_clean(struct bench *b)
{
	struct throttle_settings s;

	forget(b);
	put(b, THROTTLE_LIST_DENY, "203.0.113.0/24", 0, 0);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	T_OK(lookup(b, SOURCE) == THROTTLE_PASS,
	     "who was charged and is on no list is not looked for");
	put(b, THROTTLE_LIST_DENY, "203.0.114.0/24", 0, 0);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED, "until one is changed, whatever in it");
	put_behind(b, SOURCE, false);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	take(b, THROTTLE_LIST_DENY, "203.0.114.0/24");
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED, "taking something out is a change");
	put_behind(b, SOURCE, false);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	apply(b);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED, "so is a reload");
	put_behind(b, SOURCE, false);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	s = raw_settings(b);
	s.lists_key = 0;
	write_raw(b, &s);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED, "and settings of one who does not know");
	put_behind(b, SOURCE, false);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED, "  by which nobody gets known");
	apply(b);
	put_behind(b, SOURCE, false);
	put(b, THROTTLE_LIST_PENALTY, SOURCE, THROTTLE_SLOWER, UINT64_MAX);
	ended(SOURCE);
	put_behind(b, SOURCE, true);
	T_OK(lookup(b, SOURCE) == THROTTLE_DROP_DENIED,
	     "who has a penalty is looked for each time");
	put_behind(b, SOURCE, false);
	take(b, THROTTLE_LIST_DENY, "203.0.113.0/24");
	take(b, THROTTLE_LIST_PENALTY, SOURCE);
}

static void check_lists(struct bench *b)
{
	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		forget(b);
		T_OK(passes_of(b, SOURCE, 1) == 1, "list %zu: known, and on no list", i);
		put(b, listed[i].l, listed[i].prefix, THROTTLE_NOTHING, UINT64_MAX);
		T_OK(lookup(b, SOURCE) == listed[i].verdict, "  put on: at the next SYN");
		ended(SOURCE);
		T_OK(hours_away(b, SOURCE) == 1, "  who is on it is not charged");
		T_OK(connects(b, "192.0.2.2") == listed[i].verdict || i == 1, "  nor looked for");
		take(b, listed[i].l, listed[i].prefix);
		T_OK(passes_of(b, SOURCE, 4) == 2, "  taken off: the usual rate");
	}
	check_clean(b);
}

/* --- open connections --- */

static const struct {
	const char *what, *source;
	uint64_t host, net, site;
	int verdict;
} opens[] = {
	{ "nothing open", SOURCE, 0, 0, 0, THROTTLE_PASS },
	{ "fewer than anybody may", SOURCE, 1, 1, 0, THROTTLE_PASS },
	{ "the host has as many as it may", SOURCE, 2, 2, 0, THROTTLE_DROP_CONCURRENT },
	{ "its neighbours have", SOURCE, 1, 3, 0, THROTTLE_PASS },
	{ "the network has as many as it may", SOURCE, 0, 4, 0, THROTTLE_DROP_CONCURRENT },
	{ "IPv6: fewer than anybody may", "2001:db8:1:1::1", 1, 1, 1, THROTTLE_PASS },
	{ "the host", "2001:db8:1:1::1", 2, 2, 2, THROTTLE_DROP_CONCURRENT },
	{ "the /64", "2001:db8:1:1::1", 1, 4, 4, THROTTLE_DROP_CONCURRENT },
	{ "the /48", "2001:db8:1:1::1", 1, 3, 6, THROTTLE_DROP_CONCURRENT },
	{ "the site has many, but not too many", "2001:db8:1:1::1", 1, 3, 5, THROTTLE_PASS },
};

static void check_open(struct bench *b)
{
	static const uint32_t limits[THROTTLE_TIERS] = { 2, 4, 2, 4, 6 };

	forget(b);
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].concurrent = limits[i];
	apply(b);
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		bool v6 = strchr(opens[i].source, ':') != NULL;

		set_open(b, opens[i].source, opens[i].host);
		set_open(b, v6 ? "2001:db8:1:1::/64" : NETWORK, opens[i].net);
		if (v6)
			set_open(b, "2001:db8:1::/48", opens[i].site);
		T_OK(lookup(b, opens[i].source) == opens[i].verdict, "open: %s", opens[i].what);
	}
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].concurrent = 0;
	apply(b);
}

static void done_probe(void)
{
	if (probe != NULL)
		charge_probe_bpf__destroy(probe);
}

int main(void)
{
	struct bench b = { 0 };
	int r;

	(void)libbpf_set_print(quiet);
	if (!kernel_can())
		return t_skip_all(KERNEL_CANNOT);
	r = load(&b, false);
	if (!T_OK(r == 0, "the verifier takes the programs (%s)", strerror(-r)))
		return t_done();
	r = load_probe(&b);
	if (T_OK(r == 0, "the verifier takes what charges (%s)", strerror(-r)) &&
	    T_OK(open_maps(&b) == 0, "the gateway's side opens")) {
		init_settings(&b);
		check_forged(&b);
		check_seen(&b);
		check_debt(&b);
		check_cells(&b);
		check_limits(&b);
		check_switch(&b);
		check_count_only(&b);
		check_lists(&b);
		check_open(&b);
	}
	done_probe();
	done(&b);
	return t_done();
}
