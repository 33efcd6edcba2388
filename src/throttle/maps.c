/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/maps.c - the gateway's side: lists, penalties, counts and events through descriptors.
 *
 * All of it is allowed to a process without rights, given the descriptors: kernels from 5.19 on,
 * or kernel.unprivileged_bpf_disabled = 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/clock.h"
#include "throttle/kernel_internal.h"

#define EVENTS_MAX 1000
#define SECOND_NS  UINT64_C(1000000000)

struct throttle_maps {
	int fds[THROTTLE_FDS];
	int cpus;                     /* elements of a per-CPU value */
	struct throttle_stats *stats; /* room for them */
	struct ring_buffer *ring;
	void (*each)(void *arg, const struct throttle_event *e); /* during throttle_maps_events() */
	void *arg;
	int events;
	struct throttle_settings written; /* the last settings; zeros: none yet */
};

/* A list by its kind: the descriptor it is in. */
static const enum throttle_fd fd_of_list[] = {
	[THROTTLE_LIST_ALLOW] = THROTTLE_FD_ALLOW,
	[THROTTLE_LIST_DENY] = THROTTLE_FD_DENY,
	[THROTTLE_LIST_PENALTY] = THROTTLE_FD_PENALTY,
};
static const char *const name_of_fd[] = {
	[THROTTLE_FD_SETTINGS] = "settings", [THROTTLE_FD_ALLOW] = "allow list",
	[THROTTLE_FD_DENY] = "deny list",    [THROTTLE_FD_PENALTY] = "penalty list",
	[THROTTLE_FD_RATES] = "rates",       [THROTTLE_FD_OPEN] = "open connections",
	[THROTTLE_FD_STATS] = "statistics",  [THROTTLE_FD_EVENTS] = "events",
};

static int get_fd(const struct throttle_maps *m, enum throttle_fd which, struct err *err)
{
	if (m->fds[which] >= 0)
		return m->fds[which];
	return err_set(err, ERR_CONFIG, -EOPNOTSUPP,
		       "throttle: the kernel has no map of %s (see throttle stats)",
		       name_of_fd[which]);
}

static int on_event(void *arg, void *data, size_t size)
{
	struct throttle_maps *m = arg;
	struct throttle_event e;

	if (size < sizeof(e))
		return 0;
	memcpy(&e, data, sizeof(e));
	m->each(m->arg, &e);
	return ++m->events >= EVENTS_MAX ? -ECANCELED : 0;
}

static int silent(enum libbpf_print_level level UNUSED, const char *fmt UNUSED, va_list ap UNUSED)
{
	return 0;
}

static int open_ring(struct throttle_maps *m, struct err *err)
{
	libbpf_print_fn_t usual;
	int saved;

	if (m->fds[THROTTLE_FD_EVENTS] < 0)
		return 0;
	usual = libbpf_set_print(silent);
	m->ring = ring_buffer__new(m->fds[THROTTLE_FD_EVENTS], on_event, m, NULL);
	saved = errno;
	(void)libbpf_set_print(usual);
	return m->ring != NULL ? 0 : err_code(err, -saved, "throttle: map the ring of events");
}

static int open_stats(struct throttle_maps *m, struct err *err)
{
	if (m->fds[THROTTLE_FD_STATS] < 0)
		return 0;
	m->cpus = libbpf_num_possible_cpus();
	if (m->cpus <= 0)
		return err_code(err, m->cpus < 0 ? m->cpus : -EIO, "throttle: count processors");
	m->stats = calloc((size_t)m->cpus, sizeof(*m->stats));
	return m->stats != NULL ? 0 : err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
}

