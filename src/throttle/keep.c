/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/keep.c - the state file: written whole under another name, synced, renamed, and then the
 * directory is synced. Costs could be forgiven after a power cut; lists by command could not, and a
 * rename that was not preceded by a sync can leave an empty file. The loop never waits for the
 * disk: both syncs go through the ring, but for the last one at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "throttle/internal.h"

#define STATE_BYTES_MAX (16 * MIB)
#define COSTLIEST_KEPT  ACCOUNT_COSTLIEST_MAX
#define BYTES_PER_TICK  (256 * KIB) /* of the file: a large one is written less often */

static struct state_clock clock_of(const struct throttle *t)
{
	return (struct state_clock){ .now_ns = loop_now_ns(t->loop), .unix_s = clock_unix_s() };
}

/* --- writing --- */

struct writing {
	struct str out;
	struct state_clock now;
};

static void write_penalised(void *arg, const struct account_source *s)
{
	struct writing *w = arg;

	if (w->out.n < STATE_BYTES_MAX / 2)
		state_add_account(&w->out, &w->now, s);
}

static void compose(struct throttle *t, struct writing *w)
{
	static struct account_source costliest[COSTLIEST_KEPT]; /* one loop thread */
	size_t n = account_costliest(t->account, w->now.now_ns, costliest, COSTLIEST_KEPT);

	state_begin(&w->out, &w->now);
	for (int l = 0; l < THROTTLE_LISTS; l++)
		for (size_t i = 0; i < t->lists[l].n; i++)
			if (t->lists[l].v[i].origin != PREFIX_CONF)
				state_add_entry(&w->out, &w->now, (enum throttle_list)l,
						&t->lists[l].v[i]);
	account_each_penalised(t->account, write_penalised, w);
	for (size_t i = 0; i < n; i++)
		if (costliest[i].level == THROTTLE_NORMAL)
			state_add_account(&w->out, &w->now, &costliest[i]);
	state_end(&w->out);
}

static int write_file(const struct throttle *t, struct bytes text, struct err *err)
{
	AUTO(fd_close) int fd = -1;

	fd = open(t->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "open '%s'", t->path_new);
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "write '%s'", t->path_new);
		text = bytes_from(text, (size_t)n);
	}
	return TAKE_FD(fd);
}

/* The file as it is to be, unsynced and under its other name. Returns its descriptor. */
static int write_new(struct throttle *t, struct err *err)
{
	struct writing w = { .now = clock_of(t) };
	int fd;

	t->dirty = t->urgent = false;
	t->ticks = 0;
	str_init(&w.out, STATE_BYTES_MAX);
	compose(t, &w);
	t->wait_ticks = 1 + (unsigned)(w.out.n / BYTES_PER_TICK);
	if (w.out.failed)
		fd = err_set(err, ERR_LIMIT, -EFBIG, "more than 16 MiB, or out of memory");
	else
		fd = write_file(t, str_bytes(&w.out), err);
	str_fini(&w.out);
	return fd;
}

/* The rename, and the directory to sync for it. */
static int publish(const struct throttle *t, struct err *err)
{
	const char *slash = strrchr(t->path, '/');
	char dir[PATH_MAX] = ".";
	int fd;

	if (rename(t->path_new, t->path) < 0)
		return err_errno(err, "rename '%s'", t->path_new);
	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - t->path) + 1, t->path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, "open '%s'", dir) : fd;
}

static void finish(struct throttle *t, int r, const struct err *err)
{
	if (r < 0)
		(void)unlink(
			t->path_new); /* half of it is of use to nobody, least on a full disk */
	if (r < 0 && !t->unwritten)
		log_warning("Throttle State File = %s: %s; a restart forgives what is owed, and "
			    "forgets lists by command",
			    t->path, err->text);
	if (r >= 0 && t->unwritten)
		log_notice("Throttle State File = %s: written again", t->path);
	t->unwritten = r < 0;
	t->dirty |= r < 0; /* the disk may have room again before anything changes */
}

/*
 * Of the one file that is on its way to the disk. Not a part of the throttle: the ring may end
 * the operation after the throttle is gone, whose last file was written without it.
 */
static struct {
	struct op op;
	struct throttle *owner; /* NULL: nothing is under way, or nobody wants to know */
	int fd;
	bool busy, published;
} under_way = { .fd = -1 };

