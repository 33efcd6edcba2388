/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host/topology.h - processors, cores, packages, memory nodes and caches of this host, from sysfs.
 *
 * Not through hwloc: what links it would carry it, libudev and their start-up into the zygote and
 * every scan worker, which are the same program. Blocking: start-up, reload and tools only.
 */
#ifndef HOST_TOPOLOGY_H
#define HOST_TOPOLOGY_H

#include "core/cpus.h"
#include "core/err.h"

struct host_cpu {
	uint16_t cpu;           /* the kernel's number */
	uint16_t core;          /* lowest number among the threads of its core */
	uint16_t package, node; /* the kernel's numbers */
	uint16_t thread;        /* 0: first of its core */
};

struct host_cache {
	unsigned level, instances;
	char type; /* 'd'ata, 'i'nstruction, 'u'nified */
	uint64_t bytes;
};

#define HOST_NODES_MAX  64u
#define HOST_CACHES_MAX 8u

struct host_node {
	unsigned node, cpus_n;
	uint64_t memory_bytes, free_bytes;
};

struct host {
	struct host_cpu *cpus; /* online, by number */
	unsigned cpus_n, cores_n, packages_n, nodes_n, caches_n;
	struct host_node nodes[HOST_NODES_MAX]; /* that have processors */
	struct host_cache caches[HOST_CACHES_MAX];
};

/* @root: "" for this host, or where a copy of its /sys is (tests). */
int host_read(struct host **ret_h, const char *root, struct err *err) MUST_CHECK;
void host_free(struct host **h);
/* Count packages, cores and nodes of h->cpus, whose cpu, core, package and node are set. */
void host_count(struct host *h);
/* Those the calling thread may run on; never none. */
void host_allowed(struct cpus *ret_set);
/* NULL: not online. */
const struct host_cpu *host_cpu_of(const struct host *h, unsigned cpu);

#endif
