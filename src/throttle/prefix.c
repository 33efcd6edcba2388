/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/prefix.c - prefixes as people write them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conf/networks.h"
#include "throttle/kernel.h"

bool throttle_prefix_parse(const char *text, struct throttle_prefix *ret_p)
{
	struct conf_network n;

	if (!conf_network_parse(bytes_str(text), &n))
		return false;
	memcpy(ret_p->addr, n.addr, 16);
	ret_p->bits = n.bits;
	return true;
}

const char *throttle_prefix_text(const struct throttle_prefix *p, char out[THROTTLE_PREFIX_TEXT])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = p->bits >= 96 && memcmp(p->addr, mapped, sizeof(mapped)) == 0;
	char host[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? p->addr + 12 : p->addr, host, sizeof(host));
	if (p->bits == 128)
		(void)snprintf(out, THROTTLE_PREFIX_TEXT, "%s", host);
	else
		(void)snprintf(out, THROTTLE_PREFIX_TEXT, "%s/%d", host,
			       v4 ? p->bits - 96 : p->bits);
	return out;
}
