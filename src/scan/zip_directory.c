/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/zip_directory.c - directories, local headers, and what lies between them. */
#include "scan/zip_directory.h"

#include <errno.h>
#include <stdlib.h>

#define LOCAL_SIG     BYTES("PK\3\4")
#define CENTRAL_SIG   BYTES("PK\1\2")
#define END_SIG       BYTES("PK\5\6")
#define END64_SIG     BYTES("PK\6\6")
#define LOCATOR64_SIG BYTES("PK\6\7")

enum {
	LOCAL_BYTES = 30,
	CENTRAL_BYTES = 46,
	END_BYTES = 22,
	LOCATOR64_BYTES = 20,
	END64_BYTES = 56
};
enum { FLAG_SIZES_FOLLOW = 1u << 3 };
enum { EXTRA_ZIP64 = 1, EXTRA_UNICODE_PATH = 0x7075 };

#define COMMENT_MAX    65535u
#define ENDS_MAX       16u /* directories that are believed in one file */
#define NAME_BYTES_MAX 65535u

struct reader {
	struct zip_directory *d;
	struct bytes content;
	struct arena *a;
	size_t cap, max_entries;
	uint64_t starts[ENDS_MAX * 2]; /* directories read so far */
	size_t starts_n;
	bool no_memory;
};

static unsigned le16(const uint8_t *p)
{
	return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
	return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* At least @n bytes of the archive at @offset, beginning with @sig; NULL: not there. */
static const uint8_t *at(const struct reader *r, uint64_t offset, size_t n, struct bytes sig)
{
	if (offset > r->content.n || r->content.n - offset < n)
		return NULL;
	if (!bytes_starts(bytes_from(r->content, (size_t)offset), sig))
		return NULL;
	return r->content.p + offset;
}

static struct bytes slice(const struct reader *r, uint64_t offset, size_t n)
{
	return offset > r->content.n ? bytes_of(NULL, 0)
				     : bytes_head(bytes_from(r->content, (size_t)offset), n);
}

/* The zip64 field holds, in this order, those values that do not fit in 32 bits. */
static void take_zip64(struct bytes field, struct zip_header *h, uint64_t *offset)
{
	uint64_t *const values[] = { &h->unpacked, &h->packed, offset };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (values[i] == NULL || *values[i] != UINT32_MAX || field.n < 8)
			continue;
		*values[i] = le64(field.p);
		field = bytes_from(field, 8);
	}
}

/* @offset: of the local header, where the directory says it; NULL in a local header. */
static void take_extra(struct bytes extra, struct zip_header *h, uint64_t *offset)
{
	while (extra.n >= 4) {
		unsigned id = le16(extra.p);
		struct bytes field = bytes_head(bytes_from(extra, 4), le16(extra.p + 2));

		if (id == EXTRA_ZIP64)
			take_zip64(field, h, offset);
		else if (id == EXTRA_UNICODE_PATH && field.n > 5)
			h->unicode_name = bytes_from(field, 5);
		extra = bytes_from(extra, 4 + field.n);
	}
}

static bool read_local(const struct reader *r, struct zip_entry *e)
{
	const uint8_t *p = at(r, e->offset, LOCAL_BYTES, LOCAL_SIG);
	struct zip_header *h = &e->local;
	size_t name_n, extra_n;

	if (p == NULL)
		return false;
	name_n = le16(p + 26);
	extra_n = le16(p + 28);
	*h = (struct zip_header){ .there = true,
				  .flags = le16(p + 6),
				  .method = le16(p + 8),
				  .crc = le32(p + 14),
				  .packed = le32(p + 18),
				  .unpacked = le32(p + 22),
				  .name = slice(r, e->offset + LOCAL_BYTES, name_n) };
	take_extra(slice(r, e->offset + LOCAL_BYTES + name_n, extra_n), h, NULL);
	h->sizes_follow = (h->flags & FLAG_SIZES_FOLLOW) != 0;
	e->data = MIN_OF(e->offset + LOCAL_BYTES + name_n + extra_n, r->content.n);
	return true;
}

static struct zip_entry *new_entry(struct reader *r)
{
	struct zip_directory *d = r->d;

	if (d->n >= r->max_entries) {
		d->cut = true;
		return NULL;
	}
	if (d->n == r->cap) {
		size_t cap = r->cap == 0 ? 16 : r->cap * 2;
		struct zip_entry *more = arena_array(r->a, cap, sizeof(*more));

		if (more == NULL) {
			r->no_memory = true;
			return NULL;
		}
		if (d->n > 0)
			memcpy(more, d->entries, d->n * sizeof(*more));
		d->entries = more;
		r->cap = cap;
	}
	d->entries[d->n] = (struct zip_entry){ .offset = 0 };
	return &d->entries[d->n++];
}

