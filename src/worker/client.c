/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/client.c - a master that waits: start, one scan at a time, stop. */
#include "worker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "loop/jobs.h"
#include "worker/worker.h"

#define ANSWER_MS    30000u /* for the zygote to fork or to kill */
#define RESULT_BYTES (2 * (size_t)JOBS_RESULT_BYTES)
#define NS_PER_MS    1000000u

struct client {
	const struct worker_ops *ops;
	pid_t zygote, worker; /* 0: none */
	int sock;             /* to the zygote */
	struct jobs *jobs;
	int worker_sock, event_fd;
	uint64_t generation;
	char description[ZYGOTE_TEXT_MAX];
};

static uint64_t deadline_in(uint32_t ms)
{
	return clock_now_ns() + (uint64_t)ms * NS_PER_MS;
}

static int ms_left(uint64_t deadline)
{
	uint64_t now = clock_now_ns();

	return now >= deadline ? 0 : (int)MIN_OF((deadline - now) / NS_PER_MS + 1, INT32_MAX);
}

/* --- zygote --- */

static int receive(struct client *c, struct zygote_msg *ret_m, struct err *err)
{
	int fds[ZYGOTE_FDS_MAX], r = zygote_recv(c->sock, ret_m, fds, err);

	for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
		fd_close(&fds[i]);
	return r;
}

static int await(struct client *c, uint32_t ms, struct zygote_msg *ret_m, struct err *err)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	uint64_t deadline = deadline_in(ms);
	int r = 0;

	while (r == 0) {
		if (poll(&p, 1, ms_left(deadline)) == 0)
			return err_set(err, ERR_TEMP, -ETIMEDOUT,
				       "the zygote did not answer within %u ms", ms);
		r = receive(c, ret_m, err);
	}
	return r < 0 ? r : 0;
}

static void __attribute__((noreturn)) run_zygote(const struct client_setup *setup, int sock)
{
	struct zygote_setup z = setup->zygote;

	/* A copy above first: dup2() onto itself would leave close-on-exec set. */
	sock = fcntl(sock, F_DUPFD, CLIENT_SOCK_FD + 1);
	if (sock < 0 || dup2(sock, CLIENT_SOCK_FD) < 0 ||
	    close_range(CLIENT_SOCK_FD + 1, ~0u, 0) < 0)
		_exit(EX_OSERR);
	if (setup->argv != NULL) {
		(void)execv(setup->argv[0], (char *const *)setup->argv);
		_exit(EX_OSERR);
	}
	z.sock = CLIENT_SOCK_FD;
	_exit(zygote_main(&z));
}

static int fork_zygote(struct client *c, const struct client_setup *setup, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the zygote");
	c->sock = pair[0];
	c->zygote = fork();
	if (c->zygote == 0)
		run_zygote(setup, pair[1]);
	fd_close(&pair[1]);
	if (c->zygote > 0)
		return 0;
	c->zygote = 0;
	return err_errno(err, "start the zygote");
}

static int configure(struct client *c, const struct client_setup *setup, struct err *err)
{
	struct zygote_msg m = { .type = ZYGOTE_CONFIG };
	int r;

	(void)snprintf(m.text, sizeof(m.text), "%s", setup->conf_path);
	r = zygote_send(c->sock, &m, &setup->bundle_fd, 1, err);
	if (r == 0)
		r = await(c, setup->load_ms, &m, err);
	if (r < 0)
		return r;
	if (m.type != ZYGOTE_READY)
		return err_set(err, ERR_CONFIG, -EINVAL, "%s", m.text);
	c->generation = m.generation;
	memcpy(c->description, m.text, sizeof(c->description));
	return 0;
}

int client_start(struct client **ret_c, const struct client_setup *setup, struct err *err)
{
	AUTO(client_stop) struct client *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "client: out of memory");
	*c = (struct client){
		.ops = setup->zygote.ops, .sock = -1, .worker_sock = -1, .event_fd = -1
	};
	r = fork_zygote(c, setup, err);
	if (r == 0)
		r = configure(c, setup, err);
	if (r < 0)
		return r;
	*ret_c = TAKE(c);
	return 0;
}

