/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exporter/http.c - libmicrohttpd, driven from outside: no thread, no wait. A request that needs a
 * page is suspended until the page is there. Clients are slow on purpose: libmicrohttpd's own time
 * limit begins anew with every byte, so there is a limit for the whole connection beside it.
 */
#include "exporter/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/clock.h"
#include "exporter/exporter.h"

#define IDLE_SECONDS  5u
#define LIFE_NS       UINT64_C(10000000000)
#define REQUEST_BYTES (16u * 1024) /* for a connection's buffers: longer headers are refused */
#define EVICT_FROM    (EXPORTER_CONNECTIONS_MAX - 8u) /* room for those that are being closed */
#define TICK_MS       250

struct connection { /* from accept to close */
	struct connection *next, **prev;
	int fd;
	uint64_t began_ns;
	bool waits, told; /* for a page; that it has to go */
};

enum answer { ANSWER_NONE, ANSWER_PAGE, ANSWER_UNAVAILABLE };

struct request {                      /* from its first line to its end */
	struct request *next, **prev; /* of those that wait; prev NULL: it does not */
	struct MHD_Connection *mhd;
	struct connection *connection;
	enum answer answer;
};

struct http {
	struct MHD_Daemon *mhd;
	int epoll_fd;
	http_want_fn *want;
	void *arg;
	struct MHD_Response *page; /* NULL: none yet */
	struct connection *oldest, **newest;
	unsigned connections;
	struct request *waiting;
	uint64_t now_ns;
};

/* --- answers --- */

static const struct fixed {
	unsigned status;
	const char *text, *allow;
} answers[] = {
	{ MHD_HTTP_OK, "ok\n", NULL },
	{ MHD_HTTP_NOT_FOUND, "There are /metrics and /healthz.\n", NULL },
	{ MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET is answered.\n", "GET" },
	{ MHD_HTTP_SERVICE_UNAVAILABLE, "The gateway does not answer.\n", NULL },
};

enum { SAY_OK, SAY_NOT_FOUND, SAY_METHOD, SAY_UNAVAILABLE };

/* One request a connection: nobody holds a place that others need. */
static enum MHD_Result finish(struct MHD_Response *r, const char *type)
{
	enum MHD_Result ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);

	if (ok == MHD_YES)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (ok == MHD_YES)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return ok;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned what)
{
	const struct fixed *f = &answers[what];
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(f->text), (void *)(uintptr_t)f->text,
						MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok;

	if (r == NULL)
		return MHD_NO;
	ok = finish(r, "text/plain; charset=utf-8");
	if (ok == MHD_YES && f->allow != NULL)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, f->allow);
	if (ok == MHD_YES)
		ok = MHD_queue_response(c, f->status, r);
	MHD_destroy_response(r);
	return ok;
}

int http_set_page(struct http *h, struct bytes page)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(page.n, (void *)(uintptr_t)page.p,
								 MHD_RESPMEM_MUST_COPY);

	if (r == NULL)
		return -ENOMEM;
	if (finish(r, "text/plain; version=0.0.4; charset=utf-8") != MHD_YES) {
		MHD_destroy_response(r);
		return -ENOMEM;
	}
	if (h->page != NULL)
		MHD_destroy_response(h->page); /* those that are being sent hold on to it */
	h->page = r;
	return 0;
}

/* --- requests --- */

static void stop_waiting(struct request *r)
{
	if (r->prev == NULL)
		return;
	*r->prev = r->next;
	if (r->next != NULL)
		r->next->prev = r->prev;
	r->prev = NULL;
	if (r->connection != NULL)
		r->connection->waits = false;
}

static void wait_for_page(struct http *h, struct request *r)
{
	r->next = h->waiting;
	r->prev = &h->waiting;
	if (h->waiting != NULL)
		h->waiting->prev = &r->next;
	h->waiting = r;
	if (r->connection != NULL)
		r->connection->waits = true;
	MHD_suspend_connection(r->mhd);
}

void http_answer(struct http *h, bool there)
{
	while (h->waiting != NULL) {
		struct request *r = h->waiting;

		stop_waiting(r);
		r->answer = there ? ANSWER_PAGE : ANSWER_UNAVAILABLE;
		MHD_resume_connection(r->mhd);
	}
}

static enum MHD_Result answer_page(struct http *h, struct request *r, bool whole)
{
	if (r->answer == ANSWER_NONE && h->want(h->arg))
		r->answer = ANSWER_PAGE;
	if (r->answer == ANSWER_NONE) {
		wait_for_page(h, r);
		return MHD_YES;
	}
	if (r->answer == ANSWER_UNAVAILABLE || h->page == NULL)
		return say(r->mhd, SAY_UNAVAILABLE);
	return whole ? MHD_queue_response(r->mhd, MHD_HTTP_OK, h->page) : say(r->mhd, SAY_OK);
}

