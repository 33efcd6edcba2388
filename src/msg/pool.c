/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/pool.c - zygotes and scan workers: start them, take results, end those that take too long.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "msg/internal.h"
#include "scan/wire.h"

#define TICK_NS          UINT64_C(250000000)
#define RESPAWN_PAUSE_NS UINT64_C(1000000000)

_Static_assert(PLAN_THREADS_MAX <= ZYGOTE_THREADS_MAX && PLAN_SCAN_MAX <= ZYGOTE_WORKERS_MAX,
	       "what is planned can be started");

/* --- taking results --- */

static void learn(struct worker *w, const struct facts *f)
{
	for (size_t i = 0; w->pool->cache != NULL && i < f->verdicts_n; i++)
		verdict_cache_put(w->pool->cache, w->zygote->engine_generation, &f->verdicts[i],
				  w->teller);
}

/* The number the zygote knows it by. */
static unsigned process_of(const struct worker *w)
{
	return w->index / w->zygote->threads_n;
}

/* With all threads of its process. */
void worker_kill(struct worker *w)
{
	struct zygote_msg z = { .type = ZYGOTE_KILL, .worker = process_of(w) };
	struct err err;

	if (w->state == WORKER_ENDING)
		return;
	for (unsigned i = 0; i < w->zygote->threads_n; i++)
		w->first[i].state = WORKER_ENDING;
	if (zygote_send(w->zygote->sock, &z, NULL, 0, &err) < 0)
		log_warning("scan worker %u: %s", w->index, err.text);
}

/* A result that makes no sense is a worker in the hands of somebody else. */
static void distrust(struct worker *w, const struct err *err)
{
	log_err("scan worker %u (pid %d) answers nonsense, ending it: %s", w->index, (int)w->pid,
		err->text);
	worker_kill(w);
}

static int take_one(struct worker *w)
{
	AUTO(arena_free) struct arena *a = arena_new(2 * MIB);
	struct bytes result;
	struct facts facts;
	struct err err;
	unsigned slot;
	struct msg *m;
	int r;

	if (a == NULL)
		return -EAGAIN;
	r = jobs_reap(w->jobs, a, &slot, &result, &err);
	if (r < 0) {
		if (r != -EAGAIN)
			distrust(w, &err);
		return r;
	}
	m = slot < JOBS_SLOTS ? w->slots[slot] : NULL;
	if (m == NULL) {
		(void)err_set(&err, ERR_BUG, -EBADMSG, "slot %u was not given to it", slot);
		distrust(w, &err);
		return -EBADMSG;
	}
	r = wire_get_facts(result, m->scan_arena, &facts, &err);
	worker_give_back(w, m);
	if (r < 0) {
		m->why = err;
		life_scan_failed(m, true);
		distrust(w, &err);
		return r;
	}
	learn(w, &facts);
	metrics_add_worker(w->pool->gate->metrics, w->index,
			   &(struct metric_worker){
				   .messages = 1,
				   .cpu_us = MIN_OF(facts.cpu_us, life_scan_ns_max(m) / 1000) });
	life_scanned(m, &facts);
	return 0;
}

static void reap(struct worker *w)
{
	bool any = false;

	while (w->state == WORKER_UP && take_one(w) == 0)
		any = true;
	if (any)
		loop_make_ready(w->pool->gate->loop, &w->pool->task);
}

static void restart_worker(struct worker *w);

static void result_event(struct op *op, int result, bool more)
{
	struct worker *w = CONTAINER_OF(op, struct worker, event_op);
	uint64_t count;

	w->polling = more;
	if (w->state == WORKER_NONE) {
		restart_worker(w); /* it could not be started before this poll came back */
		return;
	}
	if (result >= 0)
		(void)!read(w->event_fd, &count, sizeof(count));
	if (!more && w->state == WORKER_UP) {
		w->polling = true;
		loop_poll(w->pool->gate->loop, &w->event_op, w->event_fd);
	}
	reap(w);
}

/* Say that we sleep; what was finished just before is taken now. */
bool pool_before_wait(void *arg)
{
	struct pool *p = arg;
	bool work = false;

	for (struct zygote *z = p->zygotes; z != NULL; z = z->next)
		for (unsigned i = 0; i < z->workers_n; i++) {
			struct worker *w = &z->workers[i];

			if (w->state != WORKER_UP || w->busy_n == 0 || jobs_prepare_sleep(w->jobs))
				continue;
			reap(w);
			work = true;
		}
	return work;
}

