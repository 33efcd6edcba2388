/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The zygote's protocol step by step, with several workers, and what dead ones leave behind. */
#include "worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/t.h"
#include "tests/worker/rig.h"
#include "tests/worker/tiny.h"

/* --- messages --- */

static void damage_type(struct zygote_msg *m)
{
	m->type = ZYGOTE_TYPES;
}

static void damage_zero(struct zygote_msg *m)
{
	m->type = 0;
}

static void damage_worker(struct zygote_msg *m)
{
	m->worker = ZYGOTE_WORKERS_MAX;
}

static void damage_threads(struct zygote_msg *m)
{
	m->threads = ZYGOTE_THREADS_MAX + 1;
}

static void damage_text(struct zygote_msg *m)
{
	memset(m->text, 'x', sizeof(m->text));
}

static const struct {
	const char *what;
	void (*damage)(struct zygote_msg *m);
	size_t bytes;
} malformed[] = {
	{ "unknown type", damage_type, sizeof(struct zygote_msg) },
	{ "type 0", damage_zero, sizeof(struct zygote_msg) },
	{ "worker number", damage_worker, sizeof(struct zygote_msg) },
	{ "number of threads", damage_threads, sizeof(struct zygote_msg) },
	{ "text without end", damage_text, sizeof(struct zygote_msg) },
	{ "too short", NULL, sizeof(struct zygote_msg) - 1 },
	{ "too long", NULL, sizeof(struct zygote_msg) + 1 },
};

static void check_messages(void)
{
	struct zygote_msg m, got;
	char raw[sizeof(m) + 1];
	int pair[2], fds[ZYGOTE_FDS_MAX], many[ZYGOTE_FDS_MAX + 1] = { 0 };
	struct err err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	T_OK(zygote_recv(pair[1], &got, fds, NULL) == 0, "nothing there");
	m = (struct zygote_msg){ .type = ZYGOTE_SPAWN, .worker = 255, .text = "t" };
	T_OK(zygote_send(pair[0], &m, (int[]){ 0, 1 }, 2, NULL) == 0 &&
		     zygote_recv(pair[1], &got, fds, NULL) == 1 && memcmp(&m, &got, sizeof(m)) == 0,
	     "a message arrives as it was sent");
	T_OK(fds[0] > 2 && fds[1] > 2 && fds[2] == -1 && fds[3] == -1, "with two descriptors");
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	T_OK(zygote_send(pair[0], &m, many, ARRAY_LEN(many), NULL) < 0 ||
		     zygote_recv(pair[1], &got, fds, NULL) == -EBADMSG,
	     "%zu descriptors are refused", ARRAY_LEN(many));
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		m = (struct zygote_msg){ .type = ZYGOTE_KILL };
		if (malformed[i].damage != NULL)
			malformed[i].damage(&m);
		memcpy(raw, &m, sizeof(m));
		raw[sizeof(m)] = 0;
		if (send(pair[0], raw, malformed[i].bytes, 0) < 0)
			abort();
		T_OK(zygote_recv(pair[1], &got, fds, &err) == -EBADMSG, "%s: %s", malformed[i].what,
		     err.text);
	}
	(void)close(pair[0]);
	T_OK(zygote_recv(pair[1], &got, fds, &err) == -EPIPE, "%s", err.text);
	(void)close(pair[1]);
}

/* --- workers come and go --- */

static bool is_running(struct rig *r, unsigned i)
{
	uint32_t posted, running = 0;

	for (int k = 0; k < 30000 && running == 0; k++) {
		jobs_leftover(r->w[i].jobs, &posted, &running);
		if (running == 0)
			(void)poll(NULL, 0, 1);
	}
	return running != 0;
}

static void check_protocol(struct rig *r)
{
	char out[400];
	unsigned slot, posted;

	rig_spawn(r, 0, -1);
	rig_spawn(r, 1, -1);
	T_OK(r->w[0].pid != r->w[1].pid, "two workers");
	posted = rig_post(r, 1, "echo one");
	T_OK(rig_result(r, 1, &slot, out, sizeof(out)) && slot == posted && strcmp(out, "one") == 0,
	     "the second answers");
	rig_kill(r, 0);
	T_OK(rig_exited(r, 0) == SIGKILL && r->last.text[0] == '\0', "KILL ends the first");
	rig_spawn(r, 0, -1);
	(void)rig_post(r, 0, "echo two");
	T_OK(rig_result(r, 0, &slot, out, sizeof(out)) && strcmp(out, "two") == 0,
	     "its number is used again");
	fd_close(&r->w[0].sock);
	T_OK(rig_exited(r, 0) == 0, "a worker whose socket is closed ends by itself");
}

/* What SPAWN is answered with when it cannot be done: there is always an answer. */
static void check_refused_spawn(struct rig *r)
{
	struct zygote_msg m = { .type = ZYGOTE_SPAWN, .worker = 1 };

	if (zygote_send(r->sock, &m, (int[]){ 0, 0, 0 }, 3, NULL) < 0)
		abort();
	T_OK(rig_next(r) == ZYGOTE_EXITED && r->last.worker == 1 &&
		     WEXITSTATUS(r->last.status) == EX_OSERR,
	     "a number that is in use: %s", r->last.text);
	m.worker = ZYGOTE_WORKERS_MAX - 1;
	if (zygote_send(r->sock, &m, (int[]){ 0, 0, 0 }, 3, NULL) < 0)
		abort();
	T_OK(rig_next(r) == ZYGOTE_EXITED && r->last.worker == m.worker,
	     "a number without a directory: %s", r->last.text);
	m.worker = 0;
	if (zygote_send(r->sock, &m, NULL, 0, NULL) < 0)
		abort();
	T_OK(rig_next(r) == ZYGOTE_EXITED && r->last.worker == 0, "no descriptors: %s",
	     r->last.text);
	if (zygote_send(r->sock, &m, (int[]){ 0, 0, 0 }, 3, NULL) < 0)
		abort();
	T_OK(rig_next(r) == ZYGOTE_SPAWNED && rig_next(r) == ZYGOTE_EXITED &&
		     WEXITSTATUS(r->last.status) == EX_UNAVAILABLE && r->last.text[0] != '\0',
	     "wrong descriptors: %s", r->last.text);
}

