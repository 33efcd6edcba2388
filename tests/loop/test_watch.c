/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/watch: both kinds tell the same names for the same directories. */
#include "loop/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/t.h"

static char seen_names[512];

static void seen(void *arg UNUSED, void *cookie, const char *name)
{
	size_t n = strlen(seen_names);

	(void)snprintf(seen_names + n, sizeof(seen_names) - n, "%s/%s ",
		       cookie == NULL ? "lost" : (const char *)cookie, name == NULL ? "" : name);
}

static void touch(const char *dir, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
}

static void move(const char *dir, const char *from, const char *to)
{
	char a[256], b[256];

	(void)snprintf(a, sizeof(a), "%s/%s", dir, from);
	(void)snprintf(b, sizeof(b), "%s/%s", dir, to);
	T_OK(rename(a, b) == 0, "rename %s", to);
}

static bool clean_up(const char *dir, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) == 0 && rmdir(dir) == 0;
}

static void try_kind(enum watch_kind kind, const char *word)
{
	char one[] = "/tmp/watch-XXXXXX", two[] = "/tmp/watch-XXXXXX";
	struct watch *w = NULL;
	struct err err = { .text = "" };

	if (mkdtemp(one) == NULL || mkdtemp(two) == NULL)
		return;
	if (watch_new(&w, kind, &err) < 0 || watch_add(w, one, "one", &err) < 0 ||
	    watch_add(w, two, "two", &err) < 0) {
		printf("# SKIP %s: %s\n", word, err.text);
		watch_free(&w);
		return;
	}
	seen_names[0] = '\0';
	touch(one, "tfA");
	move(one, "tfA", "qfA");
	touch(two, "B-D");
	T_OK(watch_read(w, seen, NULL, &err) == 1, "%s: events are there", word);
	T_OK(strstr(seen_names, "one/qfA ") != NULL, "%s: moved: %s", word, seen_names);
	T_OK(strstr(seen_names, "two/B-D ") != NULL, "%s: closed after writing", word);
	T_OK(watch_read(w, seen, NULL, &err) == 0, "%s: then nothing", word);
	watch_free(&w);
	T_OK(clean_up(one, "qfA") && clean_up(two, "B-D"), "clean up");
}

int main(void)
{
	try_kind(WATCH_INOTIFY, "inotify");
	try_kind(WATCH_FANOTIFY, "fanotify");
	return t_done();
}
