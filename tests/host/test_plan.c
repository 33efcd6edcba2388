/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/plan: which core does what, on hosts that this one is not. */
#include "host/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/t.h"

/* Packages, nodes in each, cores in each node, threads of each core. As on most hosts the kernel
 * numbers the first threads of all cores, then the second ones. */
struct shape {
	unsigned packages, nodes, cores, threads;
};

static struct host *make(const struct shape *s)
{
	unsigned cores_n = s->packages * s->nodes * s->cores, n = cores_n * s->threads;
	struct host *h = calloc(1, sizeof(*h));

	h->cpus = calloc(n, sizeof(*h->cpus));
	h->cpus_n = n;
	for (unsigned i = 0; i < n; i++) {
		unsigned core = i % cores_n;

		h->cpus[i] = (struct host_cpu){
			.cpu = (uint16_t)i,
			.core = (uint16_t)core,
			.thread = (uint16_t)(i / cores_n),
			.node = (uint16_t)(core / s->cores),
			.package = (uint16_t)(core / (s->cores * s->nodes)),
		};
	}
	host_count(h);
	return h;
}

static const struct {
	const char *name;
	struct shape shape;
	int64_t workers, threads;
	const char *allowed, *cores, *loop, *numa;
	unsigned want_workers, want_threads;
	int want_loop;
	const char *want_scan; /* processors in the order of the scan threads */
	const char *says;      /* part of a note; NULL: no note */
} cases[] = {
	{ "one core", { 1, 1, 1, 1 }, 5, 1, "0", NULL, NULL, NULL, 1, 1, -1, "0", NULL },
	{ "two cores",
	  { 1, 1, 2, 1 },
	  0,
	  1,
	  "0-1",
	  "auto",
	  "auto",
	  "spread",
	  2,
	  1,
	  -1,
	  "0 1",
	  NULL },
	{ "two cores, one wanted", { 1, 1, 2, 1 }, 1, 1, "0-1", "", "", "", 1, 1, -1, "0", NULL },
	{ "two cores, five wanted",
	  { 1, 1, 2, 1 },
	  5,
	  1,
	  "0-1",
	  "",
	  "",
	  "",
	  2,
	  1,
	  -1,
	  "0 1",
	  NULL },
	{ "two cores, one allowed", { 1, 1, 2, 1 }, 0, 1, "1", "", "", "", 1, 1, -1, "1", NULL },
	{ "two cores, loop on one", { 1, 1, 2, 1 }, 0, 1, "0-1", "", "1", "", 1, 1, 1, "0", NULL },
	{ "one core, loop on it", { 1, 1, 1, 1 }, 0, 1, "0", "", "0", "", 1, 1, 0, "0", NULL },
	{ "first threads first", { 1, 1, 2, 2 }, 3, 1, "0-3", "", "", "", 3, 1, -1, "0 1 2", NULL },
	{ "seven cores: no loop core",
	  { 1, 1, 7, 1 },
	  0,
	  1,
	  "0-6",
	  "",
	  "",
	  "",
	  7,
	  1,
	  -1,
	  "0 1 2 3 4 5 6",
	  NULL },
	{ "eight cores: loop core",
	  { 1, 1, 8, 1 },
	  0,
	  1,
	  "0-7",
	  "",
	  "",
	  "",
	  7,
	  1,
	  0,
	  "1 2 3 4 5 6 7",
	  NULL },
	{ "eight cores, none", { 1, 1, 8, 1 }, 2, 1, "0-7", "", "none", "", 2, 1, -1, "0 1", NULL },
	{ "four cores of two threads are four",
	  { 1, 1, 4, 2 },
	  0,
	  1,
	  "0-7",
	  "",
	  "",
	  "",
	  8,
	  1,
	  -1,
	  "0 1 2 3 4 5 6 7",
	  NULL },
	{ "the loop's core with both threads",
	  { 1, 1, 8, 2 },
	  0,
	  1,
	  "0-15",
	  "",
	  "",
	  "",
	  14,
	  1,
	  0,
	  "1 2 3 4 5 6 7 9 10 11 12 13 14 15",
	  NULL },
	{ "two nodes in turn",
	  { 2, 1, 8, 2 },
	  6,
	  1,
	  "0-31",
	  "",
	  "",
	  "",
	  6,
	  1,
	  0,
	  "1 8 2 9 3 10",
	  NULL },
	{ "one node of two",
	  { 2, 1, 4, 1 },
	  0,
	  1,
	  "0-7",
	  "",
	  "none",
	  "1",
	  4,
	  1,
	  -1,
	  "4 5 6 7",
	  NULL },
	{ "a node that is not there",
	  { 1, 1, 2, 1 },
	  0,
	  1,
	  "0-1",
	  "",
	  "",
	  "3",
	  2,
	  1,
	  -1,
	  "0 1",
	  "Scan NUMA" },
	{ "four nodes", { 2, 2, 2, 1 }, 4, 1, "0-7", "", "none", "", 4, 1, -1, "0 2 4 6", NULL },
	{ "list", { 1, 1, 8, 1 }, 0, 1, "0-7", "2,5-6", "", "", 3, 1, 0, "2 5 6", NULL },
	{ "list of all: no core is left for the loop",
	  { 1, 1, 8, 1 },
	  0,
	  1,
	  "0-7",
	  "0-7",
	  "",
	  "",
	  8,
	  1,
	  -1,
	  "0 1 2 3 4 5 6 7",
	  NULL },
	{ "list that is not there",
	  { 1, 1, 2, 1 },
	  0,
	  1,
	  "0-1",
	  "7-9",
	  "",
	  "",
	  2,
	  1,
	  -1,
	  "0 1",
	  "Scan Cores" },
	{ "list outside what is allowed",
	  { 1, 1, 4, 1 },
	  0,
	  1,
	  "0-1",
	  "2-3",
	  "",
	  "",
	  2,
	  1,
	  -1,
	  "0 1",
	  "Scan Cores" },
	{ "loop outside what is allowed",
	  { 1, 1, 4, 1 },
	  0,
	  1,
	  "0-1",
	  "",
	  "3",
	  "",
	  2,
	  1,
	  -1,
	  "0 1",
	  "Loop Core" },
	{ "two threads", { 1, 1, 4, 1 }, 0, 2, "0-3", "", "", "", 2, 2, -1, "0 1 2 3", NULL },
	{ "three threads on seven",
	  { 1, 1, 7, 1 },
	  0,
	  3,
	  "0-6",
	  "",
	  "",
	  "",
	  2,
	  3,
	  -1,
	  "0 1 2 3 4 5",
	  NULL },
	{ "more threads than cores",
	  { 1, 1, 2, 1 },
	  1,
	  4,
	  "0-1",
	  "",
	  "",
	  "",
	  1,
	  2,
	  -1,
	  "0 1",
	  "Scan Threads" },
	{ "threads of a worker in one node",
	  { 2, 1, 3, 1 },
	  0,
	  2,
	  "0-5",
	  "",
	  "none",
	  "",
	  3,
	  2,
	  -1,
	  "0 1 3 4 2 5",
	  NULL },
};

