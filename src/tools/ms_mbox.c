/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ms_mbox.c - ms-d2mbox and ms-df2mbox: quarantined messages as one mbox. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tools/ms.h"
#include "tools/stored_mail.h"

struct mbox {
	char **seen; /* paths printed: "*" names both files of a queue entry */
	size_t seen_n, seen_cap;
	char *line; /* of getline() */
	size_t line_cap;
};

static void mbox_fini(struct mbox *b)
{
	for (size_t i = 0; i < b->seen_n; i++)
		free(b->seen[i]);
	free(b->seen);
	free(b->line);
	*b = (struct mbox){ 0 };
}

/* False: it is there already. */
static bool is_new(struct mbox *b, const char *path)
{
	for (size_t i = 0; i < b->seen_n; i++)
		if (strcmp(b->seen[i], path) == 0)
			return false;
	if (b->seen_n == b->seen_cap) {
		size_t want = b->seen_cap * 2 + 64;
		char **grown = reallocarray(b->seen, want, sizeof(*grown));

		if (grown == NULL)
			return true; /* rather twice than not at all */
		b->seen = grown;
		b->seen_cap = want;
	}
	b->seen[b->seen_n] = strdup(path);
	b->seen_n += b->seen[b->seen_n] != NULL;
	return true;
}

/* mboxrd: ">From" gets another '>', so that it can be undone. */
static void print_line(const char *line, size_t n)
{
	size_t quotes = 0;

	while (quotes < n && line[quotes] == '>')
		quotes++;
	if (n - quotes >= 5 && memcmp(line + quotes, "From ", 5) == 0)
		(void)putchar('>');
	(void)fwrite(line, 1, n, stdout);
	if (n == 0 || line[n - 1] != '\n')
		(void)putchar('\n');
}

static void print_text(struct bytes text)
{
	struct bytes line;

	while (bytes_next_line(&text, &line))
		print_line((const char *)line.p, line.n);
}

static void print_headers(const struct header_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].deleted)
			print_text(l->v[i].text);
	(void)putchar('\n');
}

static void print_from(const struct stored_mail *m)
{
	time_t t = (time_t)m->received_s;
	char when[40] = "Thu Jan  1 00:00:00 1970";
	bool known = m->sender != NULL && m->sender[0] != '\0' && strchr(m->sender, ' ') == NULL;
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)!strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	(void)printf("From %s %s\n", known ? m->sender : "MAILER-DAEMON", when);
}

static void close_file(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

/* What follows the headers, or all of it. */
static FILE *open_rest(const struct stored_mail *m)
{
	AUTO(fd_close) int fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (f == NULL)
		return NULL;
	fd = -1; /* its */
	if (fseeko(f, (off_t)m->at, SEEK_SET) < 0)
		close_file(&f);
	return f;
}

static int print_mail(const struct stored_mail *m, void *arg)
{
	AUTO(close_file) FILE *f = NULL;
	struct mbox *b = arg;
	ssize_t n;
	int bad;

	if (!is_new(b, m->path))
		return 0;
	f = open_rest(m);
	if (f == NULL) {
		(void)fprintf(stderr, "%s: %s\n", m->path, strerror(errno));
		return 1;
	}
	print_from(m);
	if (m->headers != NULL)
		print_headers(m->headers);
	while ((n = getline(&b->line, &b->line_cap, f)) > 0)
		print_line(b->line, (size_t)n);
	(void)putchar('\n');
	bad = ferror(f);
	if (bad != 0)
		(void)fprintf(stderr, "%s: cannot be read to its end\n", m->path);
	return bad != 0;
}

int ms_mbox(int argc, char **argv)
{
	AUTO(mbox_fini) struct mbox b = { 0 };
	unsigned failed = 0;

	if (argc < 2 || argv[1][0] == '-') {
		(void)fprintf(stderr,
			      "Usage: %s FOLDER|FILE...\n\nPrints quarantined messages as one "
			      "mbox: the file 'message' of a folder,\nthe queue files in it, or "
			      "single files (of queue files either of the two).\n",
			      argv[0]);
		return EX_USAGE;
	}
	for (int i = 1; i < argc; i++)
		failed += stored_mail_each(argv[i], print_mail, &b);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)fprintf(stderr, "%s: cannot write the mbox: %s\n", argv[0], strerror(errno));
		return EX_IOERR;
	}
	return failed > 0 ? EX_NOINPUT : EX_OK;
}
