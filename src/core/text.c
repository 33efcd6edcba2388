/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/text.c - escaping and UTF-8 validation. */
#include "core/text.h"

#include <string.h>

void text_make_printable(char *s)
{
	for (; *s != '\0'; s++) {
		uint8_t c = (uint8_t)*s, next = (uint8_t)s[1];

		if (c < 0x20 || c == 0x7f)
			*s = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			s[0] = s[1] = '?';
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

/* What a terminal obeys or does not show, though it is well-formed: C1 controls (U+009B begins an
 * escape sequence), blanks that look like others or like nothing, and what turns the direction of
 * writing. @len bytes of UTF-8. */
static bool is_unseen(const uint8_t *p, size_t len)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x80, 0xa0 },     { 0xad, 0xad },     { 0x61c, 0x61c },   { 0x200b, 0x200f },
		{ 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xfeff, 0xfeff },
	};
	uint32_t c = 0;

	if (len != 2 && len != 3)
		return false;
	c = len == 2 ? p[0] & 0x1fu : p[0] & 0x0fu;
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

const char *text_escape(char *out, size_t out_size, struct bytes in)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0;

	while (in.n > 0) {
		size_t len = text_utf8_length(in);
		uint8_t c = in.p[0];

		if (len == 0 || c < 0x20 || c == 0x7f || is_unseen(in.p, len)) {
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
