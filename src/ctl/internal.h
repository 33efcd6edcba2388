/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/internal.h - inside ctl/: connections and the command table. */
#ifndef CTL_INTERNAL_H
#define CTL_INTERNAL_H

#include <jansson.h>

#include "core/jout.h"
#include "ctl/commands.h"
#include "loop/loop.h"
#include "sallyport/control.h"

#define CTL_CONNECTIONS_MAX 32
#define CTL_REPLY_BYTES_MAX (8u * 1024 * 1024)

struct ctl {
	struct loop *loop;
	struct metrics *metrics;
	struct gate *gate;         /* NULL: not up yet */
	struct throttle *throttle; /* NULL: none */
	struct op accept_op;
	int listen_fd;
	void (*reload)(void *arg);
	void *reload_arg;
	unsigned connections;
	uint64_t began_ns;
	struct pages *pages; /* NULL: nobody fetches any */
};

/* Add members to the open object; negative: @err says why not, and none was added. */
typedef int ctl_command(struct ctl *c, const json_t *request, struct jout *j, struct err *err);

/* throttle_commands.c */
ctl_command ctl_throttle_list, ctl_throttle_add, ctl_throttle_del, ctl_throttle_stats,
	ctl_throttle_why, ctl_throttle_decide, ctl_throttle_sources, ctl_throttle_off,
	ctl_throttle_on;
/* top.c */
ctl_command ctl_top;
/* The metrics page, Prometheus text format. */
void ctl_put_page(struct ctl *c, struct str *out);
void ctl_pages_free(struct pages **p);

/* Answer the request line @in: one JSON object without newline into @reply. */
void ctl_answer(struct ctl *c, struct bytes in, struct str *reply);

#endif
