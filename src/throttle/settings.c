/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/settings.c - settings that the kernel's arithmetic can hold. */
#include <errno.h>

#include "throttle/kernel_internal.h"

#define DEPTH_MAX_NS (UINT64_C(1) << 60) /* of a bucket: 36 years */

int throttle_settings_check(const struct throttle_settings *s, struct err *err)
{
	for (int i = 0; i < THROTTLE_TIERS; i++) {
		const struct throttle_rate *r = &s->tiers[i];
		uint64_t depth;

		if (__builtin_mul_overflow(r->interval_ns, (uint64_t)MAX_OF(r->burst, 1u),
					   &depth) ||
		    __builtin_mul_overflow(depth, (uint64_t)MAX_OF(s->slower_div, 1u), &depth) ||
		    depth > DEPTH_MAX_NS)
			return err_set(err, ERR_CONFIG, -ERANGE,
				       "rate of tier %d: %llu ns times a burst of %u is too long",
				       i, (unsigned long long)r->interval_ns, r->burst);
	}
	return 0;
}