static struct connection *connection_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

/* Called for a request's headers, for each piece of a body that it should not have, at its end, and
 * again when it was suspended. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version UNUSED,
				  const char *body UNUSED, size_t *body_bytes, void **context)
{
	struct http *h = arg;
	struct request *r = *context;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return say(c, SAY_METHOD);
	if (r == NULL) {
		r = calloc(1, sizeof(*r));
		if (r == NULL)
			return MHD_NO;
		r->mhd = c;
		r->connection = connection_of(c);
		*context = r;
		return MHD_YES;
	}
	if (*body_bytes > 0)
		return MHD_NO; /* a GET with a body is nobody's friend */
	if (strcmp(url, "/metrics") == 0)
		return answer_page(h, r, true);
	if (strcmp(url, "/healthz") == 0)
		return answer_page(h, r, false);
	return say(c, SAY_NOT_FOUND);
}

static void on_request_end(void *arg UNUSED, struct MHD_Connection *c UNUSED, void **context,
			   enum MHD_RequestTerminationCode why UNUSED)
{
	struct request *r = *context;

	if (r == NULL)
		return;
	stop_waiting(r);
	free(r);
	*context = NULL;
}

/* --- connections --- */

/* libmicrohttpd closes what it can read the end of. */
static void send_away(struct connection *c)
{
	if (!c->told && c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	c->told = true;
}

static void evict_oldest(struct http *h)
{
	struct connection *c = h->oldest;

	while (c != NULL && c->told)
		c = c->next;
	if (c != NULL)
		send_away(c);
}

static void add_connection(struct http *h, struct MHD_Connection *mhd, void **context)
{
	struct connection *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (c == NULL)
		return; /* libmicrohttpd's time limit remains */
	c->fd = info == NULL ? -1 : info->connect_fd;
	c->began_ns = h->now_ns;
	c->prev = h->newest;
	*h->newest = c;
	h->newest = &c->next;
	*context = c;
	if (++h->connections > EVICT_FROM)
		evict_oldest(h);
}

static void remove_connection(struct http *h, void **context)
{
	struct connection *c = *context;

	if (c == NULL)
		return;
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		h->newest = c->prev;
	h->connections--;
	free(c);
	*context = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		add_connection(arg, c, context);
	else
		remove_connection(arg, context);
}

static void expire(struct http *h)
{
	for (struct connection *c = h->oldest; c != NULL; c = c->next)
		if (!c->waits && h->now_ns - c->began_ns > LIFE_NS)
			send_away(c);
}

/* --- life --- */

int http_new(struct http **ret_h, int fd, http_want_fn *want, void *arg, struct err *err)
{
	AUTO(http_free) struct http *h = calloc(1, sizeof(*h));
	const union MHD_DaemonInfo *info;

	if (h == NULL) {
		(void)close(fd);
		return err_set(err, ERR_TEMP, -ENOMEM, "metrics page: out of memory");
	}
	h->want = want;
	h->arg = arg;
	h->newest = &h->oldest;
	h->now_ns = clock_now_ns();
	h->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
				  on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
				  MHD_OPTION_NOTIFY_COMPLETED, on_request_end, h,
				  MHD_OPTION_CONNECTION_LIMIT, EXPORTER_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
				  MHD_OPTION_STRICT_FOR_CLIENT, 1,
				  MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (h->mhd == NULL) {
		int r = err_errno(err, "metrics page: libmicrohttpd does not start");

		(void)close(fd);
		return r;
	}
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	h->epoll_fd = info == NULL ? -1 : info->epoll_fd;
	if (h->epoll_fd < 0)
		return err_set(err, ERR_BUG, -EINVAL, "metrics page: libmicrohttpd without epoll");
	*ret_h = TAKE(h);
	return 0;
}

void http_free(struct http **h)
{
	if (*h == NULL)
		return;
	http_answer(*h, false);
	if ((*h)->mhd != NULL)
		MHD_stop_daemon((*h)->mhd); /* closes its sockets, and ends what is left */
	if ((*h)->page != NULL)
		MHD_destroy_response((*h)->page);
	free(*h);
	*h = NULL;
}

int http_fd(const struct http *h)
{
	return h->epoll_fd;
}

int http_wait_ms(const struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(h->mhd, &ms) == MHD_YES && ms < TICK_MS)
		return (int)ms;
	return h->connections > 0 ? TICK_MS : 60 * 1000;
}

void http_run(struct http *h, uint64_t now_ns)
{
	h->now_ns = now_ns;
	expire(h);
	(void)MHD_run(h->mhd);
}
