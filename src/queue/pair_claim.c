/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/pair_claim.c - claiming, removing and copying messages of two files. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/fault.h"
#include "queue/pair.h"

static void entry_close(void *arg)
{
	struct pair_entry *p = arg;

	fd_close(&p->body_fd);
	fd_close(&p->lock_fd);
}

/* --- a message that an earlier run has published already --- */

static int sync_dir(int fd, const char *what, struct err *err)
{
	int r = fault_at("queue.already.sync", 0);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? err_code(err, r, "sync outgoing queue directory %s", what) : 0;
}

/* Only now is it certain that what the earlier run renamed is on the disk; it happens once after a
 * crash, and so it may take its time, unlike everything else here. */
static int finish_already(struct queue_entry *e, const struct queue_sub *s, bool proof,
			  struct err *err)
{
	struct pair_entry *p = e->format;
	int r, dir_fd;

	r = sync_dir(s->head_fd, s->path, err);
	if (r == 0 && s->body_fd != s->head_fd)
		r = sync_dir(s->body_fd, s->path, err);
	if (r < 0)
		return r;
	p->proof_dir = proof ? s->body_fd : -1;
	r = pair_remove(e, &dir_fd, err);
	if (r < 0)
		return r;
	return err_set(err, ERR_TEMP, -EALREADY, "%s: published by an earlier run", e->id);
}

static int look_for_proof(struct queue_entry *e, struct queue_dir *out, struct err *err)
{
	struct pair_entry *p = e->format;

	if (out == NULL || out->ops != e->dir->ops)
		return 0;
	for (size_t i = 0; i < out->subs_n; i++) {
		const struct pair_format *f = pair_of(out);
		struct pair_look look;
		int r;

		if (!f->may_hold(&out->subs[i], e->id))
			continue;
		r = pair_check_apart(e, out, &out->subs[i], err);
		if (r == 0)
			r = pair_look(f, &out->subs[i], e->id, &p->body_st, &look, err);
		if (r < 0)
			return r;
		if (look.visible && (look.same_body || look.proof))
			return finish_already(e, &out->subs[i], look.proof, err);
		p->leftovers |= look.same_body || look.proof;
	}
	return 0;
}

/* What a run that stopped before publishing left behind: this time the message may go elsewhere. */
static int clear_leftovers(const struct queue_entry *e, struct queue_dir *out, struct err *err)
{
	const unsigned files =
		1u << PAIR_TEMP_HEAD | 1u << PAIR_TEMP_BODY | 1u << PAIR_BODY | 1u << PAIR_PROOF;
	const struct pair_entry *p = e->format;
	int r = 0;

	for (size_t i = 0; r == 0 && i < out->subs_n; i++) {
		const struct pair_format *f = pair_of(out);
		const struct queue_sub *s = &out->subs[i];
		struct pair_look look;

		if (!f->may_hold(s, e->id))
			continue;
		r = pair_look(f, s, e->id, &p->body_st, &look, err);
		if (r == 0 && (look.same_body || look.proof) && !look.visible)
			pair_clear(f, s->head_fd, s->body_fd, e->id, files);
	}
	return r;
}

/* --- claiming --- */

/* @name must still be the file that was opened, now that it is locked. */
static int check_same(int dir_fd, const char *name, const struct stat *opened, struct err *err)
{
	struct stat st;
	int r = queue_file_stat(dir_fd, name, &st, err);

	if (r < 0)
		return r;
	if (r == 0 || !pair_same_file(&st, opened))
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: replaced while it was claimed", name);
	return 0;
}

static int read_head(struct queue_entry *e, int fd, struct arena *a, struct err *err)
{
	const struct queue_settings *set = &e->dir->set;
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	char name[PAIR_NAME_MAX];
	uint64_t size = (uint64_t)p->head_st.st_size;
	int r;

	pair_path(name, &f->names[PAIR_HEAD], e->id);
	if (size == 0) /* just made, not locked yet, or left over: the MTA's business */
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: empty", name);
	if (set->header_max_bytes > 0 && size > set->header_max_bytes)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: %llu bytes; the limit is %llu", name,
			       (unsigned long long)size, (unsigned long long)set->header_max_bytes);
	r = queue_file_read(fd, name, size, a, &p->raw, err);
	return r < 0 ? r : f->parse(e, set, a, err);
}

static int open_body(struct queue_entry *e, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	char name[PAIR_NAME_MAX];

	pair_path(name, &f->names[PAIR_BODY], e->id);
	return queue_file_open(p->body_dir, name, &e->dir->set, &p->body_fd, &p->body_st, err);
}