static void note_document(struct reader *r, struct bytes name)
{
	if (bytes_eq_nocase(name, BYTES("[Content_Types].xml")) ||
	    bytes_eq_nocase(name, BYTES("META-INF/manifest.xml")))
		r->d->document = true;
}

/* One entry of the directory; returns its length, 0 at the end. @base: where offset 0 is. */
static size_t read_central(struct reader *r, uint64_t pos, uint64_t base)
{
	const uint8_t *p = at(r, pos, CENTRAL_BYTES, CENTRAL_SIG);
	struct zip_entry *e;
	struct zip_header *h;
	size_t name_n, extra_n;
	uint64_t offset;

	if (p == NULL)
		return 0;
	e = new_entry(r);
	if (e == NULL)
		return 0;
	name_n = le16(p + 28);
	extra_n = le16(p + 30);
	offset = le32(p + 42);
	h = &e->directory;
	*h = (struct zip_header){ .there = true,
				  .flags = le16(p + 8),
				  .method = le16(p + 10),
				  .crc = le32(p + 16),
				  .packed = le32(p + 20),
				  .unpacked = le32(p + 24),
				  .name = slice(r, pos + CENTRAL_BYTES, name_n) };
	take_extra(slice(r, pos + CENTRAL_BYTES + name_n, extra_n), h, &offset);
	note_document(r, h->name);
	if (__builtin_add_overflow(base, offset, &e->offset))
		e->offset = UINT64_MAX;
	/* Some count from the start of the file even when something stands before the archive. */
	if (!read_local(r, e) && base != 0) {
		e->offset = offset;
		(void)read_local(r, e);
	}
	return CENTRAL_BYTES + name_n + extra_n + le16(p + 32);
}

static void read_directory_at(struct reader *r, uint64_t start, uint64_t declared)
{
	uint64_t base = start > declared ? start - declared : 0;

	for (size_t i = 0; i < r->starts_n; i++)
		if (r->starts[i] == start)
			return;
	if (r->starts_n == ARRAY_LEN(r->starts) || at(r, start, CENTRAL_BYTES, CENTRAL_SIG) == NULL)
		return;
	r->starts[r->starts_n++] = start;
	/* As far as it goes: the number of entries at the end is only a claim. */
	for (uint64_t pos = start;;) {
		size_t n = read_central(r, pos, base);

		if (n == 0)
			return;
		pos += n;
	}
}

/* The directory that the end record at @end names: where it says, and right before itself. */
static void read_end(struct reader *r, uint64_t end)
{
	const uint8_t *p = r->content.p + end;
	uint64_t size = le32(p + 12), offset = le32(p + 16), before = end;
	const uint8_t *locator = end < LOCATOR64_BYTES ? NULL
						       : at(r, end - LOCATOR64_BYTES,
							    LOCATOR64_BYTES, LOCATOR64_SIG);

	if (locator != NULL) {
		uint64_t at64 = le64(locator + 8);
		const uint8_t *p64 = at(r, at64, END64_BYTES, END64_SIG);

		if (p64 == NULL && end >= LOCATOR64_BYTES + END64_BYTES) {
			at64 = end - LOCATOR64_BYTES - END64_BYTES;
			p64 = at(r, at64, END64_BYTES, END64_SIG);
		}
		if (p64 != NULL) {
			size = le64(p64 + 40);
			offset = le64(p64 + 48);
			before = at64;
		}
	}
	if (size <= before)
		read_directory_at(r, before - size, offset);
	read_directory_at(r, offset, offset);
}

/* Where the packed data end, as far as anybody says. */
static uint64_t end_of(const struct zip_entry *e)
{
	uint64_t packed = e->directory.there ? e->directory.packed : e->local.packed, end;

	if (e->data == 0 || __builtin_add_overflow(e->data, packed, &end))
		return e->offset;
	return end;
}

/*
 * The offset of the last end record that begins before @before, as far back as a comment may
 * reach; -1: none. From the last to the first: a comment may hold another archive's.
 */
static ptrdiff_t end_record(struct bytes content, size_t before)
{
	size_t low = content.n > END_BYTES + COMMENT_MAX ? content.n - END_BYTES - COMMENT_MAX : 0;

	if (content.n < END_BYTES)
		return -1;
	before = MIN_OF(before, content.n - END_BYTES + 1);
	while (before > low) {
		const uint8_t *p = memrchr(content.p + low, 'P', before - low);

		if (p == NULL)
			return -1;
		before = (size_t)(p - content.p);
		if (bytes_starts(bytes_from(content, before), END_SIG))
			return (ptrdiff_t)before;
	}
	return -1;
}

