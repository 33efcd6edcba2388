/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/internal.h - inside this folder: reading answers, and the table of questions. */
#ifndef DNS_INTERNAL_H
#define DNS_INTERNAL_H

#include "core/bytes.h"
#include "dns/dns.h"

/* --- answer.c --- */

/*
 * What the message @wire says about @name: its records of @type, behind at most ANSWER_HOPS
 * CNAMEs. NULL: out of memory. Status is DNS_FOUND, DNS_NONE or, for a message that makes no
 * sense, DNS_TEMP. *@ret_ttl_s: as the records say, or the SOA record for DNS_NONE; 0: nobody said.
 */
#define ANSWER_HOPS    8
#define ANSWER_RECORDS 256 /* of a message that are looked at */
struct dns_answer *answer_read(enum dns_type type, const char *name, struct bytes wire,
			       uint32_t *ret_ttl_s) MUST_CHECK;
/* How long the "no such name" of @wire holds; 0: it does not say. */
uint32_t answer_none_ttl_s(struct bytes wire);
/* One without records. NULL: out of memory. */
struct dns_answer *answer_empty(enum dns_status status) MUST_CHECK;

/* --- table.c --- */
enum question_state {
	QUESTION_QUEUED,   /* waits until fewer are in flight */
	QUESTION_ASKED,    /* c-ares has it */
	QUESTION_ANSWERED, /* and those who wait are to be told */
	QUESTION_KNOWN,    /* nobody waits: the answer is kept */
};

struct question {
	struct question *next_hash;
	struct question *prev, *next; /* in the list of its state */
	struct dns *dns;
	struct dns_query *waiting;
	struct dns_answer *answer; /* NULL: none yet */
	unsigned fails;            /* in a row */
	uint32_t hash;
	enum dns_type type;
	enum question_state state;
	char name[];
};

struct question_list {
	struct question *first, *last;
	unsigned n;
};

void question_append(struct question_list *l, struct question *q);
void question_remove(struct question_list *l, struct question *q);

struct table {
	struct question **heads;
	size_t heads_n; /* power of two */
	unsigned n, max;
	uint32_t seed;              /* names come from strangers */
	struct question_list known; /* least recently used first */
};

int table_init(struct table *t, unsigned max, uint32_t seed) MUST_CHECK;
void table_fini(struct table *t);
struct question *table_find(const struct table *t, enum dns_type type, const char *name);
/* A new one (queued, in no list). The answer that was not used for longest makes room. NULL: no
 * memory, or all places have questions under way. */
struct question *table_add(struct table *t, enum dns_type type, const char *name) MUST_CHECK;
/* Forget @q, which is in no list. */
void table_drop(struct table *t, struct question *q);

/* Keep @a (taken) as the answer at @now_ns and set how long. Bounds: */
#define TTL_MIN_S      30 /* so that a TTL of 0 does not mean one question a message */
#define TTL_MAX_S      86400
#define TTL_NONE_S     300 /* "no such name" when nobody said how long */
#define TTL_NONE_MAX_S 3600
#define TTL_FAIL_S     5 /* doubled with each failure in a row */
#define TTL_FAIL_MAX_S 60
void question_learn(struct question *q, struct dns_answer *a, uint32_t ttl_s, uint64_t now_ns);

#endif
