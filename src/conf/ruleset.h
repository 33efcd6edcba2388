/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/ruleset.h - a file of rules in place of a value. */
#ifndef CONF_RULESET_H
#define CONF_RULESET_H

#include "conf/conf_internal.h"

/* Whether @text, the value of option @id, names a ruleset (spec a4). */
bool ruleset_is_meant(struct conf_loader *l, enum opt_id id, const char *text);
/* Read it into the setting of @id. False: it cannot be read (reported), the default holds. */
bool ruleset_load(struct conf_loader *l, enum opt_id id, const char *path, struct conf_place at);

#endif
