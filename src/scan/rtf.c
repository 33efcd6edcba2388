/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rtf.c - compressed RTF: literals and references into a ring of 4,096 bytes that begins
 * filled with common words, as MS-OXRTFCP 2.1.2.1 gives them. */
#include "scan/rtf.h"

enum { HEAD_BYTES = 16, RING_BYTES = 4096, RUN_MAX = 17 };

#define MAGIC_COMPRESSED UINT32_C(0x75465a4c)
#define MAGIC_PLAIN      UINT32_C(0x414c454d)

static const char first_ring[] =
	"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
	"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
	"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

struct ring {
	uint8_t bytes[RING_BYTES];
	size_t at;
};

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put(struct ring *ring, uint8_t byte, uint8_t *out, size_t *n)
{
	ring->bytes[ring->at] = byte;
	ring->at = (ring->at + 1) % RING_BYTES;
	out[(*n)++] = byte;
}

/* Eight tokens. 1: go on; 0: the end mark; -1: malformed or a limit. */
static int run(struct unpack *u, struct bytes *in, struct ring *ring)
{
	uint8_t out[8 * RUN_MAX], flags = in->p[0];
	size_t n = 0;
	int result = 1;

	*in = bytes_from(*in, 1);
	for (unsigned bit = 0; bit < 8 && in->n > 0 && result == 1; bit++) {
		size_t from, length;

		if ((flags >> bit & 1) == 0) {
			put(ring, in->p[0], out, &n);
			*in = bytes_from(*in, 1);
			continue;
		}
		if (in->n < 2)
			return -1;
		from = (size_t)(in->p[0] << 4 | in->p[1] >> 4);
		length = (in->p[1] & 0xfu) + 2;
		*in = bytes_from(*in, 2);
		if (from == ring->at)
			result = 0;
		for (size_t i = 0; i < length && result == 1; i++)
			put(ring, ring->bytes[(from + i) % RING_BYTES], out, &n);
	}
	return unpack_data(u, bytes_of(out, n)) ? result : -1;
}

bool rtf_unpack(struct unpack *u, struct bytes packed)
{
	struct ring ring = { .at = sizeof(first_ring) - 1 };
	uint32_t magic;
	int r = 1;

	if (packed.n < HEAD_BYTES)
		return false;
	magic = le32(packed.p + 8);
	packed = bytes_from(packed, HEAD_BYTES);
	if (magic == MAGIC_PLAIN)
		return unpack_data(u, packed);
	if (magic != MAGIC_COMPRESSED)
		return false;
	memset(ring.bytes, ' ', sizeof(ring.bytes));
	memcpy(ring.bytes, first_ring, sizeof(first_ring) - 1);
	while (packed.n > 0 && r == 1)
		r = run(u, &packed, &ring);
	return r >= 0;
}
