/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/kernel_side.h - the supervisor's part of the throttle: loads the kernel's programs and
 * hands their maps to each gateway. Nothing of it keeps mail from flowing: what cannot be had is
 * one warning.
 */
#ifndef DAEMON_KERNEL_SIDE_H
#define DAEMON_KERNEL_SIDE_H

#include "conf/conf.h"
#include "core/err.h"
#include "daemon/channel.h"

struct throttle_kernel;

/* NULL when @c does not say Throttle = enforce, or when it could not be. */
struct throttle_kernel *kernel_side_open(const struct conf *c);
/* Tell a new gateway. @k may be NULL. */
int kernel_side_tell(const struct throttle_kernel *k, int channel, struct err *err) MUST_CHECK;
/* @c is in force now. */
void kernel_side_reload(struct throttle_kernel *k, const struct conf *c);
/* A gateway's CHANNEL_REFUSE. */
void kernel_side_refuse(struct throttle_kernel *k, const struct channel_msg *m);

#endif
