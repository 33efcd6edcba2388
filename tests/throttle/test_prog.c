/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/test_prog.c - the programs on packets and look-ups, through the kernel's test run.
 *
 * No network and no clock: buckets take an hour for one connection, and time passes by moving what
 * the maps say. Where the kernel takes no BPF the test is skipped and says why.
 */
#include "conn_count.skel.h"
#include "tests/throttle/bench.h"
#include "tests/throttle/rate_cases.h"

/* They need a network to run; here only the verifier sees them. */
static int load_counting(void)
{
	struct conn_count_bpf *s = conn_count_bpf__open();
	int r;

	if (s == NULL)
		return -errno;
	r = conn_count_bpf__load(s);
	conn_count_bpf__destroy(s);
	return r;
}

/* --- what is a SYN to one of our ports: 203.0.113.0/24 and 2001:db8:bad::/48 are denied --- */

#define BAD4 "ip4=203.0.113.7 "
#define BAD6 "ip6=2001:db8:bad::7 "

static const struct {
	const char *words;
	int verdict;
} shapes[] = {
	{ BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "tcp=587 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "tcp=26 syn", NONE },
	{ BAD4 "tcp=0 syn", NONE },
	{ BAD4 "tcp=65535 syn", NONE },
	{ BAD4 "tcp=25 syn ack", NONE },
	{ BAD4 "tcp=25 ack", NONE },
	{ BAD4 "tcp=25 rst", NONE },
	{ BAD4 "tcp=25 rst ack", NONE },
	{ BAD4 "tcp=25 fin ack", NONE },
	{ BAD4 "tcp=25", NONE },
	{ BAD4 "tcp=25 syn fin", NONE },
	{ BAD4 "tcp=25 syn rst", NONE },
	{ BAD4 "tcp=25 syn ece", THROTTLE_DROP_DENIED },
	{ BAD4 "udp=25", NONE },
	{ BAD4 "icmp", NONE },
	{ BAD4 "opts=4 tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "opts=20 tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "opts=40 tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "opts=40 tcp=26 syn", NONE },
	{ BAD4 "mf tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD4 "frag=1 mf tcp=25 syn", NONE },
	{ BAD4 "frag=185 tcp=25 syn", NONE },
	{ BAD4 "frag=4096 tcp=25 syn", NONE },
	{ BAD4 "frag=8191 tcp=25 syn", NONE },
	{ BAD4 "frag=16384 tcp=25 syn", THROTTLE_DROP_DENIED }, /* "do not fragment" */
	{ BAD4 "tcp=25 syn pad=6", THROTTLE_DROP_DENIED },
	{ BAD4 "tcp=25 syn total=39", THROTTLE_PASS_ODD },
	{ BAD4 "tcp=25 syn total=20", THROTTLE_PASS_ODD },
	{ BAD4 "tcp=25 syn version=6", THROTTLE_PASS_ODD },
	{ BAD4 "tcp=25 syn version=0", THROTTLE_PASS_ODD },
	{ BAD4 "length=4 tcp=25 syn", THROTTLE_PASS_ODD },
	{ BAD4 "length=0 tcp=25 syn", THROTTLE_PASS_ODD },
	{ BAD4 "length=15 tcp=25 syn", THROTTLE_PASS_ODD },
	{ "vlan " BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "qinq " BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "qinq vlan " BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "old vlan " BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "vlan vlan vlan vlan " BAD4 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "vlan vlan vlan vlan vlan " BAD4 "tcp=25 syn", NONE },
	{ "qinq vlan " BAD4 "opts=12 tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "vlan arp", NONE },
	{ "arp", NONE },
	{ BAD6 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "tcp=26 syn", NONE },
	{ BAD6 "tcp=25 syn ack", NONE },
	{ BAD6 "tcp=25 rst", NONE },
	{ BAD6 "udp=25", NONE },
	{ BAD6 "icmp", NONE },
	{ BAD6 "hop tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "route tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "dest tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "ah tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "hop dest route ah dest tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "hop dest route ah dest tcp=26 syn", NONE },
	{ BAD6 "frag6=0 tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "hop frag6=0 dest tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "frag6=1 tcp=25 syn", NONE },
	{ BAD6 "frag6=8191 tcp=25 syn", NONE },
	{ BAD6 "dest dest dest dest dest dest dest dest tcp=25 syn", THROTTLE_DROP_DENIED },
	{ BAD6 "dest dest dest dest dest dest dest dest dest tcp=25 syn", THROTTLE_PASS_ODD },
	{ BAD6 "esp tcp=25 syn", NONE },
	{ BAD6 "none", NONE },
	{ BAD6 "hip tcp=25 syn", NONE },
	{ BAD6 "tcp=25 syn version=4", THROTTLE_PASS_ODD },
	{ "vlan " BAD6 "tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "qinq vlan " BAD6 "hop tcp=25 syn", THROTTLE_DROP_DENIED },
	{ "ip4=203.0.114.7 tcp=25 syn", THROTTLE_PASS },
	{ "ip4=203.0.112.255 tcp=25 syn", THROTTLE_PASS },
	{ "ip6=2001:db8:bae::7 tcp=25 syn", THROTTLE_PASS },
	{ "ip4=127.0.0.1 tcp=25 syn", THROTTLE_PASS_ALLOWED },
	{ "ip4=127.255.255.255 tcp=25 syn", THROTTLE_PASS_ALLOWED },
	{ "ip6=::1 tcp=25 syn", THROTTLE_PASS_ALLOWED },
	{ "ip6=::2 tcp=25 syn", THROTTLE_PASS },
	{ "ip4=0.0.0.1 tcp=25 syn", THROTTLE_PASS },
};

static const char *const cuttable[] = {
	"vlan qinq " BAD4 "opts=8 tcp=25 syn",
	"vlan " BAD6 "hop route frag6=0 ah dest tcp=25 syn",
};

/* Every length that lacks something: nothing may be refused for what is not there. */
static void check_cuts(struct bench *b)
{
	for (size_t i = 0; i < ARRAY_LEN(cuttable); i++) {
		unsigned odd = 0, wrong = 0;
		struct frame f;
		size_t whole;

		frame_build(&f, cuttable[i]);
		whole = f.n;
		for (f.n = 14; f.n < whole; f.n++) {
			int v = packet(b, &f);

			odd += v == THROTTLE_PASS_ODD;
			wrong += v != THROTTLE_PASS_ODD;
		}
		T_OK(wrong == 0, "%u lengths of '%s' that lack something pass as odd", odd,
		     cuttable[i]);
		T_OK(packet(b, &f) == THROTTLE_DROP_DENIED, "and the whole of it is denied");
	}
}

static void check_shapes(struct bench *b)
{
	put(b, THROTTLE_LIST_DENY, "203.0.113.0/24", 0, 0);
	put(b, THROTTLE_LIST_DENY, "2001:db8:bad::/48", 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct frame f;
		int v;

		frame_build(&f, shapes[i].words);
		v = packet(b, &f);
		T_OK(v == shapes[i].verdict, "'%s': verdict %d (%d)", shapes[i].words,
		     shapes[i].verdict, v);
	}
	check_cuts(b);
	take(b, THROTTLE_LIST_DENY, "203.0.113.0/24");
	take(b, THROTTLE_LIST_DENY, "2001:db8:bad::/48");
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Valid frames with bytes changed and lengths cut: an action, and no error. */
static void check_random(struct bench *b)
{
	uint64_t state = 20261125;
	unsigned wrong = 0, dropped = 0;

	put(b, THROTTLE_LIST_DENY, "::/0", 0, 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct frame f;
		int action;

		frame_build(&f, shapes[next_random(&state) % ARRAY_LEN(shapes)].words);
		for (uint64_t n = next_random(&state) % 6; n > 0; n--)
			f.bytes[12 + next_random(&state) % (f.n - 12)] =
				(uint8_t)next_random(&state);
		if (next_random(&state) % 4 == 0)
			f.n = 14 + next_random(&state) % (f.n - 13);
		action = frame_run(prog_packet(b), &f, 1, NULL);
		dropped += action == XDP_DROP;
		wrong += action != XDP_PASS && action != XDP_DROP;
	}
	T_OK(wrong == 0 && dropped > 1000, "20,000 damaged frames pass or are dropped (%u)",
	     dropped);
	take(b, THROTTLE_LIST_DENY, "::/0");
}

/* --- who is let in --- */

static void check_refill(struct bench *b)
{
	struct throttle_entry e = { 0 };

	forget(b);
	for (int i = 0; i < 4; i++)
		(void)lookup(b, "192.0.2.1");
	T_OK(get_entry(b, "192.0.2.1", &e) && e.seen == 4 && e.refused == 1,
	     "4 seen, 1 refused of the host");
	e.full_ns -= HOUR_NS;
	set_entry(b, "192.0.2.1", &e);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "an hour earns one connection");
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_RATE, "and no more than one");
	(void)get_entry(b, "192.0.2.1", &e);
	e.full_ns += 100 * HOUR_NS;
	T_OK(e.depth_ns == 3 * HOUR_NS, "the bucket's depth is written beside it");
	set_entry(b, "192.0.2.1", &e);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_RATE, "a debt of this limit has to be paid");
	e.depth_ns += 100 * HOUR_NS;
	set_entry(b, "192.0.2.1", &e);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "what a stricter limit left behind is over");
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_RATE, "after which the limit holds");
	T_OK(get_entry(b, "192.0.2.0/24", &e) && e.seen == 5 && e.refused == 0,
	     "the network is charged for those let in only");
}

static void check_refund(struct bench *b)
{
	static const struct throttle_entry full;
	struct throttle_entry e = { 0 };
	int passes = 0;

	forget(b);
	for (int i = 0; i < 5; i++)
		(void)lookup(b, i < 3 ? "192.0.2.1" : "192.0.2.2");
	for (int i = 0; i < 3; i++)
		passes += lookup(b, "192.0.2.3") == THROTTLE_PASS;
	T_OK(passes == 0, "the network has nothing left for a third host");
	T_OK(get_entry(b, "192.0.2.3", &e) && e.seen == 0, "which is not charged for that");
	set_entry(b, "192.0.2.0/24", &full);
	for (int i = 0; i < 3; i++)
		passes += lookup(b, "192.0.2.3") == THROTTLE_PASS;
	T_OK(passes == 3, "it still has its own three (%d)", passes);
}

static void check_source(struct bench *b)
{
	struct throttle_prefix p = prefix("192.0.2.1");
	struct throttle_source s[3];
	struct err err;
	size_t n = 0;

	forget(b);
	(void)lookup(b, "192.0.2.1");
	set_open(b, "192.0.2.0/24", 7);
	T_OK(throttle_maps_source(b->maps, &p, s, &n, &err) == 0 && n == 2, "two tiers of IPv4");
	T_OK(s[0].known && s[0].seen == 1 && s[0].tokens_x1000 >= 2000 && s[0].tokens_x1000 < 2010,
	     "one of three taken: %llu thousandths left", (unsigned long long)s[0].tokens_x1000);
	T_OK(s[1].prefix.bits == 120 && s[1].open == 7 && s[0].open == 0, "open connections");
	set_open(b, "192.0.2.0/24", 0);
	p = prefix("2001:db8::1");
	T_OK(throttle_maps_source(b->maps, &p, s, &n, &err) == 0 && n == 3 && !s[0].known &&
		     s[2].prefix.bits == 48,
	     "three tiers of IPv6, nothing known");
}

static void check_lists(struct bench *b, int (*ask)(struct bench *, const char *),
			const char *layer)
{
	forget(b);
	put(b, THROTTLE_LIST_DENY, "198.51.100.0/24", 0, 0);
	put(b, THROTTLE_LIST_ALLOW, "198.51.100.0/28", 0, 0);
	put(b, THROTTLE_LIST_PENALTY, "198.51.100.1", THROTTLE_NOTHING, UINT64_MAX);
	T_OK(ask(b, "198.51.100.1") == THROTTLE_PASS_ALLOWED,
	     "%s: the allow list comes before the others", layer);
	T_OK(ask(b, "198.51.100.16") == THROTTLE_DROP_DENIED, "%s: denied beside it", layer);
	for (int i = 0; i < 20; i++)
		(void)ask(b, "198.51.100.2");
	T_OK(ask(b, "198.51.100.2") == THROTTLE_PASS_ALLOWED, "%s: allowed without a limit", layer);
	take(b, THROTTLE_LIST_ALLOW, "198.51.100.0/28");
	T_OK(ask(b, "198.51.100.1") == THROTTLE_DROP_DENIED, "%s: deny list before penalties",
	     layer);
	take(b, THROTTLE_LIST_DENY, "198.51.100.0/24");
	T_OK(ask(b, "198.51.100.1") == THROTTLE_DROP_PENALTY, "%s: then the penalty", layer);
	T_OK(ask(b, "198.51.100.2") == THROTTLE_PASS, "%s: of that address only", layer);
	take(b, THROTTLE_LIST_PENALTY, "198.51.100.1");
	put(b, THROTTLE_LIST_ALLOW, "2001:db8:2::/48", 0, 0);
	put(b, THROTTLE_LIST_DENY, "2001:db8:2:3::/64", 0, 0);
	T_OK(ask(b, "2001:db8:2:3::4") == THROTTLE_PASS_ALLOWED, "%s: IPv6 likewise", layer);
	take(b, THROTTLE_LIST_ALLOW, "2001:db8:2::/48");
	T_OK(ask(b, "2001:db8:2:3::4") == THROTTLE_DROP_DENIED, "%s: IPv6 denied", layer);
	take(b, THROTTLE_LIST_DENY, "2001:db8:2:3::/64");
}

static const struct {
	const char *what, *prefix, *second;
	int level, second_level;
	bool expired;
	int passes;  /* of ten connections of 192.0.2.1 */
	int verdict; /* of those refused */
} penalties[] = {
	{ "none: the usual burst", NULL, NULL, 0, 0, false, 3, THROTTLE_DROP_RATE },
	{ "nothing", "192.0.2.1", NULL, THROTTLE_NOTHING, 0, false, 0, THROTTLE_DROP_PENALTY },
	{ "expired", "192.0.2.1", NULL, THROTTLE_NOTHING, 0, true, 3, THROTTLE_DROP_RATE },
	{ "few: one", "192.0.2.1", NULL, THROTTLE_FEW, 0, false, 1, THROTTLE_DROP_PENALTY },
	{ "few for the network: one", "192.0.2.0/24", NULL, THROTTLE_FEW, 0, false, 1,
	  THROTTLE_DROP_PENALTY },
	{ "slower: the burst, but for longer", "192.0.2.1", NULL, THROTTLE_SLOWER, 0, false, 3,
	  THROTTLE_DROP_PENALTY },
	{ "of another host", "192.0.2.2", NULL, THROTTLE_NOTHING, 0, false, 3, THROTTLE_DROP_RATE },
	{ "of everybody", "::/0", NULL, THROTTLE_NOTHING, 0, false, 0, THROTTLE_DROP_PENALTY },
	{ "an expired one of the host does not hide its network's", "192.0.2.1", "192.0.2.0/24",
	  THROTTLE_SLOWER, THROTTLE_NOTHING, true, 0, THROTTLE_DROP_PENALTY },
	{ "nor does a milder one", "192.0.2.1", "192.0.2.0/24", THROTTLE_SLOWER, THROTTLE_NOTHING,
	  false, 0, THROTTLE_DROP_PENALTY },
	{ "a milder one of the network does not help the host", "192.0.2.1", "192.0.0.0/16",
	  THROTTLE_NOTHING, THROTTLE_SLOWER, false, 0, THROTTLE_DROP_PENALTY },
};

static uint32_t empty_flags(struct bench *b)
{
	struct throttle_settings s = { 0 };
	uint32_t zero = 0;

	(void)bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.settings), &zero, &s);
	return s.flags;
}

