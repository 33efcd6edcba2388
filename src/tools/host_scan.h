/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/host_scan.h - the site's real scan of made-up mail, for `sallyport host`. The messages are
 * our own: nothing that came from outside is parsed here, outside the sandbox.
 */
#ifndef TOOLS_HOST_SCAN_H
#define TOOLS_HOST_SCAN_H

#include "conf/conf.h"
#include "tools/host_bench.h"

struct host_scan;

/* Load signatures and rules, make the mail. Takes seconds. */
int host_scan_new(struct host_scan **ret_s, const struct conf *c, struct err *err) MUST_CHECK;
void host_scan_free(struct host_scan **s);
/* Units are bytes of mail, more counts messages. */
struct bench_work host_scan_work(struct host_scan *s);
/* "6 signatures"; number and mean size of the messages. */
const char *host_scan_describe(const struct host_scan *s, unsigned *ret_n,
			       uint64_t *ret_mean_bytes);

#endif