/* Inside a file that is known already: an archive that was stored in this one. */
static bool is_inside(const struct zip_directory *d, uint64_t pos)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->entries[i].data != 0 && pos >= d->entries[i].data &&
		    pos < end_of(&d->entries[i]))
			return true;
	return false;
}

static void read_ends(struct reader *r)
{
	ptrdiff_t pos = end_record(r->content, SIZE_MAX);

	for (unsigned i = 0; i < ENDS_MAX && pos >= 0; i++) {
		if (!is_inside(r->d, (uint64_t)pos))
			read_end(r, (uint64_t)pos);
		pos = end_record(r->content, (size_t)pos);
	}
}

static int by_offset(const void *a, const void *b)
{
	const struct zip_entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset ? 1 : 0;
}

/* Sorts the entries; what shares a local header is one file with two names, not an overlap. */
static void find_overlaps(struct zip_directory *d)
{
	if (d->n < 2)
		return;
	qsort(d->entries, d->n, sizeof(*d->entries), by_offset);
	for (size_t i = 1; i < d->n; i++) {
		const struct zip_entry *a = &d->entries[i - 1], *b = &d->entries[i];

		if (a->data != 0 && b->data != 0 && a->offset != b->offset && end_of(a) > b->offset)
			d->overlapping = true;
	}
}

/* A local header that no directory mentions, and not just four bytes that look like one. */
static bool is_plausible(const struct zip_entry *e)
{
	return e->local.name.n > 0 && e->local.method < 100 && e->data > e->offset;
}

static bool add_hidden(struct reader *r, uint64_t pos, uint64_t *ret_next)
{
	struct zip_entry found = { .offset = pos }, *e;

	if (!read_local(r, &found) || !is_plausible(&found)) {
		*ret_next = pos + 1;
		return true;
	}
	e = new_entry(r);
	if (e == NULL)
		return false;
	*e = found;
	note_document(r, found.local.name);
	*ret_next = found.local.sizes_follow ? found.data : MAX_OF(end_of(&found), found.data);
	return true;
}

/* What readers see that go from file to file and never ask a directory. */
static void read_hidden(struct reader *r)
{
	size_t known_n = r->d->n, k = 0;
	uint64_t pos = 0;

	while (pos < r->content.n && !r->no_memory) {
		ptrdiff_t found = bytes_find(bytes_from(r->content, (size_t)pos), LOCAL_SIG);

		if (found < 0)
			return;
		pos += (uint64_t)found;
		/* Entries of the directories are sorted; new ones come behind them. */
		while (k < known_n &&
		       MAX_OF(end_of(&r->d->entries[k]), r->d->entries[k].offset + 1) <= pos)
			k++;
		if (k < known_n && r->d->entries[k].offset <= pos)
			pos = MAX_OF(end_of(&r->d->entries[k]), pos + 1);
		else if (!add_hidden(r, pos, &pos))
			return;
	}
}

/* An end record with a directory where it says, or with a zip64 record. */
static bool is_end(const struct reader *r, uint64_t pos)
{
	const uint8_t *p = r->content.p + pos;
	uint64_t size = le32(p + 12);

	return (size <= pos && at(r, pos - size, CENTRAL_BYTES, CENTRAL_SIG) != NULL) ||
	       at(r, le32(p + 16), CENTRAL_BYTES, CENTRAL_SIG) != NULL ||
	       (pos >= LOCATOR64_BYTES &&
		at(r, pos - LOCATOR64_BYTES, LOCATOR64_BYTES, LOCATOR64_SIG) != NULL);
}

bool zip_is_archive(struct bytes content)
{
	struct reader r = { .content = content };
	ptrdiff_t pos = end_record(content, SIZE_MAX);

	if (bytes_starts(content, LOCAL_SIG) || bytes_starts(content, END_SIG))
		return true;
	for (unsigned i = 0; i < ENDS_MAX && pos >= 0; i++) {
		if (is_end(&r, (uint64_t)pos))
			return true;
		pos = end_record(content, (size_t)pos);
	}
	return false;
}

int zip_read_directory(struct zip_directory *ret_d, struct bytes content, size_t max_entries,
		       struct arena *a, struct err *err)
{
	struct reader r = { .d = ret_d, .content = content, .a = a, .max_entries = max_entries };

	*ret_d = (struct zip_directory){ .n = 0 };
	read_ends(&r);
	find_overlaps(ret_d);
	if (!ret_d->overlapping)
		read_hidden(&r);
	if (r.no_memory)
		return err_set(err, ERR_LIMIT, -ENOMEM, "zip directory: arena is full");
	return 0;
}
