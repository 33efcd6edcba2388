/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exporter/exporter.h - serves the gateway's metrics page over HTTP, in a process that holds
 * nothing but its listening sockets and one end of a socket pair (ctl/pages.h).
 *
 *   GET /metrics   the page (Prometheus text format); 503 when the gateway does not answer
 *   GET /healthz   "ok" when it does; 503
 *
 * One page, however many ask for it at a time. Each connection serves one request and lives for at
 * most ten seconds; when there are too many the oldest goes first.
 */
#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define EXPORTER_LISTEN_MAX      5
#define EXPORTER_CONNECTIONS_MAX 64 /* for each listening socket */

struct exporter_setup {
	int pages_fd; /* towards the gateway */
	const int *listen_fds;
	size_t listen_n; /* at most EXPORTER_LISTEN_MAX */
	bool sandbox;    /* give up all that serving does not need */
};

/* Until SIGTERM or the other ends of pages_fd are closed: 0. Takes over the descriptors. */
int exporter_run(const struct exporter_setup *s, struct err *err) MUST_CHECK;

#endif
