/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/unpack_libarchive.c - everything libarchive reads, from memory.
 *
 * Only the one format that the magic bytes promise is switched on for each reader: with all of
 * them on, a text may be taken for an mtree, and the filters that run other programs are on too.
 *
 * xar is left out: libarchive 3.6.2 never comes back from one with two links in a circle (388
 * bytes). Such an archive counts as unreadable.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <strings.h>

#include "scan/unpack.h"

#define RETRIES_MAX 100u

static void close_archive(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
	*a = NULL;
}

static const char *reason(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text == NULL ? "unknown error" : text;
}

/* Not every reader of libarchive says it in a way a program can ask for. */
static bool speaks_of_encryption(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text != NULL &&
	       (strcasestr(text, "encrypt") != NULL || strcasestr(text, "crypto") != NULL ||
		strcasestr(text, "passphrase") != NULL);
}

/* Only for an archive that was opened: libarchive 3.6.2 crashes when asked about another. */
static bool is_about_encryption(struct archive *a)
{
	return archive_read_has_encrypted_entries(a) == 1 || speaks_of_encryption(a);
}

static bool add_zeros(struct unpack *u, int64_t n)
{
	static const uint8_t zeros[64 * 1024];

	while (n > 0) {
		size_t piece = (size_t)MIN_OF(n, (int64_t)sizeof(zeros));

		if (!unpack_data(u, bytes_of(zeros, piece)))
			return false;
		n -= (int64_t)piece;
	}
	return true;
}

/*
 * A warning at the end of the data. A checksum or length that does not fit is no reason to call
 * the file unread; a method that is not supported is, and that too is only a warning.
 */
static int end_with_warning(const struct unpack *u, struct archive_entry *e)
{
	bool short_of =
		archive_entry_size_is_set(e) && archive_entry_size(e) > (int64_t)u->buffer->n;

	return short_of ? ARCHIVE_FAILED : ARCHIVE_EOF;
}

/* ARCHIVE_EOF: whole; otherwise libarchive's code, or ARCHIVE_FATAL when a limit stopped it. */
static int read_data(struct unpack *u, struct archive *a, struct archive_entry *e)
{
	const void *block;
	size_t n;
	int64_t offset;
	unsigned retries = 0;

	for (;;) {
		int r = archive_read_data_block(a, &block, &n, &offset);

		if (r == ARCHIVE_RETRY && retries++ < RETRIES_MAX)
			continue;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return r;
		if (r == ARCHIVE_WARN && n == 0)
			return end_with_warning(u, e);
		/* Holes are zeros for whoever unpacks it. */
		if (offset > (int64_t)u->buffer->n && !add_zeros(u, offset - (int64_t)u->buffer->n))
			return ARCHIVE_FATAL;
		if (!unpack_data(u, bytes_of(block, n)))
			return ARCHIVE_FATAL;
	}
}

/* libarchive ends the process when a name cannot be converted and errno happens to say ENOMEM,
 * which it may still do from long ago. */
static void set_names(struct member *m, struct archive_entry *e)
{
	const char *utf8, *raw;

	errno = 0;
	utf8 = archive_entry_pathname_utf8(e);
	errno = 0;
	raw = archive_entry_pathname(e);
	if (utf8 != NULL)
		m->names[m->names_n++] = bytes_str(utf8);
	if (raw != NULL && (utf8 == NULL || strcmp(raw, utf8) != 0))
		m->names[m->names_n++] = bytes_str(raw);
}

/* False: no further entry can be read. */
static bool take_entry(struct unpack *u, struct archive *a, struct archive_entry *e)
{
	struct member m = { .names_n = 0 };
	int r = ARCHIVE_EOF;

	set_names(&m, e);
	if (!unpack_begin(u, m.names_n > 0 ? m.names[0] : BYTES("")))
		return false;
	if (archive_entry_filetype(e) == AE_IFDIR)
		return true;
	m.encrypted = archive_entry_is_encrypted(e) != 0;
	if (!m.encrypted && !u->ask_only)
		r = read_data(u, a, e);
	if (r != ARCHIVE_EOF && !u->stop) {
		m.encrypted = is_about_encryption(a);
		if (!m.encrypted)
			unpack_broken(u, "%s", reason(a));
	}
	m.unread = r != ARCHIVE_EOF;
	return unpack_end(u, &m) && r != ARCHIVE_FATAL;
}

