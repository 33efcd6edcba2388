/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/queue_exim.c - Exim's spool: ID-H and ID-D, flat or in sub-directories named by the sixth
 * character of the id; both are looked into, as Exim does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/fault.h"
#include "queue/exim_head.h"

#define SUB_CHAR 5 /* of the id */

/* 6-6-2 characters up to version 4.96, 6-11-4 since 4.97. */
static bool is_id(struct bytes id)
{
	size_t second = id.n == 23 ? 18 : 13;

	if (id.n != 16 && id.n != 23)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (i == 6 || i == second ? id.p[i] != '-' : !ascii_is_alnum(id.p[i]))
			return false;
	return true;
}

static unsigned digit_of(char c)
{
	if (ascii_is_digit((uint8_t)c))
		return (unsigned)(c - '0');
	return c <= 'Z' ? (unsigned)(c - 'A') + 10 : (unsigned)(c - 'a') + 36;
}

/* Seconds, process id, and what Exim takes for the part of the second: 2,000 of them, or 500,000 in
 * the longer form. The seconds are put back until their last digit, which names a sub-directory, is
 * that of @old: a minute at most. */
static void new_id(char ret[QUEUE_ID_MAX], const char *old, const struct queue_numbers *n)
{
	uint64_t now_s = (uint64_t)n->now_s;
	bool is_long = strlen(old) == 23;
	size_t pid_digits = is_long ? 11 : 6;
	char *at = ret;

	now_s -= (now_s % 62 + 62 - digit_of(old[SUB_CHAR])) % 62;
	text_digits(at, 6, 62, now_s);
	at += 6;
	*at++ = '-';
	text_digits(at, pid_digits, 62, n->pid);
	at += pid_digits;
	*at++ = '-';
	text_digits(at, is_long ? 4 : 2, 62, n->next % (is_long ? 500000 : 2000));
	at[is_long ? 4 : 2] = '\0';
}

static bool may_hold(const struct queue_sub *s, const char *id)
{
	return s->name[0] == '\0' || (s->name[0] == id[SUB_CHAR] && s->name[1] == '\0');
}

static int add_split(struct queue_dir *d, const char *name, struct err *err)
{
	struct stat st;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return queue_add_sub(d, name, false, err);
}

/* Asked one by one: 62 calls, however full the directory itself is. */
static int scan(struct queue_dir *d, struct err *err)
{
	static const char names[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	int r = queue_add_sub(d, "", false, err);

	for (size_t i = 0; r == 0 && names[i] != '\0'; i++) {
		char name[2] = { names[i], '\0' };

		r = add_split(d, name, err);
	}
	return r;
}

static int make_split(struct queue_dir *out, const char *name, struct err *err)
{
	struct stat st;
	int r = fault_at("queue.stage.mkdir", 0);

	if (r == 0 && mkdirat(out->fd, name, 0700) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make outgoing queue directory %s/%s", out->path, name);
	if (r < 0)
		return 0;
	/* As the queue directory itself, whatever our umask is. */
	if (fstat(out->fd, &st) == 0) {
		(void)!fchownat(out->fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
		(void)!fchmodat(out->fd, name, st.st_mode & 0770, 0);
	}
	return 1;
}

static int target(struct queue_dir *out, const char *id, struct queue_sub **ret_s, struct err *err)
{
	char name[2] = { id[SUB_CHAR], '\0' };
	int r, made;

	*ret_s = &out->subs[0];
	if (!out->set.split_spool)
		return 0;
	r = queue_find_sub(out, name) == NULL ? -ENOENT : queue_add_sub(out, name, false, err);
	if (r == -ENOENT) {
		made = make_split(out, name, err);
		r = made < 0 ? made : queue_add_sub(out, name, false, err);
		if (r == 0 && made > 0)
			queue_find_sub(out, name)->fresh = true;
	}
	if (r == 0)
		*ret_s = queue_find_sub(out, name);
	return r;
}

/* The message's log, which lies beside the queue directory: input/x/ID-H, msglog/x/ID. */
static void remove_more(const struct pair_entry *p, const char *id)
{
	char path[QUEUE_ID_MAX + 32];

	if (p->in_sub)
		(void)snprintf(path, sizeof(path), "../../msglog/%c/%s", id[SUB_CHAR], id);
	else
		(void)snprintf(path, sizeof(path), "../msglog/%s", id);
	(void)unlinkat(p->head_dir, path, 0);
}

/* Exim finds the queue by its configuration, which Sendmail2 names ("exim -C FILE"). */
static void kick(const struct queue_dir *out, struct queue_argv *argv, const char *const *ids,
		 size_t ids_n, const char **ret_dir)
{
	queue_argv_add(argv, "-Mc");
	for (size_t i = 0; i < ids_n; i++)
		queue_argv_add(argv, arena_str(argv->a, bytes_str(ids[i])));
	*ret_dir = out->path;
}

static const struct pair_format format = {
	.names = {
		[PAIR_HEAD] = { "", "-H" },
		[PAIR_BODY] = { "", "-D" },
		[PAIR_TEMP_HEAD] = { "", "-T" },
		[PAIR_TEMP_BODY] = { "", "-B" },
		[PAIR_SPLIT_HEAD] = { "", "-R" },
		[PAIR_PROOF] = { "", "-O" },
	},
	.lock_body = true,
	.body_line = "-D\n",
	.body_needs_lf = true, /* without it, the dot that ends DATA stands behind the text */
	.is_id = is_id,
	.new_id = new_id,
	.may_hold = may_hold,
	.target = target,
	.parse = exim_head_parse,
	.is_verbatim = exim_head_is_verbatim,
	.can_copy = exim_head_can_copy,
	.build = exim_head_build,
	.remove_more = remove_more,
};

const struct queue_ops queue_exim_ops = {
	.name = "exim",
	.scan = scan,
	.name_to_id = pair_name_to_id,
	.claim = pair_claim,
	.stage = pair_stage,
	.publish = pair_publish,
	.unstage = pair_unstage,
	.remove = pair_remove,
	.copy_files = pair_copy_files,
	.split_begin = pair_split_begin,
	.split_more = pair_split_more,
	.split_publish = pair_split_publish,
	.split_reduce = pair_split_reduce,
	.split_undo = pair_split_undo,
	.sweep = pair_sweep,
	.kick = kick,
	.pair = &format,
};