/* Lists that are empty are not looked at: never so while there is something in them. */
static void check_empty(struct bench *b)
{
	static const struct {
		enum throttle_list l;
		uint32_t flag;
		int verdict;
	} lists[] = { { THROTTLE_LIST_ALLOW, THROTTLE_F_NO_ALLOW, THROTTLE_PASS_ALLOWED },
		      { THROTTLE_LIST_DENY, THROTTLE_F_NO_DENY, THROTTLE_DROP_DENIED },
		      { THROTTLE_LIST_PENALTY, THROTTLE_F_NO_PENALTY, THROTTLE_DROP_PENALTY } };
	const uint32_t all = THROTTLE_F_NO_ALLOW | THROTTLE_F_NO_DENY | THROTTLE_F_NO_PENALTY;
	struct throttle_settings raw = b->settings;
	uint32_t zero = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		forget(b);
		T_OK(empty_flags(b) == all, "list %zu: all are empty", i);
		put(b, lists[i].l, "192.0.2.1", THROTTLE_NOTHING, UINT64_MAX);
		put(b, lists[i].l, "2001:db8::/32", THROTTLE_NOTHING, UINT64_MAX);
		T_OK(empty_flags(b) == (all & ~lists[i].flag) &&
			     lookup(b, "192.0.2.1") == lists[i].verdict,
		     "  two entries: it is looked at");
		apply(b);
		T_OK(empty_flags(b) == (all & ~lists[i].flag) &&
			     lookup(b, "2001:db8::1") == lists[i].verdict,
		     "  after a reload, too");
		take(b, lists[i].l, "192.0.2.1");
		T_OK(lookup(b, "2001:db8::1") == lists[i].verdict, "  and with one entry left");
		/* What the supervisor writes at a start over maps that were pinned. */
		raw.version = THROTTLE_ABI_VERSION;
		(void)bpf_map_update_elem(bpf_map__fd(b->skel->maps.settings), &zero, &raw, 0);
		T_OK(empty_flags(b) == 0 && lookup(b, "2001:db8::1") == lists[i].verdict,
		     "  settings of one who does not know are safe");
		take(b, lists[i].l, "2001:db8::/32");
		T_OK(lookup(b, "2001:db8::1") == THROTTLE_PASS, "  and none");
		apply(b);
	}
}

