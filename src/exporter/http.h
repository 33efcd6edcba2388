/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/http.h - inside this folder: HTTP on one listening socket, on the caller's loop. */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

struct http;

/* Called when a request needs a page: http_answer() or http_fail() must follow. True: there is one
 * already, which is http_answer()ed at once. */
typedef bool http_want_fn(void *arg);

/* @fd, listening and non-blocking, is the server's afterwards, also when this fails. */
int http_new(struct http **ret_h, int fd, http_want_fn *want, void *arg,
	     struct err *err) MUST_CHECK;
void http_free(struct http **h);

/* To be polled for reading; then, and at least every http_wait_ms(), http_run(). */
int http_fd(const struct http *h);
int http_wait_ms(const struct http *h);
void http_run(struct http *h, uint64_t now_ns);

/* The page for all requests that wait, and those that come while it is fresh (copied). */
int http_set_page(struct http *h, struct bytes page) MUST_CHECK;
/* Answer what waits: with the page, or that there is none. */
void http_answer(struct http *h, bool there);

#endif
