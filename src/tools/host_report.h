/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/host_report.h - what `sallyport host` found, for people and for programs. */
#ifndef TOOLS_HOST_REPORT_H
#define TOOLS_HOST_REPORT_H

#include "tools/cli.h"
#include "tools/host_bench.h"
#include "tools/host_limits.h"
#include "tools/host_scan.h"

#define REPORT_PROBLEMS_MAX 8

/* The same work on one core and on all. */
struct report_pair {
	struct bench_rate one, all;
};

struct host_report {
	struct host *host;
	struct host_group group;
	struct plan plan; /* with the site's options */
	struct plan all;  /* with Max Children = auto: what was measured */
	struct host_limit limits[HOST_LIMITS_MAX];
	size_t limits_n;
	bool measured;
	char dir[4096]; /* of the disk that was tried */
	struct bench_sync sync;
	struct report_pair copy, match, scan;
	char engine[400];
	unsigned mail_n;
	uint64_t mail_bytes; /* mean */
	char problems[REPORT_PROBLEMS_MAX][300];
	unsigned problems_n;
};

/* Messages a second; 0 where it was not measured. */
struct host_estimate {
	double scan, commit, loop, all;
	const char *limited_by;
};

void host_estimate(const struct host_report *h, struct host_estimate *ret_e);
void host_report_text(const struct cli *cli, const struct host_report *h);
void host_report_json(const struct host_report *h);

#endif
