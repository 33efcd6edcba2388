/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/quarantine_list.c - reading the quarantine back: list, find, sweep. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"
#include "store/quarantine.h"
#include "store/quarantine_internal.h"
#include "store/store_internal.h"

#define FACTS_MAX_BYTES MIB
#define OPEN_DIR        (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *const kinds[] = { "spam", "nonspam", "mcp", "nonmcp" };

static bool is_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], name) == 0)
			return true;
	return false;
}

/* --- names of one directory, sorted --- */

struct names {
	struct dirent **v;
	int n;
};

static void names_fini(struct names *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct names){ 0 };
}

static int is_day(const struct dirent *e)
{
	return quarantine_day_is_valid(e->d_name) ? 1 : 0;
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.' ? 1 : 0;
}

static int is_hidden_tmp(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] == '.' && n > 5 && strcmp(e->d_name + n - 4, ".tmp") == 0 ? 1 : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
	return by_name(b, a);
}

static int names_read(struct names *l, int fd, int (*want)(const struct dirent *),
		      int (*order)(const struct dirent **, const struct dirent **))
{
	int n = STORE_CALL("quarantine_readdir", scandirat(fd, ".", &l->v, want, order));

	if (n < 0)
		return n;
	l->n = n;
	return 0;
}

/* --- one item --- */

struct place {
	const char *dir, *day, *kind; /* @kind NULL: directly in the day */
	int fd;                       /* of the day, or of the kind in it */
};

struct loaded {
	struct quarantine_item item;
	struct str path, facts;
};

static void loaded_init(struct loaded *l)
{
	*l = (struct loaded){ 0 };
	str_init(&l->path, 4096);
	str_init(&l->facts, FACTS_MAX_BYTES);
}

static void loaded_fini(struct loaded *l)
{
	str_fini(&l->path);
	str_fini(&l->facts);
}

/* What a power cut has left of a note is none. */
static bool is_object(struct bytes b)
{
	b = bytes_trim(b);
	return b.n >= 2 && b.p[0] == '{' && b.p[b.n - 1] == '}';
}

