/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/gate.h - the gateway's work: takes messages out of the incoming queues, has them scanned,
 * carries out what policy decides. Everything runs on one loop thread; nothing here blocks.
 */
#ifndef MSG_GATE_H
#define MSG_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "core/err.h"
#include "loop/loop.h"

struct gate;
struct metrics;

/* @now_s (Unix) dates attempts found in the ledger of an earlier run. @c is referenced. Opens the
 * queues, the attempts store and the quarantine of @c. */
int gate_new(struct gate **ret_g, struct loop *l, struct metrics *m, struct conf *c, int64_t now_s,
	     struct err *err) MUST_CHECK;
/* All messages must have left: gate_idle(). */
void gate_free(struct gate **g);

/*
 * A zygote for the configuration @c, on socket @sock (kept). Its workers take over from the ones
 * there are as soon as it says READY; until then nothing changes. @bundle_fd (the caller's), whose
 * main file is @conf_path, is what the zygote loads. With @c other than the current one this is a
 * reload: messages in flight finish under theirs.
 */
int gate_add_zygote(struct gate *g, int sock, struct conf *c, const char *conf_path, int bundle_fd,
		    struct err *err) MUST_CHECK;

struct throttle;
/* Whom to charge senders with; NULL: nobody. It must live as long as the gate. */
void gate_set_throttle(struct gate *g, struct throttle *t);

/* Look at the queues once, without a watch: for a person who looks on. @only_id (kept; NULL: all):
 * no other message. Right after gate_new(). */
void gate_once(struct gate *g, const char *only_id);
/* The one look of gate_once() is over, and what it found has left our hands. */
bool gate_once_done(const struct gate *g);

/* Open the message log anew: somebody may have rotated it. */
void gate_reopen(struct gate *g);

/* A thread beside the loop, for what would hold it up; not on its core, not in its class. */
int gate_start_thread(struct gate *g, pthread_t *ret_t, void *(*fn)(void *arg),
		      void *arg) MUST_CHECK;

/* Take no more messages; release those that no worker has begun. */
void gate_drain(struct gate *g);
/* Nothing in flight. */
bool gate_idle(const struct gate *g);
/* Have working scan workers. */
bool gate_ready(const struct gate *g);

/* How a zygote fared, to tell whoever asked for the reload; called from the loop. @generation: of
 * the configuration it was for. */
enum gate_event { GATE_ZYGOTE_READY, GATE_ZYGOTE_FAILED, GATE_ZYGOTE_LOST };
typedef void gate_event_fn(void *arg, enum gate_event e, uint64_t generation, const char *text);
void gate_on_event(struct gate *g, gate_event_fn *fn, void *arg);

/* --- for the control server --- */
struct gate_status {
	uint64_t generation; /* of the configuration in force */
	const char *engine;  /* what the zygote said about itself */
	unsigned in_flight, in_flight_max, workers, workers_up, dirs;
	unsigned threads; /* in each worker */
	int loop_core;    /* -1: the loop runs anywhere */
	bool draining;
};
void gate_status(const struct gate *g, struct gate_status *ret_s);

/* Write the present values of the gauges. Messages in the queues are counted in the loop's next
 * turns, so that those figures are of the last time. */
void gate_measure(struct gate *g);

struct gate_worker {
	unsigned worker;  /* number of the scan thread, over all workers, as in metrics */
	int pid, core;    /* core -1: not bound to one */
	char state;       /* S starting, E ending, I idle, else the letter of its stage (facts.h) */
	const char *id;   /* the message it works on; NULL: none */
	uint64_t age_ms;  /* since it began that one */
	unsigned in_hand; /* messages given to it and not answered, that one included */
	bool retiring;    /* of an earlier configuration */
};
/* Calls @each for every scan thread. */
void gate_each_worker(const struct gate *g, void (*each)(void *arg, const struct gate_worker *w),
		      void *arg);

struct gate_queue {
	const char *path;
	bool counted; /* @messages is known */
	uint64_t messages, in_hand;
	int64_t oldest_s; /* age of the oldest in hand, from when the MTA took it; -1: none */
};
/* Calls @each for every incoming directory. */
void gate_each_queue(const struct gate *g, void (*each)(void *arg, const struct gate_queue *q),
		     void *arg);

struct gate_message {
	const char *id, *state, *from, *why; /* why: of the last failed attempt, "" */
	uint64_t size_bytes, age_ms;
	unsigned attempts;
};
/* Calls @each for every message in flight. */
void gate_each_message(const struct gate *g, void (*each)(void *arg, const struct gate_message *m),
		       void *arg);
/* Calls @each for every message that failed before and waits for its next attempt; at most 1,000.
 */
void gate_each_attempt(const struct gate *g,
		       void (*each)(void *arg, const char *id, unsigned count, int64_t next_in_s),
		       void *arg);
/* Calls @each with every incoming directory. */
void gate_each_dir(const struct gate *g, void (*each)(void *arg, const char *path), void *arg);
/* Look at all queues now. */
void gate_rescan(struct gate *g);

#endif
