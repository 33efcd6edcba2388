/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/host_bench.c - processes on cores, and two kinds of work for them. */
#include "tools/host_bench.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "scan/rule_set.h"

#define START_MS 30000 /* for all to be ready */

bool bench_interrupted(void)
{
	sigset_t pending;

	/* It stays pending: everybody who asks is told. */
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1);
}

double bench_per_s(const struct bench_rate *r)
{
	return r->wall_ns == 0 ? 0 : (double)r->units * 1e9 / (double)r->wall_ns;
}

double bench_per_cpu_s(const struct bench_rate *r)
{
	return r->cpu_ns == 0 ? 0 : (double)r->units * 1e9 / (double)r->cpu_ns;
}

/* --- in the child --- */

struct answer {
	struct bench_counts counts;
	uint64_t wall_ns, cpu_ns;
	int code;
	char text[160];
};

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static int work_until(const struct bench_work *w, unsigned ms, struct answer *a, struct err *err)
{
	uint64_t start = clock_now_ns(), end = start + (uint64_t)ms * 1000000;
	uint64_t cpu = clock_thread_cpu_ns();
	int r = 0;

	while (r == 0 && clock_now_ns() < end)
		r = w->step(w->arg, &a->counts, err);
	a->wall_ns = clock_now_ns() - start;
	a->cpu_ns = clock_thread_cpu_ns() - cpu;
	return r;
}

/* Ready is one byte on @out; the end of @go begins the work. */
static void __attribute__((noreturn))
child(const struct bench_work *w, unsigned index, int cpu, unsigned ms, int out, int go)
{
	struct answer a = { .code = 0 };
	struct err err = { .text = "" };
	char byte = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	pin(cpu);
	a.code = w->prepare == NULL ? 0 : w->prepare(w->arg, index, &err);
	if (write(out, &byte, 1) != 1)
		_exit(1);
	(void)!read(go, &byte, 1);
	if (a.code == 0)
		a.code = work_until(w, ms, &a, &err);
	memcpy(a.text, err.text, MIN_OF(sizeof(a.text), sizeof(err.text)) - 1);
	_exit(write(out, &a, sizeof(a)) == (ssize_t)sizeof(a) ? 0 : 1);
}

/* --- the parent --- */

struct crew {
	unsigned n;
	int out[2], go[2]; /* all answer on one pipe: an answer is smaller than PIPE_BUF */
	pid_t pids[PLAN_SCAN_MAX];
};
_Static_assert(sizeof(struct answer) < 512, "written at once (PIPE_BUF is at least 512)");

static void close_pipes(struct crew *c)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&c->out[i]);
		fd_close(&c->go[i]);
	}
}

static void dismiss(struct crew *c, bool kill_them)
{
	close_pipes(c);
	for (unsigned i = 0; i < c->n; i++) {
		if (kill_them)
			(void)kill(c->pids[i], SIGKILL);
		while (waitpid(c->pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	}
}

static int hire(struct crew *c, const struct bench_work *w, const struct plan *plan, unsigned n,
		unsigned ms, struct err *err)
{
	if (pipe(c->out) < 0 || pipe(c->go) < 0)
		return err_errno(err, "%s: pipe", w->name);
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return err_errno(err, "%s: process %u", w->name, i);
		if (pid == 0) {
			fd_close(&c->go[1]);
			child(w, i, plan->scan[i].cpu, ms, c->out[1], c->go[0]);
		}
		c->pids[c->n++] = pid;
	}
	fd_close(&c->out[1]); /* or their end would not be seen */
	return 0;
}

/* Exactly @n bytes from the pipe of answers. */
static int take(const struct crew *c, void *to, size_t n, int ms, const char *name, struct err *err)
{
	struct pollfd p = { .fd = c->out[0], .events = POLLIN };
	uint64_t end = clock_now_ns() + (uint64_t)ms * 1000000;

	while (poll(&p, 1, 50) == 0) {
		if (bench_interrupted())
			return err_set(err, ERR_TEMP, -EINTR, "interrupted");
		if (clock_now_ns() > end)
			return err_set(err, ERR_TEMP, -ETIMEDOUT, "%s: no answer within %d s", name,
				       ms / 1000);
	}
	if (read(c->out[0], to, n) != (ssize_t)n)
		return err_set(err, ERR_TEMP, -ECHILD, "%s: a process of it died", name);
	return 0;
}

static int collect(struct crew *c, const struct bench_work *w, unsigned ms, struct bench_rate *ret,
		   struct err *err)
{
	struct answer a;
	char byte;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n; i++)
		r = take(c, &byte, 1, START_MS, w->name, err);
	fd_close(&c->go[1]);
	for (unsigned i = 0; r == 0 && i < c->n; i++) {
		r = take(c, &a, sizeof(a), (int)ms * 10 + START_MS, w->name, err);
		if (r == 0 && a.code < 0)
			r = err_set(err, ERR_TEMP, a.code, "%s: %.150s", w->name, a.text);
		if (r < 0)
			break;
		ret->units += a.counts.units;
		ret->more += a.counts.more;
		ret->cpu_ns += a.cpu_ns;
		ret->wall_ns = MAX_OF(ret->wall_ns, a.wall_ns);
	}
	return r;
}

