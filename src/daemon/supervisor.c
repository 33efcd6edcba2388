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
#include "daemon/kernel_side.h"
#include "daemon/refresh.h"
#include "daemon/roles.h"
#include "daemon/web.h"
#include "throttle/kernel.h"

#define STOP_NS       (UINT64_C(60) * 1000000000) /* for mail in hand; then they are killed */
#define LIVED_WELL_NS (UINT64_C(10) * 1000000000)
#define PAUSE_MIN_NS  UINT64_C(100000000)
#define PAUSE_MAX_NS  (UINT64_C(10) * 1000000000)
#define WAIT_MAX_MS   (10 * 1000)
#define HANGS_NS      (UINT64_C(30) * 1000000000) /* less than WatchdogSec of the unit */

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
	struct refresh refresh;
	uint64_t look_ns[CONF_BACK_ENDS]; /* when to ask for the serial number again */
	bool unseen[CONF_BACK_ENDS];      /* the last time it could not be had */
	struct children children;
	struct throttle_kernel *kernel; /* NULL: nothing refuses connections */
	int channel;                    /* to the gateway; -1: it is not running */
	uint64_t alive_ns;              /* its last sign of life; 0: none yet */
	int signal_fd, pid_fd, listen_fd;
	char *pid_path, *socket_path; /* of these two, whatever a later configuration says */
	bool ever_ready, stopping, want_zygote, want_gateway;
	pid_t newest;                         /* zygote; 0: it has ended */
	bool lost;                            /* the gateway has no zygote that gets new mail */
	uint64_t stop_ns, start_ns, pause_ns; /* when to kill; when to start again; growing pause */
	struct web web;
	bool want_web;
	uint64_t web_start_ns; /* not before */
	int exit_code;
};

/* --- starting --- */

/* Its end of the pair lives on when it is restarted; what was asked meanwhile is answered. */
static int hand_pages(struct supervisor *s, struct err *err)
{
	struct channel_msg m = { .type = CHANNEL_PAGES };

	return s->web.gateway_fd < 0 ? 0 : channel_send(s->channel, &m, &s->web.gateway_fd, 1, err);
}

/* Never keeps mail waiting: what fails is tried again in ten seconds. */
static void start_exporter(struct supervisor *s)
{
	int fds[1 + EXPORTER_LISTEN_MAX] = { s->web.exporter_fd };
	struct err err;

	s->want_web = false;
	web_bind(&s->web, s->conf);
	if (!web_wanted(&s->web))
		return;
	for (size_t i = 0; i < s->web.listen_n; i++)
		fds[1 + i] = s->web.listen_fds[i];
	if (children_start(&s->children, CHILD_EXPORTER, fds, 1 + s->web.listen_n, s->conf,
			   &s->options, NULL, &err) == 0)
		return;
	log_warning("metrics page: %s", err.text);
	s->want_web = true;
	s->web_start_ns = clock_now_ns() + PAUSE_MAX_NS;
}

static int start_gateway(struct supervisor *s, struct err *err)
{
	struct channel_msg m = { .type = CHANNEL_LISTEN };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the gateway");
	r = children_start(&s->children, CHILD_GATEWAY, &pair[1], 1, s->conf, &s->options, NULL,
			   err);
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		return r;
	}
	s->channel = pair[0];
	s->alive_ns = 0;
	s->want_gateway = s->lost = false;
	s->want_zygote = true;
	r = kernel_side_tell(s->kernel, s->channel, err);
	if (r < 0 || s->listen_fd < 0)
		return r;
	r = channel_send(s->channel, &m, &s->listen_fd, 1, err);
	return r < 0 ? r : hand_pages(s, err);
}

/* A zygote for the newest configuration; the gateway gets its other end. It remains wanted when
 * that fails: a reload waits for it. */
