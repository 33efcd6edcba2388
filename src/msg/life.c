/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/life.c - one message, from claim to the end. What is true on disk:
 *
 *   CLAIMED RESOLVING WAITING SCANNING JUDGED
 *                                     locked in the incoming queue; only the lock is ours
 *   COPYING                           and a hidden directory in the quarantine
 *   STAGED                            and invisible files in the outgoing queue, or that directory
 *   COMMITTING                        first synced, then visible, then synced, then the original
 *                                     removed, then that synced (commit.c)
 *   SPLITTING                         and more messages beside it in the incoming queue, first
 *                                     hidden, then visible; the recipients are taken from it last
 *   SPLIT                             in the incoming queue, as several; the lock is gone
 *   DONE                              out of the incoming queue
 *   RELEASED                          in the incoming queue, exactly as found; the lock is gone
 *
 * Every failure before the message is visible elsewhere ends in RELEASED.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/probe.h"
#include "msg/internal.h"
#include "msg/report.h"

static void run_waiting(struct msg *m);
static void run_judged(struct msg *m);
static void run_copying(struct msg *m);
static void run_staged(struct msg *m);
static void run_split(struct msg *m);
static void run_done(struct msg *m);
static void run_released(struct msg *m);

#define TO(state) (1u << (state))

static const struct {
	const char *name;           /* in logs, control replies and fault points */
	unsigned next;              /* states that may follow */
	void (*run)(struct msg *m); /* start the work of this state; NULL: somebody else does */
	const char *fault;
} states[MSG_STATES] = {
	[MSG_CLAIMED] = { "claimed",
			  TO(MSG_RESOLVING) | TO(MSG_WAITING) | TO(MSG_JUDGED) | TO(MSG_RELEASED),
			  NULL, "msg.state.claimed" },
	[MSG_RESOLVING] = { "resolving", TO(MSG_WAITING) | TO(MSG_JUDGED) | TO(MSG_RELEASED), NULL,
			    "msg.state.resolving" },
	[MSG_WAITING] = { "waiting", TO(MSG_SCANNING) | TO(MSG_JUDGED) | TO(MSG_RELEASED),
			  run_waiting, "msg.state.waiting" },
	[MSG_SCANNING] = { "scanning", TO(MSG_JUDGED) | TO(MSG_WAITING) | TO(MSG_RELEASED), NULL,
			   "msg.state.scanning" },
	[MSG_JUDGED] = { "judged",
			 TO(MSG_COPYING) | TO(MSG_STAGED) | TO(MSG_SPLITTING) | TO(MSG_RELEASED),
			 run_judged, "msg.state.judged" },
	[MSG_COPYING] = { "copying", TO(MSG_STAGED) | TO(MSG_RELEASED), run_copying,
			  "msg.state.copying" },
	[MSG_STAGED] = { "staged", TO(MSG_COMMITTING), run_staged, "msg.state.staged" },
	[MSG_COMMITTING] = { "committing", TO(MSG_DONE) | TO(MSG_RELEASED), NULL,
			     "msg.state.committing" },
	[MSG_SPLITTING] = { "splitting", TO(MSG_SPLIT) | TO(MSG_RELEASED), split_run,
			    "msg.state.splitting" },
	[MSG_SPLIT] = { "split", 0, run_split, "msg.state.split" },
	[MSG_DONE] = { "done", 0, run_done, "msg.state.done" },
	[MSG_RELEASED] = { "released", 0, run_released, "msg.state.released" },
};

const char *life_state_name(enum msg_state s)
{
	return states[s].name;
}

static void run_state(struct task *t)
{
	struct msg *m = CONTAINER_OF(t, struct msg, task);

	states[m->state].run(m);
}

/* The only writer of m->state. Never runs the state: the loop does. */
void life_enter(struct msg *m, enum msg_state next)
{
	assert((states[m->state].next & TO(next)) != 0);
	PROBE4(msg_state, m->entry.id, states[m->state].name, states[next].name,
	       loop_now_ns(m->gate->loop));
	m->state = next;
	(void)fault_at(states[next].fault, 0);
	if (states[next].run != NULL)
		loop_make_ready(m->gate->loop, &m->task);
}

/* --- claim --- */

static void forget(struct msg *m)
{
	struct gate *g = m->gate;

	*m->prev_all = m->next_all;
	if (m->next_all != NULL)
		m->next_all->prev_all = m->prev_all;
	g->in_flight--;
	recipients_free(m);
	arena_free(&m->arena); /* closes the files and gives the lock back */
	site_unref(&m->site);
	free(m);
	intake_wake(&g->intake);
}

