/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/quarantine.c - storing withheld mail. */
#include "store/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/quarantine_internal.h"
#include "store/store_internal.h"

#define TRIES_MAX 999 /* "." ID "-999" ".tmp" fits into the names of struct quarantine_put */

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

bool quarantine_day_is_valid(const char *day)
{
	return strlen(day) == 8 && strspn(day, "0123456789") == 8;
}

/* Quarantine Permissions are those of files; whoever may read or write may also enter. */
static mode_t dir_mode(mode_t file_mode)
{
	mode_t m = file_mode & 0777;

	for (unsigned shift = 0; shift <= 6; shift += 3)
		if ((m >> shift & 7) != 0)
			m |= (mode_t)1 << shift;
	return m | 0700; /* we must be able to fill it */
}

/* The reason with what an administrator can do about it. */
static int explain(struct err *err, int code, const char *dir, const char *step)
{
	struct stat st;

	if (code == -ENOENT)
		return err_set(err, ERR_CONFIG, code,
			       "quarantine '%s' does not exist: make it and chown it to user %u",
			       dir, (unsigned)geteuid());
	if ((code == -EACCES || code == -EPERM || code == -EROFS) && stat(dir, &st) == 0)
		return err_set(
			err, ERR_CONFIG, code,
			"quarantine '%s': cannot %s: user %u must be able to write there; it "
			"belongs to %u:%u with mode %04o: chown or chmod it",
			dir, step, (unsigned)geteuid(), (unsigned)st.st_uid, (unsigned)st.st_gid,
			(unsigned)(st.st_mode & 07777));
	return err_code(err, code, "quarantine '%s': %s", dir, step);
}

static int change_owner(int fd, uid_t user, gid_t group)
{
	return user == (uid_t)-1 && group == (gid_t)-1 ? 0 : fchown(fd, user, group);
}

/* Owner before mode: until then only we can read it. A process that may not change the owner may
 * still be a member of the group. */
static int set_owner_mode(struct quarantine_put *p, int fd, mode_t mode)
{
	int r = STORE_CALL("quarantine_chown", change_owner(fd, p->user, p->group));

	if (r == -EPERM && p->group != (gid_t)-1 && p->user != (uid_t)-1)
		(void)!fchown(fd, (uid_t)-1, p->group);
	if (r == -EPERM)
		p->owner_kept = true;
	else if (r < 0)
		return r;
	return STORE_CALL("quarantine_chmod", fchmod(fd, mode));
}

