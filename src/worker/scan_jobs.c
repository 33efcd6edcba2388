/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/scan_jobs.c - a batch of jobs: decide what may be read, read it into our own memory,
 * scan one after the other, answer each.
 *
 * Every job gets an answer that says what became of it. One that was not scanned, for whatever
 * reason, says so in every check: it can never look clean (promise P2).
 */
#include "worker/scan_jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "core/clock.h"
#include "core/fault.h"
#include "worker/scratch.h"
#include "worker/worker.h"

#define WAIT_MS        1000          /* how late we see that the gateway is gone */
#define CEILING_BYTES  GIB           /* of one message, whatever the configuration says */
#define HOT_BYTES      (2 * MIB)     /* small messages of one turn together */
#define SMALL_BYTES    (512u * 1024) /* larger ones are read one by one */
#define REQUESTS_BYTES (4 * MIB)     /* decoded requests of a batch */
#define CLOCK_FRESH_NS UINT64_C(100000)
#define MEMORY_BYTES   GIB /* of a message's arena when the request sets no limit */

/* A job on its way. */
struct load {
	struct job job;
	struct scan_request request;
	uint64_t head_bytes, bytes;
	uint8_t *buf; /* in the hot buffer, or its own */
	bool own_buf;
	enum check_state state; /* RAN: may be scanned; else why not */
	char why[256], log[128];
	struct finding finding; /* LIMIT: which says so */
};

void worker_facts(struct facts *ret_f, enum check_state state, const char *why)
{
	*ret_f = (struct facts){ .subject = "", .message_id = "", .limit_why = "" };
	for (size_t i = 0; i < CHECK_COUNT; i++)
		ret_f->checks[i] = (struct check_result){ .state = state, .why = why };
}

static void fail(struct load *l, const char *why)
{
	l->state = CHECK_FAILED;
	(void)snprintf(l->why, sizeof(l->why), "%s", why);
}

/* --- what may be read --- */

static int head_size(struct load *l)
{
	struct stat st;

	l->head_bytes = l->job.head.n;
	if (l->job.head_fd < 0)
		return 0;
	if (fstat(l->job.head_fd, &st) < 0)
		return -errno;
	l->head_bytes = (uint64_t)st.st_size;
	return 0;
}

/* In the words of scan/sizes.c, which never gets to see this message. */
static void too_large(struct load *l, uint64_t max)
{
	l->state = CHECK_LIMIT;
	(void)snprintf(l->why, sizeof(l->why),
		       "The message is larger than allowed: %" PRIu64 " bytes, at most %" PRIu64,
		       l->bytes, max);
	(void)snprintf(l->log, sizeof(l->log),
		       "Message size check: %" PRIu64 " > %" PRIu64 " in %%id%%", l->bytes, max);
	l->finding = (struct finding){ .kind = FINDING_SIZE,
				       .class = 's',
				       .whole_message = true,
				       .part = "",
				       .name = "toobig",
				       .scanner = "",
				       .report = l->why,
				       .log = l->log,
				       .rule = max < CEILING_BYTES ? "Maximum Message Size" : "" };
}

static uint64_t size_limit(const struct scan_request *r)
{
	if (r->max_message_bytes <= 0)
		return CEILING_BYTES;
	return MIN_OF((uint64_t)r->max_message_bytes, CEILING_BYTES);
}

static void prepare(struct scan_jobs *w, struct load *l, const struct job *job)
{
	struct err err;

	*l = (struct load){ .job = *job, .state = CHECK_RAN };
	if (w->ops->get_request(job->request, w->requests, &l->request, &err) < 0)
		fail(l, err.text);
	else if (head_size(l) < 0 || (job->body_fd < 0 && job->body_bytes > 0))
		fail(l, "the job has no message");
	else if (__builtin_add_overflow(l->head_bytes, job->body_bytes, &l->bytes))
		l->bytes = UINT64_MAX;
	if (l->state == CHECK_RAN && l->bytes > size_limit(&l->request))
		too_large(l, size_limit(&l->request));
	if (l->state == CHECK_RAN)
		return;
	fd_close(&l->job.head_fd);
	fd_close(&l->job.body_fd);
	l->bytes = 0;
}

