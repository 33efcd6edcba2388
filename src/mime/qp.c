/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/qp.c - quoted-printable: long runs are copied, escapes are looked at. */
#include "mime/decode.h"

#if defined(__x86_64__)
#include <emmintrin.h>

/* Copy 16 bytes at a time up to the next '='; returns the bytes copied. May write 16 more. */
static size_t copy_run(uint8_t *out, const uint8_t *in, size_t n)
{
	const __m128i equals = _mm_set1_epi8('=');
	size_t i = 0;

	for (; n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
		int hit = _mm_movemask_epi8(_mm_cmpeq_epi8(v, equals));

		_mm_storeu_si128((__m128i *)(void *)(out + i), v);
		if (hit != 0)
			return i + (size_t)__builtin_ctz((unsigned)hit);
	}
	for (; i < n && in[i] != '='; i++)
		out[i] = in[i];
	return i;
}
#else
static size_t copy_run(uint8_t *out, const uint8_t *in, size_t n)
{
	const uint8_t *hit = memchr(in, '=', n);
	size_t run = hit == NULL ? n : (size_t)(hit - in);

	memcpy(out, in, run);
	return run;
}
#endif

static unsigned hex(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - (unsigned)'0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

/* "=" and blanks up to the end of the line: bytes to skip; 0 when it is no soft line break. */
static size_t soft_break(struct bytes in)
{
	size_t i = 1;

	while (i < in.n && (in.p[i] == ' ' || in.p[i] == '\t'))
		i++;
	if (i == in.n)
		return i;
	if (in.p[i] == '\n')
		return i + 1;
	if (in.p[i] == '\r')
		return i + 1 < in.n && in.p[i + 1] == '\n' ? i + 2 : i + 1;
	return 0;
}

/* QP_RESUME: '=', a lone digit behind it and, behind that, the end of the line are left out. */
static size_t resume(struct bytes in)
{
	if (in.n < 2 || hex(in.p[1]) == 16)
		return 1;
	if (in.n > 2 && (in.p[2] == '\n' || in.p[2] == '\r'))
		return 1 + soft_break(bytes_from(in, 1));
	return 2;
}

static uint8_t *bad_escape(uint8_t *out, struct bytes *in, enum qp_rule rule)
{
	if (rule == QP_DROP) {
		*in = bytes_from(*in, 3);
	} else if (rule == QP_RESUME) {
		*in = bytes_from(*in, resume(*in));
	} else {
		*out++ = '=';
		*in = bytes_from(*in, 1);
	}
	return out;
}

static size_t decode(uint8_t *out, struct bytes in, enum qp_rule rule, bool *ret_clean)
{
	uint8_t *start = out;

	*ret_clean = true;
	while (in.n > 0) {
		size_t n = copy_run(out, in.p, in.n);

		out += n;
		in = bytes_from(in, n);
		if (in.n == 0)
			break;
		if (in.n >= 3 && hex(in.p[1]) < 16 && hex(in.p[2]) < 16) {
			*out++ = (uint8_t)(hex(in.p[1]) << 4 | hex(in.p[2]));
			in = bytes_from(in, 3);
			continue;
		}
		n = soft_break(in);
		if (n == 0) {
			*ret_clean = false;
			out = bad_escape(out, &in, rule);
		}
		in = bytes_from(in, n);
	}
	return (size_t)(out - start);
}

size_t qp_decode(uint8_t *out, struct bytes in, bool *ret_clean)
{
	return decode(out, in, QP_KEEP, ret_clean);
}

static size_t drop_lower(uint8_t *out, struct bytes in)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '=' && i + 1 < in.n && in.p[i + 1] >= 'a' && in.p[i + 1] <= 'f')
			i++;
		else
			out[n++] = in.p[i];
	}
	return n;
}

size_t qp_decode_by(uint8_t *out, struct bytes in, enum qp_rule rule)
{
	bool clean;

	if (rule == QP_DROP_LOWER) {
		uint8_t *copy = out + in.n + 32;

		in = bytes_of(copy, drop_lower(copy, in));
	}
	return decode(out, in, rule, &clean);
}

bool qp_looks_like(struct bytes in)
{
	unsigned good = 0, bad = 0;

	in = bytes_head(in, 4096);
	for (size_t i = 0; i + 2 < in.n; i++) {
		if (in.p[i] != '=')
			continue;
		if ((hex(in.p[i + 1]) < 16 && hex(in.p[i + 2]) < 16) ||
		    soft_break(bytes_from(in, i)) > 0)
			good++;
		else
			bad++;
	}
	return good > bad;
}

size_t qp_longest_blank_line(struct bytes decoded)
{
	struct bytes line;
	size_t longest = 0;

	while (bytes_next_line(&decoded, &line))
		if (line.n > longest && bytes_trim(line).n == 0)
			longest = line.n;
	return longest;
}
