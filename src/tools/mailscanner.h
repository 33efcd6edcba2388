/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/mailscanner.h - the command line of the daemon: our switches and MailScanner's,
 * under whatever name it was started.
 */
#ifndef TOOLS_MAILSCANNER_H
#define TOOLS_MAILSCANNER_H

#include <stdbool.h>
#include <stdio.h>

#define MAILSCANNER_PATH_MAX 400 /* of the configuration, with NUL: what fits into a message */

/* What is left to do for the daemon. The paths are absolute. */
struct mailscanner_run {
	const char *conf_path;
	bool foreground, once;
	const char *only_id, *in_queue; /* NULL: not given */
	char *owned[2];
};

/*
 * Answer what @argv asks and return the exit code (>= 0), or -1: the daemon shall run as *@ret_run
 * says. Started as MailScanner, -c asks for the changed options and long switches may have one
 * dash; otherwise -c names the configuration.
 */
int mailscanner_main(int argc, char **argv, struct mailscanner_run *ret_run);
/* After mailscanner_main(), whatever it returned. */
void mailscanner_run_fini(struct mailscanner_run *run);

/* tools/ms_lint.c: --lint, all of it. @quick: only the configuration. */
int ms_lint(const char *conf_path, bool quick);
/* tools/ms_processing.c: rows of the attempts table with a count above @more_than, to @to. Returns
 * how many, or -1: it cannot be read (said on standard error). */
struct conf;
int ms_processing(const struct conf *c, unsigned more_than, FILE *to);

#endif
