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

int queue_copy_files(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err)
{
	return e->dir->ops->copy_files(e, dir_fd, mode, err);
}
