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
	uint64_t began_ns;
	struct pages *pages; /* NULL: nobody fetches any */
};

/* Member functions of the command table that have a file of their own. */
void ctl_top(struct ctl *c, struct jout *j);
/* The metrics page, Prometheus text format. */
void ctl_put_page(struct ctl *c, struct str *out);
void ctl_pages_free(struct pages **p);

/* Answer the request line @in: one JSON object without newline into @reply. */
void ctl_answer(struct ctl *c, struct bytes in, struct str *reply);

#endif