/* A message that kills its worker: which one it was, what was done before, what was not begun. */
static void check_crash(struct rig *r)
{
	uint32_t posted, running;
	unsigned slots[4], slot;
	char out[400];
	static const char *const texts[] = { "echo a", "crash", "echo b", "echo c" };

	rig_spawn(r, 0, -1);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		slots[i] = rig_post(r, 0, texts[i]);
	T_OK(rig_result(r, 0, &slot, out, sizeof(out)) && slot == slots[0], "the first is done");
	T_OK(!rig_result(r, 0, &slot, out, sizeof(out)) && WIFSIGNALED(r->last.status) &&
		     WTERMSIG(r->last.status) == SIGSEGV,
	     "the second kills the worker");
	jobs_leftover(r->w[0].jobs, &posted, &running);
	T_OK(running == 1u << slots[1], "it is the one that was running");
	T_OK(posted == (1u << slots[2] | 1u << slots[3]), "the others were not begun");
	jobs_free(&r->w[0].jobs);
	fd_close(&r->w[0].sock);
	fd_close(&r->w[0].event_fd);
	rig_spawn(r, 0, -1);
	(void)rig_post(r, 0, "echo b");
	T_OK(rig_result(r, 0, &slot, out, sizeof(out)) && strcmp(out, "b") == 0,
	     "the next worker does them");
}

static void check_hang(struct rig *r)
{
	uint32_t posted, running;
	unsigned slot = rig_post(r, 0, "hang");

	T_OK(is_running(r, 0), "a hanging job is seen to run");
	rig_kill(r, 0);
	T_OK(rig_next(r) == ZYGOTE_EXITED && r->last.status == SIGKILL, "KILL ends it");
	jobs_leftover(r->w[0].jobs, &posted, &running);
	T_OK(running == 1u << slot && posted == 0, "and the job is known");
	jobs_free(&r->w[0].jobs);
	fd_close(&r->w[0].sock);
	fd_close(&r->w[0].event_fd);
	r->w[0].pid = 0;
}

/*
 * T3: after fork() libclamav's siblings draw the same temporary names. Each worker has its own
 * directory, so the same name can be had by all of them at the same time.
 */
static void scan_same_name(struct bytes message, char *out, size_t size)
{
	int fd = open("scantemp.1", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (bytes_eq(message, BYTES("stay"))) {
		(void)fd;
		for (;;)
			(void)pause();
	}
	(void)snprintf(out, size, "%s", fd >= 0 ? "made" : strerror(errno));
}

static void check_same_names(void)
{
	struct client_setup setup = tiny_setup();
	struct rig r;
	char out[400];
	unsigned slot;

	tiny_scan = scan_same_name;
	rig_start(&r, &setup);
	for (unsigned i = 0; i < RIG_WORKERS; i++) {
		rig_spawn(&r, i, -1);
		(void)rig_post(&r, i, "make");
		T_OK(rig_result(&r, i, &slot, out, sizeof(out)) && strcmp(out, "made") == 0,
		     "T3: worker %u makes scantemp.1: %s", i, out);
		(void)rig_post(&r, i, "stay");
		T_OK(is_running(&r, i), "and keeps another while the next one does the same");
	}
	rig_kill(&r, 1);
	(void)rig_exited(&r, 1);
	rig_spawn(&r, 1, -1);
	(void)rig_post(&r, 1, "make");
	T_OK(rig_result(&r, 1, &slot, out, sizeof(out)) && strcmp(out, "made") == 0,
	     "what a dead worker left is gone before the next: %s", out);
	(void)rig_stop(&r);
	tiny_scan = NULL;
}

/* --- the end --- */

static bool has_ended(pid_t pid)
{
	int status;

	for (int i = 0; i < 30000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return true;
		(void)poll(NULL, 0, 1);
	}
	return false;
}

static void check_ends(void)
{
	struct client_setup setup = tiny_setup();
	struct rig r;

	rig_start(&r, &setup);
	rig_spawn(&r, 0, -1);
	(void)rig_post(&r, 0, "hang");
	T_OK(rig_stop(&r) == 0, "QUIT ends a zygote with a busy worker");
	rig_start(&r, &setup);
	fd_close(&r.sock);
	T_OK(has_ended(r.zygote), "a zygote ends when its master is gone");
	rig_start(&r, &setup);
	(void)kill(r.zygote, SIGTERM);
	T_OK(has_ended(r.zygote), "and on SIGTERM");
	fd_close(&r.sock);
}

int main(void)
{
	struct client_setup setup = tiny_setup();
	struct rig r;

	tiny_begin();
	check_messages();
	rig_start(&r, &setup);
	check_protocol(&r);
	check_refused_spawn(&r);
	check_crash(&r);
	check_hang(&r);
	T_OK(rig_stop(&r) == 0, "QUIT");
	check_same_names();
	check_ends();
	tiny_end();
	return t_done();
}