static void sync_next(struct throttle *t, int fd, bool published)
{
	under_way.owner = t;
	under_way.fd = fd;
	under_way.busy = true;
	under_way.published = published;
	loop_fsync(t->loop, &under_way.op, fd, false);
}

static void synced(struct op *op UNUSED, int result, bool more UNUSED)
{
	struct throttle *t = TAKE(under_way.owner);
	struct err err;
	int r = fault_at("throttle.state.sync", result);

	under_way.busy = false;
	fd_close(&under_way.fd);
	if (t == NULL)
		return;
	if (r < 0)
		r = err_code(&err, r, "sync '%s'", t->path_new);
	else if (!under_way.published)
		r = publish(t, &err);
	else
		r = 0;
	if (r >= 0 && !under_way.published)
		sync_next(t, r, true);
	else
		finish(t, r, &err);
}

void keep_write(struct throttle *t)
{
	struct err err;
	int fd;

	t->urgent = true;
	if (under_way.busy || t->ticks < t->wait_ticks)
		return;
	fd = write_new(t, &err);
	under_way.op.done = synced;
	if (fd < 0)
		finish(t, fd, &err);
	else
		sync_next(t, fd, false);
}

void keep_write_last(struct throttle *t)
{
	AUTO(fd_close) int fd = -1, dir = -1;
	struct err err;
	int r;

	if (under_way.owner == t)
		under_way.owner = NULL;
	fd = write_new(t, &err);
	r = fd;
	if (r >= 0 && fsync(fd) < 0)
		r = err_errno(&err, "sync '%s'", t->path_new);
	if (r >= 0)
		r = dir = publish(t, &err);
	if (r >= 0 && fsync(dir) < 0)
		r = err_errno(&err, "sync the directory of '%s'", t->path);
	finish(t, r, &err);
}

/* --- reading --- */

static void take_entry(void *arg, enum throttle_list l, const struct prefix_entry *e)
{
	struct throttle *t = arg;
	struct err err;

	if (prefix_set_find(&t->lists[l], &e->p) == NULL &&
	    prefix_set_put(&t->lists[l], e, &err) < 0)
		log_warning("Throttle State File = %s: %s", t->path, err.text);
}

static void take_account(void *arg, const struct account_source *s, uint64_t age_ns)
{
	struct throttle *t = arg;
	uint64_t now = loop_now_ns(t->loop);

	if (!lists_allow(t, &s->prefix, now) && !account_is_nobody(s->prefix.addr))
		account_restore(t->account, s, age_ns, now);
}

static int read_file(const char *path, char **ret_text, size_t *ret_n, struct err *err)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_errno(err, "open");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > STATE_BYTES_MAX)
		return err_set(err, ERR_INPUT, -EINVAL, "not a file of at most 16 MiB");
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	n = read(fd, text, (size_t)st.st_size);
	if (n < 0) {
		free(text);
		return err_errno(err, "read");
	}
	*ret_text = text;
	*ret_n = (size_t)n;
	return 0;
}

/* What another version wrote, or somebody else, is not ours to overwrite. */
static void set_aside(const struct throttle *t)
{
	AUTO(str_fini) struct str aside;

	str_init(&aside, PATH_MAX);
	str_addf(&aside, "%s.unknown", t->path);
	if (!aside.failed && rename(t->path, str_view(&aside)) == 0)
		log_warning("Throttle State File = %s: it is not of this version, starts anew, and "
			    "is kept as %s",
			    t->path, str_view(&aside));
	else
		log_warning("Throttle State File = %s: it is not of this version and starts anew",
			    t->path);
}

void keep_read(struct throttle *t)
{
	const struct state_reader reader = { take_entry, take_account, t };
	const struct state_clock now = clock_of(t);
	char *text = NULL;
	struct err err;
	size_t n = 0;
	int r = read_file(t->path, &text, &n, &err);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_warning("Throttle State File = %s: %s; nothing is taken from it", t->path,
			    err.text);
		return;
	}
	t->restoring = true;
	r = state_read(bytes_of(text, n), &now, &reader);
	t->restoring = false;
	free(text);
	if (r < 0)
		set_aside(t);
	else if (r > 0)
		log_warning("Throttle State File = %s: %d of its lines make no sense; the rest is "
			    "taken",
			    t->path, r);
	else
		log_info("Throttle: %zu accounts, %zu of them with a penalty, are taken over from "
			 "%s",
			 account_n(t->account), account_penalised_n(t->account), t->path);
}
