/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue_dir.c - opened queue directories, their sub-directories, listing in slices. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "queue/queue_internal.h"

/* malloc'ed; NULL: no memory. */
static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s%s%s", dir, name[0] == '\0' ? "" : "/", name) < 0 ? NULL : path;
}

static void sub_fini(struct queue_sub *s)
{
	if (s->head_fd != s->base_fd)
		fd_close(&s->head_fd);
	if (s->body_fd != s->base_fd)
		fd_close(&s->body_fd);
	if (s->name == NULL || s->name[0] != '\0') /* the first one has the queue's own */
		fd_close(&s->base_fd);
	free(s->path);
	free(s->name);
}

static void stop_listing(struct queue_cursor *c)
{
	if (c->dir != NULL)
		(void)closedir(c->dir);
	c->dir = NULL;
}

void queue_dir_close(struct queue_dir **dir)
{
	struct queue_dir *d = TAKE(*dir);

	if (d == NULL)
		return;
	stop_listing(&d->listing);
	stop_listing(&d->counting);
	for (size_t i = 0; i < d->subs_n; i++)
		sub_fini(&d->subs[i]);
	free(d->subs);
	fd_close(&d->fd);
	free(d->path);
	free(d);
}

static int judge(const struct stat *st, const char *path, uid_t owner, struct err *err)
{
	if (st->st_uid != owner && st->st_uid != 0)
		return err_set(err, ERR_CONFIG, -EPERM,
			       "queue directory %s belongs to uid %u; expected %u or root", path,
			       (unsigned)st->st_uid, (unsigned)owner);
	if ((st->st_mode & S_IWOTH) != 0)
		return err_set(err, ERR_CONFIG, -EPERM,
			       "queue directory %s has mode %04o: nobody but the MTA may write it",
			       path, (unsigned)(st->st_mode & 07777));
	return 0;
}

static int check_dir(int fd, const char *path, const struct queue_settings *set, struct stat *st,
		     struct err *err)
{
	if (fstat(fd, st) < 0)
		return err_errno(err, "stat queue directory %s", path);
	return set->copies ? 0 : judge(st, path, set->owner, err);
}

int queue_dir_look(const char *path, uid_t owner, dev_t *ret_device, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, "queue directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFIG, -ENOTDIR, "queue directory %s is no directory",
			       path);
	*ret_device = st.st_dev;
	return judge(&st, path, owner, err);
}

