/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/loop.h - the gateway's one thread: an io_uring ring, timers and a ready list.
 *
 * An operation is a struct op embedded in its owner; the owner must live until op.done was called
 * (multishot: until a completion without IORING_CQE_F_MORE, reported as @more false). Completions
 * and timers may start operations and make tasks ready; tasks run after all completions of a turn,
 * so that the stack does not grow with the work. Nothing here blocks but loop_turn().
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct loop;

struct op {
	void (*done)(struct op *op, int result, bool more); /* result < 0 is an errno */
	struct op *refused;                                 /* of the loop */
};

struct task {
	void (*run)(struct task *t);
	struct task *next;
	bool queued;
};

struct timer {
	void (*fire)(struct timer *t);
	uint64_t due_ns; /* CLOCK_MONOTONIC */
	uint32_t place;  /* in the heap, from 1; 0: not set */
};

/* @entries: submission queue; completions get four times as many. -ENOSYS, -EPERM: no io_uring
 * here (see sysctl kernel.io_uring_disabled). */
int loop_new(struct loop **ret_l, unsigned entries, struct err *err) MUST_CHECK;
void loop_free(struct loop **l);

/* One turn: submit, wait (not at all if a task is ready), complete, fire timers, run tasks.
 * Negative: the ring is dead. */
int loop_turn(struct loop *l, struct err *err) MUST_CHECK;

/* Operations. They never fail here and never call op->done from in here: an error arrives there in
 * a later turn, also -EBUSY when the submission queue could not be emptied. */
void loop_poll(struct loop *l, struct op *op, int fd); /* readable; multishot */
void loop_fsync(struct loop *l, struct op *op, int fd, bool data_only);
void loop_read(struct loop *l, struct op *op, int fd, void *buf, unsigned n, uint64_t offset);
void loop_write(struct loop *l, struct op *op, int fd, const void *buf, unsigned n,
		uint64_t offset);
/* Ask the kernel to end @target early; it still completes (-ECANCELED). */
void loop_cancel(struct loop *l, struct op *target);

/* Run @t after the completions of this turn; once, however often it is asked for. */
void loop_make_ready(struct loop *l, struct task *t);

/* Set (or move) and clear a timer. -ENOMEM only when more timers are set than ever before. */
int loop_timer_set(struct loop *l, struct timer *t, uint64_t due_ns) MUST_CHECK;
void loop_timer_clear(struct loop *l, struct timer *t);

/* Asked before each wait: true means that there is work already, so do not wait. */
void loop_set_before_wait(struct loop *l, bool (*fn)(void *arg), void *arg);

/* CLOCK_MONOTONIC at the start of this turn: no system call. */
uint64_t loop_now_ns(const struct loop *l);

#endif
