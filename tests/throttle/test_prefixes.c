/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_prefixes.c - sets of prefixes: longest match, ends, bounds. */
#include "throttle/prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

static struct prefix_entry entry(const char *text, enum throttle_level level, uint64_t until_ns)
{
	struct prefix_entry e = { .level = (uint8_t)level, .until_ns = until_ns };

	if (!throttle_prefix_parse(text, &e.p))
		abort();
	return e;
}

static void put(struct prefix_set *s, const char *text, enum throttle_level level, uint64_t until)
{
	struct prefix_entry e = entry(text, level, until);
	struct err err;

	if (prefix_set_put(s, &e, &err) < 0)
		abort();
}

static const struct {
	const char *text, *shown;
} texts[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "192.0.2.1/32", "192.0.2.1" },
	{ "192.0.2.9/24", "192.0.2.0/24" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "2001:DB8::1/64", "2001:db8::/64" },
	{ "::/0", "::/0" },
	{ "::ffff:192.0.2.1", "192.0.2.1" },
	{ "192.0.2", NULL },
	{ "example", NULL },
	{ "", NULL },
};

static void check_text(void)
{
	char out[THROTTLE_PREFIX_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct throttle_prefix p;
		bool ok = throttle_prefix_parse(texts[i].text, &p);

		T_OK(ok ? texts[i].shown != NULL &&
				     strcmp(throttle_prefix_text(&p, out), texts[i].shown) == 0
			: texts[i].shown == NULL,
		     "'%s' is shown as %s", texts[i].text, ok ? out : "(none)");
	}
}

static const struct {
	const char *address, *want; /* NULL: none */
} matches[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "192.0.2.2", "192.0.2.0/24" },
	{ "192.0.3.1", "192.0.0.0/16" },
	{ "192.0.2.0/25", "192.0.2.0/24" },
	{ "192.0.0.0/15", NULL },
	{ "198.51.100.1", NULL },
	{ "203.0.113.9", "203.0.113.0/24" }, /* the /32 has ended */
	{ "2001:db8:0:1::5", "2001:db8::/48" },
	{ "2001:db8:1::5", NULL },
};

static void check_match(void)
{
	struct prefix_set s;
	char out[THROTTLE_PREFIX_TEXT];

	prefix_set_init(&s, 100);
	put(&s, "192.0.0.0/16", THROTTLE_SLOWER, 0);
	put(&s, "192.0.2.1", THROTTLE_SLOWER, 0);
	put(&s, "192.0.2.0/24", THROTTLE_FEW, 0);
	put(&s, "203.0.113.0/24", THROTTLE_FEW, 2000);
	put(&s, "203.0.113.9", THROTTLE_FEW, 1000);
	put(&s, "2001:db8::/48", THROTTLE_FEW, 1001);
	for (size_t i = 0; i < ARRAY_LEN(matches); i++) {
		struct prefix_entry a = entry(matches[i].address, THROTTLE_NORMAL, 0);
		const struct prefix_entry *e = prefix_set_match(&s, &a.p, 1000);

		T_OK(e == NULL ? matches[i].want == NULL
			       : matches[i].want != NULL && strcmp(throttle_prefix_text(&e->p, out),
								   matches[i].want) == 0,
		     "%s matches %s", matches[i].address, e == NULL ? "nothing" : out);
	}
	put(&s, "192.0.2.1", THROTTLE_NOTHING, 7);
	T_OK(s.n == 6 && prefix_set_find(&s, &s.v[0].p) == &s.v[0], "replacing adds none");
	while (s.n > 0) {
		struct throttle_prefix p = s.v[s.n / 2].p;
		size_t n = s.n;

		T_OK(prefix_set_remove(&s, &p) && s.n == n - 1 && prefix_set_find(&s, &p) == NULL,
		     "remove one of %zu", n);
		T_OK(!prefix_set_remove(&s, &p), "  once");
	}
	T_OK(s.n == 0, "empty");
	prefix_set_fini(&s);
}

static void check_bounds(void)
{
	struct prefix_entry a = entry("192.0.2.1", THROTTLE_FEW, 0),
			    b = entry("192.0.2.2", THROTTLE_FEW, 0),
			    c = entry("192.0.0.0/16", THROTTLE_FEW, 0);
	struct prefix_set s;
	struct err err;

	prefix_set_init(&s, 2);
	T_OK(prefix_set_put(&s, &a, &err) == 0 && prefix_set_put(&s, &b, &err) == 0, "two");
	T_OK(prefix_set_put(&s, &c, &err) == -ENOSPC && err.kind == ERR_LIMIT, "%s", err.text);
	T_OK(prefix_set_put(&s, &a, &err) == 0, "replacing needs no room");
	prefix_set_fini(&s);
	prefix_set_init(&s, 1000);
	for (int i = 0; i < 300; i++) {
		struct prefix_entry *e = i % 3 == 0 ? &a : i % 3 == 1 ? &c : &b;

		if (prefix_set_append(&s, e, &err) < 0)
			abort();
	}
	prefix_set_sort(&s);
	T_OK(s.n == 3 && s.of_bits[128] == 2 && s.of_bits[112] == 1, "repeats are one");
	T_OK(prefix_set_match(&s, &b.p, 0) != NULL, "and found");
	prefix_set_fini(&s);
}

static void check_ended(void)
{
	struct prefix_set s, gone;
	char text[32];
	struct err err;

	prefix_set_init(&s, 100);
	for (unsigned i = 0; i < 60; i++) {
		(void)snprintf(text, sizeof(text), i % 2 == 0 ? "10.0.%u.0/24" : "10.1.0.%u", i);
		put(&s, text, THROTTLE_FEW, i % 3 == 0 ? 0 : i % 3 == 1 ? 100 : 200);
	}
	prefix_set_take_ended(&s, 99, &gone);
	T_OK(s.n == 60 && gone.n == 0, "nothing has ended yet");
	prefix_set_fini(&gone);
	prefix_set_take_ended(&s, 100, &gone);
	T_OK(s.n == 40 && gone.n == 20, "what has ended goes: %zu stay, %zu go", s.n, gone.n);
	T_OK(prefix_set_find(&s, &gone.v[7].p) == NULL, "  it is not found any more");
	for (size_t i = 0; i < gone.n; i++)
		if (prefix_set_put(&s, &gone.v[i], &err) < 0)
			abort();
	T_OK(s.n == 60, "  others were not touched");
	prefix_set_fini(&gone);
	prefix_set_take_ended(&s, 300, &gone);
	T_OK(s.n == 20 && gone.n == 40 && s.of_bits[120] + s.of_bits[128] == 20,
	     "what has no end stays");
	prefix_set_fini(&gone);
	prefix_set_fini(&s);
}

int main(void)
{
	check_text();
	check_match();
	check_bounds();
	check_ended();
	return t_done();
}
