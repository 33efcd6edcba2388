/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/options.h - the options of section Throttle as the parts of this folder want them. */
#ifndef THROTTLE_OPTIONS_H
#define THROTTLE_OPTIONS_H

#include "conf/conf.h"
#include "core/arena.h"
#include "throttle/account.h"
#include "throttle/kernel.h"

enum throttle_mode { THROTTLE_OFF, THROTTLE_ACCOUNT, THROTTLE_ENFORCE };

enum throttle_mode throttle_conf_mode(const struct conf *c);
const char *throttle_method_name(enum throttle_method m);
const char *throttle_level_name(enum throttle_level l);
/* "slower", "few", "nothing" in any case; THROTTLE_NORMAL: none of them. */
enum throttle_level throttle_level_find(const char *name);

/* What programs of the kernel go by; changed by a reload. */
void throttle_conf_settings(const struct conf *c, struct throttle_settings *ret_s);
/* What the supervisor loads. Strings are of @c and @a. */
int throttle_conf_setup(const struct conf *c, struct arena *a, struct throttle_setup *ret_s,
			struct err *err) MUST_CHECK;

void throttle_conf_account(const struct conf *c, struct account_settings *ret_s);
void throttle_conf_prices(const struct conf *c, struct charge_prices *ret_p);
void throttle_conf_limits(const struct conf *c, const struct conf_who *who,
			  struct account_limits *ret_l);

#endif
