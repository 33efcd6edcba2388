/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/report.h - what was found about a message, as JSON: beside the quarantined message. */
#ifndef MSG_REPORT_H
#define MSG_REPORT_H

#include "msg/internal.h"

/* Write the facts of @m beside its quarantined copy. On failure m->why says so. */
int report_note(struct msg *m, struct quarantine_put *put) MUST_CHECK;

/* Append the finished message @m to the gate's message log. */
int report_record(const struct msg *m, struct err *err) MUST_CHECK;

#endif
