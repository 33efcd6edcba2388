/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/kernel_pins.c - the directory where maps and links outlive the daemon.
 *
 * One for each network namespace, named after the namespace's inode and cookie: an inode number is
 * given again, a cookie is not. The lock lies on the directory, since a BPF file system has no
 * files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "throttle/kernel_internal.h"

#define BPF_FS_KIND 0xcafe4a11

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static bool is_bpf_fs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint64_t)fs.f_type == BPF_FS_KIND;
}

static bool is_empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool empty = dir != NULL;

	while (empty && (e = readdir(dir)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (dir != NULL)
		(void)closedir(dir);
	return empty;
}

static int make_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_errno(err, "make '%s'", path);
}

/* A BPF file system at @dir, or around it. Nothing is ever hidden by mounting over it. */
static int need_bpf_fs(const char *dir, struct err *err)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(dir, '/');
	int n;

	if (is_bpf_fs(dir))
		return 0;
	if (dir[0] != '/' || slash == dir)
		return err_set(err, ERR_CONFIG, -EINVAL, "'%s' is not below a directory", dir);
	n = snprintf(parent, sizeof(parent), "%.*s", (int)(slash - dir), dir);
	if (n < 0 || (size_t)n >= sizeof(parent))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "'%s' is too long", dir);
	if (!is_bpf_fs(parent)) {
		int r = make_dir(parent, err);

		if (r < 0)
			return r;
		if (!is_empty_dir(parent))
			return err_set(err, ERR_CONFIG, -ENOTEMPTY,
				       "'%s' is no BPF file system and not empty: mount one there",
				       parent);
		if (mount("bpf", parent, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
			return err_errno(err, "mount a BPF file system on '%s'", parent);
	}
	return make_dir(dir, err);
}

/* Names may not have dots there. */
static int name_of_netns(char *out, size_t out_size, const char *dir, struct err *err)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;
	int n;

	if (fd >= 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
	fd_close(&fd);
	if (stat("/proc/self/ns/net", &st) < 0)
		return err_errno(err, "stat '/proc/self/ns/net'");
	n = snprintf(out, out_size, "%s/%llu-%llu", dir, (unsigned long long)st.st_ino,
		     (unsigned long long)cookie);
	return n > 0 && (size_t)n < out_size
		       ? 0
		       : err_set(err, ERR_CONFIG, -ENAMETOOLONG, "'%s' is too long", dir);
}

int throttle_pins_open(struct throttle_pins *p, const char *pin_dir, struct err *err)
{
	int r;

	p->lock_fd = -1;
	r = need_bpf_fs(pin_dir, err);
	if (r == 0)
		r = name_of_netns(p->dir, sizeof(p->dir), pin_dir, err);
	if (r == 0)
		r = make_dir(p->dir, err);
	if (r < 0)
		return r;
	p->lock_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock_fd < 0)
		return err_errno(err, "open '%s'", p->dir);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	r = errno == EWOULDBLOCK
		    ? err_set(err, ERR_CONFIG, -EBUSY,
			      "'%s' is in use: another daemon throttles this network namespace",
			      p->dir)
		    : err_errno(err, "lock '%s'", p->dir);
	fd_close(&p->lock_fd);
	return r;
}

bool throttle_pins_exist(const char *pin_dir)
{
	return is_bpf_fs(pin_dir);
}

void throttle_pins_close(struct throttle_pins *p)
{
	fd_close(&p->lock_fd);
}

static bool path_of(const struct throttle_pins *p, const char *name, char out[PATH_MAX])
{
	int n;

	if (p->lock_fd < 0)
		return false;
	n = snprintf(out, PATH_MAX, "%s/%s", p->dir, name);
	return n > 0 && n < PATH_MAX;
}

int throttle_pins_get(const struct throttle_pins *p, const char *name)
{
	char path[PATH_MAX];

	return path_of(p, name, path) ? bpf_obj_get(path) : -1;
}

int throttle_pins_put(const struct throttle_pins *p, const char *name, int fd, struct err *err)
{
	char path[PATH_MAX];

	if (!path_of(p, name, path))
		return 0;
	if (bpf_obj_pin(fd, path) == 0)
		return 0;
	return err_errno(err, "pin '%s'", path);
}

void throttle_pins_remove(const struct throttle_pins *p, const char *name)
{
	char path[PATH_MAX];

	if (path_of(p, name, path))
		(void)unlink(path);
}

/* Unlinking alone detaches when the kernel comes to it. */
static void drop_link(const struct throttle_pins *p, const char *name)
{
	AUTO(fd_close) int fd = throttle_pins_get(p, name);

	if (fd >= 0)
		(void)bpf_link_detach(fd);
	throttle_pins_remove(p, name);
}

void throttle_pins_sweep(const struct throttle_pins *p, const char *start,
			 bool (*keep)(void *arg, const char *name), void *arg)
{
	DIR *dir = p->lock_fd >= 0 ? opendir(p->dir) : NULL;
	const struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, start, strlen(start)) == 0 && !keep(arg, e->d_name))
			drop_link(p, e->d_name);
	(void)closedir(dir);
}
