/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop: operations, tasks, copying a file, more operations than the queue has entries. */
#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "loop/copy.h"
#include "tests/t.h"

static unsigned polled, synced, runs;
static int copy_result = 1;

static void on_poll(struct op *op UNUSED, int result, bool more UNUSED)
{
	polled += result > 0;
}

static void on_sync(struct op *op UNUSED, int result, bool more UNUSED)
{
	synced += result == 0;
}

static void on_task(struct task *t UNUSED)
{
	runs++;
}

static void on_copy(struct copy *c UNUSED, int result)
{
	copy_result = result;
}

static void turns(struct loop *l, unsigned n)
{
	struct err err;

	while (n-- > 0)
		if (loop_turn(l, &err) < 0)
			abort();
}

static int filled(size_t n)
{
	int fd = memfd_create("t", MFD_CLOEXEC);

	for (size_t i = 0; i < n; i += 8)
		if (write(fd, &i, 8) != 8)
			abort();
	return fd;
}

static bool same(int a, int b, size_t n)
{
	char *x = malloc(n), *y = malloc(n);
	bool r = pread(a, x, n, 3) == pread(b, y, n, 0) && memcmp(x, y, n - 3) == 0;

	free(x);
	free(y);
	return r;
}

int main(void)
{
	int event = eventfd(1, EFD_NONBLOCK), from = filled(1 << 20), to = memfd_create("u", 0);
	struct op poll = { .done = on_poll }, syncs[100];
	struct task task = { .run = on_task };
	struct copy copy;
	struct loop *l;
	struct err err;

	if (loop_new(&l, 32, &err) < 0)
		return t_skip_all(err.text);
	loop_poll(l, &poll, event);
	loop_make_ready(l, &task);
	loop_make_ready(l, &task);
	turns(l, 2);
	T_OK(polled == 1, "poll");
	T_OK(runs == 1, "a task made ready twice runs once");
	for (unsigned i = 0; i < ARRAY_LEN(syncs); i++) {
		syncs[i] = (struct op){ .done = on_sync };
		loop_fsync(l, &syncs[i], from, i % 2 == 0);
	}
	for (unsigned i = 0; i < 100 && synced < ARRAY_LEN(syncs); i++)
		turns(l, 1);
	T_OK(synced == ARRAY_LEN(syncs), "100 operations through 32 entries: %u", synced);
	T_OK(copy_start(&copy, l, from, 3, to, 0, (1 << 20) - 3, on_copy) == 0, "copy");
	for (unsigned i = 0; i < 100 && copy_result == 1; i++)
		turns(l, 1);
	T_OK(copy_result == 0 && same(from, to, 1 << 20), "all bytes arrive");
	copy_result = 1;
	T_OK(copy_start(&copy, l, from, 3, to, 0, 1 << 20, on_copy) == 0, "copy beyond the end");
	for (unsigned i = 0; i < 100 && copy_result == 1; i++)
		turns(l, 1);
	T_OK(copy_result == -ENODATA, "a short source is an error: %d", copy_result);
	copy_result = 1;
	T_OK(copy_start(&copy, l, from, 0, to, 0, 0, on_copy) == 0, "copy nothing");
	for (unsigned i = 0; i < 100 && copy_result == 1; i++)
		turns(l, 1);
	T_OK(copy_result == 0, "ends well");
	loop_free(&l);
	(void)close(event);
	(void)close(from);
	(void)close(to);
	return t_done();
}
