/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns/dns.h - questions to the DNS on the gateway's loop, with a cache of the answers.
 *
 * No call blocks but dns_new() and dns_configure(), which read /etc/resolv.conf. Equal questions
 * become one; answers, also "no such name" and failures, are kept as long as their TTL (within
 * bounds) and are then asked again. Questions in flight, questions waiting, answers kept and what
 * is read of one answer all have a maximum.
 *
 * Answers are hostile: only names that could be host names come out, in lower case.
 *
 * Limits: one UDP socket serves the questions under way at a time, and answers are not validated:
 * use a resolver on this host, or in the same trusted network, that validates.
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "loop/loop.h"

struct conf;
struct dns;
struct question;

#define DNS_NAME_MAX  253 /* characters of a name, without a dot at its end */
#define DNS_NAMES_MAX 8   /* of one PTR answer: the first in alphabetical order */
#define DNS_ADDRS_MAX 64  /* of one A or AAAA answer: the lowest */

enum dns_type { DNS_A, DNS_AAAA, DNS_PTR };

enum dns_status {
	DNS_FOUND,
	DNS_NONE,    /* the name does not exist, or has no such record */
	DNS_TEMP,    /* the servers refused, failed, or answered nonsense */
	DNS_TIMEOUT, /* no answer in time */
	DNS_LIMIT,   /* too many questions wait already, or no memory: not asked */
};

struct dns_answer {
	enum dns_status status;
	uint64_t until_ns; /* CLOCK_MONOTONIC. Not asked again before: DNS_FOUND and DNS_NONE hold
			    * until then, a failure is not worth another question sooner */
	unsigned n;        /* names or addresses, ascending; 0 unless DNS_FOUND */
	bool more;         /* there were more */
	char data[];       /* dns_answer_name(), dns_answer_addr() */
};

/* Name @i of a DNS_PTR answer. */
const char *dns_answer_name(const struct dns_answer *a, unsigned i);
/* Address @i of a DNS_A (4 bytes) or DNS_AAAA (16 bytes) answer. */
const uint8_t *dns_answer_addr(const struct dns_answer *a, unsigned i);
const char *dns_status_name(enum dns_status s); /* "timed out", for people */

/* A question. Embedded in its owner, who sets the first four and keeps it until it was answered or
 * cancelled. */
struct dns_query {
	enum dns_type type;
	char name[DNS_NAME_MAX + 1];
	uint64_t due_ns; /* DNS_TIMEOUT then; 0: after the configured time */
	void (*done)(struct dns_query *q, const struct dns_answer *a); /* @a is lent for the call */

	/* of dns/ */
	struct dns *dns;
	struct question *question; /* NULL: not waiting */
	struct dns_query *next, **prev;
	struct timer timer;
};

struct dns_settings {
	const char *servers;    /* conf/servers.h; "": those of resolv.conf */
	struct bytes hosts;     /* content of a hosts file */
	uint64_t timeout_ms;    /* for one question, with all its retries */
	unsigned tries;         /* for each server, within that time */
	unsigned in_flight_max; /* questions */
	unsigned queued_max;    /* that wait to be asked */
	unsigned cache_max;     /* answers kept; dns_configure() does not change it */
};

struct dns_stats {
	uint64_t questions;                   /* put to dns_ask() */
	uint64_t hits;                        /* answered from the cache */
	uint64_t joined;                      /* the same question was under way */
	uint64_t asked;                       /* of a server */
	uint64_t found, none, temp, timeouts; /* how those ended */
	uint64_t limits;                      /* not asked: DNS_LIMIT */
	unsigned in_flight, queued, known;    /* now */
};

/* As the options say; lends from the snapshot. */
struct dns_settings dns_settings_of(const struct conf *c);

int dns_new(struct dns **ret_d, struct loop *l, const struct dns_settings *set,
	    struct err *err) MUST_CHECK;
/* No question may wait. The loop must not turn any more: its poll is still with the kernel. */
void dns_free(struct dns **d);
/* Other servers and times from now on; what is under way is asked anew. Also reads resolv.conf
 * again. On failure nothing has changed. */
int dns_configure(struct dns *d, const struct dns_settings *set, struct err *err) MUST_CHECK;
/* The name the hosts file has for an address; NULL: none. */
const char *dns_hosts_name(const struct dns *d, const uint8_t *addr, bool v6);

/* The answer when it is known or cannot be had now, lent until the next call or turn of the loop;
 * NULL: q->done() will be called, never from in here. From inside a done(), too. */
const struct dns_answer *dns_ask(struct dns *d, struct dns_query *q);
/* Not interested any more: done() will not be called. Harmless when @q does not wait. */
void dns_cancel(struct dns_query *q);
void dns_stats(const struct dns *d, struct dns_stats *ret_s);

/* "1.2.0.192.ZONE", or the 32 nibbles of an IPv6 address. @zone NULL: in-addr.arpa, ip6.arpa.
 * False: longer than a name may be. */
bool dns_reverse_name(const uint8_t *addr, bool v6, const char *zone,
		      char ret_name[DNS_NAME_MAX + 1]) MUST_CHECK;
/* Copy @name in lower case without a dot at its end. False: it cannot be the name of a host
 * (length, characters, or it looks like an IPv4 address). */
bool dns_host_name(const char *name, char ret_name[DNS_NAME_MAX + 1]) MUST_CHECK;

#endif
