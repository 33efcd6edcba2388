/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/supervisor.c - starts gateway and zygote, keeps them running, reloads, stops. It holds
 * root and never sees a byte of a message.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "daemon/channel.h"
#include "daemon/children.h"
#include "daemon/files.h"
#include "daemon/roles.h"

#define STOP_NS       (UINT64_C(60) * 1000000000) /* for mail in hand; then they are killed */
#define LIVED_WELL_NS (UINT64_C(10) * 1000000000)
#define PAUSE_MIN_NS  UINT64_C(100000000)
#define PAUSE_MAX_NS  (UINT64_C(10) * 1000000000)

struct supervisor {
	struct daemon_options options;
	struct conf *conf; /* in force */
	int bundle_fd;
	uint64_t serial;
	struct conf *next_conf; /* of a reload under way; NULL: none */
	int next_bundle_fd;
	uint64_t
		next_serial; /* never given twice: the gateway keeps what a failed reload gave it */
	bool reload_again;   /* wanted while one was under way */
	struct children children;
	int channel; /* to the gateway; -1: it is not running */
	int signal_fd, pid_fd, listen_fd;
	bool ever_ready, stopping, want_zygote, want_gateway;
	uint64_t stop_ns, start_ns, pause_ns; /* when to kill; when to start again; growing pause */
	int exit_code;
};

/* --- starting --- */

static int start_gateway(struct supervisor *s, struct err *err)
{
	struct channel_msg m = { .type = CHANNEL_LISTEN };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the gateway");
	r = children_start(&s->children, CHILD_GATEWAY, pair[1], s->conf, &s->options, err);
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		return r;
	}
	s->channel = pair[0];
	s->want_gateway = false;
	s->want_zygote = true;
	return s->listen_fd < 0 ? 0 : channel_send(s->channel, &m, &s->listen_fd, 1, err);
}

/* A zygote for the newest configuration; the gateway gets its other end. */
static int start_zygote(struct supervisor *s, struct err *err)
{
	bool reload = s->next_conf != NULL;
	struct channel_msg m = { .type = CHANNEL_ZYGOTE,
				 .serial = reload ? s->next_serial : s->serial };
	int pair[2], fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the zygote");
	r = children_start(&s->children, CHILD_ZYGOTE, pair[1], reload ? s->next_conf : s->conf,
			   &s->options, err);
	(void)close(pair[1]);
	if (r == 0) {
		(void)snprintf(m.text, sizeof(m.text), "%s", s->options.conf_path);
		fds[0] = reload ? s->next_bundle_fd : s->bundle_fd;
		fds[1] = pair[0];
		r = channel_send(s->channel, &m, fds, 2, err);
	}
	(void)close(pair[0]);
	s->want_zygote = false;
	return r;
}

static void pause_then(struct supervisor *s, uint64_t lived_ns)
{
	uint64_t now = clock_now_ns();

	if (lived_ns > LIVED_WELL_NS)
		s->pause_ns = 0;
	s->start_ns = now + s->pause_ns;
	s->pause_ns = MIN_OF(MAX_OF(s->pause_ns * 2, PAUSE_MIN_NS), PAUSE_MAX_NS);
}

static void start_what_is_missing(struct supervisor *s)
{
	struct err err;
	int r = 0;

	if (s->stopping || clock_now_ns() < s->start_ns)
		return;
	if (s->want_gateway)
		r = start_gateway(s, &err);
	if (r == 0 && s->want_zygote && s->channel >= 0)
		r = start_zygote(s, &err);
	if (r < 0) {
		log_err("%s", err.text);
		pause_then(s, 0);
	}
}

/* --- reload --- */

static void drop_next(struct supervisor *s)
{
	conf_unref(&s->next_conf);
	fd_close(&s->next_bundle_fd);
}

