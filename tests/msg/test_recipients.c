/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg: recipients who get different values. Who is judged by which scan, who stays together, who
 * keeps the id. The states of a message are wrapped (meson.build): a row's letters are the scans
 * that its workers come back with.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "msg/internal.h"
#include "tests/t.h"

/*
 * Recipients are words of one letter and get, by rulesets:
 *   d  what the others get by default        n  no scan at all
 *   v  no virus scan                         s  messages of at most 3000 bytes
 *   o  another header                        q  another quarantine
 *   w  another outgoing queue                x  no virus scan, another header
 *   y  messages of at most 3000 bytes, another header
 */
static const char settings[] = "Scan Messages = /scan.rules\nVirus Scanning = /virus.rules\n"
			       "Maximum Message Size = /size.rules\n"
			       "Information Header Value = /header.rules\n"
			       "Quarantine Dir = /hold.rules\nOutgoing Queue Dir = /out.rules\n";

static const struct {
	const char *path, *text;
} rules[] = {
	{ "/scan.rules", "To: *@n no\nFromOrTo: default yes\n" },
	{ "/virus.rules", "To: *@v no\nTo: *@x no\nFromOrTo: default yes\n" },
	{ "/size.rules", "To: *@s 3000\nTo: *@y 3000\nFromOrTo: default 0\n" },
	{ "/header.rules",
	  "To: *@o Others\nTo: *@x Others\nTo: *@y Others\nFromOrTo: default Us\n" },
	{ "/hold.rules", "To: *@q /q2\nFromOrTo: default /q1\n" },
	{ "/out.rules", "To: *@w /o2\nFromOrTo: default /o1\n" },
};