static void check_penalties(struct bench *b, int (*ask)(struct bench *, const char *),
			    const char *layer)
{
	for (size_t i = 0; i < ARRAY_LEN(penalties); i++) {
		int passes = 0, fits = 0;

		forget(b);
		if (penalties[i].prefix != NULL)
			put(b, THROTTLE_LIST_PENALTY, penalties[i].prefix,
			    (enum throttle_level)penalties[i].level,
			    penalties[i].expired ? 1 : UINT64_MAX);
		if (penalties[i].second != NULL)
			put(b, THROTTLE_LIST_PENALTY, penalties[i].second,
			    (enum throttle_level)penalties[i].second_level, UINT64_MAX);
		for (int n = 0; n < 10; n++) {
			int v = ask(b, "192.0.2.1");

			passes += v == THROTTLE_PASS;
			fits += v == THROTTLE_PASS || v == penalties[i].verdict;
		}
		T_OK(passes == penalties[i].passes && fits == 10,
		     "%s: penalty %s: %d of 10 (%d), the rest %d", layer, penalties[i].what,
		     penalties[i].passes, passes, penalties[i].verdict);
		if (penalties[i].prefix != NULL)
			take(b, THROTTLE_LIST_PENALTY, penalties[i].prefix);
		if (penalties[i].second != NULL)
			take(b, THROTTLE_LIST_PENALTY, penalties[i].second);
	}
}

