/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/quarantine: layout, rights, hostile names, repeats, left-overs, every failing call. */
#include "store/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/str.h"
#include "tests/store/tmp.h"
#include "tests/t.h"

#define DAY "20261122"

static struct quarantine_settings settings(const char *name)
{
	struct quarantine_settings s = { .user = (uid_t)-1, .group = (gid_t)-1, .file_mode = 0660 };

	s.dir = tmp_path(name);
	(void)mkdir(s.dir, 0700);
	return s;
}

static int put_text(int fd, const char *text)
{
	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -EIO;
	return close(fd);
}

/* Store @text as @id, all steps. */
static int store(const struct quarantine_settings *set, const char *day, const char *id,
		 const char *text, char ret_name[80], struct err *err)
{
	struct quarantine_put p;
	int r = quarantine_begin(&p, set, day, id, err);

	if (r == 0)
		r = put_text(quarantine_create(&p, "message", err), text);
	if (r == 0)
		r = quarantine_note(&p, "{\"to\":[\"a@b\"]}\n", err);
	if (r == 0)
		r = quarantine_publish(&p, err);
	if (r == 0 && ret_name != NULL)
		(void)snprintf(ret_name, 80, "%s", p.final_name);
	quarantine_end(&p);
	return r;
}

static unsigned entries_seen;

static int see_entry(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)path, (void)st, (void)flag;
	entries_seen += f->level > 0;
	return 0;
}

/* How many files and directories there are below @dir. */
static unsigned count_entries(const char *dir)
{
	entries_seen = 0;
	return nftw(dir, see_entry, 16, FTW_PHYS) == 0 ? entries_seen : 9999;
}

static mode_t mode_of(const char *dir, const char *rest)
{
	char path[600];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, rest);
	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_layout(void)
{
	struct quarantine_settings set = settings("layout");
	struct quarantine_put p;
	char name[80];
	struct err err = { .kind = ERR_NONE };

	memset(&p, 0, sizeof(p));
	quarantine_end(&p);
	T_OK(fcntl(0, F_GETFD) >= 0, "ending one that never began closes nothing");
	T_OK(quarantine_begin(&p, &set, DAY, "1abc-DEF-01", &err) == 0, "begin");
	T_OK(put_text(quarantine_create(&p, "message", &err), "hello") == 0, "a file in it");
	T_OK(quarantine_create(&p, "message", &err) == -EEXIST, "not twice: %s", err.text);
	T_OK(mode_of(set.dir, DAY "/1abc-DEF-01") == 0, "nothing to see before publishing");
	T_OK(quarantine_publish(&p, &err) == 0 && quarantine_publish(&p, &err) == 0,
	     "published, also when said twice");
	T_OK(strncmp(p.path, set.dir, strlen(set.dir)) == 0 &&
		     strcmp(p.path + strlen(set.dir), "/" DAY "/1abc-DEF-01") == 0,
	     "path for the log: %s", p.path);
	quarantine_end(&p);
	quarantine_end(&p);
	T_OK(mode_of(set.dir, DAY) == 0770 && mode_of(set.dir, DAY "/1abc-DEF-01") == 0770 &&
		     mode_of(set.dir, DAY "/1abc-DEF-01/message") == 0660,
	     "0660 gives 0770 for directories, 0660 for files");
	set.file_mode = 0640;
	T_OK(store(&set, "20261123", "x", "", NULL, &err) == 0 &&
		     mode_of(set.dir, "20261123") == 0750 &&
		     mode_of(set.dir, "20261123/x/message") == 0640,
	     "0640 gives 0750 and 0640");
	T_OK(store(&set, DAY, "1abc-DEF-01", "", name, &err) == 0 &&
		     strcmp(name, "1abc-DEF-01-2") == 0,
	     "a repeated id is %s", name);
	T_OK(store(&set, DAY, "1abc-DEF-01", "", name, &err) == 0 &&
		     strcmp(name, "1abc-DEF-01-3") == 0,
	     "and again %s", name);
	T_OK(quarantine_begin(&p, &set, DAY, "gone", &err) == 0 &&
		     put_text(quarantine_create(&p, "message", &err), "x") == 0,
	     "one that is given up");
	quarantine_end(&p);
	T_OK(count_entries(set.dir) == 2 + 4 + 2 * 4 - 1, "leaves nothing behind (%u entries)",
	     count_entries(set.dir));
}

