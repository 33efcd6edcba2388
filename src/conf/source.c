/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/source.c - where configuration files come from. A disk source keeps every answer it gave,
 * also "is not there", so that a bundle of it answers exactly the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "conf/conf_internal.h"
#include "conf/source_internal.h"
#include "core/fault.h"

#define SOURCE_MAX_BYTES (4 * GIB)

static struct conf_store *store_of(struct conf_source *s)
{
	return (struct conf_store *)(void *)s;
}

struct conf_store *conf_store_new(void)
{
	struct conf_store *st = calloc(1, sizeof(*st));

	if (st == NULL)
		return NULL;
	st->arena = arena_new(SOURCE_MAX_BYTES);
	if (st->arena == NULL) {
		free(st);
		return NULL;
	}
	return st;
}

void conf_source_close(struct conf_source **s)
{
	struct conf_store *st;

	if (*s == NULL)
		return;
	st = store_of(*s);
	if (st->map != NULL)
		(void)munmap(st->map, st->map_bytes);
	arena_free(&st->arena);
	free(st);
	*s = NULL;
}

static unsigned bucket_of(enum conf_question what, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)what;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h % SOURCE_BUCKETS;
}

struct conf_answer *conf_store_find(struct conf_store *st, enum conf_question what,
				    const char *name)
{
	struct conf_answer *a = st->buckets[bucket_of(what, name)];

	while (a != NULL && (a->what != what || strcmp(a->name, name) != 0))
		a = a->next;
	return a;
}

struct conf_answer *conf_store_add(struct conf_store *st, enum conf_question what, const char *name)
{
	struct conf_answer **bucket = &st->buckets[bucket_of(what, name)];
	struct conf_answer *a = arena_zalloc(st->arena, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->what = what;
	a->name = arena_str(st->arena, bytes_str(name));
	if (a->name == NULL)
		return NULL;
	a->next = *bucket;
	*bucket = a;
	st->answers_n++;
	return a;
}

static int answer_text(const struct conf_answer *a, struct bytes *ret)
{
	if (a == NULL)
		return -ENOENT;
	if (a->code == 0)
		*ret = a->content;
	return a->code;
}

static int stored_read(struct conf_source *s, const char *path, struct bytes *ret)
{
	return answer_text(conf_store_find(store_of(s), CONF_ASK_READ, path), ret);
}

static int stored_env(struct conf_source *s, const char *name, struct bytes *ret)
{
	return answer_text(conf_store_find(store_of(s), CONF_ASK_ENV, name), ret);
}

static int stored_glob(struct conf_source *s, const char *pattern, struct bytes *ret)
{
	return answer_text(conf_store_find(store_of(s), CONF_ASK_GLOB, pattern), ret);
}

static enum conf_kind stored_kind(struct conf_source *s, const char *path, bool *ret_exec)
{
	const struct conf_answer *a = conf_store_find(store_of(s), CONF_ASK_KIND, path);

	*ret_exec = a != NULL && a->exec;
	return a == NULL ? CONF_NONE : (enum conf_kind)a->code;
}

static int stored_made(struct conf_source *s, const char *name, struct bytes *ret)
{
	return answer_text(conf_store_find(store_of(s), CONF_ASK_MADE, name), ret);
}

static void keep_made(struct conf_source *s, const char *name, struct bytes content)
{
	struct conf_store *st = store_of(s);
	void *copy = arena_dup(st->arena, content);
	struct conf_answer *a = copy == NULL ? NULL : conf_store_add(st, CONF_ASK_MADE, name);

	if (a != NULL)
		a->content = bytes_of(copy, content.n);
}

const char *conf_store_query_name(struct conf_store *st, const struct conf_query *q)
{
	static const char *const names[CONF_QUERIES] = { "serial", "peek", "settings", "ruleset",
							 "spamassassin" };

	return arena_printf(st->arena, "%s %s %s", q->ldap ? "ldap" : "sql", names[q->what],
			    q->argument);
}

static int stored_query(struct conf_source *s, const struct conf_query *q, struct bytes *ret,
			struct err *err)
{
	const char *name = conf_store_query_name(store_of(s), q);
	int r = name == NULL ? -ENOMEM
			     : answer_text(conf_store_find(store_of(s), CONF_ASK_QUERY, name), ret);

