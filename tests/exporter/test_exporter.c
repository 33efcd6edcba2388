/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exporter as a whole, behind its system-call filter where there are no sanitizers; the test is
 * the gateway and the clients. */
#include "exporter/exporter.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/str.h"
#include "ctl/pages.h"
#include "tests/t.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX false /* the sanitizer maps and asks what the filter does not know */
#else
#define SANDBOX true
#endif

static char dir[] = "/tmp/sallyport-exporter-XXXXXX", path[64];
static int gateway = -1;
static pid_t exporter;

static int listen_here(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		return -1;
	return fd;
}

static bool start(void)
{
	int pair[2], fd = listen_here();
	struct err err;

	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	exporter = fork();
	if (exporter == 0) {
		struct exporter_setup s = {
			.pages_fd = pair[1], .listen_fds = &fd, .listen_n = 1, .sandbox = SANDBOX
		};

		(void)close(pair[0]);
		if (exporter_run(&s, &err) == 0)
			_exit(0);
		(void)fprintf(stderr, "# %s\n", err.text);
		_exit(1);
	}
	(void)close(fd);
	(void)close(pair[1]);
	gateway = pair[0];
	return exporter > 0;
}

static int ask(const char *request)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -1;
	return fd;
}

/* All that comes, and the end of it. */
static const char *answer(int fd)
{
	static char text[8192];
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	(void)close(fd);
	return text;
}

/* The gateway's part: wait for a question, answer it. */
static void serve(const char *text)
{
	struct page_request r = { 0 };
	char record[256];

	if (recv(gateway, &r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return;
	memcpy(record, &r.serial, sizeof(r.serial));
	memcpy(record + sizeof(r.serial), text, strlen(text));
	(void)!send(gateway, record, sizeof(r.serial) + strlen(text), 0);
}

/* A page that is still fresh is served without a question: whichever comes first, question or
 * answer, decides. */
static void serve_if_asked(int client)
{
	struct pollfd p[2] = { { .fd = gateway, .events = POLLIN },
			       { .fd = client, .events = POLLIN } };

	(void)poll(p, 2, -1);
	if (p[0].revents != 0)
		serve("one 1\n");
}

#define GET(what) "GET " what " HTTP/1.1\r\nHost: x\r\n\r\n"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
	size_t n = strlen(text), m = strlen(with);

	return n >= m && strcmp(text + n - m, with) == 0;
}

static const struct {
	const char *request, *status, *what;
} without_page[] = {
	{ GET("/"), "HTTP/1.1 404", "another path" },
	{ GET("/metrics/"), "HTTP/1.1 404", "nearly the path" },
	{ "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 405",
	  "another method" },
	{ "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", "no heads" },
	{ "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "no host" },
	{ "\x01\x02 \x03\r\n\r\n", "HTTP/1.1 400", "no HTTP" },
};

static void test_requests(void)
{
	int first, second;
	const char *a;

	for (size_t i = 0; i < ARRAY_LEN(without_page); i++) {
		a = answer(ask(without_page[i].request));
		T_OK(begins(a, without_page[i].status), "%s: %.20s", without_page[i].what, a);
	}
	first = ask(GET("/metrics"));
	serve("one 1\n");
	a = answer(first);
	T_OK(begins(a, "HTTP/1.1 200") && ends(a, "\r\n\r\none 1\n") &&
		     strstr(a, "text/plain; version=0.0.4") != NULL,
	     "the page");
	second = ask(GET("/healthz"));
	serve_if_asked(second);
	a = answer(second);
	T_OK(begins(a, "HTTP/1.1 200") && ends(a, "\r\n\r\nok\n"), "healthy while pages come");
}

static void test_end(void)
{
	int status = -1, slow = ask("GET /metrics HTTP/1.1\r\nHo");

	(void)ask(GET("/metrics")); /* waits for a page that never comes */
	(void)close(gateway);
	T_OK(waitpid(exporter, &status, 0) == exporter && WIFEXITED(status) &&
		     WEXITSTATUS(status) == 0,
	     "it ends when its supervisor is gone, whoever waits");
	(void)close(slow);
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return t_skip_all("no temporary directory");
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	(void)signal(SIGPIPE, SIG_IGN);
	if (T_OK(start(), "it starts")) {
		test_requests();
		test_end();
	}
	(void)unlink(path);
	(void)rmdir(dir);
	return t_done();
}
