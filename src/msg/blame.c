/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/blame.c - a worker process ended: which message was it, and what becomes of the others. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "msg/internal.h"

void worker_give_back(struct worker *w, struct msg *m)
{
	w->slots[m->slot] = NULL;
	w->busy_n--;
	w->busy_bytes -= m->entry.size_bytes;
	m->worker = NULL;
}

/* Back to the queue of those that wait; next time with a worker of its own. */
static void wait_again(struct msg *m)
{
	m->alone = true;
	life_enter(m, MSG_WAITING);
}

/*
 * What a dead process had: the job it was working on is blamed; the others were only near. When
 * several of its threads had one, it is the one that took too long; otherwise nobody knows, and
 * each is tried alone. One that was handed over alone is blamed even if it seems never begun, or it
 * could go round for ever. @why NULL: it was no fault of any message.
 */
void worker_return_jobs(struct worker *w, bool guilty, const char *why)
{
	uint32_t posted = 0, running = 0;

	jobs_leftover(w->jobs, &posted, &running);
	for (unsigned i = 0; i < JOBS_SLOTS; i++) {
		struct msg *m = w->slots[i];

		if (m == NULL)
			continue;
		worker_give_back(w, m);
		if (why != NULL && ((guilty && (running & (1u << i)) != 0) || m->alone)) {
			(void)err_set(&m->why, ERR_TEMP, -ECONNABORTED, "%s", why);
			charge_worker(m);
			life_scan_failed(m, true);
		} else {
			wait_again(m);
		}
	}
}

bool worker_timed_out(const struct worker *first)
{
	for (unsigned i = 0; i < first->zygote->threads_n; i++)
		if (first[i].timed_out)
			return true;
	return false;
}

/* The thread whose message ended the process; NULL: it may have been any of several. */
static const struct worker *culprit(const struct worker *first)
{
	const struct worker *found = NULL;
	uint32_t posted = 0, running = 0;
	unsigned n = 0;

	/* We ended it: the message that gave us the reason has been dealt with. */
	if (first->state == WORKER_ENDING && first->zygote->threads_n > 1 &&
	    !worker_timed_out(first))
		return NULL;
	for (unsigned i = 0; i < first->zygote->threads_n; i++) {
		if (first[i].timed_out)
			return &first[i];
		jobs_leftover(first[i].jobs, &posted, &running);
		if (running == 0)
			continue;
		found = &first[i];
		n++;
	}
	return n == 1 ? found : NULL;
}

void worker_describe_end(const struct worker *w, int status, const char *text, char *out,
			 size_t size)
{
	if (text[0] != '\0')
		(void)snprintf(out, size, "the scan worker could not start: %s", text);
	else if (worker_timed_out(w))
		(void)snprintf(out, size, "its scan took longer than Message Time Limit = %d s",
			       (int)conf_num(w->zygote->site->conf, OPT_MESSAGE_TIME_LIMIT, NULL));
	else if (WIFSIGNALED(status))
		(void)snprintf(out, size, "the scan worker died of signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(out, size, "the scan worker ended with status %d",
			       WEXITSTATUS(status));
}

void worker_return_all(struct worker *first, const char *why)
{
	const struct worker *guilty = culprit(first);

	for (unsigned i = 0; i < first->zygote->threads_n; i++) {
		if (first->pool->cache != NULL)
			verdict_cache_take_back(first->pool->cache, first[i].teller);
		worker_return_jobs(&first[i], &first[i] == guilty, why);
	}
}