/* Two queues may hold the same id at the same time. */
static void test_same_id_at_once(void)
{
	struct quarantine_settings set = settings("at-once");
	struct quarantine_put a, b;
	struct err err = { .kind = ERR_NONE };

	T_OK(quarantine_begin(&a, &set, DAY, "m", &err) == 0 &&
		     quarantine_begin(&b, &set, DAY, "m", &err) == 0,
	     "both begin");
	T_OK(put_text(quarantine_create(&a, "message", &err), "a") == 0 &&
		     put_text(quarantine_create(&b, "message", &err), "b") == 0,
	     "both write");
	T_OK(quarantine_publish(&b, &err) == 0 && quarantine_publish(&a, &err) == 0 &&
		     strcmp(b.final_name, "m") == 0 && strcmp(a.final_name, "m-2") == 0,
	     "both are kept");
	quarantine_end(&a);
	quarantine_end(&b);
}

static const char *const bad_ids[] = {
	"",        ".",
	"..",      "../x",
	"a/b",     "/etc/passwd",
	".hidden", "a\nb",
	"a b",     "\x01",
	"a\x7f",   "0123456789012345678901234567890123456789012345678901234567890123456789",
};
static const char *const bad_names[] = {
	"", ".", "..", "../../x", "a/b", "/etc/passwd", ".facts.json", "a\nb", "a\tb", "x y",
};
static const char *const bad_days[] = { "", "2026112", "202611222", "../../..", "2026112a" };

static void test_hostile(void)
{
	struct quarantine_settings set = settings("hostile");
	struct quarantine_put p;
	struct err err = { .kind = ERR_NONE };

	for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++)
		T_OK(quarantine_begin(&p, &set, DAY, bad_ids[i], &err) == -EINVAL &&
			     err.kind == ERR_INPUT,
		     "id %zu refused: %s", i, err.text);
	for (size_t i = 0; i < ARRAY_LEN(bad_days); i++)
		T_OK(quarantine_begin(&p, &set, bad_days[i], "m", &err) == -EINVAL,
		     "day %zu refused: %s", i, err.text);
	T_OK(count_entries(set.dir) == 0, "nothing was made");
	T_OK(quarantine_begin(&p, &set, DAY, "m", &err) == 0, "begin");
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++)
		T_OK(quarantine_create(&p, bad_names[i], &err) == -EINVAL, "name %zu refused: %s",
		     i, err.text);
	T_OK(put_text(quarantine_create(&p, "na\xc3\xafve%s\xff.txt", &err), "") == 0,
	     "bytes above 0x7f are a name");
	quarantine_end(&p);
}

/* Links in the way, as somebody with write access there could leave them. */
static void test_links(void)
{
	struct quarantine_settings set = settings("links");
	char path[600];
	struct err err = { .kind = ERR_NONE };
	char name[80];

	(void)snprintf(path, sizeof(path), "%s/" DAY, set.dir);
	T_OK(mkdir(tmp_path("elsewhere"), 0700) == 0 && symlink(tmp_path("elsewhere"), path) == 0,
	     "the day is a link");
	T_OK(store(&set, DAY, "m", "x", NULL, &err) < 0 &&
		     count_entries(tmp_path("elsewhere")) == 0,
	     "not followed: %s", err.text);
	(void)unlink(path);
	T_OK(mkdir(path, 0700) == 0, "the day is a directory");
	(void)snprintf(path, sizeof(path), "%s/" DAY "/m", set.dir);
	T_OK(symlink(tmp_path("elsewhere"), path) == 0, "the final name is a link");
	T_OK(store(&set, DAY, "m", "x", name, &err) == 0 && strcmp(name, "m-2") == 0 &&
		     count_entries(tmp_path("elsewhere")) == 0,
	     "another name is taken");
}

