/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/loop.c - one turn of the gateway and its operations. */
#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <liburing.h>

#include "core/clock.h"
#include "loop/timers.h"

struct loop {
	struct io_uring ring;
	bool ring_up;
	struct timers timers;
	struct task *ready, **ready_tail;
	struct op *refused; /* found no room in the queue: told so in the next turn */
	struct op ignored;  /* completions nobody waits for: cancellations */
	uint64_t now_ns;
	bool (*before_wait)(void *arg);
	void *before_wait_arg;
};

/* Without a timer the loop still looks up once in this time: a lost wake-up costs a second. */
#define TURN_MAX_NS UINT64_C(1000000000)

static void ignore(struct op *op UNUSED, int result UNUSED, bool more UNUSED)
{
}

int loop_new(struct loop **ret_l, unsigned entries, struct err *err)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
					  .cq_entries = entries * 4 };
	AUTO(loop_free) struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "loop: out of memory");
	l->ready_tail = &l->ready;
	l->ignored.done = ignore;
	l->now_ns = clock_now_ns();
	r = io_uring_queue_init_params(entries, &l->ring, &params);
	if (r == -EINVAL) { /* before Linux 6.1: the two flags are an optimisation */
		params = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE,
						   .cq_entries = entries * 4 };
		r = io_uring_queue_init_params(entries, &l->ring, &params);
	}
	if (r < 0)
		return err_code(err, r, "io_uring (see sysctl kernel.io_uring_disabled)");
	l->ring_up = true;
	*ret_l = TAKE(l);
	return 0;
}

void loop_free(struct loop **l)
{
	if (*l == NULL)
		return;
	if ((*l)->ring_up)
		io_uring_queue_exit(&(*l)->ring);
	timers_fini(&(*l)->timers);
	free(*l);
	*l = NULL;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

/* A free submission entry; a full queue is handed to the kernel first. */
static struct io_uring_sqe *entry(struct loop *l, struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	if (sqe == NULL && io_uring_submit(&l->ring) >= 0)
		sqe = io_uring_get_sqe(&l->ring);
	if (sqe == NULL && op != &l->ignored) {
		op->refused = l->refused;
		l->refused = op;
	}
	return sqe;
}

void loop_poll(struct loop *l, struct op *op, int fd)
{
	struct io_uring_sqe *sqe = entry(l, op);

	if (sqe == NULL)
		return;
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data(sqe, op);
}

void loop_fsync(struct loop *l, struct op *op, int fd, bool data_only)
{
	struct io_uring_sqe *sqe = entry(l, op);

	if (sqe == NULL)
		return;
	io_uring_prep_fsync(sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
	io_uring_sqe_set_data(sqe, op);
}

void loop_read(struct loop *l, struct op *op, int fd, void *buf, unsigned n, uint64_t offset)
{
	struct io_uring_sqe *sqe = entry(l, op);

	if (sqe == NULL)
		return;
	io_uring_prep_read(sqe, fd, buf, n, offset);
	io_uring_sqe_set_data(sqe, op);
}

void loop_write(struct loop *l, struct op *op, int fd, const void *buf, unsigned n, uint64_t offset)
{
	struct io_uring_sqe *sqe = entry(l, op);

	if (sqe == NULL)
		return;
	io_uring_prep_write(sqe, fd, buf, n, offset);
	io_uring_sqe_set_data(sqe, op);
}

void loop_cancel(struct loop *l, struct op *target)
{
	struct io_uring_sqe *sqe = entry(l, &l->ignored);

	if (sqe == NULL)
		return;
	io_uring_prep_cancel(sqe, target, 0);
	io_uring_sqe_set_data(sqe, &l->ignored);
}

void loop_make_ready(struct loop *l, struct task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*l->ready_tail = t;
	l->ready_tail = &t->next;
}

int loop_timer_set(struct loop *l, struct timer *t, uint64_t due_ns)
{
	return timers_set(&l->timers, t, due_ns);
}

void loop_timer_clear(struct loop *l, struct timer *t)
{
	timers_clear(&l->timers, t);
}

void loop_set_before_wait(struct loop *l, bool (*fn)(void *arg), void *arg)
{
	l->before_wait = fn;
	l->before_wait_arg = arg;
}

/* How long this turn may wait. */
static struct __kernel_timespec wait_time(const struct loop *l)
{
	uint64_t due = timers_next_ns(&l->timers), now = clock_now_ns(), ns = TURN_MAX_NS;

	if (due != 0)
		ns = due <= now ? 0 : MIN_OF(due - now, TURN_MAX_NS);
	return (struct __kernel_timespec){ .tv_sec = (long long)(ns / 1000000000),
					   .tv_nsec = (long long)(ns % 1000000000) };
}

static void complete(struct loop *l)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_for_each_cqe (&l->ring, head, cqe) {
		struct op *op = io_uring_cqe_get_data(cqe);

		seen++;
		if (op != NULL) /* NULL: liburing's own timeout on old kernels */
			op->done(op, cqe->res, (cqe->flags & IORING_CQE_F_MORE) != 0);
	}
	io_uring_cq_advance(&l->ring, seen);
}

static void complete_refused(struct loop *l)
{
	struct op *op = TAKE(l->refused);

	while (op != NULL) {
		struct op *next = op->refused;

		op->done(op, -EBUSY, false);
		op = next;
	}
}

/* Each ready task once; those made ready meanwhile wait for the next turn. */
static void run_ready(struct loop *l)
{
	struct task *t = l->ready;

	l->ready = NULL;
	l->ready_tail = &l->ready;
	while (t != NULL) {
		struct task *next = t->next;

		t->queued = false;
		t->run(t);
		t = next;
	}
}

int loop_turn(struct loop *l, struct err *err)
{
	struct __kernel_timespec ts = wait_time(l);
	struct io_uring_cqe *cqe;
	unsigned wait_n = l->ready == NULL && l->refused == NULL ? 1 : 0;
	int r;

	if (wait_n > 0 && l->before_wait != NULL && l->before_wait(l->before_wait_arg))
		wait_n = 0;
	if (wait_n == 0)
		ts = (struct __kernel_timespec){ 0 };
	r = io_uring_submit_and_wait_timeout(&l->ring, &cqe, wait_n, &ts, NULL);
	if (r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return err_code(err, r, "io_uring");
	l->now_ns = clock_now_ns();
	complete(l);
	complete_refused(l);
	timers_fire(&l->timers, l->now_ns);
	run_ready(l);
	return 0;
}
