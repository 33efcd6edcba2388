/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/bytes.c - comparing, searching and splitting byte ranges. */
#include "core/bytes.h"

#include <errno.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool bytes_eq_nocase(struct bytes a, struct bytes b)
{
	return a.n == b.n && bytes_starts_nocase(a, b);
}

bool bytes_starts(struct bytes b, struct bytes prefix)
{
	return b.n >= prefix.n && bytes_eq(bytes_head(b, prefix.n), prefix);
}

bool bytes_starts_nocase(struct bytes b, struct bytes prefix)
{
	if (b.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (ascii_lower(b.p[i]) != ascii_lower(prefix.p[i]))
			return false;
	return true;
}

bool bytes_ends_nocase(struct bytes b, struct bytes suffix)
{
	return b.n >= suffix.n && bytes_eq_nocase(bytes_from(b, b.n - suffix.n), suffix);
}

ptrdiff_t bytes_index(struct bytes b, uint8_t c)
{
	const uint8_t *hit = b.n == 0 ? NULL : memchr(b.p, c, b.n);

	return hit == NULL ? -1 : hit - b.p;
}

ptrdiff_t bytes_find(struct bytes b, struct bytes needle)
{
	const uint8_t *hit;

	if (needle.n == 0)
		return 0;
	hit = b.n == 0 ? NULL : memmem(b.p, b.n, needle.p, needle.n);
	return hit == NULL ? -1 : hit - b.p;
}

struct bytes bytes_trim(struct bytes b)
{
	while (b.n > 0 && ascii_is_space(b.p[0]))
		b = bytes_from(b, 1);
	while (b.n > 0 && ascii_is_space(b.p[b.n - 1]))
		b.n--;
	return b;
}

bool bytes_next_line(struct bytes *rest, struct bytes *ret_line)
{
	ptrdiff_t lf;

	if (rest->n == 0)
		return false;
	lf = bytes_index(*rest, '\n');
	if (lf < 0) {
		*ret_line = *rest;
		*rest = bytes_from(*rest, rest->n);
		return true;
	}
	*ret_line = bytes_head(*rest, (size_t)lf);
	*rest = bytes_from(*rest, (size_t)lf + 1);
	return true;
}

bool bytes_next_word(struct bytes *rest, struct bytes *ret_word)
{
	size_t n = 0;

	while (rest->n > 0 && ascii_is_space(rest->p[0]))
		*rest = bytes_from(*rest, 1);
	while (n < rest->n && !ascii_is_space(rest->p[n]))
		n++;
	*ret_word = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}