static const struct row {
	const char *what, *to;
	unsigned max; /* Maximum Split Envelopes */
	/* c nothing to find, v a virus, l larger than 3000 bytes, b both, t the virus scan took
	 * too long, f no facts */
	const char *scans;
	const char *want; /* "alike"; what is done with all; the part of each, "defer" if part 0 is
			   * not finished */
	const char *log;  /* NULL: not split */
} rows[] = {
	{ "equal values", "d d d", 20, "", "alike", NULL },
	{ "one has none", "d n", 20, "c", "0 1", "disagree about Scan Messages (d@d yes, n@n no)" },
	{ "the other way round", "n d", 20, "c", "0 1",
	  "disagree about Scan Messages (n@n no, d@d yes)" },
	{ "a virus", "d v", 20, "vv", "0 1", "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "clean, but not said to be", "d v", 20, "cc", "0 1",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "taking turns", "d v d v d", 20, "vv", "0 1 0 1 0",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "sizes that do not matter", "d s d", 20, "cc", "deliver", NULL },
	{ "a size that does", "d s d", 20, "ll", "0 1 0",
	  "disagree about Maximum Message Size (d@d 0, s@s 3000)" },
	{ "headers: one scan for both", "d o", 20, "c", "0 1",
	  "disagree about Information Header Value (d@d Us, o@o Others)" },
	{ "headers do not matter in quarantine", "d o", 20, "v", "quarantine", NULL },
	{ "what made the difference, when all is clean", "d y", 20, "cc", "0 1",
	  "disagree about Information Header Value (d@d Us, y@y Others)" },
	{ "what made the difference, when it is large", "d y", 20, "ll", "0 1",
	  "disagree about Maximum Message Size (d@d 0, y@y 3000)" },
	{ "quarantines", "d q", 20, "v", "0 1",
	  "disagree about Quarantine Dir (d@d /q1, q@q /q2)" },
	{ "quarantines do not matter when clean", "d q", 20, "c", "deliver", NULL },
	{ "queues", "d w", 20, "c", "0 1", "disagree about Outgoing Queue Dir (d@d /o1, w@w /o2)" },
	{ "queues do not matter in quarantine", "d w", 20, "v", "quarantine", NULL },
	{ "three ways", "d v n", 20, "vv", "0 1 2",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "two of three are one", "v d s", 20, "vvv", "0 1 1",
	  "disagree about Virus Scanning (v@v no, d@d yes)" },
	{ "three findings, three ways", "v d s", 20, "bbb", "0 1 2",
	  "disagree about Virus Scanning (v@v no, d@d yes)" },
	{ "the scan of one serves another", "d v o x", 20, "vv", "0 1 0 2",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "both wait", "d s", 20, "tt", "defer", NULL },
	{ "one waits and keeps the id", "v d", 20, "ct", "1 0 defer",
	  "disagree about Virus Scanning (v@v no, d@d yes)" },
	{ "one waits and keeps the id, the first", "d v", 20, "tc", "0 1 defer",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "no facts: the rest is for later", "d n v", 20, "f", "0 1 2 defer",
	  "disagree about Scan Messages (d@d yes, n@n no)" },
	{ "no facts: who was not looked at is not one with who needs no scan", "d v n", 20, "f",
	  "0 2 1 defer", "disagree about Scan Messages (d@d yes, n@n no)" },
	{ "no facts: nobody else was looked at", "d v", 20, "f", "0 1 defer",
	  "its scan came to nothing for some of its recipients" },
	{ "no facts for the second", "v d s", 20, "cf", "1 0 2 defer",
	  "disagree about Virus Scanning (v@v no, d@d yes)" },
	{ "no facts, the same scan", "d o", 20, "f", "defer", NULL },
	{ "too many ways: the rest keeps the id", "d v n s", 2, "v", "1 0 0 0",
	  "more sets of values for its recipients than Maximum Split Envelopes" },
	{ "too many by one", "d v n s", 3, "vv", "1 2 0 0",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "as many as there may be", "d v n s", 4, "vvv", "0 1 2 0",
	  "disagree about Virus Scanning (d@d yes, v@v no)" },
	{ "too many, and no facts: who was tried keeps it", "d v n s", 3, "f", "0 1 1 1 defer",
	  "its scan came to nothing for some of its recipients" },
};

/* --- what is around --- */

static struct {
	const struct row *row;
	enum msg_state state;
	unsigned charged, logged_facts;
	char log[600];
} seen;

void __wrap_life_enter(struct msg *m, enum msg_state next);
void __wrap_charge_found(struct msg *m, const struct facts *f);
void __wrap_life_log_facts(struct msg *m);
void __wrap_log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

void __wrap_life_enter(struct msg *m, enum msg_state next)
{
	m->state = seen.state = next;
}

void __wrap_charge_found(struct msg *m, const struct facts *f)
{
	seen.charged += f == m->facts;
}

void __wrap_life_log_facts(struct msg *m UNUSED)
{
	seen.logged_facts++;
}

void __wrap_log_at(enum log_level level UNUSED, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(seen.log, sizeof(seen.log), fmt, ap);
	va_end(ap);
}

/* --- a message --- */

static struct conf *load(unsigned max, const char *values)
{
	static const char *const folders[] = { "/q1", "/q2", "/o1", "/o2" };
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_source_close) struct conf_source *s = NULL;
	struct err err = { .kind = ERR_NONE };
	struct conf *c = NULL;
	char text[600];
	bool ok = report != NULL && conf_source_memory(&s, &err) == 0;

	(void)snprintf(text, sizeof(text),
		       "%sMaximum Split Envelopes = %u\nRecipient Values = %s\n", settings, max,
		       values);
	ok = ok && conf_source_add(s, "/m.conf", CONF_FILE, false, bytes_str(text)) == 0;
	for (size_t i = 0; ok && i < ARRAY_LEN(rules); i++)
		ok = conf_source_add(s, rules[i].path, CONF_FILE, false,
				     bytes_str(rules[i].text)) == 0;
	for (size_t i = 0; ok && i < ARRAY_LEN(folders); i++)
		ok = conf_source_add(s, folders[i], CONF_DIR, false, BYTES("")) == 0;
	if (!ok || conf_load(&c, s, "/m.conf", report, &err) < 0)
		printf("# %s\n", err.text);
	return c;
}

struct bench {
	struct conf *conf;
	struct site site;
	struct msg m;
	char words[40][4];
	const char *to[40];
};

static void bench_open(struct bench *b, const struct row *row)
{
	struct bytes rest = bytes_str(row->to), word;

	memset(b, 0, sizeof(*b));
	memset(&seen, 0, sizeof(seen));
	seen.row = row;
	b->conf = load(row->max, "split");
	b->site.conf = b->conf;
	b->site.arena_bytes = 64 * KIB;
	if (b->conf == NULL)
		abort();
	recipients_options(&b->site);
	b->m.site = &b->site;
	b->m.arena = b->m.scan_arena = arena_new(MIB);
	b->m.who = (struct conf_who){ .from = "from@d", .client_ip = "192.0.2.1", .to = b->to };
	b->m.entry.env.client_ip = "192.0.2.1";
	memcpy(b->m.entry.id, "ID", 3);
	while (bytes_next_word(&rest, &word)) {
		size_t i = b->m.who.to_n++;

		(void)snprintf(b->words[i], sizeof(b->words[i]), "%c@%c", word.p[0], word.p[0]);
		b->to[i] = b->words[i];
	}
}