static struct msg *new_msg(struct gate *g, size_t dir_i)
{
	struct msg *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->arena = arena_new(g->site->arena_bytes);
	if (m->arena == NULL) {
		free(m);
		return NULL;
	}
	m->scan_arena = m->arena;
	m->gate = g;
	m->site = site_ref(g->site);
	m->dir_i = dir_i;
	m->task.run = run_state;
	m->hold_fd = -1;
	m->began_ns = loop_now_ns(g->loop);
	m->next_all = g->all;
	m->prev_all = &g->all;
	if (g->all != NULL)
		g->all->prev_all = &m->next_all;
	g->all = m;
	g->in_flight++;
	return m;
}

/* Told once an hour for each file: they stay until somebody looks. */
static void tell_invalid(struct gate *g, const char *id, const struct err *err)
{
	struct intake *in = &g->intake;
	uint64_t now = loop_now_ns(g->loop);

	for (size_t i = 0; i < ARRAY_LEN(in->invalid); i++)
		if (strcmp(in->invalid[i], id) == 0 &&
		    now - in->invalid_ns[i] < UINT64_C(3600000000000))
			return;
	memcpy(in->invalid[in->invalid_next], id, QUEUE_ID_MAX);
	in->invalid_ns[in->invalid_next] = now;
	in->invalid_next = (in->invalid_next + 1) % ARRAY_LEN(in->invalid);
	metrics_add(g->metrics, METRIC_INVALID_QUEUE_FILES, 1);
	log_notice("New Batch: Found invalid queue files: %s (left in place: %s)", id, err->text);
}

/* The queue said no. Whether it is worth another look soon. */
static int claim_refused(struct gate *g, size_t dir_i, const char *id, int r, const struct err *err)
{
	switch (r) {
	case -ENOENT:
		return 1;
	case -EAGAIN:
		intake_retry(&g->intake, dir_i, id);
		return 1;
	case -EALREADY:
		log_info("Message %s had been delivered by an earlier run; removed the original",
			 id);
		return 1;
	case -EBADMSG:
		tell_invalid(g, id, err);
		return 1;
	case -EMFILE:
	case -ENFILE:
		log_err("%s: %s", id, err->text);
		return r;
	default:
		tell_invalid(g, id, err);
		return 1;
	}
}

static void fill_who(struct msg *m)
{
	const struct envelope *e = &m->entry.env;

	m->who = (struct conf_who){ .from = e->sender,
				    .to = (const char *const *)e->to,
				    .to_n = e->to_n,
				    .client_ip = e->client_ip,
				    .patience = &m->patience };
}

/* Tried too often: set aside without another look, as a whole; where to is asked as MailScanner
 * does, for all recipients at once. */
static void give_up(struct msg *m)
{
	metrics_add(m->gate->metrics, METRIC_ATTEMPTS_EXCEEDED, 1);
	log_warning("Warning: skipping message %s as it has been attempted too many times",
		    m->entry.id);
	m->decision = (struct decision){ .outcome = OUTCOME_QUARANTINE,
					 .other_infected = true,
					 .why = "attempted too many times" };
	m->holding = true;
	life_enter(m, MSG_JUDGED);
}

/*
 * What was scanned must be what is delivered: the worker sees a body that became shorter, this
 * sees one that was written to. Our lock keeps the MTA out; it does not keep out everybody.
 */
static int note_body(struct msg *m, struct err *err)
{
	struct stat st;

	if (fstat(m->entry.body_fd, &st) < 0)
		return err_errno(err, "%s: body", m->entry.id);
	m->body_mtime = st.st_mtim;
	return 0;
}

static int check_body(const struct msg *m, struct err *err)
{
	struct stat st;

	if (fstat(m->entry.body_fd, &st) < 0)
		return err_errno(err, "body");
	if ((uint64_t)st.st_size != m->entry.body_offset + m->entry.body_bytes ||
	    st.st_mtim.tv_sec != m->body_mtime.tv_sec ||
	    st.st_mtim.tv_nsec != m->body_mtime.tv_nsec)
		return err_set(err, ERR_TEMP, -ESTALE,
			       "its body file was changed while it was scanned");
	return 0;
}

static int begin_attempt(struct msg *m, struct err *err)
{
	int max = (int)conf_num(m->site->conf, OPT_MAXIMUM_PROCESSING_ATTEMPTS, NULL);

	return attempts_begin(m->gate->attempts, m->entry.id, max > 0 ? (unsigned)max : 0,
			      (int64_t)clock_unix_s(), &m->place, &m->attempts, err);
}

