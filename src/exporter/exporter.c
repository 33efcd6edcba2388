/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/exporter.c - the loop between HTTP and the gateway. */
#include "exporter/exporter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "exporter/filter.h"
#include "exporter/http.h"
#include "exporter/page.h"

struct exporter {
	struct page page;
	struct http *servers[EXPORTER_LISTEN_MAX];
	size_t servers_n;
	uint64_t now_ns;
	sigset_t waiting; /* what may come in while it waits, and only then */
	bool silent;      /* the gateway did not answer last time: told once */
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig UNUSED)
{
	stopped = 1;
}

/* Somebody wants a page: is the one we have good enough? */
static bool want(void *arg)
{
	struct exporter *x = arg;

	if (page_is_fresh(&x->page, x->now_ns))
		return true;
	page_ask(&x->page, x->now_ns);
	return false;
}

static void answer_all(struct exporter *x, bool there)
{
	for (size_t i = 0; i < x->servers_n; i++) {
		if (there && http_set_page(x->servers[i], str_bytes(&x->page.text)) < 0)
			there = false;
		http_answer(x->servers[i], there);
	}
	if (!there && !x->silent)
		log_warning("metrics page: the gateway does not answer");
	x->silent = !there;
}

static int open_servers(struct exporter *x, const struct exporter_setup *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->listen_n; i++) {
		if (r == 0)
			r = http_new(&x->servers[i], s->listen_fds[i], want, x, err);
		else
			(void)close(s->listen_fds[i]);
		x->servers_n += r == 0;
	}
	return r;
}

static int wait_ms(const struct exporter *x)
{
	int ms = x->page.asked_ns != 0 ? 100 : 60 * 1000;

	for (size_t i = 0; i < x->servers_n; i++)
		ms = MIN_OF(ms, http_wait_ms(x->servers[i]));
	return ms;
}

static int turn(struct exporter *x)
{
	struct pollfd fds[EXPORTER_LISTEN_MAX + 1] = { { .fd = x->page.fd, .events = POLLIN } };
	int ms = wait_ms(x), r = 0;
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };

	for (size_t i = 0; i < x->servers_n; i++)
		fds[i + 1] = (struct pollfd){ .fd = http_fd(x->servers[i]), .events = POLLIN };
	if (ppoll(fds, (nfds_t)x->servers_n + 1, &limit, &x->waiting) <= 0)
		fds[0].revents = 0;
	x->now_ns = clock_now_ns();
	if (fds[0].revents != 0)
		r = page_receive(&x->page, x->now_ns);
	if (r == 1)
		answer_all(x, true);
	else if (page_gave_up(&x->page, x->now_ns))
		answer_all(x, false);
	for (size_t i = 0; i < x->servers_n; i++)
		http_run(x->servers[i], x->now_ns);
	return MIN_OF(r, 0);
}

/* Blocked but while it waits: a signal between the look at `stopped` and the wait would be noticed
 * a minute later. */
static void watch_signals(struct exporter *x)
{
	struct sigaction stop = { .sa_handler = on_signal };
	sigset_t term;

	stopped = 0;
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, &x->waiting);
	(void)sigdelset(&x->waiting, SIGTERM);
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)signal(SIGINT, SIG_IGN); /* a Ctrl-C is the supervisor's affair */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
}

int exporter_run(const struct exporter_setup *s, struct err *err)
{
	struct exporter x = { .now_ns = clock_now_ns() };
	int r = page_init(&x.page, s->pages_fd);

	watch_signals(&x);
	if (r < 0)
		(void)err_set(err, ERR_TEMP, r, "metrics page: out of memory");
	if (r == 0)
		r = open_servers(&x, s, err);
	if (r == 0 && s->sandbox)
		r = filter_apply(err);
	while (r == 0 && !stopped)
		r = turn(&x);
	for (size_t i = 0; i < x.servers_n; i++)
		http_free(&x.servers[i]);
	page_fini(&x.page);
	return r == -EPIPE ? 0 : r;
}