static int missing_body(const struct queue_entry *e, struct err *err)
{
	return err_set(err, ERR_INPUT, -EBADMSG, "%s: header file without a body file", e->id);
}

/* For MTAs that lock the header file (sendmail): body after header, which may say where it is. */
static int claim_by_head(struct queue_entry *e, struct queue_dir *out, struct arena *a,
			 struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	const struct queue_sub *s;
	char name[PAIR_NAME_MAX];
	int r;

	pair_path(name, &f->names[PAIR_HEAD], e->id);
	r = queue_file_open(p->head_dir, name, &e->dir->set, &p->lock_fd, &p->head_st, err);
	if (r < 0)
		return r;
	/* sendmail makes the file, then locks it: taking that lock first would make it give up. */
	if (p->head_st.st_size == 0)
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: empty", name);
	r = queue_file_lock(p->lock_fd, e->dir->set.lock, name, err);
	if (r == 0)
		r = check_same(p->head_dir, name, &p->head_st, err);
	if (r == 0 && fstat(p->lock_fd, &p->head_st) < 0)
		r = err_errno(err, "stat %s", name);
	if (r == 0)
		r = read_head(e, p->lock_fd, a, err);
	if (r < 0)
		return r;
	if (p->body_sub != NULL && !e->dir->set.copies) {
		s = queue_find_sub(e->dir, p->body_sub);
		if (s == NULL)
			return err_set(err, ERR_INPUT, -EBADMSG,
				       "%s: its body file is in '%s', which is not a directory of "
				       "this queue",
				       name, p->body_sub);
		p->body_dir = s->body_fd;
	}
	r = open_body(e, err);
	if (r == -ENOENT)
		return missing_body(e, err);
	return r < 0 ? r : look_for_proof(e, out, err);
}

/* The lock is taken on a descriptor of its own: the worker gets the other one and could unlock. */
static int lock_body(struct queue_entry *e, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	char name[PAIR_NAME_MAX];
	struct stat st;
	int r;

	pair_path(name, &f->names[PAIR_BODY], e->id);
	r = queue_file_open(p->body_dir, name, &e->dir->set, &p->lock_fd, &st, err);
	if (r < 0)
		return r;
	if (!pair_same_file(&st, &p->body_st))
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: replaced while it was claimed", name);
	r = queue_file_lock(p->lock_fd, e->dir->set.lock, name, err);
	if (r == 0)
		r = check_same(p->body_dir, name, &st, err);
	if (r == 0 && fstat(p->body_fd, &p->body_st) < 0)
		r = err_errno(err, "stat %s", name);
	return r;
}

/*
 * For MTAs that lock the body file (Exim). The proof is looked for before the lock: the body is the
 * same file in the outgoing queue, where the MTA may hold it locked while it delivers what an
 * earlier run published.
 */
static int claim_by_body(struct queue_entry *e, struct queue_dir *out, struct arena *a,
			 struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	AUTO(fd_close) int head_fd = -1;
	char name[PAIR_NAME_MAX];
	struct stat st;
	int r, has_head;

	pair_path(name, &f->names[PAIR_HEAD], e->id);
	r = open_body(e, err);
	if (r < 0 && r != -ENOENT)
		return r;
	has_head = queue_file_stat(p->head_dir, name, &st, err);
	if (has_head < 0)
		return has_head;
	if (has_head == 0)
		return err_code(err, -ENOENT, "%s", name);
	if (r == -ENOENT)
		return missing_body(e, err);
	r = look_for_proof(e, out, err);
	if (r == 0)
		r = lock_body(e, err);
	if (r == 0)
		r = queue_file_open(p->head_dir, name, &e->dir->set, &head_fd, &p->head_st, err);
	return r < 0 ? r : read_head(e, head_fd, a, err);
}

/* Exim's body file names itself in its first line, which is not part of the body. */
static int check_body(struct queue_entry *e, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	char line[PAIR_NAME_MAX], found[PAIR_NAME_MAX];
	size_t n;

	e->body_offset = 0;
	if (f->body_line != NULL) {
		n = (size_t)snprintf(line, sizeof(line), "%s%s", e->id, f->body_line);
		if (pread(p->body_fd, found, n, 0) != (ssize_t)n || memcmp(found, line, n) != 0)
			return err_set(err, ERR_INPUT, -EBADMSG,
				       "%s: the body file does not begin with its own name", e->id);
		e->body_offset = n;
	}
	e->body_fd = p->body_fd;
	e->body_inode = p->body_st.st_ino;
	e->body_bytes = (uint64_t)p->body_st.st_size - e->body_offset;
	e->size_bytes = (uint64_t)p->body_st.st_size + p->raw.n;
	return 0;
}

