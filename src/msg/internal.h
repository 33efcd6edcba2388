/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/internal.h - inside msg/: the structures its files share.
 *
 *   intake.c    which names to claim next: watch, listing, retries
 *   life.c      one message: states, claim, decision
 *   resolve.c   the name of its client
 *   pool.c      zygotes and workers: start, reap, time limits
 *   handout.c   which worker gets which message
 *   blame.c     whose fault the end of a worker was
 *   pool_view.c the scan threads as people see them
 *   commit.c    many messages, one sync
 *   hold.c      into quarantine
 *   recipients.c  recipients to whom rulesets give different values: judged each, then compared
 *   split.c     one message becomes several in the incoming queue
 *   charge.c    what a message cost, to the account of its sender
 *   kick.c      tell the MTA
 *   census.c    how many messages are in the queues, when somebody asks
 *   sweep.c     left-overs of interrupted quarantining
 *   site.c      all that is made from one configuration snapshot
 */
#ifndef MSG_INTERNAL_H
#define MSG_INTERNAL_H

#include <stdatomic.h>

#include "action/edit.h"
#include "conf/recipients.h"
#include "core/arena.h"
#include "loop/copy.h"
#include "loop/jobs.h"
#include "loop/watch.h"
#include "metrics/metrics.h"
#include "msg/cores.h"
#include "msg/gate.h"
#include "policy/policy.h"
#include "queue/queue.h"
#include "scan/verdict_cache.h"
#include "store/attempts.h"
#include "store/quarantine.h"
#include "worker/zygote.h"

/* What is true on disk in each state stands in docs/durability.md; what may follow in life.c. */
enum msg_state {
	MSG_CLAIMED,    /* locked and read; nothing changed */
	MSG_RESOLVING,  /* the name of its client is being looked up */
	MSG_WAITING,    /* for a free worker */
	MSG_SCANNING,   /* a worker has it */
	MSG_JUDGED,     /* decision made */
	MSG_COPYING,    /* on its way into a hidden quarantine directory */
	MSG_STAGED,     /* written, invisible, not yet synced; waits for its commit group */
	MSG_COMMITTING, /* the group syncs, publishes, syncs, removes, syncs */
	MSG_SPLITTING,  /* more messages are made of it, hidden, then visible */
	MSG_SPLIT,      /* in the incoming queue, as several */
	MSG_DONE,       /* out of the incoming queue */
	MSG_RELEASED,   /* still in the incoming queue, exactly as found */
	MSG_STATES
};

struct dns;
struct gate;
struct lookup;
struct recipients;
struct site;
struct splitting;
struct worker;

struct msg {
	struct gate *gate;
	struct site *site; /* the configuration it began with; referenced */
	struct msg *next_all, **prev_all;
	struct msg *next; /* in the one list its state keeps it in */
	struct task task; /* runs the current state */
	enum msg_state state;
	struct arena *arena;
	struct queue_entry entry;
	struct conf_who who;
	struct conf_patience patience; /* of @who and of each recipient alone */
	struct scan_request request;
	struct decision decision;
	struct timespec body_mtime; /* when it was claimed */
	struct facts *facts;        /* NULL: not scanned */
	struct arena *scan_arena;   /* for one scan: @arena, or one that is used again and again */
	struct recipients *recipients; /* NULL: all of them are alike */
	struct splitting *splitting;   /* NULL: not in SPLITTING or SPLIT */
	size_t dir_i;                  /* of site->in */
	unsigned place, attempts; /* in the attempts ledger; attempts made, this one included */
	bool alone;               /* is retried: shares no worker */
	bool failed_attempt;      /* ends in RELEASED as a failed attempt */
	bool hosts_fault;         /* and that is not the message's doing: it is not counted */
	bool exhausted;           /* no attempt any more: into quarantine unread */
	unsigned retry_shift;     /* the next attempt comes so many times twice as late */
	uint64_t began_ns, queued_ns, scan_ns, staged_ns;
	struct lookup *lookup; /* RESOLVING: in the arena */
	struct err why;        /* set when it ends in RELEASED */

	/* scanning */
	struct worker *worker;
	unsigned slot;

