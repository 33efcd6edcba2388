/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/scan.h - everything that is asked of one message. The zygote makes one engine (signatures,
 * compiled rules); each worker, forked from it, makes one scanner and scans one message at a time.
 */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include <stdatomic.h>

#include "conf/conf.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/err.h"
#include "scan/facts.h"
#include "scan/request.h"

struct scan_engine;
struct scanner;
struct verdict_cache;

/*
 * Load signatures (option ClamAV Database Directory), compile every rule file and pattern list
 * the configuration can ask for, load libmagic. Takes seconds: zygote and tools only.
 * ERR_CONFIG when a scanner that the configuration wants cannot be had: never "no scanner".
 */
int scan_engine_new(struct scan_engine **ret_e, const struct conf *c, struct err *err) MUST_CHECK;
void scan_engine_free(struct scan_engine **e);
/* Differs whenever signatures or rules differ: part of the verdict cache's key. */
uint64_t scan_engine_generation(const struct scan_engine *e);
/* "main 62, daily 27000, 8,700,000 signatures": for logs and stats. */
const char *scan_engine_describe(const struct scan_engine *e);

/* In the worker, after fork; one for each thread that scans, all with the same @tmp_dir and made
 * before any of them scans and freed when none does. @tmp_dir: the worker's private directory for
 * libclamav. @cache may be NULL. */
int scanner_new(struct scanner **ret_s, struct scan_engine *e, const char *tmp_dir,
		const struct verdict_cache *cache, struct err *err) MUST_CHECK;
void scanner_free(struct scanner **s);
/* Test builds: call @hook(WHAT) when a message has the header "X-Sallyport-Test: WHAT" and WHAT
 * is neither "crash" nor "spin", which this folder does itself. */
void scanner_set_test_hook(struct scanner *s, void (*hook)(const char *what));

/* By the thread that will scan, before the system-call filter: opens its performance counters. A
 * scanner that is not told has the clocks only. */
void scanner_begin_thread(struct scanner *s);
/* Store the stage (facts.h) at @shown when it begins; NULL: nowhere. */
void scanner_show_stage(struct scanner *s, _Atomic uint8_t *shown);

/*
 * Scan @message (headers, blank line, body) as @r asks. Always fills *@ret_f, as far as it came:
 * facts.checks says for each check whether it ran. Findings and strings are in @a, which also
 * holds decoded and unpacked content; its ceiling is limits.max[BUDGET_MEMORY].
 * Returns 0 also when checks failed; negative only when nothing sensible can be said (ERR_BUG).
 */
int scan_message(struct scanner *s, const struct scan_request *r, struct bytes message,
		 struct arena *a, struct facts *ret_f, struct err *err) MUST_CHECK;

#endif
