/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/bench.h - the programs in the kernel, and questions to them through its test run.
 *
 * No network and no clock: buckets take an hour for one connection, and time passes by moving what
 * the maps say. Inline, because what a test counts is its own.
 */
#ifndef TESTS_THROTTLE_BENCH_H
#define TESTS_THROTTLE_BENCH_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "conn_throttle.skel.h"
#include "core/bytes.h"
#include "core/num.h"
#include "tests/t.h"
#include "tests/throttle/packets.h"
#include "throttle/kernel.h"

#define HOUR_NS     (UINT64_C(3600) * 1000000000)
#define PORT        25
#define ADDRESS_MAX 46
#define LISTS_MAX   64
#define NONE        THROTTLE_VERDICTS /* no verdict is counted */

struct bench {
	struct conn_throttle_bpf *skel;
	struct throttle_maps *maps;
	struct throttle_settings settings;
};

/*
 * Whether this process may load programs of these kinds at all, into a kernel no older than the
 * oldest they have been tried with. Nothing of ours is asked for: ours must load where this is so.
 */
static inline bool kernel_can(void)
{
	struct utsname u;
	struct bytes rest;
	uint64_t major, minor;

	if (uname(&u) < 0)
		return false;
	rest = bytes_str(u.release);
	if (num_take(&rest, 1000, &major) < 0 || !bytes_starts(rest, BYTES(".")))
		return false;
	rest = bytes_from(rest, 1);
	if (num_take(&rest, 1000, &minor) < 0 || major * 1000 + minor < 6001)
		return false;
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_LOOKUP, NULL) == 1 &&
	       libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) == 1 &&
	       libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_TRACEPOINT, NULL) == 1 && /* PERFMON */
	       libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 1 &&
	       libbpf_probe_bpf_map_type(BPF_MAP_TYPE_LPM_TRIE, NULL) == 1;
}

#define KERNEL_CANNOT "no BPF programs may be loaded here, or Linux is older than 6.1"

/* Negative errno. */
static inline int load(struct bench *b, bool xdp_alone)
{
	struct conn_throttle_bpf *s = conn_throttle_bpf__open();
	int r;

	if (s == NULL)
		return -errno;
	(void)bpf_map__set_max_entries(s->maps.allow, LISTS_MAX);
	(void)bpf_map__set_max_entries(s->maps.deny, 256);
	(void)bpf_map__set_max_entries(s->maps.penalty, LISTS_MAX);
	(void)bpf_map__set_max_entries(s->maps.rates, 4096);
	(void)bpf_map__set_max_entries(s->maps.open, LISTS_MAX);
	(void)bpf_map__set_max_entries(s->maps.events, 4096);
	s->rodata->xdp_alone = xdp_alone;
	r = conn_throttle_bpf__load(s);
	if (r < 0)
		conn_throttle_bpf__destroy(s);
	else
		b->skel = s;
	return r;
}

static inline int open_maps(struct bench *b)
{
	const struct bpf_map *const maps[THROTTLE_FDS] = {
		b->skel->maps.settings, b->skel->maps.allow,  b->skel->maps.deny,
		b->skel->maps.penalty,  b->skel->maps.rates,  b->skel->maps.open,
		b->skel->maps.stats,    b->skel->maps.events,
	};
	int fds[THROTTLE_FDS];
	struct err err;

	for (int i = 0; i < THROTTLE_FDS; i++)
		fds[i] = dup(bpf_map__fd(maps[i]));
	return throttle_maps_open(&b->maps, fds, &err);
}

static inline void done(struct bench *b)
{
	throttle_maps_close(&b->maps);
	if (b->skel != NULL)
		conn_throttle_bpf__destroy(b->skel);
	b->skel = NULL;
}

static inline void apply(struct bench *b)
{
	struct err err;

	T_OK(throttle_maps_settings(b->maps, &b->settings, &err) == 0, "settings are written");
}

static inline int prog_lookup(const struct bench *b)
{
	return bpf_program__fd(b->skel->progs.on_lookup);
}

static inline int prog_packet(const struct bench *b)
{
	return bpf_program__fd(b->skel->progs.on_packet);
}

static inline struct throttle_prefix prefix(const char *text)
{
	struct throttle_prefix p = { 0 };

	if (!throttle_prefix_parse(text, &p))
		(void)T_OK(false, "'%s' is a prefix", text);
	return p;
}

static inline void put(struct bench *b, enum throttle_list l, const char *text,
		       enum throttle_level level, uint64_t until_ns)
{
	struct throttle_penalty penalty = { .until_ns = until_ns, .level = level };
	struct throttle_prefix p = prefix(text);
	struct err err;