/* --- costs --- */

/* As metrics/meter.h: within 100 us of the thread's clock the other one, which is cheap, will do.
 */
static struct scan_clocks read_clocks(struct scan_jobs *w)
{
	uint64_t wall_ns = clock_now_ns();

	if (w->mark.cpu_ns != 0 && wall_ns - w->known_wall_ns < CLOCK_FRESH_NS)
		return (struct scan_clocks){ w->mark.cpu_ns + (wall_ns - w->mark.wall_ns),
					     wall_ns };
	w->known_wall_ns = wall_ns;
	return (struct scan_clocks){ clock_thread_cpu_ns(), wall_ns };
}

/* After a wait, which took no processor time. */
static void resume_clocks(struct scan_jobs *w)
{
	uint64_t wall_ns = clock_now_ns();

	w->known_wall_ns += wall_ns - w->mark.wall_ns;
	w->mark.wall_ns = wall_ns;
}

/* What has passed since the mark, which moves here. */
static struct scan_clocks lap(struct scan_jobs *w)
{
	struct scan_clocks now = { 0 }, passed = { 0 };

	if (w->charging)
		now = read_clocks(w);
	/* More was taken for granted than there was: the thread had to wait for its core. */
	now.cpu_ns = w->charging ? MAX_OF(now.cpu_ns, w->mark.cpu_ns) : 0;
	if (w->mark.cpu_ns != 0 && now.cpu_ns != 0)
		passed = (struct scan_clocks){ now.cpu_ns - w->mark.cpu_ns,
					       now.wall_ns - w->mark.wall_ns };
	w->mark = now;
	return passed;
}

static void account(struct scan_jobs *w, struct facts *f)
{
	w->charging = f->has_stages;
	if (!f->has_stages)
		return;
	w->scans.cpu_ns += f->cpu_us * 1000;
	for (size_t i = 0; i < STAGE_COUNT; i++)
		w->scans.wall_ns += f->stages[i].wall_ns;
	f->stages[STAGE_READ] = (struct cost){ w->read.cpu_ns, w->read.wall_ns, { 0 } };
	f->stages[STAGE_REST].cpu_ns += w->rest.cpu_ns;
	f->stages[STAGE_REST].wall_ns += w->rest.wall_ns;
	w->rest = (struct scan_clocks){ 0 };
}

static uint64_t left_over(uint64_t all, uint64_t accounted)
{
	return all > accounted ? all - accounted : 0;
}

static void end_turn(struct scan_jobs *w)
{
	struct scan_clocks all = lap(w);

	w->rest.cpu_ns += left_over(all.cpu_ns, w->scans.cpu_ns);
	w->rest.wall_ns += left_over(all.wall_ns, w->scans.wall_ns);
	w->scans = (struct scan_clocks){ 0 };
}

/* --- reading --- */

/* How many of @loads are read in one turn: small ones that fit the hot buffer, or one large. */
static unsigned turn(const struct load *loads, unsigned n)
{
	uint64_t sum = loads[0].bytes;
	unsigned i;

	if (sum >= SMALL_BYTES)
		return 1;
	for (i = 1; i < n && loads[i].bytes < SMALL_BYTES; i++) {
		sum += loads[i].bytes;
		if (sum > HOT_BYTES)
			break;
	}
	return i;
}

static bool place(struct load *l, uint8_t **hot)
{
	if (l->bytes < SMALL_BYTES) {
		l->buf = *hot;
		*hot += l->bytes;
		return true;
	}
	l->buf = malloc(l->bytes);
	l->own_buf = l->buf != NULL;
	return l->own_buf;
}

