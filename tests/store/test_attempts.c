/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/attempts: counts, limits, restarts, kills, broken files, every failing call. */
#include "store/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "tests/store/tmp.h"
#include "tests/t.h"

#define PLACES 8u
#define NOW    INT64_C(1700000000)

static struct attempts *open_at(const char *path, int64_t now)
{
	struct attempts *a = NULL;
	struct err err = { .kind = ERR_NONE };

	if (attempts_open(&a, path, PLACES, now, NULL, &err) < 0)
		printf("# %s\n", err.text);
	return a;
}

/* The count of @id as the next run sees it. */
static int count_after(const char *path, const char *id, int64_t now)
{
	struct attempts *a = open_at(path, now);
	unsigned place, count = 0;
	int r;

	if (a == NULL)
		return -1;
	r = attempts_begin(a, id, 0, now, &place, &count, NULL);
	if (r == 0)
		attempts_release(a, place);
	attempts_close(&a);
	return r == 0 ? (int)count - 1 : r;
}

static int rows(const char *path, bool archive)
{
	struct attempts_row row[16];
	struct attempts *a = NULL;
	int n = attempts_open_view(&a, path, NULL);

	if (n == 0)
		n = attempts_list(a, archive, row, 16, NULL);
	attempts_close(&a);
	return n;
}

static void test_life(void)
{
	const char *path = tmp_path("life.db");
	struct attempts *a = open_at(path, NOW);
	unsigned place = 99, count = 99;
	struct err err = { .kind = ERR_NONE };

	T_OK(a != NULL, "opens");
	T_OK(attempts_begin(a, "m1", 2, NOW, &place, &count, &err) == 0 && count == 1,
	     "first try of a new id");
	T_OK(attempts_done(a, place, &err) == 0 && rows(path, false) == 0,
	     "good mail writes no row");
	T_OK(attempts_done(a, place, &err) == -EBADF, "an id is ended once");
	T_OK(attempts_begin(a, "m1", 2, NOW, &place, &count, &err) == 0 &&
		     attempts_failed(a, place, NOW, 120, &err) == 0 && rows(path, false) == 1,
	     "a failure is a row");
	T_OK(attempts_begin(a, "m1", 2, NOW + 119, &place, &count, &err) == -EAGAIN,
	     "not before its next time");
	T_OK(attempts_begin(a, "m1", 2, NOW + 120, &place, &count, &err) == 0 && count == 2 &&
		     attempts_failed(a, place, NOW + 120, 120, &err) == 0,
	     "second try");
	T_OK(attempts_begin(a, "m1", 2, NOW + 121, &place, &count, &err) == -EDQUOT && count == 3,
	     "limit reached, whatever the time: %s", err.text);
	T_OK(attempts_archive(a, place, NOW + 121, &err) == 0 && rows(path, false) == 0 &&
		     rows(path, true) == 1,
	     "archived");
	T_OK(attempts_begin(a, "m1", 2, NOW, &place, &count, &err) == 0 && count == 1,
	     "then it is unknown again");
	attempts_release(a, place);
	T_OK(attempts_begin(a, "m2", 0, NOW, &place, &count, &err) == 0 &&
		     attempts_failed(a, place, NOW, 0, &err) == 0 &&
		     attempts_begin(a, "m2", 0, NOW, &place, &count, &err) == 0 && count == 2 &&
		     attempts_done(a, place, &err) == 0 && rows(path, false) == 0,
	     "without limit; success deletes the row");
	attempts_close(&a);
}