static const char *read_facts(int dir_fd, struct str *s)
{
	int fd AUTO(fd_close) =
		openat(dir_fd, QUARANTINE_FACTS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char buf[4096];
	ssize_t n;

	while (fd >= 0 && !s->failed && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_bytes(s, bytes_of(buf, (size_t)n));
	return !s->failed && is_object(str_bytes(s)) ? str_view(s) : NULL;
}

/* The message's size; or, when only parts of it were stored, theirs. */
static uint64_t stored_bytes(int dir_fd)
{
	struct names files AUTO(names_fini) = { 0 };
	uint64_t sum = 0;
	struct stat st;

	if (fstatat(dir_fd, "message", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		return (uint64_t)st.st_size;
	if (names_read(&files, dir_fd, is_visible, by_name) < 0)
		return 0;
	for (int i = 0; i < files.n; i++)
		if (fstatat(dir_fd, files.v[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return sum;
}

static bool load(struct loaded *l, const struct place *at, const char *id)
{
	struct stat st;

	if (fstatat(at->fd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	str_reset(&l->path);
	str_reset(&l->facts);
	str_addf(&l->path, "%s/%s/%s%s%s", at->dir, at->day, at->kind == NULL ? "" : at->kind,
		 at->kind == NULL ? "" : "/", id);
	l->item = (struct quarantine_item){ .day = at->day,
					    .id = id,
					    .path = str_view(&l->path),
					    .kind = at->kind == NULL ? "infected" : at->kind,
					    .size_bytes = (uint64_t)st.st_size,
					    .stored_s = st.st_mtime };
	if (S_ISDIR(st.st_mode)) {
		int fd AUTO(fd_close) = openat(at->fd, id, OPEN_DIR);

		if (fd < 0)
			return false;
		l->item.size_bytes = stored_bytes(fd);
		l->item.facts = read_facts(fd, &l->facts);
		return !l->path.failed;
	}
	/* MailScanner stores a whole message as a plain file, but only in the kinds' directories */
	return S_ISREG(st.st_mode) && at->kind != NULL && !l->path.failed;
}

/* --- list --- */

typedef int each_item(const struct quarantine_item *i, void *arg);

static int list_place(const struct place *at, each_item *each, void *arg)
{
	struct names ids AUTO(names_fini) = { 0 };
	struct loaded l AUTO(loaded_fini);
	int r = 0;

	loaded_init(&l);
	if (names_read(&ids, at->fd, is_visible, by_name) < 0)
		return 0;
	for (int i = 0; i < ids.n && r == 0; i++) {
		if (at->kind == NULL && is_kind(ids.v[i]->d_name))
			continue;
		if (load(&l, at, ids.v[i]->d_name))
			r = each(&l.item, arg);
	}
	return r;
}

static int list_day(const char *dir, int root_fd, const char *day, each_item *each, void *arg)
{
	int day_fd AUTO(fd_close) = openat(root_fd, day, OPEN_DIR);
	struct place at = { .dir = dir, .day = day, .fd = day_fd };
	int r;

	if (day_fd < 0)
		return 0;
	r = list_place(&at, each, arg);
	for (size_t i = 0; i < ARRAY_LEN(kinds) && r == 0; i++) {
		int fd AUTO(fd_close) = openat(day_fd, kinds[i], OPEN_DIR);

		at.fd = fd;
		at.kind = kinds[i];
		if (fd >= 0)
			r = list_place(&at, each, arg);
	}
	return r;
}

static int open_days(const char *dir, int *ret_fd, struct names *days, struct err *err)
{
	int r;

	*ret_fd = STORE_CALL("quarantine_open", open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	r = *ret_fd < 0 ? *ret_fd : names_read(days, *ret_fd, is_day, newest_first);
	return r < 0 ? err_code(err, r, "read quarantine '%s'", dir) : 0;
}

int quarantine_list(const char *dir, each_item *each, void *arg, struct err *err)
{
	struct names days AUTO(names_fini) = { 0 };
	int root_fd AUTO(fd_close) = -1;
	int r = open_days(dir, &root_fd, &days, err);

	for (int i = 0; i < days.n && r == 0; i++)
		r = list_day(dir, root_fd, days.v[i]->d_name, each, arg);
	return r;
}

/* --- find --- */

/* 0, or -ENOENT: @l has not been filled. */
static int find_in_day(struct loaded *l, const char *dir, int root_fd, const char *day,
		       const char *id)
{
	int day_fd AUTO(fd_close) = openat(root_fd, day, OPEN_DIR);
	struct place at = { .dir = dir, .day = day, .fd = day_fd };

	if (day_fd < 0)
		return -ENOENT;
	if (load(l, &at, id))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int fd AUTO(fd_close) = openat(day_fd, kinds[i], OPEN_DIR);

		at.fd = fd;
		at.kind = kinds[i];
		if (fd >= 0 && load(l, &at, id))
			return 0;
	}
	return -ENOENT;
}

static int copy_item(const struct quarantine_item *i, struct arena *a,
		     struct quarantine_item *ret_i, struct err *err)
{
	struct quarantine_item c = *i; /* kind is static */

	c.day = arena_str(a, bytes_str(i->day));
	c.id = arena_str(a, bytes_str(i->id));
	c.path = arena_str(a, bytes_str(i->path));
	if (i->facts != NULL)
		c.facts = arena_str(a, bytes_str(i->facts));
	if (c.day == NULL || c.id == NULL || c.path == NULL ||
	    (i->facts != NULL && c.facts == NULL))
		return err_set(err, ERR_LIMIT, -ENOMEM, "quarantine item %s: out of memory", i->id);
	*ret_i = c;
	return 0;
}

int quarantine_find(const char *dir, const char *id, struct arena *a, struct quarantine_item *ret_i,
		    struct err *err)
{
	struct names days AUTO(names_fini) = { 0 };
	struct loaded l AUTO(loaded_fini);
	int root_fd AUTO(fd_close) = -1;
	int r;

	loaded_init(&l);
	r = open_days(dir, &root_fd, &days, err);
	if (r < 0)
		return r;
	if (!store_name_is_safe(id, 255) || is_kind(id))
		return err_set(err, ERR_INPUT, -ENOENT, "'%s' is not an id", id);
	for (int i = 0; i < days.n; i++) {
		r = find_in_day(&l, dir, root_fd, days.v[i]->d_name, id);
		if (r == 0)
			return copy_item(&l.item, a, ret_i, err);
	}
	return err_set(err, ERR_INPUT, -ENOENT, "quarantine '%s' has no message %s", dir, id);
}

/* --- sweep --- */

/* Who is at work on it holds its lock. */
static bool sweep_tmp(int day_fd, const char *name)
{
	int fd AUTO(fd_close) = openat(day_fd, name, OPEN_DIR);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !quarantine_is_at(fd, day_fd, name))
		return false;
	quarantine_remove_dir(day_fd, name);
	return true;
}

static int sweep_day(int root_fd, const char *day)
{
	struct names tmp AUTO(names_fini) = { 0 };
	int day_fd AUTO(fd_close) = openat(root_fd, day, OPEN_DIR), removed = 0;

	if (day_fd < 0 || names_read(&tmp, day_fd, is_hidden_tmp, by_name) < 0)
		return 0;
	for (int i = 0; i < tmp.n; i++)
		removed += sweep_tmp(day_fd, tmp.v[i]->d_name);
	return removed;
}

int quarantine_sweep(const char *dir, struct err *err)
{
	struct names days AUTO(names_fini) = { 0 };
	int root_fd AUTO(fd_close) = -1;
	int r = open_days(dir, &root_fd, &days, err), removed = 0;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (int i = 0; i < days.n; i++)
		removed += sweep_day(root_fd, days.v[i]->d_name);
	return removed;
}
