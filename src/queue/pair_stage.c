/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/pair_stage.c - into the outgoing queue: prepare everything under names the MTA does not
 * look at, make it visible with renames, or take it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/fault.h"
#include "queue/pair.h"

struct pair_staged {
	const struct pair_format *f;
	int head_dir, body_dir; /* lent by the outgoing queue */
	int head_fd, body_fd;   /* new files, open until they are published */
	bool made_head, made_temp_body, made_body, made_proof; /* to be taken back */
	bool replaces;                                         /* our own, still visible message */
	bool replaces_body;                                    /* our own body file, maybe unseen */
	bool published;
};

static void staged_close(void *arg)
{
	struct pair_staged *t = arg;

	fd_close(&t->head_fd);
	fd_close(&t->body_fd);
}

static void undo(struct pair_staged *t, const char *id)
{
	unsigned files = 0;

	staged_close(t);
	if (t->made_head)
		files |= 1u << PAIR_TEMP_HEAD;
	if (t->made_temp_body)
		files |= 1u << PAIR_TEMP_BODY;
	if (t->made_body && !t->replaces)
		files |= 1u << PAIR_BODY;
	if (t->made_proof && !t->replaces)
		files |= 1u << PAIR_PROOF;
	pair_clear(t->f, t->head_dir, t->body_dir, id, files);
	t->made_head = t->made_temp_body = t->made_body = t->made_proof = false;
}

