/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/cpus.c - sets of processors. */
#include "core/cpus.h"

#include <errno.h>
#include <stdio.h>

#include "core/num.h"

void cpus_add(struct cpus *set, unsigned cpu)
{
	if (cpu < CPUS_MAX)
		set->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

void cpus_remove(struct cpus *set, unsigned cpu)
{
	if (cpu < CPUS_MAX)
		set->bits[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

bool cpus_has(const struct cpus *set, unsigned cpu)
{
	return cpu < CPUS_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned cpus_count(const struct cpus *set)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(set->bits); i++)
		n += (unsigned)__builtin_popcountll(set->bits[i]);
	return n;
}

int cpus_next(const struct cpus *set, unsigned from)
{
	for (; from < CPUS_MAX; from++)
		if (cpus_has(set, from))
			return (int)from;
	return -1;
}

struct cpus cpus_and(const struct cpus *a, const struct cpus *b)
{
	struct cpus both;

	for (size_t i = 0; i < ARRAY_LEN(both.bits); i++)
		both.bits[i] = a->bits[i] & b->bits[i];
	return both;
}

static int bad_item(struct bytes item, int code, struct err *err)
{
	return err_set(err, ERR_CONFIG, code,
		       code == -ERANGE ? "'%.*s' is outside 0..%u, or runs backwards"
				       : "'%.*s' is neither a number nor a range such as 2-5 "
					 "(numbers are 0..%u)",
		       (int)MIN_OF(item.n, 40u), (const char *)item.p, CPUS_MAX - 1);
}

static int add_item(struct bytes item, struct cpus *set, struct err *err)
{
	struct bytes rest = item;
	uint64_t first = 0, last = 0;
	int r = num_take(&rest, CPUS_MAX - 1, &first);

	last = first;
	if (r == 0 && rest.n > 0 && rest.p[0] == '-') {
		rest = bytes_from(rest, 1);
		r = num_take(&rest, CPUS_MAX - 1, &last);
	}
	if (r == 0 && rest.n > 0)
		r = -EINVAL;
	if (r == 0 && last < first)
		r = -ERANGE;
	if (r < 0)
		return bad_item(item, r, err);
	for (; first <= last; first++)
		cpus_add(set, (unsigned)first);
	return 0;
}

int cpus_parse(struct bytes text, struct cpus *ret_set, struct err *err)
{
	struct cpus set = { { 0 } };
	bool more = bytes_trim(text).n > 0;

	while (more) {
		ptrdiff_t comma = bytes_index(text, ',');
		struct bytes item = comma < 0 ? text : bytes_head(text, (size_t)comma);
		int r = add_item(bytes_trim(item), &set, err);

		if (r < 0)
			return r;
		more = comma >= 0;
		text = bytes_from(text, item.n + 1);
	}
	*ret_set = set;
	return 0;
}

const char *cpus_text(const struct cpus *set, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int first = cpus_next(set, 0), last; first >= 0;
	     first = cpus_next(set, (unsigned)last + 1)) {
		const char *comma = n > 0 ? "," : "";

		for (last = first; cpus_has(set, (unsigned)last + 1); last++)
			;
		n += (size_t)(last == first
				      ? snprintf(out + n, size - n, "%s%d", comma, first)
				      : snprintf(out + n, size - n, "%s%d-%d", comma, first, last));
		if (n >= size)
			break;
	}
	return out;
}
