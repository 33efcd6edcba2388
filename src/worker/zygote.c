/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/zygote.c - gives up what it can, loads what workers share, then forks and watches them.
 *
 * One thread, one poll(): signals come through a descriptor, because handlers and fork() in a
 * large process are two ways to be surprised.
 */
#include "worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/fault.h"
#include "loop/reader.h"
#include "worker/isolate.h"
#include "worker/prepare.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define LARGE_ENGINE_BYTES (64 * MIB) /* from here huge pages pay */

struct child {
	pid_t pid;     /* 0: none */
	int status_fd; /* why it could not start */
};

struct zygote {
	const struct zygote_setup *setup;
	struct isolation isolation;
	struct prepared prepared;
	struct scan_engine *engine;
	int signal_fd;
	struct child children[ZYGOTE_WORKERS_MAX];
};

/* --- talking to the master --- */

/*
 * The master is trusted to read; until it does there is nothing else we could usefully do. When it
 * is gone poll() says so.
 */
static int tell(const struct zygote *z, const struct zygote_msg *m)
{
	struct pollfd p = { .fd = z->setup->sock, .events = POLLOUT };
	struct err err;
	int r;

	while ((r = zygote_send(z->setup->sock, m, NULL, 0, &err)) == -EAGAIN)
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
	return r;
}

static int tell_failed(const struct zygote *z, const struct err *why)
{
	struct zygote_msg m = { .type = ZYGOTE_FAILED };

	(void)snprintf(m.text, sizeof(m.text), "%s", why->text);
	(void)tell(z, &m);
	return EX_CONFIG;
}

static void close_all(int fds[ZYGOTE_FDS_MAX])
{
	for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
		fd_close(&fds[i]);
}

/* --- start --- */

static int watch_signals(struct zygote *z, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)signal(SIGINT, SIG_IGN); /* of a terminal: the master has it too, and decides */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(err, "block signals");
	z->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return z->signal_fd < 0 ? err_errno(err, "watch signals") : 0;
}

/* What only a worker uses, tried here because a worker has nobody to tell. */
static void probe(struct missing *missing)
{
	struct reader *r = NULL;
	char text[128];

	if (sandbox_landlock_abi() == 0)
		missing_add(missing, "Landlock");
	if (reader_new(&r, NULL) == 0 && strcmp(reader_mode(r), "io_uring") != 0) {
		(void)snprintf(text, sizeof(text), "io_uring (%s)", reader_mode(r));
		missing_add(missing, text);
	}
	reader_free(&r);
}

/* Wait for the configuration; nothing else makes sense before it. */
static int receive_config(const struct zygote *z, struct zygote_msg *ret_m, int *ret_fd,
			  struct err *err)
{
	struct pollfd p = { .fd = z->setup->sock, .events = POLLIN };
	int fds[ZYGOTE_FDS_MAX], r = 0;

	while (r == 0) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return err_errno(err, "wait for the configuration");
		r = zygote_recv(z->setup->sock, ret_m, fds, err);
	}
	if (r < 0)
		return r;
	if (ret_m->type != ZYGOTE_CONFIG || fds[0] < 0) {
		close_all(fds);
		return err_set(err, ERR_BUG, -EBADMSG, "zygote: message %u before configuration",
			       ret_m->type);
	}
	*ret_fd = fds[0];
	fds[0] = -1;
	close_all(fds);
	return 0;
}

/* The configuration stays as long as the process: the engine may lend its strings. */
static int load(struct zygote *z, int fd, const char *path, struct err *err)
{
	const struct worker_ops *ops = z->setup->ops;
	struct conf *conf = NULL;
	int r = ops->conf_new(&conf, fd, path, err);

	return r < 0 ? r : ops->engine_new(&z->engine, conf, err);
}

