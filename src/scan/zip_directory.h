/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/zip_directory.h - inside this folder: every file a zip archive may be seen to hold.
 *
 * A zip archive says everything twice - in front of each file and in the directory at the end -
 * and programs differ in whom they believe, and in where they look for the directory. So all
 * directories are read, and all files that no directory mentions.
 */
#ifndef SCAN_ZIP_DIRECTORY_H
#define SCAN_ZIP_DIRECTORY_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/budget.h"
#include "core/bytes.h"
#include "core/err.h"

/* What one of the two headers says. */
struct zip_header {
	bool there;
	struct bytes name, unicode_name; /* the second from an extra field; empty: none */
	unsigned method, flags;
	uint32_t crc;
	uint64_t packed, unpacked;
	bool sizes_follow; /* local header: sizes come after the data */
};

struct zip_entry {
	struct zip_header directory, local;
	uint64_t offset; /* of the local header in the archive */
	uint64_t data;   /* of the packed data; 0: there is no local header */
};

#define ZIP_ENCRYPTED 1u /* bit of flags */

struct zip_directory {
	struct zip_entry *entries;
	size_t n;
	bool overlapping; /* packed data of two files share bytes: only bombs do that */
	bool cut;         /* more than @max_entries */
	bool document;    /* Office Open XML, OpenDocument */
};

/* Where the archive may begin with its first file, or end with a directory. */
bool zip_is_archive(struct bytes content);

/* Everything in @ret_d points into @content or @a. -ENOMEM: arena. */
int zip_read_directory(struct zip_directory *ret_d, struct bytes content, size_t max_entries,
		       struct arena *a, struct err *err) MUST_CHECK;

#endif