int bench_run(const struct bench_work *w, const struct plan *plan, unsigned n, unsigned ms,
	      struct bench_rate *ret_r, struct err *err)
{
	struct crew c = { .out = { -1, -1 }, .go = { -1, -1 } };
	struct bench_rate rate = { .processes_n = n };
	int r = hire(&c, w, plan, n, ms, err);

	if (r == 0)
		r = collect(&c, w, ms, &rate, err);
	dismiss(&c, r < 0);
	if (r == 0)
		*ret_r = rate;
	return r;
}

/* --- memory --- */

#define COPY_BYTES (32 * MIB) /* of each side; larger than a core's share of any cache */

struct copy {
	uint8_t *from, *to;
};

static int copy_prepare(void *arg, unsigned index UNUSED, struct err *err)
{
	struct copy *c = arg;

	c->from = mmap(NULL, 2 * COPY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (c->from == MAP_FAILED)
		return err_errno(err, "64 MB of memory");
	c->to = c->from + COPY_BYTES;
	memset(c->from, 1, 2 * COPY_BYTES);
	return 0;
}

static int copy_step(void *arg, struct bench_counts *add, struct err *err UNUSED)
{
	struct copy *c = arg;

	memcpy(c->to, c->from, COPY_BYTES);
	__asm__ volatile("" : : "r"(c->to) : "memory"); /* the copy is wanted */
	add->units += COPY_BYTES;
	return 0;
}

struct bench_work bench_copy(void)
{
	static struct copy copy; /* each process has its own */

	return (struct bench_work){ "memory", copy_prepare, copy_step, &copy };
}

/* --- patterns: always the same, so that hosts can be compared --- */

enum { PATTERNS = 1000, PATTERN_BYTES = 12, TEXT_BYTES = 64 * 1024 };

struct match {
	struct rule_set *set;
	struct rule_work *work;
	char words[PATTERNS][PATTERN_BYTES + 1];
	struct rule_pattern patterns[PATTERNS];
	uint8_t text[TEXT_BYTES];
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

/* Patterns have a 'q' where text never has one: a match would end the work early. */
static void fill_match(struct match *m)
{
	uint32_t state = 1;

	for (size_t i = 0; i < PATTERNS; i++) {
		for (size_t k = 0; k < PATTERN_BYTES; k++)
			m->words[i][k] = k == PATTERN_BYTES / 2
						 ? 'q'
						 : (char)('a' + next_random(&state) % 16);
		m->patterns[i] = (struct rule_pattern){ m->words[i], "built in" };
	}
	for (size_t i = 0; i < TEXT_BYTES; i++) {
		uint32_t r = next_random(&state);

		m->text[i] = r % 7 == 0 ? ' ' : (uint8_t)('a' + r % 16);
	}
}

static int match_prepare(void *arg, unsigned index UNUSED, struct err *err)
{
	struct match *m = arg;
	int r;

	fill_match(m);
	r = rule_set_new(&m->set, m->patterns, PATTERNS, 0, err);
	if (r == 0)
		r = rule_work_new(&m->work, err);
	return r < 0 ? r : rule_work_fit(m->work, m->set, err);
}

static int match_step(void *arg, struct bench_counts *add, struct err *err)
{
	struct match *m = arg;
	struct bytes text = bytes_of(m->text, TEXT_BYTES);
	size_t pattern, subject;
	int r = rule_set_match(m->set, m->work, &text, 1, &pattern, &subject, err);

	add->units += TEXT_BYTES;
	return r;
}

struct bench_work bench_match(void)
{
	static struct match match; /* each process has its own */

	return (struct bench_work){ "match", match_prepare, match_step, &match };
}