static int claim_in(struct queue_entry *e, const struct queue_sub *s, struct queue_dir *out,
		    struct arena *a, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	int r;

	p->head_dir = s->head_fd;
	p->head_dir_inode = s->head_inode;
	p->in_sub = s->name[0] != '\0';
	p->body_dir = s->body_fd;
	r = f->lock_body ? claim_by_body(e, out, a, err) : claim_by_head(e, out, a, err);
	if (r == 0)
		r = check_body(e, err);
	if (r == 0 && p->leftovers)
		r = clear_leftovers(e, out, err);
	if (r < 0)
		entry_close(p);
	return r;
}

int pair_claim(struct queue_dir *in, struct queue_dir *out, const char *id, struct arena *a,
	       struct queue_entry *ret_e, struct err *err)
{
	const struct pair_format *f = pair_of(in);
	struct queue_entry e = { .dir = in, .body_fd = -1 };
	struct pair_entry *p = arena_zalloc(a, sizeof(*p));
	size_t n = strlen(id);
	int r;

	if (n >= QUEUE_ID_MAX || !f->is_id(bytes_str(id)))
		return err_set(err, ERR_INPUT, -EBADMSG, "'%s' is not an id of this queue", id);
	memcpy(e.id, id, n + 1);
	if (p == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", id);
	p->lock_fd = p->body_fd = p->proof_dir = -1;
	e.format = p;
	r = arena_on_free(a, entry_close, p);
	if (r < 0)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", id);
	r = -ENOENT;
	for (size_t i = 0; i < in->subs_n && r == -ENOENT; i++)
		if (f->may_hold(&in->subs[i], id))
			r = claim_in(&e, &in->subs[i], out, a, err);
	if (r == -ENOENT)
		return err_set(err, ERR_TEMP, -ENOENT, "%s: not in the queue any more", id);
	if (r == 0)
		*ret_e = e;
	return r;
}

/* --- the end of a message --- */

int pair_remove(struct queue_entry *e, int *ret_dir_fd, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	struct pair_entry *p = e->format;
	char name[PAIR_NAME_MAX];
	int r, first = 0;

	pair_path(name, &f->names[PAIR_HEAD], e->id);
	r = queue_file_unlink(p->head_dir, name, "queue.remove.head", err);
	if (r < 0)
		return r;
	*ret_dir_fd = p->head_dir;
	if (p->proof_dir >= 0) {
		pair_path(name, &f->names[PAIR_PROOF], e->id);
		first = queue_file_unlink(p->proof_dir, name, "queue.remove.proof", err);
	}
	pair_path(name, &f->names[PAIR_BODY], e->id);
	r = queue_file_unlink(p->body_dir, name, "queue.remove.body", err);
	if (f->remove_more != NULL)
		f->remove_more(p, e->id);
	fd_close(&p->lock_fd);
	return first < 0 ? first : r;
}

static int copy_one(const struct queue_entry *e, int dir_fd, const char *name, mode_t mode,
		    bool head, struct err *err)
{
	const struct pair_entry *p = e->format;
	struct stat own = { .st_uid = geteuid(), .st_gid = getegid() };
	AUTO(fd_close) int fd = -1;
	struct queue_copied copied;
	int r;

	r = queue_file_create(dir_fd, name, &own, mode, &fd, err);
	if (r < 0)
		return r;
	if (head)
		r = queue_file_write(fd, p->raw, "queue.copy.write", err);
	else
		r = queue_file_copy(p->body_fd, 0, fd, &copied, err);
	if (r < 0)
		(void)unlinkat(dir_fd, name, 0);
	return r;
}

int pair_copy_files(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err)
{
	const struct pair_format *f = pair_of(e->dir);
	char head[PAIR_NAME_MAX], body[PAIR_NAME_MAX];
	int r;

	pair_path(head, &f->names[PAIR_HEAD], e->id);
	pair_path(body, &f->names[PAIR_BODY], e->id);
	r = copy_one(e, dir_fd, body, mode, false, err);
	if (r < 0)
		return r;
	r = copy_one(e, dir_fd, head, mode, true, err);
	if (r < 0)
		(void)unlinkat(dir_fd, body, 0);
	return r;
}