int throttle_maps_open(struct throttle_maps **ret_m, const int fds[THROTTLE_FDS], struct err *err)
{
	struct throttle_maps *m = calloc(1, sizeof(*m));
	int r;

	if (m == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	memcpy(m->fds, fds, sizeof(m->fds));
	r = open_stats(m, err);
	if (r == 0)
		r = open_ring(m, err);
	if (r == 0) {
		*ret_m = m;
		return 0;
	}
	for (int i = 0; i < THROTTLE_FDS; i++)
		m->fds[i] = -1; /* still the caller's */
	throttle_maps_close(&m);
	return r;
}

void throttle_maps_close(struct throttle_maps **m)
{
	if (*m == NULL)
		return;
	ring_buffer__free((*m)->ring);
	free((*m)->stats);
	for (int i = 0; i < THROTTLE_FDS; i++)
		fd_close(&(*m)->fds[i]);
	free(*m);
	*m = NULL;
}

static const uint32_t empty_flag[] = {
	[THROTTLE_LIST_ALLOW] = THROTTLE_F_NO_ALLOW,
	[THROTTLE_LIST_DENY] = THROTTLE_F_NO_DENY,
	[THROTTLE_LIST_PENALTY] = THROTTLE_F_NO_PENALTY,
};
#define EMPTY_FLAGS (THROTTLE_F_NO_ALLOW | THROTTLE_F_NO_DENY | THROTTLE_F_NO_PENALTY)

/* The flag of @l if that list is empty beyond doubt, else 0. */
static uint32_t flag_if_empty(const struct throttle_maps *m, enum throttle_list l)
{
	int fd = m->fds[fd_of_list[l]];
	struct throttle_lpm_key any;

	return fd >= 0 && bpf_map_get_next_key(fd, NULL, &any) < 0 && errno == ENOENT
		       ? empty_flag[l]
		       : 0;
}

static int read_settings(const struct throttle_maps *m, struct throttle_settings *ret_s,
			 struct err *err)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(m->fds[THROTTLE_FD_SETTINGS], &zero, ret_s) < 0)
		return err_errno(err, "throttle: read settings");
	return 0;
}

static int write_settings(const struct throttle_maps *m, const struct throttle_settings *s,
			  struct err *err)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(m->fds[THROTTLE_FD_SETTINGS], &zero, s, BPF_ANY) < 0)
		return err_errno(err, "throttle: write settings");
	return 0;
}

/* Whoever knows it could make addresses that are taken for others. 0, without one: nothing holds.
 */
static uint64_t new_key(void)
{
	uint64_t key = 0;

	return getrandom(&key, sizeof(key), GRND_NONBLOCK) == (ssize_t)sizeof(key) ? key : 0;
}

/* Before something goes into @l: the kernel is to look. */
static int will_change(const struct throttle_maps *m, enum throttle_list l, struct err *err)
{
	struct throttle_settings s;
	int r;

	if (m->fds[THROTTLE_FD_SETTINGS] < 0)
		return 0;
	r = read_settings(m, &s, err);
	if (r < 0 || (s.flags & empty_flag[l]) == 0)
		return r;
	s.flags &= ~empty_flag[l];
	return write_settings(m, &s, err);
}

/* After a change of @l: what was found out before it holds no more. @flag: of an empty list. */
static int has_changed(const struct throttle_maps *m, enum throttle_list l, uint32_t flag,
		       struct err *err)
{
	struct throttle_settings s;
	int r;

	if (m->fds[THROTTLE_FD_SETTINGS] < 0)
		return 0;
	r = read_settings(m, &s, err);
	if (r < 0)
		return r;
	s.flags = (s.flags & ~empty_flag[l]) | flag;
	s.lists_key = new_key();
	return write_settings(m, &s, err);
}

static bool same_limits(const struct throttle_settings *a, const struct throttle_settings *b)
{
	return a->slower_div == b->slower_div && a->few_per_minute == b->few_per_minute &&
	       memcmp(a->tiers, b->tiers, sizeof(a->tiers)) == 0;
}

/*
 * When all that may have been charged under other limits is paid, as these limits see it: what is
 * further away than their buckets are deep counts only when it was charged to no deeper ones. The
 * same as before where nothing changes; the supervisor's settings (@before) know nothing of it.
 */
static uint64_t cells_from(const struct throttle_maps *m, const struct throttle_settings *before,
			   const struct throttle_settings *s)
{
	uint64_t longest = 0;

	if ((s->flags & THROTTLE_F_HANDSHAKE) == 0)
		return 0;
	if (before->cells_from_ns != 0 && same_limits(before, s))
		return before->cells_from_ns;
	if (m->written.cells_from_ns != 0 && same_limits(&m->written, s))
		return m->written.cells_from_ns;
	for (int i = 0; i < THROTTLE_TIERS; i++) {
		uint64_t depth = s->tiers[i].interval_ns * MAX_OF(s->tiers[i].burst, 1u);

		longest = MAX_OF(longest, depth + MAX_OF(depth, THROTTLE_DEBT_NS));
	}
	return clock_now_ns() + longest + SECOND_NS;
}