	/* commit: one of the two ways */
	bool holding; /* quarantine instead of the outgoing queue */
	struct queue_staged staged;
	struct quarantine_put put;
	struct copy copy;
	int hold_fd; /* the quarantined message file */
	struct commit_sync {
		struct op op;
		struct msg *msg;
	} syncs[3];
	struct commit_group *group;
	struct site_out *out; /* where it goes */
	int commit_error;     /* first failed step of the commit; 0 so far */
};

/* --- site.c --- */
struct site_dir {
	struct site *site;
	struct queue_dir *dir;
	size_t index;
	bool listing, dirty; /* a listing is under way; another one is wanted */
	bool counted;        /* by the census */
	uint64_t messages;   /* then */
	size_t watched_n;    /* of its directories, from the first */
};

struct site_watch { /* the cookie of a watched directory */
	struct site_watch *next;
	struct site_dir *dir;
	size_t watch_i;
};

struct site_out { /* an outgoing directory; a ruleset can name several */
	struct queue_dir *dir;
	char *path;
	struct site_out *next;
	char (*ids)[QUEUE_ID_MAX]; /* wait for a kick, oldest first; at most KICK_WAITING_MAX */
	unsigned ids_n, ids_cap;
};

#define RECIPIENT_OPTIONS_MAX 256

struct site {
	unsigned refs;
	struct conf *conf;
	const struct queue_ops *ops;
	struct queue_settings queue;
	struct site_dir *in;
	size_t in_n;
	struct site_watch *watched;
	struct site_out *out;
	uid_t quarantine_uid;
	gid_t quarantine_gid;
	mode_t quarantine_mode;
	size_t arena_bytes; /* ceiling of a message's memory in the gateway */
	/* Options that the way of a message depends on and that can differ by recipient. */
	enum opt_id recipient_ids[RECIPIENT_OPTIONS_MAX];
	size_t recipient_ids_n;
};

int site_new(struct site **ret_s, struct conf *c, struct err *err) MUST_CHECK;
struct site *site_ref(struct site *s);
void site_unref(struct site **s);
/* A cookie for directory @watch_i of @d; the site's. NULL: out of memory. */
struct site_watch *site_watch_new(struct site_dir *d, size_t watch_i) MUST_CHECK;
/* The outgoing directory @path, opened once. */
int site_out_at(struct site *s, const char *path, struct site_out **ret_o,
		struct err *err) MUST_CHECK;
/* The one for this message. */
int site_out_dir(struct site *s, const struct conf_who *who, struct site_out **ret_o,
		 struct err *err) MUST_CHECK;

/* --- intake.c --- */
#define INTAKE_FIFO    1024
#define INTAKE_RETRIES 256

struct intake_name {
	size_t dir_i;
	char id[QUEUE_ID_MAX];
};

struct intake_retry {
	struct intake_name name;
	uint64_t due_ns;
	unsigned tries; /* 0: the place is free */
};

struct intake {
	struct gate *gate;
	struct intake_watch *watch; /* NULL: none to be had, listing only */
	struct intake_name fifo[INTAKE_FIFO];
	unsigned first, n;
	struct intake_retry retries[INTAKE_RETRIES];
	struct timer retry_timer, rescan_timer;
	struct task task;               /* claim what there is room for */
	char invalid[64][QUEUE_ID_MAX]; /* told lately, so that each is logged once an hour */
	uint64_t invalid_ns[64];
	unsigned invalid_next;
	bool once;           /* gate_once() */
	const char *only_id; /* NULL: all */
};

void intake_init(struct intake *in, struct gate *g);
void intake_fini(struct intake *in);
/* A new site: watch and list its directories. */
void intake_start(struct intake *in);
void intake_stop(struct intake *in);
/* There may be room for more messages. */
void intake_wake(struct intake *in);
void intake_rescan(struct intake *in);
/* Nothing is left of the last listing. */
bool intake_is_over(const struct intake *in);
/* Try @id again in a moment: it was locked. */
void intake_retry(struct intake *in, size_t dir_i, const char *id);
/* Try @id again at @due_ns: it failed an attempt. */
void intake_retry_at(struct intake *in, size_t dir_i, const char *id, uint64_t due_ns);

/* A message of ours is new in the queue: claim it soon, whatever the watch sees. */
void intake_add(struct intake *in, size_t dir_i, const char *id);

