/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/ole.c - files inside OLE2 documents (MS-CFB): what was embedded with "insert object", and
 * the attachments of a saved Outlook message. Macros and the document's own streams are
 * libclamav's business.
 *
 * The file is a small file system with its own allocation tables; every chain may be a circle.
 * A stream that claims to be longer than the whole file is followed no further than that.
 */
#include <stdio.h>

#include "scan/unpack.h"

enum { HEAD_BYTES = 512, ENTRY_BYTES = 128, NAME_UNITS = 32, HEAD_FAT_SECTORS = 109 };
enum { TYPE_STORAGE = 1, TYPE_STREAM = 2, TYPE_ROOT = 5 };

#define LAST_SECTOR UINT32_C(0xfffffffa) /* above: end of chain, free, and other marks */
#define STREAM_MIN  4u
#define ENTRIES_MAX 20000u
#define FIELD_MAX   1024u

struct ole {
	struct unpack *u;
	struct bytes file;
	size_t sector_bytes, mini_bytes;
	uint32_t mini_cutoff, mini_fat_start;
	uint32_t *fat; /* arena */
	size_t fat_n;
	struct bytes mini, mini_fat; /* the stream of small streams, and its table */
	bool encrypted;
};

struct entry {
	char name[NAME_UNITS + 1]; /* other than ASCII becomes '?' */
	unsigned type;
	uint32_t start;
	uint64_t size;
};

static uint32_t le16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static struct bytes sector(const struct ole *o, uint32_t number)
{
	uint64_t offset = ((uint64_t)number + 1) * o->sector_bytes;

	return offset >= o->file.n
		       ? bytes_of(NULL, 0)
		       : bytes_head(bytes_from(o->file, (size_t)offset), o->sector_bytes);
}

static size_t sectors_n(const struct ole *o)
{
	return o->file.n / o->sector_bytes;
}

/* --- allocation table --- */

static void add_fat_sector(struct ole *o, uint32_t number)
{
	struct bytes s = sector(o, number);
	size_t room = sectors_n(o) + o->sector_bytes / 4 - o->fat_n;

	for (size_t i = 0; i + 4 <= s.n && i / 4 < room; i += 4)
		o->fat[o->fat_n++] = le32(s.p + i);
}

/* The table's own sectors: 109 in the header, more in a chain of sectors that list them. */
static bool read_fat(struct ole *o)
{
	uint32_t next = le32(o->file.p + 68);
	size_t max = sectors_n(o) + o->sector_bytes / 4;

	o->fat = arena_array(o->u->s->arena, max, sizeof(*o->fat));
	if (o->fat == NULL)
		return false;
	for (size_t i = 0; i < HEAD_FAT_SECTORS; i++)
		if (le32(o->file.p + 76 + 4 * i) < LAST_SECTOR)
			add_fat_sector(o, le32(o->file.p + 76 + 4 * i));
	for (size_t steps = 0; next < LAST_SECTOR && steps < sectors_n(o); steps++) {
		struct bytes s = sector(o, next);

		if (s.n < o->sector_bytes)
			break;
		for (size_t i = 0; i + 8 <= s.n; i += 4)
			if (le32(s.p + i) < LAST_SECTOR)
				add_fat_sector(o, le32(s.p + i));
		next = le32(s.p + s.n - 4);
	}
	return true;
}

static uint32_t after(const struct ole *o, uint32_t number)
{
	return number < o->fat_n ? o->fat[number] : UINT32_MAX;
}

/* --- streams --- */

/* A chain as one range of bytes: where it lies in one piece, as it does nearly always, nothing is
 * copied. Empty: no memory or nothing there. */
static struct bytes chain(struct ole *o, uint32_t start, uint64_t size)
{
	size_t want = (size_t)MIN_OF(size, (uint64_t)o->file.n), steps = sectors_n(o) + 1, n = 0;
	struct bytes first = sector(o, start);
	uint32_t number = start;
	uint8_t *copy;

