/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/headers.c - the header list. */
#include "queue/headers.h"

#include <errno.h>
#include <sys/types.h>

#define FIRST_CAP 32u

static int grow(struct header_list *l, struct arena *a)
{
	size_t cap = l->cap < FIRST_CAP ? FIRST_CAP : l->cap * 2;
	struct header *v = arena_array(a, cap, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	if (l->n > 0)
		memcpy(v, l->v, l->n * sizeof(*v));
	l->v = v;
	l->cap = cap;
	return 0;
}

int header_list_insert(struct header_list *l, struct arena *a, size_t at, struct header h)
{
	if (l->n == l->cap && grow(l, a) < 0)
		return -ENOMEM;
	if (at < l->n)
		memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(*l->v));
	l->v[at] = h;
	l->n++;
	return 0;
}

struct bytes header_name(struct bytes text)
{
	size_t n = 0, colon;

	while (n < text.n && text.p[n] > ' ' && text.p[n] != ':' && text.p[n] != 0x7f)
		n++;
	colon = n;
	while (colon < text.n && (text.p[colon] == ' ' || text.p[colon] == '\t'))
		colon++;
	if (colon == text.n || text.p[colon] != ':')
		n = 0;
	return bytes_head(text, n);
}

struct bytes header_value(struct bytes text)
{
	ptrdiff_t colon = bytes_index(text, ':');

	return bytes_trim(bytes_from(text, colon < 0 ? text.n : (size_t)colon + 1));
}

ptrdiff_t header_find(const struct header_list *l, struct bytes name, size_t from)
{
	for (size_t i = from; i < l->n; i++)
		if (!l->v[i].deleted && bytes_eq_nocase(header_name(l->v[i].text), name))
			return (ptrdiff_t)i;
	return -1;
}
