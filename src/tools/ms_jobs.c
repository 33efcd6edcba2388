/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ms_jobs.c - the helper commands that still have something to do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "conf/explain.h"
#include "core/clock.h"
#include "core/num.h"
#include "core/text.h"
#include "ctl/client.h"
#include "tools/cli.h"
#include "tools/mailscanner.h"
#include "tools/ms.h"

#define PATH_BYTES 4200
#define DAYS_MAX   36500
#define WORDS_MAX  32

/* One argument at most: the configuration. NULL: usage was printed. */
static const char *only_conf(int argc, char **argv, const char *what)
{
	if (argc <= 2 && (argc < 2 || argv[1][0] != '-'))
		return argc == 2 ? argv[1] : cli_default_conf();
	(void)fprintf(stderr, "Usage: %s [CONFIGURATION]\n\n%s\n", argv[0], what);
	return NULL;
}

/* ---- ms-peek ---- */

int ms_peek(int argc, char **argv)
{
	AUTO(conf_unref) struct conf *c = NULL;
	struct cli cli = { .conf_path = argc == 3 ? argv[2] : cli_default_conf() };
	enum opt_id id;
	int r;

	if (argc < 2 || argc > 3 || argv[1][0] == '-') {
		(void)fprintf(stderr,
			      "Usage: %s 'OPTION NAME' [CONFIGURATION]\n\n"
			      "Prints the value as the file has it.\n",
			      argv[0]);
		return EX_USAGE;
	}
	id = opt_find(bytes_str(argv[1]));
	if (id == OPT_ROWS) {
		(void)fprintf(stderr, "%s: there is no option '%s'\n", argv[0], argv[1]);
		return EX_USAGE;
	}
	r = cli_load(&cli, &c, NULL, NULL);
	if (r != 0)
		return r;
	(void)printf("%s\n", conf_raw_text(c, id));
	return EX_OK;
}

/* ---- ms-check ---- */

static bool is_running(const char *socket)
{
	AUTO(str_fini) struct str answer;
	struct err err;

	str_init(&answer, MIB);
	return socket != NULL && ctl_ask(socket, "status", &answer, &err) == 0;
}

/* Beside this program, as in a build tree, or wherever PATH has it. */
static int start_daemon(const char *conf_path)
{
	char self[PATH_BYTES], path[PATH_BYTES + 20];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL) {
		*slash = '\0';
		(void)snprintf(path, sizeof(path), "%s/sallyportd", self);
		(void)execl(path, path, "-c", conf_path, NULL);
	}
	(void)execlp("sallyportd", "sallyportd", "-c", conf_path, NULL);
	(void)fprintf(stderr, "sallyportd: %s\n", strerror(errno));
	return EX_UNAVAILABLE;
}

int ms_check(int argc, char **argv)
{
	const char *path = only_conf(argc, argv, "Starts sallyportd unless it runs.");
	struct cli cli = { .conf_path = path };
	char value[PATH_BYTES], stopped[PATH_BYTES];
	char *socket;
	bool running;
	int r;

	if (path == NULL)
		return EX_USAGE;
	r = cli_find_gateway(&cli, &socket, NULL);
	running = is_running(socket);
	free(socket);
	if (r != 0 || running)
		return running ? EX_OK : r;
	if (strcmp(ms_default(path, "run_mailscanner", "0", value, sizeof(value)), "1") != 0) {
		(void)printf("not running, and run_mailscanner in 'defaults' is not 1: not "
			     "started\n");
		return EX_OK;
	}
	if (access(ms_default(path, "stopped_lockfile", "/var/lock/subsys/MailScanner.off", stopped,
			      sizeof(stopped)),
		   F_OK) == 0) {
		(void)printf("not running, and its lock file says that it was stopped: not "
			     "started\n");
		return EX_OK;
	}
	(void)printf("starting sallyportd\n");
	(void)fflush(stdout);
	return start_daemon(path);
}

/* ---- ms-clean-quarantine ---- */

static int remove_one(const char *path, const struct stat *st UNUSED, int kind UNUSED,
		      struct FTW *ftw UNUSED)
{
	if (remove(path) < 0 && errno != ENOENT)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return 0;
}

/* "20261125", local date. */
static bool is_day(const char *name)
{
	return strlen(name) == 8 && strspn(name, "0123456789") == 8;
}