	if (first.n == 0)
		return first;
	for (n = first.n; n < want && after(o, number) == number + 1; number++)
		n += o->sector_bytes;
	first = bytes_from(o->file, (size_t)(first.p - o->file.p));
	if (n >= want)
		return bytes_head(first, want);
	copy = arena_alloc(o->u->s->arena, want);
	if (copy == NULL) {
		(void)scan_no_memory(o->u->s, NULL);
		return bytes_of(NULL, 0);
	}
	number = start;
	for (n = 0; n < want && number < LAST_SECTOR && steps-- > 0; number = after(o, number)) {
		struct bytes s = bytes_head(sector(o, number), want - n);

		if (s.n == 0)
			break;
		memcpy(copy + n, s.p, s.n);
		n += s.n;
	}
	return bytes_of(copy, n);
}

static struct bytes mini_chain(struct ole *o, uint32_t start, uint64_t size)
{
	size_t want = (size_t)MIN_OF(size, (uint64_t)o->mini.n), n = 0;
	size_t steps = o->mini.n / o->mini_bytes + 1;
	uint8_t *copy = arena_alloc(o->u->s->arena, want);

	if (copy == NULL) {
		(void)scan_no_memory(o->u->s, NULL);
		return bytes_of(NULL, 0);
	}
	while (n < want && start < LAST_SECTOR && steps-- > 0) {
		struct bytes s = bytes_head(bytes_from(o->mini, (size_t)start * o->mini_bytes),
					    MIN_OF(o->mini_bytes, want - n));

		if (s.n == 0)
			break;
		memcpy(copy + n, s.p, s.n);
		n += s.n;
		start = (uint64_t)start * 4 + 4 <= o->mini_fat.n
				? le32(o->mini_fat.p + (size_t)start * 4)
				: UINT32_MAX;
	}
	return bytes_of(copy, n);
}

static struct bytes stream(struct ole *o, const struct entry *e)
{
	return e->size < o->mini_cutoff ? mini_chain(o, e->start, e->size)
					: chain(o, e->start, e->size);
}

/* --- what is embedded --- */

static bool take_member(struct ole *o, struct bytes name, struct bytes other, struct bytes content)
{
	struct member m = { .names = { name, other },
			    .names_n = other.n > 0 ? 2 : 1,
			    .content = content };

	return unpack_begin(o->u, name) && unpack_end(o->u, &m);
}

/* A NUL-terminated text off @in; false: there is none. */
static bool take_text(struct bytes *in, struct bytes *ret)
{
	ptrdiff_t n = bytes_index(bytes_head(*in, FIELD_MAX), 0);

	if (n < 0)
		return false;
	*ret = bytes_head(*in, (size_t)n);
	*in = bytes_from(*in, (size_t)n + 1);
	return true;
}

/*
 * "Package": length, 2, label, path, 0, 3, length and text of the temporary path, length, file.
 * Other kinds of objects have only the length before their data.
 */
static bool take_native(struct ole *o, struct bytes in)
{
	struct bytes label, path, rest = bytes_from(in, 6);
	uint32_t n;

	if (in.n < STREAM_MIN)
		return true;
	if (in.n > 6 && le16(in.p + 4) == 2 && take_text(&rest, &label) &&
	    take_text(&rest, &path) && rest.n >= 8) {
		n = le32(rest.p + 4);
		rest = bytes_from(rest, 8 + (size_t)n);
		if (rest.n >= 4)
			return take_member(o, label, path,
					   bytes_head(bytes_from(rest, 4), le32(rest.p)));
	}
	return take_member(o, BYTES("object"), BYTES(""), bytes_from(in, 4));
}

/* Attachments of a saved Outlook message: property 3701, a binary, of an attachment. */
static bool is_message_attachment(const char *name)
{
	return strcmp(name, "__substg1.0_37010102") == 0;
}

static bool is_attachment_name(const char *name)
{
	return strcmp(name, "__substg1.0_3707001F") == 0 ||
	       strcmp(name, "__substg1.0_3704001F") == 0;
}

static bool contains_object_name(const char *name)
{
	const char *ole = strcasestr(name, "Ole");

	return ole != NULL && strcasestr(ole, "Native") != NULL;
}

