/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/topology.c - /sys/devices/system. */
#include "host/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/num.h"
#include "host/files.h"

#define CPU_DIR  "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"
#define TEXT_MAX 8192u

/* --- small files --- */

static int read_list(struct cpus *ret_set, const char *root, const char *path)
{
	char text[TEXT_MAX];
	int r = host_text(text, sizeof(text), root, path);

	return r < 0 ? r : cpus_parse(bytes_trim(bytes_str(text)), ret_set, NULL);
}

static uint64_t read_number(const char *root, const char *path, uint64_t fallback)
{
	char text[64];
	uint64_t v;

	if (host_text(text, sizeof(text), root, path) < 0 ||
	    num_parse(bytes_trim(bytes_str(text)), 10, UINT64_MAX, &v) < 0)
		return fallback;
	return v;
}

/* --- processors --- */

static void read_cpu(struct host_cpu *c, const char *root, unsigned cpu)
{
	struct cpus siblings;
	char path[128];

	*c = (struct host_cpu){ .cpu = (uint16_t)cpu, .core = (uint16_t)cpu };
	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/topology/thread_siblings_list", cpu);
	if (read_list(&siblings, root, path) == 0 && cpus_has(&siblings, cpu)) {
		c->core = (uint16_t)cpus_next(&siblings, 0);
		for (unsigned i = c->core; i < cpu; i++)
			c->thread += cpus_has(&siblings, i);
	}
	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/topology/physical_package_id", cpu);
	c->package = (uint16_t)MIN_OF(read_number(root, path, 0), UINT16_MAX);
}

static int read_cpus(struct host *h, const char *root, struct err *err)
{
	struct cpus online;
	int r = read_list(&online, root, CPU_DIR "/online");

	if (r < 0)
		return err_code(err, r, "read %s" CPU_DIR "/online", root);
	h->cpus = calloc(MAX_OF(cpus_count(&online), 1u), sizeof(*h->cpus));
	if (h->cpus == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "topology: out of memory");
	for (int i = cpus_next(&online, 0); i >= 0; i = cpus_next(&online, (unsigned)i + 1))
		read_cpu(&h->cpus[h->cpus_n++], root, (unsigned)i);
	return 0;
}

const struct host_cpu *host_cpu_of(const struct host *h, unsigned cpu)
{
	for (unsigned i = 0; i < h->cpus_n; i++)
		if (h->cpus[i].cpu == cpu)
			return &h->cpus[i];
	return NULL;
}

/* --- memory nodes --- */

/* The number behind "NAME:" in a node's meminfo, which is in kB. */
static uint64_t meminfo(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	struct bytes rest;
	uint64_t kb = 0;

	if (at == NULL)
		return 0;
	rest = bytes_trim(bytes_str(at + strlen(name)));
	return num_take(&rest, UINT64_MAX / KIB, &kb) < 0 ? 0 : kb * KIB;
}

static void read_node_cpus(struct host *h, const char *root, unsigned node)
{
	char path[128];
	struct cpus set;

	(void)snprintf(path, sizeof(path), NODE_DIR "/node%u/cpulist", node);
	if (read_list(&set, root, path) < 0)
		return;
	for (unsigned i = 0; i < h->cpus_n; i++)
		if (cpus_has(&set, h->cpus[i].cpu))
			h->cpus[i].node = (uint16_t)node;
}

static void read_node_memory(struct host_node *n, const char *root)
{
	char path[128], text[TEXT_MAX];

	(void)snprintf(path, sizeof(path), NODE_DIR "/node%u/meminfo", n->node);
	if (host_text(text, sizeof(text), root, path) < 0)
		return;
	n->memory_bytes = meminfo(text, "MemTotal:");
	n->free_bytes = meminfo(text, "MemFree:");
}