static int open_dir(const char *dir, struct err *err)
{
	int fd = STORE_CALL("quarantine_open", open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	return fd < 0 ? explain(err, fd, dir, "open it") : fd;
}

/* The day must be on disk before any message in it counts as stored. */
static int make_day(struct quarantine_put *p, int root_fd)
{
	int r = STORE_CALL("quarantine_mkday", mkdirat(root_fd, p->day, 0700));

	if (r < 0 && r != -EEXIST)
		return r;
	p->day_fd = STORE_CALL("quarantine_openday", openat(root_fd, p->day, OPEN_DIR));
	r = p->day_fd < 0 ? p->day_fd : set_owner_mode(p, p->day_fd, dir_mode(p->file_mode));
	if (r == 0)
		r = STORE_CALL("quarantine_syncday", fsync(root_fd));
	if (r < 0) /* or the next message would take it for one that was synced */
		(void)unlinkat(root_fd, p->day, AT_REMOVEDIR);
	return r;
}

static bool is_day(const struct quarantine_day *d, const struct stat *st)
{
	return d->ino == st->st_ino && d->dev == st->st_dev;
}

/* The day that has been opened, made by us now or found: see struct quarantine_days. */
static int settle_day(const struct quarantine_put *p, int root_fd, bool made,
		      struct quarantine_days *days)
{
	struct quarantine_day *place = NULL;
	struct stat st;
	int r = 0;

	if (fstat(p->day_fd, &st) < 0)
		return -errno;
	if (days != NULL)
		place = &days->v[(st.st_ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) %
				 QUARANTINE_DAYS];
	if (!made && (place == NULL || !is_day(place, &st)))
		r = STORE_CALL("quarantine_syncfound", fsync(root_fd));
	if (r == 0 && place != NULL)
		*place = (struct quarantine_day){ st.st_dev, st.st_ino };
	return r;
}

static int open_day(struct quarantine_put *p, const struct quarantine_settings *set,
		    struct err *err)
{
	int root_fd AUTO(fd_close) = open_dir(set->dir, err);
	bool made;
	int r;

	if (root_fd < 0)
		return root_fd;
	p->day_fd = STORE_CALL("quarantine_openday", openat(root_fd, p->day, OPEN_DIR));
	made = p->day_fd == -ENOENT;
	r = made ? make_day(p, root_fd) : MIN_OF(p->day_fd, 0);
	if (r == 0)
		r = settle_day(p, root_fd, made, set->days);
	return r < 0 ? explain(err, r, set->dir, "make or open the directory of the day") : 0;
}

/* Locked, so that a sweep sees that somebody is at work. One that came between the making and the
 * lock has removed it or is about to: -EEXIST, another name will do. */
static int lock_tmp(const struct quarantine_put *p)
{
	if (flock(p->dir_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EEXIST;
	return quarantine_is_at(p->dir_fd, p->day_fd, p->tmp_name) ? 0 : -EEXIST;
}

static int try_tmp(struct quarantine_put *p)
{
	int r = STORE_CALL("quarantine_mkdir", mkdirat(p->day_fd, p->tmp_name, 0700));

	if (r < 0)
		return r;
	p->dir_fd = STORE_CALL("quarantine_opendir", openat(p->day_fd, p->tmp_name, OPEN_DIR));
	if (p->dir_fd == -ENOENT)
		return -EEXIST;
	if (p->dir_fd < 0)
		(void)unlinkat(p->day_fd, p->tmp_name, AT_REMOVEDIR);
	return p->dir_fd < 0 ? p->dir_fd : lock_tmp(p);
}

/* A name that is taken belongs to another message with this id, which may be on its way, too. */
static int make_tmp(struct quarantine_put *p, const char *dir, struct err *err)
{
	int r = -EEXIST;

	for (unsigned i = 1; i <= TRIES_MAX && r == -EEXIST; i++) {
		fd_close(&p->dir_fd);
		if (i == 1)
			(void)snprintf(p->tmp_name, sizeof(p->tmp_name), ".%s.tmp", p->id);
		else
			(void)snprintf(p->tmp_name, sizeof(p->tmp_name), ".%s-%u.tmp", p->id, i);
		r = try_tmp(p);
	}
	if (r < 0) {
		p->tmp_name[0] = '\0';
		return explain(err, r, dir, "make a directory for the message");
	}
	r = set_owner_mode(p, p->dir_fd, dir_mode(p->file_mode));
	return r < 0 ? explain(err, r, dir, "prepare the directory of the message") : 0;
}

static int name_it(struct quarantine_put *p, const char *dir, const char *day, const char *id,
		   struct err *err)
{
	int n;

	if (!quarantine_day_is_valid(day))
		return err_set(err, ERR_BUG, -EINVAL, "quarantine: '%s' is no day", day);
	if (!store_name_is_safe(id, sizeof(p->id) - 1))
		return err_set(err, ERR_INPUT, -EINVAL,
			       "quarantine: id '%s' cannot be the name of a directory", id);
	n = snprintf(p->path, sizeof(p->path), "%s/%s/", dir, day);
	if (n < 0 || (size_t)n + sizeof(p->final_name) > sizeof(p->path))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG,
			       "Quarantine Dir: name longer than %zu bytes",
			       sizeof(p->path) - sizeof(p->final_name) - 10);
	p->path_base = (size_t)n;
	memcpy(p->day, day, sizeof(p->day));
	memcpy(p->id, id, strlen(id) + 1);
	memcpy(p->path + p->path_base, id, strlen(id) + 1);
	return 0;
}

int quarantine_begin(struct quarantine_put *ret_p, const struct quarantine_settings *set,
		     const char *day, const char *id, struct err *err)
{
	int r;

	*ret_p = (struct quarantine_put){ .day_fd = -1,
					  .dir_fd = -1,
					  .note_fd = -1,
					  .file_mode = set->file_mode & 0777,
					  .user = set->user,
					  .group = set->group,
					  .open = true };
	r = name_it(ret_p, set->dir, day, id, err);
	if (r == 0)
		r = open_day(ret_p, set, err);
	if (r == 0)
		r = make_tmp(ret_p, set->dir, err);
	if (r < 0)
		quarantine_end(ret_p);
	return r;
}

static int create(struct quarantine_put *p, const char *name, struct err *err)
{
	int fd = STORE_CALL("quarantine_create",
			    openat(p->dir_fd, name,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
	int r;

	if (fd < 0)
		return err_code(err, fd, "quarantine '%s': create '%s'", p->path, name);
	r = set_owner_mode(p, fd, p->file_mode);
	if (r < 0) {
		fd_close(&fd);
		(void)unlinkat(p->dir_fd, name, 0);
		return err_code(err, r, "quarantine '%s': set owner or mode of '%s'", p->path,
				name);
	}
	return fd;
}

int quarantine_create(struct quarantine_put *p, const char *name, struct err *err)
{
	if (!store_name_is_safe(name, 200))
		return err_set(err, ERR_INPUT, -EINVAL,
			       "quarantine of %s: '%s' cannot be a file name", p->id, name);
	return create(p, name, err);
}

int quarantine_note(struct quarantine_put *p, const char *json, struct err *err)
{
	int fd = create(p, QUARANTINE_FACTS, err), r;

	if (fd < 0)
		return fd;
	p->note_fd = fd;
	r = store_write_all(fd, bytes_str(json));
	return r < 0 ? err_code(err, r, "quarantine '%s': write '%s'", p->path, QUARANTINE_FACTS)
		     : 0;
}

static bool name_is_taken(int r)
{
	return r == -EEXIST || r == -ENOTEMPTY || r == -ENOTDIR;
}

/* Renaming a directory never replaces one that holds anything, on any file system: no check-first
 * race, and no need for RENAME_NOREPLACE, which some lack. */
int quarantine_publish(struct quarantine_put *p, struct err *err)
{
	int r = -EEXIST;

	if (p->published)
		return 0;
	for (unsigned i = 1; i <= TRIES_MAX && name_is_taken(r); i++) {
		if (i == 1)
			(void)snprintf(p->final_name, sizeof(p->final_name), "%s", p->id);
		else
			(void)snprintf(p->final_name, sizeof(p->final_name), "%s-%u", p->id, i);
		r = STORE_CALL("quarantine_rename",
			       renameat(p->day_fd, p->tmp_name, p->day_fd, p->final_name));
	}
	if (r < 0)
		return err_code(err, r, "quarantine '%s': publish", p->path);
	memcpy(p->path + p->path_base, p->final_name, sizeof(p->final_name));
	p->published = true;
	return 0;
}

bool quarantine_is_at(int fd, int parent_fd, const char *name)
{
	struct stat open, there;

	return fstat(fd, &open) == 0 &&
	       fstatat(parent_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

void quarantine_remove_dir(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, OPEN_DIR);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(fd, e->d_name, 0);
	(void)closedir(d);
	(void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void quarantine_end(struct quarantine_put *p)
{
	if (!p->open)
		return;
	if (!p->published && p->tmp_name[0] != '\0')
		quarantine_remove_dir(p->day_fd, p->tmp_name);
	fd_close(&p->note_fd);
	fd_close(&p->dir_fd);
	fd_close(&p->day_fd);
	p->open = false;
}

/* Another gateway that checks the same directory makes and removes the same name: then again. */
static int make_check(int root_fd, const char *name, int *ret_fd)
{
	int r = -EEXIST;

	*ret_fd = -1;
	for (unsigned i = 0; i < TRIES_MAX && (r == -EEXIST || *ret_fd == -ENOENT); i++) {
		(void)unlinkat(root_fd, name, AT_REMOVEDIR);
		r = STORE_CALL("quarantine_mkdir", mkdirat(root_fd, name, 0700));
		if (r == 0)
			*ret_fd = STORE_CALL("quarantine_opendir", openat(root_fd, name, OPEN_DIR));
	}
	return r;
}

/* A directory of ours with the settings of a real one: the answer the kernel would give. */
int quarantine_check(const struct quarantine_settings *set, struct err *err)
{
	struct quarantine_put p = { .user = set->user, .group = set->group, .dir_fd = -1 };
	int root_fd AUTO(fd_close) = open_dir(set->dir, err);
	static const char name[] = ".check.tmp";
	int r;

	if (root_fd < 0)
		return root_fd;
	r = make_check(root_fd, name, &p.dir_fd);
	if (r < 0)
		return explain(err, r, set->dir, "make directories in it");
	r = p.dir_fd < 0 ? p.dir_fd : set_owner_mode(&p, p.dir_fd, dir_mode(set->file_mode));
	fd_close(&p.dir_fd);
	(void)unlinkat(root_fd, name, AT_REMOVEDIR);
	if (r < 0)
		return explain(err, r, set->dir, "set owner and mode of what is stored");
	if (p.owner_kept)
		return err_set(err, ERR_CONFIG, -EPERM,
			       "quarantine '%s': user %u may not give files to Quarantine User %d, "
			       "Quarantine Group %d: add this user to the group, or leave the "
			       "options empty",
			       set->dir, (unsigned)geteuid(), (int)set->user, (int)set->group);
	return 0;
}
