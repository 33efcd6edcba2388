/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/report.c - the JSON note of a quarantined message. */
#include "msg/report.h"

#include <errno.h>
#include <inttypes.h>

#include "core/json.h"
#include "scan/facts_json.h"

#define NOTE_BYTES_MAX (4u * 1024 * 1024)

static void add_envelope(struct json *j, const struct msg *m)
{
	const struct envelope *e = &m->entry.env;

	json_member_str(j, "id", bytes_str(m->entry.id));
	json_member_str(j, "from", bytes_str(e->sender_verbatim));
	json_array(j, "to");
	for (size_t i = 0; i < e->to_n; i++)
		json_str(j, bytes_str(e->to_verbatim[i]));
	json_end(j);
	json_member_str(j, "client_ip", bytes_str(e->client_ip));
	json_member_num(j, "received", (uint64_t)e->received_s);
	json_member_num(j, "size", m->entry.size_bytes);
	json_member_num(j, "attempts", m->attempts);
}

static void add_findings(struct json *j, const struct facts *f)
{
	json_array(j, "findings");
	for (size_t i = 0; i < f->findings_n; i++)
		json_finding(j, &f->findings[i]);
	json_end(j);
}

int report_note(struct msg *m, struct quarantine_put *put)
{
	AUTO(str_fini) struct str text;
	struct json j;

	str_init(&text, NOTE_BYTES_MAX);
	json_begin(&j, &text);
	json_object(&j, NULL);
	add_envelope(&j, m);
	json_member_str(&j, "outcome", bytes_str(outcome_name(m->decision.outcome)));
	json_member_str(&j, "why", bytes_str(m->decision.why));
	if (m->facts != NULL) {
		json_member_str(&j, "subject", bytes_str(m->facts->subject));
		add_findings(&j, m->facts);
	}
	json_end(&j);
	if (text.failed)
		return err_set(&m->why, ERR_LIMIT, -EFBIG, "note of more than %u bytes",
			       NOTE_BYTES_MAX);
	return quarantine_note(put, str_view(&text), &m->why);
}
