/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/split.c - one message becomes several in the incoming queue, in fixed steps:
 *
 *   1 stage    all of it under hidden names, a few files or a megabyte a turn of the loop
 *   2 sync     fdatasync of all of these, in parallel on the ring
 *   3 publish  the derived messages
 *   4 sync     fsync of the incoming directories
 *   5 reduce   the original loses the recipients that the derived ones have
 *   6 sync     fsync of the header directory
 *
 * Failing in 1 to 3 before anything is visible: the queue is as found. Failing from there to 5: the
 * original keeps everybody, so some may get the message twice, and again with each further attempt:
 * the log says so, and the attempts come ever more slowly. Failing in 6: the
 * same after a crash only. What is true on disk in each step stands in docs/durability.md.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "msg/internal.h"

struct splitting {
	struct msg *msg;
	struct queue_split split;
	bool begun, defer;
	unsigned pending;
	int error; /* of the syncs of a step: the first */
	const char *point;
	void (*next)(struct splitting *x);
	struct split_sync {
		struct op op;
		struct splitting *splitting;
	} * syncs;
};

void split_init(struct splitter *s, struct gate *g)
{
	s->gate = g;
	s->tail = &s->waiting;
	s->numbers.pid = (uint32_t)getpid();
}

size_t split_ids(const struct msg *m, const char (**ret_ids)[QUEUE_ID_MAX])
{
	*ret_ids = (const char(*)[QUEUE_ID_MAX])m->splitting->split.ids;
	return m->splitting->split.parts;
}

/* --- the end, one way or the other --- */

/* Its place goes to the next one that waits. */
static void leave(struct msg *m, enum msg_state next)
{
	struct splitter *s = &m->gate->splitter;
	struct msg *waiting = s->waiting;

	s->running--;
	if (waiting != NULL) {
		s->waiting = waiting->next;
		if (s->waiting == NULL)
			s->tail = &s->waiting;
		loop_make_ready(m->gate->loop, &waiting->task);
	}
	life_enter(m, next);
}

/* How often @id has been left half-way, this time included. */
static unsigned note_broken(struct splitter *s, const char *id)
{
	unsigned i = 0;

	while (i < SPLITS_BROKEN_MAX && strcmp(s->broken[i].id, id) != 0)
		i++;
	if (i == SPLITS_BROKEN_MAX) {
		i = s->broken_next++ % SPLITS_BROKEN_MAX;
		memcpy(s->broken[i].id, id, QUEUE_ID_MAX);
		s->broken[i].times = 0;
	}
	return ++s->broken[i].times;
}

static void fail(struct splitting *x)
{
	struct msg *m = x->msg;

	if (x->begun)
		queue_split_undo(&x->split);
	if (x->begun && x->split.published > 0) {
		m->retry_shift = note_broken(&m->gate->splitter, m->entry.id);
		log_err("Message %s: splitting it failed when %zu of %zu derived messages were in "
			"the queue: their recipients may get it twice: %s",
			m->entry.id, x->split.published, x->split.parts - 1, m->why.text);
		m->failed_attempt = true;
	} else {
		life_not_carried_out(m);
	}
	leave(m, MSG_RELEASED);
}

/* --- syncing --- */

static void synced(struct op *op, int result, bool more UNUSED)
{
	struct splitting *x = CONTAINER_OF(op, struct split_sync, op)->splitting;

	result = fault_at(x->point, result);
	if (result < 0 && x->error == 0)
		x->error = result;
	if (--x->pending == 0)
		x->next(x);
}

static void sync_all(struct splitting *x, const int *fds, size_t n, bool data_only,
		     const char *point, void (*next)(struct splitting *x))
{
	struct gate *g = x->msg->gate;

	x->pending = (unsigned)n;
	x->error = 0;
	x->point = point;
	x->next = next;
	metrics_add(g->metrics, METRIC_SYNCS, n);
	for (size_t i = 0; i < n; i++) {
		x->syncs[i] = (struct split_sync){ .op.done = synced, .splitting = x };
		loop_fsync(g->loop, &x->syncs[i].op, fds[i], data_only);
	}
}

/* --- the steps --- */

static void reduced_synced(struct splitting *x)
{
	struct msg *m = x->msg;

	if (x->error < 0)
		log_err("Message %s: sync of the incoming queue directory failed (%s): after a "
			"crash some of its recipients may get it twice; check the disk",
			m->entry.id, strerror(-x->error));
	recipients_log(m, &x->split);
	m->failed_attempt = x->defer;
	leave(m, MSG_SPLIT);
}

static void published_synced(struct splitting *x)
{
	struct msg *m = x->msg;

	if (x->error < 0) {
		(void)err_code(&m->why, x->error, "sync incoming queue directory");
		fail(x);
		return;
	}
	if (queue_split_reduce(&x->split, &m->why) < 0) {
		fail(x);
		return;
	}
	sync_all(x, x->split.dir_fd, 1, false, "split.sync.reduced", reduced_synced);
}

static void files_synced(struct splitting *x)
{
	struct msg *m = x->msg;

	if (x->error < 0) {
		(void)err_code(&m->why, x->error, "sync the files it is split into");
		fail(x);
		return;
	}
	if (queue_split_publish(&x->split, &m->why) < 0) {
		fail(x);
		return;
	}
	sync_all(x, x->split.dir_fd, x->split.dir_fd[1] < 0 ? 1 : 2, false, "split.sync.dir",
		 published_synced);
}

static void stage(struct splitting *x)
{
	struct msg *m = x->msg;
	int r = queue_split_more(&x->split, &m->why);

	if (r < 0)
		fail(x);
	else if (r > 0)
		loop_make_ready(m->gate->loop, &m->task);
	else
		sync_all(x, x->split.sync_fd, x->split.sync_n, true, "split.sync.file",
			 files_synced);
}

static int begin(struct splitting *x, struct err *err)
{
	struct msg *m = x->msg;
	struct queue_numbers *numbers = &m->gate->splitter.numbers;
	const uint32_t *part_of;
	size_t parts;
	int r = recipients_parts(m, &part_of, &parts, &x->defer, err);

	if (r < 0)
		return r;
	x->syncs = arena_array(m->arena, 2 * parts, sizeof(*x->syncs));
	if (x->syncs == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to split it");
	numbers->now_s = (int64_t)clock_unix_s();
	r = queue_split_begin(&m->entry, part_of, parts, numbers, m->arena, &x->split, err);
	x->begun = r == 0;
	return r;
}

static void start(struct msg *m)
{
	struct splitting *x = arena_zalloc(m->arena, sizeof(*x));

	m->gate->splitter.running++;
	if (x == NULL) {
		(void)err_set(&m->why, ERR_LIMIT, -ENOMEM, "no memory to split it");
		m->failed_attempt = true;
		leave(m, MSG_RELEASED);
		return;
	}
	x->msg = m;
	m->splitting = x;
	if (begin(x, &m->why) < 0)
		fail(x);
	else
		stage(x);
}

void split_run(struct msg *m)
{
	struct splitter *s = &m->gate->splitter;

	if (m->splitting != NULL) {
		stage(m->splitting);
	} else if (s->running < SPLITS_MAX) {
		start(m);
	} else {
		m->next = NULL;
		*s->tail = m;
		s->tail = &m->next;
	}
}
