/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_source.c - the disk, its bundle, and bundles that are not good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conf/site.h"

static char dir[] = "/tmp/sallyport-conf-XXXXXX";

static const char *at(const char *name)
{
	static char paths[8][300];
	static unsigned next;
	char *p = paths[next++ % 8];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	(void)close(fd);
}

static void make_files(void)
{
	if (mkdtemp(dir) == NULL || mkdir(at("conf.d"), 0700) < 0 || mkdir(at("q"), 0700) < 0)
		abort();
	put("main.conf",
	    "include %conf-dir%/conf.d/*\nQuarantine Dir = %conf-dir%/q\n"
	    "Hostname = $SALLYPORT_TEST_ENV\nSendmail = %conf-dir%/sm -x\n"
	    "Incoming Queue Dir = /other\n"
	    "Filename Rules = %conf-dir%/names\nPhishing Safe Sites File = %conf-dir%/no\n",
	    0600);
	put("conf.d/20", "Max Children = 20\n", 0600);
	put("conf.d/10", "Max Children = 10\n", 0600);
	put("names", "allow\ta\t-\t-\n", 0600);
	put("sm", "", 0700);
}

static void remove_files(void)
{
	static const char *const names[] = { "main.conf", "conf.d/10", "conf.d/20",
					     "names",     "sm",        "pipe" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlink(at(names[i]));
	(void)rmdir(at("conf.d"));
	(void)rmdir(at("q"));
	(void)rmdir(dir);
}

static void check_site(const struct conf *c, const char *who)
{
	struct bytes rules;

	T_OK(conf_num(c, OPT_MAX_CHILDREN, NULL) == 20, "%s: include in order", who);
	T_OK(strcmp(conf_str(c, OPT_QUARANTINE_DIR, NULL), at("q")) == 0, "%s: directory", who);
	T_OK(strcmp(conf_str(c, OPT_HOSTNAME, NULL), "from-env") == 0, "%s: environment", who);
	T_OK(strncmp(conf_str(c, OPT_SENDMAIL, NULL), at("sm"), strlen(at("sm"))) == 0,
	     "%s: command", who);
	T_OK(conf_file(c, at("names"), &rules) == 0 && rules.n == 12, "%s: rule file", who);
	T_OK(strcmp(conf_str(c, OPT_INCOMING_QUEUE_DIR, NULL), "/q/50%#$HOME\\n") == 0,
	     "%s: a value of the command line is taken as it is", who);
	T_OK(strcmp(conf_where(c, OPT_INCOMING_QUEUE_DIR, NULL), "command line") == 0,
	     "%s: and comes from there", who);
}

static int disk_bundle(void)
{
	struct conf_source *s = NULL;
	struct conf_report *report = conf_report_new();
	struct conf *c = NULL;
	struct err err = { 0 };
	int fd = -1;

	if (setenv("SALLYPORT_TEST_ENV", "from-env", 1) < 0 || conf_source_disk(&s, &err) < 0 ||
	    conf_source_set_option(s, OPT_INCOMING_QUEUE_DIR, "/q/50%#$HOME\\n") < 0)
		abort();
	if (T_OK(conf_load(&c, s, at("main.conf"), report, &err) == 0, "load from disk %s",
		 err.text)) {
		check_site(c, "disk");
		T_OK(conf_report_count(report) == 1, "disk: the missing file is reported");
	}
	fd = conf_source_write_bundle(s, &err);
	T_OK(fd >= 0, "write a bundle %s", err.text);
	conf_unref(&c);
	conf_source_close(&s);
	conf_report_free(&report);
	return fd;
}

static void check_bundle(int fd)
{
	struct conf_source *s = NULL;
	struct conf_report *report = conf_report_new();
	struct conf *c = NULL;
	struct err err = { 0 };

	(void)unsetenv("SALLYPORT_TEST_ENV");
	put("conf.d/20", "Max Children = 21\n", 0600);
	(void)unlink(at("names"));
	T_OK(conf_source_bundle(&s, fd, &err) == 0, "open the bundle %s", err.text);
	if (T_OK(s != NULL && conf_load(&c, s, at("main.conf"), report, &err) == 0,
		 "load from it %s", err.text)) {
		check_site(c, "bundle");
		T_OK(conf_report_count(report) == 1, "bundle: the same report");
	}
	conf_source_close(&s);
	conf_unref(&c);
	conf_report_free(&report);
}

static int sealed_copy(const uint8_t *p, size_t n, bool seal)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	if (seal && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		abort();
	return fd;
}

static int try_open(const uint8_t *p, size_t n, bool seal)
{
	struct conf_source *s = NULL;
	struct err err = { 0 };
	int fd = sealed_copy(p, n, seal);
	int r = conf_source_bundle(&s, fd, &err);

	conf_source_close(&s);
	(void)close(fd);
	return r;
}

static void check_bad_bundles(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t n = (size_t)size, refused = 0, cuts = 0;
	uint8_t *p = malloc(n + 1);

	if (p == NULL || pread(fd, p, n, 0) != (ssize_t)n)
		abort();
	T_OK(try_open(p, n, true) == 0, "a copy is as good");
	T_OK(try_open(p, n, false) == -EPERM, "unsealed memory is refused");
	p[n] = 0;
	T_OK(try_open(p, n + 1, true) == -EBADMSG, "trailing bytes are refused");
	for (size_t cut = 1; cut < n; cut += 7, cuts++)
		refused += try_open(p, cut, true) == -EBADMSG;
	T_OK(refused == cuts, "every cut is refused (%zu)", cuts);
	for (size_t i = 0; i < n; i += 3) {
		p[i] ^= 0xff;
		(void)try_open(p, n, true);
		p[i] ^= 0xff;
	}
	T_OK(true, "flipped bytes crash nothing");
	free(p);
}

static void check_disk_answers(void)
{
	struct conf_source *s = NULL;
	struct bytes b;
	bool exec;

	if (conf_source_disk(&s, NULL) < 0 || mkfifo(at("pipe"), 0600) < 0)
		abort();
	T_OK(s->read(s, at("pipe"), &b) == -EINVAL, "a pipe is not read, and nothing hangs");
	T_OK(s->read(s, at("q"), &b) == -EISDIR, "a directory is not read");
	T_OK(s->read(s, at("none"), &b) == -ENOENT && s->read(s, at("none"), &b) == -ENOENT,
	     "not there");
	T_OK(s->kind(s, at("q"), &exec) == CONF_DIR && !exec, "directory");
	T_OK(s->kind(s, at("sm"), &exec) == CONF_FILE && exec, "executable");
	T_OK(s->kind(s, at("pipe"), &exec) == CONF_OTHER, "something else");
	T_OK(s->glob(s, at("none*"), &b) == -ENOENT, "no match");
	T_OK(s->env(s, "HOSTNAME", &b) == 0 && b.n > 0, "there always is a HOSTNAME");
	conf_source_close(&s);
}

int main(void)
{
	int fd;

	make_files();
	fd = disk_bundle();
	if (fd >= 0) {
		check_bundle(fd);
		check_bad_bundles(fd);
		(void)close(fd);
	}
	check_disk_answers();
	remove_files();
	return t_done();
}
