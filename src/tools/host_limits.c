/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/host_limits.c - one function a row; each only asks, or tries in a child. */
#include "tools/host_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/num.h"
#include "loop/loop.h"
#include "worker/sandbox.h"

#define MEMORY_WANTED (4 * GIB)

static bool read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	fd_close(&fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

static bool say_limit(int what, uint64_t wanted, uint64_t unit, const char *unit_name,
		      struct host_limit *l)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r) < 0)
		return false;
	if (r.rlim_max == RLIM_INFINITY)
		(void)snprintf(l->value, sizeof(l->value), "unlimited");
	else
		(void)snprintf(l->value, sizeof(l->value), "%" PRIu64 "%s",
			       (uint64_t)r.rlim_max / unit, unit_name);
	return r.rlim_max == RLIM_INFINITY || r.rlim_max >= wanted;
}

static bool kernel(struct host_limit *l)
{
	struct utsname u;
	struct bytes rest;
	uint64_t major = 0, minor = 0;

	if (uname(&u) < 0)
		return false;
	(void)snprintf(l->value, sizeof(l->value), "%.90s", u.release);
	rest = bytes_str(u.release);
	if (num_take(&rest, 1000, &major) < 0 || rest.n == 0)
		return false;
	rest = bytes_from(rest, 1);
	if (num_take(&rest, 1000, &minor) < 0)
		return false;
	return major > 6 || (major == 6 && minor >= 1);
}

static bool io_uring(struct host_limit *l)
{
	struct loop *loop = NULL;
	struct err err = { .text = "" };
	char setting[16] = "";
	bool ok = loop_new(&loop, 8, &err) == 0;

	loop_free(&loop);
	(void)read_line("/proc/sys/kernel/io_uring_disabled", setting, sizeof(setting));
	(void)snprintf(l->value, sizeof(l->value), "%.40s%s%s", ok ? "works" : err.text,
		       setting[0] == '\0' ? "" : ", kernel.io_uring_disabled = ", setting);
	/* 1: only for those with CAP_SYS_ADMIN or its group; the scan user is not. */
	return ok && (setting[0] == '\0' || setting[0] == '0');
}

static bool memlock(struct host_limit *l)
{
	return say_limit(RLIMIT_MEMLOCK, 8 * MIB, KIB, " KB", l);
}

static bool stack(struct host_limit *l)
{
	return say_limit(RLIMIT_STACK, 64 * MIB, MIB, " MB", l);
}

static bool files(struct host_limit *l)
{
	return say_limit(RLIMIT_NOFILE, 65536, 1, "", l);
}

static bool landlock(struct host_limit *l)
{
	int abi = sandbox_landlock_abi();

	(void)snprintf(l->value, sizeof(l->value), abi == 0 ? "no" : "ABI %d or newer", abi);
	return abi >= 1;
}

static bool seccomp(struct host_limit *l)
{
	char actions[200];
	bool ok = read_line("/proc/sys/kernel/seccomp/actions_avail", actions, sizeof(actions)) &&
		  strstr(actions, "kill_process") != NULL;

	(void)snprintf(l->value, sizeof(l->value), "%s", ok ? "works" : "no");
	return ok;
}

static bool user_namespaces(struct host_limit *l)
{
	char max[32] = "";
	bool ok = geteuid() == 0 ||
		  (read_line("/proc/sys/user/max_user_namespaces", max, sizeof(max)) &&
		   strcmp(max, "0") != 0);

	(void)snprintf(l->value, sizeof(l->value), "%s", ok ? "can be made" : "no");
	return ok;
}

static bool bpf(struct host_limit *l)
{
	bool btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0, root = geteuid() == 0;

	(void)snprintf(l->value, sizeof(l->value), "%s, %s", btf ? "BTF" : "no BTF",
		       root ? "as root" : "not root: not tried");
	return btf;
}

static bool counters(struct host_limit *l)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_HW_CPU_CYCLES,
					.exclude_kernel = 1 };
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	(void)snprintf(l->value, sizeof(l->value), "%s", fd >= 0 ? "cycles" : strerror(errno));
	if (fd < 0)
		return false;
	fd_close(&fd);
	return true;
}

