/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/headers: names, values, order, ceiling. */
#include "queue/headers.h"

#include <errno.h>

#include "tests/t.h"

static const struct {
	const char *text, *name, *value;
} cases[] = {
	{ "Subject: a b ", "Subject", "a b" },
	{ "Subject \t: x", "Subject", "x" },
	{ "X:", "X", "" },
	{ "To: a,\n\tb\n c", "To", "a,\n\tb\n c" },
	{ ": x", "", "x" },
	{ "no colon", "", "" },
	{ "two words: x", "", "x" },
	{ "From alice Mon: x", "", "x" },
	{ "A\n B: x", "", "x" },
	{ "X-\xc3\xa9: 8", "X-\xc3\xa9", "8" },
	{ "", "", "" },
};

static void test_lines(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bytes t = bytes_str(cases[i].text);

		T_OK(bytes_eq(header_name(t), bytes_str(cases[i].name)), "name of case %zu", i);
		T_OK(bytes_eq(header_value(t), bytes_str(cases[i].value)), "value of case %zu", i);
	}
}

static void test_list(struct arena *a)
{
	struct header_list l = { 0 };
	bool ok = true;

	for (unsigned i = 0; i < 1000; i++) {
		struct header h = { .text = i % 2 == 0 ? BYTES("A: x") : BYTES("b: y") };

		ok &= header_list_insert(&l, a, i % 2 == 0 ? l.n : 0, h) == 0;
	}
	T_OK(ok && l.n == 1000, "1,000 inserts");
	T_OK(l.v[0].text.p[0] == 'b' && l.v[499].text.p[0] == 'b' && l.v[500].text.p[0] == 'A' &&
		     l.v[999].text.p[0] == 'A',
	     "front and back");
	T_OK(header_find(&l, BYTES("a"), 0) == 500, "found in any case");
	l.v[500].deleted = true;
	T_OK(header_find(&l, BYTES("a"), 0) == 501, "not a deleted one");
	T_OK(header_find(&l, BYTES("a"), 502) == 502, "from a place on");
	T_OK(header_find(&l, BYTES("c"), 0) == -1, "none");
}

int main(void)
{
	struct arena *a = arena_new(MIB);
	struct arena *small = arena_new(100);
	struct header_list l = { 0 };

	if (a == NULL || small == NULL)
		return 1;
	test_lines();
	test_list(a);
	T_OK(header_list_insert(&l, small, 0, (struct header){ .text = BYTES("x: y") }) ==
			     -ENOMEM &&
		     l.n == 0,
	     "ceiling of the arena");
	arena_free(&a);
	arena_free(&small);
	return t_done();
}
