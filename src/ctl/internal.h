/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/internal.h - inside ctl/: connections and the command table. */
#ifndef CTL_INTERNAL_H
#define CTL_INTERNAL_H

#include "core/jout.h"
#include "ctl/commands.h"
#include "loop/loop.h"
#include "sallyport/control.h"

#define CTL_CONNECTIONS_MAX 32
#define CTL_REPLY_BYTES_MAX (8u * 1024 * 1024)

struct ctl {
	struct loop *loop;
	struct metrics *metrics;
	struct gate *gate; /* NULL: not up yet */
	struct op accept_op;
	int listen_fd;
	void (*reload)(void *arg);
	void *reload_arg;
	unsigned connections;
};

/* Answer the request line @in: one JSON object without newline into @reply. */
void ctl_answer(struct ctl *c, struct bytes in, struct str *reply);

#endif
