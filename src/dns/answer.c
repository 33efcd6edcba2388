/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns/answer.c - from the bytes of an answer to names and addresses.
 *
 * c-ares has matched the message with the question (id, server, question section) and has looked at
 * its code. The records are walked here with ares_expand_name(), because ares_parse_ptr_reply()
 * tells no TTL and nothing of c-ares 1.18 tells the SOA record of a name that does not exist.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ares.h>

#include "dns/internal.h"

#define HEADER_BYTES 12u
#define FIXED_BYTES  10u /* of a record behind its name: type, class, TTL, length */
#define CLASS_IN     1u

enum { WIRE_A = 1, WIRE_CNAME = 5, WIRE_SOA = 6, WIRE_PTR = 12, WIRE_AAAA = 28 };

static const struct {
	uint16_t wire;
	unsigned addr_bytes; /* 0: a name */
} types[] = {
	[DNS_A] = { WIRE_A, 4 },
	[DNS_AAAA] = { WIRE_AAAA, 16 },
	[DNS_PTR] = { WIRE_PTR, 0 },
};

/* The records of one name, ascending and each once. */
struct records {
	unsigned n;
	bool more, invalid; /* invalid: one that is no host name */
	union {
		char names[DNS_NAMES_MAX][DNS_NAME_MAX + 1];
		uint8_t addrs[DNS_ADDRS_MAX][16];
	};
};

struct record {
	size_t owner, data; /* where they begin */
	uint16_t type, class, data_n;
	uint32_t ttl_s;
};

struct walk {
	struct bytes wire;
	size_t at;
	unsigned left; /* records */
	bool broken;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The name at @at, to be freed with ares_free_string(); NULL: broken. */
static char *name_at(struct bytes wire, size_t at, size_t *ret_n)
{
	char *name = NULL;
	long n = 0;

	if (at >= wire.n ||
	    ares_expand_name(wire.p + at, wire.p, (int)wire.n, &name, &n) != ARES_SUCCESS)
		return NULL;
	*ret_n = (size_t)n;
	return name;
}

static bool skip_name(struct walk *w)
{
	size_t n = 0;
	char *name = name_at(w->wire, w->at, &n);

	if (name == NULL)
		return false;
	ares_free_string(name);
	w->at += n;
	return true;
}

/* Begin with the answer section. */
static bool walk_begin(struct walk *w, struct bytes wire)
{
	*w = (struct walk){ .wire = wire, .at = HEADER_BYTES };
	if (wire.n < HEADER_BYTES || wire.n > UINT16_MAX || get16(wire.p + 4) != 1)
		return false;
	w->left = get16(wire.p + 6);
	if (!skip_name(w) || wire.n - w->at < 4)
		return false;
	w->at += 4;
	return true;
}

/* False: no more, or w->broken. */
static bool walk_next(struct walk *w, struct record *ret_r)
{
	const uint8_t *p;

	if (w->left == 0 || w->broken)
		return false;
	w->left--;
	w->broken = true;
	ret_r->owner = w->at;
	if (!skip_name(w) || w->wire.n - w->at < FIXED_BYTES)
		return false;
	p = w->wire.p + w->at;
	ret_r->type = get16(p);
	ret_r->class = get16(p + 2);
	ret_r->ttl_s = get32(p + 4) > INT32_MAX ? 0 : get32(p + 4); /* RFC 2181, 8 */
	ret_r->data_n = get16(p + 8);
	w->at += FIXED_BYTES;
	if (w->wire.n - w->at < ret_r->data_n)
		return false;
	ret_r->data = w->at;
	w->at += ret_r->data_n;
	w->broken = false;
	return true;
}

static bool owner_is(struct bytes wire, const struct record *r, const char *name)
{
	size_t n;
	char *owner = name_at(wire, r->owner, &n);
	bool same = owner != NULL && strcasecmp(owner, name) == 0;

	ares_free_string(owner);
	return same;
}

/* Put @item among @n of @size bytes each, ascending, at most @max; the highest falls out. */
static void add_sorted(struct records *rs, void *list, size_t size, unsigned max, const void *item)
{
	char *at = list;
	unsigned i = 0;
	int order = 1;

	while (i < rs->n && (order = memcmp(at + i * size, item, size)) < 0)
		i++;
	if (i < rs->n && order == 0)
		return;
	rs->more |= rs->n == max;
	if (i == max)
		return;
	rs->n = MIN_OF(rs->n + 1, max);
	memmove(at + (i + 1) * size, at + i * size, (rs->n - i - 1) * size);
	memcpy(at + i * size, item, size);
}

/* Add what @r holds. False: it makes no sense. */
static bool add_record(struct records *rs, enum dns_type type, struct bytes wire,
		       const struct record *r)
{
	char clean[DNS_NAME_MAX + 1] = "";
	uint8_t addr[16] = { 0 };
	size_t n = 0;
	char *name;

	if (types[type].addr_bytes > 0) {
		if (r->data_n != types[type].addr_bytes)
			return false;
		memcpy(addr, wire.p + r->data, r->data_n);
		add_sorted(rs, rs->addrs, sizeof(addr), DNS_ADDRS_MAX, addr);
		return true;
	}
	name = name_at(wire, r->data, &n);
	if (name == NULL || n != r->data_n) {
		ares_free_string(name);
		return false;
	}
	if (dns_host_name(name, clean))
		add_sorted(rs, rs->names, sizeof(clean), DNS_NAMES_MAX, clean);
	ares_free_string(name);
	return true;
}

/* If @name has a CNAME: 1, and it becomes its target. 0: it has none. Negative: broken. */
static int follow(struct bytes wire, char name[DNS_NAME_MAX + 1], uint32_t *ttl_s)
{
	struct walk w;
	struct record r;
	size_t n = 0;
	char *target;
	int found = 0;

	if (!walk_begin(&w, wire))
		return -1;
	for (unsigned i = 0; found == 0 && i < ANSWER_RECORDS && walk_next(&w, &r); i++) {
		if (r.type != WIRE_CNAME || r.class != CLASS_IN || !owner_is(wire, &r, name))
			continue;
		target = name_at(wire, r.data, &n);
		found = target != NULL && n == r.data_n && strlen(target) <= DNS_NAME_MAX ? 1 : -1;
		if (found > 0) {
			memcpy(name, target, strlen(target) + 1);
			*ttl_s = MIN_OF(*ttl_s, r.ttl_s);
		}
		ares_free_string(target);
	}
	return w.broken ? -1 : found;
}

/* All records of @name. False: broken. */
static bool collect(struct records *rs, enum dns_type type, struct bytes wire, const char *name,
		    uint32_t *ttl_s)
{
	struct walk w;
	struct record r;

	if (!walk_begin(&w, wire))
		return false;
	for (unsigned i = 0; i < ANSWER_RECORDS && walk_next(&w, &r); i++) {
		if (r.type != types[type].wire || r.class != CLASS_IN || !owner_is(wire, &r, name))
			continue;
		if (!add_record(rs, type, wire, &r))
			return false;
		*ttl_s = MIN_OF(*ttl_s, r.ttl_s);
	}
	rs->more |= w.left > 0 && !w.broken;
	return !w.broken;
}

/* RFC 2308: the lesser of the SOA record's TTL and its last number. */
uint32_t answer_none_ttl_s(struct bytes wire)
{
	struct walk w;
	struct record r;

	if (!walk_begin(&w, wire))
		return 0;
	w.left += get16(wire.p + 8);
	for (unsigned i = 0; i < ANSWER_RECORDS && walk_next(&w, &r); i++)
		if (r.type == WIRE_SOA && r.class == CLASS_IN && r.data_n >= 22)
			return MIN_OF(r.ttl_s, get32(wire.p + r.data + r.data_n - 4));
	return 0;
}

static struct dns_answer *pack(enum dns_type type, const struct records *rs)
{
	struct dns_answer *a;
	size_t n = 0;
	char *to;

