/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/print.h - documents made from the option rows: the sample file and the manual page. */
#ifndef CONF_PRINT_H
#define CONF_PRINT_H

#include "conf/opt.h"
#include "core/str.h"

/* The complete sample configuration, values as shipped. Check @out->failed. */
void conf_print_sample(struct str *out);
/* sallyport.conf(5). */
void conf_print_manual(struct str *out);

/* What may be written for row @o, as one sentence without its full stop: "no, yes or disarm". */
void conf_print_values(struct str *out, const struct opt *o);

#endif
