/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Emptying a directory that a hostile worker has filled. */
#include "worker/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/t.h"

static char top[] = "/tmp/sallyport-scratch-test-XXXXXX";

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);

	must(fd >= 0);
	(void)close(fd);
}

static void flat(int dir)
{
	char name[32];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "file-%d", i);
		make_file(dir, name);
	}
	make_file(dir, "\xff\x01 -rf *");
	make_file(dir, "...");
}

/* Deeper than any stack or descriptor table. */
static void deep(int dir)
{
	int at = dup(dir);

	for (int i = 0; i < 1500; i++) {
		int next;

		must(mkdirat(at, "d", 0700) == 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(next >= 0);
		if (i % 100 == 0)
			make_file(at, "f");
		(void)close(at);
		at = next;
	}
	(void)close(at);
}

static void wide(int dir)
{
	char name[32];

	for (int i = 0; i < 100; i++) {
		int at;

		(void)snprintf(name, sizeof(name), "%d", i);
		must(mkdirat(dir, name, 0700) == 0);
		at = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (int k = 0; k < 10; k++) {
			(void)snprintf(name, sizeof(name), "%d", k);
			must(mkdirat(at, name, 0700) == 0);
		}
		make_file(at, "file");
		(void)close(at);
	}
}

/* Rights taken away from directories that are not empty. */
static void locked(int dir)
{
	int at, below;

	must(mkdirat(dir, "a", 0700) == 0);
	at = openat(dir, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(mkdirat(at, "b", 0700) == 0);
	below = openat(at, "b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_file(below, "c");
	must(fchmod(below, 0) == 0 && fchmod(at, 0) == 0);
	(void)close(below);
	(void)close(at);
}

/* The names that emptying itself would use. */
static void taken(int dir)
{
	char name[32];

	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), ".moved-%d", i);
		if (i % 2 == 0)
			make_file(dir, name);
		else
			must(mkdirat(dir, name, 0700) == 0);
	}
	deep(dir);
}

static void links(int dir)
{
	must(symlinkat("/etc", dir, "etc") == 0);
	must(symlinkat(".", dir, "self") == 0);
	must(symlinkat("..", dir, "up") == 0);
	must(mkdirat(dir, "d", 0700) == 0 && symlinkat("../../..", dir, "d/up") == 0);
	must(mkfifoat(dir, "pipe", 0600) == 0);
}

static void nothing(int dir UNUSED)
{
}

static const struct {
	const char *what;
	void (*fill)(int dir);
} trees[] = {
	{ "empty", nothing },
	{ "500 files", flat },
	{ "1500 levels", deep },
	{ "1000 directories", wide },
	{ "directories without rights", locked },
	{ "names that are taken", taken },
	{ "links and pipes", links },
};

static unsigned count(int fd)
{
	DIR *d = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned n = 0;

	must(d != NULL);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2;
}

static void check_trees(void)
{
	int outside = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	must(mkdirat(outside, "worker", 0700) == 0);
	make_file(outside, "precious");
	fd = openat(outside, "worker", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		int r;

		trees[i].fill(fd);
		r = scratch_clean(fd);
		T_OK(r == 0 && count(fd) == 0, "%s: %d, %u left", trees[i].what, r, count(fd));
	}
	T_OK(count(outside) == 2 && access("/etc/passwd", F_OK) == 0, "nothing else was touched");
	must(scratch_clean(outside) == 0);
	(void)close(fd);
	(void)close(outside);
}

static void check_plain(void)
{
	struct scratch s;
	struct stat st;
	char path[256];

	must(setenv("TMPDIR", top, 1) == 0);
	T_OK(scratch_init(&s, 3, MIB, false, getuid(), getgid(), NULL) == 0 && !s.is_tmpfs,
	     "plain directories below %s", s.root);
	T_OK(stat(scratch_path(&s, 2, path, sizeof(path)), &st) == 0 && S_ISDIR(st.st_mode) &&
		     (st.st_mode & 0777) == 0700,
	     "%s is private", path);
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/left");
	must(mkdir(path, 0) == 0);
	scratch_fini(&s);
	T_OK(rmdir(top) == 0, "nothing stays");
}

int main(void)
{
	must(mkdtemp(top) != NULL);
	check_trees();
	check_plain();
	return t_done();
}