/* --- pool.c --- */
enum worker_state { WORKER_NONE, WORKER_STARTING, WORKER_UP, WORKER_ENDING };

/* One scan thread. Those of one worker process stand side by side, the first one stands for the
 * process: it is started, dies and is replaced as one. */
struct worker {
	struct pool *pool;
	struct zygote *zygote;
	struct worker *first;
	enum worker_state state;
	uint32_t index;
	uint16_t teller; /* in the verdict cache */
	pid_t pid;
	struct jobs *jobs;
	int sock, event_fd;
	struct op event_op;
	bool polling;
	struct msg *slots[JOBS_SLOTS];
	unsigned busy_n;
	uint64_t busy_bytes;
	uint64_t started_ns, running_since_ns;
	uint32_t running_seen;     /* mask at the last look of the time keeper */
	uint64_t running_seq, seq; /* which job that was */
	uint64_t slot_seq[JOBS_SLOTS];
	uint64_t respawn_ns, seq_at_start;
	bool timed_out, dirty; /* killed for the time limit; has jobs to flush */
	unsigned flush_failures;
	bool slots_alone; /* its one job shares with nobody */
};

struct zygote {
	struct pool *pool;
	struct zygote *next;
	int sock;
	struct op op;
	bool polling, ready, failed, gone, retiring, quit_sent;
	uint64_t engine_generation;
	char engine[ZYGOTE_TEXT_MAX];
	struct site *site;                   /* takes effect when it is ready */
	unsigned workers_n, threads_n, side; /* scan threads; of which in one process */
	struct worker *workers;
	struct plan plan;
};

struct pool {
	struct gate *gate;
	struct zygote *zygotes; /* newest first */
	struct zygote *current; /* ready, gets new work; NULL: none yet */
	struct msg *waiting, **waiting_tail;
	struct worker *reserved; /* first of a process that runs empty for a message that must be
				  * alone; only while work is handed out */
	struct verdict_cache *cache;
	int cache_fd;
	struct cores cores;
	struct timer tick; /* time limits */
	struct task task;  /* hand out what waits */
};

int pool_init(struct pool *p, struct gate *g, struct err *err) MUST_CHECK;
void pool_fini(struct pool *p);
int pool_add_zygote(struct pool *p, int sock, struct site *site, const char *conf_path,
		    int bundle_fd, struct err *err) MUST_CHECK;
/* With all threads of its process; its jobs come back when it has ended. */
void worker_kill(struct worker *w);
void pool_each_worker(const struct pool *p, void (*each)(void *arg, const struct gate_worker *w),
		      void *arg);
unsigned pool_up_n(const struct pool *p);
/* Before the loop sleeps: true when a worker has finished something already. */
bool pool_before_wait(void *pool);

/* --- handout.c --- */
/* The pool's task: give what waits to workers that have room. */
void handout_run(struct task *t);
/* Tell workers of what they were given and do not know yet. */
void handout_flush(struct pool *p);
/* Messages with all threads of the process of @first. */
unsigned worker_process_busy_n(const struct worker *first);
/* Queue @m for a worker. It comes back through life_scanned() or life_scan_failed(). */
void pool_scan(struct pool *p, struct msg *m);
/* Room for more messages that wait? */
bool pool_wants_more(const struct pool *p);
/* Give up what no worker has begun (drain). */
void pool_release_waiting(struct pool *p);

/* --- census.c --- */
struct census {
	struct gate *gate;
	struct task task;
	struct site *site; /* being counted; NULL: nothing is */
	size_t dir_i;
	uint64_t ended_ns;
};

void census_init(struct census *c, struct gate *g);
void census_fini(struct census *c);
/* Count, unless that is under way or was done a moment ago; the result is there later. */
void census_take(struct census *c);

/* --- blame.c: @first is the first thread of a process --- */
/* @m is no longer with @w. */
void worker_give_back(struct worker *w, struct msg *m);
/* What thread @w had goes back to the queue. @guilty: the job it was at is the reason; @why NULL:
 * it was no fault of any message. */
void worker_return_jobs(struct worker *w, bool guilty, const char *why);
/* The same for all threads, after the guilty one was found. */
void worker_return_all(struct worker *first, const char *why);
bool worker_timed_out(const struct worker *first);
/* @status as of waitpid(2); @text: why it could not start, "" if it had. */
void worker_describe_end(const struct worker *first, int status, const char *text, char *out,
			 size_t size);

