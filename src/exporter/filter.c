/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/filter.c - the exporter's system calls. What is not listed does not exist for it. */
#include "exporter/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

/* One call a line would hide the groups. */
/* clang-format off */
static const int allowed[] = {
	/* sockets that are open; sending files is left out, there are none */
	CALL(accept), CALL(accept4), CALL(read), CALL(readv), CALL(recvfrom), CALL(recvmsg),
	CALL(write), CALL(writev), CALL(sendto), CALL(sendmsg), CALL(shutdown), CALL(close),
	CALL(connect), CALL(getsockopt), CALL(setsockopt), CALL(getsockname), CALL(getpeername),
	/* waiting */
	CALL(poll), CALL(ppoll), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl),
	CALL(clock_gettime), CALL(clock_nanosleep), CALL(gettimeofday), CALL(time), CALL(futex),
	/* memory */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise),
	/* itself */
	CALL(getpid), CALL(gettid), CALL(getrandom), CALL(rt_sigaction), CALL(rt_sigprocmask),
	CALL(rt_sigreturn), CALL(restart_syscall), CALL(sched_yield), CALL(sigaltstack), CALL(exit),
	CALL(exit_group), CALL(fstat), CALL(newfstatat), CALL(lseek),
};

/* clang-format on */

static const struct {
	int call;
	unsigned arg;
	uint64_t mask, value;
} conditions[] = {
	{ CALL(mmap), 2, PROT_EXEC, 0 },
	{ CALL(mprotect), 2, PROT_EXEC, 0 },
	{ CALL(fcntl), 1, UINT32_MAX, F_GETFD },
	{ CALL(fcntl), 1, UINT32_MAX, F_SETFD },
	{ CALL(fcntl), 1, UINT32_MAX, F_GETFL },
	{ CALL(fcntl), 1, UINT32_MAX, F_SETFL },
	/* The log, when its daemon was restarted: connect() has no other socket that is not
	   connected. */
	{ CALL(socket), 0, UINT32_MAX, AF_UNIX },
};

static int add_all(scmp_filter_ctx f)
{
	struct scmp_arg_cmp self = { .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid() };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(conditions); i++) {
		struct scmp_arg_cmp cmp = SCMP_CMP(conditions[i].arg, SCMP_CMP_MASKED_EQ,
						   conditions[i].mask, conditions[i].value);

		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, conditions[i].call, 1, &cmp);
	}
	if (r == 0) /* an assertion that fails ends in abort() */
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, CALL(tgkill), 1, &self);
	return r;
}

static int limit(struct err *err)
{
	struct rlimit zero = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &zero) < 0 || setrlimit(RLIMIT_NPROC, &zero) < 0)
		return err_errno(err, "limits of the exporter");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, "privileges of the exporter");
	return 0;
}

int filter_apply(struct err *err)
{
	scmp_filter_ctx f;
	int r = limit(err);

	if (r < 0)
		return r;
	f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (f == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "system-call filter: out of memory");
	r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_all(f);
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r < 0 ? err_code(err, r, "load the exporter's system-call filter") : 0;
}