int throttle_maps_settings(struct throttle_maps *m, const struct throttle_settings *s,
			   struct err *err)
{
	int r = get_fd(m, THROTTLE_FD_SETTINGS, err);
	struct throttle_settings mine = *s, before;

	if (r < 0)
		return r;
	r = throttle_settings_check(s, err);
	if (r == 0)
		r = read_settings(m, &before, err);
	if (r < 0)
		return r;
	mine.version = THROTTLE_ABI_VERSION;
	mine.flags &= ~(EMPTY_FLAGS | THROTTLE_F_HANDSHAKE);
	mine.flags |= before.flags & THROTTLE_F_HANDSHAKE;
	for (int l = THROTTLE_LIST_ALLOW; l <= THROTTLE_LIST_PENALTY; l++)
		mine.flags |= flag_if_empty(m, (enum throttle_list)l);
	mine.lists_key = new_key();
	mine.cells_from_ns = cells_from(m, &before, &mine);
	r = write_settings(m, &mine, err);
	if (r == 0)
		m->written = mine;
	return r;
}

static struct throttle_lpm_key key_of(const struct throttle_prefix *p)
{
	struct throttle_prefix masked = *p;
	struct throttle_lpm_key key = { .prefix_bits = MIN_OF(p->bits, 128u) };

	throttle_prefix_mask(&masked, key.prefix_bits);
	memcpy(key.addr, masked.addr, sizeof(key.addr));
	return key;
}

static struct throttle_prefix prefix_of(const struct throttle_lpm_key *key)
{
	struct throttle_prefix p = { .bits = (uint8_t)key->prefix_bits };

	memcpy(p.addr, key->addr, sizeof(p.addr));
	return p;
}

int throttle_maps_put(struct throttle_maps *m, enum throttle_list l,
		      const struct throttle_prefix *p, const struct throttle_penalty *penalty,
		      struct err *err)
{
	struct throttle_lpm_key key = key_of(p);
	struct throttle_listed listed = { .prefix_bits = key.prefix_bits };
	struct throttle_penalty own = { 0 };
	int fd = get_fd(m, fd_of_list[l], err);
	char text[THROTTLE_PREFIX_TEXT];
	int r;

	if (fd < 0)
		return fd;
	if ((penalty != NULL) != (l == THROTTLE_LIST_PENALTY))
		return err_set(err, ERR_BUG, -EINVAL, "throttle: penalties are for their list");
	if (penalty != NULL)
		own = *penalty;
	own.prefix_bits = key.prefix_bits;
	r = will_change(m, l, err);
	if (r < 0)
		return r;
	if (bpf_map_update_elem(fd, &key, penalty != NULL ? (void *)&own : &listed, BPF_ANY) == 0)
		return has_changed(m, l, 0, err);
	if (errno == ENOSPC || errno == E2BIG)
		return err_set(err, ERR_LIMIT, -E2BIG, "throttle: the %s is full; %s is not in it",
			       name_of_fd[fd_of_list[l]], throttle_prefix_text(p, text));
	return err_errno(err, "throttle: put %s into the %s", throttle_prefix_text(p, text),
			 name_of_fd[fd_of_list[l]]);
}

int throttle_maps_remove(struct throttle_maps *m, enum throttle_list l,
			 const struct throttle_prefix *p, struct err *err)
{
	struct throttle_lpm_key key = key_of(p);
	int fd = get_fd(m, fd_of_list[l], err);
	char text[THROTTLE_PREFIX_TEXT];

	if (fd < 0)
		return fd;
	if (bpf_map_delete_elem(fd, &key) == 0)
		return has_changed(m, l, flag_if_empty(m, l), err);
	return err_errno(err, "throttle: take %s out of the %s", throttle_prefix_text(p, text),
			 name_of_fd[fd_of_list[l]]);
}

int throttle_maps_each(struct throttle_maps *m, enum throttle_list l,
		       void (*each)(void *arg, const struct throttle_prefix *p,
				    const struct throttle_penalty *penalty),
		       void *arg, struct err *err)
{
	int fd = get_fd(m, fd_of_list[l], err);
	struct throttle_lpm_key key, *at = NULL;
	struct throttle_penalty value = { 0 };

	if (fd < 0)
		return fd;
	while (bpf_map_get_next_key(fd, at, &key) == 0) {
		struct throttle_prefix p = prefix_of(&key);

		if (bpf_map_lookup_elem(fd, &key, &value) == 0)
			each(arg, &p, l == THROTTLE_LIST_PENALTY ? &value : NULL);
		at = &key;
	}
	return errno == ENOENT ? 0
			       : err_errno(err, "throttle: list the %s", name_of_fd[fd_of_list[l]]);
}