	if (r == 0)
		return 0;
	return err_set(err, ERR_BUG, r, "there is no answer of the database to '%s'",
		       SHOWN(bytes_str(name)));
}

/* A bundle is what others wrote after hiding. */
static void stored_hide(struct conf_source *s UNUSED, struct bytes part UNUSED)
{
}

void conf_store_answer_only(struct conf_store *st)
{
	st->ops = (struct conf_source){ stored_read, stored_kind, stored_glob,  stored_env,
					stored_made, keep_made,   stored_query, stored_hide };
}

/* ---- disk ---- */

/* One that somebody writes in place would be half a file; those of /proc say that they are empty.
 */
static bool at_end(int fd)
{
	uint8_t more;

	return read(fd, &more, 1) == 0;
}

static int read_all(int fd, size_t size, uint8_t *out, size_t *ret_n)
{
	size_t n = 0;

	while (n < size) {
		ssize_t r = read(fd, out + n, size - n);
		int f = fault_at("conf_read", r < 0 ? -errno : (int)MIN_OF(r, (ssize_t)INT32_MAX));

		if (f == -EINTR)
			continue;
		if (f < 0)
			return f;
		if (r == 0)
			return -EBUSY; /* it became shorter while being read */
		n += (size_t)r;
	}
	*ret_n = n;
	return at_end(fd) ? 0 : -EBUSY;
}

/* Sites name it where a file must be named and nothing is wanted. */
static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static int read_open_file(struct arena *arena, int fd, struct bytes *ret)
{
	struct stat st;
	uint8_t *p;
	size_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (is_null_device(&st)) {
		*ret = BYTES("");
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > CONF_FILE_MAX_BYTES)
		return -EFBIG;
	p = arena_alloc(arena, (size_t)st.st_size + 1);
	if (p == NULL)
		return -ENOMEM;
	r = read_all(fd, (size_t)st.st_size, p, &n);
	if (r < 0)
		return r;
	*ret = bytes_of(p, n);
	return 0;
}

const char *conf_why_unread(int code)
{
	switch (code) {
	case -EISDIR:
		return "it is a directory";
	case -EINVAL:
		return "it is a device, a pipe or a socket";
	case -EFBIG:
		return "it is larger than 64 MiB";
	case -EBUSY:
		return "it changed while it was read";
	default:
		return strerror(-code);
	}
}

static int disk_read(struct conf_source *s, const char *path, struct bytes *ret)
{
	struct conf_store *st = store_of(s);
	struct conf_answer *a = conf_store_find(st, CONF_ASK_READ, path);
	AUTO(fd_close) int fd = -1;

	if (a != NULL)
		return answer_text(a, ret);
	a = conf_store_add(st, CONF_ASK_READ, path);
	if (a == NULL)
		return -ENOMEM;
	/* O_NONBLOCK: a named pipe must not stop the start-up */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	a->code = fd < 0 ? -errno : read_open_file(st->arena, fd, &a->content);
	return answer_text(a, ret);
}

static enum conf_kind disk_kind(struct conf_source *s, const char *path, bool *ret_exec)
{
	struct conf_answer *a = conf_store_find(store_of(s), CONF_ASK_KIND, path);
	struct stat st;

