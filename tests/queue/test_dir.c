/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue_dir, queue_expand, queue_kick: layouts, listing, names, what Incoming Queue Dir means. */
#include <errno.h>

#include "queue/queue.h"
#include "tests/queue/fixture.h"

static void make_dir(const char *dir, const char *name, mode_t mode)
{
	if (mkdir(fixture_path(dir, name), 0700) < 0 || chmod(fixture_path(dir, name), mode) < 0)
		fixture_die(name);
}

/* All ids of a listing, sorted, with blanks between them. */
static const char *list(struct queue_dir *d, unsigned slice)
{
	static char text[4096];
	static struct err err;
	char ids[64][QUEUE_ID_MAX], id[QUEUE_ID_MAX];
	size_t n = 0, pauses = 0;
	int r;

	if (queue_list_begin(d, &err) < 0)
		return err.text;
	while ((r = queue_list_next(d, slice, id, &err)) != 0) {
		if (r == -EAGAIN && ++pauses < 1000)
			continue;
		if (r < 0)
			return err.text;
		if (n < ARRAY_LEN(ids))
			memcpy(ids[n++], id, sizeof(id));
	}
	qsort(ids, n, sizeof(ids[0]), (int (*)(const void *, const void *))strcmp);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t at = strlen(text);

		(void)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? " " : "", ids[i]);
	}
	return text;
}

/* Counted in slices; a listing under way is not disturbed. */
static uint64_t count(struct queue_dir *d, unsigned slice, unsigned *ret_pauses)
{
	uint64_t n = UINT64_MAX;

	*ret_pauses = 0;
	while (queue_count(d, slice, &n) == -EAGAIN && *ret_pauses < 1000)
		++*ret_pauses;
	return n;
}

static void test_count(void)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	char id[QUEUE_ID_MAX];
	struct fixture f;
	unsigned pauses = 0;
	uint64_t n;
	struct err err;

	fixture_init(&f);
	put(f.in, "qf1", "x");
	put(f.in, "df1", "x");
	put(f.in, "qf2", "x");
	make_dir(f.in, "q1", 0700);
	put(fixture_path(f.in, "q1"), "qf3", "x");
	d = open_queue(&f, "sendmail", f.in);
	n = count(d, 1, &pauses);
	T_OK(n == 3 && pauses >= 4, "three messages, %u pauses", pauses);
	T_OK(queue_list_begin(d, &err) == 0 && queue_list_next(d, 1000, id, &err) == 1 &&
		     count(d, 1000, &pauses) == 3 && pauses == 0 &&
		     queue_list_next(d, 1000, id, &err) == 1 &&
		     queue_list_next(d, 1000, id, &err) == 1 &&
		     queue_list_next(d, 1000, id, &err) == 0,
	     "a listing goes on where it was");
	put(f.in, "qf4", "x");
	T_OK(count(d, 1000, &pauses) == 4, "each count begins anew");
	(void)unlink(fixture_path(f.in, "q1/qf3"));
	(void)rmdir(fixture_path(f.in, "q1"));
	T_OK(count(d, 1000, &pauses) == 3, "a directory that is gone is empty");
	fixture_fini(&f);
}

static void test_find(void)
{
	T_OK(queue_find("Sendmail") != NULL &&
		     strcmp(queue_name(queue_find("Sendmail")), "sendmail") == 0,
	     "sendmail");
	T_OK(queue_find("exim4") != NULL && strcmp(queue_name(queue_find("exim4")), "exim") == 0,
	     "exim4");
	T_OK(queue_find("postfix") == NULL && queue_find("") == NULL && queue_find("exi") == NULL,
	     "others are not known");
}

static void test_sendmail_layouts(void)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	struct fixture f;

	fixture_init(&f);
	put(f.in, "qf1", "x");
	put(f.in, "df1", "x");
	put(f.in, "tf2", "x");
	put(f.in, "hf3", "x");
	put(f.in, "qf", "x");
	put(f.in, "qf.bad", "x");
	put(f.in, "qf-4", "x");
	put(f.in, "qf123456789012345678901234567890123456789012345678901234567890123456", "x");
	make_dir(f.in, "qf5", 0700);
	(void)!symlink("qf1", fixture_path(f.in, "qf6"));
	(void)!mkfifo(fixture_path(f.in, "qf7"), 0600);
	d = open_queue(&f, "sendmail", f.in);
	T_OK(strcmp(list(d, 1), "1 5 6 7") == 0,
	     "flat: names of header files, whatever they are: %s", list(d, 1));
	T_OK(strcmp(list(d, 1000), "1 5 6 7") == 0, "again, in one slice");
	queue_dir_close(&d);
	fixture_fini(&f);

	fixture_init(&f);
	make_dir(f.in, "qf", 0700);
	make_dir(f.in, "df", 0700);
	make_dir(f.in, "q1", 0700);
	make_dir(fixture_path(f.in, "q1"), "qf", 0700);
	make_dir(f.in, "q2", 0700);
	put(fixture_path(f.in, "qf"), "qfA", "x");
	put(fixture_path(f.in, "q1"), "qfnot", "x");
	put(fixture_path(f.in, "q1/qf"), "qfB", "x");
	put(fixture_path(f.in, "q2"), "qfC", "x");
	d = open_queue(&f, "sendmail", f.in);
	T_OK(strcmp(list(d, 2), "A B C") == 0, "qf/ and queue groups: %s", list(d, 2));
	T_OK(queue_dir_watch_n(d) == 3, "three directories to watch");
	T_OK(strcmp(queue_dir_watch_path(d, 0), fixture_path(f.in, "qf")) == 0, "  the one of qf/");
	fixture_fini(&f);
}