static void describe(struct zygote *z, uint64_t huge_bytes, char *out, size_t size)
{
	const char *engine = z->setup->ops->engine_describe(z->engine);
	const char *missing = z->isolation.missing.text;
	int n = snprintf(out, size, "%s", engine);

	if (huge_bytes > 0 && n >= 0 && (size_t)n < size)
		n += snprintf(out + n, size - (size_t)n, "; %llu MB in huge pages",
			      (unsigned long long)(huge_bytes / MIB));
	if (missing[0] != '\0' && n >= 0 && (size_t)n < size)
		(void)snprintf(out + n, size - (size_t)n, "; this host does not give: %s", missing);
}

static uint64_t make_huge(const struct zygote *z)
{
	if (z->setup->huge == ZYGOTE_HUGE_NO)
		return 0;
	return prepare_huge_pages(LARGE_ENGINE_BYTES, z->setup->huge == ZYGOTE_HUGE_COLLAPSE);
}

static int start(struct zygote *z, struct err *err)
{
	struct zygote_msg ready = { .type = ZYGOTE_READY }, config;
	AUTO(fd_close) int fd = -1;
	/* First, although only load() looks at it: who ends with something unread in its socket
	 * makes the other side lose what was said last, which is why. */
	int r = receive_config(z, &config, &fd, err);

	if (r == 0)
		r = watch_signals(z, err);
	if (r == 0)
		r = isolate(&z->isolation, z->setup, err);
	if (r < 0)
		return r;
	probe(&z->isolation.missing);
	prepare_libraries(&z->prepared);
	prepare_spread_memory();
	r = load(z, fd, config.text, err);
	if (r < 0)
		return r;
	ready.generation = z->setup->ops->engine_generation(z->engine);
	describe(z, make_huge(z), ready.text, sizeof(ready.text));
	return tell(z, &ready);
}

/* --- workers --- */

static unsigned zygote_threads(const struct zygote_msg *m)
{
	return MAX_OF(m->threads, 1u);
}

/* The only place where the child's life is decided: it never returns into the zygote's. */
static void __attribute__((noreturn)) run_child(const struct zygote *z, const struct zygote_msg *m,
						const int *fds, int status_fd, pid_t zygote)
{
	char tmp_dir[256];
	const struct worker_setup w = {
		.ops = z->setup->ops,
		.engine = z->engine,
		.tmp_dir = scratch_path(&z->isolation.scratch, m->worker, tmp_dir, sizeof(tmp_dir)),
		.threads = zygote_threads(m),
		.pins = m->pins,
		.node = m->node,
		.tmpfs_bytes = z->setup->tmpfs_bytes,
		.memory_bytes = z->setup->memory_bytes,
		.own_user = z->isolation.own_user,
		.keep_stderr = z->setup->keep_stderr,
		.zygote = zygote,
		.fds = fds,
		.status_fd = status_fd,
	};

	_exit(worker_main(&w));
}

static int fork_worker(struct zygote *z, const struct zygote_msg *m, const int *fds,
		       struct err *err)
{
	struct child *c = &z->children[m->worker];
	pid_t self = getpid(), pid;
	int status[2], r;

