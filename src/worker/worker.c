/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/worker.c - becoming a scan worker: descriptors, limits, sandbox; then jobs until the
 * gateway is gone.
 *
 * With one scan thread there is no other: the scan runs on the main stack, whose limit is raised
 * to 64 MB (GMime recurses on input; the kernel keeps 128 MB of address space free
 * for it). A process without threads also spares malloc and stdio their locks, and the main heap is
 * not trimmed after every scan as the heaps of threads are. More scan threads
 * (option Scan Threads) are worker/crew.c's.
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
#include "worker/crew.h"
#include "worker/prepare.h"
#include "worker/sandbox.h"
#include "worker/scan_jobs.h"
#include "worker/scratch.h"

/* Where the descriptors go: jobs, socket, eventfd of each thread, cache, status; everything above
 * is closed. */
enum { FD_FIRST = 3, FD_JOBS = 0, FD_SOCK, FD_EVENT, FD_PER_THREAD };

#define FDS_MAX (ZYGOTE_FDS_MAX + 1)

static int fd_of(unsigned thread, int which)
{
	return FD_FIRST + (int)thread * FD_PER_THREAD + which;
}

static int cache_fd(const struct worker_setup *s)
{
	return fd_of(s->threads, 0);
}

static int status_fd_of(const struct worker_setup *s)
{
	return fd_of(s->threads, 1);
}

/* --- descriptors --- */

/* First out of the way, then into place: a target may be somebody else's source. */
static int place_fds(const struct worker_setup *s, bool *ret_cache)
{
	int from[FDS_MAX], n = cache_fd(s) - FD_FIRST + 2, end = FD_FIRST + n;

	for (int i = 0; i < n; i++) {
		from[i] = i == n - 1 ? s->status_fd : s->fds[i];
		if (from[i] < 0)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, end);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		if (from[i] >= 0 && dup3(from[i], FD_FIRST + i, O_CLOEXEC) < 0)
			return -errno;
	*ret_cache = from[n - 2] >= 0;
	if (!*ret_cache)
		(void)close(cache_fd(s));
	return close_range((unsigned)end, ~0u, 0) < 0 ? -errno : 0;
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

/* Blocked signals are the zygote's; a scan wants none of them. What asks a whole group of processes
 * to stop asks the supervisor, which lets scans end. */
static void reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error, not the end */
}

static int tie_to(pid_t zygote)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == zygote ? 0 : -ECHILD; /* it died before the line above */
}

/* Half of ClamAV's cost was giving memory back after each scan. */
static void tune_malloc(unsigned threads)
{
	(void)mallopt(M_ARENA_MAX, (int)threads);
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
	*status_fd = status_fd_of(s);
	silence(s->keep_stderr);
	(void)umask(077);
	(void)prctl(PR_SET_NAME, "sallyport-scan");
	crew_pin(s->pins[0]);
	prepare_own_memory((int)s->node - 1);
	tune_malloc(s->threads);
	return fault_at("worker.start", 0) < 0 ? err_code(err, -EIO, "scan worker: fault") : 0;
}

static int make_scanners(const struct worker_setup *s, bool has_cache, struct crew *crew,
			 struct err *err)
{
	struct verdict_cache *cache = NULL;
	int r = 0;

	if (has_cache) {
		r = s->ops->cache_attach(&cache, cache_fd(s), err);
		(void)close(cache_fd(s));
	}
	for (unsigned i = 0; r == 0 && i < s->threads; i++)
		r = s->ops->scanner_new(&crew->scan[i].scanner, s->engine, s->tmp_dir, cache, err);
	for (unsigned i = 0; r == 0 && i < s->threads; i++)
		r = scan_jobs_init(&crew->scan[i], err);
	return r;
}

static int attach_tables(const struct worker_setup *s, int tmp_fd, struct crew *crew,
			 struct err *err)
{
	int r = 0;

	crew_init(crew, s->threads, s->pins);
	for (unsigned i = 0; r == 0 && i < s->threads; i++) {
		struct scan_jobs *w = &crew->scan[i];

		w->ops = s->ops;
		w->tmp_fd = tmp_fd;
		w->sock = fd_of(i, FD_SOCK);
		w->event_fd = fd_of(i, FD_EVENT);
		r = jobs_attach(&w->jobs, fd_of(i, FD_JOBS), err);
		(void)close(fd_of(i, FD_JOBS));
	}
	return r;
}

/* The order is that of sandbox.h. */
static int become_worker(const struct worker_setup *s, struct crew *crew, int *status_fd,
			 struct err *err)
{
	struct sandbox_limits limits = { .memory_bytes = s->memory_bytes,
					 .file_bytes = s->tmpfs_bytes,
					 .stack_bytes = CREW_STACK_BYTES,
					 .threads = s->threads,
					 .no_processes = s->own_user };
	bool has_cache = false;
	int r = begin(s, &has_cache, status_fd, err), tmp_fd;

	if (r < 0)
		return r;
	tmp_fd = open_scratch(s, err);
	if (tmp_fd < 0)
		return tmp_fd;
	r = attach_tables(s, tmp_fd, crew, err);
	if (r == 0)
		r = sandbox_limit(&limits, err);
	if (r == 0)
		r = make_scanners(s, has_cache, crew, err);
	if (r == 0)
		r = sandbox_landlock(tmp_fd, err);
	if (r == 0)
		r = crew_start(crew, err); /* all threads with their rings, none of them at work */
	return r < 0 ? r : sandbox_seccomp(err);
}

int worker_main(const struct worker_setup *s)
{
	struct crew crew;
	struct err err = { .kind = ERR_NONE };
	int status_fd = s->status_fd, r = become_worker(s, &crew, &status_fd, &err);

	if (r < 0) {
		(void)!write(status_fd, err.text, strlen(err.text));
		return EX_UNAVAILABLE;
	}
	(void)close(status_fd);
	return crew_run(&crew);
}