struct seen {
	struct str text;
	unsigned stop_after, n;
};

static int see(const struct quarantine_item *i, void *arg)
{
	struct seen *s = arg;

	str_addf(&s->text, "%s %s %s %u%s\n", i->day, i->kind, i->id, (unsigned)i->size_bytes,
		 i->facts == NULL ? "" : " facts");
	return ++s->n == s->stop_after ? 7 : 0;
}

static void file_at(const char *dir, const char *rest, const char *text)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, rest);
	(void)put_text(open(path, O_WRONLY | O_CREAT, 0600), text);
}

static void dir_at(const char *dir, const char *rest)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, rest);
	(void)mkdir(path, 0700);
}

static void test_list(void)
{
	static const char want[] = "20261123 infected new 3 facts\n"
				   "20261122 infected a 5 facts\n"
				   "20261122 infected b 4 facts\n"
				   "20261122 infected parts 7\n"
				   "20261122 infected torn 2\n"
				   "20261122 spam s1 6\n"
				   "20261122 nonspam n1 1\n";
	struct quarantine_settings set = settings("list");
	struct arena *a = arena_new(64 * KIB);
	struct quarantine_item item;
	struct seen s = { 0 };
	struct err err = { .kind = ERR_NONE };

	str_init(&s.text, 64 * KIB);
	T_OK(store(&set, DAY, "b", "four", NULL, NULL) == 0 &&
		     store(&set, DAY, "a", "fives", NULL, NULL) == 0 &&
		     store(&set, "20261123", "new", "new", NULL, NULL) == 0,
	     "three messages");
	dir_at(set.dir, DAY "/parts"); /* MailScanner keeps single parts, and no facts */
	file_at(set.dir, DAY "/parts/virus.exe", "1234");
	file_at(set.dir, DAY "/parts/other.exe", "123");
	dir_at(set.dir, DAY "/torn");
	file_at(set.dir, DAY "/torn/message", "12");
	file_at(set.dir, DAY "/torn/.facts.json", "{\"to\":[\"a@");
	dir_at(set.dir, DAY "/spam");
	file_at(set.dir, DAY "/spam/s1", "spammy");
	dir_at(set.dir, DAY "/nonspam");
	file_at(set.dir, DAY "/nonspam/n1", "1");
	dir_at(set.dir, DAY "/.x.tmp");
	dir_at(set.dir, "not-a-day");
	file_at(set.dir, "20261124", "a file, not a day");
	T_OK(quarantine_list(set.dir, see, &s, &err) == 0 && strcmp(str_view(&s.text), want) == 0,
	     "list");
	printf("# %u items\n", s.n);
	s.n = 0;
	s.stop_after = 2;
	T_OK(quarantine_list(set.dir, see, &s, &err) == 7 && s.n == 2, "stops when told");
	T_OK(quarantine_find(set.dir, "a", a, &item, &err) == 0 && item.size_bytes == 5 &&
		     strcmp(item.facts, "{\"to\":[\"a@b\"]}\n") == 0 && strcmp(item.day, DAY) == 0,
	     "find: %s", item.path);
	T_OK(quarantine_find(set.dir, "s1", a, &item, &err) == 0 && strcmp(item.kind, "spam") == 0,
	     "find in spam");
	T_OK(quarantine_find(set.dir, "none", a, &item, &err) == -ENOENT, "%s", err.text);
	T_OK(quarantine_find(set.dir, "spam", a, &item, &err) == -ENOENT, "%s", err.text);
	T_OK(quarantine_find(set.dir, "../list/" DAY "/a", a, &item, &err) == -ENOENT, "%s",
	     err.text);
	T_OK(quarantine_list(tmp_path("missing"), see, &s, &err) == -ENOENT, "%s", err.text);
	T_OK(quarantine_sweep(set.dir, &err) == 1 && quarantine_sweep(set.dir, &err) == 0,
	     "sweep removes the hidden one");
	str_fini(&s.text);
	arena_free(&a);
}

