/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/crew.h - the scan threads of one worker. Each has its own scanner, job table, socket,
 * ring, arenas and 64 MB of stack; they share the engine, the sandbox, the directory - and a crash.
 */
#ifndef WORKER_CREW_H
#define WORKER_CREW_H

#include "worker/scan_jobs.h"
#include "worker/zygote.h"

#define CREW_STACK_BYTES (64 * MIB)

struct crew_thread {
	struct crew *crew;
	unsigned index;
	pthread_t id;
};

struct crew {
	unsigned n;
	const uint16_t *pins;
	struct scan_jobs scan[ZYGOTE_THREADS_MAX];
	struct crew_thread threads[ZYGOTE_THREADS_MAX];
	struct scan_room room;
	/* start: under room.lock, room.changed */
	unsigned ready_n;
	int failed; /* why a thread has no ring; 0: none failed */
	bool go;
};

/* @pins: processor of each + 1, 0: not pinned; lent. */
void crew_init(struct crew *c, unsigned n, const uint16_t *pins);
/* Start the other threads; each is pinned, makes its ring and waits. The caller's ring is made too.
 * Landlock must hold already, seccomp not yet. */
int crew_start(struct crew *c, struct err *err) MUST_CHECK;
/* In the finished sandbox: all scan until the gateway is gone. Returns an exit code; the first
 * thread that can no longer work ends the process. */
int crew_run(struct crew *c);

/* The calling thread to one processor. @pin: its number + 1; 0: anywhere. */
void crew_pin(unsigned pin);

#endif