static void reload(struct supervisor *s)
{
	struct err err;

	if (s->stopping)
		return;
	/* It may have read the files before they were changed for this one. */
	s->reload_again = s->next_conf != NULL;
	if (s->reload_again) {
		log_notice("a reload is under way already; another one follows");
		return;
	}
	(void)sd_notify(0, "RELOADING=1");
	if (load_from_disk(&s->options, &s->next_conf, &s->next_bundle_fd, &err) < 0) {
		log_err("reload: %s; the configuration in force stays", err.text);
		(void)sd_notify(0, "READY=1");
		return;
	}
	s->next_serial++;
	s->want_zygote = true;
	s->start_ns = 0;
}

static void in_force(struct supervisor *s, const struct channel_msg *m)
{
	if (s->next_conf != NULL && m->serial == s->next_serial) {
		conf_unref(&s->conf);
		fd_close(&s->bundle_fd);
		s->conf = TAKE(s->next_conf);
		s->bundle_fd = s->next_bundle_fd;
		s->next_bundle_fd = -1;
		s->serial = s->next_serial;
	}
	if (!s->ever_ready)
		log_info("Sallyport %s is ready: %s", SALLYPORT_VERSION, m->text);
	s->ever_ready = true;
	s->pause_ns = 0;
	(void)sd_notifyf(0, "READY=1\nSTATUS=scanning: %s", m->text);
	if (s->reload_again)
		reload(s);
}

/* --- stopping --- */

static void stop(struct supervisor *s, int code)
{
	struct channel_msg m = { .type = CHANNEL_DRAIN };
	struct err err;

	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_code = code;
	s->stop_ns = clock_now_ns() + STOP_NS;
	(void)sd_notify(0, "STOPPING=1");
	if (s->channel >= 0 && channel_send(s->channel, &m, NULL, 0, &err) < 0)
		log_warning("gateway: %s", err.text);
}

static void failed(struct supervisor *s, const struct channel_msg *m)
{
	if (s->next_conf != NULL && m->serial == s->next_serial) {
		log_err("reload: %s; the configuration in force stays", m->text);
		drop_next(s);
		(void)sd_notify(0, "READY=1");
		if (s->reload_again)
			reload(s);
		return;
	}
	log_err("%s", m->text);
	/* What never worked will not work by trying again, unless somebody else was in the way. */
	if (!s->ever_ready && m->status != EX_TEMPFAIL)
		stop(s, m->status);
}

/* --- events --- */

static void handle(struct supervisor *s, const struct channel_msg *m)
{
	switch (m->type) {
	case CHANNEL_READY:
		in_force(s, m);
		break;
	case CHANNEL_FAILED:
		failed(s, m);
		break;
	case CHANNEL_ALIVE:
		(void)sd_notify(0, "WATCHDOG=1");
		break;
	case CHANNEL_RELOAD:
		reload(s);
		break;
	case CHANNEL_DRAINED:
		if (s->options.once)
			stop(s, EX_OK);
		break;
	default:
		break;
	}
}

static void channel_event(struct supervisor *s)
{
	int fds[CHANNEL_FDS_MAX], r = 1;
	struct channel_msg m;
	struct err err;

	while (r == 1) {
		r = channel_recv(s->channel, &m, fds, &err);
		if (r == 1) {
			fd_close(&fds[0]);
			fd_close(&fds[1]);
			handle(s, &m);
		}
	}
	if (r < 0)
		fd_close(&s->channel); /* SIGCHLD tells the rest */
}

static void child_ended(struct supervisor *s, const struct child *c, int status)
{
	uint64_t lived = clock_now_ns() - c->started_ns;

	if (status != 0 || (!s->stopping && c->role == CHILD_GATEWAY))
		log_warning("%s (pid %d) ended: %s", child_name(c->role), (int)c->pid,
			    child_end(status));
	if (c->role == CHILD_GATEWAY && s->options.once)
		stop(s, EX_TEMPFAIL); /* nothing to wait for: somebody sits before it */
	if (c->role == CHILD_GATEWAY) {
		fd_close(&s->channel);
		drop_next(s); /* a reload goes down with it: said by the log above */
		s->want_gateway = true;
		pause_then(s, lived);
	} else if (children_count(&s->children, CHILD_ZYGOTE) == 0) {
		/* Those that retire after a reload leave their successor behind. */
		s->want_zygote = true;
		pause_then(s, lived);
	}
}

