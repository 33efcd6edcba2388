/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/intake.c - which message next. Events put names into a fixed FIFO; listings fill in what
 * events missed, a slice a turn and only while there is room, so that 50,000 queued messages cost
 * the same each as one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "msg/internal.h"

#define LIST_SLICE     64u
#define RETRY_FIRST_NS UINT64_C(50000000)
#define RETRY_TRIES    6 /* 50 ms doubling: three seconds, then the rescan finds it */
#define TOLD_AGAIN_NS  (UINT64_C(3600) * 1000000000)

/* A watch outlives its site by the time its cancelled poll takes to come back. */
struct intake_watch {
	struct intake *intake;
	struct watch *watch;
	struct op op;
	bool stopped;
};

static void watch_drop(struct intake_watch *w)
{
	watch_free(&w->watch);
	free(w);
}

static void push(struct intake *in, size_t dir_i, const char *id)
{
	struct intake_name *n;

	if (in->n == INTAKE_FIFO) { /* full: the next listing will find it */
		in->gate->site->in[dir_i].dirty = true;
		return;
	}
	n = &in->fifo[(in->first + in->n++) % INTAKE_FIFO];
	n->dir_i = dir_i;
	memcpy(n->id, id, sizeof(n->id));
}

static void seen(void *arg, void *cookie, const char *name)
{
	struct intake *in = arg;
	struct site_watch *w = cookie;
	char id[QUEUE_ID_MAX] = "";

	if (w == NULL) {
		log_notice("Queue watch: events were lost, listing all queues");
		intake_rescan(in);
		return;
	}
	if (w->dir->site == in->gate->site && queue_name_to_id(w->dir->dir, w->watch_i, name, id))
		push(in, w->dir->index, id);
}

static void watch_event(struct op *op, int result, bool more)
{
	struct intake_watch *w = CONTAINER_OF(op, struct intake_watch, op);
	struct err err;
	int r = 1;

	if (w->stopped) {
		if (!more)
			watch_drop(w);
		return;
	}
	while (result >= 0 && r == 1)
		r = watch_read(w->watch, seen, w->intake, &err);
	if (r < 0)
		log_warning("%s; the rescan goes on finding mail", err.text);
	if (!more)
		loop_poll(w->intake->gate->loop, &w->op, watch_fd(w->watch));
	intake_wake(w->intake);
}

void intake_wake(struct intake *in)
{
	loop_make_ready(in->gate->loop, &in->task);
}

void intake_rescan(struct intake *in)
{
	struct site *s = in->gate->site;

	for (size_t i = 0; i < s->in_n; i++)
		s->in[i].dirty = true;
	intake_wake(in);
}

static void rescan_due(struct timer *t)
{
	struct intake *in = CONTAINER_OF(t, struct intake, rescan_timer);
	uint64_t s = (uint64_t)conf_num(in->gate->site->conf, OPT_RESCAN_INTERVAL, NULL);

	if (!in->gate->draining)
		intake_rescan(in);
	if (in->once)
		return;
	(void)!loop_timer_set(in->gate->loop, t,
			      loop_now_ns(in->gate->loop) + MAX_OF(s, 1u) * 1000000000u);
}

/* --- retries of locked messages --- */

static void arm_retries(struct intake *in)
{
	uint64_t due = 0;

	for (size_t i = 0; i < INTAKE_RETRIES; i++)
		if (in->retries[i].tries > 0 && (due == 0 || in->retries[i].due_ns < due))
			due = in->retries[i].due_ns;
	if (due != 0)
		(void)!loop_timer_set(in->gate->loop, &in->retry_timer, due);
}