static int start_zygote(struct supervisor *s, struct err *err)
{
	bool reload = s->next_conf != NULL;
	struct channel_msg m = { .type = CHANNEL_ZYGOTE,
				 .serial = reload ? s->next_serial : s->serial };
	int pair[2], fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for the zygote");
	r = children_start(&s->children, CHILD_ZYGOTE, &pair[1], 1, reload ? s->next_conf : s->conf,
			   &s->options, &s->newest, err);
	(void)close(pair[1]);
	if (r == 0) {
		(void)snprintf(m.text, sizeof(m.text), "%s", s->options.conf_path);
		fds[0] = reload ? s->next_bundle_fd : s->bundle_fd;
		fds[1] = pair[0];
		r = channel_send(s->channel, &m, fds, 2, err);
	}
	(void)close(pair[0]);
	s->want_zygote = r < 0;
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

	if (s->stopping)
		return;
	if (s->want_web && clock_now_ns() >= s->web_start_ns)
		start_exporter(s);
	if (clock_now_ns() < s->start_ns)
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

static void reload_failed(const char *why)
{
	log_err("reload: %s; the configuration in force stays", why);
	(void)sd_notify(0, "READY=1");
}

static void load_done(struct supervisor *s)
{
	s->next_serial++;
	s->want_zygote = true;
	s->start_ns = 0;
}

static int start_refresh(struct supervisor *s, enum refresh_job job, struct err *err)
{
	int ours[4 + EXPORTER_LISTEN_MAX] = { s->channel, s->signal_fd, s->pid_fd, s->listen_fd };

	for (size_t i = 0; i < s->web.listen_n; i++)
		ours[4 + i] = s->web.listen_fds[i];
	return refresh_start(&s->refresh, job, &s->options, &s->children, ours, 4 + s->web.listen_n,
			     err);
}

static void reload(struct supervisor *s)
{
	struct err err;
	int r = -ENOTSUP;

	if (s->stopping)
		return;
	/* It may have read the files before they were changed for this one. */
	s->reload_again = s->next_conf != NULL || s->refresh.job == REFRESH_LOAD;
	if (s->reload_again) {
		log_notice("a reload is under way already; another one follows");
		return;
	}
	(void)sd_notify(0, "RELOADING=1");
	if (!refresh_uses_database(s->conf))
		r = load_from_disk(&s->options, false, &s->next_conf, &s->next_bundle_fd, &err);
	if (r == 0)
		load_done(s);
	else if (r == -ENOTSUP)
		r = start_refresh(s, REFRESH_LOAD, &err);
	if (r < 0)
		reload_failed(err.text);
}

static void reload_loaded(struct supervisor *s, const struct refresh_answer *a, int *bundle_fd)
{
	struct err err;

	if (a->code < 0) {
		reload_failed(a->text);
	} else if (load_from_bundle(*bundle_fd, s->options.conf_path, &s->next_conf, &err) < 0) {
		reload_failed(err.text);
	} else {
		s->next_bundle_fd = TAKE_FD(*bundle_fd);
		load_done(s);
	}
	if (s->reload_again && s->next_conf == NULL)
		reload(s);
}

/* --- changes of a database --- */

/* When the next question is due; 0: never. */
static uint64_t next_look(const struct supervisor *s)
{
	uint64_t at = 0;

	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++) {
		if (refresh_has_serial(s->conf, b) && (at == 0 || s->look_ns[b] < at))
			at = s->look_ns[b];
	}
	return at;
}

static void look_at_databases(struct supervisor *s)
{
	struct err err;

	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++) {
		if (s->stopping || s->refresh.job != REFRESH_NOTHING || s->next_conf != NULL ||
		    !refresh_has_serial(s->conf, b) || clock_now_ns() < s->look_ns[b])
			continue;
		s->look_ns[b] = clock_now_ns() + refresh_interval_ns(s->conf, b);
		if (start_refresh(s, b == CONF_SQL ? REFRESH_SQL : REFRESH_LDAP, &err) < 0)
			log_warning("%s", err.text);
	}
}

static void looked(struct supervisor *s, enum conf_back_end b, const struct refresh_answer *a)
{
	static const char *const names[CONF_BACK_ENDS] = { "SQL Serial Number", "LDAP serial" };
	int64_t loaded = conf_serial(s->conf, b).number;
	bool changed = a->code == 0 && (b == CONF_SQL ? a->number > loaded : a->number != loaded);

	if (a->code < 0 && !s->unseen[b])
		log_warning("%s: %s; the configuration in force stays", names[b], a->text);
	if (a->code == 0 && s->unseen[b])
		log_info("%s can be asked again", names[b]);
	s->unseen[b] = a->code < 0;
	if (!changed)
		return;
	log_info("%s is %lld, it was %lld: reading the configuration again", names[b],
		 (long long)a->number, (long long)loaded);
	reload(s);
}

