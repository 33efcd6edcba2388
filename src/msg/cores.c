/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/cores.c - the plan of host/plan.h for this host and configuration. */
#include "msg/cores.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/log.h"

#define LONG_WORK_US 30000000
#define PAUSE_NS     50000

/* --- topology --- */

/* Without sysfs. */
static int make_plain_host(struct cores *c, struct err *err)
{
	struct host *h = calloc(1, sizeof(*h));

	c->host = h;
	if (h != NULL)
		h->cpus = calloc(cpus_count(&c->allowed), sizeof(*h->cpus));
	if (h == NULL || h->cpus == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "cores: out of memory");
	for (int i = cpus_next(&c->allowed, 0); i >= 0; i = cpus_next(&c->allowed, (unsigned)i + 1))
		h->cpus[h->cpus_n++] = (struct host_cpu){ .cpu = (uint16_t)i, .core = (uint16_t)i };
	host_count(h);
	return 0;
}

int cores_init(struct cores *c, struct err *err)
{
	*c = (struct cores){ .loop_cpu = -1 };
	host_allowed(&c->allowed);
	host_group_read(&c->group, "");
	if (host_read(&c->host, "", err) == 0)
		return 0;
	log_warning("topology: %s; every processor counts as a core", err->text);
	return make_plain_host(c, err);
}

void cores_fini(struct cores *c)
{
	host_free(&c->host);
}

void cores_plan(const struct cores *c, const struct conf *conf, bool tell, struct plan *ret_p)
{
	struct plan_wish w = { .workers = conf_num(conf, OPT_MAX_CHILDREN, NULL),
			       .threads = conf_num(conf, OPT_SCAN_THREADS, NULL),
			       .scan_cores = conf_str(conf, OPT_SCAN_CORES, NULL),
			       .loop_core = conf_str(conf, OPT_LOOP_CORE, NULL),
			       .numa = conf_str(conf, OPT_SCAN_NUMA, NULL),
			       .allowed = c->allowed,
			       .group = c->group };
	char cores[160];

	plan_make(ret_p, c->host, &w);
	for (unsigned i = 0; tell && i < ret_p->notes_n; i++)
		log_warning("%s", ret_p->notes[i]);
	if (tell)
		log_info("Scanning with %u workers of %u threads on cores %s; the loop %s",
			 ret_p->workers_n, ret_p->threads_n,
			 cpus_text(&ret_p->scan_cpus, cores, sizeof(cores)),
			 c->loop_cpu < 0 ? "runs anywhere" : "has its own core");
}

/* --- the loop --- */

static void run_on(int cpu, const struct cpus *all)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < CPUS_MAX; i++)
		if (cpu >= 0 ? i == (unsigned)cpu : cpus_has(all, i))
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0 && cpu >= 0)
		log_warning("Loop Core = %d: %s; the loop runs anywhere", cpu, strerror(errno));
}

/* RLIMIT_RTTIME was reached: without it a loop that never sleeps takes a core from everybody. */
static void become_normal(int sig UNUSED)
{
	struct sched_param p = { .sched_priority = 0 };

	(void)sched_setscheduler(0, SCHED_OTHER, &p);
}

static bool is_normal(void)
{
	return (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER;
}

void cores_allow_long(bool begins)
{
	struct rlimit r = { begins ? LONG_WORK_US : CORES_SLICE_US, RLIM_INFINITY };

	if (!is_normal())
		(void)setrlimit(RLIMIT_RTTIME, &r);
}

void cores_watch_loop(struct cores *c)
{
	static const struct timespec moment = { 0, PAUSE_NS };

	if (!c->realtime)
		return;
	if (!is_normal()) {
		(void)nanosleep(&moment, NULL); /* the kernel counts from the last sleep on */
		return;
	}
	c->realtime = false;
	log_warning("Loop Realtime: the loop ran too long without a pause and is in the normal "
		    "class now, until the next start");
}

/* The supervisor gave us the right and the limit (daemon/children.c). */
static bool become_realtime(const struct conf *conf, const char *class)
{
	int policy = strcmp(class, "fifo") == 0 ? SCHED_FIFO : SCHED_RR;
	int priority = (int)conf_num(conf, OPT_LOOP_REALTIME_PRIORITY, NULL);
	struct sched_param p = { .sched_priority = priority };
	struct rlimit none = { 0, 0 };

	(void)signal(SIGXCPU, become_normal);
	/* What we start, the MTA's command above all, is normal again. */
	if (sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p) < 0) {
		log_warning(
			"Loop Realtime = %s, priority %d: %s; the loop stays in the normal class "
			"(the daemon needs CAP_SYS_NICE or RLIMIT_RTPRIO; in a container the "
			"cgroup may have no real-time share)",
			class, priority, strerror(errno));
		return false;
	}
	(void)setrlimit(RLIMIT_RTPRIO, &none);
	log_info("Loop Realtime: class %s, priority %d", class, priority);
	return true;
}

void cores_place_loop(struct cores *c, const struct conf *conf, int cpu)
{
	const char *class = conf_words(conf, OPT_LOOP_REALTIME, NULL);

	c->loop_cpu = cpu;
	cores_back_to_loop(c);
	if (strcmp(class, "no") != 0)
		c->realtime = become_realtime(conf, class);
}

void cores_leave_loop(const struct cores *c)
{
	if (c->loop_cpu >= 0)
		run_on(-1, &c->allowed);
}

void cores_back_to_loop(const struct cores *c)
{
	if (c->loop_cpu >= 0)
		run_on(c->loop_cpu, &c->allowed);
}