/* Queue the reads of one job: at most two. Inline header text is copied. */
static unsigned queue_reads(struct load *l, struct read_item *items)
{
	unsigned n = 0;

	if (l->job.head_fd >= 0)
		items[n++] = (struct read_item){ .fd = l->job.head_fd,
						 .buf = l->buf,
						 .n = l->head_bytes };
	else if (l->head_bytes > 0)
		memcpy(l->buf, l->job.head.p, l->head_bytes);
	if (l->job.body_fd >= 0)
		items[n++] = (struct read_item){ .fd = l->job.body_fd,
						 .offset = l->job.body_offset,
						 .buf = l->buf + l->head_bytes,
						 .n = l->job.body_bytes };
	l->job.head_fd = l->job.body_fd = -1;
	return n;
}

static void check_read(struct load *l, const struct read_item *item)
{
	if (l->state != CHECK_RAN || item->result == (int)item->n)
		return;
	l->state = CHECK_FAILED;
	if (item->result < 0)
		(void)snprintf(l->why, sizeof(l->why), "cannot read the message: %s",
			       strerror(-item->result));
	else
		(void)snprintf(l->why, sizeof(l->why),
			       "message shrank: %d of %zu bytes are left in the queue file",
			       item->result, item->n);
}

static int read_turn(struct scan_jobs *w, struct load *loads, unsigned n, struct err *err)
{
	struct read_item items[JOBS_SLOTS * 2];
	struct load *owner[JOBS_SLOTS * 2];
	uint8_t *hot = w->hot;
	unsigned items_n = 0;
	int r;

	for (unsigned i = 0; i < n; i++) {
		unsigned k;

		if (loads[i].state != CHECK_RAN)
			continue;
		if (!place(&loads[i], &hot)) {
			fail(&loads[i], "no memory for the message");
			fd_close(&loads[i].job.head_fd);
			fd_close(&loads[i].job.body_fd);
			continue;
		}
		k = queue_reads(&loads[i], items + items_n);
		while (k-- > 0)
			owner[items_n++] = &loads[i];
	}
	r = reader_run(w->reader, items, items_n, err);
	w->read = lap(w);
	w->read.cpu_ns /= n;
	w->read.wall_ns /= n;
	for (unsigned i = 0; i < items_n && r == 0; i++)
		check_read(owner[i], &items[i]);
	return r;
}

/* --- scanning --- */

/* An arena with this request's ceiling; the old one when it has it already. */
static bool fit_arena(struct scan_jobs *w, const struct scan_request *r)
{
	uint64_t max = r->limits.max[BUDGET_MEMORY];

	if (max == 0 || max > MEMORY_BYTES)
		max = MEMORY_BYTES;
	if (w->arena != NULL && arena_max(w->arena) == max)
		return true;
	arena_free(&w->arena);
	w->arena = arena_new((size_t)max);
	return w->arena != NULL;
}

static void scan(struct scan_jobs *w, struct load *l, struct facts *ret_f)
{
	struct err err = { .kind = ERR_NONE };
	int r;

	if (l->state == CHECK_RAN && !fit_arena(w, &l->request))
		fail(l, "out of memory");
	if (l->state == CHECK_RAN) {
		r = fault_at("worker.scan", 0);
		if (r == 0)
			r = w->ops->scan(w->scanner, &l->request, bytes_of(l->buf, l->bytes),
					 w->arena, ret_f, &err);
		if (r < 0)
			fail(l, err.kind == ERR_NONE ? strerror(-r) : err.text);
	}
	if (l->state == CHECK_RAN)
		return;
	worker_facts(ret_f, l->state, l->why);
	if (l->state == CHECK_LIMIT) {
		ret_f->findings = &l->finding;
		ret_f->findings_n = 1;
	}
}

/* Facts as bytes in the slot. Length 0, which is no facts at all, only if all else fails. */
static size_t put(struct scan_jobs *w, const struct facts *f, uint8_t *out)
{
	struct err err = { .text = "" };
	struct facts failed;
	ssize_t n = w->ops->put_facts(f, out, JOBS_RESULT_BYTES, &err);

	if (n < 0) {
		worker_facts(&failed, CHECK_FAILED, err.text);
		n = w->ops->put_facts(&failed, out, JOBS_RESULT_BYTES, NULL);
	}
	return n < 0 ? 0 : (size_t)n;
}

