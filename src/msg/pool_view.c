/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/pool_view.c - the scan threads as people see them. */
#include "msg/internal.h"

static char state_letter(const struct worker *w)
{
	if (w->state == WORKER_STARTING)
		return 'S';
	if (w->state == WORKER_ENDING)
		return 'E';
	return w->busy_n == 0 ? 'I' : stage_letter(STAGE_READ); /* until it begins one */
}

/* Stage and time are the worker's own words. */
static void describe_job(const struct worker *w, unsigned slot, struct gate_worker *out)
{
	const struct msg *m = w->slots[slot];
	uint64_t now = loop_now_ns(w->pool->gate->loop), since;

	out->state = stage_letter(jobs_peek(w->jobs, slot, &since));
	out->id = m->entry.id;
	since = MAX_OF(since, m->queued_ns);
	out->age_ms = now > since ? (now - since) / 1000000 : 0;
}

/* A thread works on one message; one that says otherwise lies, and the first is as good as any. */
static void tell_thread(const struct worker *w,
			void (*each)(void *arg, const struct gate_worker *w), void *arg)
{
	struct gate_worker out = { .worker = w->index,
				   .pid = (int)w->pid,
				   .core = w->zygote->plan.scan[w->index].cpu,
				   .state = state_letter(w),
				   .in_hand = w->busy_n,
				   .retiring = w->zygote->retiring };
	uint32_t posted = 0, running = 0;
	unsigned slot = 0;

	if (w->state == WORKER_UP)
		jobs_leftover(w->jobs, &posted, &running);
	while (slot < JOBS_SLOTS && ((running & (1u << slot)) == 0 || w->slots[slot] == NULL))
		slot++;
	if (slot < JOBS_SLOTS)
		describe_job(w, slot, &out);
	each(arg, &out);
}

void pool_each_worker(const struct pool *p, void (*each)(void *arg, const struct gate_worker *w),
		      void *arg)
{
	for (const struct zygote *z = p->zygotes; z != NULL; z = z->next)
		for (unsigned i = 0; i < z->workers_n; i++)
			if (z->workers[i].state != WORKER_NONE)
				tell_thread(&z->workers[i], each, arg);
}