static void take_entries(struct unpack *u, struct archive *a)
{
	struct archive_entry *e;
	unsigned retries = 0;

	for (;;) {
		int r = archive_read_next_header(a, &e);

		if (r == ARCHIVE_EOF)
			return;
		if (r == ARCHIVE_RETRY && retries++ < RETRIES_MAX)
			continue;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
			if (is_about_encryption(a))
				u->encrypted = true;
			else
				unpack_broken(u, "%s", reason(a));
			return;
		}
		if (!take_entry(u, a, e))
			return;
	}
}

static void open_archive(struct unpack *u, struct archive *a)
{
	if (archive_read_open_memory(a, u->content.p, u->content.n) == ARCHIVE_OK)
		take_entries(u, a);
	else if (speaks_of_encryption(a))
		u->encrypted = true;
	else
		unpack_broken(u, "%s", reason(a));
}

static struct archive *reader(struct unpack *u)
{
	struct archive *a = archive_read_new();

	if (a == NULL) {
		(void)scan_no_memory(u->s, NULL);
		u->stop = true;
	}
	return a;
}

/* Names reach us through the thread's locale, and the "C" locale loses all but ASCII. */
static void with_names(struct unpack *u, struct archive *a,
		       void (*open)(struct unpack *u, struct archive *a))
{
	locale_t utf8 = u->s->scanner->utf8, old = (locale_t)0;

	if (utf8 != (locale_t)0)
		old = uselocale(utf8);
	open(u, a);
	if (utf8 != (locale_t)0)
		(void)uselocale(old);
}

#define FORMAT(name, ...)                                                                          \
	void unpack_##name(struct unpack *u)                                                       \
	{                                                                                          \
		AUTO(close_archive) struct archive *a = reader(u);                                 \
                                                                                                   \
		if (a == NULL)                                                                     \
			return;                                                                    \
		__VA_ARGS__;                                                                       \
		with_names(u, a, open_archive);                                                    \
	}

FORMAT(rar, (void)archive_read_support_format_rar(a), (void)archive_read_support_format_rar5(a))
FORMAT(7z, (void)archive_read_support_format_7zip(a))
FORMAT(cab, (void)archive_read_support_format_cab(a))
FORMAT(lha, (void)archive_read_support_format_lha(a))
FORMAT(tar, (void)archive_read_support_format_tar(a))
FORMAT(cpio, (void)archive_read_support_format_cpio(a))
FORMAT(ar, (void)archive_read_support_format_ar(a))

void unpack_unread(struct unpack *u)
{
	unpack_broken(u, "this format is not read");
}

/* A disc image has up to three trees of names, and each reader shows one of them. */
void unpack_iso(struct unpack *u)
{
	static const char *const without[] = { "", "joliet", "rockridge" };

	for (size_t i = 0; i < ARRAY_LEN(without) && !u->stop; i++) {
		AUTO(close_archive) struct archive *a = reader(u);

		if (a == NULL)
			return;
		(void)archive_read_support_format_iso9660(a);
		for (size_t k = 1; k <= i; k++)
			(void)archive_read_set_option(a, "iso9660", without[k], NULL);
		with_names(u, a, open_archive);
	}
}

/* --- compressed single files --- */

/* RFC 1952: the original name, when there is one. */
static struct bytes gzip_name(struct bytes content)
{
	enum { FLAG_EXTRA = 4, FLAG_NAME = 8, HEAD = 10 };
	ptrdiff_t end;
	size_t skip = HEAD;

	if (content.n < HEAD + 2 || content.p[0] != 0x1f || content.p[1] != 0x8b ||
	    (content.p[3] & FLAG_NAME) == 0)
		return BYTES("");
	if ((content.p[3] & FLAG_EXTRA) != 0)
		skip += 2 + (size_t)(content.p[HEAD] | content.p[HEAD + 1] << 8);
	content = bytes_from(content, skip);
	end = bytes_index(content, 0);
	return end < 0 ? BYTES("") : bytes_head(content, (size_t)end);
}

/* Returns as read_data(). */
static int read_stream(struct unpack *u, struct archive *a)
{
	struct archive_entry *e;
	int r;

	if (archive_read_open_memory(a, u->content.p, u->content.n) != ARCHIVE_OK ||
	    archive_read_next_header(a, &e) < ARCHIVE_WARN) {
		unpack_broken(u, "%s", reason(a));
		return ARCHIVE_FATAL;
	}
	r = read_data(u, a, e);
	if (r != ARCHIVE_EOF && !u->stop)
		unpack_broken(u, "%s", reason(a));
	return r;
}

