/* SPDX-License-Identifier: GPL-2.0-or-later */
/* action/header_pattern.h - a regular expression on one header line. */
#ifndef ACTION_HEADER_PATTERN_H
#define ACTION_HEADER_PATTERN_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/err.h"

struct header_pattern;

/* Perl syntax, any case. -EINVAL (ERR_CONFIG): @text does not compile. */
int header_pattern_new(struct header_pattern **ret_p, struct bytes text,
		       struct err *err) MUST_CHECK;
void header_pattern_free(struct header_pattern **p);
/* The work on one line is bounded; a pattern that needs more does not match. */
bool header_pattern_matches(const struct header_pattern *p, struct bytes line);

#endif
