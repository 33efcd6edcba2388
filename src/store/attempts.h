/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/attempts.h - how often a message has been tried, so that none can stop the queue.
 *
 * Two parts. The *table* is MailScanner's SQLite file (option Processing Attempts Database,
 * tables processing and archive with id, count, nexttime): written only when an attempt
 * has failed, so that good mail costs nothing. The *ledger* is a small memory-mapped file beside
 * it that holds the ids in flight: it survives a kill of the gateway, costs no system call, and
 * what is found in it at the next start has failed an attempt.
 */
#ifndef STORE_ATTEMPTS_H
#define STORE_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct attempts;

struct attempts_row {
	char id[64];
	unsigned count;
	int64_t next_s; /* Unix seconds: not before */
};

/*
 * Open or make both files (the ledger is @path.ledger); @in_flight_max is the size of the ledger.
 * A broken database is renamed to NAME.broken and begun anew (@ret_notice, may be NULL, then says
 * so; otherwise it is ""). Each id found in the ledger counts as one failed attempt, to be tried
 * again at once. Rows untouched for 7 days (archive: 90) are forgotten: the MTA may have given
 * their ids to other messages. -EBUSY: another gateway has the ledger; @err names it.
 * Start-up only.
 */
int attempts_open(struct attempts **ret_a, const char *path, unsigned in_flight_max, int64_t now_s,
		  char ret_notice[256], struct err *err) MUST_CHECK;
/* For tools, also while a gateway runs: attempts_list() only. -ENOENT: no database yet. */
int attempts_open_view(struct attempts **ret_a, const char *path, struct err *err) MUST_CHECK;
/* What is still in the ledger is released, not counted. */
void attempts_close(struct attempts **a);

/*
 * Take message @id in hand. No system call.
 * 0 and its ledger place; -EAGAIN: not before its next time; -EDQUOT: it has failed @max times (0:
 * no limit): quarantine it, then attempts_archive() - it has a place, too, since setting it aside
 * may also fail; -ENOSPC: ledger full; -EINVAL: an id longer than the table's.
 * *@ret_count: the number of this attempt, from 1. Both are written for 0 and -EDQUOT.
 */
int attempts_begin(struct attempts *a, const char *id, unsigned max, int64_t now_s,
		   unsigned *ret_place, unsigned *ret_count, struct err *err) MUST_CHECK;

/*
 * Each of the next four gives the place back, also when it fails. A failure means that the table
 * could not be written: memory is right until the process ends, only a restart would not know.
 */
/* It left the queue: forget it. No system call unless it had failed before. */
int attempts_done(struct attempts *a, unsigned place, struct err *err) MUST_CHECK;
/* It stays in the queue through no fault of its own (reload, stop): not counted. */
void attempts_release(struct attempts *a, unsigned place);
/* The same, but not again for @delay_s; only this process knows. */
void attempts_postpone(struct attempts *a, unsigned place, int64_t now_s, unsigned delay_s);
/* It failed: count it, next time after @delay_s. */
int attempts_failed(struct attempts *a, unsigned place, int64_t now_s, unsigned delay_s,
		    struct err *err) MUST_CHECK;
/* It was set aside: move the row to the archive table. */
int attempts_archive(struct attempts *a, unsigned place, int64_t now_s, struct err *err) MUST_CHECK;

/* Rows of the table (or of the archive), at most @max. Returns how many. */
int attempts_list(struct attempts *a, bool archive, struct attempts_row *ret, size_t max,
		  struct err *err) MUST_CHECK;

#endif
