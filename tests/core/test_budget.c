/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/budget: each limit is reached exactly once above its value and has a name. */
#include "core/budget.h"

#include <string.h>

#include "tests/t.h"

static void small_limits(struct budget *b)
{
	struct budget_limits limits = budget_default_limits;

	limits.max[BUDGET_MEMBERS] = 3;
	limits.max[BUDGET_ARCHIVE_DEPTH] = 2;
	limits.max[BUDGET_EXPANDED_BYTES] = 1000;
	limits.max[BUDGET_MEMBER_BYTES] = 400;
	budget_init(b, &limits, 100, 0);
}

int main(void)
{
	struct budget b;

	small_limits(&b);
	T_OK(budget_charge(&b, BUDGET_MEMBERS, 3, BYTES("a")), "three members fit");
	T_OK(!budget_charge(&b, BUDGET_MEMBERS, 1, BYTES("a.zip/\n")), "the fourth does not");
	T_OK(strcmp(b.why, "archive members 3 at a.zip/\\x0a") == 0, "named and escaped: %s",
	     b.why);
	T_OK(!budget_allows(&b, BUDGET_ARCHIVE_DEPTH, 3, BYTES("x")), "depth 3 is too deep");
	T_OK(b.hit == BUDGET_MEMBERS, "the first limit stays");

	small_limits(&b);
	T_OK(budget_charge(&b, BUDGET_EXPANDED_BYTES, 900, BYTES("")), "expand");
	T_OK(budget_charge(&b, BUDGET_EXPANDED_BYTES, 100, BYTES("")), "up to the limit");
	T_OK(!budget_charge(&b, BUDGET_EXPANDED_BYTES, 1, BYTES("")), "over");

	budget_init(&b, &budget_default_limits, 10 * 1024, 0);
	T_OK(budget_charge(&b, BUDGET_EXPANDED_BYTES, 9 * MIB, BYTES("")),
	     "ratio is not asked below 10 MiB");
	T_OK(!budget_charge(&b, BUDGET_EXPANDED_BYTES, 9 * MIB, BYTES("")) && b.hit == BUDGET_RATIO,
	     "then it is");
	budget_init(&b, &budget_default_limits, 10, 5000000);
	T_OK(budget_check_cpu(&b, 6000000, BYTES("")) && b.used[BUDGET_CPU_MS] == 1,
	     "CPU time is a difference");
	T_OK(!budget_check_cpu(&b, UINT64_C(70000000000), BYTES("")), "CPU limit");
	T_OK(!budget_charge(&b, BUDGET_MEMBERS, UINT64_MAX, BYTES("")), "no overflow");
	return t_done();
}
