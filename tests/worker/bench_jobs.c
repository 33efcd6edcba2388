/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hand-over of a message to a scan worker costs: descriptor, wake-up, read, result; the
 * scan itself is one pass over the bytes. A measurement, not a test.
 * Argument: bytes of a message (10000).
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/num.h"
#include "tests/worker/rig.h"
#include "tests/worker/tiny.h"

#define MESSAGES 50000u

static const char *path;

static void one_pass(struct bytes message, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", memchr(message.p, 0xff, message.n) == NULL ? "no" : "yes");
}

static int post(struct rig *r, size_t bytes)
{
	uint64_t request[2] = { 0, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct job_post p = { .request = bytes_of(request, sizeof(request)),
			      .head_fd = -1,
			      .body_fd = fd,
			      .body_bytes = bytes };
	unsigned slot;

	if (jobs_post(r->w[0].jobs, &p, &slot, NULL) < 0)
		abort();
	return fd;
}

static unsigned reap(struct rig *r, struct arena *a)
{
	struct bytes result;
	unsigned slot, n = 0;

	while (jobs_reap(r->w[0].jobs, a, &slot, &result, NULL) == 0) {
		arena_reset(a);
		n++;
	}
	return n;
}

/* Batches of @batch: post, flush, sleep until something is done. */
static unsigned run(struct rig *r, size_t bytes, unsigned batch)
{
	AUTO(arena_free) struct arena *a = arena_new(2 * JOBS_RESULT_BYTES);
	struct pollfd p = { .fd = r->w[0].event_fd, .events = POLLIN };
	unsigned done = 0, posted = 0, sleeps = 0;
	uint64_t count;

	while (done < MESSAGES) {
		int fds[JOBS_SLOTS];
		unsigned n = 0;

		for (unsigned i = 0; i < batch && posted < MESSAGES; i++)
			if (jobs_free_n(r->w[0].jobs) > 0) {
				fds[n++] = post(r, bytes);
				posted++;
			}
		if (jobs_flush(r->w[0].jobs, r->w[0].sock, NULL) < 0)
			abort();
		while (n > 0)
			(void)close(fds[--n]);
		if (jobs_prepare_sleep(r->w[0].jobs)) {
			sleeps++;
			if (poll(&p, 1, 10000) != 1)
				abort();
			(void)!read(p.fd, &count, sizeof(count));
		}
		done += reap(r, a);
	}
	return sleeps;
}

static void measure(struct rig *r, size_t bytes, unsigned batch)
{
	uint64_t wall = clock_now_ns(), cpu = clock_thread_cpu_ns();
	unsigned sleeps = run(r, bytes, batch);

	printf("%zu bytes, batches of %u: %.1f us wall, %.1f us CPU of the gateway, %.2f sleeps\n",
	       bytes, batch, (double)(clock_now_ns() - wall) / 1e3 / MESSAGES,
	       (double)(clock_thread_cpu_ns() - cpu) / 1e3 / MESSAGES, (double)sleeps / MESSAGES);
}

int main(int argc, char **argv)
{
	struct client_setup setup = tiny_setup();
	uint64_t bytes = 10000;
	char name[64], *text;
	struct rusage u;
	struct rig r;
	int fd;

	if (argc > 1 && num_parse(bytes_str(argv[1]), 10, 100 * MIB, &bytes) < 0)
		return 64;
	tiny_begin();
	(void)snprintf(name, sizeof(name), "%s/message", getenv("TMPDIR"));
	path = name;
	text = calloc(1, bytes + 1);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (text == NULL || write(fd, text, bytes) != (ssize_t)bytes)
		return 1;
	(void)close(fd);
	free(text);
	tiny_scan = one_pass;
	setup.zygote.keep_stderr = false;
	rig_start(&r, &setup);
	rig_spawn(&r, 0, -1);
	measure(&r, bytes, 1);
	measure(&r, bytes, 4);
	measure(&r, bytes, 16);
	(void)rig_stop(&r);
	(void)getrusage(RUSAGE_CHILDREN, &u);
	printf("worker: %.1f us CPU a message\n",
	       ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec)) /
		       (3 * MESSAGES));
	tiny_end();
	return 0;
}
