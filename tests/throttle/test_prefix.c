/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_prefix.c - prefixes as people write them, names of parts, settings. */
#include <errno.h>
#include <string.h>

#include "tests/t.h"
#include "throttle/kernel.h"
#include "throttle/kernel_internal.h"

static const struct {
	const char *text, *back; /* NULL: refused */
	int bits;
} cases[] = {
	{ "192.0.2.1", "192.0.2.1", 128 },
	{ "192.0.2.1/32", "192.0.2.1", 128 },
	{ "192.0.2.255/24", "192.0.2.0/24", 120 },
	{ "192.0.2.255/25", "192.0.2.128/25", 121 },
	{ "0.0.0.0/0", "0.0.0.0/0", 96 },
	{ "255.255.255.255/31", "255.255.255.254/31", 127 },
	{ "2001:db8::1", "2001:db8::1", 128 },
	{ "2001:DB8::1/128", "2001:db8::1", 128 },
	{ "2001:db8:ffff:ffff::1/48", "2001:db8:ffff::/48", 48 },
	{ "2001:db8:1:2:3::/64", "2001:db8:1:2::/64", 64 },
	{ "2001:db8:1:ffff::/61", "2001:db8:1:fff8::/61", 61 },
	{ "::/0", "::/0", 0 },
	{ "::1", "::1", 128 },
	{ "::ffff:192.0.2.1", "192.0.2.1", 128 },
	{ "::ffff:192.0.2.0/120", "192.0.2.0/24", 120 },
	{ "::ffff:192.0.2.0/95", "::fffe:0:0/95", 95 },
	{ "", NULL, 0 },
	{ "/24", NULL, 0 },
	{ "192.0.2.1/", NULL, 0 },
	{ "192.0.2.1/33", NULL, 0 },
	{ "192.0.2.1/-1", NULL, 0 },
	{ "192.0.2.1/+1", NULL, 0 },
	{ "192.0.2.1/2 ", NULL, 0 },
	{ "192.0.2.1/24/24", NULL, 0 },
	{ "192.0.2.1/99999999999999999999", NULL, 0 },
	{ "192.0.2", NULL, 0 },
	{ "192.0.2.256", NULL, 0 },
	{ " 192.0.2.1", NULL, 0 },
	{ "2001:db8::1/129", NULL, 0 },
	{ "2001:db8::1::2", NULL, 0 },
	{ "host.example", NULL, 0 },
	{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee", NULL, 0 },
};

static void check_prefixes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct throttle_prefix p;
		char text[THROTTLE_PREFIX_TEXT];
		bool ok = throttle_prefix_parse(cases[i].text, &p);

		if (!T_OK(ok == (cases[i].back != NULL), "'%s' is %sa prefix", cases[i].text,
			  cases[i].back != NULL ? "" : "not ") ||
		    !ok)
			continue;
		T_OK(p.bits == cases[i].bits &&
			     strcmp(throttle_prefix_text(&p, text), cases[i].back) == 0,
		     "  and comes back as %s (%s, %u)", cases[i].back, text, p.bits);
	}
}

static const struct {
	uint64_t interval_ns;
	uint32_t burst, slower_div;
	int want;
} depths[] = {
	{ 0, 0, 0, 0 },
	{ 1000000000, 10, 10, 0 },
	{ 86400ull * 1000000000, 100, 100, 0 },
	{ 1ull << 60, 1, 1, 0 },
	{ 1ull << 60, 2, 1, -ERANGE },
	{ 1ull << 59, 1, 3, -ERANGE },
	{ 1ull << 40, 4294967295u, 1, -ERANGE },
	{ 1ull << 33, 1u << 20, 1u << 20, -ERANGE },
};

static void check_settings(void)
{
	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		struct throttle_settings s = { .slower_div = depths[i].slower_div };
		struct err err = { 0 };

		s.tiers[i % THROTTLE_TIERS].interval_ns = depths[i].interval_ns;
		s.tiers[i % THROTTLE_TIERS].burst = depths[i].burst;
		T_OK(throttle_settings_check(&s, &err) == depths[i].want, "bucket %zu is %s (%s)",
		     i, depths[i].want == 0 ? "fine" : "too deep", err.text);
	}
}

int main(void)
{
	check_prefixes();
	check_settings();
	for (int p = 0; p < THROTTLE_PARTS; p++)
		T_OK(strcmp(throttle_part_name((enum throttle_part)p), "unknown") != 0,
		     "part %d has a name: %s", p, throttle_part_name((enum throttle_part)p));
	T_OK(strcmp(throttle_part_name(THROTTLE_PARTS), "unknown") == 0, "no more parts than that");
	return t_done();
}
