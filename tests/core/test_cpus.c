/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/cpus: what is a list of processors, and how one is written. */
#include "core/cpus.h"

#include <errno.h>

#include "tests/t.h"

static const struct {
	const char *text;
	int want;
	unsigned count;
	const char *written, *says;
} cases[] = {
	{ "", 0, 0, "", NULL },
	{ "  ", 0, 0, "", NULL },
	{ "0", 0, 1, "0", NULL },
	{ "0,2-5", 0, 5, "0,2-5", NULL },
	{ " 7 , 1 - 3 ", -EINVAL, 0, NULL, "'1 - 3'" },
	{ "5,4,3", 0, 3, "3-5", NULL },
	{ "1-3,2-4,4", 0, 4, "1-4", NULL },
	{ "63,64,65", 0, 3, "63-65", NULL },
	{ "1023", 0, 1, "1023", NULL },
	{ "0-1023", 0, 1024, "0-1023", NULL },
	{ "1024", -ERANGE, 0, NULL, "0..1023" },
	{ "5-2", -ERANGE, 0, NULL, "backwards" },
	{ "99999999999999999999", -ERANGE, 0, NULL, "0..1023" },
	{ "1,", -EINVAL, 0, NULL, "''" },
	{ ",1", -EINVAL, 0, NULL, "''" },
	{ "1,,2", -EINVAL, 0, NULL, "''" },
	{ "1-", -EINVAL, 0, NULL, "'1-'" },
	{ "-1", -EINVAL, 0, NULL, "'-1'" },
	{ "1-2-3", -EINVAL, 0, NULL, "'1-2-3'" },
	{ "all", -EINVAL, 0, NULL, "'all'" },
	{ "0x1", -EINVAL, 0, NULL, "'0x1'" },
};

static void test_parse(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { .text = "" };
		struct cpus set = { { 42 } };
		char text[64];
		int r = cpus_parse(bytes_str(cases[i].text), &set, &err);

		T_OK(r == cases[i].want, "'%s' gives %d", cases[i].text, r);
		if (cases[i].want < 0)
			T_OK(set.bits[0] == 42 && strstr(err.text, cases[i].says) != NULL,
			     "  says why and changes nothing: %s", err.text);
		else
			T_OK(cpus_count(&set) == cases[i].count &&
				     strcmp(cpus_text(&set, text, sizeof(text)),
					    cases[i].written) == 0,
			     "  is written '%s'", text);
	}
}

static void test_sets(void)
{
	struct cpus a = { { 0 } }, b = { { 0 } }, both;
	char text[8];

	for (unsigned i = 0; i < 200; i += 2)
		cpus_add(&a, i);
	cpus_add(&b, 4);
	cpus_add(&b, 5);
	cpus_add(&b, CPUS_MAX);
	both = cpus_and(&a, &b);
	T_OK(cpus_count(&b) == 2 && cpus_count(&both) == 1 && cpus_has(&both, 4), "intersection");
	T_OK(cpus_next(&a, 3) == 4 && cpus_next(&a, 199) == -1 && cpus_next(&a, CPUS_MAX) == -1,
	     "next");
	cpus_remove(&both, 4);
	T_OK(cpus_next(&both, 0) == -1, "remove");
	T_OK(strcmp(cpus_text(&a, text, sizeof(text)), "0,2,4,6") == 0, "cut to fit: '%s'", text);
}

int main(void)
{
	test_parse();
	test_sets();
	return t_done();
}
