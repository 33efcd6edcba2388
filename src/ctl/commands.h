/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/commands.h - the gateway's control server (protocol: include/sallyport/control.h). */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "core/err.h"

struct ctl;
struct gate;
struct loop;
struct metrics;
struct throttle;

/* Serve on @listen_fd, which is taken over on success. @reload asks for a reload. */
int ctl_new(struct ctl **ret_c, struct loop *l, int listen_fd, struct metrics *m,
	    void (*reload)(void *arg), void *reload_arg, struct err *err) MUST_CHECK;
/* Connections must be gone: call after the loop has ended. */
void ctl_free(struct ctl **c);
/* Answer whoever asks for the metrics page on @fd (ctl/pages.h), which is taken over on success. */
int ctl_serve_pages(struct ctl *c, int fd, struct err *err) MUST_CHECK;
/* From now on there is something to tell. */
void ctl_set_gate(struct ctl *c, struct gate *g);
void ctl_set_throttle(struct ctl *c, struct throttle *t);

#endif
