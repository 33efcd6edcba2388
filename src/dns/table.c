/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/table.c - every question that is under way or whose answer is kept; how long it is kept. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/internal.h"

#define NS UINT64_C(1000000000)

void question_append(struct question_list *l, struct question *q)
{
	q->next = NULL;
	q->prev = l->last;
	*(l->last == NULL ? &l->first : &l->last->next) = q;
	l->last = q;
	l->n++;
}

void question_remove(struct question_list *l, struct question *q)
{
	*(q->prev == NULL ? &l->first : &q->prev->next) = q->next;
	*(q->next == NULL ? &l->last : &q->next->prev) = q->prev;
	q->prev = q->next = NULL;
	l->n--;
}

static uint32_t hash_of(const struct table *t, enum dns_type type, const char *name)
{
	uint32_t h = t->seed ^ ((uint32_t)type * 0x9e3779b9u);

	for (const char *p = name; *p != '\0'; p++) {
		h = (h ^ (uint8_t)*p) * 0x85ebca6bu;
		h ^= h >> 15;
	}
	return h;
}

int table_init(struct table *t, unsigned max, uint32_t seed)
{
	*t = (struct table){ .max = MAX_OF(max, 1u), .seed = seed, .heads_n = 64 };
	while (t->heads_n < t->max)
		t->heads_n *= 2;
	t->heads = calloc(t->heads_n, sizeof(struct question *));
	return t->heads == NULL ? -ENOMEM : 0;
}

static void question_free(struct question *q)
{
	free(q->answer);
	free(q);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; t->heads != NULL && i < t->heads_n; i++) {
		while (t->heads[i] != NULL) {
			struct question *q = t->heads[i];

			t->heads[i] = q->next_hash;
			question_free(q);
		}
	}
	free(t->heads);
	*t = (struct table){ 0 };
}

struct question *table_find(const struct table *t, enum dns_type type, const char *name)
{
	uint32_t hash = hash_of(t, type, name);
	struct question *q = t->heads[hash & (t->heads_n - 1)];

	while (q != NULL && (q->hash != hash || q->type != type || strcmp(q->name, name) != 0))
		q = q->next_hash;
	return q;
}

void table_drop(struct table *t, struct question *q)
{
	struct question **at = &t->heads[q->hash & (t->heads_n - 1)];

	assert(q->waiting == NULL);
	while (*at != q)
		at = &(*at)->next_hash;
	*at = q->next_hash;
	t->n--;
	question_free(q);
}

struct question *table_add(struct table *t, enum dns_type type, const char *name)
{
	size_t n = strlen(name) + 1;
	struct question *q, **head;

	if (t->n >= t->max) {
		struct question *oldest = t->known.first;

		if (oldest == NULL)
			return NULL;
		question_remove(&t->known, oldest);
		table_drop(t, oldest);
	}
	q = calloc(1, sizeof(*q) + n);
	if (q == NULL)
		return NULL;
	memcpy(q->name, name, n);
	q->type = type;
	q->hash = hash_of(t, type, name);
	head = &t->heads[q->hash & (t->heads_n - 1)];
	q->next_hash = *head;
	*head = q;
	t->n++;
	return q;
}

static uint32_t life_s(const struct question *q, uint32_t ttl_s)
{
	switch (q->answer->status) {
	case DNS_FOUND:
		return MAX_OF(MIN_OF(ttl_s, TTL_MAX_S), TTL_MIN_S);
	case DNS_NONE:
		return ttl_s == 0 ? TTL_NONE_S : MAX_OF(MIN_OF(ttl_s, TTL_NONE_MAX_S), TTL_MIN_S);
	default:
		return MIN_OF((uint32_t)TTL_FAIL_S << MIN_OF(q->fails - 1, 10u), TTL_FAIL_MAX_S);
	}
}

void question_learn(struct question *q, struct dns_answer *a, uint32_t ttl_s, uint64_t now_ns)
{
	free(q->answer);
	q->answer = a;
	q->fails = a->status == DNS_FOUND || a->status == DNS_NONE ? 0 : q->fails + 1;
	a->until_ns = now_ns + life_s(q, ttl_s) * NS;
}
