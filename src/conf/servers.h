/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/servers.h - the value of DNS Servers: addresses, each perhaps with a port. */
#ifndef CONF_SERVERS_H
#define CONF_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define SERVERS_MAX 8

struct server {
	bool v6;
	uint8_t addr[16]; /* IPv4: the first four */
	uint16_t port;
};

/* Servers separated by blanks or commas: "192.0.2.53 127.0.0.1:5353 [2001:db8::1]:53". Returns how
 * many; 0 for none at all. */
int servers_parse(const char *text, struct server ret[SERVERS_MAX], struct err *err) MUST_CHECK;

#endif