/* In a child: we ourselves stay as we are. */
static bool realtime(struct host_limit *l)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct sched_param p = { .sched_priority = 1 };

		_exit(sched_setscheduler(0, SCHED_FIFO, &p) < 0 ? errno & 0x7f : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return false;
	(void)snprintf(l->value, sizeof(l->value), "%s",
		       WEXITSTATUS(status) == 0 ? "may be had" : strerror(WEXITSTATUS(status)));
	return WEXITSTATUS(status) == 0;
}

static bool huge_pages(struct host_limit *l)
{
	char text[100];

	if (!read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text))) {
		(void)snprintf(l->value, sizeof(l->value), "no");
		return false;
	}
	(void)snprintf(l->value, sizeof(l->value), "%.90s", text);
	return strstr(text, "[never]") == NULL;
}

static bool cpu_quota(struct host_limit *l, const struct host_group *g)
{
	if (g->cpu_percent == 0)
		(void)snprintf(l->value, sizeof(l->value), "none");
	else
		(void)snprintf(l->value, sizeof(l->value), "the time of %u.%02u processors",
			       g->cpu_percent / 100, g->cpu_percent % 100);
	return g->cpu_percent == 0;
}

static bool memory_limit(struct host_limit *l, const struct host_group *g)
{
	if (g->memory_bytes == 0)
		(void)snprintf(l->value, sizeof(l->value), "none");
	else
		(void)snprintf(l->value, sizeof(l->value), "%" PRIu64 " MB", g->memory_bytes / MIB);
	return g->memory_bytes == 0 || g->memory_bytes >= MEMORY_WANTED;
}

static const struct {
	const char *name;
	bool (*ask)(struct host_limit *l);
	bool (*ask_group)(struct host_limit *l, const struct host_group *g); /* or this */
	const char *advice;
} rows[] = {
	{ "kernel", kernel, NULL, "from 6.1 on the engine can be laid into huge pages at once" },
	{ "io_uring", io_uring, NULL,
	  "the gateway needs it; workers read with plain calls without it. sysctl "
	  "kernel.io_uring_disabled=0" },
	{ "locked memory", memlock, NULL, "rings may be refused: LimitMEMLOCK=64M or more" },
	{ "stack", stack, NULL, "scan threads need 64 MB: LimitSTACK=64M or more" },
	{ "open files", files, NULL, "some for each message in flight: LimitNOFILE=65536" },
	{ "Landlock", landlock, NULL,
	  "workers could read what their user may read: kernel 5.13 or later, "
	  "with landlock in the lsm= list" },
	{ "seccomp", seccomp, NULL, "workers are not held: a kernel with CONFIG_SECCOMP_FILTER" },
	{ "namespaces", user_namespaces, NULL, "workers share network and mounts: start as root" },
	{ "BPF", bpf, NULL, "concurrent connections are counted in user space" },
	{ "hardware counters", counters, NULL,
	  "cycles and cache misses are not shown; usual in virtual machines" },
	{ "real-time class", realtime, NULL,
	  "Loop Realtime is refused: CAP_SYS_NICE or LimitRTPRIO=" },
	{ "huge pages", huge_pages, NULL,
	  "starting a worker costs ten times as much: transparent_hugepage=madvise" },
	{ "processor quota", NULL, cpu_quota,
	  "Max Children = auto starts no more workers than it keeps busy; CPUQuota=, cpu.max" },
	{ "memory limit", NULL, memory_limit,
	  "the engine stands in it once, and twice while signatures are loaded anew: about 3 GB "
	  "with ClamAV's. MemoryMax=, memory.max" },
};

size_t host_limits(struct host_limit *ret, size_t max, const struct host_group *g)
{
	size_t n = MIN_OF(ARRAY_LEN(rows), max);

	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct host_limit){ .name = rows[i].name };
		ret[i].ok =
			rows[i].ask != NULL ? rows[i].ask(&ret[i]) : rows[i].ask_group(&ret[i], g);
		ret[i].advice = ret[i].ok ? "" : rows[i].advice;
	}
	return n;
}
_Static_assert(ARRAY_LEN(rows) <= HOST_LIMITS_MAX, "room for all");
