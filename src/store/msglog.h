/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/msglog.h - one JSON object a line for every message that is finished: what programs such as
 * MailWatch read, and what `sallyport explain` shows. The file is only appended to, a line
 * by one write, so that readers see whole lines; who rotates it has the gateway reopen it.
 */
#ifndef STORE_MSGLOG_H
#define STORE_MSGLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

struct msglog;

/* Strings may be hostile bytes: they are escaped. NULL leaves a member out. */
struct msglog_record {
	const char *id;         /* in the incoming queue; never NULL */
	const char *out_id;     /* in the outgoing queue */
	const char *split_from; /* id of the message whose recipients disagreed; NULL: none */
	const char *outcome;    /* "deliver" ...; never NULL */
	const char *why;
	const char *from; /* envelope, lower case; "" is the null sender */
	const char *const *to;
	size_t to_n;
	size_t to_all; /* recipients it came with; as many as @to_n or fewer: not written */
	const char *client_ip, *subject, *message_id;
	const char *quarantine; /* path of the stored message */
	const char *facts;      /* a JSON object, well-formed: findings, parts, checks */
	uint64_t size_bytes;
	int64_t received_s, finished_s; /* Unix seconds */
	unsigned attempt;
	bool scanned, virus_infected, name_infected, size_infected, other_infected;
	uint64_t wait_us, scan_us, commit_us, total_us;
};

/* Open or make @path. A line that a crash cut short stays, and is ended. */
int msglog_open(struct msglog **ret_l, const char *path, struct err *err) MUST_CHECK;
void msglog_close(struct msglog **l);
/* The file at the path, after a rotation. On failure the old one stays in use. */
int msglog_reopen(struct msglog *l, struct err *err) MUST_CHECK;
/* One line of at most MSGLOG_LINE_MAX bytes: recipients beyond MSGLOG_TO_MAX ("to_n" tells how
 * many there are) and, when they are too long, the facts ("cut" is true) are left out. Not synced:
 * the line is a report, the mail itself is safe elsewhere. */
int msglog_write(struct msglog *l, const struct msglog_record *r, struct err *err) MUST_CHECK;
#define MSGLOG_LINE_MAX (1024 * 1024)
#define MSGLOG_TO_MAX   1000

/* The last line about @id in the file @path, without LF, added to @ret_line. -ENOENT: none. Tools:
 * reads the whole file. */
int msglog_find(const char *path, const char *id, struct str *ret_line, struct err *err) MUST_CHECK;
/* The ids of all messages split from @id, ", " between them, added to @ret_ids: as they stand in
 * the file, whose ids need no escapes. Returns how many. Tools. */
int msglog_find_derived(const char *path, const char *id, struct str *ret_ids,
			struct err *err) MUST_CHECK;

#endif
