/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/prefix.c - prefixes as people write them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/num.h"
#include "throttle/kernel.h"
#include "throttle/kernel_internal.h"

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool throttle_prefix_is_v4(const struct throttle_prefix *p)
{
	return p->bits >= 96 && memcmp(p->addr, v4_mapped, sizeof(v4_mapped)) == 0;
}

void throttle_prefix_mask(struct throttle_prefix *p, unsigned bits)
{
	for (unsigned i = 0; i < sizeof(p->addr); i++) {
		if (bits <= i * 8)
			p->addr[i] = 0;
		else if (bits - i * 8 < 8)
			p->addr[i] &= (uint8_t)(0xff00u >> (bits - i * 8));
	}
	p->bits = (uint8_t)bits;
}

/* The address without its length; how many bits the length may have, 0: not an address. */
static unsigned parse_address(const char *text, uint8_t addr[16])
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		memcpy(addr, v4_mapped, sizeof(v4_mapped));
		memcpy(addr + sizeof(v4_mapped), v4, sizeof(v4));
		return 32;
	}
	return inet_pton(AF_INET6, text, addr) == 1 ? 128 : 0;
}

bool throttle_prefix_parse(const char *text, struct throttle_prefix *ret_p)
{
	struct throttle_prefix p = { .bits = 128 };
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;
	unsigned max;

	if (n == 0 || n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	max = parse_address(address, p.addr);
	if (max == 0)
		return false;
	bits = max;
	if (slash != NULL && num_parse(bytes_str(slash + 1), 10, max, &bits) < 0)
		return false;
	throttle_prefix_mask(&p, (unsigned)bits + 128 - max);
	*ret_p = p;
	return true;
}

const char *throttle_prefix_text(const struct throttle_prefix *p, char out[THROTTLE_PREFIX_TEXT])
{
	bool v4 = throttle_prefix_is_v4(p);
	unsigned bits = v4 ? p->bits - 96u : p->bits;
	char address[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? p->addr + 12 : p->addr, address,
			sizeof(address));
	(void)snprintf(out, THROTTLE_PREFIX_TEXT, p->bits >= 128 ? "%s" : "%s/%u", address, bits);
	return out;
}