/* Not again for a while, and not counted: the host's fault. */
static void test_postpone(void)
{
	const char *path = tmp_path("postpone.db");
	struct attempts *a = open_at(path, NOW);
	unsigned place, count = 99;
	struct err err;

	for (unsigned i = 0; i < 3; i++) {
		T_OK(attempts_begin(a, "m", 2, NOW + i * 10, &place, &count, &err) == 0 &&
			     count == 1,
		     "the first attempt, for ever");
		attempts_postpone(a, place, NOW + i * 10, 10);
		T_OK(attempts_begin(a, "m", 2, NOW + i * 10 + 9, &place, &count, &err) == -EAGAIN,
		     "  not before its next time");
	}
	T_OK(rows(path, false) == 0, "no row");
	T_OK(attempts_begin(a, "m", 2, NOW + 30, &place, &count, &err) == 0 &&
		     attempts_failed(a, place, NOW + 30, 0, &err) == 0 &&
		     attempts_begin(a, "m", 2, NOW + 30, &place, &count, &err) == 0 && count == 2,
	     "one that was counted");
	attempts_postpone(a, place, NOW + 30, 10);
	T_OK(attempts_begin(a, "m", 2, NOW + 40, &place, &count, &err) == 0 && count == 2,
	     "  stays counted");
	T_OK(attempts_done(a, place, &err) == 0 && rows(path, false) == 0, "  and is forgotten");
	attempts_close(&a);
}

static void test_places(void)
{
	struct attempts *a = open_at(tmp_path("places.db"), NOW);
	unsigned place[PLACES], extra, count;
	char id[80];
	bool ok = true;

	for (unsigned i = 0; i < PLACES; i++) {
		(void)snprintf(id, sizeof(id), "p%u", i);
		ok = ok && attempts_begin(a, id, 0, NOW, &place[i], &count, NULL) == 0;
	}
	T_OK(ok, "all places can be used");
	T_OK(attempts_begin(a, "more", 0, NOW, &extra, &count, NULL) == -ENOSPC, "then it is full");
	attempts_release(a, place[3]);
	T_OK(attempts_begin(a, "more", 0, NOW, &extra, &count, NULL) == 0 && extra == place[3],
	     "a released place is used again");
	attempts_release(a, extra);
	memset(id, 'x', sizeof(id));
	id[63] = '\0';
	T_OK(attempts_begin(a, id, 0, NOW, &extra, &count, NULL) == 0, "63 bytes of id");
	attempts_release(a, extra);
	id[63] = 'x';
	id[64] = '\0';
	T_OK(attempts_begin(a, id, 0, NOW, &extra, &count, NULL) == -EINVAL, "64 bytes: refused");
	T_OK(attempts_begin(a, "", 0, NOW, &extra, &count, NULL) == -EINVAL, "empty id: refused");
	attempts_close(&a);
	T_OK(count_after(tmp_path("places.db"), "p1", NOW) == 0, "a clean end counts nothing");
}

/* Many ids that fail and succeed in a mixed order, against a plain array: the memory table. */
static void test_table(void)
{
	struct attempts *a = open_at(tmp_path("table.db"), NOW);
	static unsigned want[3000];
	unsigned place, count, x = 12345, bad = 0;
	char id[16];

	for (unsigned step = 0; step < 12000; step++) {
		unsigned i;

		x = x * 1103515245u + 12345u;
		i = (x >> 8) % ARRAY_LEN(want);
		(void)snprintf(id, sizeof(id), "t%u", i);
		if (attempts_begin(a, id, 0, NOW, &place, &count, NULL) != 0 ||
		    count != want[i] + 1)
			bad++;
		if ((x >> 4) % 3 != 0) {
			bad += attempts_failed(a, place, NOW, 0, NULL) != 0;
			want[i]++;
		} else {
			bad += attempts_done(a, place, NULL) != 0;
			want[i] = 0;
		}
	}
	attempts_close(&a);
	T_OK(bad == 0, "12,000 mixed steps over 3,000 ids keep the right counts (%u wrong)", bad);
	a = open_at(tmp_path("table.db"), NOW);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		(void)snprintf(id, sizeof(id), "t%u", i);
		if (attempts_begin(a, id, 0, NOW, &place, &count, NULL) != 0 ||
		    count != want[i] + 1)
			bad++;
		attempts_release(a, place);
	}
	T_OK(bad == 0, "and the file has them after a restart (%u wrong)", bad);
	attempts_close(&a);
}

enum last { LAST_BEGIN, LAST_DONE, LAST_RELEASE, LAST_FAILED, LAST_ARCHIVE };