static void take_stream(struct unpack *u, struct archive *a)
{
	struct member m = { .names_n = 0 };
	struct bytes header_name = gzip_name(u->content);

	if (header_name.n > 0)
		m.names[m.names_n++] = header_name;
	m.names[m.names_n++] = unpack_stem(u);
	if (!unpack_begin(u, m.names[0]) || u->ask_only)
		return;
	m.unread = read_stream(u, a) != ARCHIVE_EOF;
	/* Nothing came out of what may be no such file at all: then it has no member. */
	if (!m.unread || u->sure || u->buffer->n > 0)
		(void)unpack_end(u, &m);
}

#define STREAM(name)                                                                               \
	void unpack_##name(struct unpack *u)                                                       \
	{                                                                                          \
		AUTO(close_archive) struct archive *a = reader(u);                                 \
                                                                                                   \
		if (a == NULL)                                                                     \
			return;                                                                    \
		(void)archive_read_support_filter_##name(a);                                       \
		(void)archive_read_support_format_raw(a);                                          \
		(void)archive_read_support_format_empty(a);                                        \
		take_stream(u, a);                                                                 \
	}

STREAM(gzip)
STREAM(bzip2)
STREAM(xz)
STREAM(lzma)
STREAM(lzip)
STREAM(zstd)
STREAM(lz4)
STREAM(compress)
STREAM(rpm)

/* --- one member of a zip archive --- */

/*
 * The directory of a zip archive is read by zip_directory.c, which trusts none of its claims; the
 * decompressors are libarchive's. It gets each member as a stream of three pieces: a header made
 * here, the packed data where they lie, and an end.
 */
struct pieces {
	struct bytes list[3];
	size_t n, at;
};

static la_ssize_t next_piece(struct archive *a UNUSED, void *arg, const void **ret)
{
	struct pieces *p = arg;
	struct bytes piece = p->at < p->n ? p->list[p->at++] : BYTES("");

	*ret = piece.p;
	return (la_ssize_t)piece.n;
}

static void put_le(uint8_t *to, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

enum { ZIP_DEFLATE = 8, HEAD_BYTES = 30 + 1 + 20 };

/* A local header with a zip64 field, so that sizes of any length have room. */
static void make_header(uint8_t head[HEAD_BYTES], const struct zip_packed *p)
{
	bool ends_itself = p->method == ZIP_DEFLATE;

	memset(head, 0, HEAD_BYTES);
	memcpy(head, "PK\3\4", 4);
	put_le(head + 4, 63, 2);
	/* Bit 3, "sizes follow": a deflate stream knows its end, whatever a header claims. */
	put_le(head + 6, ends_itself ? 8 : 0, 2);
	put_le(head + 8, p->method, 2);
	put_le(head + 14, p->crc, 4);
	put_le(head + 18, ends_itself ? 0 : UINT32_MAX, 4);
	put_le(head + 22, ends_itself ? 0 : UINT32_MAX, 4);
	put_le(head + 26, 1, 2);
	put_le(head + 28, 20, 2);
	head[30] = 'm';
	put_le(head + 31, ends_itself ? 0xffff : 1, 2);
	put_le(head + 33, 16, 2);
	put_le(head + 35, p->unpacked_bytes, 8);
	put_le(head + 43, p->data.n, 8);
}

bool unpack_zip_member(struct unpack *u, const struct zip_packed *p)
{
	static const uint8_t end[64];
	AUTO(close_archive) struct archive *a = reader(u);
	struct archive_entry *e;
	uint8_t head[HEAD_BYTES];
	struct pieces pieces = { .list = { bytes_of(head, sizeof(head)), p->data,
					   bytes_of(end, sizeof(end)) },
				 .n = 3 };
	int r;

	if (a == NULL)
		return false;
	make_header(head, p);
	if (p->data.n == 0)
		pieces.list[1] = pieces.list[2], pieces.n = 2;
	(void)archive_read_support_format_zip_streamable(a);
	if (archive_read_open(a, &pieces, NULL, next_piece, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(a, &e) < ARCHIVE_WARN) {
		unpack_broken(u, "%s", reason(a));
		return false;
	}
	r = read_data(u, a, e);
	if (r != ARCHIVE_EOF && !u->stop)
		unpack_broken(u, "%s", reason(a));
	return r == ARCHIVE_EOF;
}
