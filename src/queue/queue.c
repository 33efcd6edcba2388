/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue.c - the table of queue formats; each call goes to the format of its directory. */
#include "queue/queue.h"

#include <errno.h>

#include "queue/queue_internal.h"

static const struct queue_ops *const formats[] = { &queue_sendmail_ops, &queue_exim_ops };

static bool contains_nocase(struct bytes text, struct bytes word)
{
	for (; text.n >= word.n; text = bytes_from(text, 1))
		if (bytes_starts_nocase(text, word))
			return true;
	return false;
}

const struct queue_ops *queue_find(const char *mta)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (contains_nocase(bytes_str(mta), bytes_str(formats[i]->name)))
			return formats[i];
	return NULL;
}

const char *queue_name(const struct queue_ops *ops)
{
	return ops->name;
}

int queue_claim(struct queue_dir *in, struct queue_dir *out, const char *id, struct arena *a,
		struct queue_entry *ret_e, struct err *err)
{
	return in->ops->claim(in, out, id, a, ret_e, err);
}

int queue_stage(struct queue_entry *e, struct queue_dir *out, const struct queue_change *change,
		struct arena *a, struct queue_staged *ret_s, struct err *err)
{
	if (e->dir->ops != out->ops)
		return err_set(err, ERR_BUG, -EINVAL, "%s: from a %s queue into a %s queue", e->id,
			       e->dir->ops->name, out->ops->name);
	if (change->drop_to && change->add_to_n == 0)
		return err_set(err, ERR_BUG, -EINVAL, "%s: no recipient left", e->id);
	for (size_t i = 0; i < change->add_to_n; i++)
		if (!text_is_address(change->add_to[i]))
			return err_set(err, ERR_CONFIG, -EINVAL,
				       "%s: '%s' is not an address that can be queued", e->id,
				       change->add_to[i]);
	return out->ops->stage(e, out, change, a, ret_s, err);
}

int queue_publish(struct queue_staged *s, struct err *err)
{
	return s->out->ops->publish(s, err);
}

void queue_unstage(struct queue_staged *s)
{
	s->out->ops->unstage(s);
}

int queue_remove(struct queue_entry *e, int *ret_dir_fd, struct err *err)
{
	return e->dir->ops->remove(e, ret_dir_fd, err);
}

int queue_split_begin(struct queue_entry *e, const uint32_t *part_of, size_t parts,
		      struct queue_numbers *numbers, struct arena *a, struct queue_split *ret_s,
		      struct err *err)
{
	struct queue_split s = { .e = e, .parts = parts, .dir_fd = { -1, -1 } };
	bool *used = arena_array(a, parts, sizeof(*used));
	size_t used_n = 0;
	int r;

	s.ids = arena_array(a, parts, sizeof(*s.ids));
	s.sync_fd = arena_array(a, 2 * parts, sizeof(*s.sync_fd));
	if (used == NULL || s.ids == NULL || s.sync_fd == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: no message memory", e->id);
	for (size_t i = 0; i < e->env.to_n; i++)
		if (part_of[i] < parts && !used[part_of[i]]) {
			used[part_of[i]] = true;
			used_n++;
		}
	if (parts < 2 || used_n != parts)
		return err_set(err, ERR_BUG, -EINVAL, "%s: %zu parts of which %zu have recipients",
			       e->id, parts, used_n);
	memcpy(s.ids[0], e->id, sizeof(s.ids[0]));
	r = e->dir->ops->split_begin(&s, part_of, numbers, a, err);
	if (r == 0)
		*ret_s = s;
	return r;
}

int queue_split_more(struct queue_split *s, struct err *err)
{
	return s->e->dir->ops->split_more(s, err);
}

int queue_split_publish(struct queue_split *s, struct err *err)
{
	return s->e->dir->ops->split_publish(s, err);
}

int queue_split_reduce(struct queue_split *s, struct err *err)
{
	return s->e->dir->ops->split_reduce(s, err);
}

void queue_split_undo(struct queue_split *s)
{
	s->e->dir->ops->split_undo(s);
}

int queue_copy_files(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err)
{
	return e->dir->ops->copy_files(e, dir_fd, mode, err);
}