/* The directory @name in @s, or @s itself when there is none. */
static int open_part(const struct queue_sub *s, const char *name, int *ret_fd, struct err *err)
{
	int fd = openat(s->base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_errno(err, "open queue directory %s/%s", s->path, name);
	*ret_fd = fd < 0 ? s->base_fd : fd;
	return 0;
}

static int open_parts(struct queue_sub *s, struct err *err)
{
	char *path;
	int r;

	r = open_part(s, "df", &s->body_fd, err);
	if (r == 0)
		r = open_part(s, "qf", &s->head_fd, err);
	if (r < 0 || s->head_fd == s->base_fd)
		return r;
	path = join(s->path, "qf");
	if (path == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queue directory %s: out of memory",
			       s->path);
	free(s->path);
	s->path = path;
	return 0;
}

static int sub_open(struct queue_dir *d, const char *name, bool split, struct queue_sub *s,
		    struct err *err)
{
	struct stat st;
	int r;

	s->name = strdup(name);
	s->path = join(d->path, name);
	if (s->name == NULL || s->path == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queue directory: out of memory");
	s->base_fd = d->fd;
	if (name[0] != '\0')
		s->base_fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->base_fd < 0)
		return err_errno(err, "open queue directory %s", s->path);
	s->head_fd = s->body_fd = s->base_fd;
	r = check_dir(s->base_fd, s->path, &d->set, &st, err);
	if (r == 0 && split)
		r = open_parts(s, err);
	if (r == 0 && fstat(s->head_fd, &st) < 0)
		r = err_errno(err, "stat queue directory %s", s->path);
	s->head_inode = st.st_ino;
	return r;
}

/* The newest of that name: a directory that was removed and made again comes a second time, since
 * messages may still hold the descriptor of the first. */
struct queue_sub *queue_find_sub(const struct queue_dir *d, const char *name)
{
	for (size_t i = d->subs_n; i > 0; i--)
		if (strcmp(d->subs[i - 1].name, name) == 0)
			return &d->subs[i - 1];
	return NULL;
}

static bool is_removed(const struct queue_sub *s)
{
	struct stat st;

	return fstat(s->base_fd, &st) == 0 && st.st_nlink == 0;
}

int queue_add_sub(struct queue_dir *d, const char *name, bool split, struct err *err)
{
	struct queue_sub s = { .base_fd = -1, .head_fd = -1, .body_fd = -1 };
	struct queue_sub *known = queue_find_sub(d, name), *grown = NULL;
	int r;

	if (known != NULL && !is_removed(known))
		return 0;
	if (d->subs_n == QUEUE_SUBS_MAX)
		return err_set(err, ERR_CONFIG, -E2BIG,
			       "queue directory %s has more than %d sub-directories", d->path,
			       QUEUE_SUBS_MAX - 1);
	r = sub_open(d, name, split, &s, err);
	if (r == 0) {
		grown = reallocarray(d->subs, d->subs_n + 1, sizeof(*grown));
		if (grown == NULL)
			r = err_set(err, ERR_TEMP, -ENOMEM, "queues: out of memory");
	}
	if (r < 0) {
		sub_fini(&s);
		return r;
	}
	d->subs = grown;
	d->subs[d->subs_n++] = s;
	return 0;
}

int queue_dir_open(struct queue_dir **ret_d, const struct queue_ops *ops, const char *path,
		   const struct queue_settings *set, struct err *err)
{
	AUTO(queue_dir_close) struct queue_dir *d = calloc(1, sizeof(*d));
	struct stat st;
	int r;

	if (d == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queue directory: out of memory");
	d->ops = ops;
	d->set = *set;
	d->path = strdup(path);
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || d->path == NULL)
		return err_errno(err, "open queue directory %s", path);
	r = check_dir(d->fd, path, set, &st, err);
	if (r == 0)
		r = ops->scan(d, err);
	if (r < 0)
		return r;
	d->device = st.st_dev;
	*ret_d = TAKE(d);
	return 0;
}

const char *queue_dir_path(const struct queue_dir *d)
{
	return d->path;
}

dev_t queue_dir_device(const struct queue_dir *d)
{
	return d->device;
}

bool queue_dir_overlaps(const struct queue_dir *a, const struct queue_dir *b)
{
	for (size_t i = 0; i < a->subs_n && a->device == b->device; i++)
		for (size_t k = 0; k < b->subs_n; k++)
			if (a->subs[i].head_inode == b->subs[k].head_inode)
				return true;
	return false;
}

size_t queue_dir_watch_n(const struct queue_dir *d)
{
	return d->subs_n;
}

const char *queue_dir_watch_path(const struct queue_dir *d, size_t i)
{
	return d->subs[i].path;
}

int queue_list_begin(struct queue_dir *d, struct err *err)
{
	stop_listing(&d->listing);
	d->listing.sub = 0;
	return d->ops->scan(d, err);
}

static int open_listing(struct queue_dir *d, struct queue_cursor *c, struct err *err)
{
	struct queue_sub *s = &d->subs[c->sub];
	int fd = openat(s->head_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) /* removed: empty is what it is */
		return 0;
	c->dir = fd < 0 ? NULL : fdopendir(fd);
	if (c->dir == NULL) {
		int r = err_errno(err, "list queue directory %s", s->path);

		fd_close(&fd);
		return r;
	}
	return 0;
}

/* From the directory being listed: 1, 0 at its end, -EAGAIN when @slice is used up. */
static int next_in_sub(struct queue_dir *d, struct queue_cursor *c, unsigned *slice,
		       char ret_id[QUEUE_ID_MAX], struct err *err)
{
	while (*slice > 0) {
		struct dirent *ent;

		errno = 0;
		ent = readdir(c->dir);
		if (ent == NULL && errno != 0)
			return err_errno(err, "list queue directory %s", d->subs[c->sub].path);
		if (ent == NULL)
			return 0;
		--*slice;
		if (d->ops->name_to_id(d, ent->d_name, true, ret_id))
			return 1;
		if (c == &d->listing && d->set.sweep && d->ops->sweep != NULL)
			d->ops->sweep(d, &d->subs[c->sub], ent->d_name);
	}
	return -EAGAIN;
}

static int next(struct queue_dir *d, struct queue_cursor *c, unsigned *slice,
		char ret_id[QUEUE_ID_MAX], struct err *err)
{
	while (c->sub < d->subs_n) {
		int r = 0;

		if (c->dir == NULL)
			r = open_listing(d, c, err);
		if (r == 0 && c->dir != NULL)
			r = next_in_sub(d, c, slice, ret_id, err);
		if (r == 1 || r == -EAGAIN)
			return r;
		stop_listing(c);
		c->sub++;
		if (r < 0)
			return r;
	}
	return 0;
}

int queue_list_next(struct queue_dir *d, unsigned slice, char ret_id[QUEUE_ID_MAX], struct err *err)
{
	return next(d, &d->listing, &slice, ret_id, err);
}

int queue_count(struct queue_dir *d, unsigned slice, uint64_t *ret_n)
{
	char id[QUEUE_ID_MAX];
	int r;

	while ((r = next(d, &d->counting, &slice, id, NULL)) != 0) {
		if (r == -EAGAIN)
			return r;
		d->counted += r == 1; /* what cannot be listed is told by the listing */
	}
	*ret_n = d->counted;
	d->counted = 0;
	d->counting.sub = 0;
	return 0;
}

bool queue_name_to_id(const struct queue_dir *d, size_t watch_i, const char *name,
		      char ret_id[QUEUE_ID_MAX])
{
	return watch_i < d->subs_n && d->ops->name_to_id(d, name, false, ret_id);
}
