/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/ip.c - addresses, networks and ranges of rulesets. */
#include "conf/ip.h"

#include <arpa/inet.h>

#include "core/num.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool ip_parse(struct bytes text, uint8_t addr[16], bool *ret_v6)
{
	char buf[64];

	if (text.n == 0 || text.n >= sizeof(buf))
		return false;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	memset(addr, 0, 16);
	*ret_v6 = false;
	if (inet_pton(AF_INET, buf, addr) == 1)
		return true;
	if (inet_pton(AF_INET6, buf, addr) != 1)
		return false;
	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		memmove(addr, addr + 12, 4);
		memset(addr + 4, 0, 12);
		return true;
	}
	*ret_v6 = true;
	return true;
}

void ip_mask(uint8_t addr[16], unsigned bits)
{
	unsigned whole = bits / 8;

	if (whole >= 16)
		return;
	addr[whole] &= (uint8_t)(0xff00u >> (bits % 8));
	memset(addr + whole + 1, 0, 15 - whole);
}

static struct nets *nets_new(struct arena *a, bool v6, size_t n)
{
	struct nets *s = arena_zalloc(a, sizeof(*s) + n * sizeof(s->net[0]));

	if (s != NULL) {
		s->v6 = v6;
		s->n = n;
	}
	return s;
}

static const struct nets *one_net(struct arena *a, const uint8_t addr[16], bool v6, unsigned bits)
{
	struct nets *s = nets_new(a, v6, 1);

	if (s == NULL)
		return NULL;
	s->net[0].bits = (uint8_t)bits;
	memcpy(s->net[0].addr, addr, 16);
	ip_mask(s->net[0].addr, bits);
	return s;
}

const struct nets *ip_single(struct arena *a, struct bytes text)
{
	uint8_t addr[16];
	bool v6;

	if (!ip_parse(text, addr, &v6))
		return NULL;
	return one_net(a, addr, v6, v6 ? 128 : 32);
}

/* Up to three digits that are no more than 255, without a zero in front. */
static bool is_octet(struct bytes b)
{
	uint64_t v;

	return num_parse(b, 10, 255, &v) == 0 && (b.n == 1 || b.p[0] != '0');
}

static bool v4_text_possible(struct bytes text)
{
	for (unsigned i = 0; i < 4; i++) {
		ptrdiff_t dot = bytes_index(text, '.');

		if (dot < 0)
			return text.n == 0 || is_octet(text);
		if (!is_octet(bytes_head(text, (size_t)dot)))
			return false;
		text = bytes_from(text, (size_t)dot + 1);
	}
	return false;
}

static bool v6_text_possible(struct bytes text)
{
	unsigned groups = 0, gaps = 0;
	size_t n = 0;

	if (bytes_index(text, '.') >= 0) /* "::192.0.2." */
		return bytes_starts(text, BYTES("::"));
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != ':') {
			groups += n == 0;
			if (++n > 4 || (n == 2 && text.p[i - 1] == '0'))
				return false;
			continue;
		}
		if (n == 0 && i > 0) /* behind another one */
			gaps++;
		n = 0;
	}
	if (text.n > 1 && text.p[0] == ':' && text.p[1] != ':')
		return false;
	return groups <= 8 && gaps <= 1;
}

bool ip_text_possible(struct bytes text)
{
	if (bytes_index(text, ':') >= 0)
		return v6_text_possible(text);
	return v4_text_possible(text) || v6_text_possible(text);
}

/* "10", "10.1", "10.1." are padded with zeros. */
static bool parse_network(struct bytes text, uint8_t addr[16], bool *ret_v6)
{
	struct bytes rest = text;
	uint64_t v;

	if (bytes_index(text, ':') >= 0)
		return ip_parse(text, addr, ret_v6);
	memset(addr, 0, 16);
	*ret_v6 = false;
	for (unsigned i = 0; i < 4 && rest.n > 0; i++) {
		if (num_take(&rest, 255, &v) < 0)
			return false;
		addr[i] = (uint8_t)v;
		if (rest.n > 0 && rest.p[0] != '.')
			return false;
		rest = bytes_from(rest, 1);
	}
	return rest.n == 0 && text.n > 0;
}

/* Leading one bits of a netmask, or -1 when ones follow a zero. */
static int mask_bits(const uint8_t addr[16], unsigned bytes)
{
	unsigned bits = 0;
	uint8_t again[16];

	while (bits < bytes * 8 && (addr[bits / 8] & (0x80u >> (bits % 8))) != 0)
		bits++;
	memcpy(again, addr, 16);
	ip_mask(again, bits);
	return memcmp(again, addr, 16) == 0 ? (int)bits : -1;
}

const struct nets *ip_cidr(struct arena *a, struct bytes net, struct bytes bits)
{
	uint8_t addr[16], mask[16];
	bool v6, mask_v6;
	uint64_t n;
	int r;

	if (!parse_network(net, addr, &v6))
		return NULL;
	/* "::ffff:192.0.2.0/120": the IPv4 addresses that these are */
	if (!v6 && bytes_index(net, ':') >= 0)
		return num_parse(bits, 10, 128, &n) < 0 || n < 96
			       ? NULL
			       : one_net(a, addr, false, (unsigned)n - 96);
	if (num_parse(bits, 10, v6 ? 128 : 32, &n) == 0)
		return one_net(a, addr, v6, (unsigned)n);
	if (!ip_parse(bits, mask, &mask_v6) || mask_v6 != v6)
		return NULL;
	r = mask_bits(mask, v6 ? 16 : 4);
	return r < 0 ? NULL : one_net(a, addr, v6, (unsigned)r);
}

typedef unsigned __int128 u128;

static u128 to_number(const uint8_t addr[16], unsigned bytes)
{
	u128 v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | addr[i];
	return v;
}

static void from_number(u128 v, uint8_t addr[16], unsigned bytes)
{
	memset(addr, 0, 16);
	for (unsigned i = 0; i < bytes; i++)
		addr[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

/* How many low bits the largest network that begins at @from and ends before @to + 1 has. */
static unsigned block_bits(u128 from, u128 to, unsigned width)
{
	unsigned low = 0;

	while (low < width) {
		u128 size_less_one = ((u128)2 << low) - 1; /* of the next larger block */

		if ((from & size_less_one) != 0 || size_less_one > to - from)
			break;
		low++;
	}
	return low;
}

const struct nets *ip_range(struct arena *a, struct bytes from_text, struct bytes to_text)
{
	uint8_t from_addr[16], to_addr[16];
	unsigned bytes, n = 0;
	struct nets *s;
	bool v6, to_v6;
	u128 from, to;

	if (!ip_parse(from_text, from_addr, &v6) || !ip_parse(to_text, to_addr, &to_v6) ||
	    v6 != to_v6)
		return NULL;
	bytes = v6 ? 16 : 4;
	from = to_number(from_addr, bytes);
	to = to_number(to_addr, bytes);
	s = from > to ? NULL : nets_new(a, v6, 2 * 8 * bytes);
	if (s == NULL)
		return NULL;
	for (;;) {
		unsigned low = block_bits(from, to, bytes * 8);
		u128 last = from + ((low == 128 ? (u128)0 : (u128)1 << low) - 1);

		s->net[n].bits = (uint8_t)(bytes * 8 - low);
		from_number(from, s->net[n++].addr, bytes);
		if (last >= to)
			break;
		from = last + 1;
	}
	s->n = n;
	return s;
}