/* --- life.c --- */
/* Claim @id; 0 when a message was begun, 1 when there was nothing to do, negative: no room. */
int life_claim(struct gate *g, size_t dir_i, const char *id);
void life_enter(struct msg *m, enum msg_state next);
/* The longest time its worker can have spent on @m: it tells what it likes. The loop's clock stands
 * still within a turn, and what a worker did before is told with the next message: hence a second
 * more. */
uint64_t life_scan_ns_max(const struct msg *m);
/* The names of its client are in m->who, or nobody asks for them: on to the worker. */
void life_resolved(struct msg *m);
/* A worker's facts (decoded, in m->arena). */
void life_scanned(struct msg *m, const struct facts *f);
/* The scan came to nothing; m->why says why. @blame: it counts as an attempt of this message. */
void life_scan_failed(struct msg *m, bool blame);
/* What was decided could not be done, m->why says why: it stays in the queue. The caller enters
 * RELEASED. */
void life_not_carried_out(struct msg *m);
const char *life_state_name(enum msg_state s);

/* --- charge.c --- */
void charge_scanned(struct msg *m, const struct facts *scanned);
/* The findings of a message that had several scans: m->recipients. */
void charge_found(struct msg *m, const struct facts *scanned);
/* It cost a scan worker its life. */
void charge_worker(struct msg *m);

/* --- resolve.c --- */
struct resolve {
	struct gate *gate;
	struct dns *dns;
	unsigned n;         /* messages in MSG_RESOLVING */
	struct timer timer; /* there was no room for more: list again */
	unsigned delay_s;   /* after this time */
	uint64_t told_ns;   /* when the last line about failures was logged */
	unsigned untold_n;
};

int resolve_init(struct resolve *r, struct gate *g, struct err *err) MUST_CHECK;
void resolve_fini(struct resolve *r);
/* The servers and times of the gate's site. */
void resolve_configure(struct resolve *r);
/* True: go on (nobody asks for the name, or it is known). False: the message is in MSG_RESOLVING
 * and comes back through life_resolved(), or in MSG_RELEASED. */
bool resolve_begin(struct msg *m);
/* Give up what waits for a name (drain). */
void resolve_release_all(struct gate *g);
void resolve_measure(const struct gate *g);

/* Facts of a scan: what life_scanned() and the log say of them. */
void life_log_facts(struct msg *m);
enum edit_outcome life_mark_of(const struct decision *d, bool has_facts);

/* --- recipients.c --- */
void recipients_options(struct site *s);
/* Sort the recipients of a message that has several; m->recipients is set when they differ. */
int recipients_begin(struct msg *m, struct err *err) MUST_CHECK;
/* Ask for the next scan, or, when nobody needs one any more, go on to JUDGED. */
void recipients_next(struct msg *m);
/* The scan that recipients_next() wanted is done; @f is in m->scan_arena. */
void recipients_scanned(struct msg *m, const struct facts *f);
/* It came to nothing: nobody who needs a scan gets one in this attempt. */
void recipients_scan_failed(struct msg *m);
/* How many messages it must become: 1, unless they disagree. *@ret_part_of: for
 * queue_split_begin(), in m->arena; *@ret_defer: part 0, which keeps the id, cannot go on now,
 * m->why says why. */
int recipients_parts(struct msg *m, const uint32_t **ret_part_of, size_t *ret_parts,
		     bool *ret_defer, struct err *err) MUST_CHECK;
bool recipients_disagree(const struct msg *m);
void recipients_log(const struct msg *m, const struct queue_split *s);
void recipients_free(struct msg *m);

/* --- split.c --- */
#define SPLITS_MAX 4 /* at one time: each has up to 2 files open for each new message */

#define SPLITS_BROKEN_MAX 64

struct splitter {
	struct gate *gate;
	struct msg *waiting, **tail;
	unsigned running;
	struct queue_numbers numbers;
	/* Messages that could not be split to the end, the newest ones, and how often. */
	struct {
		char id[QUEUE_ID_MAX];
		unsigned times;
	} broken[SPLITS_BROKEN_MAX];
	unsigned broken_next;
};

