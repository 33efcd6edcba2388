/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/unpack.c - from the readers' members to leaves, with the budget in between. */
#include "scan/unpack.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "core/clock.h"
#include "core/text.h"

#define NAME_BYTES_MAX 4096u
#define CLOCK_EVERY    MIB /* half a microsecond for each megabyte */

void unpack_broken(struct unpack *u, const char *fmt, ...)
{
	va_list ap;

	if (u->why[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(u->why, sizeof(u->why), fmt, ap);
	va_end(ap);
	text_make_printable(u->why);
}

/* For people: where the limit was reached. */
static struct bytes place(struct unpack *u)
{
	return bytes_str(scan_leaf_place(u->s, u->container));
}

static bool in_time(struct unpack *u)
{
	u->charged = 0;
	return budget_check_cpu(&u->s->budget, clock_thread_cpu_ns(), BYTES("unpacking"));
}

bool unpack_begin(struct unpack *u, struct bytes name)
{
	struct budget *b = &u->s->budget;

	str_reset(u->buffer);
	u->entries_n++;
	if (u->stop)
		return false;
	if (u->ask_only)
		return true;
	if (!budget_allows(b, BUDGET_ARCHIVE_DEPTH, u->container->depth + 1, place(u))) {
		u->stop = u->too_deep = true;
		return false;
	}
	if (!budget_charge(b, BUDGET_MEMBERS, 1, name) || !in_time(u))
		u->stop = true;
	return !u->stop;
}

bool unpack_data(struct unpack *u, struct bytes piece)
{
	struct budget *b = &u->s->budget;

	if (u->stop)
		return false;
	if (!budget_allows(b, BUDGET_MEMBER_BYTES, u->buffer->n + piece.n, place(u)) ||
	    !budget_charge(b, BUDGET_EXPANDED_BYTES, piece.n, place(u))) {
		u->stop = true;
		return false;
	}
	str_add_bytes(u->buffer, piece);
	if (u->buffer->failed) {
		(void)scan_no_memory(u->s, NULL);
		u->stop = true;
		return false;
	}
	u->charged += piece.n;
	if (u->charged >= CLOCK_EVERY && !in_time(u))
		u->stop = true;
	return !u->stop;
}

/* Content that lies in the container is not copied, but counts as unpacked. */
static bool take_content(struct unpack *u, struct member *m)
{
	struct budget *b = &u->s->budget;

	if (m->unread) {
		m->content = bytes_of(NULL, 0);
		return true;
	}
	if (m->content.n > 0) {
		if (budget_allows(b, BUDGET_MEMBER_BYTES, m->content.n, place(u)) &&
		    budget_charge(b, BUDGET_EXPANDED_BYTES, m->content.n, place(u)))
			return true;
		u->stop = m->unread = true;
		m->content = bytes_of(NULL, 0);
		return true;
	}
	m->content = str_bytes(u->buffer);
	m->content.p = arena_dup(u->s->arena, m->content);
	if (m->content.p == NULL) {
		(void)scan_no_memory(u->s, NULL);
		u->stop = true;
	}
	return m->content.p != NULL;
}

static struct bytes base_name(struct bytes name)
{
	for (size_t i = name.n; i > 0; i--)
		if (name.p[i - 1] == '/' || name.p[i - 1] == '\\')
			return bytes_from(name, i);
	return name;
}

static void add_name(struct unpack *u, struct leaf *leaf, struct bytes name)
{
	char *text;

	if (name.n == 0)
		return;
	for (size_t i = 0; i < leaf->names_n; i++)
		if (bytes_eq(bytes_str(leaf->names[i]), name))
			return;
	text = arena_str(u->s->arena, name);
	if (text != NULL)
		leaf->names[leaf->names_n++] = text;
}

/* Some readers end a name at a NUL, others show what follows: both are names. */
static void add_readings(struct unpack *u, struct leaf *leaf, struct bytes name)
{
	ptrdiff_t nul;
	uint8_t *shown;

	name = bytes_head(name, NAME_BYTES_MAX);
	nul = bytes_index(name, 0);
	if (nul >= 0) {
		shown = arena_dup(u->s->arena, name);
		for (size_t i = 0; shown != NULL && i < name.n; i++)
			if (shown[i] == 0)
				shown[i] = '_';
		if (shown != NULL)
			add_name(u, leaf, bytes_of(shown, name.n));
		name = bytes_head(name, (size_t)nul);
	}
	add_name(u, leaf, name);
	add_name(u, leaf, base_name(name));
}

struct bytes unpack_stem(struct unpack *u)
{
	static const char *const tars[] = {
		".tgz", ".taz", ".tbz", ".tbz2", ".txz", ".tlz", ".tzst"
	};
	const struct leaf *leaf = u->container;
	struct bytes name = leaf->names_n > 0 ? bytes_str(leaf->names[0]) : BYTES("data");
	size_t dot = name.n;

	while (dot > 1 && name.p[dot - 1] != '.')
		dot--;
	if (dot <= 1)
		return name;
	name = bytes_head(name, dot - 1);
	for (size_t i = 0; i < ARRAY_LEN(tars); i++)
		if (strcasecmp(leaf->names[0] + name.n, tars[i]) == 0)
			return bytes_str(
				arena_printf(u->s->arena, "%.*s.tar", (int)name.n, name.p));
	return name;
}

static bool set_path(struct unpack *u, struct leaf *leaf)
{
	const struct leaf *up = u->container;

	leaf->path_n = up->path_n + 1;
	leaf->path = arena_array(u->s->arena, leaf->path_n, sizeof(*leaf->path));
	if (leaf->path == NULL)
		return false;
	memcpy(leaf->path, up->path, up->path_n * sizeof(*leaf->path));
	leaf->path[up->path_n] = leaf->names_n > 0 ? leaf->names[0] : "unnamed";
	return true;
}

bool unpack_end(struct unpack *u, struct member *m)
{
	struct leaf leaf = { .container = u->container,
			     .part = u->container->part,
			     .origin = u->origin,
			     .depth = u->container->depth + 1,
			     .encrypted = m->encrypted };

	u->members_n++;
	u->encrypted |= m->encrypted;
	if (u->ask_only)
		return true;
	m->unread |= m->encrypted;
	/* Each name gives at most three: with its NULs shown, up to the first, and its base. */
	leaf.names = arena_array(u->s->arena, MEMBER_NAMES_MAX * 3, sizeof(*leaf.names));
	if (leaf.names == NULL || !take_content(u, m)) {
		u->stop = true;
		(void)scan_no_memory(u->s, NULL);
		return false;
	}
	leaf.content = m->content;
	leaf.unread = m->unread;
	for (size_t i = 0; i < m->names_n && i < MEMBER_NAMES_MAX; i++)
		add_readings(u, &leaf, m->names[i]);
	if (leaf.names_n == 0)
		add_readings(u, &leaf, unpack_stem(u));
	if (!set_path(u, &leaf) || scan_add_leaf(u->s, &leaf) == NULL) {
		u->stop = true;
		(void)scan_no_memory(u->s, NULL);
	}
	return !u->stop;
}

static size_t put_utf8(uint8_t *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

struct bytes unpack_utf16(struct unpack *u, struct bytes text)
{
	size_t units = text.n / 2, n = 0;
	uint8_t *out = arena_alloc(u->s->arena, units * 3 + 1);

	if (out == NULL) {
		(void)scan_no_memory(u->s, NULL);
		return bytes_of(NULL, 0);
	}
	for (size_t i = 0; i < units; i++) {
		uint32_t c = (uint32_t)text.p[2 * i] | (uint32_t)text.p[2 * i + 1] << 8;
		uint32_t low = 0;

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < units)
			low = (uint32_t)text.p[2 * i + 2] | (uint32_t)text.p[2 * i + 3] << 8;
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		}
		n += put_utf8(out + n, c);
	}
	return bytes_of(out, n);
}
