/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that runs inside the finished sandbox and tries to get out: by system call, through the
 * worker's ring, through the files and descriptors it has. Each attempt has a worker of its own,
 * is refused or killed as its row says, and the same attempts outside the sandbox succeed or at
 * least are not stopped by us - or the row would prove nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/num.h"
#include "loop/reader.h"
#include "tests/t.h"
#include "tests/worker/rig.h"
#include "tests/worker/tiny.h"
#include "worker/sandbox.h"

/* What the attempts aim at. Paths are set before the zygote is forked, pids come with the job. */
static char secret[220], secret_dir[200];
static pid_t zygote, sibling;

/* What the worker has; a ring for each thread. */
static _Thread_local struct reader *ring;
static const void *cache;

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return result(fd);
}

static const char *in_scratch(const char *name)
{
	static char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("TMPDIR"), name);
	return path;
}

static const char *proc_path(pid_t pid, const char *name)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return path;
}

/* --- files --- */

static int open_passwd(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int open_queue_file(void)
{
	return try_open(secret, O_RDONLY);
}

static int write_queue_file(void)
{
	return try_open(secret, O_WRONLY);
}

static int list_root(void)
{
	return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int list_queue(void)
{
	return try_open(secret_dir, O_RDONLY | O_DIRECTORY);
}

static int make_in_queue(void)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/new", secret_dir);
	return try_open(path, O_WRONLY | O_CREAT);
}

static int hidden_file_in_queue(void)
{
	return try_open(secret_dir, O_RDWR | O_TMPFILE);
}

static int remove_queue_file(void)
{
	return result(unlink(secret));
}

static int move_queue_file(void)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/moved", secret_dir);
	return result(rename(secret, path));
}

static int truncate_queue_file(void)
{
	return result(truncate(secret, 0));
}

static int chmod_queue_file(void)
{
	return result(chmod(secret, 0777));
}

static int chmod_sibling(void)
{
	return result(chmod(in_scratch("../1"), 0));
}

static int list_sibling(void)
{
	return try_open(in_scratch("../1"), O_RDONLY | O_DIRECTORY);
}

static int read_sibling_file(void)
{
	return try_open(in_scratch("../1/left"), O_RDONLY);
}

static int link_out(void)
{
	return result(symlink("/etc/passwd", in_scratch("link")));
}

static int make_pipe_file(void)
{
	return result(mkfifo(in_scratch("pipe"), 0600));
}

static int handle_at(void)
{
	struct file_handle h = { .handle_bytes = 0 };

	return result(open_by_handle_at(AT_FDCWD, &h, O_RDONLY));
}