/* An attachment of a saved message: its streams follow their storage in any order. */
struct attachment {
	bool there;
	struct entry data;
	struct bytes names[2];
	size_t names_n;
};

static bool flush(struct ole *o, struct attachment *a)
{
	struct attachment now = *a;
	struct bytes name = now.names_n > 0 ? now.names[0] : BYTES("attachment");

	*a = (struct attachment){ .there = false };
	return !now.there || take_member(o, name, now.names[1], stream(o, &now.data));
}

static bool use_stream(struct ole *o, const struct entry *e, struct attachment *a)
{
	if (contains_object_name(e->name))
		return take_native(o, stream(o, e));
	if (strcmp(e->name, "Package") == 0 || strcmp(e->name, "CONTENTS") == 0)
		return take_member(o, bytes_str(e->name), BYTES(""), stream(o, e));
	if (strcmp(e->name, "EncryptedPackage") == 0)
		o->encrypted = true;
	if (is_message_attachment(e->name)) {
		a->there = true;
		a->data = *e;
	}
	if (is_attachment_name(e->name) && e->size <= FIELD_MAX && a->names_n < ARRAY_LEN(a->names))
		a->names[a->names_n++] = unpack_utf16(o->u, stream(o, e));
	return true;
}

static bool use_entry(struct ole *o, const struct entry *e, struct attachment *a)
{
	if (e->type == TYPE_STORAGE)
		return flush(o, a);
	return e->type != TYPE_STREAM || e->size < STREAM_MIN || use_stream(o, e, a);
}

static struct entry read_entry(const uint8_t *p)
{
	struct entry e = { .type = p[66], .start = le32(p + 116), .size = le32(p + 120) };
	size_t units = MIN_OF(le16(p + 64) / 2, (uint32_t)NAME_UNITS), n = 0;

	for (size_t i = 0; i < units; i++) {
		uint32_t c = le16(p + 2 * i);

		if (c == 0)
			break;
		e.name[n++] = c < 0x80 ? (char)c : '?';
	}
	return e;
}

static void use_directory(struct ole *o, struct bytes directory)
{
	struct attachment a = { .there = false };
	size_t n = MIN_OF(directory.n / ENTRY_BYTES, (size_t)ENTRIES_MAX);

	for (size_t i = 0; i < n && !o->u->stop; i++) {
		struct entry e = read_entry(directory.p + i * ENTRY_BYTES);

		if (!use_entry(o, &e, &a))
			return;
	}
	(void)flush(o, &a);
}

static bool read_header(struct ole *o)
{
	const uint8_t *p = o->file.p;
	unsigned shift, mini_shift;

	if (o->file.n < HEAD_BYTES)
		return false;
	shift = le16(p + 30);
	mini_shift = le16(p + 32);
	if (shift < 7 || shift > 20 || mini_shift < 2 || mini_shift > shift)
		return false;
	o->sector_bytes = (size_t)1 << shift;
	o->mini_bytes = (size_t)1 << mini_shift;
	o->mini_cutoff = le32(p + 56);
	return true;
}

void unpack_ole(struct unpack *u)
{
	struct ole o = { .u = u, .file = u->content };
	struct bytes directory;
	struct entry root;

	u->document = true;
	if (!read_header(&o) || !read_fat(&o)) {
		unpack_broken(u, "its header is damaged");
		return;
	}
	directory = chain(&o, le32(o.file.p + 48), UINT64_MAX);
	if (directory.n < ENTRY_BYTES) {
		unpack_broken(u, "its directory is damaged");
		return;
	}
	root = read_entry(directory.p);
	if (root.type == TYPE_ROOT)
		o.mini = chain(&o, root.start, root.size);
	o.mini_fat = chain(&o, le32(o.file.p + 60), (uint64_t)le32(o.file.p + 64) * o.sector_bytes);
	use_directory(&o, directory);
	/* Its content is what it is; only what it means is not to be had. */
	if (o.encrypted && u->container->fact != NULL)
		u->container->fact->encrypted = true;
}
