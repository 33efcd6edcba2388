/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/filter.c - the system calls of a scan worker.
 *
 * Three kinds of answer. What scanning needs works. What only an attack does (a new program or
 * process, somebody else's memory, a ring, kernel modules ...) kills the worker at once, which the
 * log shows as SIGSYS. Everything else is "no such system call": libraries and their next versions
 * ask for things on the side - sockets for name services, new calls with a fall-back - and a
 * message must not be lost over what does no harm when refused. To an attacker both are the same:
 * the call does not happen.
 *
 * Left out on purpose, although harmless at first sight:
 * - chmod, chown, utimes, truncate by path: Landlock does not see them (truncate: before ABI 3),
 *   and the directories of all workers belong to one user;
 * - locks, F_SETFL, FIONBIO: an open file is shared with the gateway that sent it. A worker could
 *   take the lock off a queue file, or make the gateway's non-blocking read of the eventfd block.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/sandbox.h"

#define CALL(name) SCMP_SYS(name)

/* One call a line would hide the groups. */
/* clang-format off */
static const int allowed[] = {
	/* what was seen while scanning, and its near relatives */
	CALL(read), CALL(readv), CALL(pread64), CALL(preadv), CALL(write), CALL(writev),
	CALL(pwrite64), CALL(pwritev), CALL(lseek), CALL(close), CALL(open), CALL(openat),
	CALL(stat), CALL(fstat), CALL(lstat), CALL(newfstatat), CALL(statx), CALL(access),
	CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(statfs),
	CALL(fstatfs), CALL(mkdir), CALL(mkdirat), CALL(rmdir), CALL(unlink), CALL(unlinkat),
	CALL(rename), CALL(renameat), CALL(renameat2), CALL(getdents), CALL(getdents64),
	CALL(ftruncate), CALL(fadvise64), CALL(umask), CALL(getcwd), CALL(dup), CALL(dup2),
	CALL(dup3), CALL(poll), CALL(ppoll),
	/* memory */
	CALL(munmap), CALL(mremap), CALL(msync), CALL(madvise), CALL(brk),
	/* time, and who and where we are */
	CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday), CALL(time), CALL(times),
	CALL(clock_nanosleep), CALL(nanosleep), CALL(getrusage), CALL(getrlimit), CALL(getpid),
	CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(uname), CALL(sysinfo), CALL(getrandom), CALL(sched_yield), CALL(sched_getaffinity),
	CALL(getcpu),
	/* signals to ourselves, the end, waiting for work, the ring that can only read and close */
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack),
	CALL(restart_syscall), CALL(pause), CALL(exit), CALL(exit_group), CALL(recvmsg),
	CALL(io_uring_enter),
};

static const int deadly[] = {
	/* programs, processes, other processes */
	CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(clone), CALL(clone3),
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(process_madvise),
	CALL(kcmp), CALL(pidfd_open), CALL(pidfd_getfd), CALL(pidfd_send_signal),
	/* the network: there is no descriptor that any of these could be meant for */
	CALL(connect), CALL(bind), CALL(listen), CALL(accept), CALL(accept4), CALL(sendmsg),
	CALL(sendmmsg),
	/* rings and the parts of the kernel where holes are found */
	CALL(io_uring_setup), CALL(io_uring_register), CALL(bpf), CALL(perf_event_open),
	CALL(userfaultfd), CALL(keyctl), CALL(add_key), CALL(request_key), CALL(modify_ldt),
	CALL(io_setup), CALL(vmsplice),
	/* privileges and the system */
	CALL(unshare), CALL(setns), CALL(mount), CALL(umount2), CALL(move_mount), CALL(open_tree),
	CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr),
	CALL(pivot_root), CALL(chroot), CALL(setuid), CALL(setreuid), CALL(setresuid),
	CALL(setgid), CALL(setregid), CALL(setresgid), CALL(setgroups), CALL(setfsuid),
	CALL(setfsgid), CALL(capset), CALL(init_module), CALL(finit_module), CALL(delete_module),
	CALL(kexec_load), CALL(kexec_file_load), CALL(reboot), CALL(swapon), CALL(swapoff),
	CALL(open_by_handle_at), CALL(name_to_handle_at), CALL(iopl), CALL(ioperm), CALL(mknod),
	CALL(mknodat), CALL(acct), CALL(settimeofday), CALL(clock_settime), CALL(adjtimex),
};

/* clang-format on */

/* One value of one argument for which a call works; otherwise it is the default answer. */
static const struct {
	int call;
	unsigned arg;
	uint64_t mask, value;
} conditions[] = {
	/* no code but what is loaded: PCRE2 does without its JIT for patterns it meets here */
	{ CALL(mmap), 2, PROT_EXEC, 0 },
	{ CALL(mprotect), 2, PROT_EXEC, 0 },
	{ CALL(ioctl), 1, UINT32_MAX, TCGETS }, /* isatty() */
	{ CALL(fcntl), 1, UINT32_MAX, F_DUPFD },
	{ CALL(fcntl), 1, UINT32_MAX, F_DUPFD_CLOEXEC },
	{ CALL(fcntl), 1, UINT32_MAX, F_GETFD },
	{ CALL(fcntl), 1, UINT32_MAX, F_SETFD },
	{ CALL(fcntl), 1, UINT32_MAX, F_GETFL },
	{ CALL(fcntl), 1, UINT32_MAX, F_GET_SEALS },
	/* none of the operations on priority inheritance, which were holes more than once */
	{ CALL(futex), 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAIT },
	{ CALL(futex), 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAKE },
	{ CALL(futex), 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAIT_BITSET },
	{ CALL(futex), 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAKE_BITSET },
	{ CALL(prlimit64), 2, UINT64_MAX, 0 }, /* reading only */
	{ CALL(prctl), 0, UINT32_MAX, PR_SET_NAME },
};

static int add(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(f, action, calls[i], 0);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_conditions(scmp_filter_ctx f)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		struct scmp_arg_cmp cmp = SCMP_CMP(conditions[i].arg, SCMP_CMP_MASKED_EQ,
						   conditions[i].mask, conditions[i].value);
		int r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, conditions[i].call, 1, &cmp);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Signals to ourselves: an assertion that fails ends in abort(). */
static int add_own_signals(scmp_filter_ctx f)
{
	static const int calls[] = { CALL(kill), CALL(tgkill) };
	struct scmp_arg_cmp self = { .arg = 0,
				     .op = SCMP_CMP_EQ,
				     .datum_a = (scmp_datum_t)getpid() };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++)
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, calls[i], 1, &self);
	return r;
}

int sandbox_seccomp(struct err *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (f == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "system-call filter: out of memory");
	r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = add(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
	if (r == 0)
		r = add(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
	if (r == 0)
		r = add_conditions(f);
	if (r == 0)
		r = add_own_signals(f);
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r < 0 ? err_code(err, r, "load the system-call filter") : 0;
}