static void test_kill(void)
{
	struct quarantine_settings set = settings("kill");
	struct err err = { .kind = ERR_NONE };
	struct quarantine_put p;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (quarantine_begin(&p, &set, DAY, "m", NULL) != 0 ||
		    put_text(quarantine_create(&p, "message", NULL), "half") != 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	T_OK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && count_entries(set.dir) == 3,
	     "killed before publishing");
	T_OK(quarantine_sweep(set.dir, &err) == 1 && count_entries(set.dir) == 1,
	     "the next start removes it");
}

/* At a reload, or at the start of another gateway: what is being stored is no left-over. */
static void test_sweep_at_work(void)
{
	enum { TIMES = 300 };
	struct quarantine_settings set = settings("work");
	struct err err = { .kind = ERR_NONE };
	struct quarantine_put p;
	unsigned failed = 0, lost = 0;
	char path[64];
	pid_t pid;

	T_OK(quarantine_begin(&p, &set, DAY, "m", &err) == 0 &&
		     put_text(quarantine_create(&p, "message", &err), "hello") == 0 &&
		     quarantine_sweep(set.dir, &err) == 0,
	     "a sweep while it is stored removes nothing");
	T_OK(quarantine_publish(&p, &err) == 0 && mode_of(set.dir, DAY "/m/message") == 0660,
	     "it is published, with its file %s", err.text);
	quarantine_end(&p);
	(void)fflush(stdout);
	pid = fork();
	while (pid == 0)
		(void)!quarantine_sweep(set.dir, NULL);
	for (unsigned i = 0; i < TIMES; i++) {
		(void)snprintf(path, sizeof(path), "w%u", i);
		failed += store(&set, DAY, path, "x", NULL, &err) < 0;
		(void)snprintf(path, sizeof(path), DAY "/w%u/message", i);
		lost += mode_of(set.dir, path) != 0660;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	T_OK(failed == 0 && lost == 0, "beside a process that sweeps: %u of %u failed, %u lost %s",
	     failed, TIMES, lost - failed, err.text);
}

/* Two gateways with one quarantine start or reload at the same time. */
static void test_check_at_once(void)
{
	enum { TIMES = 2000 };
	struct quarantine_settings set = settings("checks");
	struct err err = { .kind = ERR_NONE };
	unsigned failed = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	while (pid == 0)
		(void)!quarantine_check(&set, NULL);
	for (unsigned i = 0; i < TIMES; i++)
		failed += quarantine_check(&set, &err) < 0;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	T_OK(failed == 0, "beside a process that checks: %u of %u failed %s", failed, TIMES,
	     err.text);
}

static void test_memory(void)
{
	const char *path = tmp_path("memory");
	struct err err = { .kind = ERR_NONE };
	struct bytes big = { .n = QUARANTINE_MEMORY_MAX + 1 };
	uint8_t *room = calloc(1, big.n);
	struct str lines;

	str_init(&lines, MIB);
	T_OK(quarantine_memory_read(path, &lines, &err) == 0 && lines.n == 0, "no file, no lines");
	T_OK(quarantine_memory_write(path, BYTES("/a\n/b\n"), &err) == 0 &&
		     quarantine_memory_write(path, BYTES("/c\n"), &err) == 0 &&
		     quarantine_memory_read(path, &lines, &err) == 0 &&
		     strcmp(str_view(&lines), "/c\n") == 0 && mode_of(tmp_dir, "memory") == 0600,
	     "replaced as a whole %s", err.text);
	if (room == NULL)
		abort();
	big.p = room;
	T_OK(quarantine_memory_write(path, big, &err) == 0 &&
		     quarantine_memory_read(path, &lines, &err) == -EFBIG,
	     "%s", err.text);
	T_OK(quarantine_memory_write(tmp_path("no/such/dir"), big, &err) == -ENOENT, "%s",
	     err.text);
	if (tmp_has_faults()) {
		(void)setenv("SALLYPORT_FAULT", "store.memory_rename=EIO", 1);
		T_OK(quarantine_memory_write(path, BYTES("/d\n"), &err) == -EIO, "%s", err.text);
		(void)unsetenv("SALLYPORT_FAULT");
		T_OK(access(tmp_path("memory.new"), F_OK) < 0, "nothing is left behind");
	}
	free(room);
	str_fini(&lines);
}

static const char *const points[] = {
	"quarantine_open",    "quarantine_mkday",
	"quarantine_openday", "quarantine_syncday",
	"quarantine_mkdir",   "quarantine_opendir",
	"quarantine_chown",   "quarantine_chmod",
	"quarantine_create",  "write",
	"quarantine_rename",
};

static void test_faults(void)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		char name[32], fault[64];
		struct quarantine_settings set;
		struct err err = { .kind = ERR_NONE };

		(void)snprintf(name, sizeof(name), "fault%zu", i);
		set = settings(name);
		(void)snprintf(fault, sizeof(fault), "store.%s=EIO", points[i]);
		(void)setenv("SALLYPORT_FAULT", fault, 1);
		T_OK(store(&set, DAY, "m", "x", NULL, &err) == -EIO && err.text[0] != '\0',
		     "%s: %s", fault, err.text);
		(void)unsetenv("SALLYPORT_FAULT");
		T_OK(count_entries(set.dir) <= 1, "  no message is left behind");
		T_OK(store(&set, DAY, "m", "x", NULL, &err) == 0, "  then it works");
	}
}

