/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/kick.c - "deliver these": the MTA's own command, without a shell, for up to 30 messages at
 * once, started in the background. It is a courtesy: a kick that fails costs time, since the MTA
 * runs its queue anyway.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "msg/internal.h"

#define COLLECT_NS  UINT64_C(20000000) /* how long ids are collected for one call */
#define RUNNING_MAX 8

extern char **environ;

static int start(const struct cores *cores, char **argv, const char *dir, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
	if (dir != NULL)
		(void)posix_spawn_file_actions_addchdir_np(&actions, dir);
	cores_leave_loop(cores); /* affinity is inherited, and the MTA's own business */
	r = posix_spawn(ret_pid, argv[0], &actions, &attr, argv, environ);
	cores_back_to_loop(cores);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

/* One call for the oldest that wait. */
static void kick(struct kick *k, struct site *s, struct site_out *o)
{
	const char *ids[QUEUE_KICK_MAX], *dir = NULL;
	AUTO(arena_free) struct arena *a = arena_new(256 * 1024);
	const char *command = conf_str(s->conf, OPT_SENDMAIL2, NULL);
	struct err err = { .text = "out of memory" };
	unsigned n = MIN_OF(o->ids_n, QUEUE_KICK_MAX);
	int r = -ENOMEM;
	char **argv;
	pid_t pid;

	for (unsigned i = 0; i < n; i++)
		ids[i] = o->ids[i];
	if (a != NULL)
		r = queue_kick_argv(o->dir, command, ids, n, a, &argv, &dir, &err);
	o->ids_n -= n;
	memmove(o->ids, o->ids + n, o->ids_n * sizeof(*o->ids));
	if (r == 0) {
		r = start(&k->gate->pool.cores, argv, dir, &pid);
		if (r < 0)
			(void)err_code(&err, r, "start '%s' (option Sendmail2)", argv[0]);
	}
	if (r < 0)
		log_warning("cannot tell the MTA to deliver from %s: %s; its next queue run will",
			    o->path, err.text);
	else
		k->running++;
}

static void due(struct timer *t)
{
	struct kick *k = CONTAINER_OF(t, struct kick, timer);
	struct site *s = k->gate->site;
	bool waiting = false;

	for (struct site_out *o = s->out; o != NULL; o = o->next) {
		while (o->ids_n > 0 && k->running < RUNNING_MAX)
			kick(k, s, o);
		waiting |= o->ids_n > 0;
	}
	if (waiting)
		(void)!loop_timer_set(k->gate->loop, t, loop_now_ns(k->gate->loop) + COLLECT_NS);
}

static bool same_id(const struct site_out *o, const char *id)
{
	for (unsigned i = 0; i < o->ids_n; i++)
		if (strcmp(o->ids[i], id) == 0)
			return true;
	return false;
}

static bool has_place(struct site_out *o)
{
	unsigned cap = MAX_OF(o->ids_cap * 2, QUEUE_KICK_MAX);
	void *grown;

	if (o->ids_n < o->ids_cap)
		return true;
	if (o->ids_n >= KICK_WAITING_MAX)
		return false;
	grown = reallocarray(o->ids, cap, sizeof(*o->ids));
	if (grown == NULL)
		return false;
	o->ids = grown;
	o->ids_cap = cap;
	return true;
}

/* Kicks are made for the directories of the site in force: a message may be of an older one. */
static struct site_out *in_force(struct kick *k, struct site_out *o)
{
	struct site_out *now;
	struct err err;

	for (now = k->gate->site->out; now != NULL; now = now->next)
		if (now == o)
			return o;
	return site_out_at(k->gate->site, o->path, &now, &err) < 0 ? NULL : now;
}

void kick_add(struct kick *k, struct site_out *o, const char *id)
{
	o = in_force(k, o);
	if (o == NULL || same_id(o, id) || !has_place(o))
		return;
	memcpy(o->ids[o->ids_n++], id, QUEUE_ID_MAX);
	if (k->timer.place == 0)
		(void)!loop_timer_set(k->gate->loop, &k->timer,
				      loop_now_ns(k->gate->loop) + COLLECT_NS);
}

void kick_pass_on(struct kick *k, struct site *from)
{
	for (struct site_out *o = from->out; o != NULL; o = o->next) {
		for (unsigned i = 0; i < o->ids_n; i++)
			kick_add(k, o, o->ids[i]);
		o->ids_n = 0;
	}
}

static void child_event(struct op *op, int result, bool more)
{
	struct kick *k = CONTAINER_OF(op, struct kick, child_op);
	struct signalfd_siginfo info;
	int status;

	if (result == -ECANCELED)
		return;
	while (read(k->signal_fd, &info, sizeof(info)) > 0)
		;
	while (waitpid(-1, &status, WNOHANG) > 0) {
		if (k->running > 0)
			k->running--;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			log_notice("the MTA's delivery command (Sendmail2) ended with status %d",
				   WIFEXITED(status) ? WEXITSTATUS(status) : 128);
	}
	if (!more)
		loop_poll(k->gate->loop, &k->child_op, k->signal_fd);
}

int kick_init(struct kick *k, struct gate *g, struct err *err)
{
	sigset_t set;

	k->gate = g;
	k->timer.fire = due;
	k->child_op.done = child_event;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	k->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (k->signal_fd < 0)
		return err_errno(err, "signalfd");
	loop_poll(g->loop, &k->child_op, k->signal_fd);
	return 0;
}

/* What was collected so far goes out; nobody is left who would. */
void kick_fini(struct kick *k)
{
	if (k->gate->site != NULL)
		due(&k->timer);
	loop_timer_clear(k->gate->loop, &k->timer);
	fd_close(&k->signal_fd);
}