static const struct {
	const char *name;
	enum last last;
	int want;
} kills[] = {
	{ "killed in hand: counted", LAST_BEGIN, 1 },
	{ "killed after done: not counted", LAST_DONE, 0 },
	{ "killed after release: not counted", LAST_RELEASE, 0 },
	{ "killed after failed: counted once", LAST_FAILED, 1 },
	{ "killed after archive: not counted", LAST_ARCHIVE, 0 },
};

static void die_after(const char *path, enum last last)
{
	struct attempts *a = open_at(path, NOW);
	unsigned place = 0, count;

	if (a == NULL || attempts_begin(a, "m", 0, NOW, &place, &count, NULL) != 0)
		_exit(1);
	if (last == LAST_DONE && attempts_done(a, place, NULL) != 0)
		_exit(1);
	if (last == LAST_RELEASE)
		attempts_release(a, place);
	if (last == LAST_FAILED && attempts_failed(a, place, NOW, 0, NULL) != 0)
		_exit(1);
	if (last == LAST_ARCHIVE && attempts_archive(a, place, NOW, NULL) != 0)
		_exit(1);
	(void)kill(getpid(), SIGKILL);
}

static void test_kill(void)
{
	for (size_t i = 0; i < ARRAY_LEN(kills); i++) {
		char name[16];
		int status = 0;
		pid_t pid;

		(void)snprintf(name, sizeof(name), "kill%zu.db", i);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			die_after(tmp_path(name), kills[i].last);
		T_OK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
			     WTERMSIG(status) == SIGKILL,
		     "a child is killed");
		T_OK(count_after(tmp_path(name), "m", NOW) == kills[i].want, "%s", kills[i].name);
		T_OK(count_after(tmp_path(name), "m", NOW) == kills[i].want,
		     "  the next start does not count it again");
	}
}

static void test_one_gateway(void)
{
	const char *path = tmp_path("one.db");
	struct attempts *a = open_at(path, NOW), *b = NULL;
	struct err err = { .kind = ERR_NONE };
	char who[32];

	(void)snprintf(who, sizeof(who), "process %d", (int)getpid());
	T_OK(attempts_open(&b, path, PLACES, NOW, NULL, &err) == -EBUSY && b == NULL &&
		     strstr(err.text, who) != NULL && err.kind == ERR_TEMP,
	     "a second gateway is refused: %s", err.text);
	T_OK(rows(path, false) == 0, "a tool can read meanwhile");
	attempts_close(&a);
	T_OK(attempts_open_view(&b, tmp_path("none.db"), &err) == -ENOENT, "no file: %s", err.text);
}

static void spoil(const char *path, off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	(void)!pwrite(fd, bytes, n, at);
	(void)close(fd);
}

static void leave_in_hand(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		die_after(path, LAST_BEGIN);
	(void)waitpid(pid, &status, 0);
}

static const struct {
	const char *name;
	off_t at;
	const char *bytes;
	size_t n;
	int want; /* count of "m" afterwards */
} torn[] = {
	{ "untouched", 0, "", 0, 1 },
	{ "magic spoilt", 0, "X", 1, 0 },
	{ "generation spoilt", 8, "\xff", 1, 0 },
	{ "absurd number of places", 16, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, 0 },
	{ "id torn", 128 + 24, "n", 1, 0 },
	{ "place of another generation", 128 + 8, "\x7f", 1, 0 },
	{ "id without end", 128 + 24 + 63, "x", 1, 0 },
};

/* A power cut may keep the new head and bring back an old place, which is whole in itself. */
static void test_older_generation(void)
{
	char place[128];
	int fd;

	leave_in_hand(tmp_path("older.db"));
	fd = open(tmp_path("older.db.ledger"), O_RDONLY);
	T_OK(pread(fd, place, sizeof(place), 128) == (ssize_t)sizeof(place) && close(fd) == 0,
	     "a place is copied");
	T_OK(count_after(tmp_path("older.db"), "m", NOW) == 1, "it counts once");
	spoil(tmp_path("older.db.ledger"), 128, place, sizeof(place));
	T_OK(count_after(tmp_path("older.db"), "m", NOW) == 1, "back in the file, it does not");
}