/* Who finds a day made cannot know whether it would outlive a power cut. */
static void test_found_day(void)
{
	static struct quarantine_days days;
	struct quarantine_settings set = settings("found"), other = settings("found2");
	struct err err = { .kind = ERR_NONE };

	set.days = other.days = &days;
	dir_at(set.dir, DAY);
	(void)setenv("SALLYPORT_FAULT", "store.quarantine_syncfound=EIO", 1);
	T_OK(store(&set, DAY, "a", "x", NULL, &err) == -EIO && count_entries(set.dir) == 1,
	     "a day that somebody else made: %s", err.text);
	T_OK(store(&other, DAY, "a", "x", NULL, &err) == 0 &&
		     store(&other, DAY, "b", "x", NULL, &err) == 0,
	     "one that we made has been synced then");
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(store(&set, DAY, "a", "x", NULL, &err) == 0, "synced");
	(void)setenv("SALLYPORT_FAULT", "store.quarantine_syncfound=EIO", 1);
	T_OK(store(&set, DAY, "b", "x", NULL, &err) == 0, "once is enough");
	memset(&days, 0, sizeof(days));
	T_OK(store(&set, DAY, "c", "x", NULL, &err) == -EIO, "the next process does it again");
	(void)unsetenv("SALLYPORT_FAULT");
}

static int nothing(const struct quarantine_item *i, void *arg)
{
	(void)i, (void)arg;
	return 0;
}

static void test_other_faults(void)
{
	static const char *const check_points[] = { "quarantine_open", "quarantine_mkdir",
						    "quarantine_opendir", "quarantine_chmod" };
	struct quarantine_settings set = settings("other-faults");
	struct err err = { .kind = ERR_NONE };
	char fault[64];

	(void)setenv("SALLYPORT_FAULT", "store.quarantine_readdir=EIO", 1);
	T_OK(quarantine_list(set.dir, nothing, NULL, &err) == -EIO, "list: %s", err.text);
	T_OK(quarantine_sweep(set.dir, &err) == -EIO, "sweep: %s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(check_points); i++) {
		(void)snprintf(fault, sizeof(fault), "store.%s=EACCES", check_points[i]);
		(void)setenv("SALLYPORT_FAULT", fault, 1);
		T_OK(quarantine_check(&set, &err) == -EACCES && err.kind == ERR_CONFIG, "check: %s",
		     err.text);
	}
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(quarantine_check(&set, &err) == 0 && quarantine_sweep(set.dir, &err) == 0 &&
		     count_entries(set.dir) == 0,
	     "then they work, and nothing is left behind");
}