	*ret_exec = false;
	if (a == NULL) {
		a = conf_store_add(store_of(s), CONF_ASK_KIND, path);
		if (a == NULL)
			return CONF_NONE;
		if (stat(path, &st) < 0)
			a->code = CONF_NONE;
		else if (S_ISDIR(st.st_mode))
			a->code = CONF_DIR;
		else
			a->code =
				S_ISREG(st.st_mode) || is_null_device(&st) ? CONF_FILE : CONF_OTHER;
		a->exec = a->code == CONF_FILE && (st.st_mode & 0111) != 0;
	}
	*ret_exec = a->exec;
	return (enum conf_kind)a->code;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names one a line; a name with a line feed in it would read as two and is left out. */
static int join_names(struct arena *arena, const glob_t *g, struct bytes *ret)
{
	size_t n = 0;
	char *out;

	for (size_t i = 0; i < g->gl_pathc; i++)
		n += strlen(g->gl_pathv[i]) + 1;
	out = arena_alloc(arena, n);
	if (out == NULL)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < g->gl_pathc; i++) {
		size_t len = strlen(g->gl_pathv[i]);

		if (strchr(g->gl_pathv[i], '\n') != NULL)
			continue;
		memcpy(out + n, g->gl_pathv[i], len);
		n += len;
		out[n++] = '\n';
	}
	*ret = bytes_of(out, n);
	return 0;
}

/* Why nothing matched: the directory in front of the first wildcard may be closed to us. */
static int why_no_match(const char *pattern)
{
	size_t n = strcspn(pattern, "*?[{");
	char dir[4096];

	while (n > 0 && pattern[n - 1] != '/')
		n--;
	if (n == 0 || n >= sizeof(dir))
		return -ENOENT;
	memcpy(dir, pattern, n);
	dir[n] = '\0';
	return access(dir, R_OK | X_OK) < 0 && errno == EACCES ? -EACCES : -ENOENT;
}

static int disk_glob(struct conf_source *s, const char *pattern, struct bytes *ret)
{
	struct conf_store *st = store_of(s);
	struct conf_answer *a = conf_store_find(st, CONF_ASK_GLOB, pattern);
	glob_t g;
	int r;

	if (a != NULL)
		return answer_text(a, ret);
	a = conf_store_add(st, CONF_ASK_GLOB, pattern);
	if (a == NULL)
		return -ENOMEM;
	/* own sort: glob's depends on the locale */
	r = glob(pattern, GLOB_NOSORT | GLOB_BRACE, NULL, &g);
	if (r == GLOB_NOSPACE)
		a->code = -ENOMEM;
	else if (r != 0)
		a->code = why_no_match(pattern);
	if (r == 0) {
		qsort(g.gl_pathv, g.gl_pathc, sizeof(*g.gl_pathv), by_name);
		a->code = join_names(st->arena, &g, &a->content);
		globfree(&g);
	}
	return answer_text(a, ret);
}

/* Shells keep HOSTNAME to themselves, yet the shipped configuration asks for it. */
static const char *env_value(const char *name, char *host, size_t host_size)
{
	const char *v = getenv(name);

	if (v != NULL || strcmp(name, "HOSTNAME") != 0)
		return v;
	if (gethostname(host, host_size) < 0)
		return NULL;
	host[host_size - 1] = '\0';
	return host;
}

static int disk_env(struct conf_source *s, const char *name, struct bytes *ret)
{
	struct conf_store *st = store_of(s);
	struct conf_answer *a = conf_store_find(st, CONF_ASK_ENV, name);
	char host[256];
	const char *v, *copy;

	if (a != NULL)
		return answer_text(a, ret);
	a = conf_store_add(st, CONF_ASK_ENV, name);
	if (a == NULL)
		return -ENOMEM;
	v = env_value(name, host, sizeof(host));
	copy = v == NULL ? NULL : arena_str(st->arena, bytes_str(v));
	if (copy == NULL)
		a->code = v == NULL ? -ENOENT : -ENOMEM;
	else
		a->content = bytes_str(copy);
	return answer_text(a, ret);
}

static void free_rows(void *rows)
{
	free(rows);
}

static int keep_rows(struct conf_store *st, const char *name, struct str *rows,
		     struct bytes *ret_rows, struct err *err)
{
	size_t n = rows->n;
	char *text = n == 0 ? NULL : str_take(rows);
	struct conf_answer *a = conf_store_add(st, CONF_ASK_QUERY, name);

	if (a == NULL || (n > 0 && (text == NULL || arena_on_free(st->arena, free_rows, text) < 0)))
		return err_set(err, ERR_TEMP, -ENOMEM, "rows of a database: out of memory");
	*ret_rows = a->content = bytes_of(text, n);
	return 0;
}

static int disk_query(struct conf_source *s, const struct conf_query *q, struct bytes *ret_rows,
		      struct err *err)
{
	struct conf_store *st = store_of(s);
	const char *name = conf_store_query_name(st, q);
	const struct conf_answer *a;
	AUTO(str_fini) struct str rows;
	int r;

