/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_throttle_state - the state file of the throttle, restored into an account. Needs
 * throttle_dep. */
#include <stdlib.h>

#include "throttle/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECOND_NS UINT64_C(1000000000)
#define SOURCES   8

struct restored {
	struct account *account;
	struct prefix_set set;
	uint64_t now_ns;
};

static void take_entry(void *arg, enum throttle_list l, const struct prefix_entry *e)
{
	struct restored *r = arg;
	char text[THROTTLE_PREFIX_TEXT];
	struct throttle_prefix again;
	struct err err;

	if (l == THROTTLE_LIST_PENALTY && (e->level == 0 || e->level > THROTTLE_NOTHING))
		abort();
	if (!throttle_prefix_parse(throttle_prefix_text(&e->p, text), &again) ||
	    again.bits != e->p.bits)
		abort();
	(void)!prefix_set_put(&r->set, e, &err);
}

static void take_account(void *arg, const struct account_source *s, uint64_t age_ns)
{
	struct restored *r = arg;

	account_restore(r->account, s, age_ns, r->now_ns);
}

/* Whatever a file says: sums are costs, and all ends. */
static void check(struct restored *r)
{
	struct account_source s[SOURCES];
	size_t n = account_costliest(r->account, r->now_ns, s, SOURCES);

	for (size_t i = 0; i < n; i++)
		if (!(s[i].total_ms >= 0 && s[i].total_ms <= 1.001e9f))
			abort();
	if (account_n(r->account) > SOURCES)
		abort();
	account_tick(r->account, UINT64_MAX);
	account_tick(r->account, UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct account_settings set = { 300 * SECOND_NS, 600 * SECOND_NS, 8 };
	const struct state_clock now = { .now_ns = 5000 * SECOND_NS, .unix_s = 1000000 };
	struct restored r = { .now_ns = now.now_ns };
	const struct state_reader reader = { take_entry, take_account, &r };
	struct err err;

	prefix_set_init(&r.set, 64);
	if (account_new(&r.account, SOURCES, 1, &set, NULL, NULL, &err) < 0)
		abort();
	(void)!state_read(bytes_of(data, size), &now, &reader);
	check(&r);
	account_free(&r.account);
	prefix_set_fini(&r.set);
	return 0;
}