static int too_large_file(void)
{
	int fd = open(in_scratch("large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char block[65536];
	ssize_t n = 0;

	for (int i = 0; i < 1000 && n >= 0; i++)
		n = write(fd, block, sizeof(block));
	return result(n);
}

static int sparse_file(void)
{
	int fd = open(in_scratch("sparse"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return result(ftruncate(fd, (off_t)1 << 40));
}

/* --- network --- */

static int inet_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int unix_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int a_socketpair(void)
{
	int pair[2];

	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int do_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };

	return result(connect(4, (struct sockaddr *)&to, sizeof(to)));
}

static int pass_descriptor(void)
{
	struct msghdr m = { 0 };

	return result(sendmsg(4, &m, 0));
}

/* --- programs and processes --- */

static int run_shell(void)
{
	char *argv[] = { (char *)"sh", NULL };

	return result(execv("/bin/sh", argv));
}

static int run_own_file(void)
{
	char *argv[] = { (char *)"x", NULL };

	return result(execveat(4, "", argv, NULL, AT_EMPTY_PATH));
}

static int do_fork(void)
{
	return result(syscall(SYS_fork));
}

static int do_vfork(void)
{
	return result(syscall(SYS_vfork));
}

static int make_thread(void)
{
	return result(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FS, NULL,
			      NULL, NULL, 0));
}

static int trace_sibling(void)
{
	return result(ptrace(PTRACE_ATTACH, sibling, NULL, NULL));
}

static int be_traced(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_memory_of(pid_t pid)
{
	char buf[8];
	struct iovec here = { buf, sizeof(buf) }, there = { &secret, sizeof(buf) };

	return result(process_vm_readv(pid, &here, 1, &there, 1, 0));
}

static int read_sibling_memory(void)
{
	return read_memory_of(sibling);
}

static int write_zygote_memory(void)
{
	char buf[8] = "";
	struct iovec here = { buf, sizeof(buf) }, there = { &secret, sizeof(buf) };

	return result(process_vm_writev(zygote, &here, 1, &there, 1, 0));
}

static int open_sibling_memory(void)
{
	return try_open(proc_path(sibling, "mem"), O_RDONLY);
}

static int open_own_memory(void)
{
	return try_open("/proc/self/mem", O_RDWR);
}

static int open_sibling_environment(void)
{
	return try_open(proc_path(sibling, "environ"), O_RDONLY);
}

static int kill_zygote(void)
{
	return result(kill(zygote, SIGKILL));
}

static int kill_sibling(void)
{
	return result(syscall(SYS_tgkill, sibling, sibling, SIGABRT));
}

static int kill_everybody(void)
{
	return result(kill(-1, SIGKILL));
}

static int a_pidfd(void)
{
	return result(syscall(SYS_pidfd_open, zygote, 0));
}

static int get_fd_of_sibling(void)
{
	return result(syscall(SYS_pidfd_getfd, 4, 0, 0));
}

/* --- rings. T8: a ring with SQPOLL; T9: operations seccomp does not see --- */

static int make_ring(unsigned flags)
{
	struct io_uring_params p = { .flags = flags };

	return result(syscall(SYS_io_uring_setup, 4, &p));
}

static int new_ring(void)
{
	return make_ring(0);
}

static int new_polled_ring(void)
{
	return make_ring(IORING_SETUP_SQPOLL);
}

static int unlock_ring(void)
{
	int r = 0;

	for (int fd = 3; fd < 16; fd++)
		r = result(syscall(SYS_io_uring_register, fd, 11, NULL, 0));
	return r;
}

static int ring_openat(void)
{
	return reader_try(ring, IORING_OP_OPENAT, AT_FDCWD, "/etc/passwd");
}

static int ring_openat2(void)
{
	return reader_try(ring, IORING_OP_OPENAT2, AT_FDCWD, "/etc/passwd");
}

static int ring_write(void)
{
	return reader_try(ring, IORING_OP_WRITE, 4, secret);
}

static int ring_unlink(void)
{
	return reader_try(ring, IORING_OP_UNLINKAT, AT_FDCWD, secret);
}

static int ring_rename(void)
{
	return reader_try(ring, IORING_OP_RENAMEAT, AT_FDCWD, secret);
}

static int ring_socket(void)
{
	return reader_try(ring, 45, AF_INET, NULL);
}

static int ring_connect(void)
{
	return reader_try(ring, IORING_OP_CONNECT, 4, secret);
}

static int ring_sendmsg(void)
{
	return reader_try(ring, IORING_OP_SENDMSG, 4, secret);
}

static int ring_msg_ring(void)
{
	return reader_try(ring, 40, 4, NULL);
}

static int ring_uring_cmd(void)
{
	return reader_try(ring, 46, 4, NULL);
}

/* --- memory, verdicts, job table --- */

static int make_cache_writable(void)
{
	return result(mprotect((void *)(uintptr_t)cache, 4096, PROT_READ | PROT_WRITE));
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int hidden_file(void)
{
	return result(memfd_create("x", 0));
}

static int block_the_gateway(void)
{
	return result(fcntl(5, F_SETFL, 0)); /* its eventfd, without O_NONBLOCK */
}

static int own_signals_of_others(void)
{
	return result(fcntl(4, F_SETOWN, zygote));
}

static int lock_a_file(void)
{
	return result(syscall(SYS_flock, 4, 1));
}

/* --- privileges and the system --- */

static int be_root(void)
{
	return result(syscall(SYS_setuid, 0));
}

static int new_user_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int join_namespace(void)
{
	return result(setns(4, 0));
}

static int do_mount(void)
{
	return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int do_chroot(void)
{
	return result(chroot("/"));
}

static int raise_limit(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	return result(setrlimit(RLIMIT_FSIZE, &r));
}

static int be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int outlive_zygote(void)
{
	return result(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
}

static int a_bpf_program(void)
{
	union bpf_attr attr = { 0 };

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int perf_events(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };

	return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int a_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

static int keys(void)
{
	return result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0));
}

static int a_module(void)
{
	return result(syscall(SYS_init_module, NULL, 0, ""));
}

#ifdef __x86_64__
/* System calls of other ABIs have other numbers: a filter that forgets them filters nothing. */
static int call_32_bit(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); /* getpid */
	return r < 0 ? (int)r : 0;
}

static int call_x32(void)
{
	return result(syscall(0x40000000 | SYS_getpid));
}
#endif

#define KILLED (-1)

/* @want: the errno of the refusal, which says who refused, or KILLED. */
static const struct {
	const char *what;
	int (*attempt)(void);
	int want;
	bool by_landlock;
} attempts[] = {
	{ "open /etc/passwd", open_passwd, EACCES, true },
	{ "read a queue file", open_queue_file, EACCES, true },
	{ "write a queue file", write_queue_file, EACCES, true },
	{ "list /", list_root, EACCES, true },
	{ "list the queue", list_queue, EACCES, true },
	{ "make a file in the queue", make_in_queue, EACCES, true },
	{ "make a nameless file in the queue", hidden_file_in_queue, EACCES, true },
	{ "remove a queue file", remove_queue_file, EACCES, true },
	{ "move a queue file", move_queue_file, EACCES, true },
	{ "truncate a queue file", truncate_queue_file, ENOSYS, false },
	{ "chmod a queue file", chmod_queue_file, ENOSYS, false },
	{ "chmod a sibling's directory", chmod_sibling, ENOSYS, false },
	{ "T3: list a sibling's directory", list_sibling, EACCES, true },
	{ "T3: read a sibling's file", read_sibling_file, EACCES, true },
	{ "make a symbolic link", link_out, ENOSYS, false },
	{ "make a pipe", make_pipe_file, KILLED, false },
	{ "open by handle", handle_at, KILLED, false },
	{ "fill the disk", too_large_file, EFBIG, false },
	{ "make a file of 1 TB", sparse_file, EFBIG, false },
	{ "internet socket", inet_socket, ENOSYS, false },
	{ "UNIX socket", unix_socket, ENOSYS, false },
	{ "netlink socket", netlink_socket, ENOSYS, false },
	{ "socketpair", a_socketpair, ENOSYS, false },
	{ "connect", do_connect, KILLED, false },
	{ "pass a descriptor", pass_descriptor, KILLED, false },
	{ "run a shell", run_shell, KILLED, false },
	{ "run an open file", run_own_file, KILLED, false },
	{ "fork", do_fork, KILLED, false },
	{ "vfork", do_vfork, KILLED, false },
	{ "make a thread", make_thread, KILLED, false },
	{ "trace a sibling", trace_sibling, KILLED, false },
	{ "be traced", be_traced, KILLED, false },
	{ "read a sibling's memory", read_sibling_memory, KILLED, false },
	{ "write the zygote's memory", write_zygote_memory, KILLED, false },
	{ "open a sibling's memory", open_sibling_memory, EACCES, true },
	{ "open its own memory", open_own_memory, EACCES, true },
	{ "open a sibling's environment", open_sibling_environment, EACCES, true },
	{ "kill the zygote", kill_zygote, ENOSYS, false },
	{ "kill a sibling", kill_sibling, ENOSYS, false },
	{ "kill everybody", kill_everybody, ENOSYS, false },
	{ "pidfd", a_pidfd, KILLED, false },
	{ "pidfd_getfd", get_fd_of_sibling, KILLED, false },
	{ "new ring", new_ring, KILLED, false },
	{ "T8: new ring with SQPOLL", new_polled_ring, KILLED, false },
	{ "change the ring's restrictions", unlock_ring, KILLED, false },
	{ "T9: open through the ring", ring_openat, EACCES, false },
	{ "T9: openat2 through the ring", ring_openat2, EACCES, false },
	{ "T9: write through the ring", ring_write, EACCES, false },
	{ "T9: unlink through the ring", ring_unlink, EACCES, false },
	{ "T9: rename through the ring", ring_rename, EACCES, false },
	{ "T9: socket through the ring", ring_socket, EACCES, false },
	{ "T9: connect through the ring", ring_connect, EACCES, false },
	{ "T9: sendmsg through the ring", ring_sendmsg, EACCES, false },
	{ "T9: message to another ring", ring_msg_ring, EACCES, false },
	{ "T9: driver command through the ring", ring_uring_cmd, EACCES, false },
	{ "write verdicts into the cache", make_cache_writable, EACCES, false },
	{ "map memory for code", map_code, ENOSYS, false },
	{ "turn memory into code", make_code, ENOSYS, false },
	{ "memory file", hidden_file, ENOSYS, false },
	{ "make the gateway's eventfd block", block_the_gateway, ENOSYS, false },
	{ "send signals through a descriptor", own_signals_of_others, ENOSYS, false },
	{ "lock a file", lock_a_file, ENOSYS, false },
	{ "become root", be_root, KILLED, false },
	{ "new user namespace", new_user_namespace, KILLED, false },
	{ "join a namespace", join_namespace, KILLED, false },
	{ "mount", do_mount, KILLED, false },
	{ "chroot", do_chroot, KILLED, false },
	{ "raise a limit", raise_limit, ENOSYS, false },
	{ "become dumpable", be_dumpable, ENOSYS, false },
	{ "outlive the zygote", outlive_zygote, ENOSYS, false },
	{ "BPF", a_bpf_program, KILLED, false },
	{ "performance counters", perf_events, KILLED, false },
	{ "userfaultfd", a_userfaultfd, KILLED, false },
	{ "keys", keys, KILLED, false },
	{ "kernel module", a_module, KILLED, false },
#ifdef __x86_64__
	{ "32-bit system call", call_32_bit, KILLED, false },
	{ "x32 system call", call_x32, KILLED, false },
#endif
};

/* --- the worker's side --- */

/* So that there is something to be found in a sibling's directory while it scans. */
static void leave_file_and_hang(void)
{
	(void)try_open(in_scratch("left"), O_WRONLY | O_CREAT);
	for (;;)
		(void)pause();
}

/* "INDEX ZYGOTE SIBLING", "hang", or anything else, which is echoed. */
static void attempt(struct bytes message, char *out, size_t size)
{
	struct bytes rest = message, word;
	uint64_t n[3] = { 0 };
	int r;

	if (bytes_eq(message, BYTES("hang")))
		leave_file_and_hang();
	for (size_t i = 0; i < ARRAY_LEN(n); i++) {
		if (bytes_next_word(&rest, &word) && num_parse(word, 10, INT32_MAX, &n[i]) == 0)
			continue;
		(void)snprintf(out, size, "%.*s", (int)message.n, (const char *)message.p);
		return;
	}
	zygote = (pid_t)n[1];
	sibling = (pid_t)n[2];
	r = attempts[n[0]].attempt();
	(void)snprintf(out, size, "%s", r < 0 ? strerror(-r) : "SUCCEEDED");
}

static void remember_ring(struct reader *r)
{
	ring = r;
}

static int map_cache(struct verdict_cache **ret_c, int fd, struct err *err UNUSED)
{
	cache = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	*ret_c = (struct verdict_cache *)(uintptr_t)cache;
	return cache == MAP_FAILED ? -errno : 0;
}

/* As scan/verdict_cache.h makes it: nobody who gets it now can map it for writing. */
static int cache_file(void)
{
	int fd = memfd_create("cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4096) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE) < 0)
		abort();
	return fd;
}

/* --- the other side --- */

static void check_attempt(struct rig *r, size_t i, int cache_fd)
{
	char text[64], out[400] = "";
	unsigned slot;
	bool answered;

	if (r->w[0].pid == 0)
		rig_spawn(r, 0, cache_fd);
	(void)snprintf(text, sizeof(text), "%zu %d %d", i, (int)r->zygote, (int)r->w[1].pid);
	(void)rig_post(r, 0, text);
	answered = rig_result(r, 0, &slot, out, sizeof(out));
	if (attempts[i].want != KILLED) {
		T_OK(answered && strcmp(out, strerror(attempts[i].want)) == 0, "%s: %s",
		     attempts[i].what, answered ? out : "died");
	} else {
		T_OK(!answered && WIFSIGNALED(r->last.status) && WTERMSIG(r->last.status) == SIGSYS,
		     "%s: %s", attempts[i].what, answered ? out : "killed");
	}
	if (!answered)
		rig_forget(r, 0);
}

static bool file_says(pid_t pid, const char *file, const char *part)
{
	char text[4096], path[64];
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, part) != NULL;
}

static const char *const status_lines[] = {
	"\nUid:\t65534\t65534\t65534\t65534\n",
	"\nGroups:\t \n",
	"\nThreads:\t1\n",
	"\nCapPrm:\t0000000000000000\n",
	"\nCapEff:\t0000000000000000\n",
	"\nCapBnd:\t0000000000000000\n",
	"\nCapAmb:\t0000000000000000\n",
	"\nNoNewPrivs:\t1\n",
	"\nSeccomp:\t2\n",
};

static bool other_namespace(pid_t pid, const char *which)
{
	char path[64], ours[64] = "", theirs[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, which);
	if (readlink(path, theirs, sizeof(theirs) - 1) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", which);
	if (readlink(path, ours, sizeof(ours) - 1) < 0)
		return false;
	return strcmp(ours, theirs) != 0;
}

/* 0-2 nothing, job socket, eventfd, ring, its directory: and that is all. */
static unsigned count_fds(pid_t pid, char *list, size_t size)
{
	unsigned n = 0;
	size_t used = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[100];
		ssize_t len;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		n++;
		used += (size_t)snprintf(list + used, size - used, " %d=%s", fd, target);
		if (used >= size)
			break;
	}
	return n;
}

/* What the kernel says about the worker. */
static void check_from_outside(struct rig *r)
{
	static const char *const spaces[] = { "mnt", "net", "ipc", "uts" };
	pid_t pid = r->w[0].pid;
	char list[2048] = "", out[400];
	unsigned slot, n;

	(void)rig_post(r, 0, "hello");
	T_OK(rig_result(r, 0, &slot, out, sizeof(out)) && strcmp(out, "hello") == 0,
	     "the worker works");
	for (size_t i = 0; i < ARRAY_LEN(status_lines); i++)
		T_OK(file_says(pid, "status", status_lines[i]), "its status has %.*s",
		     (int)strcspn(status_lines[i] + 1, "\n"), status_lines[i] + 1);
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++)
		T_OK(other_namespace(pid, spaces[i]), "it has its own %s namespace", spaces[i]);
	T_OK(file_says(pid, "oom_score_adj", "1000\n"), "it is the first to go without memory");
	T_OK(file_says(pid, "limits", "Max core file size        0                    0 "),
	     "it leaves no core file");
	T_OK(file_says(pid, "limits", "Max open files            256                  256 "),
	     "it has few descriptors");
	n = count_fds(pid, list, sizeof(list));
	T_OK(n == 7 && strstr(list, "/dev/null") != NULL && strstr(list, "eventfd") != NULL,
	     "its %u descriptors:%s", n, list);
}

static bool harmless(int (*fn)(void))
{
	static int (*const harmful[])(void) = {
		kill_everybody,      kill_zygote,       kill_sibling,    a_module,    trace_sibling,
		write_zygote_memory, remove_queue_file, move_queue_file, ring_unlink, ring_rename,
		truncate_queue_file, too_large_file,    do_vfork,        make_thread, sparse_file,
#ifdef __x86_64__
		call_32_bit, /* not every kernel has them */
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(harmful); i++)
		if (fn == harmful[i])
			return false;
	return true;
}

/* The rows again in a child without sandbox: there nothing may end it. */
static void check_outside(void)
{
	unsigned ended = 0, rows = 0;

	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		int status;
		pid_t pid;

		/* T9 needs the worker's ring; tests/loop has the control for it. */
		if (!harmless(attempts[i].attempt) || strncmp(attempts[i].what, "T9", 2) == 0)
			continue;
		rows++;
		pid = fork();
		if (pid == 0) {
			(void)attempts[i].attempt();
			_exit(0);
		}
		(void)waitpid(pid, &status, 0);
		if (status != 0 && attempts[i].attempt != run_shell)
			printf("# outside, '%s' ends with status %x\n", attempts[i].what,
			       (unsigned)status);
		ended += WIFSIGNALED(status);
	}
	T_OK(ended == 0, "outside the sandbox none of %u attempts is killed", rows);
	T_OK(open_passwd() == 0 && open_queue_file() == 0 && list_queue() == 0 &&
		     make_in_queue() == 0 && inet_socket() == 0 && new_ring() == 0 &&
		     map_code() == 0 && hidden_file() == 0 && move_queue_file() == 0,
	     "what matters most works there");
}

static void make_secret(void)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	(void)snprintf(secret_dir, sizeof(secret_dir), "%s/queue", tmp);
	(void)snprintf(secret, sizeof(secret), "%s/qf1", secret_dir);
	/* The rights are wide open: only the sandbox stands before it. */
	if (mkdir(secret_dir, 0777) < 0 || chmod(secret_dir, 0777) < 0)
		abort();
	fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || fchmod(fd, 0666) < 0 || write(fd, "secret", 6) != 6)
		abort();
	(void)close(fd);
}

