/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/report.c - the JSON note of a quarantined message. */
#include "msg/report.h"

#include <errno.h>
#include <inttypes.h>

#include "core/jout.h"
#include "scan/facts_json.h"

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