/* A part of the usual rate: an hour earns nothing, ten hours earn one. */
static void check_slower(struct bench *b)
{
	struct throttle_entry e = { 0 };
	unsigned passes = 0;

	forget(b);
	put(b, THROTTLE_LIST_PENALTY, "192.0.2.1", THROTTLE_SLOWER, UINT64_MAX);
	for (int i = 0; i < 3; i++)
		(void)lookup(b, "192.0.2.1");
	for (int i = 0; i < 5; i++)
		passes += lookup(b, "192.0.2.2") == THROTTLE_PASS;
	T_OK(passes == 2, "slower: its neighbours have what it left of five (%u)", passes);
	forget(b);
	for (int i = 0; i < 4; i++)
		(void)lookup(b, "192.0.2.1");
	(void)get_entry(b, "192.0.2.1", &e);
	e.full_ns -= HOUR_NS;
	set_entry(b, "192.0.2.1", &e);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_PENALTY, "slower: an hour earns nothing");
	e.full_ns -= 9 * HOUR_NS;
	set_entry(b, "192.0.2.1", &e);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "slower: ten hours earn one");
	take(b, THROTTLE_LIST_PENALTY, "192.0.2.1");
}

static void check_concurrency(struct bench *b)
{
	forget(b);
	b->settings.tiers[THROTTLE_V4_HOST].concurrent = 2;
	b->settings.tiers[THROTTLE_V4_NET].concurrent = 4;
	b->settings.tiers[THROTTLE_V6_SITE].concurrent = 3;
	apply(b);
	set_open(b, "192.0.2.0/24", 1);
	set_open(b, "192.0.2.1", 1);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "one of two open");
	set_open(b, "192.0.2.0/24", 2);
	set_open(b, "192.0.2.1", 2);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_CONCURRENT, "two of two open");
	T_OK(lookup(b, "192.0.2.2") == THROTTLE_PASS, "its neighbour has none");
	set_open(b, "192.0.2.0/24", 4);
	T_OK(lookup(b, "192.0.2.2") == THROTTLE_DROP_CONCURRENT, "but their network has four");
	set_open(b, "192.0.2.0/24", THROTTLE_OPEN_GONE);
	set_open(b, "192.0.2.1", THROTTLE_OPEN_GONE);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "entries about to go count nothing");
	set_open(b, "2001:db8:1::/48", 3);
	T_OK(lookup(b, "2001:db8:1:9::9") == THROTTLE_DROP_CONCURRENT, "a /48");
	put(b, THROTTLE_LIST_PENALTY, "192.0.2.9", THROTTLE_FEW, UINT64_MAX);
	set_open(b, "192.0.2.0/24", 1);
	set_open(b, "192.0.2.9", 1);
	T_OK(lookup(b, "192.0.2.9") == THROTTLE_DROP_PENALTY, "few means one at a time");
	set_open(b, "192.0.2.9", 0);
	set_open(b, "192.0.2.0/24", 2);
	T_OK(lookup(b, "192.0.2.9") == THROTTLE_PASS, "of that host, not of its network");
	take(b, THROTTLE_LIST_PENALTY, "192.0.2.9");
	set_open(b, "192.0.2.0/24", 0);
	set_open(b, "2001:db8:1::/48", 0);
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].concurrent = 0;
	apply(b);
}

