/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/num: what is a number and what is not. */
#include "core/num.h"

#include <errno.h>

#include "tests/t.h"

static const struct {
	const char *text;
	unsigned base;
	uint64_t max;
	int want;
	uint64_t value;
} cases[] = {
	{ "0", 10, 9, 0, 0 },
	{ "18446744073709551615", 10, UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", 10, UINT64_MAX, -ERANGE, 0 },
	{ "99", 10, 98, -ERANGE, 0 },
	{ "", 10, 9, -EINVAL, 0 },
	{ "-1", 10, 9, -EINVAL, 0 },
	{ " 1", 10, 9, -EINVAL, 0 },
	{ "1x", 10, 9, -EINVAL, 0 },
	{ "fF", 16, 255, 0, 255 },
	{ "0660", 8, 07777, 0, 0660 },
	{ "8", 8, 07777, -EINVAL, 0 },
};

int main(void)
{
	struct bytes rest = BYTES("19 rest");
	uint64_t v = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r = num_parse(bytes_str(cases[i].text), cases[i].base, cases[i].max, &v);

		T_OK(r == cases[i].want && (r < 0 || v == cases[i].value), "'%s'", cases[i].text);
	}
	T_OK(num_take(&rest, 100, &v) == 0 && v == 19 && rest.n == 5, "take moves on");
	T_OK(num_take(&rest, 100, &v) == -EINVAL && rest.n == 5, "take without digits stays");
	T_OK(num_add_sat(SIZE_MAX, 1) == SIZE_MAX, "saturate");
	return t_done();
}