int throttle_maps_counts(struct throttle_maps *m, struct throttle_counts *ret_c, struct err *err)
{
	int fd = get_fd(m, THROTTLE_FD_STATS, err);
	struct throttle_counts sum = { 0 };
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, m->stats) < 0)
		return err_errno(err, "throttle: read statistics");
	for (int i = 0; i < m->cpus; i++) {
		const struct throttle_stats *s = &m->stats[i];

		for (int layer = 0; layer < THROTTLE_LAYERS; layer++)
			for (int v = 0; v < THROTTLE_VERDICTS; v++)
				sum.n[layer][v] += s->n[layer][v];
		sum.opened += s->opened;
		sum.closed += s->closed;
		sum.events_lost += s->events_lost;
		sum.open_full += s->open_full;
		sum.rate_full += s->rate_full;
	}
	*ret_c = sum;
	return 0;
}

/* What the bucket holds, in thousandths of a connection. */
static uint64_t tokens_x1000(const struct throttle_rate *r, uint64_t full_ns, uint64_t now_ns)
{
	uint64_t depth = r->interval_ns * MAX_OF(r->burst, 1u);
	uint64_t missing = full_ns > now_ns ? MIN_OF(full_ns - now_ns, depth) : 0;

	return r->interval_ns == 0 ? 0 : (depth - missing) / MAX_OF(r->interval_ns / 1000, 1u);
}

static void read_source(const struct throttle_maps *m, const struct throttle_rate *rate,
			struct throttle_source *s)
{
	struct throttle_lpm_key key = key_of(&s->prefix);
	struct throttle_entry e = { 0 };
	struct throttle_open open = { 0 };

	if (bpf_map_lookup_elem(m->fds[THROTTLE_FD_RATES], &key, &e) == 0)
		s->known = true;
	if (bpf_map_lookup_elem(m->fds[THROTTLE_FD_OPEN], &key, &open) == 0)
		s->known = true;
	s->tokens_x1000 = tokens_x1000(rate, e.full_ns, clock_now_ns());
	s->seen = e.seen;
	s->refused = e.refused;
	s->open = (uint32_t)(open.n & ~THROTTLE_OPEN_GONE);
}

int throttle_maps_source(struct throttle_maps *m, const struct throttle_prefix *address,
			 struct throttle_source ret_s[3], size_t *ret_n, struct err *err)
{
	static const uint8_t bits[THROTTLE_TIERS] = { 128, 120, 128, 64, 48 };
	bool v4 = throttle_prefix_is_v4(address);
	unsigned first = v4 ? THROTTLE_V4_HOST : THROTTLE_V6_HOST;
	unsigned end = v4 ? THROTTLE_V6_HOST : THROTTLE_TIERS;
	int fd = get_fd(m, THROTTLE_FD_SETTINGS, err);
	struct throttle_settings settings;
	int r;

	if (fd < 0)
		return fd;
	r = read_settings(m, &settings, err);
	if (r < 0)
		return r;
	for (unsigned tier = first; tier < end; tier++) {
		struct throttle_source *s = &ret_s[tier - first];

		*s = (struct throttle_source){ .prefix = *address };
		throttle_prefix_mask(&s->prefix, bits[tier]);
		read_source(m, &settings.tiers[tier], s);
	}
	*ret_n = end - first;
	return 0;
}

int throttle_maps_event_fd(const struct throttle_maps *m)
{
	return m->ring != NULL ? ring_buffer__epoll_fd(m->ring) : -1;
}

int throttle_maps_events(struct throttle_maps *m,
			 void (*each)(void *arg, const struct throttle_event *e), void *arg,
			 struct err *err)
{
	int r;

	if (m->ring == NULL)
		return err_set(err, ERR_CONFIG, -EOPNOTSUPP, "throttle: there are no events");
	m->each = each;
	m->arg = arg;
	m->events = 0;
	r = ring_buffer__consume(m->ring);
	return r >= 0 || r == -ECANCELED ? m->events : err_code(err, r, "throttle: read events");
}
