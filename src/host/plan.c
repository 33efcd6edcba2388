/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/plan.c - from wishes and topology to cores. */
#include "host/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/num.h"

/* A host of which nothing is known is one core that is not pinned. */
#define UNKNOWN_CPU (-1)

static void PRINTF(2, 3) note(struct plan *p, const char *fmt, ...)
{
	va_list args;

	if (p->notes_n == PLAN_NOTES_MAX)
		return;
	va_start(args, fmt);
	(void)vsnprintf(p->notes[p->notes_n++], sizeof(p->notes[0]), fmt, args);
	va_end(args);
}

static bool is_word(const char *text, const char *word)
{
	struct bytes b = bytes_trim(bytes_str(text));

	return b.n == 0 || bytes_eq_nocase(b, bytes_str(word));
}

/* The list in @text within @of; everything when there is none, or nothing is left of it. */
static bool listed(struct plan *p, const char *option, const char *text, const char *word,
		   const struct cpus *of, struct cpus *ret_set)
{
	struct cpus set;

	*ret_set = *of;
	if (is_word(text, word) || cpus_parse(bytes_str(text), &set, NULL) < 0)
		return false;
	set = cpus_and(&set, of);
	if (cpus_count(&set) == 0) {
		note(p, "%s = %.60s: none of them may be used here; all are", option, text);
		return false;
	}
	*ret_set = set;
	return true;
}

/* --- the loop's core --- */

static unsigned cores_in(const struct host *h, const struct cpus *set)
{
	struct cpus seen = { { 0 } };

	for (unsigned i = 0; i < h->cpus_n; i++)
		if (cpus_has(set, h->cpus[i].cpu))
			cpus_add(&seen, h->cpus[i].core);
	return cpus_count(&seen);
}

/* Without the core of @cpu, its other threads included; as it was if nothing is left. */
static void spare_core(const struct host *h, unsigned cpu, struct cpus *set)
{
	const struct host_cpu *of = host_cpu_of(h, cpu);
	struct cpus rest = *set;

	for (unsigned i = 0; of != NULL && i < h->cpus_n; i++)
		if (h->cpus[i].core == of->core)
			cpus_remove(&rest, h->cpus[i].cpu);
	if (cpus_count(&rest) > 0)
		*set = rest;
}

static int automatic_loop(const struct host *h, const struct cpus *allowed, const struct cpus *scan,
			  bool listed_scan)
{
	struct cpus rest = *allowed;

	if (cores_in(h, allowed) < PLAN_LOOP_CORES)
		return -1;
	/* Cores the administrator gave to scanning stay with it. */
	for (unsigned i = 0; listed_scan && i < CPUS_MAX; i++)
		if (cpus_has(scan, i))
			cpus_remove(&rest, i);
	return cpus_next(&rest, 0);
}

static void choose_loop(struct plan *p, const struct host *h, const struct plan_wish *w,
			const struct cpus *allowed, struct cpus *scan, bool listed_scan)
{
	struct bytes text = bytes_trim(bytes_str(w->loop_core));
	uint64_t cpu;

	p->loop_cpu = -1;
	if (is_word(w->loop_core, "auto"))
		p->loop_cpu = automatic_loop(h, allowed, scan, listed_scan);
	else if (num_parse(text, 10, CPUS_MAX - 1, &cpu) == 0 && cpus_has(allowed, (unsigned)cpu))
		p->loop_cpu = (int)cpu;
	else if (!bytes_eq_nocase(text, BYTES("none")))
		note(p, "Loop Core = %.40s may not be used here; the loop is not pinned",
		     w->loop_core);
	if (p->loop_cpu >= 0)
		spare_core(h, (unsigned)p->loop_cpu, scan);
}

/* --- scan threads --- */

/* Position of @c among those of its node: threads of cores last. */
static bool before(const struct host_cpu *a, const struct host_cpu *b)
{
	return a->thread != b->thread ? a->thread < b->thread : a->cpu < b->cpu;
}

/* The next processor of @set, in @node (-1: any); taken out of it. NULL: none. */
static const struct host_cpu *take(const struct host *h, struct cpus *set, int node)
{
	const struct host_cpu *best = NULL;

	for (unsigned i = 0; i < h->cpus_n; i++) {
		const struct host_cpu *c = &h->cpus[i];

		if (cpus_has(set, c->cpu) && (node < 0 || c->node == node) &&
		    (best == NULL || before(c, best)))
			best = c;
	}
	if (best != NULL)
		cpus_remove(set, best->cpu);
	return best;
}

static unsigned left_in(const struct host *h, const struct cpus *set, unsigned node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->cpus_n; i++)
		n += cpus_has(set, h->cpus[i].cpu) && h->cpus[i].node == node;
	return n;
}

/* The next node, in turn, that has room for a whole worker; -1: none. */
static int next_node(const struct host *h, const struct cpus *set, unsigned threads, unsigned *turn)
{
	for (unsigned i = 0; i < h->nodes_n; i++) {
		unsigned at = (*turn + i) % h->nodes_n;

		if (left_in(h, set, h->nodes[at].node) < threads)
			continue;
		*turn = at + 1;
		return (int)h->nodes[at].node;
	}
	return -1;
}

