/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/ruleset.c - reading rulesets. */
#include "conf/ruleset.h"

bool ruleset_is_meant(struct conf_loader *l UNUSED, enum opt_id id UNUSED, const char *text UNUSED)
{
	return false;
}

bool ruleset_load(struct conf_loader *l UNUSED, enum opt_id id UNUSED, const char *path UNUSED,
		  struct conf_place at UNUSED)
{
	return false;
}