static void forget_worker(struct client *c)
{
	c->worker = 0;
	jobs_free(&c->jobs);
	fd_close(&c->worker_sock);
	fd_close(&c->event_fd);
}

void client_stop(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	fd_close(&c->sock); /* which ends the zygote, and it its worker */
	while (c->zygote > 0 && waitpid(c->zygote, NULL, 0) < 0 && errno == EINTR)
		;
	forget_worker(c);
	free(c);
	*cp = NULL;
}

const char *client_description(const struct client *c)
{
	return c->description;
}

uint64_t client_generation(const struct client *c)
{
	return c->generation;
}

pid_t client_worker_pid(const struct client *c)
{
	return c->worker;
}

pid_t client_zygote_pid(const struct client *c)
{
	return c->zygote;
}

/* --- worker --- */

static int cannot_start(const struct zygote_msg *m, struct err *err)
{
	return err_set(err, ERR_CONFIG, -ECHILD, "the scan worker cannot start: %s", m->text);
}

static int spawn(struct client *c, struct err *err)
{
	struct zygote_msg m = { .type = ZYGOTE_SPAWN };
	AUTO(fd_close) int jobs_fd = -1;
	AUTO(fd_close) int theirs = -1;
	int pair[2], r = jobs_new(&c->jobs, &jobs_fd, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the scan worker");
	c->worker_sock = pair[0];
	theirs = pair[1];
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0)
		return err_errno(err, "eventfd for the scan worker");
	r = zygote_send(c->sock, &m, (int[]){ jobs_fd, theirs, c->event_fd }, 3, err);
	if (r == 0)
		r = await(c, ANSWER_MS, &m, err);
	if (r < 0)
		return r;
	if (m.type != ZYGOTE_SPAWNED)
		return cannot_start(&m, err);
	c->worker = m.pid;
	return 0;
}

static int need_worker(struct client *c, struct err *err)
{
	int r;

	if (c->worker != 0)
		return 0;
	r = spawn(c, err);
	if (r < 0)
		forget_worker(c);
	return r;
}

static int kill_worker(struct client *c, struct err *err)
{
	struct zygote_msg m = { .type = ZYGOTE_KILL };
	int r = zygote_send(c->sock, &m, NULL, 0, err);

	if (r == 0)
		r = await(c, ANSWER_MS, &m, err);
	forget_worker(c);
	return r;
}

/* --- one message --- */

/* The worker gets no descriptor that can write. */
static int read_only(int *fd, struct err *err)
{
	char path[40];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		again = err_errno(err, "reopen memory file");
	fd_close(fd);
	return again;
}

static int memory_file(struct bytes text, struct err *err)
{
	int fd = memfd_create("sallyport-message", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < text.n) {
		ssize_t n = write(fd, text.p + done, text.n - done);

		if (n < 0) {
			int r = err_errno(err, "memory file for a message");

			fd_close(&fd);
			return r;
		}
		done += (size_t)n;
	}
	return fd < 0 ? err_errno(err, "memory file for a message") : read_only(&fd, err);
}

