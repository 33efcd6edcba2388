/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/reader.c - the worker's ring: READ and CLOSE, for ever nothing else.
 *
 * seccomp does not see what a ring does, so the ring itself is restricted before it is
 * enabled. It is made after Landlock and has no SQPOLL thread, which would keep the credentials
 * of its birth.
 *
 * A close is linked behind its read with IO_LINK, not IO_HARDLINK: a short or failed read then
 * breaks the link, and the descriptor is still there to read on. What the ring left open is
 * finished with pread(2), which is also all there is where the host forbids io_uring.
 */
#include "loop/reader.h"

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/fault.h"

#define BATCH        16u           /* more leaves the cache */
#define ALONE_BYTES  (512u * 1024) /* from here a batch doubles the cost */
#define ENTRIES      (BATCH * 2)
#define CLOSE_TAG    UINT64_C(1) /* user data: index << 1 | is it the close */
#define NOT_DONE     INT_MIN
#define RING_THREADS 4u /* for reads the file system cannot do asynchronously */

/* Debian's liburing 2.3 declares helpers for these but does not export them. */
#define REGISTER_RESTRICTIONS 11u
#define REGISTER_ENABLE_RINGS 12u

struct reader {
	bool has_ring;
	struct io_uring ring;
	char mode[96];
};

static int allow(struct io_uring_restriction *r, unsigned n, struct io_uring *ring)
{
	int res = io_uring_register((unsigned)ring->ring_fd, REGISTER_RESTRICTIONS, r, n);

	return res < 0 ? res
		       : io_uring_register((unsigned)ring->ring_fd, REGISTER_ENABLE_RINGS, NULL, 0);
}

/* No register operation is allowed afterwards: what is not listed is forbidden. */
static int restrict_and_enable(struct io_uring *ring)
{
	unsigned threads[2] = { RING_THREADS, RING_THREADS };
	struct io_uring_restriction r[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_CLOSE },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_IO_LINK },
	};

	/* Before 5.15 there is no such limit; then the default holds. */
	(void)io_uring_register_iowq_max_workers(ring, threads);
	return allow(r, ARRAY_LEN(r), ring);
}

/* Newest kernels first; the flags save work but decide nothing. Never SQPOLL. */
static const unsigned setups[] = {
	IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_R_DISABLED,
};

static int open_ring(struct io_uring *ring)
{
	int r = fault_at("reader.setup", 0);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(setups); i++) {
		struct io_uring_params p = { .flags = setups[i] };

		r = io_uring_queue_init_params(ENTRIES, ring, &p);
		if (r == -EINVAL && i + 1 < ARRAY_LEN(setups)) {
			r = 0;
			continue;
		}
		if (r < 0)
			return r;
		r = restrict_and_enable(ring);
		if (r < 0)
			io_uring_queue_exit(ring);
		break;
	}
	return r;
}

int reader_new(struct reader **ret_r, struct err *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	int res;

	if (r == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "reader: out of memory");
	res = open_ring(&r->ring);
	r->has_ring = res == 0;
	if (r->has_ring)
		(void)snprintf(r->mode, sizeof(r->mode), "io_uring");
	else
		(void)snprintf(r->mode, sizeof(r->mode), "plain reads, no io_uring: %s",
			       strerror(-res));
	*ret_r = r;
	return 0;
}

void reader_free(struct reader **r)
{
	if (*r == NULL)
		return;
	if ((*r)->has_ring)
		io_uring_queue_exit(&(*r)->ring);
	free(*r);
	*r = NULL;
}

const char *reader_mode(const struct reader *r)
{
	return r->mode;
}

/* The caller sees to it that there is room: ENTRIES, and the queue is empty between batches. */
static void queue_item(struct reader *r, const struct read_item *item, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	io_uring_prep_read(sqe, item->fd, item->buf, (unsigned)item->n, item->offset);
	sqe->flags |= IOSQE_IO_LINK;
	io_uring_sqe_set_data64(sqe, (uint64_t)index << 1);

	sqe = io_uring_get_sqe(&r->ring);
	io_uring_prep_close(sqe, item->fd);
	io_uring_sqe_set_data64(sqe, (uint64_t)index << 1 | CLOSE_TAG);
}

