/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/kernel_bpf.c - load each program by itself, over one set of maps.
 *
 * A kernel that refuses one kind of program refuses the whole object that has it: so each gets an
 * object of its own with the others switched off, and takes the maps of the first object, in which
 * all programs are.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "conn_count.skel.h"
#include "conn_throttle.skel.h"
#include "core/fault.h"
#include "throttle/kernel_internal.h"

#define ENTRIES_DEFAULT 65536
#define LINK_ANY        "link_"
#define LINK_STATE      "link_state"
#define LINK_NESTED     "link_state_nested"
#define LINK_LOOKUP     "link_lookup"
#define LINK_XDP        "link_xdp_"
#define MAP_SOCKS       "socks"
#define MAP_OPEN        "open"
#define INTERFACES_MAX  64

struct throttle_bpf {
	const struct throttle_setup *setup; /* while it is opened */
	struct throttle_part_state *parts;  /* the same */
	struct throttle_pins pins;
	struct conn_throttle_bpf *base; /* owns the maps */
	struct conn_throttle_bpf *lookup, *xdp;
	struct conn_count_bpf *state, *nested;
	struct throttle_link state_link, nested_link, lookup_link;
	struct throttle_link xdp_links[INTERFACES_MAX];
	size_t xdp_links_n;
	bool handshake;  /* ended handshakes are charged, not SYNs */
	bool adopt_open; /* counts of open connections go on: their tracepoint is still attached */
};

/*
 * What libbpf complains about first while something is loaded. Its callback has no argument, and
 * this is start-up code of one thread: hence a variable of the file.
 */
static _Thread_local char first_complaint[200];

__attribute__((format(printf, 2, 0))) static int hear(enum libbpf_print_level level,
						      const char *fmt, va_list ap)
{
	if (level != LIBBPF_WARN || first_complaint[0] != '\0')
		return 0;
	(void)vsnprintf(first_complaint, sizeof(first_complaint), fmt, ap);
	first_complaint[strcspn(first_complaint, "\n")] = '\0';
	return 0;
}

static void explain(struct throttle_part_state *p, int code)
{
	const char *said = first_complaint;

	if (strncmp(said, "libbpf: ", 8) == 0)
		said += 8;
	if (code == -EPERM)
		throttle_part_why(
			p, "not permitted: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed");
	else if (access("/sys/kernel/btf/vmlinux", R_OK) < 0 && (code == -ENOENT || code == -ESRCH))
		throttle_part_why(p, "the kernel has no type information (CONFIG_DEBUG_INFO_BTF)");
	else
		throttle_part_why(p, "the kernel refuses it (%s)%s%s", strerror(-code),
				  said[0] != '\0' ? ": " : "", said);
}

static void skeleton_close(struct conn_throttle_bpf **skel)
{
	if (*skel != NULL)
		conn_throttle_bpf__destroy(*skel);
	*skel = NULL;
}

static void count_close(struct conn_count_bpf **skel)
{
	if (*skel != NULL)
		conn_count_bpf__destroy(*skel);
	*skel = NULL;
}

static struct conn_throttle_bpf *open_skeleton(void)
{
	first_complaint[0] = '\0';
	return conn_throttle_bpf__open();
}

static void set_size(struct bpf_map *m, uint32_t n)
{
	(void)bpf_map__set_max_entries(m, n > 0 ? n : ENTRIES_DEFAULT);
}

/* True: what is pinned is what we would make. */
static bool same_shape(struct bpf_map *m, int fd)
{
	struct bpf_map_info have = { 0 };
	uint32_t len = sizeof(have);

	return bpf_obj_get_info_by_fd(fd, &have, &len) == 0 && have.type == bpf_map__type(m) &&
	       have.key_size == bpf_map__key_size(m) && have.value_size == bpf_map__value_size(m) &&
	       have.max_entries == bpf_map__max_entries(m) &&
	       have.map_flags == bpf_map__map_flags(m);
}

/* What is pinned is of another version of this program. */
static bool other_version(const struct throttle_bpf *b)
{
	AUTO(fd_close) int fd = throttle_pins_get(&b->pins, "settings");
	struct throttle_settings s;
	uint32_t zero = 0;

	if (fd < 0)
		return false;
	return !same_shape(b->base->maps.settings, fd) || bpf_map_lookup_elem(fd, &zero, &s) < 0 ||
	       (s.version != THROTTLE_ABI_VERSION && s.version != 0);
}

