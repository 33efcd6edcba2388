/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/host_bench.h - what this host can do, for `sallyport host`: processes on cores that count
 * how far they come, and a disk that syncs. Blocking; INT, TERM and HUP must be blocked by the
 * caller and end each of these early (-EINTR), with everything cleaned up.
 */
#ifndef TOOLS_HOST_BENCH_H
#define TOOLS_HOST_BENCH_H

#include "core/err.h"
#include "host/plan.h"

/* Somebody pressed Ctrl-C (or the like) since the start. */
bool bench_interrupted(void);

/* What some processes did side by side. */
struct bench_rate {
	unsigned processes_n;
	uint64_t units, more; /* bytes; what else the work counts */
	uint64_t wall_ns, cpu_ns;
};

struct bench_counts {
	uint64_t units, more;
};

struct bench_work {
	const char *name;
	/* In each process: prepare (NULL: nothing to do), then do a little again and again.
	 * Negative: it cannot be done. */
	int (*prepare)(void *arg, unsigned index, struct err *err);
	int (*step)(void *arg, struct bench_counts *add, struct err *err);
	void *arg;
};

/* @n processes, on the first @n scan cores of @plan, for @ms each. */
int bench_run(const struct bench_work *w, const struct plan *plan, unsigned n, unsigned ms,
	      struct bench_rate *ret_r, struct err *err) MUST_CHECK;

/* Units a second of wall time, and of processor time. */
double bench_per_s(const struct bench_rate *r);
double bench_per_cpu_s(const struct bench_rate *r);

/* Copying memory that no cache holds; matching a fixed set of patterns in text. Units are bytes. */
struct bench_work bench_copy(void);
struct bench_work bench_match(void);

#define BENCH_GROUP 64u

struct bench_sync {
	uint64_t alone_n, alone_ns; /* messages durable one by one */
	uint64_t group_n, group_ns; /* in groups of BENCH_GROUP, as the gateway commits */
};

/* In a directory of our own below @dir, for @ms altogether. */
int bench_disk(const char *dir, unsigned ms, struct bench_sync *ret_s, struct err *err) MUST_CHECK;

#endif