/* To a worker that is gone: not an error here, its EXITED is on the way and says why. */
static int flush(struct client *c, struct err *err)
{
	int r = jobs_flush(c->jobs, c->worker_sock, err);

	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static int hand_over(struct client *c, const struct scan_request *r, const struct client_message *m,
		     struct err *err)
{
	uint8_t request[JOBS_REQUEST_BYTES];
	AUTO(fd_close) int file = -1;
	struct job_post p = {
		.kind = JOB_SCAN, .head_fd = -1, .body_fd = m->fd, .body_bytes = m->fd_bytes
	};
	ssize_t n = c->ops->put_request(r, request, sizeof(request), err);
	unsigned slot;
	int res;

	if (n < 0)
		return (int)n;
	p.request = bytes_of(request, (size_t)n);
	if (m->fd < 0 && m->text.n <= sizeof(request) - (size_t)n) {
		p.head = m->text;
		p.body_bytes = 0;
	} else if (m->fd < 0) {
		file = memory_file(m->text, err);
		if (file < 0)
			return file;
		p.body_fd = file;
		p.body_bytes = m->text.n;
	}
	res = jobs_post(c->jobs, &p, &slot, err);
	return res < 0 ? res : flush(c, err);
}

/* Facts that say why there are none. */
static int no_facts(struct arena *a, struct facts *ret_f, enum check_state state, const char *why,
		    struct err *err)
{
	const char *kept = arena_str(a, bytes_str(why));

	if (kept == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for facts");
	worker_facts(ret_f, state, kept);
	return 0;
}

/* 1: facts are there; 0: not yet; negative: what came is not to be trusted, or memory is out. */
static int take_result(struct client *c, struct arena *a, struct facts *ret_f, struct err *err)
{
	AUTO(arena_free) struct arena *raw = arena_new(RESULT_BYTES);
	struct bytes result;
	unsigned slot;
	int r;

	if (raw == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "no memory for facts");
	r = jobs_reap(c->jobs, raw, &slot, &result, err);
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		r = c->ops->get_facts(result, a, ret_f, err);
	return r < 0 ? r : 1;
}

static void describe_end(const struct zygote_msg *m, char *out, size_t size)
{
	if (WIFSIGNALED(m->status))
		(void)snprintf(out, size, "the scan worker died of signal %d (%s)",
			       WTERMSIG(m->status), strsignal(WTERMSIG(m->status)));
	else
		(void)snprintf(out, size, "the scan worker ended with status %d",
			       WEXITSTATUS(m->status));
}

/* Something came from the zygote. 1: facts; 0: nothing of interest; negative: no scans any more. */
static int on_zygote(struct client *c, struct arena *a, struct facts *ret_f, struct err *err)
{
	struct zygote_msg m;
	char why[120];
	int r = receive(c, &m, err);

	if (r <= 0 || m.type != ZYGOTE_EXITED)
		return MIN_OF(r, 0);
	r = take_result(c, a, ret_f, err); /* it may have finished before it ended */
	forget_worker(c);
	if (r == 1)
		return 1;
	if (m.text[0] != '\0')
		return cannot_start(&m, err);
	describe_end(&m, why, sizeof(why));
	r = no_facts(a, ret_f, CHECK_FAILED, why, err);
	return r < 0 ? r : 1;
}

static int give_up(struct client *c, struct arena *a, struct facts *ret_f, enum check_state state,
		   const char *why, struct err *err)
{
	int r = kill_worker(c, err);

	return r < 0 ? r : no_facts(a, ret_f, state, why, err);
}

static int await_facts(struct client *c, uint32_t wall_ms, struct arena *a, struct facts *ret_f,
		       struct err *err)
{
	struct pollfd p[] = { { .fd = c->event_fd, .events = POLLIN },
			      { .fd = c->sock, .events = POLLIN } };
	uint64_t deadline = deadline_in(wall_ms), count;
	char why[80];
	int r = 0;

	while (r == 0) {
		r = take_result(c, a, ret_f, err);
		if (r < 0)
			return give_up(c, a, ret_f, CHECK_FAILED, err->text, err);
		if (r == 1 || !jobs_prepare_sleep(c->jobs))
			continue;
		if (poll(p, ARRAY_LEN(p), ms_left(deadline)) == 0) {
			(void)snprintf(why, sizeof(why), "the scan took longer than %u ms",
				       wall_ms);
			return give_up(c, a, ret_f, CHECK_TIMEOUT, why, err);
		}
		(void)!read(c->event_fd, &count, sizeof(count));
		if (p[1].revents != 0)
			r = on_zygote(c, a, ret_f, err);
	}
	return MIN_OF(r, 0);
}

int client_scan(struct client *c, const struct scan_request *r, const struct client_message *m,
		uint32_t wall_ms, struct arena *a, struct facts *ret_f, struct err *err)
{
	struct err own = { .kind = ERR_NONE };
	int res;

	err = err == NULL ? &own : err;
	res = need_worker(c, err);
	if (res == 0)
		res = hand_over(c, r, m, err);
	return res < 0 ? res : await_facts(c, wall_ms, a, ret_f, err);
}