static void bench_close(struct bench *b)
{
	recipients_free(&b->m);
	arena_free(&b->m.arena);
	conf_unref(&b->conf);
}

/* What a worker tells of letter @c, for what is asked now. */
static void scan(struct msg *m, char c)
{
	struct finding found[2];
	struct facts *f = arena_zalloc(m->scan_arena, sizeof(*f));

	/* the facts of the first scan stay; those of all others have one place */
	T_OK((m->scan_arena == m->arena) == (m->facts == NULL), "%s: where facts go",
	     seen.row->what);
	if (f == NULL || arena_alloc(m->scan_arena, 40 * KIB) == NULL)
		abort();
	f->subject = f->limit_why = "";
	f->findings = found;
	for (int i = 0; i < CHECK_COUNT; i++)
		f->checks[i].state = CHECK_RAN;
	if (c == 't')
		f->checks[CHECK_VIRUS] = (struct check_result){ CHECK_TIMEOUT, "60 s", 0 };
	if ((c == 'v' || c == 'b') && m->request.virus_scanning)
		found[f->findings_n++] = (struct finding){ .kind = FINDING_VIRUS, .name = "Eicar" };
	if ((c == 'l' || c == 'b') && m->request.max_message_bytes > 0)
		found[f->findings_n++] =
			(struct finding){ .kind = FINDING_SIZE, .class = 's', .name = "large" };
	if (c == 'f')
		(void)err_set(&m->why, ERR_TEMP, -EIO, "no facts");
	if (c == 'f')
		recipients_scan_failed(m);
	else
		recipients_scanned(m, f);
}

/* All scans that are asked for, in turn. Returns how many. */
static size_t judge(struct bench *b, const char *scans)
{
	size_t n = 0;

	recipients_next(&b->m);
	while (seen.state == MSG_WAITING) {
		T_OK(strcmp(b->m.request.client_ip, "192.0.2.1") == 0 &&
			     strcmp(b->m.request.id, "ID") == 0,
		     "%s: the request names client and message", seen.row->what);
		seen.state = MSG_SCANNING;
		scan(&b->m, scans[n] == '\0' ? 'f' : scans[n]);
		n++;
	}
	return n;
}

static void describe_parts(struct bench *b, char *out, size_t size)
{
	const uint32_t *part_of;
	size_t parts, n = 0, highest = 0;
	bool waits;
	struct err err;

	if (recipients_parts(&b->m, &part_of, &parts, &waits, &err) < 0)
		abort();
	for (size_t i = 0; i < b->m.who.to_n; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%u", i == 0 ? "" : " ", part_of[i]);
		highest = MAX_OF(highest, (size_t)part_of[i]);
	}
	if (waits)
		(void)snprintf(out + n, size - n, " defer");
	T_OK(parts == highest + 1, "%s: %zu parts", seen.row->what, parts);
	T_OK(!waits || strstr(b->m.why.text, "no facts") != NULL ||
		     strstr(b->m.why.text, "60 s") != NULL,
	     "%s: why: %s", seen.row->what, b->m.why.text);
}

static void check_log(struct bench *b)
{
	char ids[8][QUEUE_ID_MAX] = { "ID", "P1", "P2", "P3", "P4", "P5", "P6", "P7" };
	const uint32_t *part_of;
	struct queue_split s = { .ids = ids };
	struct err err;
	bool waits;

	if (recipients_parts(&b->m, &part_of, &s.parts, &waits, &err) < 0)
		abort();
	recipients_log(&b->m, &s);
	T_OK(seen.row->log != NULL && strstr(seen.log, seen.row->log) != NULL, "%s: %s",
	     seen.row->what, seen.log);
}

