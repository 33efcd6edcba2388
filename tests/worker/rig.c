/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/worker/rig.c - see rig.h. */
#include "tests/worker/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/worker/tiny.h"

#define PATIENCE_MS 60000

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("# rig: %s\n", what);
	abort();
}

static pid_t fork_zygote(const struct client_setup *setup, int sock)
{
	struct zygote_setup z = setup->zygote;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	sock = fcntl(sock, F_DUPFD, 10);
	if (dup2(sock, 3) < 0 || close_range(4, ~0u, 0) < 0)
		_exit(1);
	z.sock = 3;
	_exit(zygote_main(&z));
}

static void tell(struct rig *r, uint32_t type, uint32_t worker, const int *fds, size_t n)
{
	struct zygote_msg m = {
		.type = type, .worker = worker, .threads = r->threads, .node = r->node
	};

	(void)snprintf(m.text, sizeof(m.text), "rig.conf");
	must(zygote_send(r->sock, &m, fds, n, NULL) == 0, "send to the zygote");
}

void rig_start(struct rig *r, const struct client_setup *setup)
{
	int pair[2];

	*r = (struct rig){ .sock = -1 };
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socket");
	r->sock = pair[0];
	r->zygote = fork_zygote(setup, pair[1]);
	(void)close(pair[1]);
	tell(r, ZYGOTE_CONFIG, 0, &setup->bundle_fd, 1);
	if (rig_next(r) != ZYGOTE_READY)
		printf("# %s\n", r->last.text);
	must(r->last.type == ZYGOTE_READY, "zygote is ready");
}

static void forget(struct rig_worker *w)
{
	for (unsigned t = 0; t < ZYGOTE_THREADS_MAX; t++) {
		if (w->others[t].jobs == NULL)
			continue;
		jobs_free(&w->others[t].jobs);
		fd_close(&w->others[t].sock);
		fd_close(&w->others[t].event_fd);
	}
	w->pid = 0;
	jobs_free(&w->jobs);
	fd_close(&w->sock);
	fd_close(&w->event_fd);
}

int rig_stop(struct rig *r)
{
	int status = -1;

	tell(r, ZYGOTE_QUIT, 0, NULL, 0);
	(void)waitpid(r->zygote, &status, 0);
	fd_close(&r->sock);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		if (r->w[i].pid != 0)
			forget(&r->w[i]);
	return status;
}

uint32_t rig_next(struct rig *r)
{
	struct pollfd p = { .fd = r->sock, .events = POLLIN };
	int fds[ZYGOTE_FDS_MAX];

	r->last.type = 0;
	if (poll(&p, 1, PATIENCE_MS) != 1 || zygote_recv(r->sock, &r->last, fds, NULL) != 1)
		return 0;
	return r->last.type;
}

static void make_lane(struct rig_lane *l, int fds[3])
{
	int pair[2];

	must(jobs_new(&l->jobs, &fds[0], NULL) == 0, "job table");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socket");
	l->sock = pair[0];
	fds[1] = pair[1];
	l->event_fd = fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void rig_spawn(struct rig *r, unsigned i, int cache_fd)
{
	unsigned threads = MAX_OF(r->threads, 1u);
	struct rig_worker *w = &r->w[i];
	int fds[ZYGOTE_FDS_MAX];

	for (unsigned t = 0; t < threads; t++) {
		struct rig_lane lane;

		make_lane(&lane, fds + (size_t)3 * t);
		w->others[t] = lane;
	}
	w->jobs = TAKE(w->others[threads - 1].jobs);
	w->sock = w->others[threads - 1].sock;
	w->event_fd = w->others[threads - 1].event_fd;
	fds[3 * threads] = cache_fd;
	tell(r, ZYGOTE_SPAWN, i, fds, 3 * threads + (cache_fd >= 0));
	for (unsigned t = 0; t < threads; t++) {
		(void)close(fds[3 * t]);
		(void)close(fds[3 * t + 1]);
	}
	must(rig_next(r) == ZYGOTE_SPAWNED && r->last.worker == i, "worker is spawned");
	w->pid = r->last.pid;
}

int rig_exited(struct rig *r, unsigned i)
{
	must(rig_next(r) == ZYGOTE_EXITED && r->last.worker == i, "worker has ended");
	forget(&r->w[i]);
	return r->last.status;
}

void rig_forget(struct rig *r, unsigned i)
{
	forget(&r->w[i]);
}

void rig_kill(struct rig *r, unsigned i)
{
	tell(r, ZYGOTE_KILL, i, NULL, 0);
}

unsigned rig_post(struct rig *r, unsigned i, const char *text)
{
	uint64_t request[2] = { 0, 0 };
	struct job_post p = { .request = bytes_of(request, sizeof(request)),
			      .head = bytes_str(text),
			      .head_fd = -1,
			      .body_fd = -1 };
	unsigned slot = 0;

	must(jobs_post(r->w[i].jobs, &p, &slot, NULL) == 0 &&
		     jobs_flush(r->w[i].jobs, r->w[i].sock, NULL) == 0,
	     "job is posted");
	return slot;
}

static bool reap(struct rig *r, unsigned i, unsigned *ret_slot, char *out, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct bytes result;
	struct facts f;

	if (jobs_reap(r->w[i].jobs, a, ret_slot, &result, NULL) < 0)
		return false;
	must(r->w[i].jobs != NULL && result.n > 0, "result is not empty");
	must(tiny_ops.get_facts(result, a, &f, NULL) == 0, "facts make sense");
	(void)snprintf(out, size, "%s%s",
		       f.checks[CHECK_MIME].why == NULL ? "" : f.checks[CHECK_MIME].why, f.subject);
	return true;
}

bool rig_result(struct rig *r, unsigned i, unsigned *ret_slot, char *out, size_t size)
{
	struct pollfd p[] = { { .fd = r->w[i].event_fd, .events = POLLIN },
			      { .fd = r->sock, .events = POLLIN } };
	uint64_t count;

	for (;;) {
		if (reap(r, i, ret_slot, out, size))
			return true;
		if (!jobs_prepare_sleep(r->w[i].jobs))
			continue;
		must(poll(p, ARRAY_LEN(p), PATIENCE_MS) > 0, "something happens");
		(void)!read(r->w[i].event_fd, &count, sizeof(count));
		if (p[1].revents == 0)
			continue;
		must(rig_next(r) == ZYGOTE_EXITED, "the zygote says EXITED");
		return reap(r, i, ret_slot, out, size);
	}
}
