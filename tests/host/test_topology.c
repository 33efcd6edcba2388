/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/topology: a /sys of our own making, broken ones, and this host's. */
#include "host/topology.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/t.h"

static char root[] = "/tmp/sallyport-topology-XXXXXX";

static void put(const char *path, const char *text)
{
	char full[400];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = strchr(full + sizeof(root), '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	T_OK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "write %s", path);
}

static void put_cpu(unsigned cpu, const char *siblings, const char *package)
{
	char path[128];

	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
	put(path, siblings);
	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/cpu/cpu%u/topology/physical_package_id", cpu);
	put(path, package);
}

static void put_cache(const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index0/%s", name);
	put(path, text);
}

/* Two packages, a node each, two cores each of two threads; processor 6 is offline. */
static void put_host(void)
{
	put("/sys/devices/system/cpu/online", "0-5,7\n");
	put_cpu(0, "0,4\n", "0\n");
	put_cpu(4, "0,4\n", "0\n");
	put_cpu(1, "1,5\n", "0\n");
	put_cpu(5, "1,5\n", "0\n");
	put_cpu(2, "2\n", "1\n");
	put_cpu(3, "3,7\n", "1\n");
	put_cpu(7, "3,7\n", "1\n");
	put("/sys/devices/system/node/online", "0-1\n");
	put("/sys/devices/system/node/node0/cpulist", "0-1,4-5\n");
	put("/sys/devices/system/node/node1/cpulist", "2-3,7\n");
	put("/sys/devices/system/node/node0/meminfo",
	    "Node 0 MemTotal:       65536 kB\nNode 0 MemFree:  1024 kB\n");
	put("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: nonsense\n");
	put_cache("type", "Unified\n");
	put_cache("level", "3\n");
	put_cache("size", "32768K\n");
	put_cache("shared_cpu_list", "0-1,4-5\n");
}

static void test_read(void)
{
	AUTO(host_free) struct host *h = NULL;

	T_OK(host_read(&h, root, NULL) == 0, "a host of two packages is read");
	T_OK(h->cpus_n == 7 && h->cores_n == 4 && h->packages_n == 2 && h->nodes_n == 2,
	     "%u processors, %u cores, %u packages, %u nodes", h->cpus_n, h->cores_n, h->packages_n,
	     h->nodes_n);
	T_OK(host_cpu_of(h, 6) == NULL && host_cpu_of(h, 7) != NULL,
	     "what is offline is not there");
	T_OK(host_cpu_of(h, 7)->core == 3 && host_cpu_of(h, 7)->thread == 1 &&
		     host_cpu_of(h, 7)->node == 1 && host_cpu_of(h, 4)->core == 0 &&
		     host_cpu_of(h, 4)->thread == 1 && host_cpu_of(h, 2)->thread == 0,
	     "cores and threads");
	T_OK(h->nodes[0].memory_bytes == 64 * MIB && h->nodes[0].free_bytes == MIB &&
		     h->nodes[1].memory_bytes == 0 && h->nodes[1].cpus_n == 3,
	     "memory");
	T_OK(h->caches_n == 1 && h->caches[0].level == 3 && h->caches[0].type == 'u' &&
		     h->caches[0].bytes == 32 * MIB && h->caches[0].instances == 2,
	     "caches");
}

static void test_poor(void)
{
	struct err err = { .text = "" };
	struct host *h = NULL;

	T_OK(host_read(&h, "/nonexistent", &err) < 0 && strstr(err.text, "online") != NULL,
	     "no sysfs: %s", err.text);
	put("/sys/devices/system/cpu/online", "\n");
	T_OK(host_read(&h, root, &err) < 0 && h == NULL, "no processor: %s", err.text);
	put("/sys/devices/system/cpu/online", "hello\n");
	T_OK(host_read(&h, root, &err) < 0 && h == NULL, "nonsense: %s", err.text);
	put("/sys/devices/system/cpu/online", "900\n");
	put("/sys/devices/system/node/online", "x\n");
	T_OK(host_read(&h, root, &err) == 0 && h->cpus_n == 1 && h->nodes_n == 1 &&
		     h->caches_n == 0 && h->cpus[0].core == 900,
	     "a processor of which nothing is known is one core");
	host_free(&h);
	T_OK(host_read(&h, "", &err) == 0 && h->cpus_n >= 1 && h->cores_n <= h->cpus_n,
	     "this host: %u processors", h == NULL ? 0 : h->cpus_n);
	host_free(&h);
}

static int removed(const char *path, const struct stat *st UNUSED, int type UNUSED,
		   struct FTW *f UNUSED)
{
	return remove(path);
}

int main(void)
{
	if (mkdtemp(root) == NULL)
		return 99;
	put_host();
	test_read();
	test_poor();
	(void)nftw(root, removed, 16, FTW_DEPTH | FTW_PHYS);
	return t_done();
}
