/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/num.c - parsing numbers without locale, sign or overflow surprises. */
#include "core/num.h"

#include <errno.h>

static int digit(uint8_t c, unsigned base)
{
	int v;

	if (ascii_is_digit(c))
		v = c - '0';
	else if (ascii_is_alpha(c))
		v = ascii_lower(c) - 'a' + 10;
	else
		return -1;
	return v < (int)base ? v : -1;
}

static int take(struct bytes *rest, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < rest->n; n++) {
		int d = digit(rest->p[n], base);

		if (d < 0)
			break;
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (unsigned)d, &v) || v > max)
			return -ERANGE;
	}
	if (n == 0)
		return -EINVAL;
	*rest = bytes_from(*rest, n);
	*ret = v;
	return 0;
}

int num_parse(struct bytes b, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r = take(&b, base, max, &v);

	if (r < 0)
		return r;
	if (b.n > 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

int num_take(struct bytes *rest, uint64_t max, uint64_t *ret)
{
	return take(rest, 10, max, ret);
}

size_t num_add_sat(size_t a, size_t b)
{
	size_t r;

	return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}