static void test_exim_layouts(void)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	char id[QUEUE_ID_MAX];
	struct fixture f;

	fixture_init(&f);
	make_dir(f.in, "Z", 0700);
	make_dir(f.in, "ab", 0700);
	(void)!symlink("Z", fixture_path(f.in, "Y"));
	put(f.in, EX_ID "-H", "x");
	put(f.in, "10HmaX-000000005vi-0000-H", "x");
	put(f.in, EX_ID "-D", "x");
	put(f.in, EX_ID "-J", "x");
	put(f.in, "hdr." EX_ID, "x");
	put(f.in, "1xVETZ-00046K-2-H", "x");
	put(f.in, "1xVETZ-00046K-2I1-H", "x");
	put(f.in, "1xVETZ_00046K-2I-H", "x");
	put(fixture_path(f.in, "Z"), "1xVETZ-00046K-2J-H", "x");
	d = open_queue(&f, "exim", f.in);
	T_OK(strcmp(list(d, 1), "10HmaX-000000005vi-0000 " EX_ID " 1xVETZ-00046K-2J") == 0,
	     "flat and split: %s", list(d, 1));
	T_OK(queue_dir_watch_n(d) == 2, "two directories to watch");
	make_dir(f.in, "q", 0700);
	put(fixture_path(f.in, "q"), "1xVETq-00046K-2K-H", "x");
	T_OK(strstr(list(d, 9), "1xVETq-00046K-2K") != NULL && queue_dir_watch_n(d) == 3,
	     "a new split directory is found by the next listing");
	(void)!unlink(fixture_path(f.in, "q/1xVETq-00046K-2K-H"));
	(void)!rmdir(fixture_path(f.in, "q"));
	T_OK(strstr(list(d, 9), "1xVETq") == NULL, "and is forgotten when it goes");
	make_dir(f.in, "q", 0700);
	put(fixture_path(f.in, "q"), "1xVETq-00046K-2L-H", "x");
	T_OK(strstr(list(d, 9), "1xVETq-00046K-2L") != NULL, "and found when it comes again");

	T_OK(queue_name_to_id(d, 0, EX_ID "-H", id) && strcmp(id, EX_ID) == 0,
	     "event: header file");
	T_OK(queue_name_to_id(d, 1, EX_ID "-D", id), "event: body file, whose lock is gone");
	T_OK(!queue_name_to_id(d, 0, "hdr." EX_ID, id) && !queue_name_to_id(d, 0, "", id) &&
		     !queue_name_to_id(d, 0, "-H", id) && !queue_name_to_id(d, 99, EX_ID "-H", id),
	     "event: not these");
	fixture_fini(&f);
}

static void test_refused(void)
{
	struct queue_dir *d = NULL;
	struct fixture f;
	struct err err = { .text = "" };

	fixture_init(&f);
	put(f.in, "file", "x");
	T_OK(queue_dir_open(&d, queue_find("exim"), fixture_path(f.in, "none"), &f.set, &err) ==
			     -ENOENT &&
		     d == NULL,
	     "no directory: %s", err.text);
	T_OK(queue_dir_open(&d, queue_find("exim"), fixture_path(f.in, "file"), &f.set, &err) ==
		     -ENOTDIR,
	     "a file: %s", err.text);
	make_dir(f.in, "open", 0777);
	T_OK(queue_dir_open(&d, queue_find("exim"), fixture_path(f.in, "open"), &f.set, &err) ==
			     -EPERM &&
		     err.kind == ERR_CONFIG,
	     "writable for everybody: %s", err.text);
	if (geteuid() == 0) {
		make_dir(f.in, "theirs", 0700);
		if (chown(fixture_path(f.in, "theirs"), 12345, 0) < 0)
			fixture_die("chown");
		T_OK(queue_dir_open(&d, queue_find("exim"), fixture_path(f.in, "theirs"), &f.set,
				    &err) == -EPERM,
		     "of somebody else: %s", err.text);
	}
	fixture_fini(&f);
}

static void test_many(void)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	char id[QUEUE_ID_MAX], name[32];
	unsigned n = 0, pauses = 0;
	struct fixture f;
	struct err err;
	int r;

	fixture_init(&f);
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof(name), "%s%06d", i % 100 == 0 ? "qf" : "df", i);
		put(f.in, name, "");
	}
	d = open_queue(&f, "sendmail", f.in);
	T_OK(queue_list_begin(d, &err) == 0, "listing of 2,000 files");
	while ((r = queue_list_next(d, 10, id, &err)) != 0)
		if (r == 1)
			n++;
		else
			pauses++;
	T_OK(n == 20, "%u header files", n);
	T_OK(pauses > 0, "in slices: %u pauses", pauses);
	T_OK(queue_list_next(d, 10, id, &err) == 0, "stays at the end");
	fixture_fini(&f);
}