static void place_workers(struct plan *p, const struct host *h, const struct cpus *scan)
{
	struct cpus left = *scan;
	unsigned turn = 0;

	for (unsigned w = 0; w < p->workers_n; w++) {
		int node = next_node(h, &left, p->threads_n, &turn);

		for (unsigned t = 0; t < p->threads_n; t++) {
			const struct host_cpu *c = take(h, &left, node);
			unsigned i = w * p->threads_n + t;

			p->scan[i].cpu = c == NULL ? UNKNOWN_CPU : (int16_t)c->cpu;
			p->scan[i].node = h->nodes_n > 1 ? (int16_t)node : -1;
			if (c != NULL)
				cpus_add(&p->scan_cpus, c->cpu);
		}
	}
}

/* Workers that the control group's time keeps busy, at least one. More of them would be stopped
 * together until the next period begins, each with a message in hand. */
static unsigned worth(const struct plan_wish *w, unsigned threads_n)
{
	if (w->group.cpu_percent == 0)
		return PLAN_SCAN_MAX;
	return MAX_OF((w->group.cpu_percent + 99) / 100 / threads_n, 1u);
}

static void size_workers(struct plan *p, const struct plan_wish *w, unsigned cpus_n)
{
	unsigned room, threads = (unsigned)MIN_OF(MAX_OF(w->threads, 1), (int64_t)PLAN_THREADS_MAX);

	p->threads_n = MIN_OF(threads, cpus_n);
	if (p->threads_n < threads)
		note(p, "Scan Threads = %u: only %u cores scan; %u in each worker", threads, cpus_n,
		     p->threads_n);
	room = MIN_OF(cpus_n, PLAN_SCAN_MAX) / p->threads_n;
	p->workers_n = w->workers <= 0 ? MIN_OF(room, worth(w, p->threads_n))
				       : (unsigned)MIN_OF(w->workers, (int64_t)room);
	if (w->workers > 0 && p->workers_n > worth(w, p->threads_n))
		note(p,
		     "Max Children = %u: the control group gives the time of %u.%02u processors; "
		     "auto would start %u",
		     p->workers_n, w->group.cpu_percent / 100, w->group.cpu_percent % 100,
		     MIN_OF(room, worth(w, p->threads_n)));
}

static void explain(struct plan *p, const struct host *h, const struct plan_wish *w,
		    unsigned cores_n, unsigned scan_n)
{
	char loop[80], group[60] = "";

	if (w->group.cpu_percent > 0)
		(void)snprintf(group, sizeof(group),
			       ", the control group gives the time of %u.%02u",
			       w->group.cpu_percent / 100, w->group.cpu_percent % 100);
	if (p->loop_cpu >= 0)
		(void)snprintf(loop, sizeof(loop), "the loop on core %d, which does not scan",
			       p->loop_cpu);
	else if (is_word(w->loop_core, "auto") && cores_n < PLAN_LOOP_CORES)
		(void)snprintf(loop, sizeof(loop), "no core for the loop alone (from %u cores on)",
			       PLAN_LOOP_CORES);
	else
		(void)snprintf(loop, sizeof(loop), "no core for the loop alone");
	(void)snprintf(p->why, sizeof(p->why),
		       "%u logical processors on %u cores and %u nodes may be used%s; %s; %u may "
		       "scan%s",
		       cpus_count(&w->allowed), cores_n, h->nodes_n, group, loop, scan_n,
		       w->workers <= 0 ? "" : ", Max Children sets how many do");
}

/* Processors that are online, allowed and of a chosen node. */
static struct cpus usable(struct plan *p, const struct host *h, const struct plan_wish *w)
{
	struct cpus online = { { 0 } }, nodes = { { 0 } }, chosen, set = { { 0 } };

	for (unsigned i = 0; i < h->cpus_n; i++) {
		cpus_add(&nodes, h->cpus[i].node);
		cpus_add(&online, h->cpus[i].cpu);
	}
	(void)listed(p, "Scan NUMA", w->numa, "spread", &nodes, &chosen);
	online = cpus_and(&online, &w->allowed);
	for (unsigned i = 0; i < h->cpus_n; i++)
		if (cpus_has(&online, h->cpus[i].cpu) && cpus_has(&chosen, h->cpus[i].node))
			cpus_add(&set, h->cpus[i].cpu);
	if (cpus_count(&set) > 0)
		return set;
	note(p, "Scan NUMA = %.40s: no core there may be used; all are", w->numa);
	return online;
}

void plan_make(struct plan *ret_p, const struct host *h, const struct plan_wish *w)
{
	struct cpus of_nodes, scan;
	bool listed_scan;
	unsigned n;

	*ret_p = (struct plan){ .loop_cpu = -1 };
	of_nodes = usable(ret_p, h, w);
	listed_scan = listed(ret_p, "Scan Cores", w->scan_cores, "auto", &of_nodes, &scan);
	choose_loop(ret_p, h, w, &w->allowed, &scan, listed_scan);
	n = cpus_count(&scan);
	size_workers(ret_p, w, MAX_OF(n, 1u));
	place_workers(ret_p, h, &scan);
	explain(ret_p, h, w, cores_in(h, &w->allowed), n);
}
