/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/client.c - the other end of the control socket. */
#include "ctl/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/jout.h"

#define ANSWER_SECONDS 10

/* Of a call that waits: errno tells that it waited too long in words nobody understands. */
static int failed(const char *path, unsigned seconds, struct err *err)
{
	if (errno == EAGAIN)
		return err_set(err, ERR_TEMP, -ETIMEDOUT,
			       "no answer within %u s from the gateway at %s: it is stopped, or "
			       "hangs",
			       seconds, path);
	if (errno == EACCES)
		return err_set(err, ERR_CONFIG, -EACCES,
			       "%s (option Control Socket) may be asked by root and the gateway's "
			       "user and group only",
			       path);
	return err_errno(err, "ask the gateway at %s", path);
}

/* With a time limit connect() and read() end with EINTR when the process was stopped (Ctrl-Z) and
 * goes on, handlers or not: signal(7). */
static int connect_to(int fd, const struct sockaddr_un *addr)
{
	int r;

	do
		r = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	while (r < 0 && errno == EINTR);
	return r;
}

static int dial(const char *path, unsigned seconds, struct err *err)
{
	AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = seconds };

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ERR_CONFIG, -ENAMETOOLONG, "Control Socket = %s: too long",
			       path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0)
		return err_errno(err, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* It holds for connect(), too: a gateway that hangs takes no connection from its backlog.
	 */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect_to(fd, &addr) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return err_set(err, ERR_TEMP, -errno,
				       "no gateway answers at %s (option Control Socket): is "
				       "sallyportd running?",
				       path);
		return failed(path, seconds, err);
	}
	return TAKE_FD(fd);
}

static int read_all(int fd, const char *path, unsigned seconds, struct str *answer, struct err *err)
{
	char buf[16 * 1024];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			str_add_bytes(answer, bytes_of(buf, (size_t)n));
	if (n < 0)
		return failed(path, seconds, err);
	if (answer->failed || answer->n == 0)
		return err_set(err, ERR_TEMP, -EBADMSG, "the gateway's answer was cut off");
	return 0;
}

static int ask(const char *path, unsigned seconds, struct bytes request, struct str *ret_answer,
	       struct err *err)
{
	AUTO(fd_close) int fd = dial(path, seconds, err);

	if (fd < 0)
		return fd;
	if (send(fd, request.p, request.n, MSG_NOSIGNAL) != (ssize_t)request.n)
		return failed(path, seconds, err);
	return read_all(fd, path, seconds, ret_answer, err);
}

static int compose(struct str *request, const char *command, const struct ctl_argument *args,
		   size_t args_n, struct err *err)
{
	struct jout j;

	str_init(request, 4096);
	jout_begin(&j, request);
	jout_object(&j, NULL);
	jout_member_str(&j, "command", bytes_str(command));
	for (size_t i = 0; i < args_n; i++)
		if (args[i].text != NULL)
			jout_member_str(&j, args[i].name, bytes_str(args[i].text));
		else
			jout_member_int(&j, args[i].name, args[i].number);
	jout_end(&j);
	str_add_char(request, '\n');
	return request->failed
		       ? err_set(err, ERR_INPUT, -E2BIG,
				 "%s: its arguments are longer than a request may be", command)
		       : 0;
}

int ctl_ask(const char *path, const char *command, struct str *ret_answer, struct err *err)
{
	return ctl_ask_within(path, command, ANSWER_SECONDS, ret_answer, err);
}

int ctl_ask_within(const char *path, const char *command, unsigned seconds, struct str *ret_answer,
		   struct err *err)
{
	AUTO(str_fini) struct str request;
	int r = compose(&request, command, NULL, 0, err);

	return r < 0 ? r : ask(path, seconds, str_bytes(&request), ret_answer, err);
}

int ctl_ask_with(const char *path, const char *command, const struct ctl_argument *args,
		 size_t args_n, struct str *ret_answer, struct err *err)
{
	AUTO(str_fini) struct str request;
	int r = compose(&request, command, args, args_n, err);

	return r < 0 ? r : ask(path, ANSWER_SECONDS, str_bytes(&request), ret_answer, err);
}