static int clean(const char *dir, const char *oldest_kept, bool may_be_missing)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	if (d == NULL && errno == ENOENT && may_be_missing)
		return EX_OK;
	if (d == NULL) {
		(void)fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return EX_NOINPUT;
	}
	while ((e = readdir(d)) != NULL) {
		char path[PATH_BYTES];

		if (!is_day(e->d_name) || strcmp(e->d_name, oldest_kept) >= 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		(void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		n += access(path, F_OK) < 0;
	}
	(void)closedir(d);
	(void)printf("%u %s before %s removed from %s\n", n, n == 1 ? "day" : "days", oldest_kept,
		     dir);
	return EX_OK;
}

/* The default and what a ruleset names; one of several may be missing. */
static int clean_all(const struct conf *c, const char *oldest_kept)
{
	const char **dirs = NULL;
	int code = EX_OK;
	size_t n = 0;

	if (conf_values(c, OPT_QUARANTINE_DIR, &dirs, &n) < 0)
		return EX_TEMPFAIL;
	for (size_t i = 0; i < n; i++) {
		int r = clean(dirs[i], oldest_kept, n > 1);

		code = r != EX_OK ? r : code;
	}
	free(dirs);
	return code;
}

int ms_clean_quarantine(int argc, char **argv)
{
	const char *path = only_conf(argc, argv,
				     "Removes from quarantine what is older than q_days in the "
				     "file 'defaults' (30; 0: nothing).");
	struct cli cli = { .conf_path = path };
	AUTO(conf_unref) struct conf *c = NULL;
	char value[40], day[16] = "";
	uint64_t days = 0;
	struct tm tm;
	time_t t;
	int r;

	if (path == NULL)
		return EX_USAGE;
	if (num_parse(bytes_str(ms_default(path, "q_days", "30", value, sizeof(value))), 10,
		      DAYS_MAX, &days) < 0) {
		(void)fprintf(stderr, "q_days in 'defaults' is not a number of days: '%s'\n",
			      value);
		return EX_CONFIG;
	}
	r = cli_load(&cli, &c, NULL, NULL);
	if (r != 0 || days == 0)
		return r;
	t = (time_t)(clock_unix_s() - days * 86400);
	if (localtime_r(&t, &tm) == NULL || strftime(day, sizeof(day), "%Y%m%d", &tm) != 8)
		return EX_SOFTWARE;
	return clean_all(c, day);
}

/* ---- ms-cron ---- */

int ms_cron(int argc, char **argv)
{
	const char *when = argc > 1 ? argv[1] : "";
	char *rest[] = { argv[0], argc > 2 ? argv[2] : NULL, NULL };
	const char *conf_path = argc > 2 ? argv[2] : cli_default_conf();
	char value[40];

	if (argc > 3 || (strcmp(when, "HOURLY") != 0 && strcmp(when, "DAILY") != 0 &&
			 strcmp(when, "CHECK") != 0 && strcmp(when, "MAINT") != 0)) {
		(void)fprintf(stderr, "Usage: %s HOURLY|DAILY|CHECK|MAINT [CONFIGURATION]\n",
			      argv[0]);
		return EX_USAGE;
	}
	if (strcmp(when, "DAILY") == 0)
		return ms_clean_quarantine(argc - 1, rest);
	if (strcmp(when, "CHECK") == 0 &&
	    strcmp(ms_default(conf_path, "ms_cron_check", "1", value, sizeof(value)), "1") == 0)
		return ms_check(argc - 1, rest);
	if (strcmp(when, "HOURLY") == 0 &&
	    strcmp(ms_default(conf_path, "ms_cron_msg_alert", "0", value, sizeof(value)), "1") == 0)
		return ms_msg_alert(argc - 1, rest);
	return EX_OK; /* what else it did keeps itself up to date now */
}

/* ---- ms-msg-alert ---- */

/* The words of option Sendmail, then -t. */
static int send_text(const char *command, const char *text)
{
	char *copy = strdup(command), *save = NULL, *argv[WORDS_MAX + 2];
	int n = 0, status = 0, pipe_fds[2];
	size_t bytes = strlen(text);
	pid_t pid;

	(void)signal(SIGPIPE, SIG_IGN); /* a command that is not there reads nothing */
	if (copy == NULL || pipe2(pipe_fds, O_CLOEXEC) < 0) {
		free(copy);
		return EX_OSERR;
	}
	for (char *w = strtok_r(copy, " ", &save); w != NULL && n < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	argv[n++] = (char *)"-t";
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		(void)dup2(pipe_fds[0], STDIN_FILENO);
		(void)execvp(argv[0], argv);
		_exit(EX_UNAVAILABLE);
	}
	(void)close(pipe_fds[0]);
	/* 64 KiB fit into the pipe at once, and the table is shorter than that or cut */
	if (pid > 0 && write(pipe_fds[1], text, bytes) != (ssize_t)bytes)
		status = 1;
	(void)close(pipe_fds[1]);
	if (pid > 0 && status == 0)
		(void)waitpid(pid, &status, 0);
	free(copy);
	if (pid > 0 && status == 0)
		return EX_OK;
	(void)fprintf(stderr, "Sendmail = %s: this command did not take the message\n", command);
	return EX_UNAVAILABLE;
}

int ms_msg_alert(int argc, char **argv)
{
	const char *path = only_conf(argc, argv,
				     "Mails the table of messages that were tried more than once "
				     "to Notices To.");
	struct cli cli = { .conf_path = path };
	AUTO(conf_unref) struct conf *c = NULL;
	char text[60000] = "";
	FILE *f;
	int r, n;

	if (path == NULL)
		return EX_USAGE;
	r = cli_load(&cli, &c, NULL, NULL);
	if (r != 0)
		return r;
	f = fmemopen(text, sizeof(text) - 1, "w");
	if (f == NULL)
		return EX_OSERR;
	(void)fprintf(f,
		      "To: %s\nFrom: \"%s\" <%s>\nSubject: Messages that were tried more than "
		      "once\n\n",
		      conf_str(c, OPT_NOTICES_TO, NULL), conf_str(c, OPT_NOTICES_FROM, NULL),
		      conf_str(c, OPT_LOCAL_POSTMASTER, NULL));
	n = ms_processing(c, 1, f);
	(void)fclose(f);
	if (n <= 0)
		return n < 0 ? EX_NOINPUT : EX_OK;
	return send_text(conf_str(c, OPT_SENDMAIL, NULL), text);
}
