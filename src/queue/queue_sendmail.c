/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/queue_sendmail.c - sendmail's queue: qfID and dfID, flat or in qf/ and df/, and queue
 * groups (sub-directories q*). The outgoing queue is the directory itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "queue/pair.h"
#include "queue/sendmail_head.h"

static bool is_id(struct bytes id)
{
	if (id.n == 0 || !ascii_is_alnum(id.p[0]))
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_is_alnum(id.p[i]) && id.p[i] != '_' && id.p[i] != '-')
			return false;
	return true;
}

/* Year to second as digits of base 60, two more that count, the process id. */
static void new_id(char ret[QUEUE_ID_MAX], const char *old, const struct queue_numbers *n)
{
	time_t now_s = n->now_s;
	struct tm tm = { 0 };

	(void)old;
	(void)gmtime_r(&now_s, &tm);
	text_digits(ret, 1, 60, (uint64_t)tm.tm_year % 60);
	text_digits(ret + 1, 1, 60, (uint64_t)tm.tm_mon);
	text_digits(ret + 2, 1, 60, (uint64_t)tm.tm_mday);
	text_digits(ret + 3, 1, 60, (uint64_t)tm.tm_hour);
	text_digits(ret + 4, 1, 60, (uint64_t)tm.tm_min);
	text_digits(ret + 5, 1, 60, (uint64_t)tm.tm_sec);
	text_digits(ret + 6, 2, 60, n->next);
	(void)snprintf(ret + 8, QUEUE_ID_MAX - 8, "%06u", (unsigned)n->pid);
}

static bool may_hold(const struct queue_sub *s, const char *id)
{
	(void)s;
	(void)id;
	return true;
}

/* "q1", "qgroup"; but "qf" holds header files. */
static bool is_group(const struct dirent *ent)
{
	const char *name = ent->d_name;

	return name[0] == 'q' && strcmp(name, "qf") != 0 &&
	       (ent->d_type == DT_DIR || ent->d_type == DT_LNK || ent->d_type == DT_UNKNOWN);
}

static int add_group(struct queue_dir *d, const struct dirent *ent, struct err *err)
{
	struct stat st;

	/* sendmail allows links to directories here; most names with q are queue files, though. */
	if (fstatat(d->fd, ent->d_name, &st, 0) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return queue_add_sub(d, ent->d_name, true, err);
}

static int scan(struct queue_dir *d, struct err *err)
{
	const struct dirent *ent;
	int r, fd;
	DIR *dir;

	r = queue_add_sub(d, "", true, err);
	if (r < 0)
		return r;
	fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		r = err_errno(err, "list queue directory %s", d->path);
		fd_close(&fd);
		return r;
	}
	while (r == 0 && (ent = readdir(dir)) != NULL)
		if (is_group(ent))
			r = add_group(d, ent, err);
	(void)closedir(dir);
	return r;
}

static int target(struct queue_dir *out, const char *id, struct queue_sub **ret_s, struct err *err)
{
	(void)id;
	(void)err;
	*ret_s = &out->subs[0];
	return 0;
}

static void kick(const struct queue_dir *out, struct queue_argv *argv, const char *const *ids,
		 size_t ids_n, const char **ret_dir)
{
	(void)ret_dir;
	queue_argv_add(argv, arena_printf(argv->a, "-OQueueDirectory=%s", out->path));
	for (size_t i = 0; i < ids_n; i++)
		queue_argv_add(argv, arena_printf(argv->a, "-qI%s", ids[i]));
}

static const struct pair_format format = {
	.names = {
		[PAIR_HEAD] = { "qf", "" },
		[PAIR_BODY] = { "df", "" },
		[PAIR_TEMP_HEAD] = { "sp.q", "" }, /* sendmail itself uses tf */
		[PAIR_TEMP_BODY] = { "sp.d", "" },
		[PAIR_SPLIT_HEAD] = { "sp.r", "" },
		[PAIR_PROOF] = { "sp.o", "" },
	},
	.other_heads = { { "hf", "" }, { "Qf", "" } }, /* quarantined; not understood */
	.is_id = is_id,
	.new_id = new_id,
	.may_hold = may_hold,
	.target = target,
	.parse = sendmail_head_parse,
	.is_verbatim = sendmail_head_is_verbatim,
	.can_copy = sendmail_head_can_copy,
	.build = sendmail_head_build,
};

const struct queue_ops queue_sendmail_ops = {
	.name = "sendmail",
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
