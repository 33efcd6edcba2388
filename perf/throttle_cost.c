/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/throttle_cost.c - what the throttle costs for each packet and each look-up, beside a program
 * that does nothing. Through the kernel's test run: no network. Root. An argument: only the rows
 * with these words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "charge_probe.skel.h"
#include "conn_throttle.skel.h"
#include "core/base.h"
#include "tests/throttle/packets.h"
#include "throttle/kernel.h"

#define REPEAT  50000
#define ROUNDS  21
#define LISTED  10000
#define SOURCES 200000
#define HOUR_NS (UINT64_C(3600) * 1000000000)

static struct conn_throttle_bpf *skel;
static struct charge_probe_bpf *probe;
static struct throttle_maps *maps;
static struct throttle_settings settings = { .enforce = 1, .slower_div = 10, .ports = { 25, 587 } };
static uint32_t empty_xdp_ns, empty_lookup_ns;
static const char *only = "";

static void die(const char *what, int r)
{
	fprintf(stderr, "throttle_cost: %s: %s\n", what, strerror(-r));
	exit(77);
}

/* What the tracepoint does when a handshake ends, over the same maps. */
static void load_probe(void)
{
	struct bpf_map *m;
	int r = 0;

	if (probe != NULL)
		charge_probe_bpf__destroy(probe);
	probe = charge_probe_bpf__open();
	if (probe == NULL)
		die("open the probe", -errno);
	bpf_object__for_each_map (m, skel->obj) {
		struct bpf_map *to = bpf_object__find_map_by_name(probe->obj, bpf_map__name(m));

		if (r == 0 && to != NULL && !bpf_map__is_internal(m))
			r = bpf_map__reuse_fd(to, bpf_map__fd(m));
	}
	if (r == 0)
		r = charge_probe_bpf__load(probe);
	if (r < 0)
		die("load the probe", r);
}

static void load(bool xdp_alone)
{
	int fds[THROTTLE_FDS];
	struct err err;
	int r;

	throttle_maps_close(&maps);
	if (skel != NULL)
		conn_throttle_bpf__destroy(skel);
	skel = conn_throttle_bpf__open();
	if (skel == NULL)
		die("open the programs", -errno);
	(void)bpf_map__set_max_entries(skel->maps.allow, 2 * LISTED);
	(void)bpf_map__set_max_entries(skel->maps.deny, 2 * LISTED);
	(void)bpf_map__set_max_entries(skel->maps.penalty, 2 * LISTED);
	(void)bpf_map__set_max_entries(skel->maps.rates, 65536);
	(void)bpf_map__set_max_entries(skel->maps.open, 65536);
	skel->rodata->xdp_alone = xdp_alone;
	r = conn_throttle_bpf__load(skel);
	if (r < 0)
		die("load the programs", r);
	load_probe();
	const struct bpf_map *const from[THROTTLE_FDS] = {
		skel->maps.settings, skel->maps.allow, skel->maps.deny,  skel->maps.penalty,
		skel->maps.rates,    skel->maps.open,  skel->maps.stats, skel->maps.events,
	};
	for (int i = 0; i < THROTTLE_FDS; i++)
		fds[i] = dup(bpf_map__fd(from[i]));
	r = throttle_maps_open(&maps, fds, &err);
	if (r < 0)
		die(err.text, r);
}

static bool handshakes;

static void change(uint32_t flag, bool on, uint64_t cells_from_ns)
{
	int fd = bpf_map__fd(skel->maps.settings);
	struct throttle_settings s;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &s) < 0)
		die("read settings", -errno);
	s.flags = (s.flags & ~flag) | (on ? flag : 0);
	s.cells_from_ns = cells_from_ns;
	if (bpf_map_update_elem(fd, &zero, &s, BPF_ANY) < 0)
		die("write settings", -errno);
}

/* As if the limits had been the same for long enough. */
static void use_cells(bool yes)
{
	change(0, false, yes ? 1 : 0);
}

/* As the supervisor says; the gateway's settings leave it at that. */
static void charge_handshakes(bool yes)
{
	handshakes = yes;
	change(THROTTLE_F_HANDSHAKE, yes, 1);
}

