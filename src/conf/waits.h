/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/waits.h - which capability an option with OPT_LATER waits for. */
#ifndef CONF_WAITS_H
#define CONF_WAITS_H

#include "conf/opt.h"

/* "spam checks": completes "waits for ...". NULL: nobody said, which a test finds. */
const char *opt_waits_for(enum opt_id id);

#endif