/* As root we see into the zygote's mounts. */
static bool wait_for_file(const struct rig *r, const char *name)
{
	static const char *const roots[] = { "dev/shm", "media", "mnt" };
	char path[128];

	for (int i = 0; i < 30000; i++) {
		for (size_t k = 0; k < ARRAY_LEN(roots); k++) {
			(void)snprintf(path, sizeof(path), "/proc/%d/root/%s/1/%s", (int)r->zygote,
				       roots[k], name);
			if (access(path, F_OK) == 0)
				return true;
		}
		(void)poll(NULL, 0, 1);
	}
	return false;
}

/* Landlock, seccomp and the rest hold for each thread by itself. */
static void check_threads_from_outside(const struct rig *r)
{
	DIR *d;
	struct dirent *e;
	char path[64];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)r->w[0].pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		char file[300];
		unsigned same = 0;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "task/%s/status", e->d_name);
		for (size_t i = 0; i < ARRAY_LEN(status_lines); i++)
			same += file_says(r->w[0].pid, file, status_lines[i]);
		T_OK(same == ARRAY_LEN(status_lines) - 1 &&
			     file_says(r->w[0].pid, file, "\nThreads:\t2\n"),
		     "thread %s has the sandbox of a worker", e->d_name);
		n++;
	}
	if (d != NULL)
		(void)closedir(d);
	T_OK(n == 2, "%u threads", n);
}

