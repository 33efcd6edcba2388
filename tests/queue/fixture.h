/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/queue/fixture.h - temporary queue directories with files in them. */
#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/queue.h"
#include "tests/t.h"

struct fixture {
	char root[64]; /* holds in/ and out/ */
	char in[80], out[80];
	struct queue_settings set;
	struct arena *a;
};

static inline void fixture_die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static inline void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	(void)snprintf(f->root, sizeof(f->root), "%s/sp-queue-XXXXXX",
		       getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	if (mkdtemp(f->root) == NULL)
		fixture_die("mkdtemp");
	(void)snprintf(f->in, sizeof(f->in), "%s/in", f->root);
	(void)snprintf(f->out, sizeof(f->out), "%s/out", f->root);
	if (mkdir(f->in, 0700) < 0 || mkdir(f->out, 0700) < 0)
		fixture_die("mkdir");
	f->set = (struct queue_settings){ .owner = geteuid(), .header_max_bytes = 4 * MIB };
	f->a = arena_new(32 * MIB);
	if (f->a == NULL)
		fixture_die("arena");
}

static inline int fixture_rm(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static inline void fixture_fini(struct fixture *f)
{
	arena_free(&f->a);
	if (nftw(f->root, fixture_rm, 16, FTW_DEPTH | FTW_PHYS) != 0)
		fixture_die("rm");
}

static inline const char *fixture_path(const char *dir, const char *name)
{
	static char path[4][800];
	static unsigned turn;
	char made[800]; /* @dir may be one of the four */

	(void)snprintf(made, sizeof(made), "%s/%s", dir, name);
	turn = (turn + 1) % 4;
	return memcpy(path[turn], made, sizeof(made));
}

static inline void put_bytes(const char *dir, const char *name, struct bytes b)
{
	FILE *f = fopen(fixture_path(dir, name), "we");

	if (f == NULL || (b.n > 0 && fwrite(b.p, b.n, 1, f) != 1) || fclose(f) != 0)
		fixture_die(name);
	if (chmod(fixture_path(dir, name), 0640) < 0)
		fixture_die(name);
}

static inline void put(const char *dir, const char *name, const char *text)
{
	put_bytes(dir, name, bytes_str(text));
}

/* Content of a file, lent until the fourth call; "(none)" when it is not there. */
static inline struct bytes get(const char *dir, const char *name)
{
	static char buf[4][256 * 1024];
	static unsigned turn;
	FILE *f = fopen(fixture_path(dir, name), "re");
	size_t n;

	turn = (turn + 1) % 4;
	if (f == NULL)
		return BYTES("(none)");
	n = fread(buf[turn], 1, sizeof(buf[turn]), f);
	(void)fclose(f);
	return bytes_of(buf[turn], n);
}

static inline bool holds(const char *dir, const char *name, const char *text)
{
	return bytes_eq(get(dir, name), bytes_str(text));
}

static inline bool there(const char *dir, const char *name)
{
	struct stat st;

	return lstat(fixture_path(dir, name), &st) == 0;
}

static inline ino_t inode_of(const char *dir, const char *name)
{
	struct stat st;

	return lstat(fixture_path(dir, name), &st) == 0 ? st.st_ino : 0;
}

/* Entries of @dir, . and .. not counted. */
static inline unsigned count_files(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	if (d == NULL)
		fixture_die(dir);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2;
}

static inline struct queue_dir *open_queue(const struct fixture *f, const char *mta,
					   const char *path)
{
	struct queue_dir *d = NULL;
	struct err err;

	if (queue_dir_open(&d, queue_find(mta), path, &f->set, &err) < 0)
		fixture_die(err.text);
	return d;
}

/* Small messages of both formats. */
#define QF_ID "6AMKk9u3014211"
#define QF                                                                                         \
	"V8\nT1795380369\nK0\nN0\nP30140\nFbs\n$_host [10.1.2.3]\n$rESMTP\n$shelo.test\n"          \
	"${daemon_flags}\nS<Alice@Sender.test>\nrRFC822; Bob@Rcpt.test\nRPFD:<Bob@Rcpt.test>\n"    \
	"H?P?Return-Path: <\x81g>\nH??Received: from x (x [10.9.9.9])\n\tby y; date\n"             \
	"H??Subject: plain\n.\n"
#define DF "hello\nworld\n"

#define EX_ID "1xVETZ-00046K-2I"
#define EX_H                                                                                       \
	EX_ID "-H\nDebian-exim 999 995\n<Alice@Sender.test>\n1795380473 0\n"                       \
	      "--helo_name helo.test\n-host_address [10.1.2.3]:36106\n--aclc _conn "               \
	      "10\nmulti\nline"                                                                    \
	      "\n-body_linecount 2\nXX\n1\nBob@Rcpt.test\n\n"                                      \
	      "041P Received: from x (x [10.9.9.9])\n\tby y; d\n015  Subject: plain\n"
#define EX_D EX_ID "-D\nhello\nworld\n"

#endif
