/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/handout.c - which worker gets which message, and how it is given to it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "msg/internal.h"
#include "scan/wire.h"

#define WORKER_BYTES_MAX  (8 * MIB) /* handed to one worker at once, unless it is one message */
#define HEAD_INLINE_BYTES (32u * 1024)
#define FLUSH_TRIES       20 /* ticks */

/* Header lines as the reader sees them, then the blank line. */
static int head_text(struct msg *m, struct bytes *ret_head)
{
	const struct header_list *l = &m->entry.headers;
	size_t n = 1;
	uint8_t *p, *at;

	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].deleted)
			n += l->v[i].text.n + 1;
	p = at = arena_alloc(m->scan_arena, n);
	if (p == NULL)
		return err_set(&m->why, ERR_LIMIT, -ENOMEM, "headers of %zu bytes", n);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].deleted)
			continue;
		memcpy(at, l->v[i].text.p, l->v[i].text.n);
		at += l->v[i].text.n;
		*at++ = '\n';
	}
	*at = '\n';
	*ret_head = bytes_of(p, n);
	return 0;
}

/* Large headers go beside the slot. */
static int head_file(struct bytes head, struct err *err)
{
	int fd = memfd_create("sallyport-head", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(err, "memory file for headers");
	while (head.n > 0) {
		ssize_t n = write(fd, head.p, head.n);

		if (n <= 0) {
			int r = err_errno(err, "memory file for headers");

			(void)close(fd);
			return r;
		}
		head = bytes_from(head, (size_t)n);
	}
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

static int post(struct worker *w, struct msg *m, unsigned *ret_slot)
{
	uint8_t request[16 * 1024];
	struct job_post p = { .kind = JOB_SCAN,
			      .head_fd = -1,
			      .body_fd = m->entry.body_fd,
			      .body_offset = m->entry.body_offset,
			      .body_bytes = m->entry.body_bytes };
	ssize_t n = wire_put_request(&m->request, request, sizeof(request), &m->why);
	int r;

	if (n < 0)
		return (int)n;
	p.request = bytes_of(request, (size_t)n);
	r = head_text(m, &p.head);
	if (r < 0)
		return r;
	if (p.head.n > HEAD_INLINE_BYTES) {
		p.head_fd = head_file(p.head, &m->why);
		if (p.head_fd < 0)
			return p.head_fd;
		p.head = bytes_of(NULL, 0);
	}
	/* The table duplicates what it keeps until the flush. */
	r = jobs_post(w->jobs, &p, ret_slot, &m->why);
	return r;
}

/* Nobody else's message in the process, or nobody who wants to be alone there. */
static bool may_share(const struct worker *w, const struct msg *m)
{
	const struct worker *t = w->first;

	for (unsigned i = 0; i < w->zygote->threads_n; i++, t++)
		if (t->busy_n > 0 && (m->alone || t->slots_alone))
			return false;
	return m->alone || w->pool->reserved != w->first;
}

static bool can_take(const struct worker *w, const struct msg *m)
{
	if (w->state != WORKER_UP || w->busy_n == JOBS_SLOTS || !may_share(w, m))
		return false;
	return w->busy_n == 0 || w->busy_bytes + m->entry.size_bytes <= WORKER_BYTES_MAX;
}

unsigned worker_process_busy_n(const struct worker *first)
{
	unsigned n = 0;

	for (unsigned i = 0; i < first->zygote->threads_n; i++)
		n += first[i].busy_n;
	return n;
}

/* Let one process run empty for a message that must be alone, or under load it waits for ever. */
static void reserve(struct pool *p)
{
	struct worker *best = NULL;

	for (unsigned i = 0; p->current != NULL && i < p->current->workers_n; i++) {
		struct worker *w = &p->current->workers[i];

		if (w->first == w && w->state == WORKER_UP &&
		    (best == NULL || worker_process_busy_n(w) < worker_process_busy_n(best)))
			best = w;
	}
	p->reserved = best;
}

static struct worker *least_busy(const struct pool *p, const struct msg *m)
{
	struct worker *best = NULL;

	for (unsigned i = 0; p->current != NULL && i < p->current->workers_n; i++) {
		struct worker *w = &p->current->workers[i];

		if (can_take(w, m) && (best == NULL || w->busy_n < best->busy_n))
			best = w;
	}
	return best;
}

static void hand_over(struct worker *w, struct msg *m)
{
	unsigned slot;
	int r = post(w, m, &slot);

	if (r < 0) {
		life_scan_failed(m, r != -EAGAIN);
		return;
	}
	metrics_observe_us(w->pool->gate->metrics, METRIC_QUEUE_WAIT_US,
			   (loop_now_ns(w->pool->gate->loop) - m->queued_ns) / 1000);
	m->worker = w;
	m->slot = slot;
	w->slots[slot] = m;
	w->slot_seq[slot] = ++w->seq;
	w->slots_alone = m->alone;
	w->busy_n++;
	w->busy_bytes += m->entry.size_bytes;
	w->dirty = true;
	life_enter(m, MSG_SCANNING);
}

/* A failure leaves the jobs posted: tried again at the next tick, for five seconds. */
static void flush_one(struct worker *w)
{
	struct err err;

	if (jobs_flush(w->jobs, w->sock, &err) == 0) {
		w->dirty = false;
		w->flush_failures = 0;
		return;
	}
	if (w->flush_failures++ == 0)
		log_warning("scan worker %u: %s; trying again", w->index, err.text);
	if (w->flush_failures > FLUSH_TRIES)
		worker_kill(w); /* its end gives the jobs back */
}

void handout_flush(struct pool *p)
{
	for (unsigned i = 0; p->current != NULL && i < p->current->workers_n; i++) {
		struct worker *w = &p->current->workers[i];

		if (w->dirty && w->state == WORKER_UP)
			flush_one(w);
	}
}

void handout_run(struct task *t)
{
	struct pool *p = CONTAINER_OF(t, struct pool, task);
	struct msg **at = &p->waiting;

	/* Nobody starts another zygote while everything stops. */
	if (p->gate->draining && p->current == NULL)
		pool_release_waiting(p);
	p->reserved = NULL;
	while (*at != NULL) {
		struct msg *m = *at;
		struct worker *w = least_busy(p, m);

		if (w == NULL) {
			if (!m->alone)
				break; /* no room for anybody */
			reserve(p);
			at = &m->next; /* others may still fit */
			continue;
		}
		*at = m->next;
		if (*at == NULL)
			p->waiting_tail = at;
		hand_over(w, m);
	}
	handout_flush(p);
	intake_wake(&p->gate->intake);
}

void pool_scan(struct pool *p, struct msg *m)
{
	m->next = NULL;
	*p->waiting_tail = m;
	p->waiting_tail = &m->next;
	loop_make_ready(p->gate->loop, &p->task);
}

bool pool_wants_more(const struct pool *p)
{
	return p->current != NULL;
}

void pool_release_waiting(struct pool *p)
{
	struct msg *m = TAKE(p->waiting);

	p->waiting_tail = &p->waiting;
	while (m != NULL) {
		struct msg *next = m->next;

		(void)err_set(&m->why, ERR_TEMP, -ESHUTDOWN, "stopping");
		life_scan_failed(m, false);
		m = next;
	}
}
