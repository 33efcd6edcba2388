/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/gate.c - the gateway's parts put together. */
#include "msg/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "msg/internal.h"
#include "store/msglog.h"
#include "throttle/throttle.h"

void gate_event(struct gate *g, enum gate_event e, const struct site *s, const char *text)
{
	if (g->on_event != NULL)
		g->on_event(g->on_event_arg, e, conf_generation(s->conf), text);
}

void gate_on_event(struct gate *g, gate_event_fn *fn, void *arg)
{
	g->on_event = fn;
	g->on_event_arg = arg;
}

void gate_distrust(struct gate *g, const char *id)
{
	if (gate_distrusts(g, id))
		return;
	if (g->distrusted_n == GATE_DISTRUSTED_MAX) {
		log_err("syncing directories failed for %d messages: no more mail is taken until "
			"the disk is repaired and sallyportd restarted",
			GATE_DISTRUSTED_MAX);
		gate_drain(g);
		return;
	}
	memcpy(g->distrusted[g->distrusted_n++], id, QUEUE_ID_MAX);
}

bool gate_distrusts(const struct gate *g, const char *id)
{
	for (unsigned i = 0; i < g->distrusted_n; i++)
		if (strcmp(g->distrusted[i], id) == 0)
			return true;
	return false;
}

static int open_attempts(struct gate *g, const struct conf *c, int64_t now_s, struct err *err)
{
	char notice[256] = "";
	int r = attempts_open(&g->attempts, conf_str(c, OPT_PROCESSING_ATTEMPTS_DATABASE, NULL),
			      g->in_flight_max, now_s, notice, err);

	if (notice[0] != '\0')
		log_notice("%s", notice);
	return r;
}

/* Opened anew at each reload, too. Failing, what was open stays in use. */
static int open_msglog(struct gate *g, const struct conf *c, struct err *err)
{
	const char *path = conf_str(c, OPT_MESSAGE_LOG, NULL);
	struct msglog *l = NULL;
	int r = path[0] == '\0' ? 0 : msglog_open(&l, path, err);

	if (r < 0)
		return r;
	msglog_close(&g->msglog);
	g->msglog = l;
	return 0;
}

static void renew_msglog(struct gate *g, const struct conf *c)
{
	struct err err;

	if (open_msglog(g, c, &err) < 0)
		log_err("Message Log: %s; %s until the next reload or SIGHUP", err.text,
			g->msglog == NULL ? "nothing is written"
					  : "lines go on into the file that was open");
}

void gate_reopen(struct gate *g)
{
	renew_msglog(g, g->site->conf);
}

int gate_new(struct gate **ret_g, struct loop *l, struct metrics *m, struct conf *c, int64_t now_s,
	     struct err *err)
{
	AUTO(gate_free) struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "gateway: out of memory");
	g->loop = l;
	g->metrics = m;
	g->pool.cache_fd = g->kick.signal_fd = g->sweeper.event_fd = -1;
	g->pool.gate = g->kick.gate = g->intake.gate = g;
	g->in_flight_max = (unsigned)MAX_OF(conf_num(c, OPT_MAX_MESSAGES_IN_FLIGHT, NULL), 1);
	for (unsigned i = 0; i < STAGE_COUNT; i++)
		metrics_name_stage(m, i, stage_name(i));
	r = site_new(&g->site, c, err);
	if (r == 0)
		r = kept_new(&g->kept, c, err);
	if (r == 0)
		r = open_attempts(g, c, now_s, err);
	if (r == 0)
		r = open_msglog(g, c, err);
	if (r == 0)
		r = pool_init(&g->pool, g, err);
	if (r == 0)
		r = kick_init(&g->kick, g, err);
	if (r == 0)
		r = resolve_init(&g->resolve, g, err);
	if (r == 0)
		r = sweep_init(&g->sweeper, g, err);
	if (r < 0)
		return r;
	commit_init(&g->commit, g);
	census_init(&g->census, g);
	split_init(&g->splitter, g);
	intake_init(&g->intake, g);
	intake_start(&g->intake);
	loop_set_before_wait(l, pool_before_wait, &g->pool);
	sweep_begin(&g->sweeper, g->site);
	*ret_g = TAKE(g);
	return 0;
}

void gate_free(struct gate **g)
{
	if (*g == NULL)
		return;
	loop_set_before_wait((*g)->loop, NULL, NULL);
	if ((*g)->intake.task.run != NULL)
		intake_fini(&(*g)->intake);
	if ((*g)->sweeper.gate != NULL)
		sweep_fini(&(*g)->sweeper);
	resolve_fini(&(*g)->resolve);
	kick_fini(&(*g)->kick);
	census_fini(&(*g)->census);
	pool_fini(&(*g)->pool);
	msglog_close(&(*g)->msglog);
	attempts_close(&(*g)->attempts);
	kept_free(&(*g)->kept);
	site_unref(&(*g)->site);
	free(*g);
	*g = NULL;
}

int gate_add_zygote(struct gate *g, int sock, struct conf *c, const char *conf_path, int bundle_fd,
		    struct err *err)
{
	AUTO(site_unref) struct site *s = NULL;
	int r = 0;

	if (conf_generation(c) == conf_generation(g->site->conf))
		s = site_ref(g->site);
	else
		r = site_new(&s, c, err);
	if (r < 0) {
		fd_close(&sock);
		return r;
	}
	return pool_add_zygote(&g->pool, sock, s, conf_path, bundle_fd, err);
}