/* A tier without a limit refuses nobody, however many are open in another. */
static void check_unlimited(struct bench *b)
{
	forget(b);
	b->settings.tiers[THROTTLE_V4_HOST].concurrent = 2;
	b->settings.tiers[THROTTLE_V6_NET].concurrent = 2;
	b->settings.tiers[THROTTLE_V6_SITE].concurrent = 5;
	apply(b);
	set_open(b, "192.0.2.0/24", 9);
	set_open(b, "192.0.2.1", 1);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "a network without a limit");
	set_open(b, "192.0.2.1", 2);
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_DROP_CONCURRENT, "  in which each host has one");
	set_open(b, "2001:db8:1::/48", 4);
	set_open(b, "2001:db8:1:9::/64", 1);
	set_open(b, "2001:db8:1:9::9", 1);
	T_OK(lookup(b, "2001:db8:1:9::9") == THROTTLE_PASS, "a host without a limit");
	set_open(b, "2001:db8:1:9::/64", 2);
	T_OK(lookup(b, "2001:db8:1:9::9") == THROTTLE_DROP_CONCURRENT, "  in a /64 that has one");
	set_open(b, "192.0.2.0/24", 0);
	set_open(b, "192.0.2.1", 0);
	set_open(b, "2001:db8:1::/48", 0);
	set_open(b, "2001:db8:1:9::/64", 0);
	set_open(b, "2001:db8:1:9::9", 0);
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i].concurrent = 0;
	apply(b);
}