/* The same limits for all tiers. */
static void limits(uint64_t interval_ns, uint32_t burst, uint32_t concurrent, uint32_t flood)
{
	struct err err;
	int r;

	for (int i = 0; i < THROTTLE_TIERS; i++)
		settings.tiers[i] = (struct throttle_rate){ interval_ns, burst, concurrent };
	settings.flood_factor = flood;
	r = throttle_maps_settings(maps, &settings, &err);
	if (r < 0)
		die(err.text, r);
	charge_handshakes(handshakes);
}

static void put(enum throttle_list l, const char *text, enum throttle_level level)
{
	struct throttle_penalty penalty = { .until_ns = UINT64_MAX, .level = level };
	struct throttle_prefix p;
	struct err err;

	if (!throttle_prefix_parse(text, &p) ||
	    throttle_maps_put(maps, l, &p, l == THROTTLE_LIST_PENALTY ? &penalty : NULL, &err) < 0)
		die("fill a list", -EINVAL);
}

/* Networks that are in nobody's way, so that the tries are as deep as in use. */
static void fill_lists(void)
{
	char text[64];

	for (unsigned i = 0; i < LISTED; i++) {
		(void)snprintf(text, sizeof(text), "172.%u.%u.0/24", i >> 8, i & 255);
		put(THROTTLE_LIST_ALLOW, text, THROTTLE_NORMAL);
		put(THROTTLE_LIST_DENY, text, THROTTLE_NORMAL);
		put(THROTTLE_LIST_PENALTY, text, THROTTLE_NOTHING);
	}
}

static void row(const char *what, uint32_t ns, uint32_t empty_ns)
{
	printf("| %-58s | %5u | %+5d | %5.1f |\n", what, ns, (int)ns - (int)empty_ns,
	       (double)ns / (double)MAX_OF(empty_ns, 1u));
	fflush(stdout);
}

static uint32_t packet_ns(int fd, const char *words)
{
	struct frame f;
	uint32_t best = UINT32_MAX, ns;

	frame_build(&f, words);
	for (int i = 0; i < ROUNDS; i++) {
		int r = frame_run(fd, &f, REPEAT, &ns);

		if (r < 0)
			die("run", r);
		best = MIN_OF(best, ns);
	}
	return best;
}

static uint32_t lookup_ns(int fd, const char *address, uint16_t port)
{
	uint32_t best = UINT32_MAX, ns;

	for (int i = 0; i < ROUNDS; i++) {
		int r = lookup_run(fd, address, port, 6, REPEAT, &ns);

		if (r < 0)
			die("run", r);
		best = MIN_OF(best, ns);
	}
	return best;
}

static void packet(const char *what, const char *words)
{
	if (strstr(what, only) == NULL)
		return;
	row(what, packet_ns(bpf_program__fd(skel->progs.on_packet), words), empty_xdp_ns);
}

static void lookup(const char *what, const char *address, uint16_t port)
{
	if (strstr(what, only) == NULL)
		return;
	row(what, lookup_ns(bpf_program__fd(skel->progs.on_lookup), address, port),
	    empty_lookup_ns);
}

static void ended(const char *what, const char *address)
{
	uint32_t ns;

	(void)lookup_run(bpf_program__fd(probe->progs.on_ended), address, 25, 6, 1, &ns);
	if (strstr(what, only) == NULL)
		return;
	row(what, lookup_ns(bpf_program__fd(probe->progs.on_ended), address, 25), empty_lookup_ns);
}

/* A program that returns @value. */
static int empty(enum bpf_prog_type type, enum bpf_attach_type attach, int value)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = value },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	int fd = bpf_prog_load(type, "empty", "GPL", code, ARRAY_LEN(code), &opts);

	if (fd < 0)
		die("load an empty program", -errno);
	return fd;
}

static void measure_empty(void)
{
	AUTO(fd_close) int xdp = empty(BPF_PROG_TYPE_XDP, BPF_XDP, XDP_PASS);
	AUTO(fd_close) int look = empty(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, SK_PASS);

	empty_xdp_ns = packet_ns(xdp, "ip4=192.0.2.1 tcp=25 syn");
	empty_lookup_ns = lookup_ns(look, "192.0.2.1", 25);
	row("XDP: a program that does nothing", empty_xdp_ns, empty_xdp_ns);
	row("sk_lookup: a program that does nothing", empty_lookup_ns, empty_lookup_ns);
}

