/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/site_check.h - what site.c would refuse, all at once and without touching anything. */
#ifndef MSG_SITE_CHECK_H
#define MSG_SITE_CHECK_H

#include "conf/conf.h"

/*
 * Add to @r what keeps the gateway from starting with @c on this host, or what it would warn of:
 * the MTA, users and groups, modes, queue directories, the file systems they are on. False: it
 * would not start. Tools only.
 */
bool site_check(const struct conf *c, struct conf_report *r);

#endif