static void check_settings(struct bench *b)
{
	struct frame f;

	forget(b);
	T_OK(lookup_port(b, "192.0.2.1", 26, 6) == NONE, "another port is not looked at");
	T_OK(lookup_port(b, "192.0.2.1", 25, 17) == NONE, "nor UDP");
	T_OK(lookup_port(b, "192.0.2.1", 587, 6) == THROTTLE_PASS, "the second port is");
	T_OK(lookup(b, "127.0.0.1") == THROTTLE_PASS_ALLOWED, "loopback is never refused");
	T_OK(lookup(b, "::1") == THROTTLE_PASS_ALLOWED, "nor is that of IPv6");
	b->settings.flags = THROTTLE_F_LOOPBACK;
	apply(b);
	put(b, THROTTLE_LIST_DENY, "127.0.0.0/8", 0, 0);
	T_OK(lookup(b, "127.0.0.1") == THROTTLE_DROP_DENIED, "unless a test wants it");
	take(b, THROTTLE_LIST_DENY, "127.0.0.0/8");
	b->settings.flags = 0;

	put(b, THROTTLE_LIST_DENY, "203.0.113.0/24", 0, 0);
	b->settings.enforce = 0;
	apply(b);
	T_OK(lookup(b, "203.0.113.1") == THROTTLE_DROP_DENIED, "count only: counted, let in");
	frame_build(&f, BAD4 "tcp=25 syn");
	T_OK(packet(b, &f) == THROTTLE_DROP_DENIED, "count only: the packet too");
	b->settings.enforce = 1;
	apply(b);
	T_OK(lookup(b, "203.0.113.1") == THROTTLE_DROP_DENIED, "enforced again without a reload");
	take(b, THROTTLE_LIST_DENY, "203.0.113.0/24");

	memset(b->settings.ports, 0, sizeof(b->settings.ports));
	apply(b);
	T_OK(lookup(b, "192.0.2.1") == NONE, "without ports nothing is looked at");
	for (int i = 0; i < THROTTLE_PORTS_MAX; i++)
		b->settings.ports[i] = (uint16_t)(1000 + i);
	apply(b);
	T_OK(lookup_port(b, "192.0.2.1", 1015, 6) == THROTTLE_PASS, "sixteen ports");
	T_OK(lookup_port(b, "192.0.2.1", 1016, 6) == NONE, "and not a seventeenth");
}

