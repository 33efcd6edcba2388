/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns/client_host.h - the name of a client, as host: and host-nocheck: rules ask for it.
 *
 * The PTR record gives the name; the name counts as confirmed when its A record (AAAA for an IPv6
 * client) gives the client's address again. Of several PTR names the first in alphabetical order
 * that is confirmed is the client's name, and the first of all when none is: the order in which a
 * server sends them changes with each answer and must not decide about mail.
 *
 * A name in the hosts file counts as confirmed. Loopback addresses are "localhost" and are not
 * asked for, nor is 0.0.0.0, which stands for "the MTA noted nothing". Private addresses are asked
 * for like all others: a site's own resolver knows them.
 */
#ifndef DNS_CLIENT_HOST_H
#define DNS_CLIENT_HOST_H

#include "dns/dns.h"

#define CLIENT_HOST_SPOOFED "_SPOOFED_"

struct client_host {
	void (*done)(struct client_host *h); /* set by the caller */

	/*
	 * The answer. DNS_FOUND: both names are there. DNS_NONE: no confirmed name; @name may be
	 * "", @checked is "" (no PTR record, or none of the names has an address) or "_SPOOFED_"
	 * (they have other addresses). Otherwise something could not be found out: @question, and
	 * is not worth another try before @again_ns; @name is what is known.
	 */
	enum dns_status status;
	char name[DNS_NAME_MAX + 1], checked[DNS_NAME_MAX + 1];
	char question[DNS_NAME_MAX + 1];
	uint64_t again_ns;

	/* of client_host.c */
	struct dns *dns;
	struct dns_query query;
	uint8_t addr[16];
	bool v6, finished, spoofed;
	unsigned i, n; /* names[i] is being confirmed */
	char names[DNS_NAMES_MAX][DNS_NAME_MAX + 1];
};

/*
 * Find the name of @ip. True: @h has the answer. False: h->done() will be called. @due_ns: of all
 * questions together; 0: the resolver's time for each.
 */
bool client_host_find(struct client_host *h, struct dns *d, const char *ip, uint64_t due_ns);
/* done() will not be called. */
void client_host_cancel(struct client_host *h);

#endif
