/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/make.h - archives made in memory, honest and otherwise. */
#ifndef TESTS_SCAN_MAKE_H
#define TESTS_SCAN_MAKE_H

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

struct made {
	uint8_t *p;
	size_t n, cap;
};

static inline struct bytes made_bytes(const struct made *m)
{
	return bytes_of(m->p, m->n);
}

static inline void made_free(struct made *m)
{
	free(m->p);
	*m = (struct made){ .p = NULL };
}

static inline void made_add(struct made *m, const void *p, size_t n)
{
	if (m->n + n > m->cap) {
		m->cap = (m->n + n) * 2 + 256;
		m->p = realloc(m->p, m->cap);
		if (m->p == NULL)
			abort();
	}
	if (n > 0)
		memcpy(m->p + m->n, p, n);
	m->n += n;
}

#define MADE_ADD(m, literal) made_add((m), (literal), sizeof(literal) - 1)

static inline void made_le(struct made *m, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	made_add(m, b, n);
}

struct make_file {
	const char *name;
	struct bytes content;
};

/* @format as libarchive calls it: "zip", "7zip", "gnutar", "newc", ... */
static inline struct made make_archive(const char *format, const char *filter,
				       const struct make_file *files, size_t n)
{
	struct archive *a = archive_write_new();
	struct made m = { .p = NULL };
	size_t total = 4 * MIB, used = 0;

	for (size_t i = 0; i < n; i++)
		total += files[i].content.n + strlen(files[i].name) * 2 + 8192;
	m.p = malloc(total);
	m.cap = total;
	if (a == NULL || m.p == NULL || archive_write_set_format_by_name(a, format) != ARCHIVE_OK ||
	    (filter != NULL && archive_write_add_filter_by_name(a, filter) != ARCHIVE_OK) ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open_memory(a, m.p, total, &used) != ARCHIVE_OK)
		abort();
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, files[i].name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (int64_t)files[i].content.n);
		if (archive_write_header(a, e) < ARCHIVE_WARN)
			abort();
		if (files[i].content.n > 0 &&
		    archive_write_data(a, files[i].content.p, files[i].content.n) < 0)
			abort();
		archive_entry_free(e);
	}
	if (archive_write_close(a) < ARCHIVE_WARN)
		abort();
	(void)archive_write_free(a);
	m.n = used;
	return m;
}

static inline struct made make_zip(const struct make_file *files, size_t n)
{
	return make_archive("zip", NULL, files, n);
}

static inline struct made make_zip1(const char *name, struct bytes content)
{
	struct make_file f = { name, content };

	return make_zip(&f, 1);
}

static inline uint32_t make_crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* A zip archive by hand, each header as the test wants it. Stored files only. */
struct make_entry {
	const char *name, *local_name; /* NULL: the same */
	struct bytes content;
	unsigned method, local_method, flags;
	uint32_t unpacked, packed; /* 0: as it is */
	bool no_local, no_directory;
	uint32_t offset; /* of somebody else's local header, + 1; 0: its own */
};

static inline struct made make_zip_by_hand(const struct make_entry *e, size_t n)
{
	struct made m = { .p = NULL };
	uint32_t offsets[64], directory;
	size_t listed = 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = e[i].local_name != NULL ? e[i].local_name : e[i].name;

		offsets[i] = (uint32_t)m.n;
		if (e[i].no_local)
			continue;
		made_add(&m, "PK\3\4", 4);
		made_le(&m, 20, 2);
		made_le(&m, e[i].flags, 2);
		made_le(&m, e[i].local_method, 2);
		made_le(&m, 0, 4);
		made_le(&m, make_crc32(e[i].content.p, e[i].content.n), 4);
		made_le(&m, e[i].packed != 0 ? e[i].packed : e[i].content.n, 4);
		made_le(&m, e[i].unpacked != 0 ? e[i].unpacked : e[i].content.n, 4);
		made_le(&m, strlen(name), 2);
		made_le(&m, 0, 2);
		made_add(&m, name, strlen(name));
		made_add(&m, e[i].content.p, e[i].content.n);
	}
	directory = (uint32_t)m.n;
	for (size_t i = 0; i < n; i++) {
		if (e[i].no_directory)
			continue;
		listed++;
		made_add(&m, "PK\1\2", 4);
		made_le(&m, 20, 2);
		made_le(&m, 20, 2);
		made_le(&m, e[i].flags, 2);
		made_le(&m, e[i].method, 2);
		made_le(&m, 0, 4);
		made_le(&m, make_crc32(e[i].content.p, e[i].content.n), 4);
		made_le(&m, e[i].packed != 0 ? e[i].packed : e[i].content.n, 4);
		made_le(&m, e[i].unpacked != 0 ? e[i].unpacked : e[i].content.n, 4);
		made_le(&m, strlen(e[i].name), 2);
		made_le(&m, 0, 8);
		made_le(&m, 0, 4);
		made_le(&m, e[i].offset != 0 ? e[i].offset - 1 : offsets[i], 4);
		made_add(&m, e[i].name, strlen(e[i].name));
	}
	made_add(&m, "PK\5\6\0\0\0\0", 8);
	made_le(&m, listed, 2);
	made_le(&m, listed, 2);
	made_le(&m, m.n - 12 - directory, 4);
	made_le(&m, directory, 4);
	made_le(&m, 0, 2);
	return m;
}

/* A RAR 4 archive with stored files: libarchive writes none. */
static inline struct made make_rar(const struct make_file *files, size_t n)
{
	struct made m = { .p = NULL };
	size_t at;

	made_add(&m, "Rar!\x1a\7\0", 7);
	made_add(&m, "\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0", 13);
	for (size_t i = 0; i < n; i++) {
		size_t name_n = strlen(files[i].name), content_n = files[i].content.n;
		uint32_t crc;

		at = m.n;
		made_le(&m, 0, 2);
		made_le(&m, 0x74, 1);
		made_le(&m, 0x8000, 2);
		made_le(&m, 32 + name_n, 2);
		made_le(&m, content_n, 4);
		made_le(&m, content_n, 4);
		made_le(&m, 3, 1);
		made_le(&m, make_crc32(files[i].content.p, content_n), 4);
		made_le(&m, 0, 4);
		made_le(&m, 20, 1);
		made_le(&m, 0x30, 1);
		made_le(&m, name_n, 2);
		made_le(&m, 0x81a4, 4);
		made_add(&m, files[i].name, name_n);
		crc = make_crc32(m.p + at + 2, m.n - at - 2);
		m.p[at] = (uint8_t)crc;
		m.p[at + 1] = (uint8_t)(crc >> 8);
		made_add(&m, files[i].content.p, content_n);
	}
	made_add(&m, "\xc4\x3d\x7b\0\x40\7\0", 7);
	return m;
}

/* Never in one piece in a file of the project. */
static inline struct bytes make_eicar(void)
{
	static char text[69];

	(void)snprintf(text, sizeof(text), "X5O!P%%@AP[4\\PZX54(P^)7CC)7}$%s%s!$H+H*",
		       "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE");
	return bytes_str(text);
}

static inline struct bytes make_zeros(size_t n)
{
	uint8_t *p = calloc(1, n);

	if (p == NULL)
		abort();
	return bytes_of(p, n);
}

#endif