static void adopt(const struct throttle_bpf *b, struct bpf_map *m, bool wanted)
{
	AUTO(fd_close) int fd = throttle_pins_get(&b->pins, bpf_map__name(m));

	if (fd < 0)
		return;
	if (!wanted || !same_shape(m, fd) || bpf_map__reuse_fd(m, fd) < 0)
		throttle_pins_remove(&b->pins, bpf_map__name(m));
}

static bool is_base_map(const struct bpf_map *m)
{
	return !bpf_map__is_internal(m);
}

/* Counts of open connections go on only if their tracepoint does, and the map is as before. */
static bool may_adopt_open(const struct throttle_bpf *b)
{
	AUTO(fd_close) int state = throttle_pins_get(&b->pins, LINK_STATE);
	AUTO(fd_close) int open = throttle_pins_get(&b->pins, MAP_OPEN);

	return state >= 0 && open >= 0 && same_shape(b->base->maps.open, open);
}

static void adopt_maps(struct throttle_bpf *b)
{
	bool wanted = !other_version(b);
	struct bpf_map *m;

	b->adopt_open = wanted && may_adopt_open(b);
	bpf_object__for_each_map (m, b->base->obj) {
		bool is_open = strcmp(bpf_map__name(m), MAP_OPEN) == 0;

		if (is_base_map(m))
			adopt(b, m, is_open ? b->adopt_open : wanted);
	}
}

static void pin_maps(struct throttle_bpf *b)
{
	struct bpf_map *m;
	struct err why;

	bpf_object__for_each_map (m, b->base->obj) {
		AUTO(fd_close) int fd = throttle_pins_get(&b->pins, bpf_map__name(m));

		if (fd >= 0 || !is_base_map(m))
			continue;
		if (throttle_pins_put(&b->pins, bpf_map__name(m), bpf_map__fd(m), &why) < 0) {
			throttle_part_why(&b->parts[THROTTLE_PART_PINS], "%s", why.text);
			return;
		}
	}
}

