/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/queue/queue_move.c - move all mail of one queue to another, by hand, beside real MTAs:
 *   queue_move sendmail|exim IN OUT [header=LINE] [body=FILE] [to=ADDRESS] [drop] [split] [fast]
 * fast: no syncs, no lines; for measuring.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/num.h"
#include "queue/queue.h"

#define ADD_MAX 8

struct wish {
	const char *header, *body, *to[ADD_MAX];
	size_t to_n;
	bool drop, fast;
	struct queue_settings set;
};

static bool parse(struct wish *w, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];

		if (strncmp(arg, "header=", 7) == 0)
			w->header = arg + 7;
		else if (strncmp(arg, "body=", 5) == 0)
			w->body = arg + 5;
		else if (strncmp(arg, "to=", 3) == 0 && w->to_n < ADD_MAX)
			w->to[w->to_n++] = arg + 3;
		else if (strcmp(arg, "drop") == 0)
			w->drop = true;
		else if (strcmp(arg, "split") == 0)
			w->set.split_spool = true;
		else if (strcmp(arg, "fast") == 0)
			w->fast = true;
		else
			return false;
	}
	return true;
}

static int stage(const struct wish *w, struct queue_entry *e, struct queue_dir *out,
		 struct arena *a, struct queue_staged *ret_s, struct err *err)
{
	AUTO(fd_close) int body = -1;
	struct queue_change change = {
		.body_fd = -1, .drop_to = w->drop, .add_to_n = w->to_n, .add_to = w->to
	};

	if (w->header != NULL) {
		struct header h = { .text = bytes_str(w->header) };

		if (header_list_insert(&e->headers, a, e->headers.n, h) < 0)
			return err_set(err, ERR_LIMIT, -ENOMEM, "no memory");
		change.headers = &e->headers;
	}
	if (w->body != NULL) {
		body = open(w->body, O_RDONLY | O_CLOEXEC);
		if (body < 0)
			return err_errno(err, "open %s", w->body);
		change.body_fd = body;
	}
	return queue_stage(e, out, &change, a, ret_s, err);
}

static int move_one(const struct wish *w, struct queue_dir *in, struct queue_dir *out,
		    const char *id, struct arena *a, struct err *err)
{
	struct queue_staged s;
	struct queue_entry e;
	int r, dir_fd;

	r = queue_claim(in, out, id, a, &e, err);
	if (r < 0)
		return r;
	if (!w->fast)
		printf("%s from=<%s> to_n=%zu first=<%s> ip=%s helo=%s auth=%s headers=%zu "
		       "body=%llu+%llu\n",
		       id, e.env.sender, e.env.to_n, e.env.to[0], e.env.client_ip,
		       e.env.client_name == NULL ? "-" : e.env.client_name,
		       e.env.auth_id == NULL ? "-" : e.env.auth_id, e.headers.n,
		       (unsigned long long)e.body_offset, (unsigned long long)e.body_bytes);
	r = stage(w, &e, out, a, &s, err);
	for (size_t i = 0; r == 0 && i < 2 && !w->fast; i++)
		if (s.sync_fd[i] >= 0 && fdatasync(s.sync_fd[i]) < 0)
			r = err_errno(err, "fdatasync");
	if (r == 0)
		r = queue_publish(&s, err);
	for (size_t i = 0; r == 0 && i < 2 && !w->fast; i++)
		if (s.dir_fd[i] >= 0 && fsync(s.dir_fd[i]) < 0)
			r = err_errno(err, "fsync");
	return r < 0 ? r : queue_remove(&e, &dir_fd, err);
}

static int move_all(const struct wish *w, struct queue_dir *in, struct queue_dir *out)
{
	AUTO(arena_free) struct arena *a = arena_new(64 * MIB);
	char id[QUEUE_ID_MAX];
	struct err err;
	int r, failed = 0;

	if (a == NULL || queue_list_begin(in, &err) < 0)
		return 1;
	while ((r = queue_list_next(in, 1000, id, &err)) != 0) {
		if (r == -EAGAIN)
			continue;
		if (r == 1)
			r = move_one(w, in, out, id, a, &err);
		if (r < 0) {
			failed = 1;
			printf("%s: %s\n", err_kind_name(err.kind), err.text);
		}
		arena_reset(a);
	}
	return failed;
}

static uid_t owner_of(const char *text)
{
	uint64_t uid = 0;

	return num_parse(bytes_str(text), 10, UINT32_MAX, &uid) < 0 ? (uid_t)-1 : (uid_t)uid;
}

int main(int argc, char **argv)
{
	AUTO(queue_dir_close) struct queue_dir *in = NULL;
	AUTO(queue_dir_close) struct queue_dir *out = NULL;
	struct wish w = { .set = { .owner = geteuid(), .header_max_bytes = 16 * MIB } };
	const struct queue_ops *ops = argc > 3 ? queue_find(argv[1]) : NULL;
	const char *owner = getenv("QUEUE_OWNER");
	struct err err;

	if (ops == NULL || !parse(&w, argc - 4, argv + 4)) {
		fprintf(stderr, "usage: queue_move sendmail|exim IN OUT [header=LINE] [body=FILE] "
				"[to=ADDRESS] [drop] [split] [fast]\n");
		return 64;
	}
	if (owner != NULL)
		w.set.owner = owner_of(owner);
	if (queue_dir_open(&in, ops, argv[2], &w.set, &err) < 0 ||
	    queue_dir_open(&out, ops, argv[3], &w.set, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return move_all(&w, in, out);
}
