/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/web.h - the supervisor's part of the metrics page: the sockets that the exporter serves,
 * and the socket pair between it and the gateway (ctl/pages.h). Whatever fails here is a warning:
 * mail does not need it.
 */
#ifndef DAEMON_WEB_H
#define DAEMON_WEB_H

#include <stdbool.h>

#include "conf/conf.h"
#include "exporter/exporter.h"

#define WEB_USER "sallyport-web"

struct web {
	int gateway_fd, exporter_fd; /* the pair; both stay open here, so that either may restart */
	int listen_fds[EXPORTER_LISTEN_MAX];
	size_t listen_n;
	char path[256], addresses[512]; /* what the sockets were made from */
};

void web_init(struct web *w);
void web_fini(struct web *w);
/* Whether @c wants other sockets than there are. */
bool web_changed(const struct web *w, const struct conf *c);
/* Make the sockets that @c wants, unless they are there; no exporter may hold on to old ones. */
void web_bind(struct web *w, const struct conf *c);
/* Anything to serve? */
bool web_wanted(const struct web *w);

#endif