static void complete(struct read_item *items, unsigned n, const struct io_uring_cqe *cqe)
{
	uint64_t index = cqe->user_data >> 1;

	if (index >= n)
		return;
	if ((cqe->user_data & CLOSE_TAG) == 0)
		items[index].result = fault_at("reader.read", cqe->res);
	else if (cqe->res != -ECANCELED)
		items[index].fd = -1;
}

static int run_ring(struct reader *r, struct read_item *items, unsigned n, struct err *err)
{
	struct io_uring_cqe *cqe;
	unsigned due = n * 2, head, seen;

	for (unsigned i = 0; i < n; i++)
		queue_item(r, &items[i], i);
	while (due > 0) {
		int res = fault_at("reader.submit", io_uring_submit_and_wait(&r->ring, due));

		if (res < 0 && res != -EINTR)
			return err_code(err, res, "read messages through the ring");
		seen = 0;
		io_uring_for_each_cqe (&r->ring, head, cqe) {
			complete(items, n, cqe);
			seen++;
		}
		io_uring_cq_advance(&r->ring, seen);
		due -= MIN_OF(seen, due);
	}
	return 0;
}

static int pread_some(struct read_item *item, size_t done)
{
	ssize_t got =
		pread(item->fd, item->buf + done, item->n - done, (off_t)(item->offset + done));

	return fault_at("reader.pread", got < 0 ? -errno : (int)got);
}

/* Read what is missing until there is no more, then close. */
static void finish(struct read_item *item)
{
	size_t done = item->result > 0 ? (size_t)item->result : 0;
	int got;

	if (item->fd < 0)
		return;
	item->result = 0;
	while (done < item->n) {
		got = pread_some(item, done);
		if (got == -EINTR)
			continue;
		if (got < 0)
			item->result = got;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	if (item->result == 0)
		item->result = (int)done;
	fd_close(&item->fd);
}

static int run_batch(struct reader *r, struct read_item *items, unsigned n, struct err *err)
{
	int res = 0;

	for (unsigned i = 0; i < n; i++)
		items[i].result = 0;
	if (r->has_ring)
		res = run_ring(r, items, n, err);
	for (unsigned i = 0; i < n && res == 0; i++)
		finish(&items[i]);
	return res;
}

/* How many of @items go into one submission: large ones are alone. */
static unsigned batch_size(const struct read_item *items, unsigned n)
{
	unsigned i;

	if (items[0].n >= ALONE_BYTES)
		return 1;
	for (i = 1; i < n && i < BATCH && items[i].n < ALONE_BYTES;)
		i++;
	return i;
}

int reader_run(struct reader *r, struct read_item *items, unsigned n, struct err *err)
{
	for (unsigned i = 0; i < n; i++)
		if (items[i].n > INT_MAX || items[i].fd < 0)
			return err_set(err, ERR_BUG, -EINVAL, "read of %zu bytes from %d",
				       items[i].n, items[i].fd);
	for (unsigned i = 0, k; i < n; i += k) {
		int res;

		k = batch_size(items + i, n - i);
		res = run_batch(r, items + i, k, err);
		if (res < 0)
			return res;
	}
	return 0;
}

int reader_try(struct reader *r, uint8_t opcode, int fd, const void *addr)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int res;

	if (!r->has_ring)
		return -ENOSYS;
	sqe = io_uring_get_sqe(&r->ring);
	if (sqe == NULL)
		return -EBUSY;
	io_uring_prep_rw(opcode, sqe, fd, addr, 0, 0);
	res = io_uring_submit_and_wait(&r->ring, 1);
	if (res < 0)
		return res;
	res = io_uring_peek_cqe(&r->ring, &cqe);
	if (res < 0)
		return res;
	res = cqe->res;
	io_uring_cqe_seen(&r->ring, cqe);
	return res;
}