/* Every attempt from the second of two threads. */
static void check_second_thread(struct rig *r, int cache_fd, bool landlock)
{
	char out[400] = "";
	unsigned slot;

	rig_kill(r, 0);
	if (r->w[0].pid != 0)
		(void)rig_exited(r, 0);
	r->threads = 2;
	rig_spawn(r, 0, cache_fd);
	(void)rig_post(r, 0, "hello");
	T_OK(rig_result(r, 0, &slot, out, sizeof(out)) && strcmp(out, "hello") == 0,
	     "the second of two threads works");
	check_threads_from_outside(r);
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		if (landlock || !attempts[i].by_landlock)
			check_attempt(r, i, cache_fd);
}

static void check_sandbox(int cache_fd)
{
	struct worker_ops ops = tiny_ops;
	struct client_setup setup = tiny_setup();
	struct rig r;
	bool landlock = sandbox_landlock_abi() > 0;

	ops.sandboxed = remember_ring;
	ops.cache_attach = map_cache;
	setup.zygote.ops = &ops;
	setup.zygote.keep_stderr = false;
	tiny_scan = attempt;
	rig_start(&r, &setup);
	printf("# %s\n", r.last.text);
	rig_spawn(&r, 1, cache_fd);
	(void)rig_post(&r, 1, "hang");
	T_OK(wait_for_file(&r, "left"), "a sibling works, with a file in its directory");
	rig_spawn(&r, 0, cache_fd);
	check_from_outside(&r);
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		if (landlock || !attempts[i].by_landlock)
			check_attempt(&r, i, cache_fd);
		else
			printf("# skipped, no Landlock here: %s\n", attempts[i].what);
	check_second_thread(&r, cache_fd, landlock);
	T_OK(kill(r.w[1].pid, 0) == 0, "the sibling lives");
	T_OK(rig_stop(&r) == 0, "the zygote ends as it should");
}

int main(void)
{
	int cache_fd;

	if (geteuid() != 0)
		return t_skip_all("needs root: the sandbox is tested with all its layers");
	tiny_begin();
	make_secret();
	cache_fd = cache_file();
	check_sandbox(cache_fd);
	check_outside();
	fd_close(&cache_fd);
	tiny_end();
	return t_done();
}