static int write_settings(const struct throttle_bpf *b, const struct throttle_settings *s)
{
	struct throttle_settings mine = *s;
	uint32_t zero = 0;

	mine.version = THROTTLE_ABI_VERSION;
	if (b->handshake)
		mine.flags |= THROTTLE_F_HANDSHAKE;
	if (bpf_map_update_elem(bpf_map__fd(b->base->maps.settings), &zero, &mine, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int load_maps(struct throttle_bpf *b)
{
	const struct throttle_setup *s = b->setup;
	struct bpf_program *prog;
	int r;

	b->base = open_skeleton();
	if (b->base == NULL)
		return -errno;
	bpf_object__for_each_program (prog, b->base->obj)
		(void)bpf_program__set_autoload(prog, false);
	set_size(b->base->maps.rates, s->sources_max);
	set_size(b->base->maps.open, s->connections_max);
	set_size(b->base->maps.allow, s->lists_max);
	set_size(b->base->maps.deny, s->lists_max);
	set_size(b->base->maps.penalty, s->lists_max);
	adopt_maps(b);
	r = fault_at("throttle.maps", conn_throttle_bpf__load(b->base));
	if (r == 0)
		r = write_settings(b, &s->settings);
	if (r == 0)
		pin_maps(b);
	return r;
}

/* Only @name of the programs of @obj, over the maps we have. */
static int prepare(const struct throttle_bpf *b, struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog;
	struct bpf_map *m;
	int r = 0;

	bpf_object__for_each_program (prog, obj)
		(void)bpf_program__set_autoload(prog, strcmp(bpf_program__name(prog), name) == 0);
	bpf_object__for_each_map (m, b->base->obj) {
		struct bpf_map *to = bpf_object__find_map_by_name(obj, bpf_map__name(m));

		if (r == 0 && is_base_map(m) && to != NULL)
			r = bpf_map__reuse_fd(to, bpf_map__fd(m));
	}
	return r;
}

/* A program that refuses. */
static int load_judge(const struct throttle_bpf *b, const char *name,
		      struct conn_throttle_bpf **ret_skel)
{
	AUTO(skeleton_close) struct conn_throttle_bpf *skel = open_skeleton();
	int r;

	if (skel == NULL)
		return -errno;
	r = prepare(b, skel->obj, name);
	if (r < 0)
		return r;
	skel->rodata->xdp_alone = !b->parts[THROTTLE_PART_SK_LOOKUP].active;
	r = fault_at(name, conn_throttle_bpf__load(skel));
	if (r == 0)
		*ret_skel = TAKE(skel);
	return r;
}

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? (uint32_t)st.st_ino : 0;
}

/* A program that counts. @socks_fd: the map of counted sockets to use; -1: a new one. */
static int load_count(const struct throttle_bpf *b, const char *name, int socks_fd,
		      struct conn_count_bpf **ret_skel)
{
	AUTO(count_close) struct conn_count_bpf *skel = NULL;
	int r;

	first_complaint[0] = '\0';
	skel = conn_count_bpf__open();
	if (skel == NULL)
		return -errno;
	r = prepare(b, skel->obj, name);
	if (r == 0 && socks_fd >= 0)
		r = bpf_map__reuse_fd(skel->maps.socks, socks_fd);
	if (r < 0)
		return r;
	skel->rodata->own_netns = own_netns();
	r = fault_at(name, conn_count_bpf__load(skel));
	if (r == 0)
		*ret_skel = TAKE(skel);
	return r;
}

/*
 * Connections that are open already; those that the tracepoint counted meanwhile are left alone.
 * Without it the tracepoint is still worth having.
 */
static void seed(const struct throttle_bpf *b)
{
	AUTO(count_close) struct conn_count_bpf *skel = NULL;
	struct throttle_part_state failed = { 0 };
	struct err why;
	int r = load_count(b, "on_socket", bpf_map__fd(b->state->maps.socks), &skel);

	if (r == 0)
		r = throttle_link_iterate(bpf_program__fd(skel->progs.on_socket), &why);
	if (r == 0)
		return;
	explain(&failed, r);
	throttle_part_why(&b->parts[THROTTLE_PART_CONCURRENCY],
			  "connections from before the start are not counted: %s", failed.why);
}

static int attach_count(struct throttle_bpf *b, const struct conn_count_bpf *skel,
			struct throttle_link *l)
{
	struct err why;

	return throttle_link_trace(l, &b->pins, bpf_program__fd(skel->progs.on_state),
				   b->setup->keep, &why);
}

/*
 * The kernel passes a program over that is running on this processor already: a connection that
 * ends in a timer or an interrupt meanwhile would be counted as open for ever. So a second one
 * sees everything, too. Who comes first does the work, and the socket's storage tells the other.
 */
static int start_nested(struct throttle_bpf *b)
{
	int r = load_count(b, "on_state", bpf_map__fd(b->state->maps.socks), &b->nested);

	return r < 0 ? r : attach_count(b, b->nested, &b->nested_link);
}

static int start_state(struct throttle_bpf *b)
{
	AUTO(fd_close) int socks = -1;
	struct err why = { 0 };
	int r;

	if (b->adopt_open)
		socks = throttle_pins_get(&b->pins, MAP_SOCKS);
	r = load_count(b, "on_state", socks, &b->state);
	if (r < 0)
		return r;
	if (socks < 0) {
		throttle_pins_remove(&b->pins, MAP_SOCKS);
		r = throttle_pins_put(&b->pins, MAP_SOCKS, bpf_map__fd(b->state->maps.socks), &why);
	}
	if (r == 0)
		r = start_nested(b);
	if (r == 0)
		r = attach_count(b, b->state, &b->state_link);
	if (r == 0)
		seed(b);
	return r;
}

static int start_lookup(struct throttle_bpf *b)
{
	AUTO(fd_close) int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct err why;
	int r;

	if (netns < 0)
		return -errno;
	r = load_judge(b, "on_lookup", &b->lookup);
	if (r < 0)
		return r;
	return throttle_link_attach(&b->lookup_link, &b->pins,
				    bpf_program__fd(b->lookup->progs.on_lookup), netns,
				    BPF_SK_LOOKUP, 0, b->setup->keep, &why);
}

static bool is_xdp_link(void *arg, const char *name)
{
	const struct throttle_bpf *b = arg;

	for (size_t i = 0; i < b->xdp_links_n; i++)
		if (strcmp(b->xdp_links[i].name, name) == 0)
			return true;
	return false;
}

/* One for each interface; without a name where there is no such interface. */
static void name_links(struct throttle_bpf *b)
{
	const char *mode = b->setup->xdp == THROTTLE_XDP_NATIVE ? "native" : "generic";

	for (size_t i = 0; i < MIN_OF(b->setup->interfaces_n, (size_t)INTERFACES_MAX); i++) {
		unsigned index = if_nametoindex(b->setup->interfaces[i]);

		if (index > 0)
			(void)snprintf(b->xdp_links[i].name, sizeof(b->xdp_links[i].name),
				       LINK_XDP "%s_%u", mode, index);
		b->xdp_links_n++;
	}
}

static int start_interface(struct throttle_bpf *b, size_t i, struct err *why)
{
	bool native = b->setup->xdp == THROTTLE_XDP_NATIVE;
	unsigned index;

	if (i >= b->xdp_links_n)
		return err_set(why, ERR_LIMIT, -E2BIG, "more than %d interfaces", INTERFACES_MAX);
	index = if_nametoindex(b->setup->interfaces[i]);
	if (index == 0 || b->xdp_links[i].name[0] == '\0')
		return err_set(why, ERR_CONFIG, -ENODEV, "there is no such interface");
	return throttle_link_attach(&b->xdp_links[i], &b->pins,
				    bpf_program__fd(b->xdp->progs.on_packet), (int)index, BPF_XDP,
				    native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
				    b->setup->keep, why);
}

static void start_interfaces(struct throttle_bpf *b, struct throttle_part_state *p)
{
	struct err why;

	for (size_t i = 0; i < b->setup->interfaces_n; i++) {
		if (start_interface(b, i, &why) == 0)
			p->active = true;
		else
			throttle_part_why(p, "%s: %s", b->setup->interfaces[i], why.text);
	}
	if (b->setup->interfaces_n == 0)
		throttle_part_why(p, "no interfaces are named");
}

/*
 * After sk_lookup, on which depends what is left to it. What was kept in another mode or on other
 * interfaces goes first: an interface takes one program in one mode.
 */
static void start_xdp(struct throttle_bpf *b)
{
	struct throttle_part_state *p = &b->parts[THROTTLE_PART_XDP];
	int r = 0;

	if (b->setup->xdp != THROTTLE_XDP_NO)
		r = load_judge(b, "on_packet", &b->xdp);
	if (r < 0)
		explain(p, r);
	if (b->xdp != NULL)
		name_links(b);
	throttle_pins_sweep(&b->pins, LINK_XDP, is_xdp_link, b);
	if (b->xdp != NULL)
		start_interfaces(b, p);
}

/*
 * Last, when it is known that both programs are there; they read it in the settings, so that they
 * always agree, kept ones too. Until now SYNs were charged.
 */
static void start_handshake(struct throttle_bpf *b)
{
	struct throttle_part_state *p = &b->parts[THROTTLE_PART_HANDSHAKE];
	bool lookup = b->parts[THROTTLE_PART_SK_LOOKUP].active;

	if (lookup && b->parts[THROTTLE_PART_CONCURRENCY].active) {
		b->handshake = true;
		b->handshake = write_settings(b, &b->setup->settings) == 0;
		p->active = b->handshake;
	}
	if (!p->active && (lookup || b->parts[THROTTLE_PART_XDP].active))
		throttle_part_why(p, "rates charge SYNs, and whoever forges addresses can use up "
				     "another's");
}

static void start(struct throttle_bpf *b, enum throttle_part part,
		  int (*run)(struct throttle_bpf *b))
{
	int r = run(b);

	if (r < 0)
		explain(&b->parts[part], r);
	else
		b->parts[part].active = true;
}

static int start_maps(struct throttle_bpf *b)
{
	int r = load_maps(b);

	if (r < 0) {
		explain(&b->parts[THROTTLE_PART_SK_LOOKUP], r);
		explain(&b->parts[THROTTLE_PART_CONCURRENCY], r);
		if (b->setup->xdp != THROTTLE_XDP_NO)
			explain(&b->parts[THROTTLE_PART_XDP], r);
	}
	return r;
}

static int start_pins(struct throttle_bpf *b, struct err *err)
{
	struct throttle_part_state *p = &b->parts[THROTTLE_PART_PINS];
	struct err why;
	int r;

	if (b->setup->pin_dir == NULL)
		return 0;
	r = throttle_pins_open(&b->pins, b->setup->pin_dir, &why);
	if (r == -EBUSY)
		return err_set(err, why.kind, r, "%s", why.text);
	if (r < 0)
		throttle_part_why(p, "%s", why.text);
	else
		p->active = true;
	return 0;
}

static int start_all(struct throttle_bpf *b, struct err *err)
{
	int r = throttle_settings_check(&b->setup->settings, err);

	if (r == 0)
		r = start_pins(b, err);
	if (r < 0)
		return r;
	start(b, THROTTLE_PART_EVENTS, start_maps);
	if (!b->parts[THROTTLE_PART_EVENTS].active)
		return 0;
	start(b, THROTTLE_PART_CONCURRENCY, start_state);
	start(b, THROTTLE_PART_SK_LOOKUP, start_lookup);
	start_xdp(b);
	start_handshake(b);
	return 0;
}

static struct throttle_bpf *new_bpf(const struct throttle_setup *s,
				    struct throttle_part_state *parts)
{
	struct throttle_bpf *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->setup = s;
	b->parts = parts;
	b->pins.lock_fd = b->state_link.fd = b->nested_link.fd = b->lookup_link.fd = -1;
	for (size_t i = 0; i < INTERFACES_MAX; i++)
		b->xdp_links[i].fd = -1;
	memcpy(b->state_link.name, LINK_STATE, sizeof(LINK_STATE));
	memcpy(b->nested_link.name, LINK_NESTED, sizeof(LINK_NESTED));
	memcpy(b->lookup_link.name, LINK_LOOKUP, sizeof(LINK_LOOKUP));
	return b;
}

int throttle_bpf_open(struct throttle_bpf **ret_b, const struct throttle_setup *s,
		      struct throttle_part_state parts[THROTTLE_PARTS], struct err *err)
{
	AUTO(throttle_bpf_close) struct throttle_bpf *b = new_bpf(s, parts);
	libbpf_print_fn_t usual;
	int r;

	if (b == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	usual = libbpf_set_print(hear);
	r = start_all(b, err);
	(void)libbpf_set_print(usual);
	b->setup = NULL;
	b->parts = NULL;
	if (r == 0 && parts[THROTTLE_PART_EVENTS].active)
		*ret_b = TAKE(b);
	return r;
}

void throttle_bpf_close(struct throttle_bpf **b)
{
	if (*b == NULL)
		return;
	throttle_link_close(&(*b)->lookup_link);
	throttle_link_close(&(*b)->state_link);
	throttle_link_close(&(*b)->nested_link);
	for (size_t i = 0; i < (*b)->xdp_links_n; i++)
		throttle_link_close(&(*b)->xdp_links[i]);
	skeleton_close(&(*b)->xdp);
	skeleton_close(&(*b)->lookup);
	count_close(&(*b)->nested);
	count_close(&(*b)->state);
	skeleton_close(&(*b)->base);
	throttle_pins_close(&(*b)->pins);
	free(*b);
	*b = NULL;
}

int throttle_bpf_settings(struct throttle_bpf *b, const struct throttle_settings *s,
			  struct err *err)
{
	int r = throttle_settings_check(s, err);

	if (r == 0 && write_settings(b, s) < 0)
		r = err_errno(err, "throttle: write settings");
	return r;
}

static bool keep_none(void *arg UNUSED, const char *name UNUSED)
{
	return false;
}

int throttle_bpf_forget(const char *pin_dir, struct err *err)
{
	struct throttle_pins pins;
	struct err why;
	int r;

	if (!throttle_pins_exist(pin_dir))
		return 0;
	r = throttle_pins_open(&pins, pin_dir, &why);
	if (r == -EBUSY)
		return err_set(err, why.kind, r, "%s", why.text);
	if (r == 0)
		throttle_pins_sweep(&pins, LINK_ANY, keep_none, NULL);
	throttle_pins_close(&pins);
	return 0;
}

void throttle_bpf_fds(const struct throttle_bpf *b, int ret_fds[THROTTLE_FDS])
{
	const struct bpf_map *const maps[THROTTLE_FDS] = {
		[THROTTLE_FD_SETTINGS] = b->base->maps.settings,
		[THROTTLE_FD_ALLOW] = b->base->maps.allow,
		[THROTTLE_FD_DENY] = b->base->maps.deny,
		[THROTTLE_FD_PENALTY] = b->base->maps.penalty,
		[THROTTLE_FD_RATES] = b->base->maps.rates,
		[THROTTLE_FD_OPEN] = b->base->maps.open,
		[THROTTLE_FD_STATS] = b->base->maps.stats,
		[THROTTLE_FD_EVENTS] = b->base->maps.events,
	};

	for (int i = 0; i < THROTTLE_FDS; i++)
		ret_fds[i] = bpf_map__fd(maps[i]);
}
