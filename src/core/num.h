/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/num.h - the only place, with conf/, where text becomes a number. */
#ifndef CORE_NUM_H
#define CORE_NUM_H

#include "core/bytes.h"

/*
 * Whole of @b as an unsigned number in @base (8, 10 or 16), no sign, no blanks.
 * Returns 0; -EINVAL when it is not a number, -ERANGE when it is above @max.
 */
int num_parse(struct bytes b, unsigned base, uint64_t max, uint64_t *ret) MUST_CHECK;

/* The digits at the start of @rest, which moves behind them; -EINVAL: no digit there. */
int num_take(struct bytes *rest, uint64_t max, uint64_t *ret) MUST_CHECK;

/* @a + @b, SIZE_MAX instead of overflow: for limits, where "too large" is an answer. */
size_t num_add_sat(size_t a, size_t b);

#endif
