/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker with several scan threads: each answers on its own table while the others are busy, has
 * a deep stack and its processor; one that crashes takes the process with it, and the tables say
 * what each had in hand. What a scan leaves in the directory goes when nobody scans any more.
 */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/t.h"
#include "tests/worker/rig.h"
#include "tests/worker/tiny.h"

enum { THREADS = 3 };

/* rig_post() and rig_result() go to the last thread: make it thread @t. */
static void face(struct rig *r, unsigned *facing, unsigned t)
{
	struct rig_worker *w = &r->w[0];
	struct rig_lane *home = &w->others[*facing], *next = &w->others[t];

	if (t == *facing)
		return;
	*home = (struct rig_lane){ w->jobs, w->sock, w->event_fd };
	w->jobs = next->jobs;
	w->sock = next->sock;
	w->event_fd = next->event_fd;
	*next = (struct rig_lane){ .sock = -1, .event_fd = -1 };
	*facing = t;
}

static bool say(struct rig *r, const char *text, const char *want)
{
	char out[400] = "";
	unsigned slot;

	(void)rig_post(r, 0, text);
	if (!rig_result(r, 0, &slot, out, sizeof(out)))
		return false;
	if (strcmp(out, want) != 0)
		printf("# '%s' instead of '%s'\n", out, want);
	return strcmp(out, want) == 0;
}

static bool wait_running(const struct jobs *j)
{
	uint32_t posted, running = 0;

	for (int i = 0; i < 30000 && running == 0; i++) {
		jobs_leftover(j, &posted, &running);
		if (running == 0)
			(void)poll(NULL, 0, 1);
	}
	return running != 0;
}

static void check_answers(struct rig *r, unsigned *facing)
{
	for (unsigned t = 0; t < THREADS; t++) {
		face(r, facing, t);
		T_OK(say(r, "echo hello", "hello"), "thread %u answers", t);
		T_OK(say(r, "stack 48", "deep"), "  has 48 MB of stack");
		T_OK(say(r, "charset CP1252", "known"), "  knows character sets");
	}
}

/* Two threads are busy for ever, the third works. */
static void check_side_by_side(struct rig *r, unsigned *facing)
{
	const struct jobs *busy[2];

	for (unsigned t = 0; t < 2; t++) {
		face(r, facing, t);
		(void)rig_post(r, 0, "hang");
		busy[t] = r->w[0].jobs;
		T_OK(wait_running(busy[t]), "thread %u is busy", t);
	}
	face(r, facing, 2);
	T_OK(say(r, "echo still-here", "still-here"), "the third works on");
	T_OK(say(r, "file kept", "made") && say(r, "files", "1 files"),
	     "what it leaves stays while others scan");
}

/* The crash of one: the others' jobs are seen to have been running too. */
static void check_crash(struct rig *r, unsigned *facing)
{
	const struct jobs *tables[THREADS];
	char out[400] = "";
	unsigned slot, seen = 0;

	(void)rig_post(r, 0, "crash");
	T_OK(!rig_result(r, 0, &slot, out, sizeof(out)) && WIFSIGNALED(r->last.status) &&
		     WTERMSIG(r->last.status) == SIGSEGV,
	     "a crash ends the process");
	for (unsigned t = 0; t < THREADS; t++) {
		uint32_t posted = 0, running = 0;

		tables[t] = t == *facing ? r->w[0].jobs : r->w[0].others[t].jobs;
		jobs_leftover(tables[t], &posted, &running);
		seen += posted == 0 && __builtin_popcount(running) == 1;
	}
	T_OK(seen == THREADS, "%u tables tell of one job each that was running", seen);
	rig_forget(r, 0);
}

static void check_tidy(struct rig *r)
{
	rig_spawn(r, 0, -1);
	T_OK(say(r, "files", "0 files"), "the next worker finds an empty directory");
	T_OK(say(r, "file left", "made") && say(r, "files", "0 files"),
	     "what a scan leaves is gone when nobody scans");
}

/* What the kernel says about memory it will give to @pid; false: it says nothing of the kind. */
static bool memory_policy(pid_t pid, const char *part, bool *ret_known)
{
	char path[64], line[1024];
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/numa_maps", (int)pid);
	f = fopen(path, "re");
	*ret_known = f != NULL;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found |= strstr(line, part) != NULL;
	if (f != NULL)
		(void)fclose(f);
	return found;
}

static void check_node(struct rig *r)
{
	bool known;

	T_OK(!memory_policy(r->w[0].pid, " prefer:0", &known), "a worker has no node of its own");
	if (!known) {
		printf("# skipped: memory nodes, this kernel has no numa_maps (or we are not "
		       "root)\n");
		return;
	}
	rig_kill(r, 0);
	(void)rig_exited(r, 0);
	r->node = 1;
	rig_spawn(r, 0, -1);
	T_OK(say(r, "echo there", "there"), "a worker with a node works");
	T_OK(memory_policy(r->w[0].pid, " prefer:0", &known), "and prefers its memory");
}

static unsigned count_tasks(pid_t pid)
{
	char path[64];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		(void)closedir(d);
	return n;
}

int main(void)
{
	struct client_setup setup;
	unsigned facing = THREADS - 1;
	struct rig r;

	tiny_begin();
	setup = tiny_setup();
	rig_start(&r, &setup);
	r.threads = THREADS;
	rig_spawn(&r, 0, -1);
	check_answers(&r, &facing);
	T_OK(count_tasks(r.w[0].pid) == THREADS, "%u threads", count_tasks(r.w[0].pid));
	check_side_by_side(&r, &facing);
	check_crash(&r, &facing);
	check_tidy(&r);
	check_node(&r);
	T_OK(rig_stop(&r) == 0, "the zygote ends as it should");
	tiny_end();
	return t_done();
}
