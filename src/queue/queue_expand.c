/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue_expand.c - what option Incoming Queue Dir names: directories, globs, a list file. */
#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

#include "queue/queue_internal.h"

#define DIRS_MAX 1024

struct found {
	const char **v;
	size_t n;
	struct arena *a;
	struct str *warnings;
};

static void warn(struct found *f, const char *path, const char *what)
{
	if (f->warnings != NULL)
		str_addf(f->warnings, "%s%s: %s", f->warnings->n > 0 ? "\n" : "", path, what);
}

static int add_dir(struct found *f, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		warn(f, path, "no such directory; skipped");
		return 0;
	}
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		warn(f, path, "is a symbolic link; give the real, absolute path");
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i], path) == 0)
			return 0;
	if (f->n == DIRS_MAX)
		return err_set(err, ERR_CONFIG, -E2BIG,
			       "Incoming Queue Dir: more than %d directories", DIRS_MAX);
	f->v[f->n] = arena_str(f->a, bytes_str(path));
	if (f->v[f->n] == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "Incoming Queue Dir: out of memory");
	f->n++;
	return 0;
}

static int add_glob(struct found *f, const char *pattern, struct err *err)
{
	glob_t g = { 0 };
	int r = glob(pattern, GLOB_ONLYDIR, NULL, &g);
	struct stat st;

	if (r == GLOB_NOSPACE)
		return err_set(err, ERR_TEMP, -ENOMEM, "%s: out of memory", pattern);
	if (r != 0)
		warn(f, pattern, "matches no directory; skipped");
	r = 0;
	for (size_t i = 0; i < g.gl_pathc && r == 0; i++)
		if (stat(g.gl_pathv[i], &st) == 0 && S_ISDIR(st.st_mode))
			r = add_dir(f, g.gl_pathv[i], err);
	globfree(&g);
	return r;
}

static int add_entry(struct found *f, struct bytes entry, struct err *err)
{
	char *text = arena_str(f->a, entry);

	if (text == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "Incoming Queue Dir: out of memory");
	return strpbrk(text, "*?[") != NULL ? add_glob(f, text, err) : add_dir(f, text, err);
}

static int add_lines(struct found *f, struct bytes content, struct err *err)
{
	struct bytes line;
	int r = 0;

	while (r == 0 && bytes_next_line(&content, &line)) {
		ptrdiff_t hash = bytes_index(line, '#');

		line = bytes_trim(hash < 0 ? line : bytes_head(line, (size_t)hash));
		if (line.n > 0)
			r = add_entry(f, line, err);
	}
	return r;
}

int queue_expand_dirs(const char *value, const char *file_content, struct arena *a,
		      const char ***ret_dirs, struct str *warnings, struct err *err)
{
	struct found f = { .a = a, .warnings = warnings };
	int r;

	f.v = arena_array(a, DIRS_MAX, sizeof(*f.v));
	if (f.v == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "Incoming Queue Dir: out of memory");
	if (file_content != NULL)
		r = add_lines(&f, bytes_str(file_content), err);
	else
		r = add_entry(&f, bytes_trim(bytes_str(value)), err);
	if (r < 0)
		return r;
	*ret_dirs = f.v;
	return (int)f.n;
}
