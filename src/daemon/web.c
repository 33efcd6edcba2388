/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/web.c - sockets of the metrics page. */
#include "daemon/web.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/servers.h"
#include "core/log.h"

#define ADDRESS_MAX 64
#define BACKLOG     64
#define PAIR_BYTES  (1024 * 1024) /* a page in one record, whatever the system's default is */

static void close_all(struct web *w)
{
	for (size_t i = 0; i < w->listen_n; i++)
		fd_close(&w->listen_fds[i]);
	w->listen_n = 0;
	if (w->path[0] != '\0')
		(void)unlink(w->path);
}

static void make_pair(struct web *w)
{
	int pair[2], bytes = PAIR_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_warning("metrics page: %s; there is none", strerror(errno));
		return;
	}
	w->gateway_fd = pair[0];
	w->exporter_fd = pair[1];
	/* Without privileges the default remains, which a page of 192 KB fits into. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
}

void web_init(struct web *w)
{
	*w = (struct web){ .gateway_fd = -1, .exporter_fd = -1 };
	make_pair(w);
}

void web_fini(struct web *w)
{
	close_all(w);
	fd_close(&w->gateway_fd);
	fd_close(&w->exporter_fd);
}

bool web_wanted(const struct web *w)
{
	return w->listen_n > 0 && w->exporter_fd >= 0;
}

/* --- Unix socket --- */

/* Beside Control Socket when it is only a name. "": none is wanted, or it is too long. */
static void socket_path(const struct conf *c, char *out, size_t size)
{
	const char *name = conf_str(c, OPT_METRICS_SOCKET, NULL);
	const char *control = conf_str(c, OPT_CONTROL_SOCKET, NULL);
	const char *slash = strrchr(control, '/');
	int n;

	out[0] = '\0';
	if (name[0] == '\0' || (strchr(name, '/') == NULL && slash == NULL))
		return;
	if (strchr(name, '/') != NULL)
		n = snprintf(out, size, "%s", name);
	else
		n = snprintf(out, size, "%.*s/%s", (int)(slash - control), control, name);
	if (n > 0 && (size_t)n < MIN_OF(size, sizeof(((struct sockaddr_un *)0)->sun_path)))
		return;
	log_warning("Metrics Socket = %s: the path is too long; no metrics page there", name);
	out[0] = '\0';
}

static int listen_unix(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct group *gr = getgrnam(WEB_USER);

	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0)
		return err_errno(err, "socket");
	(void)unlink(path); /* the pid file's lock says that nobody else serves it */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0660) < 0)
		return err_errno(err, "Metrics Socket = %s", path);
	if (geteuid() == 0 && gr != NULL && chown(path, 0, gr->gr_gid) < 0)
		return err_errno(err, "Metrics Socket = %s: group " WEB_USER, path);
	if (listen(fd, BACKLOG) < 0)
		return err_errno(err, "Metrics Socket = %s", path);
	return TAKE_FD(fd);
}

/* --- TCP --- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t n;
};

static void address_of(const struct server *s, struct address *ret)
{
	*ret = (struct address){ .n = s->v6 ? sizeof(ret->u.v6) : sizeof(ret->u.v4) };
	if (s->v6) {
		ret->u.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						   .sin6_port = htons(s->port) };
		memcpy(&ret->u.v6.sin6_addr, s->addr, 16);
	} else {
		ret->u.v4 =
			(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(s->port) };
		memcpy(&ret->u.v4.sin_addr, s->addr, 4);
	}
}

static int listen_tcp(struct bytes text, struct err *err)
{
	AUTO(fd_close) int fd = -1;
	struct server where;
	struct address a;
	int on = 1;

	if (!listener_parse(text, &where))
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "Metrics Address: '%.*s' is not an address and port such as "
			       "127.0.0.1:9199 or [::1]:9199",
			       (int)text.n, (const char *)text.p);
	address_of(&where, &a);
	fd = socket(a.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "Metrics Address: socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.u.any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.u.any, a.n) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, "Metrics Address = %.*s", (int)text.n, (const char *)text.p);
	return TAKE_FD(fd);
}

/* --- both --- */

static void add(struct web *w, int fd, const struct err *err)
{
	if (fd >= 0)
		w->listen_fds[w->listen_n++] = fd;
	else
		log_warning("%s; no metrics page there", err->text);
}

static void bind_addresses(struct web *w)
{
	struct bytes left = bytes_str(w->addresses), word;
	struct err err;

	while (bytes_next_word(&left, &word)) {
		if (w->listen_n == EXPORTER_LISTEN_MAX) {
			log_warning("Metrics Address: more than %d; the others are left out",
				    EXPORTER_LISTEN_MAX - 1);
			return;
		}
		add(w, listen_tcp(word, &err), &err);
	}
}

/* A socket of root's that everybody could serve would be worse than none. */
static bool have_user(void)
{
	if (geteuid() != 0 || getpwnam(WEB_USER) != NULL)
		return true;
	log_warning("no metrics page: the system user " WEB_USER " does not exist; "
		    "useradd --system --user-group --no-create-home --shell "
		    "/usr/sbin/nologin " WEB_USER);
	return false;
}

static void wanted(const struct conf *c, struct web *out)
{
	socket_path(c, out->path, sizeof(out->path));
	(void)snprintf(out->addresses, sizeof(out->addresses), "%s",
		       conf_str(c, OPT_METRICS_ADDRESS, NULL));
}

bool web_changed(const struct web *w, const struct conf *c)
{
	struct web now = { 0 };

	wanted(c, &now);
	return strcmp(now.path, w->path) != 0 || strcmp(now.addresses, w->addresses) != 0;
}

void web_bind(struct web *w, const struct conf *c)
{
	struct err err;

	if (!web_changed(w, c))
		return;
	close_all(w);
	wanted(c, w);
	if ((w->path[0] == '\0' && w->addresses[0] == '\0') || w->exporter_fd < 0 || !have_user())
		return;
	if (w->path[0] != '\0')
		add(w, listen_unix(w->path, &err), &err);
	bind_addresses(w);
}
