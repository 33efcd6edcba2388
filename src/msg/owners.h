/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/owners.h - users, groups and modes that options name. Start-up and reload only: the look-up
 * may ask a directory service. */
#ifndef MSG_OWNERS_H
#define MSG_OWNERS_H

#include <sys/types.h>

#include "conf/conf.h"

/* The user or group (name or number) that option @id names; (uid_t)-1 or (gid_t)-1 when it is empty
 * or 0: the one we run as. Returns 0, or -ENOENT (ERR_CONFIG). */
int owner_user(const struct conf *c, enum opt_id id, uid_t *ret_uid, struct err *err) MUST_CHECK;
int owner_group(const struct conf *c, enum opt_id id, gid_t *ret_gid, struct err *err) MUST_CHECK;
/* "0660" as in Quarantine Permissions. */
int owner_mode(const struct conf *c, enum opt_id id, mode_t *ret_mode, struct err *err) MUST_CHECK;

#endif
