/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/charge.c - facts of a message as the throttle's charges. */
#include "msg/internal.h"
#include "throttle/throttle.h"

/* What a kind of finding counts as; CHARGE_CPU: nothing beyond its CPU time. */
static const enum charge_reason reasons[FINDING_KINDS] = {
	[FINDING_VIRUS] = CHARGE_VIRUS,
	[FINDING_FILENAME] = CHARGE_BLOCKED,
	[FINDING_FILETYPE] = CHARGE_BLOCKED,
	[FINDING_CONTENT] = CHARGE_CONTENT,
	[FINDING_PHISHING] = CHARGE_CONTENT,
	[FINDING_SIZE] = CHARGE_CPU,
	[FINDING_ENCRYPTED] = CHARGE_ENCRYPTED,
	[FINDING_DOS] = CHARGE_BOMB,
	[FINDING_UNPARSABLE] = CHARGE_CONTENT,
	[FINDING_SPAM] = CHARGE_SPAM,
	[FINDING_MCP] = CHARGE_SPAM,
};

static void charge(struct msg *m, const struct charge_facts *f)
{
	throttle_charge(m->gate->throttle, m->site->conf, &m->who, m->entry.env.authenticated, f);
}

/* Each reason once a message, however many parts have it. */
static void add_reasons(struct charge_facts *f, const struct facts *scanned)
{
	for (size_t i = 0; i < scanned->findings_n; i++)
		f->n[reasons[scanned->findings[i].kind]] = 1;
	if (scanned->limit_hit != BUDGET_NONE)
		f->n[CHARGE_BOMB] = 1;
}

/* A message with recipients who may disagree is scanned several times for one verdict: what was
 * found counts when it is known whose facts these are, charge_found(). */
void charge_scanned(struct msg *m, const struct facts *scanned)
{
	/* A worker that was taken over may tell any time; it did not use more than went by. */
	struct charge_facts f = { .cpu_us = MIN_OF(scanned->cpu_us, m->scan_ns / 1000),
				  .expanded_bytes = scanned->expanded_bytes };

	if (m->recipients == NULL)
		add_reasons(&f, scanned);
	charge(m, &f);
}

void charge_found(struct msg *m, const struct facts *scanned)
{
	struct charge_facts f = { 0 };

	add_reasons(&f, scanned);
	charge(m, &f);
}

void charge_worker(struct msg *m)
{
	const struct charge_facts f = { .n = { [CHARGE_WORKER] = 1 } };

	charge(m, &f);
}