	if (throttle_maps_put(b->maps, l, &p, l == THROTTLE_LIST_PENALTY ? &penalty : NULL, &err) <
	    0)
		(void)T_OK(false, "put %s: %s", text, err.text);
}

static inline void take(struct bench *b, enum throttle_list l, const char *text)
{
	struct throttle_prefix p = prefix(text);
	struct err err;

	if (throttle_maps_remove(b->maps, l, &p, &err) < 0)
		(void)T_OK(false, "remove %s: %s", text, err.text);
}

/* Forget all sources. */
static inline void forget(struct bench *b)
{
	int fd = bpf_map__fd(b->skel->maps.rates);
	struct throttle_lpm_key key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		(void)bpf_map_delete_elem(fd, &key);
}

static inline struct throttle_lpm_key key_of(const char *text)
{
	struct throttle_prefix p = prefix(text);
	struct throttle_lpm_key key = { .prefix_bits = p.bits };

	memcpy(key.addr, p.addr, sizeof(key.addr));
	return key;
}

static inline bool get_entry(struct bench *b, const char *text, struct throttle_entry *e)
{
	struct throttle_lpm_key key = key_of(text);

	return bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.rates), &key, e) == 0;
}

static inline void set_entry(struct bench *b, const char *text, const struct throttle_entry *e)
{
	struct throttle_lpm_key key = key_of(text);

	(void)bpf_map_update_elem(bpf_map__fd(b->skel->maps.rates), &key, e, BPF_ANY);
}

static inline void set_open(struct bench *b, const char *text, uint64_t n)
{
	struct throttle_lpm_key key = key_of(text);
	struct throttle_open o = { .n = n };

	if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.open), &key, &o, BPF_ANY) < 0)
		(void)T_OK(false, "set %s open", text);
}

static inline struct throttle_counts counts(struct bench *b)
{
	struct throttle_counts c = { 0 };
	struct err err;

	if (throttle_maps_counts(b->maps, &c, &err) < 0)
		(void)T_OK(false, "%s", err.text);
	return c;
}

/* Which verdict was counted between the two; NONE: none. -1: more than one. */
static inline int counted(const struct throttle_counts *before, const struct throttle_counts *after,
			  enum throttle_layer layer)
{
	int found = NONE;

	for (int v = 0; v < THROTTLE_VERDICTS; v++) {
		if (after->n[layer][v] == before->n[layer][v])
			continue;
		if (found != NONE || after->n[layer][v] != before->n[layer][v] + 1)
			return -1;
		found = v;
	}
	return found;
}

/* The verdict that one packet gets; what is done must agree with it. */
static inline int packet(struct bench *b, const struct frame *f)
{
	struct throttle_counts before = counts(b), after;
	int action = frame_run(prog_packet(b), f, 1, NULL);
	int verdict;

	after = counts(b);
	verdict = counted(&before, &after, THROTTLE_LAYER_XDP);
	if (action != (verdict >= THROTTLE_DROP_DENIED && verdict < NONE && b->settings.enforce
			       ? XDP_DROP
			       : XDP_PASS))
		(void)T_OK(false, "action %d does not fit verdict %d", action, verdict);
	return verdict;
}

static inline int lookup_port(struct bench *b, const char *address, uint16_t port,
			      uint32_t protocol)
{
	struct throttle_counts before = counts(b), after;
	int action = lookup_run(prog_lookup(b), address, port, protocol, 1, NULL);
	int verdict;

	after = counts(b);
	verdict = counted(&before, &after, THROTTLE_LAYER_LOOKUP);
	if (action != (verdict >= THROTTLE_DROP_DENIED && verdict < NONE && b->settings.enforce
			       ? SK_DROP
			       : SK_PASS))
		(void)T_OK(false, "action %d does not fit verdict %d", action, verdict);
	return verdict;
}

static inline int lookup(struct bench *b, const char *address)
{
	return lookup_port(b, address, PORT, 6);
}

static inline int syn(struct bench *b, const char *address)
{
	struct frame f;
	char words[128];

	(void)snprintf(words, sizeof(words), "%s=%s tcp=25 syn",
		       strchr(address, ':') != NULL ? "ip6" : "ip4", address);
	frame_build(&f, words);
	return packet(b, &f);
}

static inline void init_settings(struct bench *b)
{
	static const uint32_t bursts[THROTTLE_TIERS] = { 3, 5, 2, 3, 4 };

	b->settings = (struct throttle_settings){
		.enforce = 1, .slower_div = 10, .few_per_minute = 1, .ports = { PORT, 587 }
	};
	for (int i = 0; i < THROTTLE_TIERS; i++)
		b->settings.tiers[i] =
			(struct throttle_rate){ .interval_ns = HOUR_NS, .burst = bursts[i] };
	apply(b);
}

/* For libbpf_set_print(). */
static inline int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

#endif