static void signal_event(struct supervisor *s)
{
	struct signalfd_siginfo info;
	struct child c;
	int status;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGHUP:
			log_info("SIGHUP: reading the configuration again");
			reload(s);
			break;
		case SIGTERM:
		case SIGINT:
			log_info("stopping: finishing what is in hand");
			stop(s, EX_OK);
			break;
		default:
			break;
		}
	}
	while (children_reap(&s->children, &c, &status))
		child_ended(s, &c, status);
}

static int wait_ms(const struct supervisor *s)
{
	uint64_t now = clock_now_ns(), at = 0;

	if (s->stopping)
		at = s->stop_ns;
	else if (s->want_gateway || s->want_zygote)
		at = s->start_ns;
	if (at == 0)
		return 10 * 1000;
	return at <= now ? 0 : (int)((at - now) / 1000000 + 1);
}

static int loop(struct supervisor *s)
{
	while (!s->stopping || children_total(&s->children) > 0) {
		struct pollfd fds[2] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .events = POLLIN } };

		start_what_is_missing(s);
		fds[1].fd = s->channel;
		(void)poll(fds, 2, wait_ms(s));
		if (fds[1].revents != 0 && s->channel >= 0)
			channel_event(s);
		if (fds[0].revents != 0)
			signal_event(s);
		if (s->stopping && children_count(&s->children, CHILD_GATEWAY) == 0)
			children_kill(&s->children, SIGTERM);
		if (s->stopping && clock_now_ns() > s->stop_ns) {
			log_err("still not finished after 60 s: ending all; mail in hand stays "
				"in the queue");
			children_kill(&s->children, SIGKILL);
			s->stop_ns = clock_now_ns() + STOP_NS;
		}
	}
	return s->exit_code;
}

static int watch_signals(struct err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? err_errno(err, "signalfd") : fd;
}

static int set_up(struct supervisor *s, struct err *err)
{
	int r = load_from_disk(&s->options, &s->conf, &s->bundle_fd, err);

	if (r < 0)
		return r;
	if (conf_bool(s->conf, OPT_DEBUG, NULL))
		s->options.once = s->options.foreground = true;
	if (!s->options.foreground && !conf_bool(s->conf, OPT_RUN_IN_FOREGROUND, NULL)) {
		r = files_daemonize(conf_str(s->conf, OPT_SYSLOG_FACILITY, NULL), err);
		if (r < 0)
			return r;
	}
	r = s->pid_fd = files_pid_open(conf_str(s->conf, OPT_PID_FILE, NULL), err);
	if (r >= 0)
		r = s->signal_fd = watch_signals(err);
	if (r >= 0)
		r = s->listen_fd = files_listen(conf_str(s->conf, OPT_CONTROL_SOCKET, NULL),
						conf_str(s->conf, OPT_RUN_AS_USER, NULL), err);
	return MIN_OF(r, 0);
}

int supervisor_main(const struct daemon_options *o)
{
	struct supervisor s = { .options = *o,
				.bundle_fd = -1,
				.next_bundle_fd = -1,
				.serial = 1,
				.next_serial = 1,
				.channel = -1,
				.signal_fd = -1,
				.pid_fd = -1,
				.listen_fd = -1,
				.want_gateway = true };
	struct err err;
	int code;

	fault_set_role("supervisor");
	if (set_up(&s, &err) < 0) {
		log_err("%s", err.text);
		code = err.kind == ERR_CONFIG ? EX_CONFIG : EX_OSERR;
	} else {
		log_info("Sallyport %s starting...", SALLYPORT_VERSION);
		code = loop(&s);
		files_pid_remove(conf_str(s.conf, OPT_PID_FILE, NULL));
		(void)unlink(conf_str(s.conf, OPT_CONTROL_SOCKET, NULL));
	}
	fd_close(&s.channel);
	fd_close(&s.signal_fd);
	fd_close(&s.pid_fd);
	fd_close(&s.listen_fd);
	drop_next(&s);
	fd_close(&s.bundle_fd);
	conf_unref(&s.conf);
	return code;
}
