/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/quarantine_memory.c - which directories mail was quarantined in, over restarts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/quarantine.h"
#include "store/store_internal.h"

int quarantine_memory_read(const char *path, struct str *ret_lines, struct err *err)
{
	int fd AUTO(fd_close) =
		STORE_CALL("memory_open",
			   open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
	size_t bytes = 0;
	char buf[4096];
	ssize_t n;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_code(err, fd, "open '%s'", path);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		bytes += (size_t)n;
		if (bytes > QUARANTINE_MEMORY_MAX)
			return err_set(err, ERR_LIMIT, -EFBIG, "'%s' is larger than %llu bytes",
				       path, (unsigned long long)QUARANTINE_MEMORY_MAX);
		str_add_bytes(ret_lines, bytes_of(buf, (size_t)n));
	}
	return n < 0 ? err_errno(err, "read '%s'", path) : 0;
}

static int write_new(const char *path, struct bytes lines)
{
	int fd AUTO(fd_close) =
		STORE_CALL("memory_create",
			   open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
	int r = fd < 0 ? fd : store_write_all(fd, lines);

	return r < 0 ? r : STORE_CALL("memory_sync", fdatasync(fd));
}

int quarantine_memory_write(const char *path, struct bytes lines, struct err *err)
{
	char *hidden = NULL;
	int r;

	if (asprintf(&hidden, "%s.new", path) < 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "write '%s': out of memory", path);
	r = write_new(hidden, lines);
	if (r == 0)
		r = STORE_CALL("memory_rename", rename(hidden, path));
	if (r < 0)
		(void)unlink(hidden);
	free(hidden);
	return r < 0 ? err_code(err, r, "write '%s'", path) : 0;
}
