/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/keep.c - the state file: written whole under another name, then renamed. It is not
 * synced: what a power cut loses is forgiven.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "throttle/internal.h"

#define STATE_BYTES_MAX (16 * MIB)
#define COSTLIEST_KEPT  ACCOUNT_COSTLIEST_MAX

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

static int write_file(const char *path, struct bytes text, struct err *err)
{
	AUTO(fd_close) int fd = -1;
	char part[4096];

	if (snprintf(part, sizeof(part), "%s.new", path) >= (int)sizeof(part))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "name is too long");
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "open '%s'", part);
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0)
			return err_errno(err, "write '%s'", part);
		text = bytes_from(text, (size_t)n);
	}
	return rename(part, path) < 0 ? err_errno(err, "rename '%s'", part) : 0;
}

void keep_write(struct throttle *t)
{
	struct writing w = { .now = clock_of(t) };
	struct err err;
	int r;

	t->dirty = t->urgent = false;
	t->ticks = 0;
	str_init(&w.out, STATE_BYTES_MAX);
	compose(t, &w);
	if (w.out.failed)
		r = err_set(&err, ERR_LIMIT, -EFBIG, "more than 16 MiB, or out of memory");
	else
		r = write_file(t->path, str_bytes(&w.out), &err);
	str_fini(&w.out);
	if (r < 0 && !t->unwritten)
		log_warning("Throttle State File = %s: %s; a restart forgives what is owed",
			    t->path, err.text);
	t->unwritten = r < 0;
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
	t->restoring = true;
	if (r == 0) {
		r = state_read(bytes_of(text, n), &now, &reader);
		if (r != 0)
			(void)err_set(&err, ERR_INPUT, -EBADMSG,
				      r < 0 ? "it is none" : "%d of its lines make no sense", r);
	}
	t->restoring = false;
	free(text);
	if (r != 0)
		log_warning("Throttle State File = %s: %s; the rest is taken", t->path, err.text);
	else
		log_info("Throttle: %zu accounts, %zu of them with a penalty, are taken over from "
			 "%s",
			 account_n(t->account), account_penalised_n(t->account), t->path);
}
