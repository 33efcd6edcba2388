/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/dns/wire.h - builds DNS messages, also wrong ones. */
#ifndef TESTS_DNS_WIRE_H
#define TESTS_DNS_WIRE_H

#include <string.h>

#include "core/bytes.h"

struct wire {
	uint8_t p[16384];
	size_t n;
};

static inline void wire_16(struct wire *w, unsigned v)
{
	w->p[w->n++] = (uint8_t)(v >> 8);
	w->p[w->n++] = (uint8_t)v;
}

/* "a.b.c" as labels; '.' alone is the root. */
static inline void wire_name(struct wire *w, const char *name)
{
	struct bytes rest = bytes_str(name);

	while (rest.n > 0 && !bytes_eq(rest, BYTES("."))) {
		ptrdiff_t dot = bytes_index(rest, '.');
		size_t n = dot < 0 ? rest.n : (size_t)dot;

		w->p[w->n++] = (uint8_t)n;
		memcpy(w->p + w->n, rest.p, n);
		w->n += n;
		rest = bytes_from(rest, dot < 0 ? n : n + 1);
	}
	w->p[w->n++] = 0;
}

static inline void wire_begin(struct wire *w, const char *question, unsigned type, unsigned answers,
			      unsigned authority)
{
	w->n = 0;
	wire_16(w, 7);
	wire_16(w, 0x8180);
	wire_16(w, 1);
	wire_16(w, answers);
	wire_16(w, authority);
	wire_16(w, 0);
	wire_name(w, question);
	wire_16(w, type);
	wire_16(w, 1);
}

/* A record up to its data, whose length is filled in by wire_end(). Returns where. */
static inline size_t wire_record(struct wire *w, const char *owner, unsigned type, unsigned ttl_s)
{
	wire_name(w, owner);
	wire_16(w, type);
	wire_16(w, 1);
	wire_16(w, ttl_s >> 16);
	wire_16(w, ttl_s & 0xffff);
	wire_16(w, 0);
	return w->n;
}

static inline void wire_end(struct wire *w, size_t at)
{
	size_t n = w->n - at;

	w->p[at - 2] = (uint8_t)(n >> 8);
	w->p[at - 1] = (uint8_t)n;
}

/* A record whose data is a name: PTR, CNAME. */
static inline void wire_to_name(struct wire *w, const char *owner, unsigned type, unsigned ttl_s,
				const char *target)
{
	size_t at = wire_record(w, owner, type, ttl_s);

	wire_name(w, target);
	wire_end(w, at);
}

static inline void wire_bytes(struct wire *w, const char *owner, unsigned type, unsigned ttl_s,
			      const void *data, size_t n)
{
	size_t at = wire_record(w, owner, type, ttl_s);

	memcpy(w->p + w->n, data, n);
	w->n += n;
	wire_end(w, at);
}

static inline void wire_soa(struct wire *w, const char *zone, unsigned ttl_s, unsigned minimum_s)
{
	size_t at = wire_record(w, zone, 6, ttl_s);

	wire_name(w, "ns.example");
	wire_name(w, "admin.example");
	for (unsigned i = 0; i < 8; i++)
		wire_16(w, 0);
	wire_16(w, minimum_s >> 16);
	wire_16(w, minimum_s & 0xffff);
	wire_end(w, at);
}

#endif