/* All that rules ask for is known. */
void life_resolved(struct msg *m)
{
	if (m->exhausted) {
		give_up(m);
		return;
	}
	if (m->attempts > 1)
		log_info("Making attempt %u at processing message %s", m->attempts, m->entry.id);
	m->alone = m->attempts > 1;
	if (m->site->recipient_ids_n > 0 && m->who.to_n > 1 && recipients_begin(m, &m->why) < 0) {
		m->failed_attempt = true;
		life_enter(m, MSG_RELEASED);
		return;
	}
	if (m->recipients != NULL) {
		recipients_next(m);
		return;
	}
	if (!policy_wants_scan(m->site->conf, &m->who)) {
		m->decision = (struct decision){ .outcome = OUTCOME_DELIVER, .why = "" };
		life_enter(m, MSG_JUDGED);
		return;
	}
	if (policy_request(m->site->conf, &m->who, m->arena, &m->request, &m->why) < 0) {
		m->failed_attempt = true;
		life_enter(m, MSG_RELEASED);
		return;
	}
	m->request.id = m->entry.id;
	life_enter(m, MSG_WAITING);
}

static void start(struct msg *m)
{
	fill_who(m);
	if (resolve_begin(m))
		life_resolved(m);
}

int life_claim(struct gate *g, size_t dir_i, const char *id)
{
	struct err err = { .text = "" };
	struct site_out *out;
	struct msg *m;
	int r, tried;

	m = new_msg(g, dir_i);
	if (m == NULL)
		return -ENOMEM;
	memcpy(m->entry.id, id, QUEUE_ID_MAX);
	tried = begin_attempt(m, &err);
	if (tried < 0 && tried != -EDQUOT) {
		if (tried != -EAGAIN)
			log_err("%s: %s", id, err.text);
		forget(m);
		return tried == -EAGAIN ? 1 : tried;
	}
	r = site_out_dir(g->site, NULL, &out, &err);
	if (r == 0)
		r = queue_claim(g->site->in[dir_i].dir, gate_distrusts(g, id) ? NULL : out->dir, id,
				m->arena, &m->entry, &err);
	if (r == 0)
		r = note_body(m, &err);
	if (r < 0) {
		attempts_release(g->attempts, m->place);
		r = claim_refused(g, dir_i, id, r, &err);
		forget(m);
		return r;
	}
	(void)fault_at(states[MSG_CLAIMED].fault, 0);
	m->exhausted = tried == -EDQUOT;
	start(m);
	return 0;
}

/* --- scan --- */

static void run_waiting(struct msg *m)
{
	m->queued_ns = loop_now_ns(m->gate->loop);
	pool_scan(&m->gate->pool, m);
}

void life_scan_failed(struct msg *m, bool blame)
{
	if (blame && m->recipients != NULL) {
		recipients_scan_failed(m);
		return;
	}
	m->failed_attempt = blame;
	life_enter(m, MSG_RELEASED);
}

static const char *text_with_id(struct msg *m, const char *template)
{
	const char *at = strstr(template, "%id%");
	char *text;

	if (at == NULL)
		return template;
	text = arena_printf(m->arena, "%.*s%s%s", (int)(at - template), template, m->entry.id,
			    at + 4);
	return text == NULL ? template : text;
}

/* The rows of metrics.h stand in the order of the two enumerations. */
static enum metric finding_metric(enum finding_kind kind)
{
	return (enum metric)(METRIC_FOUND_VIRUS + (int)kind);
}

static enum metric unfinished_metric(enum check_id id)
{
	return (enum metric)(METRIC_UNFINISHED_LIMITS + (int)id);
}

static enum metric outcome_metric(enum outcome o)
{
	switch (o) {
	case OUTCOME_DELIVER:
	case OUTCOME_DELIVER_MODIFIED:
		return METRIC_DELIVERED;
	case OUTCOME_QUARANTINE:
		return METRIC_QUARANTINED;
	case OUTCOME_DEFER:
		return METRIC_DEFERRED;
	default:
		return METRIC_OTHER_OUTCOMES;
	}
}

/* MailScanner's lines, which other programs read. */
static void log_findings(struct msg *m)
{
	const struct facts *f = m->facts;
	bool virus = false;

	for (size_t i = 0; i < f->findings_n; i++) {
		const struct finding *x = &f->findings[i];

		metrics_add(m->gate->metrics, finding_metric(x->kind), 1);
		virus |= x->kind == FINDING_VIRUS;
		if (x->log[0] != '\0')
			log_info("%s", text_with_id(m, x->log));
		else
			log_info("Content Checks: %s in %s", x->report, m->entry.id);
	}
	if (virus)
		log_notice("Infected message %s came from %s", m->entry.id, m->entry.env.client_ip);
}

