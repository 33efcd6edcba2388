/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/files.c - small files of /sys and /proc. */
#include "host/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int host_text(char *out, size_t size, const char *root, const char *path)
{
	char full[1024];
	AUTO(fd_close) int fd = -1;
	ssize_t n;

	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}
