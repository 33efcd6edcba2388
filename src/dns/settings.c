/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/settings.c - what the configuration says about the resolver. */
#include "conf/conf.h"
#include "dns/dns.h"

#define IN_FLIGHT_MAX 256
#define QUEUED_MAX    4096

struct dns_settings dns_settings_of(const struct conf *c)
{
	struct bytes hosts = BYTES("");

	(void)!conf_file(c, conf_str(c, OPT_HOSTS_FILE, NULL), &hosts); /* there may be none */
	return (struct dns_settings){
		.servers = conf_str(c, OPT_DNS_SERVERS, NULL),
		.hosts = hosts,
		.timeout_ms = (uint64_t)MAX_OF(conf_num(c, OPT_DNS_TIMEOUT, NULL), 1) * 1000,
		.tries = (unsigned)MAX_OF(conf_num(c, OPT_DNS_RETRIES, NULL), 1),
		.in_flight_max = IN_FLIGHT_MAX,
		.queued_max = QUEUED_MAX,
		.cache_max = (unsigned)conf_num(c, OPT_DNS_CACHE_ENTRIES, NULL),
	};
}
