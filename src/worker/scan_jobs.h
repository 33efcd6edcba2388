/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/scan_jobs.h - take jobs, read the messages, scan them, answer: the loop of a worker. */
#ifndef WORKER_SCAN_JOBS_H
#define WORKER_SCAN_JOBS_H

#include <pthread.h>

#include "loop/jobs.h"
#include "loop/reader.h"
#include "worker/ops.h"

struct scan_clocks {
	uint64_t cpu_ns, wall_ns; /* of the thread; monotonic */
};

/*
 * The directory that the threads of one worker share: it can be emptied only while none of them
 * scans, or they would lose the files they are at.
 */
struct scan_room {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned scanning_n;
	bool closing; /* nobody begins until it was emptied */
};

struct scan_jobs {
	const struct worker_ops *ops;
	struct jobs *jobs;
	struct reader *reader;
	struct scanner *scanner;
	int sock, event_fd;
	int tmp_fd;             /* its private directory, emptied after each message */
	uint64_t free_inodes;   /* there, while it is empty */
	struct scan_room *room; /* NULL: no other thread is there */
	struct arena *requests; /* decoded requests of one batch */
	struct arena *arena;    /* of the message being scanned */
	/* What is not part of one scan is told with the messages it was done for, or the next. */
	bool charging;            /* the scanner notes costs */
	struct scan_clocks mark;  /* up to here time is accounted for */
	uint64_t known_wall_ns;   /* when the thread's clock was last read */
	struct scan_clocks read;  /* share of each message of this turn */
	struct scan_clocks rest;  /* what the turn before left over, for the next message */
	struct scan_clocks scans; /* of this turn */
	uint8_t *hot;             /* small messages of one turn, reused: it stays in the cache */
};

/* Buffers and arenas, until the process ends. */
int scan_jobs_init(struct scan_jobs *w, struct err *err) MUST_CHECK;

/* Until the gateway is gone (-EPIPE) or this process can no longer work. */
int scan_jobs_run(struct scan_jobs *w) MUST_CHECK;

#endif