static void check_row(const struct row *row)
{
	static struct bench b;
	struct err err;
	char got[200] = "alike";
	size_t scans = 0;

	bench_open(&b, row);
	T_OK(recipients_begin(&b.m, &err) == 0, "%s: begins", row->what);
	if (b.m.recipients == NULL) {
		T_OK(strcmp(row->want, got) == 0 && b.m.who.to_n == 1 && b.m.who.to == b.to,
		     "%s: all are alike", row->what);
		bench_close(&b);
		return;
	}
	scans = judge(&b, row->scans);
	T_OK(scans == strlen(row->scans) && seen.state == MSG_JUDGED, "%s: %zu scans", row->what,
	     scans);
	if (recipients_disagree(&b.m))
		describe_parts(&b, got, sizeof(got));
	else
		(void)snprintf(got, sizeof(got), "%s", outcome_name(b.m.decision.outcome));
	T_OK(strcmp(got, row->want) == 0, "%s: %s: %s", row->what, row->to, got);
	if (recipients_disagree(&b.m)) {
		check_log(&b);
		T_OK(seen.charged == 0 && seen.logged_facts == 0,
		     "%s: each part's own life tells its facts", row->what);
	} else {
		T_OK(row->log == NULL && b.m.who.to_n == 1 && b.m.who.to == b.to,
		     "%s: goes on by the values of the first", row->what);
		T_OK(b.m.decision.why != NULL && (b.m.decision.outcome == OUTCOME_DELIVER) ==
							 (b.m.decision.why[0] == '\0'),
		     "%s: why: '%s'", row->what, b.m.decision.why);
		T_OK(seen.charged == (b.m.facts != NULL) && seen.logged_facts == seen.charged,
		     "%s: facts are told once", row->what);
	}
	bench_close(&b);
}

/* The log names five of the new messages. */
static void check_ids(void)
{
	static const struct row row = { .what = "ids", .to = "d v", .max = 20 };
	static const struct {
		size_t parts;
		const char *want;
	} cases[] = { { 2, "into P1: " },
		      { 3, "into P1, P2: " },
		      { 6, "into P1, P2, P3, P4, P5: " },
		      { 7, "into P1, P2, P3, P4, P5 and 1 more: " },
		      { 8, "into P1, P2, P3, P4, P5 and 2 more: " } };
	char ids[8][QUEUE_ID_MAX] = { "ID", "P1", "P2", "P3", "P4", "P5", "P6", "P7" };
	static struct bench b;
	struct err err;

	bench_open(&b, &row);
	if (recipients_begin(&b.m, &err) < 0)
		abort();
	(void)judge(&b, "vv");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct queue_split s = { .ids = ids, .parts = cases[i].parts };

		recipients_log(&b.m, &s);
		T_OK(strstr(seen.log, cases[i].want) != NULL, "%s", seen.log);
	}
	bench_close(&b);
}

/* Without memory the message fails, nobody is joined with anybody. */
static void check_memory(void)
{
	static const struct row row = { .what = "memory", .to = "d v n s o", .max = 20 };
	unsigned failed = 0, begun = 0, wrong = 0;
	static struct bench b;

	for (size_t bytes = 256; bytes < 16 * KIB; bytes += 256) {
		struct err err = { .kind = ERR_NONE };
		int r;

		bench_open(&b, &row);
		arena_free(&b.m.arena);
		b.m.arena = b.m.scan_arena = arena_new(bytes);
		r = recipients_begin(&b.m, &err);
		failed += r < 0;
		begun += r == 0;
		wrong += r < 0 ? err.kind != ERR_LIMIT || b.m.recipients != NULL
			       : b.m.recipients == NULL;
		bench_close(&b);
	}
	T_OK(wrong == 0 && failed > 0 && begun > 0, "%u failed for memory, %u began", failed,
	     begun);
}

/* Which options matter is a question of the snapshot. */
static void check_options(void)
{
	static const struct row row = { .what = "options", .to = "d", .max = 20 };
	static const enum opt_id want[] = {
		OPT_SCAN_MESSAGES,  OPT_VIRUS_SCANNING,     OPT_MAXIMUM_MESSAGE_SIZE,
		OPT_QUARANTINE_DIR, OPT_OUTGOING_QUEUE_DIR, OPT_INFORMATION_HEADER_VALUE
	};
	static struct bench b;

	bench_open(&b, &row);
	T_OK(b.site.recipient_ids_n == ARRAY_LEN(want), "%zu options differ by recipient",
	     b.site.recipient_ids_n);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		unsigned n = 0;

		for (size_t k = 0; k < b.site.recipient_ids_n; k++)
			n += b.site.recipient_ids[k] == want[i];
		T_OK(n == 1, "%s, once", opt_rows[want[i]].name);
	}
	conf_unref(&b.conf);
	b.site.conf = b.conf = load(20, "join");
	recipients_options(&b.site);
	T_OK(b.site.recipient_ids_n == 0, "none when values are joined");
	bench_close(&b);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
	check_ids();
	check_memory();
	check_options();
	return t_done();
}
