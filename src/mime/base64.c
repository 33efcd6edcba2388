/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/base64.c - base64 at memory speed while it is clean, and by every rule when it is not. */
#include "mime/decode.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PAD = 0xfd, BLANK = 0xfe, BAD = 0xff };

/* Value of a character; PAD (P), BLANK (S: CR, LF, blank, tab) or BAD (X). One row: 16 codes. */
#define P PAD
#define S BLANK
#define X BAD
/* clang-format off */
static const uint8_t table[256] = {
	X, X, X, X, X, X, X, X, X, S, S, X, X, S, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	S, X, X, X, X, X, X, X, X, X, X, 62, X, X, X, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, P, X, X,
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, X,
	X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
/* clang-format on */
#undef P
#undef S
#undef X

#if defined(__x86_64__)
/* Bytes that are not zero stand where a character is foreign to the alphabet. */
__attribute__((target("avx2"))) static inline __m256i foreign(__m256i v)
{
	const __m256i low_bad =
		_mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13,
				 0x1a, 0x1b, 0x1b, 0x1b, 0x1a, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
				 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
	const __m256i high_bad =
		_mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10,
				 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
				 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
	const __m256i nibble = _mm256_set1_epi8(0x0f);
	__m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), nibble);
	__m256i low = _mm256_and_si256(v, nibble);

	return _mm256_and_si256(_mm256_shuffle_epi8(low_bad, low),
				_mm256_shuffle_epi8(high_bad, high));
}

/*
 * 32 characters of the alphabet to 24 bytes; 32 are written. The high nibble of a character
 * selects its distance to its value; '/' shares a nibble with '+' and is told apart by comparison.
 */
__attribute__((target("avx2"))) static inline void store(uint8_t *out, __m256i v)
{
	const __m256i distance =
		_mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16,
				 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m256i order =
		_mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2, 1, 0, 6,
				 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
	const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
	const __m256i slash = _mm256_set1_epi8(0x2f);
	__m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), slash);
	__m256i nearer = _mm256_add_epi8(_mm256_cmpeq_epi8(v, slash), high);

	v = _mm256_add_epi8(v, _mm256_shuffle_epi8(distance, nearer));
	v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
	v = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(v, order), lanes);
	_mm256_storeu_si256((__m256i *)(void *)out, v);
}

__attribute__((target("avx2"))) static inline __m256i load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Length of the LF or CR LF at the start of @in (two bytes at least are there); 0: neither. */
static size_t line_end(const uint8_t *in)
{
	if (in[0] == '\n')
		return 1;
	return in[0] == '\r' && in[1] == '\n' ? 2 : 0;
}

/*
 * Lines of whole quanta. The rest of a line, less than a vector, is decoded by a vector that ends
 * with it and so does a part twice: the same bytes are written to the same place.
 */
__attribute__((target("avx2"))) static size_t run_avx2(uint8_t **io_out, const uint8_t *in,
						       size_t n)
{
	uint8_t *out = *io_out;
	size_t i = 0, line = 0;

	while (n - i > 33) {
		__m256i v = load(in + i), bad = foreign(v);
		unsigned good, k;

		if (_mm256_testz_si256(bad, bad)) {
			store(out, v);
			i += 32;
			out += 24;
			continue;
		}
		good = (unsigned)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(bad, _mm256_setzero_si256()));
		k = (unsigned)__builtin_ctz(~good);
		if (k % 4 != 0 || (k > 0 && i + k - line < 32) || line_end(in + i + k) == 0)
			break;
		if (k > 0)
			store(out + k / 4 * 3 - 24, load(in + i + k - 32));
		out += k / 4 * 3;
		i += k + line_end(in + i + k);
		line = i;
	}
	*io_out = out;
	return i;
}

static size_t run_wide(uint8_t **io_out, const uint8_t *in, size_t n)
{
	return __builtin_cpu_supports("avx2") ? run_avx2(io_out, in, n) : 0;
}
#else
static size_t run_wide(uint8_t **io_out UNUSED, const uint8_t *in UNUSED, size_t n UNUSED)
{
	return 0;
}
#endif