void split_init(struct splitter *s, struct gate *g);
void split_run(struct msg *m);
/* The ids that @m became, its own first. */
size_t split_ids(const struct msg *m, const char (**ret_ids)[QUEUE_ID_MAX]);

/* --- hold.c --- */
void hold_begin(struct msg *m);

/* --- commit.c --- */
#define COMMIT_GROUP_MAX 64

struct commit_group {
	struct gate *gate;
	struct msg *msgs;
	unsigned n, pending;
	int dirs[COMMIT_GROUP_MAX * 2]; /* borrowed from queue directories and messages */
	int dir_results[COMMIT_GROUP_MAX * 2];
	struct commit_dir_op {
		struct op op;
		struct commit_group *group;
		unsigned i;
	} dir_ops[COMMIT_GROUP_MAX * 2];
	unsigned dirs_n;
	unsigned delivered;
	bool removing; /* steps 4 and 5 */
};

struct commit {
	struct gate *gate;
	struct msg *staged, **staged_tail;
	unsigned staged_n, running;
	struct timer timer;
	struct task task;
};

void commit_init(struct commit *c, struct gate *g);
void commit_add(struct commit *c, struct msg *m);

/* --- kick.c --- */
#define KICK_WAITING_MAX 4096 /* beyond it the MTA's own queue run finds them */

struct kick {
	struct gate *gate;
	struct timer timer;
	struct op child_op;
	int signal_fd;
	unsigned running;
	bool polling;
};

int kick_init(struct kick *k, struct gate *g, struct err *err) MUST_CHECK;
void kick_fini(struct kick *k);
/* @id was published in @o: tell the MTA soon. */
void kick_add(struct kick *k, struct site_out *o, const char *id);
/* What waits in a site that is no longer in force. */
void kick_pass_on(struct kick *k, struct site *from);

/* --- sweep.c --- */
struct sweeper {
	struct gate *gate;
	struct op op;
	int event_fd; /* readable when the thread has ended */
	bool running, polling;
	bool first;        /* since this process began: mail of earlier ones is in nobody's hand */
	struct site *next; /* one more is wanted; NULL: no */
	atomic_bool stop;  /* no more directories */
	char *memory;      /* file with the directories of earlier configurations */
	pthread_t thread;  /* while it is running, what follows is its alone */
	struct site *site; /* whose directories */
	unsigned removed, problems_n;
	struct str problems; /* lines */
};

int sweep_init(struct sweeper *s, struct gate *g, struct err *err) MUST_CHECK;
void sweep_fini(struct sweeper *s);
/* Look for left-overs in all quarantines of @site and of earlier configurations. */
void sweep_begin(struct sweeper *s, struct site *site);

/* --- gate.c --- */
#define GATE_DISTRUSTED_MAX 1024 /* full: no more mail is taken until the disk was looked at */

/* kept.c: options that hold from the start of the gateway to its end. */
struct kept;
int kept_new(struct kept **ret_k, const struct conf *c, struct err *err) MUST_CHECK;
void kept_free(struct kept **k);
/* A warning for each that @c has another value for. */
void kept_tell(const struct kept *k, const struct conf *c);

struct gate {
	struct loop *loop;
	struct metrics *metrics;
	struct site *site; /* for new messages */
	struct kept *kept;
	struct attempts *attempts;
	struct msglog *msglog;     /* NULL: none wanted */
	struct throttle *throttle; /* NULL: none wanted */
	struct intake intake;
	struct census census;
	struct pool pool;
	struct commit commit;
	struct splitter splitter;
	struct kick kick;
	struct resolve resolve;
	struct sweeper sweeper;
	struct quarantine_days quarantine_days;
	struct msg *all;
	unsigned in_flight, in_flight_max;
	bool draining;
	char distrusted[GATE_DISTRUSTED_MAX][QUEUE_ID_MAX];
	unsigned distrusted_n;
	gate_event_fn *on_event;
	void *on_event_arg;
};

/* Ids whose visible copy may not be on disk (commit.c, step 3). */
void gate_distrust(struct gate *g, const char *id);
bool gate_distrusts(const struct gate *g, const char *id);

/* About a zygote of @s. */
void gate_event(struct gate *g, enum gate_event e, const struct site *s, const char *text);
/* The configuration of a ready zygote takes effect. */
void gate_switch_site(struct gate *g, struct site *s);

#endif