static void order(const struct plan *p, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < p->workers_n * p->threads_n && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%d", i > 0 ? " " : "", p->scan[i].cpu);
}

static bool has_note(const struct plan *p, const char *says)
{
	for (unsigned i = 0; i < p->notes_n; i++)
		if (strstr(p->notes[i], says) != NULL)
			return true;
	return false;
}

static void test_cases(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(host_free) struct host *h = make(&cases[i].shape);
		struct plan_wish w = { .workers = cases[i].workers,
				       .threads = cases[i].threads,
				       .scan_cores = cases[i].cores,
				       .loop_core = cases[i].loop,
				       .numa = cases[i].numa };
		struct plan p;
		char got[256];

		T_OK(cpus_parse(bytes_str(cases[i].allowed), &w.allowed, NULL) == 0, "%s",
		     cases[i].name);
		plan_make(&p, h, &w);
		order(&p, got, sizeof(got));
		T_OK(p.workers_n == cases[i].want_workers && p.threads_n == cases[i].want_threads,
		     "  %u workers of %u", p.workers_n, p.threads_n);
		T_OK(p.loop_cpu == cases[i].want_loop, "  loop on %d", p.loop_cpu);
		T_OK(strcmp(got, cases[i].want_scan) == 0, "  scan on %s", got);
		T_OK(cases[i].says == NULL ? p.notes_n == 0 : has_note(&p, cases[i].says),
		     "  notes: %s", p.notes_n > 0 ? p.notes[0] : "none");
	}
}