	for (unsigned i = 0; types[type].addr_bytes == 0 && i < rs->n; i++)
		n += strlen(rs->names[i]) + 1;
	if (types[type].addr_bytes > 0)
		n = rs->n * sizeof(rs->addrs[0]);
	a = malloc(sizeof(*a) + n);
	if (a == NULL)
		return NULL;
	*a = (struct dns_answer){ .status = DNS_FOUND, .n = rs->n, .more = rs->more };
	to = a->data;
	if (types[type].addr_bytes > 0)
		memcpy(to, rs->addrs, n);
	for (unsigned i = 0; types[type].addr_bytes == 0 && i < rs->n; i++) {
		n = strlen(rs->names[i]) + 1;
		memcpy(to, rs->names[i], n);
		to += n;
	}
	return a;
}

struct dns_answer *answer_empty(enum dns_status status)
{
	struct dns_answer *a = calloc(1, sizeof(*a));

	if (a != NULL)
		a->status = status;
	return a;
}

struct dns_answer *answer_read(enum dns_type type, const char *name, struct bytes wire,
			       uint32_t *ret_ttl_s)
{
	char owner[DNS_NAME_MAX + 1] = "";
	struct records rs = { 0 };
	uint32_t ttl_s = UINT32_MAX;
	int r = 1;

	*ret_ttl_s = 0;
	memcpy(owner, name, MIN_OF(strlen(name), sizeof(owner) - 1));
	for (unsigned hop = 0; r == 1 && hop <= ANSWER_HOPS; hop++)
		r = follow(wire, owner, &ttl_s);
	if (r != 0 || !collect(&rs, type, wire, owner, &ttl_s))
		return answer_empty(DNS_TEMP); /* broken, or a chain without end */
	if (rs.n > 0) {
		*ret_ttl_s = ttl_s;
		return pack(type, &rs);
	}
	*ret_ttl_s = answer_none_ttl_s(wire);
	return answer_empty(DNS_NONE);
}

const char *dns_answer_name(const struct dns_answer *a, unsigned i)
{
	const char *p = a->data;

	while (i-- > 0)
		p += strlen(p) + 1;
	return p;
}

const uint8_t *dns_answer_addr(const struct dns_answer *a, unsigned i)
{
	return (const uint8_t *)a->data + i * sizeof(((struct records *)0)->addrs[0]);
}
