/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/scratch.c - making the workers' directories, and emptying them whatever is inside. */
#include "worker/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker that was taken over can make no more files than this, so emptying has a bound. */
#define INODES_MAX 20000u

/*
 * Mount points that every host has and no scan needs. Covering one of them (for the zygote and its
 * workers only) leaves nothing behind on the host, unlike a directory of our own.
 */
static const char *const covers[] = { "/dev/shm", "/media", "/mnt" };

static int mount_tmpfs(const char *path, uint64_t bytes, unsigned inodes, unsigned mode, uid_t uid,
		       gid_t gid)
{
	char options[128];

	(void)snprintf(options, sizeof(options),
		       "size=%" PRIu64 ",nr_inodes=%u,mode=%o,uid=%u,gid=%u", bytes, inodes, mode,
		       uid, gid);
	return mount("sallyport", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

const char *scratch_path(const struct scratch *s, unsigned number, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%u", s->root, number);
	return out;
}

static int make_dirs(struct scratch *s, struct err *err)
{
	char path[256];

	for (unsigned i = 0; i < s->n; i++)
		if (mkdir(scratch_path(s, i, path, sizeof(path)), 0700) < 0)
			return err_errno(err, "make directory '%s'", path);
	return 0;
}

static int mount_each(struct scratch *s, uint64_t bytes, uid_t uid, gid_t gid, struct err *err)
{
	char path[256];
	int r = make_dirs(s, err);

	for (unsigned i = 0; r == 0 && i < s->n; i++)
		if (mount_tmpfs(scratch_path(s, i, path, sizeof(path)), bytes, INODES_MAX, 0700,
				uid, gid) < 0)
			r = err_errno(err, "mount tmpfs on '%s'", path);
	return r;
}

static bool cover(struct scratch *s)
{
	for (size_t i = 0; i < ARRAY_LEN(covers); i++) {
		if (mount_tmpfs(covers[i], MIB, 1024, 0755, geteuid(), getegid()) < 0)
			continue;
		(void)snprintf(s->root, sizeof(s->root), "%s", covers[i]);
		s->is_tmpfs = true;
		return true;
	}
	return false;
}

static int plain_root(struct scratch *s, uid_t uid, gid_t gid, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (snprintf(s->root, sizeof(s->root), "%s/sallyport-scan-XXXXXX",
		     tmp == NULL || tmp[0] != '/' ? "/tmp" : tmp) >= (int)sizeof(s->root))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "TMPDIR is too long");
	if (mkdtemp(s->root) == NULL) {
		int r = err_errno(err, "make directory '%s'", s->root);

		s->root[0] = '\0';
		return r;
	}
	if (geteuid() == 0 && chown(s->root, uid, gid) < 0)
		return err_errno(err, "chown '%s'", s->root);
	return 0;
}

static int plain_dirs(struct scratch *s, uid_t uid, gid_t gid, struct err *err)
{
	char path[256];
	int r = plain_root(s, uid, gid, err);

	if (r == 0)
		r = make_dirs(s, err);
	for (unsigned i = 0; r == 0 && geteuid() == 0 && i < s->n; i++)
		if (chown(scratch_path(s, i, path, sizeof(path)), uid, gid) < 0)
			r = err_errno(err, "chown '%s'", path);
	return r;
}

int scratch_init(struct scratch *s, unsigned n, uint64_t bytes, bool may_mount, uid_t uid,
		 gid_t gid, struct err *err)
{
	*s = (struct scratch){ .n = n };
	if (may_mount && cover(s))
		return mount_each(s, bytes, uid, gid, err);
	return plain_dirs(s, uid, gid, err);
}

void scratch_fini(struct scratch *s)
{
	char path[256];

	if (s->root[0] == '\0' || s->is_tmpfs)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		int fd = open(scratch_path(s, i, path, sizeof(path)),
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && scratch_clean(fd) < 0)
			(void)0; /* rmdir below fails too, and the directory stays */
		fd_close(&fd);
		(void)rmdir(path);
	}
	(void)rmdir(s->root);
	s->root[0] = '\0';
}

/* --- emptying --- */

static bool is_dir(int fd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A reader of the directory behind @fd, which stays open. NULL with errno. */
static DIR *reader_of(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (d == NULL)
		fd_close(&copy);
	return d;
}

/* Its maker may have taken our rights to it away. A failure shows when it is used. */
static void make_ours(int fd, const char *name)
{
	(void)!fchmodat(fd, name, 0700, 0);
}

/* Move directory @name of @fd up into @top, under a name nobody has taken there. */
static int move_up(int fd, const char *name, int top, unsigned *serial)
{
	char moved[32];

	/* Moving a directory rewrites its "..", which needs write permission on it. */
	make_ours(fd, name);
	for (unsigned tries = 0; tries < INODES_MAX; tries++) {
		(void)snprintf(moved, sizeof(moved), ".moved-%u", (*serial)++);
		if (renameat2(fd, name, top, moved, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

/*
 * Empty the directory @name of @top: files are removed, directories moved up into @top, where the
 * caller finds them later. So the depth of a tree costs time but neither stack nor descriptors.
 */
static int flatten(int top, const char *name, unsigned *serial)
{
	AUTO(fd_close) int fd = -1;
	struct dirent *e;
	int r = 0;
	DIR *d;

	make_ours(top, name);
	fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = reader_of(fd);
	if (d == NULL)
		return -errno;
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (is_dot(e->d_name))
			continue;
		if (is_dir(fd, e))
			r = move_up(fd, e->d_name, top, serial);
		else
			r = unlinkat(fd, e->d_name, 0) < 0 ? -errno : 0;
	}
	(void)closedir(d);
	return r;
}

static int remove_entry(int top, const struct dirent *e, unsigned *serial)
{
	int r;

	if (!is_dir(top, e))
		return unlinkat(top, e->d_name, 0) < 0 ? -errno : 0;
	if (unlinkat(top, e->d_name, AT_REMOVEDIR) == 0)
		return 0;
	r = flatten(top, e->d_name, serial);
	/* readdir() may skip entries while others go; then the next round finds it again. */
	if (r == 0 && unlinkat(top, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		r = -errno;
	return r;
}

int scratch_clean(int dir_fd)
{
	unsigned serial = 0, rounds = 0, seen = 1;
	DIR *d = reader_of(dir_fd);
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		return -errno;
	/* Each round removes at least one inode, and a tmpfs has at most INODES_MAX. */
	while (r == 0 && seen > 0) {
		seen = 0;
		if (rounds++ > INODES_MAX)
			r = -ELOOP;
		rewinddir(d);
		while (r == 0 && (e = readdir(d)) != NULL) {
			if (is_dot(e->d_name))
				continue;
			r = remove_entry(dir_fd, e, &serial);
			seen++;
		}
	}
	(void)closedir(d);
	return r;
}
