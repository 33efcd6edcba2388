/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/safe_name.c - the name a file would get on disk: what rules are also tried on and
 * what reports show. Hostile bytes do not survive it, UTF-8 does.
 */
#include "scan/rule_report.h"

#define NAME_CHARS_MAX 50
#define ROOT_CHARS     14
#define EXT_BYTES      3
#define NO_MEMORY_NAME "unknown.dat" /* arena full: the message fails elsewhere */

static bool is_separator(uint8_t c)
{
	return c == '/' || c == '\\';
}

static bool is_allowed(uint8_t c)
{
	return ascii_is_alnum(c) || c >= 0x80 || (c != '\0' && strchr("%()+,-.=_{}", c) != NULL);
}

/* First byte of a character; also any byte that is none of UTF-8's. */
static bool starts_character(uint8_t c)
{
	return (c & 0xc0) != 0x80;
}

static size_t count_characters(struct bytes b)
{
	size_t n = 0;

	for (size_t i = 0; i < b.n; i++)
		n += starts_character(b.p[i]);
	return n;
}

/* The first @max characters of @b: a name is not cut inside one. */
static struct bytes head_characters(struct bytes b, size_t max)
{
	size_t seen = 0;

	for (size_t i = 0; i < b.n; i++) {
		seen += starts_character(b.p[i]);
		if (seen > max)
			return bytes_head(b, i);
	}
	return b;
}

static struct bytes last_component(struct bytes b)
{
	while (b.n > 0 && is_separator(b.p[b.n - 1]))
		b.n--;
	for (size_t i = b.n; i > 0; i--)
		if (is_separator(b.p[i - 1]))
			return bytes_from(b, i);
	return b;
}

static bool is_safe(struct bytes b)
{
	bool only_dots = true;

	for (size_t i = 0; i < b.n; i++) {
		if (!is_allowed(b.p[i]))
			return false;
		only_dots = only_dots && b.p[i] == '.';
	}
	/* Bytes are checked too: characters are not counted in what is no UTF-8. */
	return !only_dots && count_characters(b) <= NAME_CHARS_MAX && b.n <= 4 * NAME_CHARS_MAX;
}

static bool is_word(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!ascii_is_alnum(b.p[i]) && b.p[i] != '_')
			return false;
	return b.n > 0;
}

/* ROOT.EXT, both short. */
static const char *shortened(struct arena *a, struct bytes b)
{
	struct bytes root = b, ext = BYTES("dat");

	for (size_t i = b.n; i > 0; i--) {
		if (b.p[i - 1] != '.')
			continue;
		root = bytes_head(b, i - 1);
		if (is_word(bytes_head(bytes_from(b, i), EXT_BYTES)))
			ext = bytes_head(bytes_from(b, i), EXT_BYTES);
		break;
	}
	root = bytes_head(head_characters(root, ROOT_CHARS), 4 * ROOT_CHARS);
	return arena_printf(a, "%.*s.%.*s", (int)root.n, (const char *)root.p, (int)ext.n,
			    (const char *)ext.p);
}

const char *rule_report_safe(struct arena *a, const char *name)
{
	struct bytes base = last_component(bytes_str(name)), kept = { NULL, 0 };
	uint8_t *p = arena_alloc(a, base.n + 1);

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < base.n; i++)
		if (is_allowed(base.p[i]))
			p[kept.n++] = base.p[i];
	p[kept.n] = '\0';
	kept.p = p;
	return is_safe(kept) ? (const char *)p : shortened(a, kept);
}

const char *scan_safe_name(struct scan_state *s, const char *name)
{
	const char *safe = rule_report_safe(s->arena, name);

	return safe == NULL ? NO_MEMORY_NAME : safe;
}