/* --- workers come and go --- */

static void drop_worker(struct worker *w)
{
	if (w->polling)
		loop_cancel(w->pool->gate->loop, &w->event_op);
	jobs_free(&w->jobs);
	fd_close(&w->sock);
	fd_close(&w->event_fd);
	w->state = WORKER_NONE;
	w->busy_bytes = 0;
	w->busy_n = 0;
	w->timed_out = w->dirty = w->slots_alone = false;
	w->flush_failures = 0;
	w->running_seen = 0;
}

/* @jobs_fds and @socks: the other ends, one for each thread. */
static int send_spawn(struct worker *w, const int *jobs_fds, const int *socks, struct err *err)
{
	unsigned threads = w->zygote->threads_n, n = 0;
	struct zygote_msg z = { .type = ZYGOTE_SPAWN,
				.worker = process_of(w),
				.threads = threads,
				.node = (uint32_t)(w->zygote->plan.scan[w->index].node + 1) };
	int fds[ZYGOTE_FDS_MAX];

	for (unsigned i = 0; i < threads; i++) {
		z.pins[i] = (uint16_t)(w->zygote->plan.scan[w->index + i].cpu + 1);
		fds[n++] = jobs_fds[i];
		fds[n++] = socks[i];
		fds[n++] = w[i].event_fd;
	}
	if (w->pool->cache != NULL)
		fds[n++] = w->pool->cache_fd;
	return zygote_send(w->zygote->sock, &z, fds, n, err);
}

static int make_thread(struct worker *w, int *ret_jobs_fd, int *ret_sock, struct err *err)
{
	int pair[2], r = jobs_new(&w->jobs, ret_jobs_fd, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "socket for scan worker %u", w->index);
	w->sock = pair[0];
	*ret_sock = pair[1];
	w->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return w->event_fd < 0 ? err_errno(err, "eventfd for scan worker %u", w->index) : 0;
}

static int spawn(struct worker *w, struct err *err)
{
	int jobs_fds[ZYGOTE_THREADS_MAX], socks[ZYGOTE_THREADS_MAX], r = 0;
	unsigned threads = w->zygote->threads_n;

	memset(jobs_fds, 0xff, sizeof(jobs_fds)); /* all -1 */
	memset(socks, 0xff, sizeof(socks));
	for (unsigned i = 0; r == 0 && i < threads; i++)
		r = make_thread(&w[i], &jobs_fds[i], &socks[i], err);
	if (r == 0)
		r = send_spawn(w, jobs_fds, socks, err);
	for (unsigned i = 0; i < threads; i++) {
		fd_close(&jobs_fds[i]);
		fd_close(&socks[i]);
		if (r < 0)
			continue;
		w[i].state = WORKER_STARTING;
		w[i].started_ns = loop_now_ns(w->pool->gate->loop);
	}
	return r;
}

static void drop_process(struct worker *first)
{
	for (unsigned i = 0; i < first->zygote->threads_n; i++)
		drop_worker(&first[i]);
}

static void start_process(struct worker *first)
{
	struct err err;

	/* Their old polls must have come back before the operations are used again. */
	for (unsigned i = 0; i < first->zygote->threads_n; i++)
		if (first[i].polling || first[i].state != WORKER_NONE)
			return;
	if (spawn(first, &err) < 0) {
		log_err("scan worker %u cannot be started: %s", process_of(first), err.text);
		drop_process(first);
	}
}

/* A successor for one that is gone, when its time has come. */
static void restart_worker(struct worker *w)
{
	const struct zygote *z = w->zygote;

	if (w->state == WORKER_NONE && z->ready && !z->retiring && !z->gone &&
	    loop_now_ns(w->pool->gate->loop) >= w->first->respawn_ns)
		start_process(w->first);
}