static void measure_unrelated(void)
{
	packet("XDP: UDP", "ip4=192.0.2.1 udp=53");
	packet("XDP: TCP data to port 25", "ip4=192.0.2.1 tcp=25 ack pad=512");
	packet("XDP: TCP data, IPv6", "ip6=2001:db8::1 tcp=25 ack pad=512");
	packet("XDP: SYN to another port", "ip4=192.0.2.1 tcp=443 syn");
	packet("XDP: ARP", "arp");
	lookup("sk_lookup: another port", "192.0.2.1", 443);
}

/* As if connections of the source were open. */
static void opened(const char *host, const char *net, const char *site)
{
	const char *const tiers[] = { host, net, site };
	const struct throttle_open some = { .n = 3 };
	struct throttle_prefix p;

	for (size_t i = 0; i < ARRAY_LEN(tiers) && tiers[i] != NULL; i++) {
		struct throttle_lpm_key key;

		if (!throttle_prefix_parse(tiers[i], &p))
			die("parse", -EINVAL);
		key.prefix_bits = p.bits;
		memcpy(key.addr, p.addr, sizeof(key.addr));
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.open), &key, &some, BPF_ANY) < 0)
			die("fill the map of open connections", -errno);
	}
}

static void none_opened(void)
{
	int fd = bpf_map__fd(skel->maps.open);
	struct throttle_lpm_key key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		(void)bpf_map_delete_elem(fd, &key);
}

/* What hours of an earlier limit left in the cells. */
static void none_empty(void)
{
	static const struct throttle_cell fresh;

	for (uint32_t i = 0; i < THROTTLE_CELLS; i++)
		(void)bpf_map_update_elem(bpf_map__fd(skel->maps.cells), &i, &fresh, BPF_ANY);
}

/* Charged at the SYN: what is left where ended handshakes are not seen. */
static void measure_syn(void)
{
	none_opened();
	charge_handshakes(false);
	limits(1, 1000000, 0, 0);
	packet("XDP alone: SYN, 2 tiers, passes", "ip4=192.0.2.1 tcp=25 syn");
	packet("XDP alone: SYN, IPv6, 3 tiers, passes", "ip6=2001:db8::1 tcp=25 syn");
	lookup("charged at the SYN: 2 tiers, passes", "192.0.2.1", 25);
	lookup("charged at the SYN: IPv6, 3 tiers, passes", "2001:db8::1", 25);
	limits(1, 1000000, 100, 0);
	lookup("the same with limits of open connections", "192.0.2.1", 25);
	lookup("the same, IPv6", "2001:db8::1", 25);
	opened("192.0.2.1", "192.0.2.0/24", NULL);
	opened("2001:db8::1", "2001:db8::/64", "2001:db8::/48");
	lookup("the same, and some of the source are open", "192.0.2.1", 25);
	lookup("the same, IPv6, some open", "2001:db8::1", 25);
	limits(HOUR_NS, 1, 0, 0);
	packet("XDP alone: SYN, over the rate", "ip4=192.0.2.1 tcp=25 syn");
	lookup("charged at the SYN: over the rate", "192.0.2.1", 25);
	lookup("charged at the SYN: IPv6, over the rate", "2001:db8::1", 25);
}

static const char *const who[] = { "192.0.2.1", "2001:db8::1" };

/* They end @n handshakes; a change of limits had made them unknown. */
static void end_some(int n)
{
	for (size_t i = 0; i < ARRAY_LEN(who); i++)
		for (int k = 0; k < n; k++)
			if (lookup_run(bpf_program__fd(probe->progs.on_ended), who[i], 25, 6, 1,
				       NULL) < 0)
				die("run", -errno);
}

