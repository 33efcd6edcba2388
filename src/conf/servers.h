/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/servers.h - the values of DNS Servers and Metrics Address: addresses with ports. */
#ifndef CONF_SERVERS_H
#define CONF_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

#define SERVERS_MAX   8
#define LISTENERS_MAX 4

struct server {
	bool v6;
	uint8_t addr[16]; /* IPv4: the first four */
	uint16_t port;
};

/* Servers separated by blanks or commas: "192.0.2.53 127.0.0.1:5353 [2001:db8::1]:53". Returns how
 * many; 0 for none at all. */
int servers_parse(const char *text, struct server ret[SERVERS_MAX], struct err *err) MUST_CHECK;

/* Where to listen: "192.0.2.1:9199" or "[2001:db8::1]:9199", with a port always. No names, which
 * somebody else could answer for. */
bool listener_parse(struct bytes word, struct server *ret_s);

#endif