static void worker_up(struct worker *first, pid_t pid)
{
	struct loop *loop = first->pool->gate->loop;

	for (unsigned i = 0; i < first->zygote->threads_n; i++) {
		struct worker *w = &first[i];

		w->state = WORKER_UP;
		w->pid = pid;
		w->running_since_ns = loop_now_ns(loop);
		w->running_seq = 0;
		w->polling = true;
		loop_poll(loop, &w->event_op, w->event_fd);
	}
	loop_make_ready(loop, &first->pool->task);
	intake_wake(&first->pool->gate->intake);
}

/* One that dies at once would keep the machine busy with nothing but dying. */
static void set_respawn(struct worker *first)
{
	uint64_t now = loop_now_ns(first->pool->gate->loop);
	bool worked = false;

	for (unsigned i = 0; i < first->zygote->threads_n; i++) {
		worked |= first[i].seq != first[i].seq_at_start;
		first[i].seq_at_start = first[i].seq;
	}
	first->respawn_ns = now;
	if (now - first->started_ns < RESPAWN_PAUSE_NS && !worked)
		first->respawn_ns += RESPAWN_PAUSE_NS;
}

/* What they had finished counts. */
static void take_finished(struct worker *first)
{
	for (unsigned i = 0; i < first->zygote->threads_n; i++)
		while (first[i].state == WORKER_UP && take_one(&first[i]) == 0)
			;
}

static void worker_gone(struct worker *first, int status, const char *text)
{
	struct gate *g = first->pool->gate;
	char why[ZYGOTE_TEXT_MAX + 64];

	if (first->state == WORKER_NONE)
		return;
	take_finished(first);
	worker_describe_end(first, status, text, why, sizeof(why));
	if (!first->zygote->retiring || worker_process_busy_n(first) > 0) {
		log_warning("scan worker %u (pid %d): %s; %u messages go back", process_of(first),
			    (int)first->pid, why, worker_process_busy_n(first));
		metrics_add(g->metrics,
			    worker_timed_out(first) ? METRIC_WORKER_TIMEOUTS : METRIC_WORKER_DEATHS,
			    1);
		metrics_add_worker(g->metrics, first->index,
				   &(struct metric_worker){ .deaths = 1 });
	}
	worker_return_all(first, why);
	set_respawn(first);
	drop_process(first);
	restart_worker(first);
}

/* --- zygotes --- */

static void retire(struct zygote *z)
{
	struct zygote_msg quit = { .type = ZYGOTE_QUIT };
	struct err err;

	for (unsigned i = 0; i < z->workers_n; i++)
		if (z->workers[i].busy_n > 0)
			return;
	if (z->gone || z->quit_sent)
		return;
	z->quit_sent = true;
	if (zygote_send(z->sock, &quit, NULL, 0, &err) < 0)
		log_warning("zygote: %s", err.text);
}

static void take_over(struct zygote *z, const struct zygote_msg *msg)
{
	struct pool *p = z->pool;

	z->ready = true;
	z->engine_generation = msg->generation;
	memcpy(z->engine, msg->text, sizeof(z->engine));
	log_info("Scan engine ready: %s", z->engine);
	for (struct zygote *old = z->next; old != NULL; old = old->next) {
		old->retiring = true;
		retire(old);
	}
	p->current = z;
	for (unsigned i = 0; i < z->workers_n; i += z->threads_n)
		start_process(&z->workers[i]);
	if (p->gate->site != z->site)
		gate_switch_site(p->gate, z->site);
	gate_event(p->gate, GATE_ZYGOTE_READY, z->site, z->engine);
}

/* The first thread of process @number. */
static struct worker *worker_of(struct zygote *z, uint32_t number)
{
	return number < z->workers_n / z->threads_n ? &z->workers[number * z->threads_n] : NULL;
}

static void handle(struct zygote *z, const struct zygote_msg *msg)
{
	struct worker *w = worker_of(z, msg->worker);

	switch (msg->type) {
	case ZYGOTE_READY:
		if (!z->retiring) /* else a newer one was ready before it */
			take_over(z, msg);
		break;
	case ZYGOTE_FAILED:
		z->failed = true;
		gate_event(z->pool->gate, GATE_ZYGOTE_FAILED, z->site, msg->text);
		break;
	case ZYGOTE_SPAWNED:
		if (w != NULL && w->state == WORKER_STARTING)
			worker_up(w, (pid_t)msg->pid);
		break;
	case ZYGOTE_EXITED:
		if (w != NULL)
			worker_gone(w, msg->status, msg->text);
		break;
	default:
		log_warning("zygote: message of type %u makes no sense", msg->type);
	}
}