/* Link the incoming body to @what in the outgoing queue. Only our own names may exist before. */
static int link_body(const struct queue_entry *e, struct pair_staged *t, enum pair_file what,
		     const char *point, struct err *err)
{
	const struct pair_entry *p = e->format;
	char from[PAIR_NAME_MAX], to[PAIR_NAME_MAX];
	struct stat st;
	int r;

	pair_path(from, &t->f->names[PAIR_BODY], e->id);
	pair_path(to, &t->f->names[what], e->id);
	for (int attempt = 0;; attempt++) {
		r = fault_at(point, 0);
		if (r == 0 && linkat(p->body_dir, from, t->body_dir, to, 0) < 0)
			r = -errno;
		if (r != -EEXIST || what == PAIR_BODY || attempt > 0)
			break;
		(void)unlinkat(t->body_dir, to, 0);
	}
	if (r == -EXDEV)
		return err_set(err, ERR_CONFIG, r,
			       "%s: incoming and outgoing queue must be on one file system", e->id);
	if (r < 0)
		return err_code(err, r, "link %s into the outgoing queue", from);
	/* What was judged is what goes out. */
	if (fstatat(t->body_dir, to, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !pair_same_file(&st, &p->body_st)) {
		(void)unlinkat(t->body_dir, to, 0);
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: replaced while it was claimed", from);
	}
	return 0;
}

/* A temporary file left by an earlier run is replaced: no one else uses these names. */
static int create_temp(const struct queue_entry *e, struct pair_staged *t, enum pair_file what,
		       int dir_fd, int *ret_fd, struct err *err)
{
	const struct pair_entry *p = e->format;
	const struct stat *like = what == PAIR_TEMP_HEAD ? &p->head_st : &p->body_st;
	mode_t mode = e->dir->set.file_mode;
	char name[PAIR_NAME_MAX];
	struct err first;
	int r;

	pair_path(name, &t->f->names[what], e->id);
	r = queue_file_create(dir_fd, name, like, mode, ret_fd, &first);
	if (r == -EEXIST) {
		(void)unlinkat(dir_fd, name, 0);
		return queue_file_create(dir_fd, name, like, mode, ret_fd, err);
	}
	if (r < 0 && err != NULL)
		*err = first;
	return r;
}

static int write_body(const struct queue_entry *e, struct pair_staged *t, int new_body_fd,
		      struct queue_copied *ret_copied, struct err *err)
{
	struct queue_copied *c = ret_copied;
	char line[PAIR_NAME_MAX];
	bool crlf;
	int r;

	r = create_temp(e, t, PAIR_TEMP_BODY, t->body_dir, &t->body_fd, err);
	if (r < 0)
		return r;
	t->made_temp_body = true;
	if (t->f->body_line != NULL) {
		(void)snprintf(line, sizeof(line), "%s%s", e->id, t->f->body_line);
		r = queue_file_write(t->body_fd, bytes_str(line), "queue.stage.write", err);
	}
	if (r == 0)
		r = queue_file_copy(new_body_fd, 0, t->body_fd, c, err);
	if (r < 0 || !c->cut || !t->f->body_needs_lf)
		return r;
	crlf = c->lines > 0 && c->lines == c->crlf_lines;
	c->lines++;
	c->crlf_lines += crlf;
	return queue_file_write(t->body_fd, crlf ? BYTES("\r\n") : BYTES("\n"), "queue.stage.write",
				err);
}

/*
 * The body, by the cheapest way that cannot disturb what is visible: a link under its own name when
 * nothing is there, else a temporary name that queue_publish() renames. A new body leaves a link to
 * the old one beside it, which is the proof of what it came from.
 */
static int stage_body(const struct queue_entry *e, struct pair_staged *t,
		      const struct pair_look *look, int new_body_fd,
		      struct queue_copied *ret_copied, struct err *err)
{
	int r;

	t->made_proof = look->proof;
	t->made_body = look->body;
	t->replaces_body = look->body;
	if (new_body_fd < 0 && look->same_body)
		return 0;
	if (new_body_fd < 0) {
		r = link_body(e, t, look->body ? PAIR_TEMP_BODY : PAIR_BODY, "queue.stage.link",
			      err);
		t->made_temp_body |= r == 0 && look->body;
		t->made_body |= r == 0 && !look->body;
		return r;
	}
	if (!look->proof) {
		r = link_body(e, t, PAIR_PROOF, "queue.stage.proof", err);
		if (r < 0)
			return r;
		t->made_proof = true;
	}
	return write_body(e, t, new_body_fd, ret_copied, err);
}

static int stage_head(const struct pair_build *b, struct pair_staged *t, struct arena *a,
		      struct err *err)
{
	struct bytes head;
	int r;

	r = pair_build_head(t->f, b, a, &head, err);
	if (r == 0)
		r = create_temp(b->e, t, PAIR_TEMP_HEAD, t->head_dir, &t->head_fd, err);
	if (r < 0)
		return r;
	t->made_head = true;
	return queue_file_write(t->head_fd, head, "queue.stage.write", err);
}

static int foreign(const struct queue_entry *e, const struct queue_dir *out, struct err *err)
{
	return err_set(err, ERR_TEMP, -EEXIST,
		       "%s: the outgoing queue %s holds another message with this id; waiting "
		       "until it has gone",
		       e->id, out->path);
}

static int stage_in(struct queue_entry *e, struct queue_dir *out, const struct queue_sub *s,
		    const struct queue_change *change, struct pair_staged *t, struct arena *a,
		    struct err *err)
{
	struct pair_entry *p = e->format;
	struct pair_build build = { .e = e, .change = change };
	struct queue_copied copied;
	struct pair_look look;
	int r;

	r = pair_look(t->f, s, e->id, &p->body_st, &look, err);
	if (r == 0)
		r = pair_check_apart(e, out, s, err);
	if (r < 0)
		return r;
	if (look.body && !look.same_body && !look.proof)
		return foreign(e, out, err);
	t->replaces = look.visible;
	r = stage_body(e, t, &look, change->body_fd, &copied, err);
	if (r < 0)
		return r;
	if (change->body_fd >= 0)
		build.body = &copied;
	if (t->made_proof)
		p->proof_dir = t->body_dir;
	return stage_head(&build, t, a, err);
}

int pair_stage(struct queue_entry *e, struct queue_dir *out, const struct queue_change *change,
	       struct arena *a, struct queue_staged *ret_s, struct err *err)
{
	const struct pair_format *f = pair_of(out);
	struct pair_staged *t = arena_zalloc(a, sizeof(*t));
	struct queue_sub *s;
	int r;

	if (t == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", e->id);
	t->head_fd = t->body_fd = -1;
	if (arena_on_free(a, staged_close, t) < 0)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", e->id);
	r = f->target(out, e->id, &s, err);
	if (r < 0)
		return r;
	t->f = f;
	t->head_dir = s->head_fd;
	t->body_dir = s->body_fd;
	r = stage_in(e, out, s, change, t, a, err);
	if (r < 0) {
		undo(t, e->id);
		return r;
	}
	*ret_s = (struct queue_staged){ .out = out,
					.sync_fd = { t->head_fd, t->body_fd },
					.dir_fd = { s->head_fd, -1 },
					.format = t };
	if (s->body_fd != s->head_fd)
		ret_s->dir_fd[1] = s->body_fd;
	else if (s->fresh)
		ret_s->dir_fd[1] = out->fd;
	memcpy(ret_s->id, e->id, sizeof(ret_s->id));
	return 0;
}

int pair_move(int dir_fd, const char *from, const char *to, bool replace, const char *point,
	      struct err *err)
{
	struct stat st;
	int r = fault_at(point, 0);

	if (r == 0 && renameat2(dir_fd, from, dir_fd, to, replace ? 0 : RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == -EINVAL && !replace) { /* a file system without RENAME_NOREPLACE */
		r = fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST : 0;
		if (r == 0 && renameat(dir_fd, from, dir_fd, to) < 0)
			r = -errno;
	}
	return r < 0 ? err_code(err, r, "publish %s", to) : 0;
}

int pair_publish(struct queue_staged *s, struct err *err)
{
	struct pair_staged *t = s->format;
	const struct pair_format *f = t->f;
	char from[PAIR_NAME_MAX], to[PAIR_NAME_MAX];
	int r;

	if (t->published)
		return 0;
	if (t->made_temp_body) {
		r = pair_move(t->body_dir, pair_path(from, &f->names[PAIR_TEMP_BODY], s->id),
			      pair_path(to, &f->names[PAIR_BODY], s->id), t->replaces_body,
			      "queue.publish.body", err);
		if (r < 0)
			return r;
		t->made_temp_body = false;
		t->made_body = true;
	}
	r = pair_move(t->head_dir, pair_path(from, &f->names[PAIR_TEMP_HEAD], s->id),
		      pair_path(to, &f->names[PAIR_HEAD], s->id), t->replaces,
		      "queue.publish.rename", err);
	if (r < 0)
		return r;
	t->published = true;
	staged_close(t);
	s->sync_fd[0] = s->sync_fd[1] = -1;
	return 0;
}

void pair_unstage(struct queue_staged *s)
{
	struct pair_staged *t = s->format;

	if (!t->published)
		undo(t, s->id);
	s->sync_fd[0] = s->sync_fd[1] = -1;
}