static void test_nodes(void)
{
	const struct shape two = { 2, 1, 3, 1 }, one = { 1, 1, 6, 1 };
	struct plan_wish w = { .threads = 2, .loop_core = "none", .allowed = { { 0x3f } } };
	AUTO(host_free) struct host *h = make(&two), *single = make(&one);
	struct plan p;

	plan_make(&p, h, &w);
	T_OK(p.scan[0].node == 0 && p.scan[1].node == 0 && p.scan[2].node == 1 &&
		     p.scan[3].node == 1 && p.scan[4].node == -1 && p.scan[5].node == -1,
	     "memory is bound for workers that are in one node");
	plan_make(&p, single, &w);
	T_OK(p.scan[0].node == -1, "and not at all on a host with one node");
	host_free(&single);
}

/* More than there are numbers for: the table ends, not the process. */
static void test_large(void)
{
	const struct shape shape = { 2, 4, 64, 2 };
	struct plan_wish w = { .loop_core = "auto" };
	AUTO(host_free) struct host *h = make(&shape);
	struct plan p;

	memset(&w.allowed, 0xff, sizeof(w.allowed));
	plan_make(&p, h, &w);
	T_OK(p.workers_n == PLAN_SCAN_MAX && p.loop_cpu == 0 && cpus_count(&p.scan_cpus) == 256,
	     "1024 processors: %u workers", p.workers_n);
	w.threads = 16;
	plan_make(&p, h, &w);
	T_OK(p.workers_n == 16 && p.threads_n == 16, "%u workers of %u", p.workers_n, p.threads_n);
}

/* A container on eight cores with the time of some. */
static void test_group(void)
{
	static const struct {
		uint32_t percent;
		int64_t workers, threads;
		unsigned want;
		const char *says; /* part of a note */
	} groups[] = {
		{ 0, 0, 1, 8, NULL },
		{ 200, 0, 1, 2, NULL },
		{ 150, 0, 1, 2, NULL },
		{ 1, 0, 1, 1, NULL },
		{ 5000, 0, 1, 8, NULL },
		{ 300, 0, 2, 1, NULL },
		{ 200, 2, 1, 2, NULL },
		{ 150, 5, 1, 5, "the time of 1.50 processors; auto would start 2" },
	};
	struct host *h = make(&(struct shape){ 1, 1, 8, 1 });
	struct plan p;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		struct plan_wish w = { .workers = groups[i].workers,
				       .threads = groups[i].threads,
				       .loop_core = "none",
				       .allowed = { { 0xff } },
				       .group = { .cpu_percent = groups[i].percent } };

		plan_make(&p, h, &w);
		T_OK(p.workers_n == groups[i].want, "%u %% of a processor: %u workers",
		     groups[i].percent, p.workers_n);
		T_OK(groups[i].says == NULL ? p.notes_n == 0
					    : p.notes_n == 1 && strstr(p.notes[0], groups[i].says),
		     "  %s", p.notes_n == 0 ? "without a note" : p.notes[0]);
	}
	T_OK(strstr(p.why, "the time of 1.50") != NULL, "it is told: %s", p.why);
	host_free(&h);
}

int main(void)
{
	test_cases();
	test_group();
	test_nodes();
	test_large();
	return t_done();
}
