/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/cache.c - a bundle in a file, of which only the answers of databases count. */
#include "confdb/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confdb/confdb.h"

#define CHUNK ((size_t)64 * KIB)

static int copy(int from, int to)
{
	uint8_t buf[CHUNK];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf)), w = 0;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t at = 0; at < n; at += w) {
			w = write(to, buf + at, (size_t)(n - at));
			if (w < 0)
				return -errno;
		}
	}
}

/* What stands there becomes the configuration of a mail server. */
static int check_owner(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022) != 0 ? -EPERM : 0;
}

int cache_open(struct conf_source **ret_s, const char *path)
{
	AUTO(fd_close) int file = -1, fd = -1;
	int r;

	if (path == NULL || *path == '\0')
		return -ENOENT;
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (file < 0)
		return -errno;
	r = check_owner(file);
	if (r < 0)
		return r;
	fd = memfd_create("sallyport-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = copy(file, fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return conf_source_bundle(ret_s, fd, NULL);
}

int cache_ask(struct conf_source *s, const struct conf_query *q, struct str *rows, struct err *err)
{
	struct bytes content;
	int r = s->query(s, q, &content, NULL);

	if (r < 0)
		return err_set(err, ERR_TEMP, r,
			       "the server is away, and SQL Cache File has no "
			       "answer to this question");
	str_add_bytes(rows, content);
	return rows->failed ? err_set(err, ERR_TEMP, -ENOMEM, "out of memory") : 0;
}

static int sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO(fd_close) int fd = -1;
	char dir[4096];

	if (slash == NULL || (size_t)(slash - path) + 2 > sizeof(dir))
		return -EINVAL;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)MAX_OF(slash - path, 1), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int confdb_write_cache(const char *path, int fd, struct err *err)
{
	AUTO(fd_close) int to = -1;
	char name[4096];
	int r;

	if ((size_t)snprintf(name, sizeof(name), "%s.new", path) >= sizeof(name))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "SQL Cache File: name too long");
	(void)unlink(name);
	to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, "SQL Cache File '%s'", name);
	r = copy(fd, to);
	if (r == 0 && (fsync(to) < 0 || rename(name, path) < 0))
		r = -errno;
	if (r == 0)
		r = sync_parent(path);
	if (r < 0) {
		(void)unlink(name);
		return err_code(err, r, "SQL Cache File '%s'", path);
	}
	return 0;
}