/* Short writes are continued. */
static void test_short_write(void)
{
	struct quarantine_settings set = settings("short");
	struct arena *a = arena_new(64 * KIB);
	struct quarantine_item item;
	struct err err = { .kind = ERR_NONE };

	(void)setenv("SALLYPORT_FAULT", "store.write_short=SHORT", 1);
	T_OK(store(&set, DAY, "m", "x", NULL, &err) == 0, "written in pieces");
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(quarantine_find(set.dir, "m", a, &item, &err) == 0 && item.facts != NULL &&
		     strcmp(item.facts, "{\"to\":[\"a@b\"]}\n") == 0,
	     "and complete");
	arena_free(&a);
}

/* As a user without rights: a child, since rights do not come back. */
static int as_nobody(const struct quarantine_settings *set)
{
	struct err err = { .kind = ERR_NONE };
	unsigned failed = t_failed_;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	T_OK(quarantine_check(set, &err) == -EACCES && err.kind == ERR_CONFIG &&
		     strstr(err.text, "chown or chmod") != NULL,
	     "%s", err.text);
	T_OK(store(set, DAY, "m", "x", NULL, &err) == -EACCES && err.kind == ERR_CONFIG, "%s",
	     err.text);

	return t_failed_ == failed ? 0 : 1;
}

/* Mail is stored with the rights that can be had, and the caller can say so. */
static int without_owner(struct quarantine_settings *set)
{
	struct err err = { .kind = ERR_NONE };
	struct quarantine_put p;
	unsigned failed = t_failed_;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	set->group = 0;
	T_OK(quarantine_check(set, &err) == -EPERM &&
		     strstr(err.text, "Quarantine Group 0") != NULL,
	     "%s", err.text);
	T_OK(quarantine_begin(&p, set, DAY, "m", &err) == 0 && p.owner_kept &&
		     put_text(quarantine_create(&p, "message", &err), "x") == 0 &&
		     quarantine_publish(&p, &err) == 0,
	     "stored without the group");
	quarantine_end(&p);
	return t_failed_ == failed ? 0 : 1;
}

static void in_child(int (*run)(struct quarantine_settings *), struct quarantine_settings *set,
		     const char *what)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* its lines are not part of this plan */
		(void)!freopen("/dev/null", "w", stdout);
		_exit(run(set));
	}
	T_OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s",
	     what);
}

static int run_nobody(struct quarantine_settings *set)
{
	return as_nobody(set);
}

static void test_rights(void)
{
	struct quarantine_settings set = settings("rights"), open = settings("open");
	struct err err = { .kind = ERR_NONE };

	T_OK(quarantine_check(&set, &err) == 0 && count_entries(set.dir) == 0,
	     "check leaves nothing behind");
	if (geteuid() != 0) {
		printf("# not root: rights of another user are not tried\n");
		return;
	}
	(void)chmod(tmp_dir, 0755);
	in_child(run_nobody, &set, "no right to write: refused, says what to do");
	(void)chmod(open.dir, 0777);
	in_child(without_owner, &open, "no right to give away: stored, and said");
}

int main(void)
{
	(void)umask(077);
	if (!tmp_make())
		return t_skip_all("no temporary directory");
	test_layout();
	test_same_id_at_once();
	test_hostile();
	test_links();
	test_list();
	test_kill();
	test_sweep_at_work();
	test_check_at_once();
	test_memory();
	test_rights();
	if (tmp_has_faults()) {
		test_faults();
		test_found_day();
		test_other_faults();
		test_short_write();
	}
	tmp_clean();
	return t_done();
}
