/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/commit.c - many messages, one sync. A group goes through fixed steps; a message whose step
 * fails leaves the group, the others go on:
 *
 *   1 sync     fdatasync of each message's new files, all in parallel on the ring
 *   2 publish  rename into place: from here on the MTA, or a person, can see it
 *   3 sync     fsync of each directory that step 2 changed, once
 *   4 remove   the originals
 *   5 sync     fsync of each incoming directory, once; then the messages are done
 *
 * Failing in 1 or 2: undone, the message is released. Failing in 3: nobody knows what the disk
 * holds, so the original stays and the id is remembered: its next attempt writes everything anew
 * and never takes the visible copy for proof. Failing in 5: a crash may repeat a delivery; said in
 * the log, nothing else.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fault.h"
#include "core/log.h"
#include "msg/internal.h"

#define GROUPS_MAX 4

static void files_synced(struct commit_group *g);
static void published_synced(struct commit_group *g);
static void removed_synced(struct commit_group *g);

/* --- a group's messages --- */

static void leave(struct commit_group *g, struct msg *m)
{
	struct msg **at = &g->msgs;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	g->n--;
}

/* Undo and give back: nothing of @m is visible outside the incoming queue. */
static void undo(struct commit_group *g, struct msg *m)
{
	leave(g, m);
	if (m->holding)
		quarantine_end(&m->put);
	else
		queue_unstage(&m->staged);
	life_not_carried_out(m);
	life_enter(m, MSG_RELEASED);
}

/* --- syncing directories: each once --- */

static void add_dir(struct commit_group *g, int fd)
{
	if (fd < 0)
		return;
	for (unsigned i = 0; i < g->dirs_n; i++)
		if (g->dirs[i] == fd)
			return;
	assert(g->dirs_n < ARRAY_LEN(g->dirs));
	g->dirs[g->dirs_n++] = fd;
}

static int dir_result(const struct commit_group *g, int fd)
{
	for (unsigned i = 0; i < g->dirs_n; i++)
		if (g->dirs[i] == fd)
			return g->dir_results[i];
	return 0;
}

static void dir_synced(struct op *op, int result, bool more UNUSED)
{
	struct commit_dir_op *d = CONTAINER_OF(op, struct commit_dir_op, op);
	struct commit_group *g = d->group;

	g->dir_results[d->i] = fault_at(g->removing ? "commit.sync.in" : "commit.sync.out", result);
	if (--g->pending > 0)
		return;
	if (g->removing)
		removed_synced(g);
	else
		published_synced(g);
}

static void sync_dirs(struct commit_group *g, void (*none)(struct commit_group *g))
{
	g->pending = g->dirs_n;
	if (g->pending == 0) {
		none(g);
		return;
	}
	metrics_add(g->gate->metrics, METRIC_SYNCS, g->dirs_n);
	for (unsigned i = 0; i < g->dirs_n; i++) {
		g->dir_ops[i] = (struct commit_dir_op){ .op.done = dir_synced, .group = g, .i = i };
		loop_fsync(g->gate->loop, &g->dir_ops[i].op, g->dirs[i], false);
	}
}

/* --- step 1 --- */

static void file_synced(struct op *op, int result, bool more UNUSED)
{
	struct commit_sync *s = CONTAINER_OF(op, struct commit_sync, op);
	struct commit_group *g = s->msg->group;

	result = fault_at("commit.sync.file", result);
	if (result < 0 && s->msg->commit_error == 0)
		s->msg->commit_error = err_code(&s->msg->why, result, "sync new files");
	if (--g->pending == 0)
		files_synced(g);
}

/* Descriptors of @m that must be on disk before it is published. */
static unsigned sync_fds(const struct msg *m, int fds[3])
{
	unsigned n = 0;

	if (m->holding) {
		fds[n++] = m->put.dir_fd;
		fds[n++] = m->hold_fd;
		if (m->put.note_fd >= 0)
			fds[n++] = m->put.note_fd;
		return n;
	}
	for (unsigned i = 0; i < 2; i++)
		if (m->staged.sync_fd[i] >= 0)
			fds[n++] = m->staged.sync_fd[i];
	return n;
}

static void sync_files(struct commit_group *g)
{
	int fds[3];

	/* Counted first: a group must not think itself ready while it is still being filled. */
	for (struct msg *m = g->msgs; m != NULL; m = m->next)
		g->pending += sync_fds(m, fds);
	if (g->pending == 0) {
		files_synced(g);
		return;
	}
	metrics_add(g->gate->metrics, METRIC_SYNCS, g->pending);
	for (struct msg *m = g->msgs; m != NULL; m = m->next) {
		unsigned n = sync_fds(m, fds);

		for (unsigned i = 0; i < n; i++) {
			m->syncs[i] = (struct commit_sync){ .op.done = file_synced, .msg = m };
			loop_fsync(g->gate->loop, &m->syncs[i].op, fds[i], !(m->holding && i == 0));
		}
	}
}

/* --- step 2 --- */

static int publish(struct commit_group *g, struct msg *m)
{
	int r;

	if (m->commit_error < 0)
		return m->commit_error;
	r = m->holding ? quarantine_publish(&m->put, &m->why) : queue_publish(&m->staged, &m->why);
	if (r < 0)
		return r;
	(void)fault_at("commit.published", 0);
	if (m->holding) {
		add_dir(g, m->put.day_fd);
	} else {
		add_dir(g, m->staged.dir_fd[0]);
		add_dir(g, m->staged.dir_fd[1]);
	}
	return 0;
}

static void files_synced(struct commit_group *g)
{
	struct msg *next;

	for (struct msg *m = g->msgs; m != NULL; m = next) {
		next = m->next;
		if (publish(g, m) < 0)
			undo(g, m);
	}
	sync_dirs(g, published_synced);
}

