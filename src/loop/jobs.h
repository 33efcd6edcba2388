/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/jobs.h - the job table that gateway and one worker share, and the hand-off of work and
 * descriptors. One memory file for each worker, so that a worker can only spoil its own.
 *
 *   gateway                                      worker
 *   jobs_get_slot, jobs_post ... jobs_flush -->  jobs_wait, jobs_take
 *                                                jobs_start, jobs_finish
 *   <-- eventfd, only when the gateway sleeps
 *   jobs_reap
 *
 * A slot belongs to the gateway (FREE), is POSTED, RUNNING (so that the gateway knows which job a
 * dead worker had in hand), DONE, and FREE again. Everything the worker writes is hostile input
 * for the gateway: jobs_reap() copies before anybody looks.
 *
 * Hand-off: rings of slot numbers in shared memory; a futex wakes the worker, an
 * eventfd the gateway, each only when the other side said that it sleeps. Descriptors of a whole
 * batch travel in one SCM_RIGHTS message on the worker's socket.
 */
#ifndef LOOP_JOBS_H
#define LOOP_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/err.h"

#define JOBS_SLOTS         16u          /* jobs one worker may hold */
#define JOBS_REQUEST_BYTES (64u * 1024) /* request and header text that fits go inline */
#define JOBS_RESULT_BYTES  (256u * 1024)

struct jobs;

enum job_kind { JOB_SCAN, JOB_KINDS };

struct job_post {
	enum job_kind kind;
	struct bytes request; /* wire format of the kind; copied */
	struct bytes head;    /* bytes that precede the file (header text); copied if it fits */
	int head_fd;          /* instead of @head when it is large: a sealed memory file; -1.
			       * jobs_post() takes it over, also when it fails */
	int body_fd; /* -1: none. The caller's, who may close it after jobs_flush(). Open for
		      * reading only, or -EINVAL: the worker will have it */
	uint64_t body_offset, body_bytes;
};

/* Gateway: new table; *@ret_fd is the memory file for the worker (the caller's). */
int jobs_new(struct jobs **ret_j, int *ret_fd, struct err *err) MUST_CHECK;
/* Worker: attach. */
int jobs_attach(struct jobs **ret_j, int fd, struct err *err) MUST_CHECK;
void jobs_free(struct jobs **j);

/* --- gateway --- */
/* Slots that are FREE. */
unsigned jobs_free_n(const struct jobs *j);
/* Fill a free slot and queue it; *@ret_slot is its number. -EAGAIN: none free; -EFBIG: too large.
 */
int jobs_post(struct jobs *j, const struct job_post *p, unsigned *ret_slot,
	      struct err *err) MUST_CHECK;
/* Hand over all that was posted: one message with the descriptors over @sock, one wake-up if the
 * worker sleeps. After a failure nothing was handed over: the jobs stay posted and
 * their @body_fd must stay open until a later flush works or the table is given up. */
int jobs_flush(struct jobs *j, int sock, struct err *err) MUST_CHECK;
/* Before waiting on the eventfd: say that we sleep. False: something is done already, reap first.
 */
bool jobs_prepare_sleep(struct jobs *j);
/* Next finished job: its slot, and a private copy of its result in @a. -EAGAIN: none (@err is not
 * set). -EBADMSG: the worker wrote nonsense; end it. -ENOMEM: @a is too small (2 x
 * JOBS_RESULT_BYTES never is): *@ret_slot is set, the result is lost. Otherwise and then too the
 * slot is free again. */
int jobs_reap(struct jobs *j, struct arena *a, unsigned *ret_slot, struct bytes *ret_result,
	      struct err *err) MUST_CHECK;
/* What a dead worker leaves after all it finished was reaped: bit masks of slots. @ret_running had
 * been started (at most one by a well-behaved worker). A worker that was taken over can lie: when
 * it died and nothing is RUNNING, count an attempt for every posted job, or a message that hides
 * its tracks is retried for ever. */
void jobs_leftover(const struct jobs *j, uint32_t *ret_posted, uint32_t *ret_running);

/* For a live view, as the worker says, so perhaps a lie: the stage of the job in @slot, a number of
 * the kind's own; when it was started (CLOCK_MONOTONIC), 0: it was not. No system call. */
uint8_t jobs_peek(const struct jobs *j, unsigned slot, uint64_t *ret_started_ns);

/* --- worker --- */
struct job {
	unsigned slot;
	enum job_kind kind;
	struct bytes request,
		head;         /* private copies are the worker's affair: the gateway is trusted */
	int head_fd, body_fd; /* the worker's to close; -1: none */
	uint64_t body_offset, body_bytes;
};

/* Sleep until there is work, at most @timeout_ms. 1: work; 0: timeout. */
int jobs_wait(struct jobs *j, int timeout_ms);
/* Take up to @max jobs with their descriptors, never blocking. Returns how many (0: none, the
 * gateway is there); -EPIPE: the gateway is gone; otherwise the worker must end. */
int jobs_take(struct jobs *j, int sock, struct job *ret_jobs, unsigned max,
	      struct err *err) MUST_CHECK;
/* Where the stage of the job in @slot is shown to jobs_peek(). */
_Atomic uint8_t *jobs_stage(struct jobs *j, unsigned slot);
/* "I work on this one now." */
void jobs_start(struct jobs *j, unsigned slot);
/* Where the result goes; JOBS_RESULT_BYTES bytes. */
uint8_t *jobs_result(struct jobs *j, unsigned slot);
/* Done, @n bytes of result. Wakes the gateway through @event_fd (non-blocking, one for each
 * worker: who shares it can swallow another's wake-up) if it sleeps. */
void jobs_finish(struct jobs *j, unsigned slot, size_t n, int event_fd);

#endif
