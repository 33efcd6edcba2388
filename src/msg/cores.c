/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/cores.c - lists such as "0,2-5" against the affinity we were started with. */
#include "msg/cores.h"

#include <sched.h>

#include "core/num.h"

#define CORES_MAX 256

static void add_range(struct bytes item, cpu_set_t *set)
{
	uint64_t first, last;

	if (num_take(&item, CORES_MAX - 1, &first) < 0)
		return;
	last = first;
	if (item.n > 0 && item.p[0] == '-') {
		item = bytes_from(item, 1);
		if (num_take(&item, CORES_MAX - 1, &last) < 0)
			return;
	}
	for (; first <= last; first++)
		CPU_SET((size_t)first, set);
}

static void wanted(const struct conf *c, cpu_set_t *ret_set)
{
	struct bytes list = bytes_trim(bytes_str(conf_str(c, OPT_SCAN_CORES, NULL)));
	cpu_set_t ours, named;

	CPU_ZERO(&named);
	CPU_ZERO(&ours);
	(void)sched_getaffinity(0, sizeof(ours), &ours);
	while (list.n > 0) {
		ptrdiff_t comma = bytes_index(list, ',');

		add_range(bytes_trim(comma < 0 ? list : bytes_head(list, (size_t)comma)), &named);
		list = comma < 0 ? bytes_from(list, list.n) : bytes_from(list, (size_t)comma + 1);
	}
	CPU_AND(ret_set, &ours, &named);
	if (CPU_COUNT(ret_set) == 0)
		*ret_set = ours;
}

unsigned cores_count(const struct conf *c)
{
	cpu_set_t set;
	int n;

	wanted(c, &set);
	n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

int cores_pick(const struct conf *c, unsigned index)
{
	unsigned n = cores_count(c);
	cpu_set_t set;

	wanted(c, &set);
	index %= n;
	for (int i = 0; i < CORES_MAX; i++)
		if (CPU_ISSET((size_t)i, &set) && index-- == 0)
			return i;
	return -1;
}
