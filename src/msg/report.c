/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/report.c - the JSON note of a quarantined message. */
#include "msg/report.h"

#include <errno.h>
#include <inttypes.h>

#include "core/clock.h"
#include "core/jout.h"
#include "scan/facts_json.h"
#include "store/msglog.h"

#define NOTE_BYTES_MAX (4u * 1024 * 1024)

static void add_envelope(struct jout *j, const struct msg *m)
{
	const struct envelope *e = &m->entry.env;

	jout_member_str(j, "id", bytes_str(m->entry.id));
	jout_member_str(j, "from", bytes_str(e->sender_verbatim));
	jout_array(j, "to");
	for (size_t i = 0; i < e->to_n; i++)
		jout_str(j, bytes_str(e->to_verbatim[i]));
	jout_end(j);
	jout_member_str(j, "client_ip", bytes_str(e->client_ip));
	jout_member_num(j, "received", (uint64_t)e->received_s);
	jout_member_num(j, "size", m->entry.size_bytes);
	jout_member_num(j, "attempts", m->attempts);
	if (e->split_from != NULL)
		jout_member_str(j, "split_from", bytes_str(e->split_from));
}

static void add_findings(struct jout *j, const struct facts *f)
{
	jout_array(j, "findings");
	for (size_t i = 0; i < f->findings_n; i++)
		facts_put_finding(j, &f->findings[i]);
	jout_end(j);
}

int report_note(struct msg *m, struct quarantine_put *put)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, NOTE_BYTES_MAX);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	add_envelope(&j, m);
	jout_member_str(&j, "outcome", bytes_str(outcome_name(m->decision.outcome)));
	jout_member_str(&j, "why", bytes_str(m->decision.why));
	if (m->facts != NULL) {
		jout_member_str(&j, "subject", bytes_str(m->facts->subject));
		add_findings(&j, m->facts);
	}
	jout_end(&j);
	if (text.failed)
		return err_set(&m->why, ERR_LIMIT, -EFBIG, "note of more than %u bytes",
			       NOTE_BYTES_MAX);
	return quarantine_note(put, str_view(&text), &m->why);
}

static int facts_text(const struct msg *m, struct str *out, struct err *err)
{
	struct jout j;

	jout_begin(&j, out);
	jout_object(&j, NULL);
	facts_put(&j, m->facts);
	jout_end(&j);
	return out->failed ? err_set(err, ERR_LIMIT, -EFBIG, "facts of more than %u bytes",
				     NOTE_BYTES_MAX)
			   : 0;
}

int report_record(const struct msg *m, struct err *err)
{
	const struct envelope *e = &m->entry.env;
	const struct decision *d = &m->decision;
	AUTO(str_fini) struct str facts;
	struct msglog_record r = {
		.id = m->entry.id,
		.out_id = m->holding ? NULL : m->staged.id,
		.split_from = e->split_from,
		.outcome = outcome_name(d->outcome),
		.why = d->why,
		.from = e->sender,
		.to = (const char *const *)e->to,
		.to_n = e->to_n,
		.to_all = e->to_all,
		.client_ip = e->client_ip,
		.quarantine = m->holding ? m->put.path : NULL,
		.size_bytes = m->entry.size_bytes,
		.received_s = e->received_s,
		.finished_s = (int64_t)clock_unix_s(),
		.attempt = m->attempts,
		.scanned = d->scanned,
		.virus_infected = d->virus_infected,
		.name_infected = d->name_infected,
		.size_infected = d->size_infected,
		.other_infected = d->other_infected,
		.wait_us = m->queued_ns == 0 ? 0 : (m->queued_ns - m->began_ns) / 1000,
		.scan_us = m->scan_ns / 1000,
		.commit_us = (loop_now_ns(m->gate->loop) - m->staged_ns) / 1000,
		.total_us = (loop_now_ns(m->gate->loop) - m->began_ns) / 1000,
	};

	str_init(&facts, NOTE_BYTES_MAX);
	if (m->facts != NULL) {
		int bad = facts_text(m, &facts, err);

		if (bad < 0)
			return bad;
		r.facts = str_view(&facts);
		r.subject = m->facts->subject;
		r.message_id = m->facts->message_id;
	}
	return msglog_write(m->gate->msglog, &r, err);
}
