/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/cores.h - this host's cores: which of them scan, and the gateway's loop on its own. */
#ifndef MSG_CORES_H
#define MSG_CORES_H

#include "conf/conf.h"
#include "host/plan.h"

struct cores {
	struct host *host;
	struct cpus allowed; /* what we were started with, before the loop was pinned */
	struct host_group group;
	int loop_cpu;  /* -1: not pinned */
	bool realtime; /* the loop is in a real-time class */
};

/* Read the topology; blocking, start only. A host that cannot be read is one core for each
 * processor we may use. */
int cores_init(struct cores *c, struct err *err) MUST_CHECK;
void cores_fini(struct cores *c);

/* What the options of @conf make of it. What cannot be had is logged when @tell. */
void cores_plan(const struct cores *c, const struct conf *conf, bool tell, struct plan *ret_p);

/* The calling thread, which is the loop, onto its core and into its class (options Loop Core and
 * Loop Realtime); what the host refuses is logged. Once, at the start. */
void cores_place_loop(struct cores *c, const struct conf *conf, int cpu);

/* How long the loop may run in a real-time class without a pause (RLIMIT_RTTIME). */
#define CORES_SLICE_US 1000000

/* Several times within CORES_SLICE_US: a moment's pause, so that only a loop that is stuck loses
 * its class, not one that has much to do. One that lost it is logged. Nothing without such a class.
 */
void cores_watch_loop(struct cores *c);
/* Around work that takes long by its nature: reading a configuration. */
void cores_allow_long(bool begins);

/* Around the start of a program that is not ours: it may run anywhere. */
void cores_leave_loop(const struct cores *c);
void cores_back_to_loop(const struct cores *c);

#endif
