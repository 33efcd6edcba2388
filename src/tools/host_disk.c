/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/host_disk.c - how many messages a second this disk makes durable: alone, and in groups as
 * the gateway commits them (src/msg/commit.c): the files are synced through the ring, published
 * by rename, their directory is synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "loop/loop.h"
#include "tools/host_bench.h"

#define MESSAGE_BYTES 8192

struct disk {
	int dir_fd;
	struct loop *loop; /* NULL: no ring here, plain calls */
	struct sync {
		struct op op;
		struct disk *disk;
	} syncs[BENCH_GROUP];
	unsigned pending;
	int failed;
};

static void name_of(char out[32], unsigned i, bool published)
{
	(void)snprintf(out, 32, "%s%u", published ? "qf" : "tf", i);
}

static int write_message(const struct disk *d, unsigned i, struct err *err)
{
	static const char body[MESSAGE_BYTES] = "From: a message of the usual size\n";
	char name[32];
	int fd;

	name_of(name, i, false);
	fd = openat(d->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, body, sizeof(body)) != (ssize_t)sizeof(body)) {
		int r = err_errno(err, "write a test file");

		fd_close(&fd);
		return r;
	}
	return fd;
}

static void synced(struct op *op, int result, bool more UNUSED)
{
	struct disk *d = CONTAINER_OF(op, struct sync, op)->disk;

	d->pending--;
	if (result < 0)
		d->failed = result;
}

static int sync_all(struct disk *d, const int *fds, unsigned n, struct err *err)
{
	for (unsigned i = 0; d->loop == NULL && i < n; i++)
		if (fsync(fds[i]) < 0)
			return err_errno(err, "fsync");
	if (d->loop == NULL)
		return 0;
	d->failed = 0;
	for (unsigned i = 0; i < n; i++) {
		d->syncs[i] = (struct sync){ .op.done = synced, .disk = d };
		d->pending++;
		loop_fsync(d->loop, &d->syncs[i].op, fds[i], false);
	}
	while (d->pending > 0) {
		int r = loop_turn(d->loop, err);

		if (r < 0)
			return r;
	}
	return d->failed < 0 ? err_code(err, d->failed, "fsync") : 0;
}

static int publish(const struct disk *d, unsigned n, struct err *err)
{
	char from[32], to[32];

	for (unsigned i = 0; i < n; i++) {
		name_of(from, i, false);
		name_of(to, i, true);
		if (renameat(d->dir_fd, from, d->dir_fd, to) < 0)
			return err_errno(err, "rename a test file");
	}
	return fsync(d->dir_fd) < 0 ? err_errno(err, "fsync of a directory") : 0;
}

/* @n messages become durable together. */
static int commit(struct disk *d, unsigned n, struct err *err)
{
	int fds[BENCH_GROUP], r = 0;
	unsigned open_n = 0;

	while (r == 0 && open_n < n) {
		fds[open_n] = write_message(d, open_n, err);
		r = MIN_OF(fds[open_n], 0);
		open_n += r == 0;
	}
	if (r == 0)
		r = sync_all(d, fds, n, err);
	for (unsigned i = 0; i < open_n; i++)
		(void)close(fds[i]);
	return r < 0 ? r : publish(d, n, err);
}

static int repeat(struct disk *d, unsigned n, unsigned ms, uint64_t *ret_n, uint64_t *ret_ns,
		  struct err *err)
{
	uint64_t start = clock_now_ns(), end = start + (uint64_t)ms * 1000000;
	int r = 0;

	while (r == 0 && clock_now_ns() < end) {
		if (bench_interrupted())
			r = err_set(err, ERR_TEMP, -EINTR, "interrupted");
		else
			r = commit(d, n, err);
		*ret_n += r == 0 ? n : 0;
	}
	*ret_ns = clock_now_ns() - start;
	return r;
}

static void clean(const struct disk *d, const char *path)
{
	char name[32];

	for (unsigned i = 0; i < BENCH_GROUP; i++) {
		for (int published = 0; published < 2; published++) {
			name_of(name, i, published == 1);
			(void)unlinkat(d->dir_fd, name, 0);
		}
	}
	(void)rmdir(path);
}

int bench_disk(const char *dir, unsigned ms, struct bench_sync *ret_s, struct err *err)
{
	struct disk d = { .dir_fd = -1 };
	struct bench_sync s = { 0 };
	char path[4096];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/.sallyport-host-XXXXXX", dir) >= (int)sizeof(path))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "'%.60s...' is too long", dir);
	if (mkdtemp(path) == NULL)
		return err_errno(err, "make a directory in '%s' (another one: --dir)", dir);
	d.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d.dir_fd < 0)
		r = err_errno(err, "open '%s'", path);
	if (loop_new(&d.loop, 2 * BENCH_GROUP, NULL) < 0)
		d.loop = NULL;
	if (r == 0)
		r = repeat(&d, 1, ms / 2, &s.alone_n, &s.alone_ns, err);
	if (r == 0)
		r = repeat(&d, BENCH_GROUP, ms / 2, &s.group_n, &s.group_ns, err);
	clean(&d, path);
	loop_free(&d.loop);
	fd_close(&d.dir_fd);
	if (r == 0)
		*ret_s = s;
	return r;
}
