/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/mail_file.h - a message in a file, taken apart as a queue would give it: header lines and
 * where the body is. Nothing of the body is read. */
#ifndef TOOLS_MAIL_FILE_H
#define TOOLS_MAIL_FILE_H

#include "core/arena.h"
#include "core/err.h"
#include "queue/headers.h"

struct mail_file {
	int fd; /* the caller's to close */
	uint64_t size_bytes;
	struct header_list headers; /* in the arena; a leading mbox "From " line is left out */
	uint64_t body_at;           /* first byte behind the blank line */
	bool crlf;                  /* lines end in CR LF */
};

/* Open @path ("-": standard input, kept in memory). -EFBIG: headers of more than @header_max. */
int mail_file_open(struct mail_file *ret_m, const char *path, size_t header_max, struct arena *a,
		   struct err *err) MUST_CHECK;

/* Write headers as they stand in the list, a blank line and the body to @path. */
int mail_file_write(const struct mail_file *m, const char *path, struct err *err) MUST_CHECK;

#endif
