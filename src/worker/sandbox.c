/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/sandbox.c - resource limits and Landlock of a worker. */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/num.h"

/*
 * io_uring's helper threads count as processes of the user, and a kernel that cannot make one
 * tries again and again. seccomp is what forbids fork; this is the second lock.
 */
#define PROCESSES_MAX 4096
/* Of each thread: 16 jobs of two descriptors, and what libraries open while they unpack. */
#define FILES_MAX     256
/* Address space beyond memory: maps of files in the tmpfs, the job table, the stack. */
#define SPACE_BYTES   (2 * GIB)

static int limit(int what, uint64_t value, const char *name, struct err *err)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r) < 0)
		return err_errno(err, "read limit of %s", name);
	r.rlim_cur = r.rlim_max = MIN_OF((rlim_t)value, r.rlim_max);
	if (setrlimit((__rlimit_resource_t)what, &r) < 0)
		return err_errno(err, "limit %s", name);
	return 0;
}

/* Pages of address space, and of data, that this process has now. */
static int mapped_now(uint64_t *ret_space, uint64_t *ret_data, struct err *err)
{
	char buf[256];
	AUTO(fd_close) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	struct bytes rest = bytes_of(buf, n < 0 ? 0 : (size_t)n), word;
	uint64_t fields[7];
	size_t i = 0;

	while (i < ARRAY_LEN(fields) && bytes_next_word(&rest, &word) &&
	       num_parse(word, 10, UINT64_MAX, &fields[i]) == 0)
		i++;
	if (i < ARRAY_LEN(fields))
		return err_set(err, ERR_TEMP, -EIO, "cannot read /proc/self/statm");
	*ret_space = fields[0] * (uint64_t)sysconf(_SC_PAGESIZE);
	*ret_data = fields[5] * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static int limit_memory(uint64_t bytes, struct err *err)
{
	uint64_t space, data;
	int r;

	r = mapped_now(&space, &data, err);
	if (r == 0)
		r = limit(RLIMIT_DATA, data + bytes, "memory", err);
	if (r == 0)
		r = limit(RLIMIT_AS, space + bytes + SPACE_BYTES, "address space", err);
	return r;
}

/* The first to go when memory is short. /proc/self is ours only while we are dumpable. */
static void offer_to_oom_killer(void)
{
	int fd;

	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1000", 4) < 0)
		(void)0; /* not allowed here: nothing depends on it */
	fd_close(&fd);
}

int sandbox_limit(const struct sandbox_limits *l, struct err *err)
{
	unsigned threads = MAX_OF(l->threads, 1u);
	struct rlimit stack;
	int r;

	offer_to_oom_killer();
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "make the scan worker undumpable");
	if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_max >= l->stack_bytes) {
		stack.rlim_cur = l->stack_bytes;
		(void)setrlimit(RLIMIT_STACK, &stack);
	}
	r = limit(RLIMIT_CORE, 0, "core files", err);
	if (r == 0)
		r = limit(RLIMIT_NOFILE, FILES_MAX * threads, "descriptors", err);
	if (r == 0)
		r = limit(RLIMIT_FSIZE, l->file_bytes, "file size", err);
	if (r == 0 && l->no_processes)
		r = limit(RLIMIT_NPROC, PROCESSES_MAX, "processes", err);
	/* The first thread's stack is no memory of its own (it grows); those of others are. */
	if (r == 0 && l->memory_bytes != 0)
		r = limit_memory(l->memory_bytes * threads + l->stack_bytes * (threads - 1), err);
	return r;
}

/* --- Landlock. Newer rights than the installed header knows, by number. --- */

#define FS_V1_ALL    ((UINT64_C(1) << 13) - 1)
#define FS_REFER     (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE  (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_TCP      UINT64_C(3)         /* ABI 4: bind, connect */
#define SCOPES       UINT64_C(3)         /* ABI 6: abstract UNIX sockets, signals */

/* Regular files and directories: no execution, no sockets, pipes, devices, symbolic links. */
#define FS_ALLOWED                                                                                 \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |                            \
	 LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                             \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | FS_REFER | FS_TRUNCATE)

struct ruleset { /* struct landlock_ruleset_attr of ABI 6; older kernels take its beginning */
	uint64_t fs, net, scoped;
};

static const struct {
	size_t size; /* of struct ruleset */
	struct ruleset handled;
} abis[] = {
	[1] = { 8, { .fs = FS_V1_ALL } },
	[2] = { 8, { .fs = FS_V1_ALL | FS_REFER } },
	[3] = { 8, { .fs = FS_V1_ALL | FS_REFER | FS_TRUNCATE } },
	[4] = { 16, { .fs = FS_V1_ALL | FS_REFER | FS_TRUNCATE, .net = NET_TCP } },
	[5] = { 16, { .fs = FS_V1_ALL | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV, .net = NET_TCP } },
	[6] = { 24,
		{ .fs = FS_V1_ALL | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV,
		  .net = NET_TCP,
		  .scoped = SCOPES } },
};

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)MIN_OF(abi, (long)ARRAY_LEN(abis) - 1);
}

int sandbox_landlock(int dir_fd, struct err *err)
{
	int abi = sandbox_landlock_abi();
	struct landlock_path_beneath_attr rule = { .allowed_access =
							   FS_ALLOWED & abis[abi].handled.fs,
						   .parent_fd = dir_fd };
	AUTO(fd_close) int fd = -1;

	if (abi == 0)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &abis[abi].handled, abis[abi].size, 0);
	if (fd < 0)
		return err_errno(err, "make Landlock rules");
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_errno(err, "add a Landlock rule");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_errno(err, "restrict by Landlock");
	return 0;
}
