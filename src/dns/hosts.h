/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/hosts.h - the hosts file: names of addresses that no server is asked for. */
#ifndef DNS_HOSTS_H
#define DNS_HOSTS_H

#include "core/bytes.h"
#include "dns/dns.h"

struct host_line {
	uint8_t addr[16];
	bool v6;
	unsigned line;
	char name[DNS_NAME_MAX + 1];
};

struct hosts {
	struct host_line *lines; /* ascending by address */
	size_t n;
};

#define HOSTS_LINES_MAX 10000 /* further ones are not looked at */

/* Lines "ADDRESS NAME...", of which the first name counts; what else there is, is passed over. Of
 * several lines with one address the first counts. Negative: no memory. */
int hosts_read(struct hosts *ret_h, struct bytes content) MUST_CHECK;
void hosts_fini(struct hosts *h);
/* NULL: not there. */
const char *hosts_name(const struct hosts *h, const uint8_t *addr, bool v6);

#endif
