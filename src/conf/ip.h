/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/ip.h - addresses, networks and ranges of rulesets. */
#ifndef CONF_IP_H
#define CONF_IP_H

#include "conf/pattern.h"

/* A complete address; ::ffff:a.b.c.d is the IPv4 address. */
bool ip_parse(struct bytes text, uint8_t addr[16], bool *ret_v6);
/* Clear what is behind the first @bits. */
void ip_mask(uint8_t addr[16], unsigned bits);

/* Networks of "NET/BITS", "NET/MASK" and "FROM-TO", in the arena. NULL: not one, or no memory. */
const struct nets *ip_single(struct arena *a, struct bytes text);
const struct nets *ip_cidr(struct arena *a, struct bytes net, struct bytes bits);
const struct nets *ip_range(struct arena *a, struct bytes from, struct bytes to);

/* Some address may begin with @text, of hex digits, dots and colons, as inet_ntop() writes it. */
bool ip_text_possible(struct bytes text);

#endif
