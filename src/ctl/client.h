/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/client.h - one question to the running gateway. Blocking: tools only. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "core/err.h"
#include "core/str.h"

struct ctl_argument {
	const char *name, *text; /* @text NULL: a number */
	long long number;
};

/* Send {"command": @command, NAME: VALUE ...} to the socket @path and read the answer, at most ten
 * seconds.
 * -ECONNREFUSED, -ENOENT: no gateway is running there. */
int ctl_ask_with(const char *path, const char *command, const struct ctl_argument *args,
		 size_t args_n, struct str *ret_answer, struct err *err) MUST_CHECK;
/* The same without arguments, and with other patience. */
int ctl_ask_within(const char *path, const char *command, unsigned seconds, struct str *ret_answer,
		   struct err *err) MUST_CHECK;
int ctl_ask(const char *path, const char *command, struct str *ret_answer,
	    struct err *err) MUST_CHECK;

#endif
