/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/crew.c - scan threads: started together, ended together. */
#include "worker/crew.h"

#include <errno.h>
#include <sched.h>
#include <sysexits.h>
#include <unistd.h>

void crew_init(struct crew *c, unsigned n, const uint16_t *pins)
{
	*c = (struct crew){ .n = n, .pins = pins };
	(void)pthread_mutex_init(&c->room.lock, NULL);
	(void)pthread_cond_init(&c->room.changed, NULL);
	for (unsigned i = 0; i < n; i++) {
		c->threads[i] = (struct crew_thread){ .crew = c, .index = i };
		c->scan[i].room = n > 1 ? &c->room : NULL;
	}
}

void crew_pin(unsigned pin)
{
	cpu_set_t set;

	if (pin == 0 || pin > CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(pin - 1, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* a core that is gone: run anywhere */
}

static int run(struct scan_jobs *w)
{
	int r;

	if (w->ops->sandboxed != NULL)
		w->ops->sandboxed(w->reader);
	r = scan_jobs_run(w);
	return r == -EPIPE ? EX_OK : EX_SOFTWARE;
}

/* A ring belongs to the thread that makes it (SINGLE_ISSUER), and so do performance counters. */
static int begin_thread(struct scan_jobs *w, struct err *err)
{
	int r = reader_new(&w->reader, err);

	if (r == 0 && w->ops->begin_thread != NULL)
		w->ops->begin_thread(w->scanner);
	return r;
}

static void *thread_main(void *arg)
{
	struct crew_thread *t = arg;
	struct crew *c = t->crew;
	int r;

	crew_pin(c->pins[t->index]);
	r = begin_thread(&c->scan[t->index], NULL);
	(void)pthread_mutex_lock(&c->room.lock);
	c->ready_n++;
	if (r < 0)
		c->failed = r;
	(void)pthread_cond_broadcast(&c->room.changed);
	while (!c->go)
		(void)pthread_cond_wait(&c->room.changed, &c->room.lock);
	(void)pthread_mutex_unlock(&c->room.lock);
	_exit(run(&c->scan[t->index]));
}

static int start_threads(struct crew *c, const pthread_attr_t *attr, struct err *err)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i < c->n; i++) {
		r = -pthread_create(&c->threads[i].id, attr, thread_main, &c->threads[i]);
		if (r < 0)
			return err_code(err, r, "start scan thread %u of %u", i + 1, c->n);
	}
	(void)pthread_mutex_lock(&c->room.lock);
	while (c->ready_n < c->n - 1)
		(void)pthread_cond_wait(&c->room.changed, &c->room.lock);
	r = c->failed;
	(void)pthread_mutex_unlock(&c->room.lock);
	return r < 0 ? err_code(err, r, "reader of a scan thread") : 0;
}

int crew_start(struct crew *c, struct err *err)
{
	pthread_attr_t attr;
	int r = begin_thread(&c->scan[0], err);

	if (r < 0 || c->n == 1)
		return r;
	if (pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstacksize(&attr, CREW_STACK_BYTES) != 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "stacks of 64 MB for scan threads");
	r = start_threads(c, &attr, err);
	(void)pthread_attr_destroy(&attr);
	return r;
}

int crew_run(struct crew *c)
{
	if (c->n > 1) {
		(void)pthread_mutex_lock(&c->room.lock);
		c->go = true;
		(void)pthread_cond_broadcast(&c->room.changed);
		(void)pthread_mutex_unlock(&c->room.lock);
	}
	return run(&c->scan[0]);
}
