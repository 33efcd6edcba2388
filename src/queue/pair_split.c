/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/pair_split.c - one message becomes several in its own queue: everything is written under
 * names that the MTA does not look at, made visible with renames, and only then taken from the
 * original. The order is that of docs/durability.md.
 *
 * A derived entry begins with its hidden header file, locked, and only then gets its body: so what
 * a crash leaves behind is found by a header file that nobody holds (pair_sweep()).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/fault.h"
#include "queue/pair.h"

#define FILES_A_CALL 8u
#define COPY_A_CALL  ((size_t)MIB)
#define ID_TRIES     64u

struct split_part {
	int head_fd, body_fd;
	bool head, body; /* made; to be taken back while hidden */
};

struct pair_split {
	const struct pair_format *f;
	const uint32_t *part_of;
	struct queue_numbers *numbers;
	struct split_part *parts; /* [0]: the original, its reduced header file */
	size_t parts_n, staged;   /* parts staged so far, from 1; 0 comes last */
	uint64_t copied;          /* of the body of part @staged */
	bool by_bytes;            /* the file system cannot copy ranges */
};

static void split_close(void *arg)
{
	struct pair_split *t = arg;

	for (size_t i = 0; i < t->parts_n; i++) {
		fd_close(&t->parts[i].head_fd);
		fd_close(&t->parts[i].body_fd);
	}
}

int pair_split_begin(struct queue_split *s, const uint32_t *part_of, struct queue_numbers *numbers,
		     struct arena *a, struct err *err)
{
	const struct pair_entry *p = s->e->format;
	struct pair_split *t = arena_zalloc(a, sizeof(*t));