/* Far more sources than the map holds: all of them pass. */
static void check_full(struct bench *b)
{
	struct throttle_counts before, after;
	char address[ADDRESS_MAX];
	struct err err;
	int r = 0;

	before = counts(b);
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(address, sizeof(address), "10.%u.%u.1", i >> 8, i & 255);
		(void)lookup_run(prog_lookup(b), address, PORT, 6, 1, NULL);
	}
	after = counts(b);
	T_OK(after.n[THROTTLE_LAYER_LOOKUP][THROTTLE_PASS] +
			     after.n[THROTTLE_LAYER_LOOKUP][THROTTLE_PASS_FULL] -
			     before.n[THROTTLE_LAYER_LOOKUP][THROTTLE_PASS] -
			     before.n[THROTTLE_LAYER_LOOKUP][THROTTLE_PASS_FULL] ==
		     10000,
	     "10,000 networks through a map of 4,096 entries: all pass");
	for (unsigned i = 0; i <= LISTS_MAX && r == 0; i++) {
		struct throttle_prefix p;

		(void)snprintf(address, sizeof(address), "10.0.0.%u", i);
		p = prefix(address);
		r = throttle_maps_put(b->maps, THROTTLE_LIST_ALLOW, &p, NULL, &err);
		T_OK(r == (i < LISTS_MAX ? 0 : -E2BIG), "allow list: entry %u %s", i,
		     r == 0 ? "fits" : err.text);
	}
	T_OK(lookup(b, "10.0.0.63") == THROTTLE_PASS_ALLOWED, "the last one that fitted counts");
}

static unsigned events_n;
static struct throttle_event last_event;

static void on_event(void *arg, const struct throttle_event *e)
{
	(void)arg;
	events_n++;
	last_event = *e;
}

static unsigned drain(struct bench *b)
{
	struct err err;

	events_n = 0;
	if (throttle_maps_events(b->maps, on_event, NULL, &err) != (int)events_n)
		(void)T_OK(false, "events: %s", err.text);
	return events_n;
}

