/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/refresh.c - the loader process. It shares the supervisor's program and memory as of the
 * fork and has nothing to do but read and answer. */
#include "daemon/refresh.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "confdb/confdb.h"
#include "core/clock.h"
#include "core/fault.h"
#include "daemon/roles.h"
#include "loop/fdmsg.h"

/* Beyond the limits of one question; a ruleset of millions takes its time. */
#define LOAD_NS   (UINT64_C(900) * 1000000000)
#define SERIAL_NS (UINT64_C(200) * 1000000000)

#define LDAP_LOOK_S UINT64_C(120) /* as MailScanner */

bool refresh_uses_database(const struct conf *c)
{
	return conf_serial(c, CONF_SQL).used || conf_serial(c, CONF_LDAP).used;
}

bool refresh_has_serial(const struct conf *c, enum conf_back_end b)
{
	return conf_serial(c, b).used && conf_serial(c, b).number >= 0;
}

uint64_t refresh_interval_ns(const struct conf *c, enum conf_back_end b)
{
	uint64_t seconds = (uint64_t)conf_num(c, OPT_SQL_SERIAL_INTERVAL, NULL);

	return (b == CONF_LDAP ? MIN_OF(seconds, LDAP_LOOK_S) : seconds) * 1000000000;
}

static void answer(int sock, const struct refresh_answer *a, int bundle_fd)
{
	struct err err;

	if (fdmsg_send(sock, a, sizeof(*a), &bundle_fd, bundle_fd >= 0, &err) < 0)
		_exit(EX_OSERR); /* nobody is left who wanted to know */
}

static _Noreturn void run(enum refresh_job job, const struct daemon_options *o, int sock)
{
	struct refresh_answer a = { .job = (uint32_t)job };
	struct err err = { .kind = ERR_NONE };
	AUTO(conf_unref) struct conf *c = NULL;
	int fd = -1, r;

	fault_set_role("loader");
	if (job == REFRESH_LOAD)
		r = load_from_disk(o, true, &c, &fd, &err);
	else
		r = confdb_serial(o->conf_path, job == REFRESH_SQL ? CONF_SQL : CONF_LDAP,
				  &a.number, &err);
	if (r < 0) {
		a.kind = (int32_t)err.kind;
		a.code = r;
		(void)snprintf(a.text, sizeof(a.text), "%s", err.text);
	}
	answer(sock, &a, r < 0 ? -1 : fd);
	_exit(EX_OK);
}

/* In the child: signals as any program has them, and no descriptor that means the supervisor. */
static void leave_parent(pid_t parent, const int *close_fds, size_t close_n)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EX_OSERR);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < close_n; i++) {
		if (close_fds[i] >= 0)
			(void)close(close_fds[i]);
	}
}

void refresh_stop(struct refresh *f)
{
	if (f->sock < 0)
		return;
	if (f->pid > 0)
		(void)kill(f->pid, SIGKILL);
	fd_close(&f->sock);
	f->job = REFRESH_NOTHING;
}

int refresh_start(struct refresh *f, enum refresh_job job, const struct daemon_options *o,
		  struct children *cs, const int *close_fds, size_t close_n, struct err *err)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	refresh_stop(f);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the loader");
	pid = fork();
	if (pid == 0) {
		leave_parent(parent, close_fds, close_n);
		(void)close(pair[0]);
		run(job, o, pair[1]);
	}
	(void)close(pair[1]);
	if (pid < 0 || !children_add(cs, CHILD_LOADER, pid)) {
		int r = pid < 0 ? err_errno(err, "start the loader")
				: err_set(err, ERR_TEMP, -EAGAIN, "too many processes");

		if (pid > 0)
			(void)kill(pid, SIGKILL);
		(void)close(pair[0]);
		return r;
	}
	*f = (struct refresh){ job, pid, pair[0],
			       clock_now_ns() + (job == REFRESH_LOAD ? LOAD_NS : SERIAL_NS) };
	return 0;
}

static void give_up(struct refresh *f, struct refresh_answer *ret, const char *text)
{
	*ret = (struct refresh_answer){ .job = (uint32_t)f->job,
					.kind = ERR_TEMP,
					.code = -ETIMEDOUT };
	(void)snprintf(ret->text, sizeof(ret->text), "%s", text);
	refresh_stop(f);
}

bool refresh_over(struct refresh *f, struct refresh_answer *ret, int *ret_bundle_fd)
{
	struct err err;
	int r;

	*ret_bundle_fd = -1;
	if (f->sock < 0)
		return false;
	r = fdmsg_recv(f->sock, ret, sizeof(*ret), ret_bundle_fd, 1, &err);
	if (r == 1) {
		ret->text[sizeof(ret->text) - 1] = '\0';
		fd_close(&f->sock);
		f->job = REFRESH_NOTHING;
		return true;
	}
	if (r < 0)
		give_up(f, ret, "the process that reads the configuration ended early");
	else if (clock_now_ns() > f->end_ns)
		give_up(f, ret, "the database did not answer in time");
	return f->sock < 0;
}
