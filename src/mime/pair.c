/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/pair.c - where two given bytes stand side by side: a pre-filter at memory speed. */
#include "mime/internal.h"

#if defined(__x86_64__)
#include <emmintrin.h>

/* Offset of the first hit in whole blocks, or of the first byte that was not looked at. */
static size_t skip_blocks(struct bytes b, uint8_t first, uint8_t second, bool *ret_hit)
{
	const __m128i x = _mm_set1_epi8((char)first), y = _mm_set1_epi8((char)second);
	size_t i = 0;

	for (; b.n - i > 16; i += 16) {
		const __m128i *at = (const __m128i *)(const void *)(b.p + i);
		const __m128i *behind = (const __m128i *)(const void *)(b.p + i + 1);
		__m128i both = _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(at), x),
					     _mm_cmpeq_epi8(_mm_loadu_si128(behind), y));
		int hits = _mm_movemask_epi8(both);

		if (hits == 0)
			continue;
		*ret_hit = true;
		return i + (size_t)__builtin_ctz((unsigned)hits);
	}
	return i;
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
	size_t i;

	if (b.n < 2)
		return b.n;
	i = skip_blocks(b, first, second, &hit);
	if (hit)
		return i;
	for (; i + 1 < b.n; i++)
		if (b.p[i] == first && b.p[i + 1] == second)
			return i;
	return b.n;
}