static void run_job(struct scan_jobs *w, struct load *l)
{
	unsigned slot = l->job.slot;
	struct facts facts;
	size_t n;

	jobs_start(w->jobs, slot);
	if (w->ops->show_stage != NULL)
		w->ops->show_stage(w->scanner, jobs_stage(w->jobs, slot));
	scan(w, l, &facts);
	account(w, &facts);
	n = put(w, &facts, jobs_result(w->jobs, slot));
	if (w->arena != NULL)
		arena_reset(w->arena);
	if (l->own_buf)
		free(l->buf);
	(void)fault_at("worker.finish", 0);
	jobs_finish(w->jobs, slot, n, w->event_fd);
}

/* What a failed scan left behind takes the room of the next. Asking first costs a tenth. */
static int tidy(struct scan_jobs *w)
{
	struct statfs st;

	if (fstatfs(w->tmp_fd, &st) == 0 && (uint64_t)st.f_ffree == w->free_inodes)
		return 0;
	return scratch_clean(w->tmp_fd);
}

static void enter(struct scan_room *room)
{
	if (room == NULL)
		return;
	(void)pthread_mutex_lock(&room->lock);
	while (room->closing)
		(void)pthread_cond_wait(&room->changed, &room->lock);
	room->scanning_n++;
	(void)pthread_mutex_unlock(&room->lock);
}

/* Half of the files that may be there are, and somebody else is always scanning. */
static bool is_crowded(const struct scan_jobs *w)
{
	struct statfs st;

	return fstatfs(w->tmp_fd, &st) == 0 && (uint64_t)st.f_ffree < w->free_inodes / 2;
}

static int leave(struct scan_jobs *w)
{
	struct scan_room *room = w->room;
	int r = 0;

	if (room == NULL)
		return tidy(w);
	(void)pthread_mutex_lock(&room->lock);
	if (--room->scanning_n == 0) {
		r = tidy(w);
		room->closing = false;
		(void)pthread_cond_broadcast(&room->changed);
	} else if (is_crowded(w)) {
		room->closing = true;
	}
	(void)pthread_mutex_unlock(&room->lock);
	return r;
}

static int run_batch(struct scan_jobs *w, const struct job *jobs, unsigned n)
{
	struct load loads[JOBS_SLOTS];
	struct err err;

	resume_clocks(w);
	arena_reset(w->requests);
	for (unsigned i = 0; i < n; i++)
		prepare(w, &loads[i], &jobs[i]);
	for (unsigned i = 0, k; i < n; i += k) {
		int r;

		k = turn(loads + i, n - i);
		r = read_turn(w, loads + i, k, &err);
		for (unsigned m = i; m < i + k && r == 0; m++) {
			enter(w->room);
			run_job(w, &loads[m]);
			r = leave(w);
		}
		if (r < 0)
			return r;
		end_turn(w);
	}
	return 0;
}

int scan_jobs_init(struct scan_jobs *w, struct err *err)
{
	struct statfs st;

	w->hot = malloc(HOT_BYTES);
	w->requests = arena_new(REQUESTS_BYTES);
	if (w->hot == NULL || w->requests == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan worker: out of memory");
	if (fstatfs(w->tmp_fd, &st) < 0)
		return err_errno(err, "look at the worker's directory");
	w->free_inodes = (uint64_t)st.f_ffree;
	return 0;
}

int scan_jobs_run(struct scan_jobs *w)
{
	struct job jobs[JOBS_SLOTS];
	struct err err;
	int n = 0, r = 0;

	while (r == 0) {
		(void)jobs_wait(w->jobs, WAIT_MS);
		n = jobs_take(w->jobs, w->sock, jobs, JOBS_SLOTS, &err);
		if (n < 0)
			return n;
		if (n > 0)
			r = run_batch(w, jobs, (unsigned)n);
	}
	return r;
}