static void retries_due(struct timer *t)
{
	struct intake *in = CONTAINER_OF(t, struct intake, retry_timer);
	uint64_t now = loop_now_ns(in->gate->loop);

	for (size_t i = 0; i < INTAKE_RETRIES; i++) {
		struct intake_retry *r = &in->retries[i];

		if (r->tries == 0 || r->due_ns > now)
			continue;
		push(in, r->name.dir_i, r->name.id);
		if (r->tries == RETRY_TRIES)
			r->tries = 0;
		else
			r->due_ns = UINT64_MAX; /* until intake_retry() or the message goes on */
	}
	arm_retries(in);
	intake_wake(in);
}

/* The place of this name, or one for it; NULL: all are in use. */
static struct intake_retry *retry_place(struct intake *in, size_t dir_i, const char *id)
{
	struct intake_retry *free_one = NULL;

	for (size_t i = 0; i < INTAKE_RETRIES; i++) {
		struct intake_retry *r = &in->retries[i];

		if (r->tries > 0 && r->name.dir_i == dir_i && strcmp(r->name.id, id) == 0)
			return r;
		/* One whose time has passed unasked is done with. */
		if (r->tries == 0 || r->due_ns == UINT64_MAX)
			free_one = r;
	}
	if (free_one != NULL) {
		*free_one = (struct intake_retry){ .name.dir_i = dir_i };
		memcpy(free_one->name.id, id, QUEUE_ID_MAX);
	}
	return free_one;
}

void intake_retry(struct intake *in, size_t dir_i, const char *id)
{
	struct intake_retry *r = retry_place(in, dir_i, id);

	if (r == NULL) { /* more than we remember: the rescan finds it */
		in->gate->site->in[dir_i].dirty = true;
		return;
	}
	r->due_ns = loop_now_ns(in->gate->loop) + (RETRY_FIRST_NS << r->tries);
	r->tries++;
	arm_retries(in);
}

void intake_retry_at(struct intake *in, size_t dir_i, const char *id, uint64_t due_ns)
{
	struct intake_retry *r = retry_place(in, dir_i, id);

	if (r == NULL) /* the rescan finds it */
		return;
	r->due_ns = due_ns;
	r->tries = RETRY_TRIES; /* once */
	arm_retries(in);
}

void intake_add(struct intake *in, size_t dir_i, const char *id)
{
	push(in, dir_i, id);
	intake_wake(in);
}

/* --- claiming --- */

static bool in_flight(const struct gate *g, const struct intake_name *n)
{
	for (const struct msg *m = g->all; m != NULL; m = m->next_all)
		if (strcmp(m->entry.id, n->id) == 0)
			return true;
	return false;
}

/* gate_once() with an id: others stay where they are. */
static bool is_wanted(const struct intake *in, const char *id)
{
	return in->only_id == NULL || strcmp(in->only_id, id) == 0;
}

static bool has_room(const struct gate *g)
{
	return !g->draining && g->in_flight < g->in_flight_max && pool_wants_more(&g->pool);
}

/* Names from events first: they are in the order of arrival. */
static void claim_fifo(struct intake *in)
{
	struct gate *g = in->gate;

	while (in->n > 0 && has_room(g)) {
		struct intake_name *n = &in->fifo[in->first];

		in->first = (in->first + 1) % INTAKE_FIFO;
		in->n--;
		if (n->dir_i < g->site->in_n && is_wanted(in, n->id) && !in_flight(g, n) &&
		    life_claim(g, n->dir_i, n->id) < 0)
			g->site->in[n->dir_i].dirty = true;
	}
}