/* Its workers died with it, through no fault of any message. */
static void zygote_lost(struct zygote *z)
{
	struct pool *p = z->pool;

	z->gone = true;
	/* A poll holds on to what it polls: without this it would never end, nor free the site. */
	if (z->polling)
		loop_cancel(p->gate->loop, &z->op);
	fd_close(&z->sock);
	if (p->current == z)
		p->current = NULL;
	for (unsigned i = 0; i < z->workers_n; i++) {
		struct worker *w = &z->workers[i];

		if (w->state == WORKER_NONE)
			continue;
		while (w->state == WORKER_UP && take_one(w) == 0)
			;
		worker_return_jobs(w, false, NULL);
		drop_worker(w);
	}
	if (z->retiring || (z->failed && p->current != NULL))
		return;
	if (p->current != NULL) /* a reload waits for this one, and must not wait for ever */
		gate_event(p->gate, GATE_ZYGOTE_FAILED, z->site,
			   "the new zygote ended while it started");
	else
		gate_event(p->gate, GATE_ZYGOTE_LOST, z->site, "the zygote is gone");
}

static void close_fds(int fds[ZYGOTE_FDS_MAX])
{
	for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
		fd_close(&fds[i]);
}

static void zygote_event(struct op *op, int result, bool more)
{
	struct zygote *z = CONTAINER_OF(op, struct zygote, op);
	struct zygote_msg msg;
	int fds[ZYGOTE_FDS_MAX], r = result < 0 ? result : 1;
	struct err err;

	z->polling = more;
	if (z->gone)
		return;
	while (r == 1 && !z->gone) {
		r = zygote_recv(z->sock, &msg, fds, &err);
		if (r == 1) {
			close_fds(fds);
			handle(z, &msg);
		}
	}
	if (r < 0)
		zygote_lost(z);
	else if (!more) {
		z->polling = true;
		loop_poll(z->pool->gate->loop, &z->op, z->sock);
	}
}

static bool still_used(const struct zygote *z)
{
	for (unsigned i = 0; i < z->workers_n; i++)
		if (z->workers[i].polling || z->workers[i].state != WORKER_NONE)
			return true;
	return z->polling || !z->gone;
}

static void free_zygote(struct zygote *z)
{
	for (unsigned i = 0; i < z->workers_n; i++)
		drop_worker(&z->workers[i]);
	fd_close(&z->sock);
	site_unref(&z->site);
	free(z->workers);
	free(z);
}

static void sweep(struct pool *p)
{
	struct zygote **at = &p->zygotes;

	while (*at != NULL) {
		struct zygote *z = *at;

		if (!z->gone || still_used(z)) {
			at = &z->next;
			continue;
		}
		*at = z->next;
		free_zygote(z);
	}
}

/* The part of the verdict cache's tellers that this zygote's workers use: two live side by side. */
static unsigned free_side(const struct pool *p)
{
	unsigned used = 0;

	for (const struct zygote *z = p->zygotes; z != NULL; z = z->next)
		used |= 1u << (z->side & 31);
	return (unsigned)__builtin_ctz(~used);
}