/* Whole quanta of clean characters, and line ends between them; returns the bytes used. */
static size_t run_clean(uint8_t **io_out, const uint8_t *in, size_t n)
{
	size_t i = n >= 64 ? run_wide(io_out, in, n) : 0;
	uint8_t *out = *io_out;

	for (; n - i >= 4; i += 4, out += 3) {
		uint8_t a = table[in[i]], b = table[in[i + 1]], c = table[in[i + 2]],
			d = table[in[i + 3]];
		uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;

		if ((a | b | c | d) > 63)
			break;
		out[0] = (uint8_t)(v >> 16);
		out[1] = (uint8_t)(v >> 8);
		out[2] = (uint8_t)v;
	}
	*io_out = out;
	return i;
}

struct quantum {
	uint32_t bits;
	unsigned n; /* characters in it, 0..3 */
};

/* Bytes that an unfinished quantum still holds. */
static uint8_t *flush(struct quantum *q, uint8_t *out)
{
	if (q->n >= 2)
		*out++ = (uint8_t)(q->n == 2 ? q->bits >> 4 : q->bits >> 10);
	if (q->n == 3)
		*out++ = (uint8_t)(q->bits >> 2);
	*q = (struct quantum){ 0, 0 };
	return out;
}

static uint8_t *push(struct quantum *q, uint8_t *out, uint8_t value)
{
	q->bits = q->bits << 6 | value;
	if (++q->n < 4)
		return out;
	out[0] = (uint8_t)(q->bits >> 16);
	out[1] = (uint8_t)(q->bits >> 8);
	out[2] = (uint8_t)q->bits;
	*q = (struct quantum){ 0, 0 };
	return out + 3;
}

/* Only padding that completes the quantum, and blanks, are left. */
static bool is_clean_end(struct bytes rest, unsigned pending)
{
	unsigned pads = 0;

	for (size_t i = 0; i < rest.n; i++) {
		if (table[rest.p[i]] == PAD)
			pads++;
		else if (table[rest.p[i]] != BLANK)
			return false;
	}
	return pending == 0 ? pads == 0 : pending >= 2 && pads == 4 - pending;
}