	str_init(&rows, CONF_ROWS_MAX_BYTES);
	if (name == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	a = conf_store_find(st, CONF_ASK_QUERY, name);
	if (a != NULL)
		return answer_text(a, ret_rows);
	if (st->database == NULL)
		return err_set(err, ERR_CONFIG, -ENOTSUP, "databases are not asked here");
	r = st->database->ask(st->database, q, &rows, err);
	return r < 0 ? r : keep_rows(st, name, &rows, ret_rows, err);
}

/* In place: the answer is in memory of ours, and who needed the secret has it already. */
static void disk_hide(struct conf_source *s UNUSED, struct bytes part)
{
	char *p = (char *)(uintptr_t)part.p;

	for (size_t i = 0; i < part.n; i++)
		p[i] = '*';
}

const char *conf_switch_name(enum opt_id id, char out[CONF_SWITCH_NAME_MAX])
{
	(void)snprintf(out, CONF_SWITCH_NAME_MAX, CONF_PLACE_SWITCH ": %s", opt_rows[id].name);
	return out;
}

int conf_source_set_option(struct conf_source *disk, enum opt_id id, const char *value)
{
	struct conf_store *st = store_of(disk);
	char name[CONF_SWITCH_NAME_MAX];
	const char *copy = arena_str(st->arena, bytes_str(value));
	struct conf_answer *a =
		copy == NULL ? NULL : conf_store_add(st, CONF_ASK_MADE, conf_switch_name(id, name));

	if (a == NULL)
		return -ENOMEM;
	a->content = bytes_str(copy);
	return 0;
}

void conf_source_set_database(struct conf_source *disk, struct conf_database *d)
{
	store_of(disk)->database = d;
}

int conf_source_disk(struct conf_source **ret_s, struct err *err)
{
	struct conf_store *st = conf_store_new();

	if (st == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	st->ops = (struct conf_source){ disk_read,   disk_kind, disk_glob,  disk_env,
					stored_made, keep_made, disk_query, disk_hide };
	*ret_s = &st->ops;
	return 0;
}

/* ---- memory ---- */

struct names {
	const char **list;
	size_t n;
};

static int memory_match(struct conf_store *st, const char *pattern, struct names *out)
{
	out->list = arena_array(st->arena, st->answers_n + 1, sizeof(*out->list));
	if (out->list == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < SOURCE_BUCKETS; i++) {
		for (struct conf_answer *a = st->buckets[i]; a != NULL; a = a->next) {
			if (a->what == CONF_ASK_KIND &&
			    fnmatch(pattern, a->name, FNM_PATHNAME | FNM_PERIOD) == 0)
				out->list[out->n++] = a->name;
		}
	}
	return 0;
}

static int memory_glob(struct conf_source *s, const char *pattern, struct bytes *ret)
{
	struct conf_store *st = store_of(s);
	struct names found = { NULL, 0 };
	glob_t g = { 0 };
	int r = memory_match(st, pattern, &found);

	if (r < 0)
		return r;
	if (found.n == 0)
		return -ENOENT;
	qsort(found.list, found.n, sizeof(*found.list), by_name);
	g.gl_pathc = found.n;
	g.gl_pathv = (char **)(void *)found.list;
	return join_names(st->arena, &g, ret);
}

int conf_source_memory(struct conf_source **ret_s, struct err *err)
{
	struct conf_store *st = conf_store_new();

	if (st == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	conf_store_answer_only(st);
	st->ops.glob = memory_glob;
	st->ops.hide = disk_hide;
	*ret_s = &st->ops;
	return 0;
}

static struct conf_answer *get_or_add(struct conf_store *st, enum conf_question what,
				      const char *name)
{
	struct conf_answer *a = conf_store_find(st, what, name);

	return a != NULL ? a : conf_store_add(st, what, name);
}

int conf_source_add(struct conf_source *s, const char *path, enum conf_kind kind, bool exec,
		    struct bytes content)
{
	struct conf_store *st = store_of(s);
	struct conf_answer *k = get_or_add(st, CONF_ASK_KIND, path);
	struct conf_answer *r = get_or_add(st, CONF_ASK_READ, path);

	if (k == NULL || r == NULL)
		return -ENOMEM;
	k->code = (int)kind;
	k->exec = exec;
	r->code = kind == CONF_DIR ? -EISDIR : kind == CONF_FILE ? 0 : -ENOENT;
	r->content = bytes_of(arena_dup(st->arena, content), content.n);
	return r->content.p == NULL ? -ENOMEM : 0;
}

int conf_source_add_env(struct conf_source *memory, const char *name, const char *value)
{
	struct conf_store *st = store_of(memory);
	struct conf_answer *a = get_or_add(st, CONF_ASK_ENV, name);
	const char *copy = arena_str(st->arena, bytes_str(value));

	if (a == NULL || copy == NULL)
		return -ENOMEM;
	a->content = bytes_str(copy);
	return 0;
}

int conf_source_add_rows(struct conf_source *memory, const struct conf_query *q, struct bytes rows)
{
	struct conf_store *st = store_of(memory);
	const char *name = conf_store_query_name(st, q);
	struct conf_answer *a = name == NULL ? NULL : get_or_add(st, CONF_ASK_QUERY, name);

	if (a == NULL)
		return -ENOMEM;
	a->content = bytes_of(arena_dup(st->arena, rows), rows.n);
	return a->content.p == NULL ? -ENOMEM : 0;
}
