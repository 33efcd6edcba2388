/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/hosts.c - the hosts file. */
#include "dns/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ip.h"

static bool read_line(struct bytes line, struct host_line *ret_l)
{
	ptrdiff_t hash = bytes_index(line, '#');
	struct bytes addr, name;
	char text[DNS_NAME_MAX + 2];

	if (hash >= 0)
		line = bytes_head(line, (size_t)hash);
	memset(ret_l->addr, 0, sizeof(ret_l->addr));
	if (!bytes_next_word(&line, &addr) || !ip_parse(addr, ret_l->addr, &ret_l->v6) ||
	    !bytes_next_word(&line, &name) || name.n >= sizeof(text))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return strlen(text) == name.n && dns_host_name(text, ret_l->name);
}

static int by_address(const void *a, const void *b)
{
	const struct host_line *x = a, *y = b;
	int order = (int)x->v6 - (int)y->v6;

	if (order == 0)
		order = memcmp(x->addr, y->addr, x->v6 ? 16 : 4);
	return order;
}

static int by_address_and_line(const void *a, const void *b)
{
	const struct host_line *x = a, *y = b;
	int order = by_address(a, b);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static size_t count_lines(struct bytes content)
{
	struct bytes line;
	size_t n = 0;

	while (n < HOSTS_LINES_MAX && bytes_next_line(&content, &line))
		n++;
	return n;
}

int hosts_read(struct hosts *ret_h, struct bytes content)
{
	size_t max = count_lines(content), kept = 0;
	struct hosts h = { .lines = calloc(MAX_OF(max, 1u), sizeof(*h.lines)) };
	struct bytes line;

	if (h.lines == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < max && bytes_next_line(&content, &line); i++) {
		h.lines[h.n].line = (unsigned)i;
		h.n += read_line(line, &h.lines[h.n]);
	}
	qsort(h.lines, h.n, sizeof(*h.lines), by_address_and_line);
	for (size_t i = 0; i < h.n; i++)
		if (kept == 0 || by_address(&h.lines[kept - 1], &h.lines[i]) != 0)
			h.lines[kept++] = h.lines[i];
	h.n = kept;
	*ret_h = h;
	return 0;
}

void hosts_fini(struct hosts *h)
{
	free(h->lines);
	*h = (struct hosts){ 0 };
}

const char *hosts_name(const struct hosts *h, const uint8_t *addr, bool v6)
{
	struct host_line wanted = { .v6 = v6 };
	const struct host_line *found;

	if (h->n == 0)
		return NULL;
	memcpy(wanted.addr, addr, v6 ? 16 : 4);
	found = bsearch(&wanted, h->lines, h->n, sizeof(*h->lines), by_address);
	return found == NULL ? NULL : found->name;
}
