/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/mime/file.h - a whole file in memory, for the tests and benchmarks that read a corpus. */
#ifndef TESTS_MIME_FILE_H
#define TESTS_MIME_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"

/* Empty when it cannot be read. The memory is exactly as long as the file: the sanitizer sees
 * every byte read beyond it. */
static inline struct bytes file_read(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct bytes out = { NULL, 0 };
	uint8_t *p = NULL;
	long n;

	if (f == NULL)
		return out;
	if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) > 0 && fseek(f, 0, SEEK_SET) == 0)
		p = malloc((size_t)n);
	if (p != NULL)
		out = bytes_of(p, fread(p, 1, (size_t)n, f));
	(void)fclose(f);
	return out;
}

#endif