/* Kernels without NUMA have no such directory: everything is in node 0. */
static void read_nodes(struct host *h, const char *root)
{
	struct cpus nodes;

	if (read_list(&nodes, root, NODE_DIR "/online") < 0)
		return;
	for (int i = cpus_next(&nodes, 0); i >= 0; i = cpus_next(&nodes, (unsigned)i + 1))
		read_node_cpus(h, root, (unsigned)i);
	host_count(h);
	for (unsigned i = 0; i < h->nodes_n; i++)
		read_node_memory(&h->nodes[i], root);
}

static bool is_first(const struct host *h, unsigned n, bool package)
{
	for (unsigned i = 0; i < n; i++)
		if (package ? h->cpus[i].package == h->cpus[n].package
			    : h->cpus[i].core == h->cpus[n].core)
			return false;
	return true;
}

static void count_node(struct host *h, unsigned node)
{
	unsigned i = 0;

	while (i < h->nodes_n && h->nodes[i].node != node)
		i++;
	if (i == HOST_NODES_MAX)
		return;
	if (i == h->nodes_n)
		h->nodes[h->nodes_n++] = (struct host_node){ .node = node };
	h->nodes[i].cpus_n++;
}

void host_count(struct host *h)
{
	h->packages_n = h->cores_n = h->nodes_n = 0;
	for (unsigned i = 0; i < h->cpus_n; i++) {
		h->packages_n += is_first(h, i, true);
		h->cores_n += is_first(h, i, false);
		count_node(h, h->cpus[i].node);
	}
}

/* --- caches: those of the first processor stand for all --- */

static uint64_t read_size(const char *root, const char *path)
{
	char text[32];
	struct bytes rest;
	uint64_t v;

	if (host_text(text, sizeof(text), root, path) < 0)
		return 0;
	rest = bytes_trim(bytes_str(text));
	if (num_take(&rest, UINT64_MAX / GIB, &v) < 0)
		return 0;
	if (bytes_starts(rest, BYTES("K")))
		return v * KIB;
	return bytes_starts(rest, BYTES("M")) ? v * MIB : v;
}

static void read_cache(struct host *h, const char *root, unsigned index)
{
	struct host_cache *c = &h->caches[h->caches_n];
	unsigned cpu = h->cpus[0].cpu;
	char path[128], type[32];
	struct cpus shared;
	unsigned sharers = 1;

	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cache/index%u/type", cpu, index);
	if (h->caches_n == HOST_CACHES_MAX || host_text(type, sizeof(type), root, path) < 0)
		return;
	c->type = (char)(type[0] | 0x20);
	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cache/index%u/level", cpu, index);
	c->level = (unsigned)read_number(root, path, 0);
	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cache/index%u/size", cpu, index);
	c->bytes = read_size(root, path);
	(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%u/cache/index%u/shared_cpu_list", cpu,
		       index);
	if (read_list(&shared, root, path) == 0)
		sharers = MAX_OF(cpus_count(&shared), 1u);
	c->instances = (h->cpus_n + sharers - 1) / sharers;
	h->caches_n++;
}

int host_read(struct host **ret_h, const char *root, struct err *err)
{
	AUTO(host_free) struct host *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "topology: out of memory");
	r = read_cpus(h, root, err);
	if (r == 0 && h->cpus_n == 0)
		r = err_set(err, ERR_TEMP, -ENODATA, "%s" CPU_DIR "/online names none", root);
	if (r < 0)
		return r;
	host_count(h);
	read_nodes(h, root);
	for (unsigned i = 0; i < HOST_CACHES_MAX; i++)
		read_cache(h, root, i);
	*ret_h = TAKE(h);
	return 0;
}

void host_free(struct host **h)
{
	if (*h == NULL)
		return;
	free((*h)->cpus);
	free(*h);
	*h = NULL;
}

void host_allowed(struct cpus *ret_set)
{
	cpu_set_t set;

	*ret_set = (struct cpus){ { 0 } };
	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPUS_MAX; i++)
		if (CPU_ISSET(i, &set))
			cpus_add(ret_set, i);
	if (cpus_count(ret_set) == 0)
		cpus_add(ret_set, 0);
}
