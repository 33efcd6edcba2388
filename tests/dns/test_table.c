/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns: which questions are remembered, and for how long. The time is a parameter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/internal.h"
#include "tests/t.h"

#define NS UINT64_C(1000000000)

static const struct {
	enum dns_status status;
	uint32_t ttl_s, want_s;
} lives[] = {
	{ DNS_FOUND, 600, 600 },
	{ DNS_FOUND, 0, TTL_MIN_S },
	{ DNS_FOUND, 1, TTL_MIN_S },
	{ DNS_FOUND, TTL_MIN_S, TTL_MIN_S },
	{ DNS_FOUND, TTL_MAX_S, TTL_MAX_S },
	{ DNS_FOUND, TTL_MAX_S + 1, TTL_MAX_S },
	{ DNS_FOUND, UINT32_MAX, TTL_MAX_S },
	{ DNS_NONE, 0, TTL_NONE_S },
	{ DNS_NONE, 1, TTL_MIN_S },
	{ DNS_NONE, 900, 900 },
	{ DNS_NONE, UINT32_MAX, TTL_NONE_MAX_S },
	{ DNS_TEMP, 86400, TTL_FAIL_S },
	{ DNS_TIMEOUT, 0, TTL_FAIL_S },
};

static struct dns_answer *empty(enum dns_status s)
{
	struct dns_answer *a = answer_empty(s);

	if (a == NULL)
		abort();
	return a;
}

static void test_lives(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		struct question q = { 0 };

		question_learn(&q, empty(lives[i].status), lives[i].ttl_s, 7 * NS);
		T_OK(q.answer->until_ns == (7 + lives[i].want_s) * NS, "%s, TTL %u: %u s",
		     dns_status_name(lives[i].status), lives[i].ttl_s, lives[i].want_s);
		free(q.answer);
	}
}

static void test_failures(void)
{
	static const uint32_t want[] = { 5, 10, 20, 40, 60, 60 };
	struct question q = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		question_learn(&q, empty(i % 2 == 0 ? DNS_TEMP : DNS_TIMEOUT), 0, 0);
		T_OK(q.answer->until_ns == want[i] * NS, "failure %zu: %u s", i + 1, want[i]);
	}
	for (unsigned i = 0; i < 100; i++)
		question_learn(&q, empty(DNS_TEMP), 0, 0);
	T_OK(q.answer->until_ns == TTL_FAIL_MAX_S * NS, "after 100 more: %d s", TTL_FAIL_MAX_S);
	question_learn(&q, empty(DNS_NONE), 0, 0);
	question_learn(&q, empty(DNS_TEMP), 0, 0);
	T_OK(q.answer->until_ns == TTL_FAIL_S * NS, "an answer between them begins anew");
	free(q.answer);
}

static struct question *known(struct table *t, enum dns_type type, const char *name)
{
	struct question *q = table_add(t, type, name);

	if (q != NULL)
		question_append(&t->known, q);
	return q;
}

static void test_find(void)
{
	struct question *a, *b, *c;
	struct table t;

	if (table_init(&t, 100, 5) < 0)
		abort();
	a = known(&t, DNS_A, "a.example");
	b = known(&t, DNS_AAAA, "a.example");
	c = known(&t, DNS_A, "b.example");
	T_OK(table_find(&t, DNS_A, "a.example") == a, "by name and type");
	T_OK(table_find(&t, DNS_AAAA, "a.example") == b, "another type is another question");
	T_OK(table_find(&t, DNS_A, "b.example") == c, "another name, too");
	T_OK(table_find(&t, DNS_PTR, "a.example") == NULL, "what was never asked is not there");
	question_remove(&t.known, a);
	table_drop(&t, a);
	T_OK(table_find(&t, DNS_A, "a.example") == NULL &&
		     table_find(&t, DNS_AAAA, "a.example") == b,
	     "one is forgotten, the other is not");
	table_fini(&t);
}

/* Places: the least recently used answer goes; questions under way stay. */
static void test_places(void)
{
	struct question *q[5], *way;
	struct table t;
	char name[16];

	if (table_init(&t, 4, 5) < 0)
		abort();
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		q[i] = known(&t, DNS_A, name);
	}
	question_remove(&t.known, q[0]); /* used */
	question_append(&t.known, q[0]);
	q[4] = known(&t, DNS_A, "n4");
	T_OK(q[4] != NULL && t.n == 4, "a fifth finds a place among four");
	T_OK(table_find(&t, DNS_A, "n1") == NULL && table_find(&t, DNS_A, "n0") == q[0],
	     "the one that was not used for longest made room");
	way = table_add(&t, DNS_A, "way");
	for (unsigned i = 0; i < 3; i++)
		T_OK(table_add(&t, DNS_A, (char[]){ (char)('a' + i), '\0' }) != NULL,
		     "under way: %u", i);
	T_OK(table_add(&t, DNS_A, "x") == NULL, "no place is left when all are under way");
	T_OK(table_find(&t, DNS_A, "way") == way, "and none of them is lost");
	table_fini(&t);
}

static void test_many(void)
{
	struct table t;
	char name[32];
	unsigned found = 0;

	if (table_init(&t, 10000, 77) < 0)
		abort();
	for (unsigned i = 0; i < 30000; i++) {
		(void)snprintf(name, sizeof(name), "host%u.example", i);
		if (known(&t, DNS_PTR, name) == NULL)
			abort();
	}
	for (unsigned i = 0; i < 30000; i++) {
		(void)snprintf(name, sizeof(name), "host%u.example", i);
		found += table_find(&t, DNS_PTR, name) != NULL;
	}
	T_OK(t.n == 10000 && t.known.n == 10000 && found == 10000, "30,000 names, 10,000 places");
	table_fini(&t);
}

int main(void)
{
	test_lives();
	test_failures();
	test_find();
	test_places();
	test_many();
	return t_done();
}