static void refresh_event(struct supervisor *s)
{
	struct refresh_answer a;
	int fd = -1;

	if (!refresh_over(&s->refresh, &a, &fd))
		return;
	if (!s->stopping && a.job == REFRESH_LOAD)
		reload_loaded(s, &a, &fd);
	else if (!s->stopping)
		looked(s, a.job == REFRESH_SQL ? CONF_SQL : CONF_LDAP, &a);
	fd_close(&fd);
}

/* A database that changed while its content was read has a number above what was read first. */
static void look_later(struct supervisor *s)
{
	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++)
		s->look_ns[b] = clock_now_ns() + refresh_interval_ns(s->conf, b);
}

/* Other sockets after a reload: they are made when the exporter has let go of the old ones. */
static void renew_web(struct supervisor *s)
{
	if (!web_changed(&s->web, s->conf))
		return;
	s->want_web = children_count(&s->children, CHILD_EXPORTER) == 0;
	s->web_start_ns = 0;
	children_signal(&s->children, CHILD_EXPORTER, SIGTERM);
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
		log_from_conf(s->conf);
		renew_web(s);
		kernel_side_reload(s->kernel, s->conf);
		look_later(s);
	}
	if (!s->ever_ready)
		log_info("Sallyport %s is ready: %s", SALLYPORT_VERSION, m->text);
	s->ever_ready = true;
	s->lost = false;
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
		drop_next(s);
		reload_failed(m->text);
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
		s->alive_ns = clock_now_ns();
		(void)sd_notify(0, "WATCHDOG=1");
		break;
	case CHANNEL_RELOAD:
		reload(s);
		break;
	case CHANNEL_LOST:
		s->lost = true;
		s->want_zygote |= s->newest == 0;
		break;
	case CHANNEL_DRAINED:
		if (s->options.once)
			stop(s, EX_OK);
		break;
	case CHANNEL_REFUSE:
		kernel_side_refuse(s->kernel, m);
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
			for (int i = 0; i < CHANNEL_FDS_MAX; i++)
				fd_close(&fds[i]);
			handle(s, &m);
		}
	}
	if (r < 0)
		fd_close(&s->channel); /* SIGCHLD tells the rest */
}

/* After the channel was read. A watchdog of systemd would end the supervisor alone: its successor
 * would find the queues in use by the gateway that hangs. */
static void end_what_hangs(struct supervisor *s)
{
	if (s->channel < 0 || s->stopping || s->alive_ns == 0 ||
	    clock_now_ns() - s->alive_ns < HANGS_NS)
		return;
	s->alive_ns = 0;
	log_err("the gateway has given no sign of life for 30 s: killing it; mail in hand stays in "
		"the queue");
	children_signal(&s->children, CHILD_GATEWAY, SIGKILL);
}

/* One that retires leaves its successor behind, one that failed to start its predecessor: the
 * gateway says when neither is there. */
static void zygote_ended(struct supervisor *s, pid_t pid, uint64_t lived_ns)
{
	bool newest = pid == s->newest;

	if (newest)
		s->newest = 0;
	if (children_count(&s->children, CHILD_ZYGOTE) > 0 && !(newest && s->lost))
		return;
	s->want_zygote = true;
	pause_then(s, lived_ns);
}

static void child_ended(struct supervisor *s, const struct child *c, int status)
{
	uint64_t lived = clock_now_ns() - c->started_ns;

	if ((status != 0 && c->role != CHILD_LOADER) || (!s->stopping && c->role == CHILD_GATEWAY))
		log_warning("%s (pid %d) ended: %s", child_name(c->role), (int)c->pid,
			    child_end(status));
	if (c->role == CHILD_GATEWAY && s->options.once)
		stop(s, EX_TEMPFAIL); /* nothing to wait for: somebody sits before it */
	if (c->role == CHILD_EXPORTER) {
		s->want_web = true;
		s->web_start_ns =
			lived > LIVED_WELL_NS || status == 0 ? 0 : clock_now_ns() + PAUSE_MAX_NS;
	} else if (c->role == CHILD_LOADER) {
		if (c->pid == s->refresh.pid)
			s->refresh.pid = 0;
		refresh_event(s);
	} else if (c->role == CHILD_GATEWAY) {
		fd_close(&s->channel);
		if (s->next_conf != NULL && !s->stopping)
			reload_failed("the gateway ended while it was under way");
		drop_next(s);
		s->want_gateway = true;
		pause_then(s, lived);
	} else {
		zygote_ended(s, c->pid, lived);
	}
}

