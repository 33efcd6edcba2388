/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/group: limits of control groups of both versions, in trees of our own making. */
#include "host/group.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base.h"
#include "tests/t.h"

#define V2 "/sys/fs/cgroup"

struct file {
	const char *path, *text;
};

static const struct {
	const char *what;
	struct file files[7]; /* ends with a path of NULL */
	uint32_t cpu_percent;
	uint64_t memory_bytes;
} cases[] = {
	{ "nothing to read", { { NULL, NULL } }, 0, 0 },
	{ "no limit",
	  { { "/proc/self/cgroup", "0::/a\n" },
	    { V2 "/a/cpu.max", "max 100000\n" },
	    { V2 "/a/memory.max", "max\n" } },
	  0,
	  0 },
	{ "a service",
	  { { "/proc/self/cgroup", "0::/system.slice/x.service\n" },
	    { V2 "/system.slice/x.service/cpu.max", "150000 100000\n" },
	    { V2 "/system.slice/x.service/memory.max", "2147483648\n" } },
	  150,
	  2 * GIB },
	{ "the group above has less",
	  { { "/proc/self/cgroup", "0::/a/b/\n" },
	    { V2 "/a/b/cpu.max", "400000 100000\n" },
	    { V2 "/a/cpu.max", "50000 100000\n" },
	    { V2 "/a/b/memory.max", "max\n" },
	    { V2 "/a/memory.max", "1048576\n" } },
	  50,
	  MIB },
	{ "a container that sees the path of the host",
	  { { "/proc/self/cgroup", "0::/docker/0123\n" }, { V2 "/cpu.max", "200000 100000\n" } },
	  200,
	  0 },
	{ "a group outside of our namespace",
	  { { "/proc/self/cgroup", "0::/../../x\n" },
	    { "/sys/cpu.max", "1 100000\n" },
	    { V2 "/cpu.max", "300000 100000\n" } },
	  300,
	  0 },
	{ "version 1",
	  { { "/proc/self/cgroup", "9:memory:/m\n3:cpuacct,cpu:/c/d\n0::/\n" },
	    { V2 "/cpu/c/d/cpu.cfs_quota_us", "-1\n" },
	    { V2 "/cpu/c/d/cpu.cfs_period_us", "100000\n" },
	    { V2 "/cpu/c/cpu.cfs_quota_us", "25000\n" },
	    { V2 "/cpu/c/cpu.cfs_period_us", "50000\n" },
	    { V2 "/memory/m/memory.limit_in_bytes", "1073741824\n" } },
	  50,
	  GIB },
	{ "version 1 without limits",
	  { { "/proc/self/cgroup", "9:memory:/\n" },
	    { V2 "/memory/memory.limit_in_bytes", "9223372036854771712\n" } },
	  0,
	  0 },
	{ "nonsense",
	  { { "/proc/self/cgroup", "x\n:\n::\n0::\n0::/a\n" },
	    { V2 "/a/cpu.max", "100000 0\n" },
	    { V2 "/a/memory.max", "" },
	    { V2 "/cpu.max", "18446744073709551615 1\n" } },
	  0,
	  0 },
	{ "very little",
	  { { "/proc/self/cgroup", "0::/\n" }, { V2 "/cpu.max", "1000 1000000\n" } },
	  1,
	  0 },
};

static void put(const char *root, const struct file *file)
{
	char full[400];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s%s", root, file->path);
	for (char *p = strchr(full + strlen(root) + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	if (f == NULL || fputs(file->text, f) < 0 || fclose(f) != 0)
		abort();
}

static int removed(const char *path, const struct stat *st UNUSED, int type UNUSED,
		   struct FTW *f UNUSED)
{
	return remove(path);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char root[] = "/tmp/sallyport-group-XXXXXX";
		struct host_group g;

		if (mkdtemp(root) == NULL)
			return 99;
		for (size_t k = 0; k < ARRAY_LEN(cases[i].files); k++)
			if (cases[i].files[k].path != NULL)
				put(root, &cases[i].files[k]);
		host_group_read(&g, root);
		T_OK(g.cpu_percent == cases[i].cpu_percent &&
			     g.memory_bytes == cases[i].memory_bytes,
		     "%s: %u %% of a processor, %llu bytes", cases[i].what, g.cpu_percent,
		     (unsigned long long)g.memory_bytes);
		(void)nftw(root, removed, 16, FTW_DEPTH | FTW_PHYS);
	}
	return t_done();
}
