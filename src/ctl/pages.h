/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl/pages.h - how the exporter gets the metrics page out of the gateway: records on a
 * SOCK_SEQPACKET pair that the supervisor made and keeps, so that each side may be restarted.
 *
 *   exporter -> gateway   struct page_request
 *   gateway -> exporter   the request's serial, then the page (Prometheus text format)
 *
 * Only the newest of several waiting requests is answered, and a page is up to 100 ms old: whoever
 * asks more often costs the gateway nothing. An answer whose serial nobody waits for is stale.
 */
#ifndef CTL_PAGES_H
#define CTL_PAGES_H

#include <stdint.h>

struct page_request {
	uint64_t serial;
};

#define PAGE_BYTES_MAX (192u * 1024) /* an unprivileged socket's largest record is a bit more */

#endif
