/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/client.h - one zygote and one worker, driven synchronously: for `sallyport scan` and
 * tests. The gateway has its own, on its loop (msg/pool.c).
 */
#ifndef WORKER_CLIENT_H
#define WORKER_CLIENT_H

#include "core/arena.h"
#include "core/err.h"
#include "scan/facts.h"
#include "scan/request.h"
#include "worker/ops.h"
#include "worker/zygote.h"

struct client;

struct client_setup {
	/* The program to run as zygote, with the socket on descriptor CLIENT_SOCK_FD; or NULL: fork
	 * and call zygote_main(&zygote) in the child (only from a process without threads). */
	const char *const *argv;
	struct zygote_setup zygote; /* ops always; the rest only without argv; sock is ours */
	int bundle_fd;              /* the configuration; the caller's */
	const char *conf_path;
	uint32_t load_ms; /* how long signatures may take */
};

#define CLIENT_SOCK_FD 3

/* Start the zygote and wait until it is ready. Fails with its reason. */
int client_start(struct client **ret_c, const struct client_setup *setup,
		 struct err *err) MUST_CHECK;
/* Ends zygote and worker and waits for them. */
void client_stop(struct client **c);

/* What the zygote said of itself; its generation. */
const char *client_description(const struct client *c);
uint64_t client_generation(const struct client *c);

/* A message: bytes, or @fd >= 0 with @fd_bytes from its beginning (the caller's). */
struct client_message {
	struct bytes text;
	int fd;
	uint64_t fd_bytes;
};

/*
 * Scan, for at most @wall_ms. *@ret_f is in @a. Like scan_message(), it fills the facts also when
 * the scan failed: a worker that died or took too long is every check FAILED or TIMEOUT, and the
 * next call has a new worker. Negative only when no scan can be had any more.
 */
int client_scan(struct client *c, const struct scan_request *r, const struct client_message *m,
		uint32_t wall_ms, struct arena *a, struct facts *ret_f, struct err *err) MUST_CHECK;

/* For tests: pid of the worker, 0 when there is none; of the zygote. */
pid_t client_worker_pid(const struct client *c);
pid_t client_zygote_pid(const struct client *c);

#endif
