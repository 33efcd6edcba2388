/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/text: nothing hostile reaches a terminal or a log. */
#include "core/text.h"

#include <string.h>

#include "tests/t.h"

static const struct {
	const char *in;
	size_t n;
	const char *out;
	bool utf8;
} cases[] = {
	{ "plain", 5, "plain", true },
	{ "a\nb\x1b[", 5, "a\\x0ab\\x1b[", true },
	{ "\\", 1, "\\\\", true },
	{ "\xc3\xa9", 2, "\xc3\xa9", true },
	{ "\xc0\xaf", 2, "\\xc0\\xaf", false },
	{ "\xed\xa0\x80", 3, "\\xed\\xa0\\x80", false },
	{ "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", true },
	{ "\xe2\x82", 2, "\\xe2\\x82", false },
	{ "\0", 1, "\\x00", true },
	{ "a\xc2\x9b"
	  "31m",
	  6, "a\\xc2\\x9b31m", true }, /* CSI as a C1 control */
	{ "\xe2\x80\xae"
	  "fdp.exe",
	  10, "\\xe2\\x80\\xaefdp.exe", true }, /* right to left */
	{ "\xe2\x81\xa9", 3, "\\xe2\\x81\\xa9", true },
	{ "\xe2\x80\xa7", 3, "\xe2\x80\xa7", true },
	{ "\xc2\x9b[2J", 5, "\\xc2\\x9b[2J", true }, /* C1: begins an escape sequence */
	{ "\xc2\xa0", 2, "\\xc2\\xa0", true },       /* no-break space */
	{ "\xc2\xa1", 2, "\xc2\xa1", true },
	{ "\xe2\x80\xae", 3, "\\xe2\\x80\\xae", true }, /* right to left from here */
	{ "\xe2\x80\xb0", 3, "\xe2\x80\xb0", true },
	{ "\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf", true }, /* byte order mark */
};

int main(void)
{
	char out[64], small[6], s[] = "a\tb\xc2\x9b\xc2\xa1";

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bytes in = bytes_of(cases[i].in, cases[i].n);

		T_OK(strcmp(text_escape(out, sizeof(out), in), cases[i].out) == 0, "escape %zu: %s",
		     i, out);
		T_OK((text_utf8_length(in) > 0) == cases[i].utf8, "  utf8 %zu", i);
	}
	T_OK(strcmp(text_escape(small, sizeof(small), BYTES("abc\n")), "abc") == 0,
	     "cut before an escape");
	text_make_printable(s);
	T_OK(strcmp(s, "a?b??\xc2\xa1") == 0, "printable");
	return t_done();
}
