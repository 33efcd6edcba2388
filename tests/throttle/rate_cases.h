/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/rate_cases.h - connections one after the other, and which of them the rates let
 * in: the same whoever charges them.
 */
#ifndef TESTS_THROTTLE_RATE_CASES_H
#define TESTS_THROTTLE_RATE_CASES_H

#include "tests/throttle/bench.h"

static const struct rate_case {
	const char *what;
	const char *const sources[10];
	int verdicts[10];
} rate_cases[] = {
	{ "a host's burst is 3",
	  { "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1" },
	  { 0, 0, 0, THROTTLE_DROP_RATE, THROTTLE_DROP_RATE } },
	{ "its network's is 5, of which a refused host takes nothing",
	  { "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2",
	    "192.0.2.3", "192.0.2.4", "192.0.3.1" },
	  { 0, 0, 0, THROTTLE_DROP_RATE, THROTTLE_DROP_RATE, 0, 0, THROTTLE_DROP_RATE, 0 } },
	{ "an IPv6 host's burst is 2",
	  { "2001:db8:1:1::1", "2001:db8:1:1::1", "2001:db8:1:1::1", "2001:db8:1:1::2" },
	  { 0, 0, THROTTLE_DROP_RATE, 0 } },
	{ "a /64's is 3",
	  { "2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1::3", "2001:db8:1:1::4",
	    "2001:db8:1:2::1" },
	  { 0, 0, 0, THROTTLE_DROP_RATE, 0 } },
	{ "a /48's is 4",
	  { "2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1",
	    "2001:db8:1:5::1", "2001:db8:2:1::1" },
	  { 0, 0, 0, 0, THROTTLE_DROP_RATE, 0 } },
	{ "IPv4 and IPv6 of the same bytes are apart",
	  { "0.0.0.1", "0.0.0.1", "0.0.0.1", "0.0.0.1", "::5", "::5", "::5" },
	  { 0, 0, 0, THROTTLE_DROP_RATE, 0, 0, THROTTLE_DROP_RATE } },
};

/* @ask: one connection from there; the verdict. */
static inline void check_rates(struct bench *b, int (*ask)(struct bench *, const char *),
			       const char *layer)
{
	for (size_t i = 0; i < ARRAY_LEN(rate_cases); i++) {
		bool ok = true;

		forget(b);
		for (size_t n = 0; n < 10 && rate_cases[i].sources[n] != NULL; n++)
			ok = ask(b, rate_cases[i].sources[n]) == rate_cases[i].verdicts[n] && ok;
		T_OK(ok, "%s: %s", layer, rate_cases[i].what);
	}
}

#endif
