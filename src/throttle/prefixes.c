/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/prefixes.c - a sorted array: few lengths occur, so a match is a few binary searches. */
#include "throttle/prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ip.h"

void prefix_set_init(struct prefix_set *s, size_t max)
{
	*s = (struct prefix_set){ .max = max };
}

void prefix_set_fini(struct prefix_set *s)
{
	free(s->v);
	prefix_set_init(s, s->max);
}

static int compare(const struct throttle_prefix *a, const struct throttle_prefix *b)
{
	if (a->bits != b->bits)
		return a->bits > b->bits ? -1 : 1;
	return memcmp(a->addr, b->addr, 16);
}

static int compare_entries(const void *a, const void *b)
{
	const struct prefix_entry *x = a, *y = b;

	return compare(&x->p, &y->p);
}

/* Where @p is or would be. */
static size_t place_of(const struct prefix_set *s, const struct throttle_prefix *p, bool *ret_found)
{
	size_t low = 0, high = s->n;

	*ret_found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = compare(&s->v[mid].p, p);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct prefix_set *s, struct err *err)
{
	struct prefix_entry *bigger;
	size_t cap = MAX_OF(s->cap * 2, (size_t)16);

	if (s->n >= s->max)
		return err_set(err, ERR_LIMIT, -ENOSPC,
			       "the list holds Throttle List Entries = %zu already", s->max);
	if (s->n < s->cap)
		return 0;
	bigger = reallocarray(s->v, cap, sizeof(*bigger));
	if (bigger == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: no memory for a list");
	s->v = bigger;
	s->cap = cap;
	return 0;
}

int prefix_set_put(struct prefix_set *s, const struct prefix_entry *e, struct err *err)
{
	bool found;
	size_t i = place_of(s, &e->p, &found);
	int r;

	if (!found) {
		r = make_room(s, err);
		if (r < 0)
			return r;
		memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(s->v[0]));
		s->n++;
		s->of_bits[e->p.bits]++;
	}
	s->v[i] = *e;
	return 0;
}

int prefix_set_append(struct prefix_set *s, const struct prefix_entry *e, struct err *err)
{
	int r = make_room(s, err);

	if (r == 0)
		s->v[s->n++] = *e;
	return r;
}

void prefix_set_sort(struct prefix_set *s)
{
	size_t n = 0;

	if (s->n > 1)
		qsort(s->v, s->n, sizeof(s->v[0]), compare_entries);
	memset(s->of_bits, 0, sizeof(s->of_bits));
	for (size_t i = 0; i < s->n; i++) {
		if (n > 0 && compare(&s->v[n - 1].p, &s->v[i].p) == 0) {
			s->v[n - 1] = s->v[i];
			continue;
		}
		s->v[n++] = s->v[i];
		s->of_bits[s->v[i].p.bits]++;
	}
	s->n = n;
}

bool prefix_set_remove(struct prefix_set *s, const struct throttle_prefix *p)
{
	bool found;
	size_t i = place_of(s, p, &found);

	if (!found)
		return false;
	memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof(s->v[0]));
	s->n--;
	s->of_bits[p->bits]--;
	return true;
}

void prefix_set_take_ended(struct prefix_set *s, uint64_t now_ns, struct prefix_set *ret_gone)
{
	size_t left = 0;
	struct err err;

	prefix_set_init(ret_gone, s->n);
	for (size_t i = 0; i < s->n; i++) {
		struct prefix_entry e = s->v[i];

		if (e.until_ns == 0 || e.until_ns > now_ns ||
		    prefix_set_append(ret_gone, &e, &err) < 0)
			s->v[left++] = e;
		else
			s->of_bits[e.p.bits]--;
	}
	s->n = left;
}

const struct prefix_entry *prefix_set_find(const struct prefix_set *s,
					   const struct throttle_prefix *p)
{
	bool found;
	size_t i = place_of(s, p, &found);

	return found ? &s->v[i] : NULL;
}

const struct prefix_entry *prefix_set_match(const struct prefix_set *s,
					    const struct throttle_prefix *p, uint64_t now_ns)
{
	struct throttle_prefix wide = *p;

	for (int bits = p->bits; bits >= 0; bits--) {
		const struct prefix_entry *e;

		if (s->of_bits[bits] == 0)
			continue;
		wide.bits = (uint8_t)bits;
		ip_mask(wide.addr, (unsigned)bits);
		e = prefix_set_find(s, &wide);
		if (e != NULL && (e->until_ns == 0 || e->until_ns > now_ns))
			return e;
	}
	return NULL;
}

bool prefix_covers(const struct throttle_prefix *wide, const struct throttle_prefix *p)
{
	struct throttle_prefix cut = *p;

	if (p->bits < wide->bits)
		return false;
	ip_mask(cut.addr, wide->bits);
	return memcmp(cut.addr, wide->addr, 16) == 0;
}

bool prefix_mixes(const struct throttle_prefix *p)
{
	static const struct throttle_prefix v4 = { .addr = { [10] = 0xff, [11] = 0xff },
						   .bits = 96 };

	return p->bits < v4.bits && prefix_covers(p, &v4);
}