static void test_torn(void)
{
	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		char name[32], ledger[48];

		(void)snprintf(name, sizeof(name), "torn%zu.db", i);
		(void)snprintf(ledger, sizeof(ledger), "%s.ledger", name);
		leave_in_hand(tmp_path(name));
		spoil(tmp_path(ledger), torn[i].at, torn[i].bytes, torn[i].n);
		T_OK(count_after(tmp_path(name), "m", NOW) == torn[i].want, "ledger: %s",
		     torn[i].name);
	}
	test_older_generation();
	leave_in_hand(tmp_path("short.db"));
	T_OK(truncate(tmp_path("short.db.ledger"), 140) == 0 &&
		     count_after(tmp_path("short.db"), "m", NOW) == 0,
	     "ledger: cut short");
}

static void test_broken_db(void)
{
	const char *path = tmp_path("broken.db");
	struct attempts *a = NULL;
	struct err err = { .kind = ERR_NONE };
	char notice[256];

	spoil(path, 0, "this is not a database, but it is long enough to be looked at", 61);
	T_OK(attempts_open(&a, path, PLACES, NOW, notice, &err) == 0 && notice[0] != '\0',
	     "begun anew: %s", notice);
	attempts_close(&a);
	T_OK(access(tmp_path("broken.db.broken"), F_OK) == 0, "the broken one is kept");
	T_OK(attempts_open(&a, path, PLACES, NOW, notice, &err) == 0 && notice[0] == '\0',
	     "the new one is good");
	attempts_close(&a);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	T_OK(sqlite3_open(path, &db) == SQLITE_OK &&
		     sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK,
	     "prepared with SQL");
	(void)sqlite3_close(db);
}

static void test_foreign_db(void)
{
	const char *path = tmp_path("foreign.db");

	sql(path, "CREATE TABLE processing (id TEXT, count INT, nexttime INT);"
		  "CREATE UNIQUE INDEX id_uniq ON processing(id);"
		  "CREATE TABLE archive (id TEXT, count INT, nexttime INT);"
		  "INSERT INTO processing VALUES ('old', 5, 1000), ('m', 3, 1700000000),"
		  " ('neg', -4, 1700000000), ('text', 'abc', 1700000000), (NULL, 1, 1700000000);");
	T_OK(count_after(path, "m", NOW) == 3, "a database of MailScanner is taken over");
	T_OK(count_after(path, "old", NOW) == 0, "rows nobody has touched for long are forgotten");
	T_OK(count_after(path, "neg", NOW) == 0 && count_after(path, "text", NOW) == 0,
	     "nonsense in it is no count");
	sql(tmp_path("shape.db"), "CREATE TABLE processing (other TEXT);");
	T_OK(count_after(tmp_path("shape.db"), "m", NOW) == 0 &&
		     access(tmp_path("shape.db.broken"), F_OK) == 0,
	     "a table of another shape is set aside");
}

/* Opening fails at each of these and says why; afterwards it works, and nothing was lost. */
static const char *const open_points[] = {
	"store.ledger_open",     "store.ledger_lock", "store.ledger_stat", "store.ledger_read",
	"store.ledger_allocate", "store.ledger_map",  "store.db_open",     "store.db_schema",
	"store.db_write",        "store.db_read",
};

static void test_open_faults(void)
{
	for (size_t i = 0; i < ARRAY_LEN(open_points); i++) {
		struct err err = { .kind = ERR_NONE };
		struct attempts *a = NULL;
		char name[32], fault[64];

		(void)snprintf(name, sizeof(name), "open%zu.db", i);
		leave_in_hand(tmp_path(name));
		(void)snprintf(fault, sizeof(fault), "%s=EIO", open_points[i]);
		(void)setenv("SALLYPORT_FAULT", fault, 1);
		T_OK(attempts_open(&a, tmp_path(name), PLACES, NOW, NULL, &err) == -EIO &&
			     a == NULL && err.kind != ERR_NONE && err.text[0] != '\0',
		     "%s: %s", fault, err.text);
		(void)unsetenv("SALLYPORT_FAULT");
		T_OK(count_after(tmp_path(name), "m", NOW) == 1, "  then it opens and knows");
	}
}

