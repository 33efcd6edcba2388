/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/binhex.c - BinHex 4: six-bit text over run lengths over a header and two forks. */
#include "mime/decode.h"

static const char alphabet[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

enum { RUN_MARK = 0x90, NAME_MAX_BYTES = 63 };

/* Six-bit text up to the closing colon; @out holds three quarters of it. */
static size_t unpack(uint8_t *out, struct bytes body)
{
	uint8_t value[256];
	size_t n = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	memset(value, 0xff, sizeof(value));
	for (unsigned i = 0; i < 64; i++)
		value[(uint8_t)alphabet[i]] = (uint8_t)i;
	for (size_t i = 0; i < body.n && body.p[i] != ':'; i++) {
		if (value[body.p[i]] == 0xff)
			continue;
		bits = bits << 6 | value[body.p[i]];
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (uint8_t)(bits >> have);
		}
	}
	return n;
}

/* "byte 0x90 count" repeats the byte; "0x90 0x00" is a 0x90 of its own. */
static size_t expand(uint8_t *out, size_t max, struct bytes in)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n && n < max; i++) {
		size_t count;

		if (in.p[i] != RUN_MARK) {
			out[n++] = in.p[i];
			continue;
		}
		if (++i == in.n)
			break;
		if (in.p[i] == 0) {
			out[n++] = RUN_MARK;
			continue;
		}
		if (n == 0)
			continue;
		count = MIN_OF((size_t)in.p[i] - 1, max - n);
		memset(out + n, out[n - 1], count);
		n += count;
	}
	return n;
}

static size_t number(const uint8_t *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Behind the length byte and the name: version, type, creator, flags, two lengths, checksum. */
static struct bytes data_fork(struct bytes file, char ret_name[64])
{
	size_t name_n = file.n > 0 ? file.p[0] : 0;
	size_t header = 1 + name_n + 1 + 4 + 4 + 2;

	ret_name[0] = '\0';
	if (name_n == 0 || name_n > NAME_MAX_BYTES || file.n < header + 10)
		return file;
	memcpy(ret_name, file.p + 1, name_n);
	ret_name[name_n] = '\0';
	return bytes_head(bytes_from(file, header + 10), number(file.p + header));
}

size_t binhex_decode(uint8_t *out, size_t max, struct bytes body, char ret_name[64])
{
	ptrdiff_t colon = bytes_index(body, ':');
	size_t half = max / 2, packed, n;
	struct bytes fork;

	body = bytes_from(body, colon < 0 ? 0 : (size_t)colon + 1);
	body = bytes_head(body, half);
	packed = unpack(out + (max - half), body);
	n = expand(out, max - half, bytes_of(out + (max - half), packed));
	fork = data_fork(bytes_of(out, n), ret_name);
	n = fork.n;
	memmove(out, fork.p, n);
	return n;
}
