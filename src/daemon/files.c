/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/files.c - pid file, control socket, background. */
#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"

int files_pid_open(const char *path, struct err *err)
{
	AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char text[32];
	int n;

	if (fd < 0)
		return err_errno(err, "PID file = %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_CONFIG, -EBUSY,
			       "PID file = %s: another sallyportd is running with it", path);
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n)
		return err_errno(err, "PID file = %s", path);
	return TAKE_FD(fd);
}

void files_pid_remove(const char *path)
{
	(void)unlink(path);
}

static int make_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(dir))
		return 0;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0)
		return errno == EEXIST ? 0
				       : err_errno(err, "Control Socket: make directory %s", dir);
	/* Our umask takes from it what those need who may use a socket in it. */
	if (chmod(dir, 0755) < 0)
		return err_errno(err, "Control Socket: mode of directory %s", dir);
	return 0;
}

int files_listen(const char *path, const char *user, struct err *err)
{
	AUTO(fd_close) int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct passwd *pw;
	int r;

	if (path[0] == '\0' || strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG,
			       "Control Socket = %s: expected a path of 1 to %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	r = make_parent(path, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "control socket");
	(void)unlink(path); /* the pid file's lock says that nobody else serves it */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0660) < 0)
		return err_errno(err, "Control Socket = %s", path);
	pw = user[0] == '\0' ? NULL : getpwnam(user);
	if (geteuid() == 0 && pw != NULL && chown(path, pw->pw_uid, pw->pw_gid) < 0)
		return err_errno(err, "Control Socket = %s: owner %s", path, user);
	if (listen(fd, 64) < 0)
		return err_errno(err, "Control Socket = %s", path);
	return TAKE_FD(fd);
}

int files_daemonize(const char *facility, struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	if (null < 0)
		return err_errno(err, "/dev/null");
	pid = fork();
	if (pid < 0) {
		int r = err_errno(err, "go to the background");

		(void)close(null);
		return r;
	}
	if (pid > 0)
		_exit(EX_OK);
	(void)setsid();
	(void)!chdir("/");
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		(void)close(null);
	log_init(LOG_TO_SYSLOG, "MailScanner", facility);
	return 0;
}