/* SYNs looked at, ended handshakes charged; the default's limits of open connections. */
static void measure_handshakes(void)
{
	char text[80];

	none_opened();
	none_empty();
	charge_handshakes(true);
	limits(1, 1000000, 100, 0);
	lookup("SYN looked at: never here before", "198.18.1.1", 25);
	lookup("SYN looked at: IPv6, never here before", "2001:db8:5:5::5", 25);
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		const char *v6 = i == 1 ? "IPv6, " : "";

		(void)snprintf(text, sizeof(text), "handshake ended: %scharged", v6);
		ended(text, who[i]);
		(void)snprintf(text, sizeof(text), "SYN looked at: %shere before", v6);
		lookup(text, who[i], 25);
	}
	opened("192.0.2.1", "192.0.2.0/24", NULL);
	opened("2001:db8::1", "2001:db8::/64", "2001:db8::/48");
	lookup("SYN looked at: some of the source are open", "192.0.2.1", 25);
	lookup("SYN looked at: IPv6, some open", "2001:db8::1", 25);
	use_cells(false);
	lookup("SYN looked at: the same, cells not in use yet", "192.0.2.1", 25);
	lookup("SYN looked at: the same, IPv6, cells not in use yet", "2001:db8::1", 25);
	limits(1, 1000000, 3, 0);
	end_some(1);
	lookup("SYN looked at: as many open as allowed", "192.0.2.1", 25);
	lookup("SYN looked at: IPv6, as many open as allowed", "2001:db8::1", 25);
	limits(HOUR_NS, 1, 100, 0);
	end_some(2);
	lookup("SYN looked at: over the rate", "192.0.2.1", 25);
	lookup("SYN looked at: IPv6, over the rate", "2001:db8::1", 25);
}

static void measure_lists(void)
{
	put(THROTTLE_LIST_ALLOW, "198.51.100.1", THROTTLE_NORMAL);
	put(THROTTLE_LIST_DENY, "198.51.100.2", THROTTLE_NORMAL);
	put(THROTTLE_LIST_PENALTY, "198.51.100.3", THROTTLE_NOTHING);
	packet("XDP: SYN, on the allow list", "ip4=198.51.100.1 tcp=25 syn");
	packet("XDP: SYN, on the deny list", "ip4=198.51.100.2 tcp=25 syn");
	packet("XDP: SYN, penalty", "ip4=198.51.100.3 tcp=25 syn");
	lookup("sk_lookup: on the allow list", "198.51.100.1", 25);
	lookup("sk_lookup: on the deny list", "198.51.100.2", 25);
	lookup("sk_lookup: penalty", "198.51.100.3", 25);
}

static void measure_many(bool only_looked_at)
{
	int fd = bpf_program__fd(skel->progs.on_lookup);
	uint64_t sum = 0;
	char text[64];
	uint32_t ns;

	limits(HOUR_NS, 10, 0, 0);
	charge_handshakes(only_looked_at);
	for (unsigned i = 0; i < SOURCES; i++) {
		(void)snprintf(text, sizeof(text), "%u.%u.%u.1", 20 + (i >> 16), i >> 8 & 255,
			       i & 255);
		if (lookup_run(fd, text, 25, 6, 1, &ns) < 0)
			die("run", -errno);
		sum += ns;
	}
	row(only_looked_at ? "SYN looked at: 200,000 networks, one run each"
			   : "charged at the SYN: 200,000 networks through 65,536 entries",
	    (uint32_t)(sum / SOURCES), empty_lookup_ns);
}

int main(int argc, char **argv)
{
	only = argc > 1 ? argv[1] : "";
	load(true);
	limits(1, 1000000, 0, 0);
	printf("ns, best of %d rounds of %d; beside nothing; times nothing\n", ROUNDS, REPEAT);
	measure_empty();
	measure_unrelated();
	printf("lists empty:\n");
	measure_handshakes();
	measure_syn();
	fill_lists();
	printf("10,000 networks in each list:\n");
	measure_handshakes();
	measure_syn();
	measure_lists();
	for (int looked_at = 1; looked_at >= 0 && only[0] == '\0'; looked_at--)
		measure_many(looked_at);
	load(false);
	printf("XDP in front of sk_lookup:\n");
	limits(1, 1000000, 0, 0);
	packet("XDP: SYN, no flood limit", "ip4=192.0.2.1 tcp=25 syn");
	limits(1000, 1000000, 0, 10);
	packet("XDP: SYN, flood limit", "ip4=192.0.2.1 tcp=25 syn");
	throttle_maps_close(&maps);
	charge_probe_bpf__destroy(probe);
	conn_throttle_bpf__destroy(skel);
	return 0;
}
