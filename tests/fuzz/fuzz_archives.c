/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Needs: scan_dep. Any bytes, opened as every container they may be; nothing may exceed the budget.
 */
#include <stdlib.h>

#include "tests/scan/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct opened o;
	static bool ready;
	const uint64_t *used = o.s.budget.used;

	if (!ready) {
		opened_init(&o);
		o.request.find_uu = true;
		o.request.limits.max[BUDGET_EXPANDED_BYTES] = 8 * MIB;
		o.request.limits.max[BUDGET_MEMBER_BYTES] = 4 * MIB;
		o.request.limits.max[BUDGET_MEMORY] = 64 * MIB;
		o.request.limits.max[BUDGET_MEMBERS] = 200;
		ready = true;
	}
	opened_run(&o, "file.bin", bytes_of(data, size));
	if (used[BUDGET_EXPANDED_BYTES] > 8 * MIB && o.s.budget.hit == BUDGET_NONE)
		abort();
	for (const struct leaf *l = o.s.leaves; l != NULL; l = l->next)
		if (l->unread && l->content.n > 0)
			abort();
	opened_reset(&o);
	return 0;
}