/* --- Incoming Queue Dir --- */

static int expand(const struct fixture *f, const char *value, const char *content,
		  const char ***dirs, struct str *warnings)
{
	struct err err;
	char text[256];

	(void)snprintf(text, sizeof(text), "%s%s", f->root, value);
	str_reset(warnings);
	return queue_expand_dirs(text, content, f->a, dirs, warnings, &err);
}

static void test_expand(void)
{
	AUTO(str_fini) struct str w;
	const char **dirs;
	struct fixture f;
	char content[512];

	fixture_init(&f);
	str_init(&w, 4096);
	make_dir(f.root, "q1", 0700);
	make_dir(f.root, "q2", 0700);
	put(f.root, "q3", "a file");
	(void)!symlink("q1", fixture_path(f.root, "link"));
	T_OK(expand(&f, "/in", NULL, &dirs, &w) == 1 && strcmp(dirs[0], f.in) == 0 && w.n == 0,
	     "a directory");
	T_OK(expand(&f, "/q*", NULL, &dirs, &w) == 2 &&
		     strcmp(dirs[1], fixture_path(f.root, "q2")) == 0 && w.n == 0,
	     "a glob: only its directories");
	T_OK(expand(&f, "/none", NULL, &dirs, &w) == 0 && strstr(str_view(&w), "/none: no such"),
	     "missing: %s", str_view(&w));
	T_OK(expand(&f, "/z*", NULL, &dirs, &w) == 0 && strstr(str_view(&w), "matches no"),
	     "empty glob: %s", str_view(&w));
	T_OK(expand(&f, "/link", NULL, &dirs, &w) == 1 && strstr(str_view(&w), "symbolic link"),
	     "link: %s", str_view(&w));
	(void)snprintf(content, sizeof(content), "# queues\n\n %s # first\r\n%s/q?\n%s\n%s/none",
		       f.in, f.root, f.in, f.root);
	T_OK(expand(&f, "/list", content, &dirs, &w) == 3 && strcmp(dirs[0], f.in) == 0 &&
		     strstr(str_view(&w), "none"),
	     "a list: comments, globs, none twice, missing ones skipped");
	T_OK(queue_expand_dirs("/", NULL, f.a, &dirs, NULL, NULL) == 1, "warnings not wanted");
	fixture_fini(&f);
}

/* --- the kick --- */

static const char *kick(const struct fixture *f, const char *mta, const char *command,
			const char *const *ids, size_t n)
{
	AUTO(queue_dir_close) struct queue_dir *d = open_queue(f, mta, f->out);
	const char *dir = "unset";
	static char text[1024];
	static struct err err;
	char **argv;
	int r;

	r = queue_kick_argv(d, command, ids, n, f->a, &argv, &dir, &err);
	if (r < 0)
		return err.text;
	n = 0;
	for (size_t i = 0; argv[i] != NULL && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s|", argv[i]);
	if (n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - n, "%s", dir == NULL ? "" : dir);
	return text;
}

static void test_kick(void)
{
	static const char *const ids[] = { "A1", "B2" };
	const char *many[QUEUE_KICK_MAX + 1];
	struct fixture f;
	char want[512];

	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = "X";
	(void)snprintf(want, sizeof(want), "/usr/sbin/sendmail|-OQueueDirectory=%s|-qIA1|-qIB2|",
		       f.out);
	T_OK(strcmp(kick(&f, "sendmail", "/usr/sbin/sendmail", ids, 2), want) == 0, "sendmail");
	(void)snprintf(want, sizeof(want), "/e|-C|/c;$(x)|-Mc|A1|%s", f.out);
	T_OK(strcmp(kick(&f, "exim", "  /e\t-C  /c;$(x) ", ids, 1), want) == 0,
	     "exim, blanks, no shell: %s", kick(&f, "exim", "/e -C /c;$(x)", ids, 1));
	T_OK(strstr(kick(&f, "exim", "/e", many, QUEUE_KICK_MAX), "X|X|") != NULL, "thirty");
	T_OK(strstr(kick(&f, "exim", "/e", many, QUEUE_KICK_MAX + 1), "31 ids") != NULL,
	     "not more");
	T_OK(strstr(kick(&f, "exim", "/e", many, 0), "0 ids") != NULL, "not none");
	T_OK(strstr(kick(&f, "exim", " ", ids, 2), "Sendmail2") != NULL, "no command");
	T_OK(strstr(kick(&f, "exim", NULL, ids, 2), "Sendmail2") != NULL, "none at all");
	fixture_fini(&f);
}

int main(void)
{
	umask(022);
	test_find();
	test_count();
	test_sendmail_layouts();
	test_exim_layouts();
	test_refused();
	test_many();
	test_expand();
	test_kick();
	return t_done();
}
