/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/worker/rig.h - a master by hand, for tests that look at single protocol steps and at more
 * than one worker. Steps that must work abort the test when they do not. */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include "loop/jobs.h"
#include "worker/client.h"

#define RIG_WORKERS 3

struct rig_lane {
	struct jobs *jobs;
	int sock, event_fd;
};

struct rig_worker {
	struct jobs *jobs; /* of its last thread */
	int sock, event_fd;
	struct rig_lane others[ZYGOTE_THREADS_MAX]; /* of the threads before it */
	pid_t pid;                                  /* 0: not running */
};

struct rig {
	int sock;
	pid_t zygote;
	unsigned threads; /* of each worker that is started from now on; 0 is one */
	unsigned node;    /* its memory node + 1; 0: no preference */
	struct rig_worker w[RIG_WORKERS];
	struct zygote_msg last; /* last message of the zygote */
};

/* Start a zygote, configure it, wait for READY. */
void rig_start(struct rig *r, const struct client_setup *setup);
/* QUIT, and wait for its end. Returns its status. */
int rig_stop(struct rig *r);

/* Start worker @i, wait for SPAWNED. @cache_fd may be -1. */
void rig_spawn(struct rig *r, unsigned i, int cache_fd);
/* Receive the zygote's next message within 60 s into @r->last, return its type. 0: none came. */
uint32_t rig_next(struct rig *r);
/* Wait for the EXITED of worker @i. Returns its status. */
int rig_exited(struct rig *r, unsigned i);
/* The worker ended, and its EXITED was seen: its tables and descriptors go. */
void rig_forget(struct rig *r, unsigned i);
void rig_kill(struct rig *r, unsigned i);

/* Post @text to worker @i and flush. Returns the slot. */
unsigned rig_post(struct rig *r, unsigned i, const char *text);
/* Wait for a result: its slot and subject or reason. False when the worker ended instead; then
 * @r->last is its EXITED. */
bool rig_result(struct rig *r, unsigned i, unsigned *ret_slot, char *out, size_t size);

#endif
