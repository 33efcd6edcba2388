/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics/perf_group.c - one group of counters.
 *
 * Reading in user space follows the protocol of struct perf_event_mmap_page: the page says which
 * counter register holds the event at the moment (index 0: none, ask the kernel), and a sequence
 * number tells whether the thread was moved meanwhile.
 */
#include "metrics/perf_group.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define TRIES      8 /* a thread that is moved more often than that is not worth counting */

struct perf_group {
	int fds[COST_EVENTS];
	const struct perf_event_mmap_page *pages[COST_EVENTS]; /* NULL: not mapped */
	bool cheap;
};

const struct perf_event perf_group_hardware[COST_EVENTS] = {
	[COST_CYCLES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	[COST_INSTRUCTIONS] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	[COST_CACHE_MISSES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	[COST_BRANCH_MISSES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
};

/* --- in user space --- */

#if defined(__x86_64__)
static inline uint64_t read_register(uint32_t i)
{
	uint32_t low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(i));
	return (uint64_t)high << 32 | low;
}
#define CAN_READ_REGISTERS true
#else
static inline uint64_t read_register(uint32_t i UNUSED)
{
	return 0;
}
#define CAN_READ_REGISTERS false
#endif

static bool readable(const struct perf_event_mmap_page *p)
{
	return CAN_READ_REGISTERS && p != NULL && p->cap_user_rdpmc && p->pmc_width > 0 &&
	       p->pmc_width <= 64;
}

static bool read_page(const struct perf_event_mmap_page *p, uint64_t *ret)
{
	const volatile uint32_t *lock = &p->lock;

	for (int i = 0; i < TRIES; i++) {
		uint32_t seq = *lock, index;
		uint64_t base;
		int64_t now;
		unsigned unused_bits = 64u - p->pmc_width;

		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		index = p->index;
		base = (uint64_t)p->offset;
		if (index == 0)
			return false;
		now = (int64_t)(read_register(index - 1) << unused_bits) >> unused_bits;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (*lock != seq)
			continue;
		*ret = base + (uint64_t)now;
		return true;
	}
	return false;
}

/* --- by the kernel --- */

struct group_values { /* PERF_FORMAT_GROUP */
	uint64_t n, values[COST_EVENTS];
};

static bool read_kernel(const struct perf_group *g, uint64_t ret_values[COST_EVENTS])
{
	struct group_values v;

	if (read(g->fds[0], &v, sizeof(v)) != (ssize_t)sizeof(v) || v.n != COST_EVENTS)
		return false;
	memcpy(ret_values, v.values, sizeof(v.values));
	return true;
}

bool perf_group_read(const struct perf_group *g, uint64_t ret_values[COST_EVENTS])
{
	uint64_t values[COST_EVENTS];

	for (size_t i = 0; g->cheap && i < COST_EVENTS; i++) {
		if (!read_page(g->pages[i], &values[i]))
			return read_kernel(g, ret_values);
	}
	if (!g->cheap)
		return read_kernel(g, ret_values);
	memcpy(ret_values, values, sizeof(values));
	return true;
}

bool perf_group_is_cheap(const struct perf_group *g)
{
	return g->cheap;
}

/* --- opening --- */

static int open_event(const struct perf_event *e, int leader)
{
	struct perf_event_attr attr = { .type = e->type,
					.size = sizeof(attr),
					.config = e->config,
					.read_format = PERF_FORMAT_GROUP,
					/* What an unprivileged process may count. */
					.exclude_kernel = 1,
					.exclude_hv = 1 };
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static void *map_page(int fd)
{
	void *p = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p; /* no memory to lock: then by read() */
}

int perf_group_open(struct perf_group **ret_g, const struct perf_event *events, struct err *err)
{
	AUTO(perf_group_close) struct perf_group *g = calloc(1, sizeof(*g));
	uint64_t values[COST_EVENTS];

	if (g == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "performance counters: out of memory");
	memset(g->fds, 0xff, sizeof(g->fds)); /* all -1 */
	g->cheap = true;
	for (size_t i = 0; i < COST_EVENTS; i++) {
		g->fds[i] = open_event(&events[i], g->fds[0]);
		if (g->fds[i] < 0)
			return err_code(err, g->fds[i], "performance counter %zu", i);
		g->pages[i] = map_page(g->fds[i]);
		g->cheap = g->cheap && readable(g->pages[i]);
	}
	if (!perf_group_read(g, values))
		return err_set(err, ERR_TEMP, -EIO, "performance counters cannot be read");
	*ret_g = TAKE(g);
	return 0;
}

void perf_group_close(struct perf_group **g)
{
	if (*g == NULL)
		return;
	for (size_t i = 0; i < COST_EVENTS; i++) {
		if ((*g)->pages[i] != NULL)
			(void)munmap((void *)(uintptr_t)(*g)->pages[i], PAGE_BYTES);
		fd_close(&(*g)->fds[i]);
	}
	free(*g);
	*g = NULL;
}