static void check_events(struct bench *b)
{
	const uint8_t *a = last_event.addr;
	struct throttle_entry e;
	struct throttle_counts before;
	char address[ADDRESS_MAX];

	forget(b);
	(void)drain(b);
	for (int i = 0; i < 3; i++)
		(void)lookup(b, "192.0.2.1");
	T_OK(drain(b) == 0, "no event while connections pass");
	for (int i = 0; i < 5; i++)
		(void)lookup(b, "192.0.2.1");
	T_OK(drain(b) == 1, "five refusals are one event");
	T_OK(a[10] == 0xff && a[12] == 192 && a[15] == 1 && last_event.port == PORT &&
		     last_event.verdict == THROTTLE_DROP_RATE &&
		     last_event.layer == THROTTLE_LAYER_LOOKUP && last_event.prefix_bits == 128,
	     "it says who, where, why and which prefix");
	(void)get_entry(b, "192.0.2.1", &e);
	e.event_ns -= THROTTLE_EVENT_GAP_NS;
	set_entry(b, "192.0.2.1", &e);
	(void)lookup(b, "192.0.2.1");
	T_OK(drain(b) == 1, "after a minute there is another");
	put(b, THROTTLE_LIST_DENY, "203.0.113.0/24", 0, 0);
	(void)lookup(b, "203.0.113.1");
	(void)lookup(b, "203.0.113.2");
	T_OK(drain(b) == 1 && last_event.prefix_bits == 120 &&
		     last_event.verdict == THROTTLE_DROP_DENIED,
	     "one for a denied network");
	take(b, THROTTLE_LIST_DENY, "203.0.113.0/24");
	before = counts(b);
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(address, sizeof(address), "203.0.113.%u", i);
		put(b, THROTTLE_LIST_DENY, address, 0, 0);
		(void)lookup(b, address);
	}
	T_OK(counts(b).events_lost > before.events_lost &&
		     drain(b) + counts(b).events_lost - before.events_lost == 200,
	     "events that the ring has no room for are counted");
}

/* XDP in front of sk_lookup: lists and penalties, and only what is far above the rates. */
static void check_flood(struct bench *b)
{
	struct throttle_entry e = { 0 };
	int passes = 0;

	b->settings.flood_factor = 0;
	apply(b);
	for (int i = 0; i < 100; i++)
		passes += syn(b, "192.0.2.1") == THROTTLE_PASS;
	T_OK(passes == 100, "in front of sk_lookup rates are not XDP's");
	T_OK(!get_entry(b, "192.0.2.1", &e), "and nothing is charged");
	b->settings.flood_factor = 4;
	apply(b);
	passes = 0;
	for (int i = 0; i < 100; i++)
		passes += syn(b, "192.0.2.1") == THROTTLE_PASS;
	T_OK(passes == 12, "flood factor 4, burst 3: 12 pass (%d)", passes);
	T_OK(get_entry(b, "192.0.2.1", &e) && e.full_ns == 0, "the usual bucket is untouched");
	T_OK(lookup(b, "192.0.2.1") == THROTTLE_PASS, "sk_lookup still has all of it");
	set_open(b, "192.0.2.0/24", 100);
	set_open(b, "192.0.2.7", 100);
	b->settings.tiers[THROTTLE_V4_HOST].concurrent = 1;
	apply(b);
	T_OK(syn(b, "192.0.2.7") == THROTTLE_PASS, "open connections are sk_lookup's");
	check_lists(b, syn, "flood");
}

int main(void)
{
	struct bench b = { 0 };
	int r;

	(void)libbpf_set_print(quiet);
	if (!kernel_can())
		return t_skip_all(KERNEL_CANNOT);
	r = load(&b, true);
	if (!T_OK(r == 0, "the verifier takes the programs (%s)", strerror(-r)))
		return t_done();
	if (!T_OK(open_maps(&b) == 0, "the gateway's side opens"))
		return t_done();
	init_settings(&b);
	check_shapes(&b);
	check_random(&b);
	check_rates(&b, lookup, "sk_lookup");
	check_rates(&b, syn, "XDP");
	check_refill(&b);
	check_refund(&b);
	check_source(&b);
	check_lists(&b, lookup, "sk_lookup");
	check_lists(&b, syn, "XDP");
	check_empty(&b);
	check_penalties(&b, lookup, "sk_lookup");
	check_penalties(&b, syn, "XDP");
	check_slower(&b);
	check_concurrency(&b);
	check_unlimited(&b);
	check_events(&b);
	check_settings(&b);
	done(&b);

	T_OK(load(&b, false) == 0 && open_maps(&b) == 0, "XDP in front of sk_lookup");
	init_settings(&b);
	check_flood(&b);
	check_full(&b);
	done(&b);

	r = load_counting();
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		printf("ok %u - the verifier takes the programs that count # SKIP no BTF\n",
		       ++t_count_);
	else
		T_OK(r == 0, "the verifier takes the programs that count (%s)", strerror(-r));
	return t_done();
}