static void log_unfinished(struct msg *m)
{
	for (int i = 0; i < CHECK_COUNT; i++) {
		const struct check_result *c = &m->facts->checks[i];

		if (c->state != CHECK_FAILED && c->state != CHECK_TIMEOUT)
			continue;
		metrics_add(m->gate->metrics, unfinished_metric((enum check_id)i), 1);
		log_warning("Message %s: check %s %s: %s", m->entry.id,
			    check_name((enum check_id)i), check_state_name(c->state),
			    c->why == NULL ? "no reason given" : c->why);
	}
}

uint64_t life_scan_ns_max(const struct msg *m)
{
	return loop_now_ns(m->gate->loop) - m->queued_ns + UINT64_C(1000000000);
}

static void count_stages(const struct msg *m, const struct facts *f)
{
	uint64_t max_ns = life_scan_ns_max(m);

	for (unsigned i = 0; f->has_stages && i < STAGE_COUNT; i++) {
		struct cost c = f->stages[i];

		if (c.wall_ns == 0)
			continue; /* not reached */
		c.cpu_ns = MIN_OF(c.cpu_ns, max_ns);
		c.wall_ns = MIN_OF(c.wall_ns, max_ns);
		metrics_add_stage(m->gate->metrics, i, &c, f->counted_events);
	}
}

void life_log_facts(struct msg *m)
{
	log_findings(m);
	log_unfinished(m);
}

void life_scanned(struct msg *m, const struct facts *f)
{
	uint64_t now = loop_now_ns(m->gate->loop);

	m->scan_ns = now - m->queued_ns;
	metrics_observe_us(m->gate->metrics, METRIC_SCAN_US, m->scan_ns / 1000);
	metrics_add(m->gate->metrics, METRIC_SCAN_CPU_US,
		    MIN_OF(f->cpu_us, life_scan_ns_max(m) / 1000));
	count_stages(m, f);
	metrics_add(m->gate->metrics, METRIC_EXPANDED_BYTES, f->expanded_bytes);
	metrics_add(m->gate->metrics, METRIC_CACHE_HITS, f->cache_hits);
	charge_scanned(m, f);
	if (m->recipients != NULL) {
		recipients_scanned(m, f);
		return;
	}
	m->facts = arena_dup(m->arena, bytes_of(f, sizeof(*f)));
	if (m->facts == NULL) {
		(void)err_set(&m->why, ERR_LIMIT, -ENOMEM, "no memory for the facts");
		life_scan_failed(m, true);
		return;
	}
	policy_decide(m->site->conf, &m->who, &m->request, m->facts, m->arena, &m->decision);
	life_log_facts(m);
	life_enter(m, MSG_JUDGED);
}

/* --- decision --- */

enum edit_outcome life_mark_of(const struct decision *d, bool has_facts)
{
	if (!has_facts)
		return EDIT_UNTOUCHED;
	return d->scanned ? EDIT_CLEAN : EDIT_UNSCANNED;
}

static int stage_delivery(struct msg *m, struct err *err)
{
	struct queue_change change = { .headers = &m->entry.headers, .body_fd = -1 };
	struct edit edit = { .list = &m->entry.headers, .arena = m->arena };
	int r;

	r = check_body(m, err);
	if (r == 0)
		r = site_out_dir(m->site, &m->who, &m->out, err);
	if (r == 0)
		r = edit_for_delivery(&edit, m->site->conf, &m->who, &m->entry,
				      life_mark_of(&m->decision, m->facts != NULL), err);
	if (r == 0)
		r = queue_stage(&m->entry, m->out->dir, &change, m->arena, &m->staged, err);
	return r;
}

/* A full or read-only disk and missing descriptors are nobody's message's fault: were they counted,
 * a night of them would put clean mail into quarantine. */
void life_not_carried_out(struct msg *m)
{
	m->failed_attempt = true;
	switch (-m->why.code) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EMFILE:
	case ENFILE:
		m->hosts_fault = true;
		break;
	default:
		m->hosts_fault = false;
	}
}

static void run_judged(struct msg *m)
{
	int r = 0;

	if (recipients_disagree(m)) {
		life_enter(m, MSG_SPLITTING);
		return;
	}
	switch (m->decision.outcome) {
	case OUTCOME_DELIVER:
		r = stage_delivery(m, &m->why);
		if (r < 0)
			life_not_carried_out(m);
		life_enter(m, r == 0 ? MSG_STAGED : MSG_RELEASED);
		return;
	case OUTCOME_QUARANTINE:
		m->holding = true;
		life_enter(m, MSG_COPYING);
		return;
	default:
		/* DEFER, and what this release cannot carry out yet: keep the mail. */
		(void)err_set(&m->why, ERR_TEMP, -EAGAIN, "%s: %s",
			      outcome_name(m->decision.outcome),
			      m->decision.why == NULL ? "" : m->decision.why);
		m->failed_attempt = true;
		life_enter(m, MSG_RELEASED);
	}
}