/* Not a part of the reload: who rotates files must not depend on what the configuration says. */
static void reopen_files(struct supervisor *s)
{
	struct channel_msg m = { .type = CHANNEL_REOPEN };
	struct err err;

	if (s->channel >= 0 && channel_send(s->channel, &m, NULL, 0, &err) < 0)
		log_warning("gateway: %s; its message log was not opened anew", err.text);
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
			reopen_files(s);
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
	else if (s->refresh.job == REFRESH_NOTHING && s->next_conf == NULL)
		at = next_look(s);
	if (s->want_web && !s->stopping)
		at = at == 0 ? MAX_OF(s->web_start_ns, 1u)
			     : MIN_OF(at, MAX_OF(s->web_start_ns, 1u));
	if (at == 0)
		return WAIT_MAX_MS;
	return at <= now ? 0 : (int)MIN_OF((at - now) / 1000000 + 1, (uint64_t)WAIT_MAX_MS);
}

static int loop(struct supervisor *s)
{
	while (!s->stopping || children_total(&s->children) > 0) {
		struct pollfd fds[3] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .events = POLLIN },
					 { .events = POLLIN } };

		start_what_is_missing(s);
		look_at_databases(s);
		fds[1].fd = s->channel;
		fds[2].fd = s->refresh.sock;
		(void)poll(fds, 3, wait_ms(s));
		refresh_event(s);
		if (fds[1].revents != 0 && s->channel >= 0)
			channel_event(s);
		end_what_hangs(s);
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
	int r = load_from_disk(&s->options, true, &s->conf, &s->bundle_fd, err);

	if (r < 0) {
		if (err->kind == ERR_TEMP) /* a database that is away */
			s->exit_code = EX_TEMPFAIL;
		return r;
	}
	log_from_conf(s->conf);
	look_later(s);
	if (conf_bool(s->conf, OPT_DEBUG, NULL))
		s->options.once = s->options.foreground = true;
	if (!s->options.foreground && !conf_bool(s->conf, OPT_RUN_IN_FOREGROUND, NULL)) {
		r = files_daemonize(conf_str(s->conf, OPT_SYSLOG_FACILITY, NULL), err);
		if (r < 0)
			return r;
	} else if (!s->options.foreground) {
		log_init(LOG_TO_SYSLOG, "MailScanner",
			 conf_str(s->conf, OPT_SYSLOG_FACILITY, NULL));
	}
	s->pid_path = strdup(conf_str(s->conf, OPT_PID_FILE, NULL));
	s->socket_path = strdup(conf_str(s->conf, OPT_CONTROL_SOCKET, NULL));
	if (s->pid_path == NULL || s->socket_path == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "supervisor: out of memory");
	r = s->pid_fd = files_pid_open(s->pid_path, err);
	if (r >= 0)
		r = s->signal_fd = watch_signals(err);
	if (r >= 0)
		r = s->listen_fd =
			files_listen(s->socket_path, conf_str(s->conf, OPT_RUN_AS_USER, NULL), err);
	if (r >= 0)
		s->kernel = kernel_side_open(s->conf);
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
				.refresh.sock = -1,
				.want_gateway = true,
				.want_web = true };
	struct err err;
	int code;

	fault_set_role("supervisor");
	web_init(&s.web);
	if (set_up(&s, &err) < 0) {
		log_err("%s", err.text);
		code = err.kind == ERR_CONFIG ? EX_CONFIG
		       : s.exit_code != EX_OK ? s.exit_code
					      : EX_OSERR;
	} else {
		log_info("Sallyport %s starting...", SALLYPORT_VERSION);
		code = loop(&s);
		files_pid_remove(s.pid_path);
		(void)unlink(s.socket_path);
	}
	throttle_kernel_close(&s.kernel);
	web_fini(&s.web);
	refresh_stop(&s.refresh);
	fd_close(&s.channel);
	fd_close(&s.signal_fd);
	fd_close(&s.pid_fd);
	fd_close(&s.listen_fd);
	drop_next(&s);
	fd_close(&s.bundle_fd);
	conf_unref(&s.conf);
	free(s.pid_path);
	free(s.socket_path);
	return code;
}