/* Watch the directories of @d that are not watched yet: all, or those a listing has found. */
static int watch_new_dirs(struct intake_watch *w, struct site_dir *d, struct err *err)
{
	for (; d->watched_n < queue_dir_watch_n(d->dir); d->watched_n++) {
		struct site_watch *cookie = site_watch_new(d, d->watched_n);
		int r;

		if (cookie == NULL)
			return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
		r = watch_add(w->watch, queue_dir_watch_path(d->dir, d->watched_n), cookie, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_watch(struct intake_watch *w, const char *kind, struct err *err)
{
	struct site *s = w->intake->gate->site;
	int r;

	r = watch_new(&w->watch, strcasecmp(kind, "fanotify") == 0 ? WATCH_FANOTIFY : WATCH_INOTIFY,
		      err);
	for (size_t i = 0; r == 0 && i < s->in_n; i++)
		r = watch_new_dirs(w, &s->in[i], err);
	return r;
}

/* One slice of one directory. True: there is more to list. */
static bool list_some(struct intake *in, struct site_dir *d)
{
	struct intake_name n = { .dir_i = d->index };
	struct gate *g = in->gate;
	struct err err;
	int r;

	if (!d->listing) {
		if (!d->dirty)
			return false;
		d->dirty = false;
		d->listing = queue_list_begin(d->dir, &err) == 0;
		if (!d->listing) {
			log_err("%s", err.text);
			return false;
		}
		if (in->watch != NULL && watch_new_dirs(in->watch, d, &err) < 0)
			log_warning("%s; mail there is found by listing", err.text);
	}
	for (unsigned i = 0; i < LIST_SLICE && has_room(g); i++) {
		r = queue_list_next(d->dir, LIST_SLICE, n.id, &err);
		if (r == -EAGAIN)
			return true;
		if (r < 0)
			log_err("%s", err.text);
		if (r <= 0) {
			d->listing = false;
			return d->dirty;
		}
		if (is_wanted(in, n.id) && !in_flight(g, &n) && life_claim(g, d->index, n.id) < 0)
			d->dirty = true;
	}
	return true;
}

static void claim(struct task *t)
{
	struct intake *in = CONTAINER_OF(t, struct intake, task);
	struct gate *g = in->gate;
	bool more = false;

	if (g->draining)
		return;
	claim_fifo(in);
	for (size_t i = 0; i < g->site->in_n && has_room(g); i++)
		more |= list_some(in, &g->site->in[i]);
	if (more && has_room(g))
		intake_wake(in);
}

/* --- life --- */

static void start_watch(struct intake *in)
{
	const struct conf *c = in->gate->site->conf;
	const char *kind = conf_words(c, OPT_QUEUE_WATCH, NULL);
	struct intake_watch *w = calloc(1, sizeof(*w));
	struct err err = { .text = "out of memory" };

	if (w != NULL) {
		w->intake = in;
		w->op.done = watch_event;
	}
	if (w == NULL || open_watch(w, kind, &err) < 0) {
		log_warning("Queue Watch = %s: %s; mail is found by listing every %d s", kind,
			    err.text, (int)conf_num(c, OPT_RESCAN_INTERVAL, NULL));
		if (w != NULL)
			watch_drop(w);
		return;
	}
	in->watch = w;
	loop_poll(in->gate->loop, &w->op, watch_fd(w->watch));
}

bool intake_is_over(const struct intake *in)
{
	const struct site *s = in->gate->site;

	for (size_t i = 0; i < s->in_n; i++)
		if (s->in[i].dirty || s->in[i].listing)
			return false;
	return in->n == 0;
}

void intake_start(struct intake *in)
{
	if (!in->once)
		start_watch(in);
	rescan_due(&in->rescan_timer);
}

void intake_stop(struct intake *in)
{
	if (in->watch != NULL) {
		in->watch->stopped = true;
		loop_cancel(in->gate->loop, &in->watch->op);
		in->watch = NULL;
	}
	in->n = 0;
	memset(in->retries, 0, sizeof(in->retries));
	loop_timer_clear(in->gate->loop, &in->retry_timer);
	loop_timer_clear(in->gate->loop, &in->rescan_timer);
}

void intake_init(struct intake *in, struct gate *g)
{
	in->gate = g;
	in->retry_timer.fire = retries_due;
	in->rescan_timer.fire = rescan_due;
	in->task.run = claim;
}

void intake_fini(struct intake *in)
{
	intake_stop(in);
}