static void run_copying(struct msg *m)
{
	hold_begin(m);
}

static void run_staged(struct msg *m)
{
	commit_add(&m->gate->commit, m);
}

/* --- the end --- */

static void close_up(struct msg *m)
{
	fd_close(&m->hold_fd);
	quarantine_end(&m->put);
	forget(m);
}

/* The line of the message log. What cannot be written there is only said: the mail is safe. */
static void write_record(const struct msg *m)
{
	struct err err;

	if (m->gate->msglog != NULL && report_record(m, &err) < 0)
		log_warning("Message Log: %s: %s", m->entry.id, err.text);
}

static void run_done(struct msg *m)
{
	struct gate *g = m->gate;
	struct err err;
	int r;

	if (m->attempts > 0 && m->holding && m->facts == NULL)
		r = attempts_archive(g->attempts, m->place, (int64_t)clock_unix_s(), &err);
	else
		r = attempts_done(g->attempts, m->place, &err);
	if (r < 0)
		log_warning("Message %s: %s", m->entry.id, err.text);
	write_record(m);
	metrics_add(g->metrics, outcome_metric(m->decision.outcome), 1);
	metrics_add(g->metrics, METRIC_BYTES, m->entry.size_bytes);
	metrics_observe_us(g->metrics, METRIC_TOTAL_US,
			   (loop_now_ns(g->loop) - m->began_ns) / 1000);
	close_up(m);
}

#define RETRY_SHIFT_MAX 9 /* a day or two */

static unsigned retry_delay_s(const struct msg *m)
{
	unsigned shift = MIN_OF(m->retry_shift, RETRY_SHIFT_MAX), delay_s;
	int64_t s = conf_num(m->site->conf, OPT_PROCESSING_RETRY_DELAY, NULL);

	/* MailScanner's spread of two to six minutes keeps bad messages from coming in step. */
	delay_s = s > 0 ? (unsigned)s : 120 + (unsigned)(loop_now_ns(m->gate->loop) / 1000 % 240);
	return delay_s << shift;
}

static void retry_later(struct msg *m)
{
	struct gate *g = m->gate;
	unsigned delay_s = retry_delay_s(m);
	struct err err;

	if (m->hosts_fault)
		attempts_postpone(g->attempts, m->place, (int64_t)clock_unix_s(), delay_s);
	else if (attempts_failed(g->attempts, m->place, (int64_t)clock_unix_s(), delay_s, &err) < 0)
		log_err("Message %s: %s", m->entry.id, err.text);
	/* A moment later than the table says, so that it is not found too early. */
	if (m->site == g->site && !g->draining)
		intake_retry_at(&g->intake, m->dir_i, m->entry.id,
				loop_now_ns(g->loop) + (delay_s + UINT64_C(1)) * 1000000000);
}

/* Give the place in the ledger back. */
static void end_attempt(struct msg *m)
{
	struct gate *g = m->gate;

	if (m->hosts_fault) {
		log_warning("Message %s stays in the queue, which is no attempt at it: %s",
			    m->entry.id, m->why.text);
		metrics_add(g->metrics, METRIC_DEFERRED, 1);
		retry_later(m);
	} else if (m->failed_attempt) {
		log_warning("Message %s stays in the queue (attempt %u): %s", m->entry.id,
			    m->attempts, m->why.text);
		metrics_add(g->metrics, METRIC_DEFERRED, 1);
		metrics_add(g->metrics, METRIC_ATTEMPTS_FAILED, 1);
		retry_later(m);
	} else {
		attempts_release(g->attempts, m->place);
	}
}

static void run_released(struct msg *m)
{
	end_attempt(m);
	close_up(m);
}

/* Each of them is claimed like new mail; the one that kept the id, too, unless it has to wait. */
static void run_split(struct msg *m)
{
	struct gate *g = m->gate;
	const char(*ids)[QUEUE_ID_MAX];
	size_t n = split_ids(m, &ids);

	metrics_add(g->metrics, METRIC_SPLITS, 1);
	end_attempt(m);
	for (size_t i = m->failed_attempt ? 1 : 0; i < n && m->site == g->site && !g->draining; i++)
		intake_add(&g->intake, m->dir_i, ids[i]);
	close_up(m);
}
