/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/zygote_role.h - both programs start themselves again as zygote: what they say on that
 * command line, and the main that understands it. The zygote must know its user and its limits
 * before it reads the configuration, since it reads nothing as root.
 */
#ifndef TOOLS_ZYGOTE_ROLE_H
#define TOOLS_ZYGOTE_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define ZYGOTE_ROLE         "--role=zygote"
#define ZYGOTE_ROLE_FD      3 /* its socket to the master */
#define ZYGOTE_ARGUMENT_MAX 160

/* "--zygote=USER:WORKERS:TMPFS:MEMORY:HUGE" from the options Scan User, Max Children, Worker Tmpfs
 * Size, Worker Memory Limit and Huge Pages. Without root the user stays. */
void zygote_role_argument(char out[ZYGOTE_ARGUMENT_MAX], const struct conf *c);

/* argv of a zygote? */
bool zygote_role_is(int argc, char **argv);
/* Its main. Exit code of sysexits.h. */
int zygote_role_main(int argc, char **argv);

#endif