int gate_start_thread(struct gate *g, pthread_t *ret_t, void *(*fn)(void *arg), void *arg)
{
	int r;

	cores_leave_loop(&g->pool.cores); /* both are inherited */
	r = pthread_create(ret_t, NULL, fn, arg);
	cores_back_to_loop(&g->pool.cores);
	return -r;
}

void gate_switch_site(struct gate *g, struct site *s)
{
	struct site *before = g->site;

	renew_msglog(g, s->conf);
	intake_stop(&g->intake);
	g->site = site_ref(s);
	kick_pass_on(&g->kick, before);
	site_unref(&before);
	throttle_reload(g->throttle, s->conf);
	resolve_configure(&g->resolve);
	sweep_begin(&g->sweeper, s);
	if (!g->draining)
		intake_start(&g->intake);
	kept_tell(g->kept, s->conf);
	log_info("Configuration reloaded");
}

void gate_once(struct gate *g, const char *only_id)
{
	intake_stop(&g->intake);
	g->intake.once = true;
	g->intake.only_id = only_id;
	intake_start(&g->intake);
}

bool gate_once_done(const struct gate *g)
{
	return g->intake.once && gate_ready(g) && intake_is_over(&g->intake) && gate_idle(g);
}

void gate_set_throttle(struct gate *g, struct throttle *t)
{
	g->throttle = t;
}

void gate_drain(struct gate *g)
{
	if (g->draining)
		return;
	g->draining = true;
	intake_stop(&g->intake);
	pool_release_waiting(&g->pool);
	resolve_release_all(g);
}

bool gate_idle(const struct gate *g)
{
	return g->in_flight == 0;
}

bool gate_ready(const struct gate *g)
{
	return pool_up_n(&g->pool) > 0;
}

void gate_status(const struct gate *g, struct gate_status *ret_s)
{
	const struct zygote *z = g->pool.current;

	*ret_s = (struct gate_status){
		.generation = conf_generation(g->site->conf),
		.engine = z == NULL ? "" : z->engine,
		.in_flight = g->in_flight,
		.in_flight_max = g->in_flight_max,
		.workers = z == NULL ? 0 : z->plan.workers_n,
		.threads = z == NULL ? 0 : z->threads_n,
		.loop_core = g->pool.cores.loop_cpu,
		.workers_up = pool_up_n(&g->pool),
		.dirs = (unsigned)g->site->in_n,
		.draining = g->draining,
	};
}

void gate_measure(struct gate *g)
{
	census_take(&g->census);
	metrics_set(g->metrics, METRIC_IN_FLIGHT, g->in_flight);
	metrics_set(g->metrics, METRIC_WORKERS_UP, pool_up_n(&g->pool));
	throttle_measure(g->throttle);
	resolve_measure(g);
}

void gate_each_worker(const struct gate *g, void (*each)(void *arg, const struct gate_worker *w),
		      void *arg)
{
	pool_each_worker(&g->pool, each, arg);
}

void gate_each_queue(const struct gate *g, void (*each)(void *arg, const struct gate_queue *q),
		     void *arg)
{
	int64_t now_s = (int64_t)clock_unix_s();

	for (size_t i = 0; i < g->site->in_n; i++) {
		const struct site_dir *d = &g->site->in[i];
		struct gate_queue q = { .path = queue_dir_path(d->dir),
					.counted = d->counted,
					.messages = d->messages,
					.oldest_s = -1 };

		for (const struct msg *m = g->all; m != NULL; m = m->next_all) {
			if (m->site != g->site || m->dir_i != i)
				continue;
			q.in_hand++;
			q.oldest_s = MAX_OF(q.oldest_s, now_s - m->entry.env.received_s);
		}
		each(arg, &q);
	}
}

void gate_each_message(const struct gate *g, void (*each)(void *arg, const struct gate_message *m),
		       void *arg)
{
	uint64_t now = loop_now_ns(g->loop);

	for (const struct msg *m = g->all; m != NULL; m = m->next_all) {
		struct gate_message out = { .id = m->entry.id,
					    .state = life_state_name(m->state),
					    .from = m->entry.env.sender,
					    .why = m->why.text,
					    .size_bytes = m->entry.size_bytes,
					    .age_ms = (now - m->began_ns) / 1000000,
					    .attempts = m->attempts };

		each(arg, &out);
	}
}

void gate_each_attempt(const struct gate *g,
		       void (*each)(void *arg, const char *id, unsigned count, int64_t next_in_s),
		       void *arg)
{
	static struct attempts_row rows[1000]; /* one loop thread; too large for its stack */
	int64_t now = (int64_t)clock_unix_s();
	struct err err;
	int n = attempts_list(g->attempts, false, rows, ARRAY_LEN(rows), &err);

	for (int i = 0; i < n; i++)
		each(arg, rows[i].id, rows[i].count, MAX_OF(rows[i].next_s - now, 0));
}

void gate_each_dir(const struct gate *g, void (*each)(void *arg, const char *path), void *arg)
{
	for (size_t i = 0; i < g->site->in_n; i++)
		each(arg, queue_dir_path(g->site->in[i].dir));
}

void gate_rescan(struct gate *g)
{
	intake_rescan(&g->intake);
}