/* A write that fails is reported; memory is right, and the place is free again. */
static void test_write_faults(void)
{
	struct attempts *a = open_at(tmp_path("write.db"), NOW);
	struct err err = { .kind = ERR_NONE };
	unsigned place, count = 0;

	T_OK(attempts_begin(a, "m", 0, NOW, &place, &count, &err) == 0, "in hand");
	(void)setenv("SALLYPORT_FAULT", "store.db_write=ENOSPC", 1);
	T_OK(attempts_failed(a, place, NOW, 0, &err) == -ENOSPC && err.kind == ERR_TEMP,
	     "failed: %s", err.text);
	T_OK(attempts_begin(a, "m", 0, NOW, &place, &count, &err) == 0 && count == 2,
	     "counted in memory");
	T_OK(attempts_done(a, place, &err) == -ENOSPC, "done: reported");
	T_OK(attempts_begin(a, "m", 0, NOW, &place, &count, &err) == 0 && count == 1, "forgotten");
	T_OK(attempts_archive(a, place, NOW, &err) == -ENOSPC, "archive: reported");
	(void)unsetenv("SALLYPORT_FAULT");
	for (unsigned i = 0; i < PLACES; i++)
		T_OK(attempts_begin(a, "m", 0, NOW, &place, &count, NULL) == 0, "place %u is free",
		     i);
	attempts_close(&a);
}

static void test_other_faults(void)
{
	const char *path = tmp_path("other.db");
	struct err err = { .kind = ERR_NONE };
	struct attempts *a = NULL;

	spoil(path, 0, "this is not a database, but it is long enough to be looked at", 61);
	(void)setenv("SALLYPORT_FAULT", "store.db_rename=EIO", 1);
	T_OK(attempts_open(&a, path, PLACES, NOW, NULL, &err) == -EIO && a == NULL, "%s", err.text);
	(void)setenv("SALLYPORT_FAULT", "store.db_rename=EIO@2", 1);
	T_OK(attempts_open(&a, path, PLACES, NOW, NULL, &err) == -EIO && a == NULL, "%s", err.text);
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(attempts_open(&a, path, PLACES, NOW, NULL, &err) == 0, "then it is begun anew");
	attempts_close(&a);
	(void)setenv("SALLYPORT_FAULT", "store.db_view=EIO", 1);
	T_OK(attempts_open_view(&a, path, &err) == -EIO && a == NULL, "%s", err.text);
	(void)unsetenv("SALLYPORT_FAULT");
}

/* No rights where the database should lie: the text says who needs what. */
static void test_rights(void)
{
	struct err err = { .kind = ERR_NONE };
	struct attempts *a = NULL;

	(void)setenv("SALLYPORT_FAULT", "store.db_open=EACCES", 1);
	T_OK(attempts_open(&a, tmp_path("rights.db"), PLACES, NOW, NULL, &err) == -EACCES &&
		     err.kind == ERR_CONFIG && strstr(err.text, "writable for user") != NULL,
	     "%s", err.text);
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(attempts_open(&a, tmp_path("no/such/x.db"), PLACES, NOW, NULL, &err) == -ENOENT, "%s",
	     err.text);
	T_OK(mkdir(tmp_path("dir.db.ledger"), 0700) == 0 &&
		     attempts_open(&a, tmp_path("dir.db"), PLACES, NOW, NULL, &err) < 0,
	     "%s", err.text);
}

int main(void)
{
	if (!tmp_make())
		return t_skip_all("no temporary directory");
	test_life();
	test_postpone();
	test_places();
	test_table();
	test_kill();
	test_one_gateway();
	test_torn();
	test_broken_db();
	test_foreign_db();
	if (tmp_has_faults()) {
		test_open_faults();
		test_write_faults();
		test_other_faults();
		test_rights();
	}
	tmp_clean();
	return t_done();
}
