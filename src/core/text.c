/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/text.c - escaping and UTF-8 validation. */
#include "core/text.h"

#include <string.h>

/* C1 controls as UTF-8: a terminal takes U+009B as the start of a control sequence. */
static bool is_c1(uint8_t first, uint8_t second)
{
	return first == 0xc2 && second >= 0x80 && second <= 0x9f;
}

/* Marks that change the direction of what follows (U+202A to U+202E, U+2066 to U+2069), and other
 * ends of line (U+2028, U+2029): what is shown would not be what is there. @in is well-formed. */
static bool is_misleading(struct bytes in)
{
	return in.n >= 3 && in.p[0] == 0xe2 &&
	       ((in.p[1] == 0x80 && in.p[2] >= 0xa8 && in.p[2] <= 0xae) ||
		(in.p[1] == 0x81 && in.p[2] >= 0xa6 && in.p[2] <= 0xa9));
}

void text_make_printable(char *s)
{
	for (; *s != '\0'; s++) {
		if (is_c1((uint8_t)s[0], (uint8_t)s[1]))
			*s++ = '?';
		else if ((uint8_t)*s >= 0x20 && *s != 0x7f)
			continue;
		*s = '?';
	}
}

/* The table of RFC 3629, section 4. */
size_t text_utf8_length(struct bytes in)
{
	static const struct {
		uint8_t first_lo, first_hi, second_lo, second_hi, len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (in.n == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (in.p[0] < forms[i].first_lo || in.p[0] > forms[i].first_hi)
			continue;
		if (in.n < forms[i].len)
			return 0;
		if (forms[i].len > 1 &&
		    (in.p[1] < forms[i].second_lo || in.p[1] > forms[i].second_hi))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((in.p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

const char *text_escape(char *out, size_t out_size, struct bytes in)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0;

	while (in.n > 0) {
		size_t len = text_utf8_length(in);
		uint8_t c = in.p[0];

		if (len == 0 || c < 0x20 || c == 0x7f || (len == 2 && is_c1(c, in.p[1])) ||
		    (len == 3 && is_misleading(in))) {
			if (o + 5 > out_size)
				break;
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = hex[c >> 4];
			out[o++] = hex[c & 15];
			len = 1;
		} else {
			size_t need = c == '\\' ? 2 : len;

			if (o + need + 1 > out_size)
				break;
			if (c == '\\')
				out[o++] = '\\';
			memcpy(out + o, in.p, len);
			o += len;
		}
		in = bytes_from(in, len);
	}
	out[o] = '\0';
	return out;
}
