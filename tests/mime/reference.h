/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/mime/reference.h - encoders and decoders as the definitions read, byte by byte: what the
 * fast ones of mime/ are held against, in unit tests and fuzzers.
 */
#ifndef TESTS_MIME_REFERENCE_H
#define TESTS_MIME_REFERENCE_H

#include "core/bytes.h"

static const char ref_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Lines of @width characters (a multiple of 4), each ended by @eol. @out: 2 * n + 64 bytes. */
static inline size_t ref_base64(char *out, struct bytes in, size_t width, const char *eol)
{
	size_t n = 0, column = 0;

	for (size_t i = 0; i < in.n; i += 3) {
		uint32_t v = (uint32_t)in.p[i] << 16;

		v |= i + 1 < in.n ? (uint32_t)in.p[i + 1] << 8 : 0;
		v |= i + 2 < in.n ? in.p[i + 2] : 0;
		out[n++] = ref_alphabet[v >> 18];
		out[n++] = ref_alphabet[v >> 12 & 63];
		out[n++] = i + 1 < in.n ? ref_alphabet[v >> 6 & 63] : '=';
		out[n++] = i + 2 < in.n ? ref_alphabet[v & 63] : '=';
		column += 4;
		if (column == width || i + 3 >= in.n) {
			for (const char *e = eol; *e != '\0'; e++)
				out[n++] = *e;
			column = 0;
		}
	}
	return n;
}

static inline bool ref_qp_literal(uint8_t c)
{
	return (c >= 33 && c <= 126 && c != '=') || c == ' ' || c == '\t';
}

/* @out: 4 * n + 64 bytes. Line ends stay as they are; long lines get soft breaks. */
static inline size_t ref_qp(char *out, struct bytes in)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0, column = 0;

	for (size_t i = 0; i < in.n; i++) {
		bool eol = in.p[i] == '\n';
		bool before_eol = i + 1 < in.n && in.p[i + 1] == '\n';
		bool blank = in.p[i] == ' ' || in.p[i] == '\t';

		if (column > 70) {
			out[n++] = '=';
			out[n++] = '\n';
			column = 0;
		}
		if (eol || (ref_qp_literal(in.p[i]) && !(blank && (before_eol || i + 1 == in.n)))) {
			out[n++] = (char)in.p[i];
			column = eol ? 0 : column + 1;
			continue;
		}
		out[n++] = '=';
		out[n++] = digits[in.p[i] >> 4];
		out[n++] = digits[in.p[i] & 15];
		column += 3;
	}
	return n;
}

static inline char ref_uu_char(unsigned v)
{
	return v == 0 ? '`' : (char)(v + 32);
}

/* Lines of 45 bytes and the empty one, without begin and end. @out: 2 * n + 64 bytes. */
static inline size_t ref_uu(char *out, struct bytes in)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i += 45) {
		size_t len = MIN_OF((size_t)45, in.n - i);

		out[n++] = ref_uu_char((unsigned)len);
		for (size_t j = 0; j < len; j += 3) {
			uint32_t v = (uint32_t)in.p[i + j] << 16;

			v |= j + 1 < len ? (uint32_t)in.p[i + j + 1] << 8 : 0;
			v |= j + 2 < len ? in.p[i + j + 2] : 0;
			out[n++] = ref_uu_char(v >> 18);
			out[n++] = ref_uu_char(v >> 12 & 63);
			out[n++] = ref_uu_char(v >> 6 & 63);
			out[n++] = ref_uu_char(v & 63);
		}
		out[n++] = '\n';
	}
	out[n++] = '`';
	out[n++] = '\n';
	return n;
}

/* Lines of 128 characters. @out: 3 * n + 64 bytes. */
static inline size_t ref_yenc(char *out, struct bytes in)
{
	size_t n = 0, column = 0;

	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = (uint8_t)(in.p[i] + 42);

		if (c == 0 || c == '\n' || c == '\r' || c == '=' || (c == '-' && column == 0)) {
			out[n++] = '=';
			c = (uint8_t)(c + 64);
			column++;
		}
		out[n++] = (char)c;
		if (++column >= 128) {
			out[n++] = '\r';
			out[n++] = '\n';
			column = 0;
		}
	}
	return n;
}

#endif