	if (m->worker >= z->setup->workers_max || c->pid != 0)
		return err_set(err, ERR_BUG, -EINVAL, "worker %u: no such place, or taken",
			       m->worker);
	for (unsigned i = 0; i < 3 * zygote_threads(m); i++)
		if (fds[i] < 0)
			return err_set(err, ERR_BUG, -EINVAL, "worker %u: descriptors are missing",
				       m->worker);
	if (pipe2(status, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, "start worker %u", m->worker);
	r = fault_at("zygote.fork", 0);
	pid = r < 0 ? -1 : fork();
	if (pid == 0)
		run_child(z, m, fds, status[1], self);
	if (pid < 0) {
		r = err_code(err, r < 0 ? r : -errno, "start worker %u", m->worker);
		fd_close(&status[0]);
	}
	fd_close(&status[1]);
	if (pid < 0)
		return r;
	*c = (struct child){ .pid = pid, .status_fd = status[0] };
	return 0;
}

/* A worker that cannot be started is one that ended at once. */
static int spawn(struct zygote *z, const struct zygote_msg *m, const int *fds)
{
	struct zygote_msg answer = { .type = ZYGOTE_SPAWNED, .worker = m->worker };
	struct err err;

	if (fork_worker(z, m, fds, &err) < 0) {
		answer.type = ZYGOTE_EXITED;
		answer.status = W_EXITCODE(EX_OSERR, 0);
		(void)snprintf(answer.text, sizeof(answer.text), "%s", err.text);
	}
	answer.pid = z->children[m->worker].pid;
	return tell(z, &answer);
}

static void read_status(struct child *c, char *out, size_t size)
{
	ssize_t n = read(c->status_fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	fd_close(&c->status_fd);
}

static int report(struct zygote *z, pid_t pid, int status)
{
	struct zygote_msg m = { .type = ZYGOTE_EXITED, .pid = pid, .status = status };

	for (uint32_t i = 0; i < ZYGOTE_WORKERS_MAX; i++) {
		if (z->children[i].pid != pid)
			continue;
		m.worker = i;
		z->children[i].pid = 0;
		read_status(&z->children[i], m.text, sizeof(m.text));
		return tell(z, &m);
	}
	return 0;
}

static int reap(struct zygote *z)
{
	int status, r = 0;
	pid_t pid;

	while (r == 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0)
		r = report(z, pid, status);
	return r;
}

static void end_workers(struct zygote *z)
{
	for (uint32_t i = 0; i < ZYGOTE_WORKERS_MAX; i++)
		if (z->children[i].pid > 0)
			(void)kill(z->children[i].pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/* --- the loop: 0 goes on, 1 was told to end, negative: the master is gone --- */

static int handle(struct zygote *z, const struct zygote_msg *m, const int *fds)
{
	switch (m->type) {
	case ZYGOTE_SPAWN:
		return spawn(z, m, fds);
	case ZYGOTE_KILL:
		if (z->children[m->worker].pid > 0)
			(void)kill(z->children[m->worker].pid, SIGKILL);
		return 0;
	case ZYGOTE_QUIT:
		return 1;
	default:
		return 0; /* of a later version, perhaps */
	}
}

static int on_message(struct zygote *z)
{
	struct zygote_msg m;
	int fds[ZYGOTE_FDS_MAX];
	struct err err;
	int r = zygote_recv(z->setup->sock, &m, fds, &err);

	if (r <= 0)
		return r;
	r = handle(z, &m, fds);
	close_all(fds);
	return r;
}

static int on_signal(struct zygote *z)
{
	struct signalfd_siginfo info;

	while (read(z->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int r = info.ssi_signo == SIGCHLD ? reap(z) : 1;

		if (r != 0)
			return r;
	}
	return 0;
}

static int turn(struct zygote *z)
{
	struct pollfd p[] = { { .fd = z->signal_fd, .events = POLLIN },
			      { .fd = z->setup->sock, .events = POLLIN } };
	int r = 0;

	if (poll(p, ARRAY_LEN(p), -1) < 0)
		return errno == EINTR ? 0 : -errno;
	/* Ends before beginnings: a number must be free before it is used again. */
	if (p[0].revents != 0)
		r = on_signal(z);
	if (r == 0 && p[1].revents != 0)
		r = on_message(z);
	return r;
}

int zygote_main(const struct zygote_setup *setup)
{
	struct zygote z = { .setup = setup, .signal_fd = -1 };
	struct err err;
	int r;

	fault_set_role("zygote");
	(void)prctl(PR_SET_NAME, "sallyport-zyg");
	r = start(&z, &err);
	if (r == -EPIPE)
		r = EX_UNAVAILABLE; /* the master has gone while we were loading */
	else if (r < 0)
		r = tell_failed(&z, &err);
	else {
		while ((r = turn(&z)) == 0)
			;
		r = r > 0 || r == -EPIPE ? EX_OK : EX_SOFTWARE;
	}
	end_workers(&z);
	scratch_fini(&z.isolation.scratch);
	prepare_fini(&z.prepared);
	fd_close(&z.signal_fd);
	return r;
}
