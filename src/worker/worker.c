/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/worker.c - becoming a scan worker: descriptors, limits, sandbox; then jobs until the
 * gateway is gone.
 *
 * There is no thread: the scan runs on the main stack, whose limit is raised to 64 MB (GMime
 * recurses on input, probes.md T5; the kernel keeps 128 MB of address space free for it). A
 * process without threads also spares malloc and stdio their locks, and the main heap is not
 * trimmed after every scan as the heaps of threads are (probes.md 6).
 */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/fault.h"
#include "worker/sandbox.h"
#include "worker/scan_jobs.h"
#include "worker/scratch.h"

#define STACK_BYTES (64 * MIB)

/* Where the descriptors go; everything above is closed. */
enum { FD_JOBS = 3, FD_SOCK, FD_EVENT, FD_CACHE, FD_STATUS, FD_END };

/* --- descriptors --- */

/* First out of the way, then into place: a target may be somebody else's source. */
static int place_fds(const struct worker_setup *s, bool *ret_cache)
{
	int from[] = { s->jobs_fd, s->sock, s->event_fd, s->cache_fd, s->status_fd };

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		if (from[i] < 0)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_END);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < FD_END - FD_JOBS; i++)
		if (from[i] >= 0 && dup3(from[i], FD_JOBS + i, O_CLOEXEC) < 0)
			return -errno;
	*ret_cache = from[FD_CACHE - FD_JOBS] >= 0;
	if (!*ret_cache)
		(void)close(FD_CACHE);
	return close_range(FD_END, ~0u, 0) < 0 ? -errno : 0;
}

static void silence(bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= (keep_stderr ? 1 : 2); fd++)
		if (null < 0 || dup2(null, fd) < 0)
			(void)close(fd);
	if (null > 2)
		(void)close(null);
}

/* --- start --- */

/* Handlers and blocked signals are the zygote's; a scan wants none of them. */
static void reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error, not the end */
}

static int tie_to(pid_t zygote)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == zygote ? 0 : -ECHILD; /* it died before the line above */
}

static void pin(int core)
{
	cpu_set_t set;

	if (core < 0 || core >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* a core that is gone: run anywhere */
}

/* Half of ClamAV's cost was giving memory back after each scan (probes.md 6). */
static void tune_malloc(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TOP_PAD, 1 << 20);
}

/* The one before may have left anything there; after Landlock old kernels cannot move it. */
static int open_scratch(const struct worker_setup *s, struct err *err)
{
	int fd = open(s->tmp_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return err_errno(err, "open '%s'", s->tmp_dir);
	r = scratch_clean(fd);
	if (r < 0) {
		fd_close(&fd);
		return err_code(err, r, "empty '%s'", s->tmp_dir);
	}
	if (fchdir(fd) < 0 || setenv("TMPDIR", s->tmp_dir, 1) < 0) {
		r = err_errno(err, "enter '%s'", s->tmp_dir);
		fd_close(&fd);
		return r;
	}
	return fd;
}

/* Needs nothing of the host and changes nothing that a later step needs. */
static int begin(const struct worker_setup *s, bool *ret_cache, int *status_fd, struct err *err)
{
	int r;

	fault_set_role("worker");
	reset_signals();
	r = tie_to(s->zygote);
	if (r == 0)
		r = place_fds(s, ret_cache);
	if (r < 0)
		return err_code(err, r, "scan worker: descriptors");
	*status_fd = FD_STATUS;
	silence(s->keep_stderr);
	(void)umask(077);
	(void)prctl(PR_SET_NAME, "sallyport-scan");
	pin(s->core);
	tune_malloc();
	return fault_at("worker.start", 0) < 0 ? err_code(err, -EIO, "scan worker: fault") : 0;
}

static int make_scanner(const struct worker_setup *s, bool has_cache, struct scanner **ret_scanner,
			struct err *err)
{
	struct verdict_cache *cache = NULL;
	int r = 0;

	if (has_cache) {
		r = s->ops->cache_attach(&cache, FD_CACHE, err);
		(void)close(FD_CACHE);
	}
	return r < 0 ? r : s->ops->scanner_new(ret_scanner, s->engine, s->tmp_dir, cache, err);
}

/* The order is that of sandbox.h. */
static int become_worker(const struct worker_setup *s, struct scan_jobs *w, int *status_fd,
			 struct err *err)
{
	struct sandbox_limits limits = { .memory_bytes = s->memory_bytes,
					 .file_bytes = s->tmpfs_bytes,
					 .stack_bytes = STACK_BYTES,
					 .no_processes = s->own_user };
	bool has_cache = false;
	int r = begin(s, &has_cache, status_fd, err);

	if (r < 0)
		return r;
	w->tmp_fd = open_scratch(s, err);
	if (w->tmp_fd < 0)
		return w->tmp_fd;
	r = jobs_attach(&w->jobs, FD_JOBS, err);
	(void)close(FD_JOBS);
	if (r == 0)
		r = sandbox_limit(&limits, err);
	if (r == 0)
		r = make_scanner(s, has_cache, &w->scanner, err);
	if (r == 0)
		r = scan_jobs_init(w, err);
	if (r == 0)
		r = sandbox_landlock(w->tmp_fd, err);
	if (r == 0)
		r = reader_new(&w->reader, err);
	return r < 0 ? r : sandbox_seccomp(err);
}

int worker_main(const struct worker_setup *s)
{
	struct scan_jobs w = { .ops = s->ops, .sock = FD_SOCK, .event_fd = FD_EVENT, .tmp_fd = -1 };
	struct err err = { .kind = ERR_NONE };
	int status_fd = s->status_fd, r = become_worker(s, &w, &status_fd, &err);

	if (r < 0) {
		(void)!write(status_fd, err.text, strlen(err.text));
		return EX_UNAVAILABLE;
	}
	(void)close(status_fd);
	if (s->ops->sandboxed != NULL)
		s->ops->sandboxed(w.reader);
	r = scan_jobs_run(&w);
	return r == -EPIPE ? EX_OK : EX_SOFTWARE;
}