static int make_workers(struct zygote *z, struct err *err)
{
	cores_plan(&z->pool->cores, z->site->conf, true, &z->plan);
	z->threads_n = z->plan.threads_n;
	z->workers_n = z->plan.workers_n * z->threads_n;
	z->workers = calloc(z->workers_n, sizeof(*z->workers));
	if (z->workers == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan workers: out of memory");
	for (unsigned i = 0; i < z->workers_n; i++)
		z->workers[i] =
			(struct worker){ .pool = z->pool,
					 .zygote = z,
					 .first = &z->workers[i - i % z->threads_n],
					 .index = i,
					 .teller = (uint16_t)(z->side * ZYGOTE_WORKERS_MAX + i),
					 .sock = -1,
					 .event_fd = -1,
					 .event_op.done = result_event };
	return 0;
}

static int send_config(struct zygote *z, const char *path, int bundle_fd, struct err *err)
{
	struct zygote_msg msg = { .type = ZYGOTE_CONFIG };

	(void)snprintf(msg.text, sizeof(msg.text), "%s", path);
	return zygote_send(z->sock, &msg, &bundle_fd, 1, err);
}

int pool_add_zygote(struct pool *p, int sock, struct site *site, const char *conf_path,
		    int bundle_fd, struct err *err)
{
	struct zygote *z = calloc(1, sizeof(*z));
	int r;

	if (z == NULL) {
		(void)close(sock);
		return err_set(err, ERR_TEMP, -ENOMEM, "zygote: out of memory");
	}
	z->pool = p;
	z->sock = sock;
	z->site = site_ref(site);
	z->side = free_side(p);
	z->op.done = zygote_event;
	r = make_workers(z, err);
	if (r == 0)
		r = send_config(z, conf_path, bundle_fd, err);
	if (r < 0) {
		free_zygote(z);
		return r;
	}
	z->next = p->zygotes;
	p->zygotes = z;
	z->polling = true;
	loop_poll(p->gate->loop, &z->op, z->sock);
	return 0;
}

/* --- time limits --- */

static void look_at(struct worker *w, uint64_t now)
{
	uint32_t posted, running;
	uint64_t seq = 0, limit_ns;

	jobs_leftover(w->jobs, &posted, &running);
	for (unsigned i = 0; i < JOBS_SLOTS; i++)
		if ((running & (1u << i)) != 0)
			seq = MAX_OF(seq, w->slot_seq[i]);
	/* Busy without a running job: it is reading; the same limit holds. */
	if (running != w->running_seen || seq != w->running_seq || w->busy_n == 0) {
		w->running_seen = running;
		w->running_seq = seq;
		w->running_since_ns = now;
		return;
	}
	limit_ns = (uint64_t)conf_num(w->zygote->site->conf, OPT_MESSAGE_TIME_LIMIT, NULL) *
		   1000000000u;
	if (limit_ns == 0 || now - w->running_since_ns < limit_ns)
		return;
	w->timed_out = true;
	worker_kill(w);
}

static void tick(struct timer *t)
{
	struct pool *p = CONTAINER_OF(t, struct pool, tick);
	uint64_t now = loop_now_ns(p->gate->loop);

	for (struct zygote *z = p->zygotes; z != NULL; z = z->next) {
		for (unsigned i = 0; i < z->workers_n; i++) {
			struct worker *w = &z->workers[i];

			if (w->state == WORKER_UP)
				look_at(w, now);
			else
				restart_worker(w);
		}
		if (z->retiring)
			retire(z);
	}
	handout_flush(p);
	sweep(p);
	cores_watch_loop(&p->cores);
	(void)!loop_timer_set(p->gate->loop, t, now + TICK_NS);
}

unsigned pool_up_n(const struct pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; p->current != NULL && i < p->current->workers_n;
	     i += p->current->threads_n)
		n += p->current->workers[i].state == WORKER_UP;
	return n;
}

static int place(struct pool *p, const struct conf *c, struct err *err)
{
	struct plan plan;
	int r = cores_init(&p->cores, err);

	if (r < 0)
		return r;
	cores_plan(&p->cores, c, false, &plan);
	cores_place_loop(&p->cores, c, plan.loop_cpu);
	return 0;
}

int pool_init(struct pool *p, struct gate *g, struct err *err)
{
	int64_t entries = conf_num(g->site->conf, OPT_VERDICT_CACHE_ENTRIES, NULL);
	int r = place(p, g->site->conf, err);

	if (r < 0)
		return r;
	p->gate = g;
	p->waiting_tail = &p->waiting;
	p->tick.fire = tick;
	p->task.run = handout_run;
	(void)!loop_timer_set(g->loop, &p->tick, loop_now_ns(g->loop) + TICK_NS);
	if (entries <= 0)
		return 0;
	return verdict_cache_new(&p->cache, (size_t)entries, &p->cache_fd, err);
}

void pool_fini(struct pool *p)
{
	loop_timer_clear(p->gate->loop, &p->tick);
	while (p->zygotes != NULL) {
		struct zygote *z = p->zygotes;

		p->zygotes = z->next;
		free_zygote(z);
	}
	verdict_cache_free(&p->cache);
	fd_close(&p->cache_fd);
	cores_fini(&p->cores);
}
