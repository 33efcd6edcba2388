/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/networks.h - options that list networks (OPT_NETWORKS) or TCP ports (OPT_PORTS). */
#ifndef CONF_NETWORKS_H
#define CONF_NETWORKS_H

#include "conf/conf.h"

/* IPv4 is mapped (::ffff:a.b.c.d, @bits 96 to 128); what is behind the bits is zero. */
struct conf_network {
	uint8_t addr[16];
	uint8_t bits;
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32": bits of an IPv4 network count as written. */
bool conf_network_parse(struct bytes text, struct conf_network *ret_n);

/* Each network of the option, those in files it names among them. What is none was reported when
 * the configuration was loaded and is left out. */
void conf_each_network(const struct conf *c, enum opt_id id,
		       void (*each)(void *arg, const struct conf_network *n), void *arg);

#define CONF_PORTS_MAX 16
/* -1: not a list of at most CONF_PORTS_MAX ports. */
int conf_ports_parse(struct bytes text, uint16_t ret_ports[CONF_PORTS_MAX]);

struct conf_loader;
struct conf_place;
/* For value.c: report what is no network in @text and in the files it names. */
void conf_networks_check(struct conf_loader *l, const char *option, struct bytes text,
			 struct conf_place at);

#endif