	if (t != NULL)
		t->parts = arena_array(a, s->parts, sizeof(*t->parts));
	if (t == NULL || t->parts == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", s->e->id);
	t->f = pair_of(s->e->dir);
	t->part_of = part_of;
	t->numbers = numbers;
	t->parts_n = s->parts;
	t->staged = 1;
	for (size_t i = 0; i < s->parts; i++)
		t->parts[i].head_fd = t->parts[i].body_fd = -1;
	if (arena_on_free(a, split_close, t) < 0)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", s->e->id);
	s->format = t;
	s->dir_fd[0] = p->head_dir;
	s->dir_fd[1] = p->body_dir == p->head_dir ? -1 : p->body_dir;
	return 0;
}

/* --- staging --- */

/* Another process that sweeps may have come between the making of a file and its lock: -EEXIST, it
 * is gone, or will be. A file system without locks has no sweep either. */
static int lock_head(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EEXIST : 0;
	return fstat(fd, &st) == 0 && st.st_nlink == 0 ? -EEXIST : 0;
}

/* Make @what of @id, locked, so that no other process takes it for a left-over. */
static int create_head(const struct queue_split *s, enum pair_file what, const char *id,
		       struct split_part *part, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	char name[PAIR_NAME_MAX];
	int r;

	pair_path(name, &t->f->names[what], id);
	r = queue_file_create(p->head_dir, name, &p->head_st, s->e->dir->set.file_mode,
			      &part->head_fd, err);
	if (r < 0)
		return r;
	part->head = true;
	r = lock_head(part->head_fd);
	return r < 0 ? err_code(err, r, "lock %s", name) : 0;
}

static int write_head(const struct queue_split *s, size_t i, struct err *err)
{
	static const struct queue_change nothing = { .body_fd = -1 };
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	const struct pair_part part = { .id = s->ids[i], .of = t->part_of, .number = (uint32_t)i };
	const struct pair_build build = { .e = s->e, .change = &nothing, .part = &part };
	AUTO(arena_free) struct arena *a = arena_new(p->raw.n + 64 * KIB);
	struct bytes head;
	int r;

	if (a == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "%s: out of memory", s->e->id);
	r = pair_build_head(t->f, &build, a, &head, err);
	return r < 0 ? r : queue_file_write(t->parts[i].head_fd, head, "queue.split.write", err);
}

static int link_body(const struct queue_split *s, size_t i, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	char from[PAIR_NAME_MAX], to[PAIR_NAME_MAX];
	struct stat st;
	int r = fault_at("queue.split.link", 0);

	pair_path(from, &t->f->names[PAIR_BODY], s->e->id);
	pair_path(to, &t->f->names[PAIR_BODY], s->ids[i]);
	if (r == 0 && linkat(p->body_dir, from, p->body_dir, to, 0) < 0)
		r = -errno;
	if (r < 0)
		return err_code(err, r, "link %s to %s", from, to);
	t->parts[i].body = true;
	/* What was judged is what the derived entries hold. */
	if (fstatat(p->body_dir, to, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !pair_same_file(&st, &p->body_st))
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: replaced while it was claimed", from);
	return 0;
}

/* Its own file, still empty: the first line names the message. */
static int create_body(const struct queue_split *s, size_t i, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	char name[PAIR_NAME_MAX];
	int r;

	pair_path(name, &t->f->names[PAIR_BODY], s->ids[i]);
	r = queue_file_create(p->body_dir, name, &p->body_st, s->e->dir->set.file_mode,
			      &t->parts[i].body_fd, err);
	t->parts[i].body = r == 0;
	return r;
}

static void take_back(const struct queue_split *s, size_t i)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	struct split_part *part = &t->parts[i];

	if (part->body)
		pair_clear(t->f, p->head_dir, p->body_dir, s->ids[i], 1u << PAIR_BODY);
	if (part->head)
		pair_clear(t->f, p->head_dir, p->body_dir, s->ids[i],
			   1u << (i == 0 ? PAIR_SPLIT_HEAD : PAIR_TEMP_HEAD));
	part->head = part->body = false;
	fd_close(&part->head_fd);
	fd_close(&part->body_fd);
}

/* The hidden header file and the body under a new id; -EEXIST: it is in use. */
static int try_id(const struct queue_split *s, size_t i, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	int r = create_head(s, PAIR_TEMP_HEAD, s->ids[i], &t->parts[i], err);

	if (r == 0)
		r = pair_is_visible(t->f, p->head_dir, s->ids[i], err);
	if (r == 1)
		r = err_set(err, ERR_TEMP, -EEXIST, "id %s is in use", s->ids[i]);
	if (r == 0)
		r = t->f->body_line == NULL ? link_body(s, i, err) : create_body(s, i, err);
	return r;
}

static int reserve_id(struct queue_split *s, size_t i, struct err *err)
{
	const struct pair_split *t = s->format;
	int r = -EEXIST;

	for (unsigned tries = 0; r == -EEXIST && tries < ID_TRIES; tries++) {
		t->f->new_id(s->ids[i], s->e->id, t->numbers);
		t->numbers->next++;
		r = try_id(s, i, err);
		if (r == -EEXIST)
			take_back(s, i);
	}
	return r;
}

/* The first line with another id of the same length: what was copied is right behind it. */
static int name_body(const struct queue_split *s, size_t i, struct err *err)
{
	const struct pair_split *t = s->format;
	size_t n = strlen(s->ids[i]);
	int r = fault_at("queue.split.name", (int)n);
	ssize_t put = r < 0 ? -1 : pwrite(t->parts[i].body_fd, s->ids[i], (size_t)r, 0);

	if (r < 0)
		return err_code(err, r, "write %s", s->ids[i]);
	if (put < 0)
		return err_errno(err, "write %s", s->ids[i]);
	return (size_t)put == n ? 0 : err_set(err, ERR_TEMP, -EIO, "write %s", s->ids[i]);
}

static ssize_t copy_by_bytes(int from, int to, uint64_t at)
{
	uint8_t buf[64 * KIB];
	ssize_t n = pread(from, buf, sizeof(buf), (off_t)at);

	return n <= 0 ? n : pwrite(to, buf, (size_t)n, (off_t)at);
}

static bool cannot_copy_ranges(int code)
{
	return code == EXDEV || code == EINVAL || code == ENOSYS || code == EOPNOTSUPP ||
	       code == EPERM;
}

/* A piece of the body, in the kernel where that is possible. */
static ssize_t copy_piece(struct pair_split *t, int from, int to, size_t n)
{
	loff_t in = (loff_t)t->copied, out = in;
	ssize_t got = -1;
	int part;

	if (t->by_bytes)
		return copy_by_bytes(from, to, t->copied);
	part = fault_at("queue.split.copy", (int)n);
	if (part >= 0)
		got = copy_file_range(from, &in, to, &out, (size_t)part, 0);
	else
		errno = -part;
	t->by_bytes = got < 0 && cannot_copy_ranges(errno);
	return t->by_bytes ? copy_by_bytes(from, to, t->copied) : got;
}

/* 1: there is more to copy; 0: the body is whole. */
static int copy_body(const struct queue_split *s, size_t i, struct err *err)
{
	struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	uint64_t size = (uint64_t)p->body_st.st_size;
	ssize_t n;

	if (t->copied == 0 && ioctl(t->parts[i].body_fd, FICLONE, p->body_fd) == 0)
		t->copied = size;
	if (t->copied < size) {
		n = copy_piece(t, p->body_fd, t->parts[i].body_fd,
			       MIN_OF(COPY_A_CALL, size - t->copied));
		if (n < 0 && errno != EINTR)
			return err_errno(err, "copy the body to %s", s->ids[i]);
		if (n == 0)
			return err_set(err, ERR_TEMP, -EAGAIN, "%s: shorter while it was copied",
				       s->e->id);
		if (n > 0)
			t->copied += (uint64_t)n;
	}
	if (t->copied < size)
		return 1;
	t->copied = 0;
	return name_body(s, i, err);
}

static int stage_part(struct queue_split *s, size_t i, struct err *err)
{
	struct pair_split *t = s->format;
	struct split_part *part = &t->parts[i];
	int r = 0;

	if (!part->head) {
		r = reserve_id(s, i, err);
		if (r == 0)
			r = write_head(s, i, err);
	}
	if (r == 0 && part->body_fd >= 0)
		r = copy_body(s, i, err);
	if (r != 0)
		return r;
	s->sync_fd[s->sync_n++] = part->head_fd;
	if (part->body_fd >= 0)
		s->sync_fd[s->sync_n++] = part->body_fd;
	return 0;
}

/* One that an earlier run left is replaced: only who has the message claimed uses this name. */
static int stage_reduced(struct queue_split *s, struct err *err)
{
	struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	int r = -EEXIST;

	for (unsigned tries = 0; r == -EEXIST && tries < ID_TRIES; tries++) {
		fd_close(&t->parts[0].head_fd);
		pair_clear(t->f, p->head_dir, p->body_dir, s->e->id, 1u << PAIR_SPLIT_HEAD);
		r = create_head(s, PAIR_SPLIT_HEAD, s->e->id, &t->parts[0], err);
	}
	if (r == 0)
		r = write_head(s, 0, err);
	if (r == 0)
		s->sync_fd[s->sync_n++] = t->parts[0].head_fd;
	return r;
}

int pair_split_more(struct queue_split *s, struct err *err)
{
	struct pair_split *t = s->format;

	for (unsigned n = 0; n < FILES_A_CALL; n++) {
		int r;

		if (t->staged == t->parts_n)
			return t->parts[0].head ? 0 : stage_reduced(s, err);
		r = stage_part(s, t->staged, err);
		if (r != 0)
			return r;
		t->staged++;
	}
	return 1;
}

/* --- making it visible --- */

int pair_split_publish(struct queue_split *s, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	char from[PAIR_NAME_MAX], to[PAIR_NAME_MAX];

	for (size_t i = 1; i < t->parts_n; i++) {
		struct split_part *part = &t->parts[i];
		int r = pair_move(p->head_dir,
				  pair_path(from, &t->f->names[PAIR_TEMP_HEAD], s->ids[i]),
				  pair_path(to, &t->f->names[PAIR_HEAD], s->ids[i]), false,
				  "queue.split.publish", err);

		if (r < 0)
			return r;
		(void)fault_at("queue.split.published", 0);
		part->head = part->body = false; /* no longer to be taken back */
		fd_close(&part->head_fd);        /* and its lock, which is another's to take now */
		fd_close(&part->body_fd);
		s->published++;
	}
	s->sync_n = 0;
	return 0;
}

int pair_split_reduce(struct queue_split *s, struct err *err)
{
	const struct pair_split *t = s->format;
	const struct pair_entry *p = s->e->format;
	char from[PAIR_NAME_MAX], to[PAIR_NAME_MAX];
	int r = pair_move(p->head_dir, pair_path(from, &t->f->names[PAIR_SPLIT_HEAD], s->e->id),
			  pair_path(to, &t->f->names[PAIR_HEAD], s->e->id), true,
			  "queue.split.reduce", err);

	if (r < 0)
		return r;
	(void)fault_at("queue.split.reduced", 0);
	t->parts[0].head = false;
	fd_close(&t->parts[0].head_fd);
	return 0;
}

void pair_split_undo(struct queue_split *s)
{
	const struct pair_split *t = s->format;

	for (size_t i = 0; i < t->parts_n; i++)
		take_back(s, i);
	s->sync_n = 0;
}

/* --- what a dead process left --- */

static bool lock_leftover(const struct queue_dir *d, const struct queue_sub *s, const char *name,
			  int *ret_fd)
{
	struct err ignored;
	struct stat st, now;

	return queue_file_open(s->head_fd, name, &d->set, ret_fd, &st, &ignored) == 0 &&
	       flock(*ret_fd, LOCK_EX | LOCK_NB) == 0 &&
	       fstatat(s->head_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       pair_same_file(&st, &now);
}

void pair_sweep(const struct queue_dir *d, const struct queue_sub *s, const char *name)
{
	const struct pair_format *f = pair_of(d);
	AUTO(fd_close) int fd = -1;
	char id[QUEUE_ID_MAX];
	struct err ignored;

	if (pair_id_in(f, &f->names[PAIR_SPLIT_HEAD], name, id)) {
		if (lock_leftover(d, s, name, &fd))
			pair_clear(f, s->head_fd, s->body_fd, id, 1u << PAIR_SPLIT_HEAD);
		return;
	}
	if (!pair_id_in(f, &f->names[PAIR_TEMP_HEAD], name, id) || !lock_leftover(d, s, name, &fd))
		return;
	/* A visible one under this id is a message: then the body is its. */
	if (pair_is_visible(f, s->head_fd, id, &ignored) == 0)
		pair_clear(f, s->head_fd, s->body_fd, id, 1u << PAIR_BODY);
	pair_clear(f, s->head_fd, s->body_fd, id, 1u << PAIR_TEMP_HEAD);
}