static bool is_line_end(struct bytes in, size_t i)
{
	return in.p[i] == '\n' || (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n');
}

/*
 * The last line start at or before @at. All between the two is of the alphabet, and at the line
 * start no quantum was open, so that what was written tells what had been written there.
 */
static void clean_lines(struct base64_clean *c, struct bytes in, size_t at, size_t out_n)
{
	size_t start = at;

	while (start > 0 && in.p[start - 1] != '\n')
		start--;
	c->in_n = start;
	c->out_n = out_n - (at - start) / 4 * 3;
}

size_t base64_decode(uint8_t *out, struct bytes in, struct base64_clean *ret_clean)
{
	struct quantum q = { 0, 0 };
	uint8_t *start = out;
	size_t i = 0;

	while (i < in.n) {
		uint8_t value;

		if (q.n == 0) {
			i += run_clean(&out, in.p + i, in.n - i);
			if (i == in.n)
				break;
		}
		value = table[in.p[i]];
		if (value <= 63)
			out = push(&q, out, value);
		else if (!is_line_end(in, i) || q.n > 0) /* readers that go by lines disagree */
			break;
		i++;
	}
	ret_clean->all = is_clean_end(bytes_from(in, i), q.n);
	clean_lines(ret_clean, in, i, (size_t)(out - start));
	if (ret_clean->all)
		return (size_t)(flush(&q, out) - start);
	return ret_clean->out_n +
	       base64_decode_by(start + ret_clean->out_n, bytes_from(in, ret_clean->in_n), 0);
}

/* Behind disputed padding the alignment itself is in dispute, and so is what a line holds. */
#define BEHIND_PAD                                                                                 \
	(BASE64_STOP_AT_PAD | BASE64_SKIP_PAD | BASE64_PAD_PENDING | BASE64_COUNT_PAD |            \
	 BASE64_LINE_RESET | BASE64_LINE_DROP | BASE64_BLANK_RESET)

unsigned base64_disputes(struct bytes in)
{
	unsigned rules = 0, pending = 0;
	bool padded = false, line_empty = true;

	for (size_t i = 0; i < in.n; i++) {
		uint8_t value = table[in.p[i]];

		if (value <= 63) {
			rules |= padded ? BEHIND_PAD : 0;
			pending = (pending + 1) % 4;
			line_empty = false;
		} else if (value == PAD) {
			rules |= pending < 2 && !padded ? BEHIND_PAD : 0;
			padded = true;
		} else if (in.p[i] == '\n') {
			rules |= pending > 0 ? BASE64_LINE_RESET | BASE64_LINE_DROP : 0;
			rules |= pending > 0 && line_empty ? BASE64_BLANK_RESET : 0;
			line_empty = true;
		} else if (value == BAD) {
			rules |= BASE64_STOP_AT_JUNK;
			rules |= in.p[i] == '-' || in.p[i] == '_' ? BASE64_URL : 0;
		}
	}
	return rules;
}

static uint8_t value_by(uint8_t c, unsigned rules)
{
	if ((rules & BASE64_URL) != 0 && (c == '-' || c == '_'))
		return c == '-' ? 62 : 63;
	if ((rules & BASE64_SKIP_PAD) != 0 && c == '=')
		return BLANK;
	return table[c];
}

struct slow {
	struct quantum q;
	uint8_t *out;
	unsigned pads;
	bool line_empty, stop;
};

static void on_pad(struct slow *s, unsigned rules)
{
	s->pads++;
	if ((rules & BASE64_COUNT_PAD) != 0) {
		if (s->q.n + s->pads < 4)
			return;
	} else if ((rules & (BASE64_PAD_PENDING | BASE64_STOP_AT_PAD)) != 0) {
		if (s->q.n < 2 || s->q.n + s->pads < 4)
			return;
		s->stop = (rules & BASE64_STOP_AT_PAD) != 0;
	}
	s->out = flush(&s->q, s->out);
	s->pads = 0;
}

/* A pad inside a quantum takes the place of a character. */
static bool is_full(const struct slow *s, unsigned rules)
{
	return (rules & BASE64_COUNT_PAD) != 0 && s->q.n > 0 && s->q.n + s->pads >= 4;
}

static void on_newline(struct slow *s, unsigned rules)
{
	if ((rules & BASE64_LINE_DROP) != 0)
		s->q = (struct quantum){ 0, 0 };
	if ((rules & BASE64_LINE_RESET) != 0 ||
	    ((rules & BASE64_BLANK_RESET) != 0 && s->line_empty))
		s->out = flush(&s->q, s->out);
	s->line_empty = true;
}

size_t base64_decode_by(uint8_t *out, struct bytes in, unsigned rules)
{
	struct slow s = { .out = out, .line_empty = true };

	for (size_t i = 0; i < in.n && !s.stop; i++) {
		uint8_t value = value_by(in.p[i], rules);

		if (value <= 63) {
			s.out = push(&s.q, s.out, value);
			if (is_full(&s, rules))
				s.out = flush(&s.q, s.out);
			if (s.q.n == 0 || (rules & BASE64_COUNT_PAD) == 0)
				s.pads = 0;
			s.line_empty = false;
		} else if (value == PAD) {
			on_pad(&s, rules);
		} else if (in.p[i] == '\n') {
			on_newline(&s, rules);
		} else if (value == BAD && (rules & BASE64_STOP_AT_JUNK) != 0) {
			s.stop = true;
		}
	}
	return (size_t)(flush(&s.q, s.out) - out);
}

bool base64_looks_like(struct bytes in)
{
	size_t seen = 0, n = MIN_OF(in.n, (size_t)400);

	for (size_t i = 0; i < n; i++) {
		uint8_t value = table[in.p[i]];

		if (value == BAD || in.p[i] == ' ' || in.p[i] == '\t')
			return false;
		seen += value <= 63;
	}
	return seen >= 8;
}
