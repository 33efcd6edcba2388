/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/pair.c - where two given bytes stand side by side: a pre-filter at memory speed. */
#include "mime/internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Offset of the first hit in whole blocks, or of the first byte that was not looked at. */
__attribute__((target("avx2"))) static size_t skip_avx2(struct bytes b, uint8_t first,
							uint8_t second, bool *ret_hit)
{
	const __m256i x = _mm256_set1_epi8((char)first), y = _mm256_set1_epi8((char)second);
	size_t i = 0;

	for (; b.n - i > 32; i += 32) {
		const __m256i *at = (const __m256i *)(const void *)(b.p + i);
		const __m256i *behind = (const __m256i *)(const void *)(b.p + i + 1);
		__m256i both = _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_loadu_si256(at), x),
						_mm256_cmpeq_epi8(_mm256_loadu_si256(behind), y));
		unsigned hits = (unsigned)_mm256_movemask_epi8(both);

		if (hits == 0)
			continue;
		*ret_hit = true;
		return i + (size_t)__builtin_ctz(hits);
	}
	return i;
}

static size_t skip_blocks(struct bytes b, uint8_t first, uint8_t second, bool *ret_hit)
{
	return b.n > 64 && __builtin_cpu_supports("avx2") ? skip_avx2(b, first, second, ret_hit)
							  : 0;
}
#else
static size_t skip_blocks(struct bytes b UNUSED, uint8_t first UNUSED, uint8_t second UNUSED,
			  bool *ret_hit UNUSED)
{
	return 0;
}
#endif

size_t mime_find_pair(struct bytes b, uint8_t first, uint8_t second)
{
	bool hit = false;
	size_t i = skip_blocks(b, first, second, &hit);

	if (hit)
		return i;
	for (; i + 1 < b.n; i++)
		if (b.p[i] == first && b.p[i + 1] == second)
			return i;
	return b.n;
}

size_t mime_find_dashes(struct bytes b, size_t at)
{
	while (at < b.n) {
		at += mime_find_pair(bytes_from(b, at), '-', '-');
		if (at >= b.n || at == 0 || b.p[at - 1] == '\n' || b.p[at - 1] == '\r')
			break;
		while (at < b.n && b.p[at] == '-')
			at++;
	}
	return MIN_OF(at, b.n);
}
