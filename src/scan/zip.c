/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/zip.c - the files of a zip archive. Where directory and local header disagree about what a
 * file is called or how it is packed, it is unpacked both ways and has both names.
 */
#include <errno.h>

#include "scan/unpack.h"
#include "scan/zip_directory.h"

enum { METHOD_STORED = 0, METHOD_AES = 99 };

#define DIRECTORY_ENTRIES_MAX 100000u /* when the budget sets no limit */

static bool is_folder(const struct zip_entry *e)
{
	const struct zip_header *h = e->directory.there ? &e->directory : &e->local;

	return h->name.n > 0 && h->name.p[h->name.n - 1] == '/' && h->packed == 0 &&
	       h->unpacked == 0;
}

static bool is_encrypted(const struct zip_header *h)
{
	return (h->flags & ZIP_ENCRYPTED) != 0 || h->method == METHOD_AES;
}

static struct bytes packed_data(const struct unpack *u, const struct zip_entry *e,
				const struct zip_header *h)
{
	struct bytes rest = bytes_from(u->content, (size_t)e->data);

	/* "Sizes follow" in a local header, and there is no directory: as far as it goes. */
	if (h->sizes_follow && h->packed == 0)
		return rest;
	return h->packed < rest.n ? bytes_head(rest, (size_t)h->packed) : rest;
}

/* A stored file whose length nobody says ends where the next record begins. */
static struct bytes stored_data(const struct unpack *u, const struct zip_entry *e,
				const struct zip_header *h)
{
	struct bytes data = packed_data(u, e, h);

	if (!h->sizes_follow || h->packed != 0)
		return data;
	for (size_t i = 0; i + 4 <= data.n; i++) {
		const uint8_t *p = data.p + i;

		if (p[0] == 'P' && p[1] == 'K' &&
		    ((p[2] == 7 && p[3] == 8) || (p[2] == 3 && p[3] == 4) ||
		     (p[2] == 1 && p[3] == 2)))
			return bytes_head(data, i);
	}
	return data;
}

static void add_names(struct member *m, const struct zip_entry *e)
{
	const struct bytes names[] = { e->directory.name, e->local.name, e->directory.unicode_name,
				       e->local.unicode_name };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].n > 0 && (m->names_n == 0 || !bytes_eq(names[i], m->names[0])))
			m->names[m->names_n++] = names[i];
}

/* Unpack as @h says. False: stop. */
static bool take_as(struct unpack *u, const struct zip_entry *e, const struct zip_header *h)
{
	struct member m = { .names_n = 0 };
	struct zip_packed packed = { .method = h->method,
				     .unpacked_bytes = h->unpacked,
				     .crc = h->crc };

	add_names(&m, e);
	if (!unpack_begin(u, m.names_n > 0 ? m.names[0] : BYTES("")))
		return false;
	if (is_encrypted(h)) {
		m.encrypted = true;
	} else if (e->data == 0) {
		m.unread = true;
		unpack_broken(u, "a file of the directory is not there");
	} else if (u->ask_only) {
		m.unread = true;
	} else if (h->method == METHOD_STORED) {
		m.content = stored_data(u, e, h);
		if (m.content.n < h->packed && h->packed == h->unpacked)
			unpack_broken(u, "the archive ends inside a file");
	} else {
		packed.data = packed_data(u, e, h);
		m.unread = !unpack_zip_member(u, &packed);
	}
	return unpack_end(u, &m);
}

/* Whether believing the local header gives another content than believing the directory. */
static bool differ(const struct zip_entry *e)
{
	const struct zip_header *d = &e->directory, *l = &e->local;

	if (!d->there || !l->there)
		return false;
	if (d->method != l->method || is_encrypted(d) != is_encrypted(l))
		return true;
	return !l->sizes_follow && d->method == METHOD_STORED && d->packed != l->packed;
}

static bool take_entry(struct unpack *u, const struct zip_entry *e)
{
	if (is_folder(e))
		return unpack_begin(u, e->directory.there ? e->directory.name : e->local.name);
	if (!take_as(u, e, e->directory.there ? &e->directory : &e->local))
		return false;
	return differ(e) ? take_as(u, e, &e->local) : true;
}

void unpack_zip(struct unpack *u)
{
	struct scan_state *s = u->s;
	uint64_t max = s->budget.limits.max[BUDGET_MEMBERS];
	struct zip_directory d;

	/* One more than allowed, so that the budget is the one to say so. */
	max = max == 0 ? DIRECTORY_ENTRIES_MAX : MIN_OF(max + 1, DIRECTORY_ENTRIES_MAX);
	if (zip_read_directory(&d, u->content, (size_t)max, s->arena, NULL) < 0) {
		(void)scan_no_memory(s, NULL);
		u->stop = true;
		return;
	}
	u->document = d.document;
	if (d.document && !s->request->unpack_documents)
		return;
	if (d.overlapping) {
		scan_limit(s, BUDGET_RATIO, "overlapping files at %.100s",
			   scan_leaf_place(s, u->container));
		u->stop = true;
		return;
	}
	for (size_t i = 0; i < d.n && !u->stop; i++)
		if (!take_entry(u, &d.entries[i]))
			return;
	if (d.cut && !u->stop)
		scan_limit(s, BUDGET_MEMBERS, "%s %u", budget_limit_name(BUDGET_MEMBERS),
			   DIRECTORY_ENTRIES_MAX);
}
