/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/pair_look.c - names of a pair's files, what the outgoing queue holds, header file bytes. */
#include <errno.h>
#include <stdio.h>

#include "queue/pair.h"

const char *pair_path(char buf[PAIR_NAME_MAX], const struct pair_affix *affix, const char *id)
{
	(void)snprintf(buf, PAIR_NAME_MAX, "%s%s%s", affix->before, id, affix->after);
	return buf;
}

bool pair_id_in(const struct pair_format *f, const struct pair_affix *affix, const char *name,
		char ret_id[QUEUE_ID_MAX])
{
	struct bytes before = bytes_str(affix->before), after = bytes_str(affix->after);
	struct bytes id = bytes_str(name);

	if (id.n < before.n + after.n || !bytes_starts(id, before))
		return false;
	id = bytes_from(id, before.n);
	if (!bytes_eq(bytes_from(id, id.n - after.n), after))
		return false;
	id.n -= after.n;
	if (id.n == 0 || id.n >= QUEUE_ID_MAX || !f->is_id(id))
		return false;
	memcpy(ret_id, id.p, id.n);
	ret_id[id.n] = '\0';
	return true;
}

/*
 * Exim renames the header file into place while it still holds the lock on the body file; closing
 * that one is what makes the message free. So an event on either means "look".
 */
bool pair_name_to_id(const struct queue_dir *d, const char *name, bool listed,
		     char ret_id[QUEUE_ID_MAX])
{
	const struct pair_format *f = pair_of(d);

	if (pair_id_in(f, &f->names[PAIR_HEAD], name, ret_id))
		return true;
	return !listed && f->lock_body && pair_id_in(f, &f->names[PAIR_BODY], name, ret_id);
}

void pair_clear(const struct pair_format *f, int head_dir, int body_dir, const char *id,
		unsigned files)
{
	/* The proof goes last: while it is there, the other files are known to be ours. */
	static const enum pair_file order[] = { PAIR_TEMP_HEAD, PAIR_SPLIT_HEAD, PAIR_TEMP_BODY,
						PAIR_BODY, PAIR_PROOF };
	char name[PAIR_NAME_MAX];
	struct err ignored;

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if ((files & 1u << order[i]) != 0)
			(void)!queue_file_unlink(i < 2 ? head_dir : body_dir,
						 pair_path(name, &f->names[order[i]], id),
						 "queue.unstage", &ignored);
}

int pair_is_visible(const struct pair_format *f, int head_fd, const char *id, struct err *err)
{
	char name[PAIR_NAME_MAX];
	struct stat st;
	int r;

	r = queue_file_stat(head_fd, pair_path(name, &f->names[PAIR_HEAD], id), &st, err);
	for (size_t i = 0; r == 0 && i < PAIR_OTHERS; i++)
		if (f->other_heads[i].before != NULL)
			r = queue_file_stat(head_fd, pair_path(name, &f->other_heads[i], id), &st,
					    err);
	/* Once more: the MTA may have renamed one of the others to it just now. */
	if (r == 0 && f->other_heads[0].before != NULL)
		r = queue_file_stat(head_fd, pair_path(name, &f->names[PAIR_HEAD], id), &st, err);
	return r;
}

int pair_look(const struct pair_format *f, const struct queue_sub *s, const char *id,
	      const struct stat *body_st, struct pair_look *ret, struct err *err)
{
	char name[PAIR_NAME_MAX];
	struct pair_look look = { 0 };
	struct stat st;
	int r;

	r = queue_file_stat(s->body_fd, pair_path(name, &f->names[PAIR_BODY], id), &st, err);
	if (r < 0)
		return r;
	look.body = r == 1;
	look.same_body = look.body && pair_same_file(&st, body_st);
	r = queue_file_stat(s->body_fd, pair_path(name, &f->names[PAIR_PROOF], id), &st, err);
	if (r < 0)
		return r;
	look.proof = r == 1 && pair_same_file(&st, body_st);
	if (look.body || look.proof) {
		r = pair_is_visible(f, s->head_fd, id, err);
		if (r < 0)
			return r;
		look.visible = r == 1;
	}
	*ret = look;
	return 0;
}

int pair_check_apart(const struct queue_entry *e, const struct queue_dir *out,
		     const struct queue_sub *s, struct err *err)
{
	const struct pair_entry *p = e->format;

	if (out->device == e->dir->device && s->head_inode == p->head_dir_inode)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "%s is both incoming and outgoing queue directory", s->path);
	return 0;
}

/* Lines that somebody made are checked here, at the one place that all of them pass. */
static int check_headers(const struct pair_format *f, const struct pair_entry *p,
			 const struct header_list *l, const char *id, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (!f->is_verbatim(p, l->v[i].text) && !text_is_header(l->v[i].text))
			return err_set(err, ERR_BUG, -EINVAL,
				       "%s: header %zu is not a header line: '%.60s'", id, i,
				       l->v[i].text.n == 0 ? "" : (const char *)l->v[i].text.p);
	return 0;
}

int pair_build_head(const struct pair_format *f, const struct pair_build *b, struct arena *a,
		    struct bytes *ret, struct err *err)
{
	const struct pair_entry *p = b->e->format;
	struct sink sink = { 0 };
	size_t n;
	int r;

	if (b->part == NULL && b->change->headers == NULL && b->body == NULL &&
	    b->change->add_to_n == 0 && !b->change->drop_to && f->can_copy(p)) {
		*ret = p->raw;
		return 0;
	}
	if (b->change->headers != NULL) {
		r = check_headers(f, p, b->change->headers, b->e->id, err);
		if (r < 0)
			return r;
	}
	f->build(b, &sink);
	n = sink.n;
	sink = (struct sink){ .p = arena_alloc(a, n) };
	if (sink.p == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM,
			       "%s: a header file of %zu bytes is more than the message memory "
			       "allows",
			       b->e->id, n);
	f->build(b, &sink);
	*ret = bytes_of(sink.p, n);
	return 0;
}