/* --- steps 3 and 4 --- */

static int out_result(const struct commit_group *g, const struct msg *m)
{
	int r;

	if (m->holding)
		return dir_result(g, m->put.day_fd);
	r = dir_result(g, m->staged.dir_fd[0]);
	return r < 0 ? r : dir_result(g, m->staged.dir_fd[1]);
}

/* Visible, but perhaps not on disk: the original must stay, and no later look may trust it. */
static void distrust(struct commit_group *g, struct msg *m, int r)
{
	log_err("Message %s: sync of the %s directory failed (%s): the original stays in the "
		"queue and the message may be delivered twice; check the disk",
		m->entry.id, m->holding ? "quarantine" : "outgoing", strerror(-r));
	(void)err_code(&m->why, r, "sync directory");
	gate_distrust(g->gate, m->entry.id);
	leave(g, m);
	m->failed_attempt = true;
	life_enter(m, MSG_RELEASED);
}

static void tell(struct commit_group *g, struct msg *m)
{
	if (m->holding) {
		log_notice("Saved entire message to %s", m->put.path);
		return;
	}
	g->delivered++;
	if (strcmp(conf_words(m->site->conf, OPT_DELIVERY_METHOD, &m->who), "queue") != 0)
		kick_add(&g->gate->kick, m->out, m->staged.id);
}

static void remove_original(struct commit_group *g, struct msg *m)
{
	int dir_fd = -1, r;

	r = queue_remove(&m->entry, &dir_fd, &m->why);
	tell(g, m);
	if (r < 0) {
		/* It is safe elsewhere; the next claim finds the proof and removes it. */
		log_err("Message %s is out, but its original cannot be removed: %s", m->entry.id,
			m->why.text);
		return;
	}
	(void)fault_at("commit.removed", 0);
	add_dir(g, dir_fd);
}

static void published_synced(struct commit_group *g)
{
	struct msg *next;
	int r;

	for (struct msg *m = g->msgs; m != NULL; m = next) {
		next = m->next;
		r = out_result(g, m);
		if (r < 0)
			distrust(g, m, r);
	}
	g->dirs_n = 0;
	g->removing = true;
	for (struct msg *m = g->msgs; m != NULL; m = m->next)
		remove_original(g, m);
	sync_dirs(g, removed_synced);
}

/* --- step 5 --- */

static void removed_synced(struct commit_group *g)
{
	struct commit *c = &g->gate->commit;

	for (unsigned i = 0; i < g->dirs_n; i++)
		if (g->dir_results[i] < 0)
			log_err("Sync of an incoming queue directory failed (%s): after a crash "
				"messages may be delivered twice; check the disk",
				strerror(-g->dir_results[i]));
	if (g->delivered > 0)
		log_info("Uninfected: Delivered %u messages", g->delivered);
	while (g->msgs != NULL) {
		struct msg *m = g->msgs;

		g->msgs = m->next;
		metrics_observe_us(c->gate->metrics, METRIC_COMMIT_US,
				   (loop_now_ns(c->gate->loop) - m->staged_ns) / 1000);
		life_enter(m, MSG_DONE);
	}
	metrics_add(g->gate->metrics, METRIC_COMMITS, 1);
	free(g);
	c->running--;
	loop_make_ready(c->gate->loop, &c->task);
}

/* --- making groups --- */

static struct commit_group *take_group(struct commit *c)
{
	struct commit_group *g = calloc(1, sizeof(*g));
	struct msg **tail;

	if (g == NULL)
		return NULL;
	g->gate = c->gate;
	tail = &g->msgs;
	while (c->staged != NULL && g->n < COMMIT_GROUP_MAX) {
		struct msg *m = c->staged;

		c->staged = m->next;
		c->staged_n--;
		m->next = NULL;
		m->group = g;
		*tail = m;
		tail = &m->next;
		g->n++;
	}
	if (c->staged == NULL)
		c->staged_tail = &c->staged;
	return g;
}

static void arm(struct commit *c)
{
	uint64_t ms = (uint64_t)conf_num(c->gate->site->conf, OPT_GROUP_COMMIT_DELAY, NULL);

	if (c->staged_n > 0 && c->timer.place == 0)
		(void)!loop_timer_set(c->gate->loop, &c->timer,
				      loop_now_ns(c->gate->loop) + ms * 1000000);
}

static void start_group(struct commit *c)
{
	struct commit_group *g = take_group(c);

	if (g == NULL) { /* out of memory: they wait for the next turn of the timer */
		arm(c);
		return;
	}
	c->running++;
	for (struct msg *m = g->msgs, *next; m != NULL; m = next) {
		next = m->next;
		life_enter(m, MSG_COMMITTING);
	}
	sync_files(g);
}

static void run(struct task *t)
{
	struct commit *c = CONTAINER_OF(t, struct commit, task);

	while (c->staged_n >= COMMIT_GROUP_MAX && c->running < GROUPS_MAX)
		start_group(c);
	arm(c);
}

static void due(struct timer *t)
{
	struct commit *c = CONTAINER_OF(t, struct commit, timer);

	if (c->staged_n > 0 && c->running < GROUPS_MAX)
		start_group(c);
	run(&c->task);
}

void commit_add(struct commit *c, struct msg *m)
{
	m->next = NULL;
	m->staged_ns = loop_now_ns(c->gate->loop);
	*c->staged_tail = m;
	c->staged_tail = &m->next;
	c->staged_n++;
	run(&c->task);
}

void commit_init(struct commit *c, struct gate *g)
{
	c->gate = g;
	c->staged_tail = &c->staged;
	c->timer.fire = due;
	c->task.run = run;
}
