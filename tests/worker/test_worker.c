/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zygote, worker and client together: what comes back for every kind of message and mishap. */
#include "worker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/t.h"
#include "tests/worker/tiny.h"

#define WALL_MS 60000u

static struct client *started(const struct client_setup *setup)
{
	struct client *c = NULL;
	struct err err = { .text = "" };

	if (client_start(&c, setup, &err) < 0)
		printf("# cannot start: %s\n", err.text);
	return c;
}

static const struct {
	const char *text;
	uint32_t wall_ms;
	enum check_state state;
	const char *says;
	bool new_worker; /* the next message meets another one */
} messages[] = {
	{ "echo hello", WALL_MS, CHECK_RAN, "hello", false },
	{ "", WALL_MS, CHECK_RAN, "0 bytes, 00000000", false },
	{ "fail", WALL_MS, CHECK_FAILED, "told to fail", false },
	{ "many", WALL_MS, CHECK_FAILED, "facts do not fit", false },
	{ "crash", WALL_MS, CHECK_FAILED, "the scan worker died of signal 11", true },
	{ "echo again", WALL_MS, CHECK_RAN, "again", false },
	{ "hang", 200, CHECK_TIMEOUT, "the scan took longer than 200 ms", true },
	{ "echo again", WALL_MS, CHECK_RAN, "again", false },
	{ "abort", WALL_MS, CHECK_FAILED, "the scan worker died of signal 6", true },
	{ "exit", WALL_MS, CHECK_FAILED, "the scan worker ended with status 3", true },
	/* T5: GMime recurses on nested address groups; an 8 MB stack dies of 88 KB of them */
	{ "stack 60", WALL_MS, CHECK_RAN, "deep", false },
	{ "stack 70", WALL_MS, CHECK_FAILED, "the scan worker died of signal 11", true },
	/* modules of the C library, which the sandbox does not let it open: see prepare.c */
	{ "charset ISO-2022-JP", WALL_MS, CHECK_RAN, "known", false },
	{ "charset windows-1251", WALL_MS, CHECK_RAN, "known", false },
	{ "charset BIG5-HKSCS", WALL_MS, CHECK_RAN, "known", false },
	{ "charset EBCDIC-ES", WALL_MS, CHECK_RAN, "unknown", false },
	/* what a scan leaves behind is gone before the next */
	{ "file left", WALL_MS, CHECK_RAN, "made", false },
	{ "files", WALL_MS, CHECK_RAN, "0 files", false },
	{ "file left", WALL_MS, CHECK_RAN, "made", false },
};

static void check_messages(void)
{
	struct client_setup setup = tiny_setup();
	struct client *c = started(&setup);
	char text[400];

	if (!T_OK(c != NULL, "client starts"))
		return;
	printf("# %s\n", client_description(c));
	T_OK(client_generation(c) == 42, "generation is told");
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		enum check_state state = tiny_scan_text(c, bytes_str(messages[i].text),
							messages[i].wall_ms, text, sizeof(text));

		T_OK(state == messages[i].state &&
			     strncmp(text, messages[i].says, strlen(messages[i].says)) == 0,
		     "'%s': %s", messages[i].text, text);
		T_OK((client_worker_pid(c) == 0) == messages[i].new_worker, "  worker %s",
		     messages[i].new_worker ? "is gone" : "lives on");
	}
	client_stop(&c);
	T_OK(c == NULL, "client stopped");
}

/* --- sizes and files --- */

/* For reading only, as queue files are handed over. */
static int file_with(size_t n, uint8_t **ret_p, int *ret_writable)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	uint8_t *p = malloc(n + 1);
	char path[40];

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 255);
	if (fd < 0 || pwrite(fd, p, n, 0) != (ssize_t)n)
		abort();
	*ret_p = p;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_writable = fd;
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Around every border: slot, hot buffer, batch, and the request's own limit (8 MiB). */
static const size_t sizes[] = {
	1, 1000, 60000, 65536 - 16, 65536 - 15, 65536, 512 * 1024 - 1, 512 * 1024, 3000000, 8 << 20,
};

static void check_sizes(struct client *c)
{
	char text[400], want[64];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t *p;
		int writable, fd = file_with(sizes[i], &p, &writable);

		(void)tiny_digest(bytes_of(p, sizes[i]), want, sizeof(want));
		T_OK(tiny_scan_text(c, bytes_of(p, sizes[i]), WALL_MS, text, sizeof(text)) ==
				     CHECK_RAN &&
			     strcmp(text, want) == 0,
		     "text of %zu bytes: %s", sizes[i], text);
		T_OK(tiny_scan_fd(c, fd, sizes[i], text, sizeof(text)) == CHECK_RAN &&
			     strcmp(text, want) == 0,
		     "file of %zu bytes: %s", sizes[i], text);
		free(p);
		fd_close(&fd);
		fd_close(&writable);
	}
}

static void check_limits(struct client *c)
{
	char text[400];
	uint8_t *p;
	int writable, fd = file_with(9000000, &p, &writable);

	T_OK(tiny_scan_fd(c, fd, 9000000, text, sizeof(text)) == CHECK_LIMIT &&
		     strcmp(text,
			    "The message is larger than allowed: 9000000 bytes, at most 8388608") ==
			     0,
	     "too large: %s", text);
	T_OK(tiny_scan_fd(c, fd, UINT64_MAX, text, sizeof(text)) == CHECK_LIMIT,
	     "announced as endless: %s", text);
	/* T10: with a mapping this would be SIGBUS, or worse, zeros that look clean */
	if (ftruncate(writable, 1000) < 0)
		abort();
	T_OK(tiny_scan_fd(c, fd, 5000, text, sizeof(text)) == CHECK_FAILED &&
		     strcmp(text,
			    "message shrank: 1000 of 5000 bytes are left in the queue file") == 0,
	     "T10: truncated: %s", text);
	T_OK(tiny_scan_fd(c, fd, 2000000, text, sizeof(text)) == CHECK_FAILED,
	     "T10: truncated, large: %s", text);
	fd_close(&fd);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_OK(tiny_scan_fd(c, fd, 100, text, sizeof(text)) == CHECK_FAILED &&
		     strstr(text, "cannot read the message: ") != NULL,
	     "unreadable: %s", text);
	T_OK(client_worker_pid(c) != 0, "and one worker did it all");
	fd_close(&fd);
	fd_close(&writable);
	free(p);
}

static void check_files(void)
{
	struct client_setup setup = tiny_setup();
	struct client *c = started(&setup);

	if (T_OK(c != NULL, "client starts")) {
		check_sizes(c);
		check_limits(c);
	}
	client_stop(&c);
}

static void check_memory(void)
{
	struct client_setup setup = tiny_setup();
	struct client *c;
	char text[400];

	setup.zygote.memory_bytes = 256 * MIB;
	c = started(&setup);
	if (!T_OK(c != NULL, "client starts with a memory limit"))
		return;
	T_OK(tiny_scan_text(c, BYTES("memory 100"), WALL_MS, text, sizeof(text)) == CHECK_RAN &&
		     strcmp(text, "had") == 0,
	     "100 MB can be had: %s", text);
#ifndef __SANITIZE_ADDRESS__ /* which reports and aborts where malloc() returns NULL */
	T_OK(tiny_scan_text(c, BYTES("memory 300"), WALL_MS, text, sizeof(text)) == CHECK_RAN &&
		     strcmp(text, "refused") == 0,
	     "300 MB cannot: %s", text);
#endif
	client_stop(&c);
}

/* --- what goes wrong at start --- */

static void check_start(void)
{
	struct client_setup setup = tiny_setup();
	struct client *c = NULL;
	struct err err;
	char text[400];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setup.bundle_fd = null;
	T_OK(client_start(&c, &setup, &err) < 0 && strstr(err.text, "not the bundle") != NULL,
	     "no configuration: %s", err.text);
	setup = tiny_setup();
	tiny_engine_bytes = 1;
	T_OK(client_start(&c, &setup, &err) < 0 && strcmp(err.text, "no signatures") == 0 &&
		     err.kind == ERR_CONFIG,
	     "no signatures: %s", err.text);
	tiny_engine_bytes = 0;
	if (geteuid() == 0) {
		setup.zygote.user = "no-such-user";
		T_OK(client_start(&c, &setup, &err) < 0 &&
			     strstr(err.text, "'no-such-user'") != NULL,
		     "%s", err.text);
		setup.zygote.user = "root";
		T_OK(client_start(&c, &setup, &err) < 0 && strstr(err.text, "is root") != NULL,
		     "%s", err.text);
	}
	setup = tiny_setup();
	setup.argv = (const char *const[]){ "/nonexistent/sallyportd", NULL };
	T_OK(client_start(&c, &setup, &err) < 0 && err.code == -EPIPE, "no program: %s", err.text);

	setup = tiny_setup();
	(void)setenv("TINY_SCANNER_FAILS", "1", 1);
	c = started(&setup);
	(void)unsetenv("TINY_SCANNER_FAILS");
	T_OK(c != NULL &&
		     tiny_scan_text(c, BYTES("echo"), WALL_MS, text, sizeof(text)) == CHECK_STATES,
	     "a worker that cannot start: %s", text);
	T_OK(strstr(text, "no scanner in /") != NULL, "says why");
	client_stop(&c);
	fd_close(&null);
}

/* --- faults: every row is one start, one message that meets the fault, one that does not --- */

#ifdef SALLYPORT_FAULTS
static const struct {
	const char *fault, *ready; /* part of what the zygote says */
	enum check_state state;
	const char *says;
} faults[] = {
	{ "reader.setup=EACCES", "io_uring (plain reads", CHECK_RAN, "2000000 bytes" },
	{ "reader.read=SHORT@1", "tiny", CHECK_FAILED, "message shrank: 1000000 of 2000000" },
	{ "reader.read=EIO@1", "tiny", CHECK_FAILED, "cannot read the message: Input/output" },
	{ "reader.submit=EIO@1", "tiny", CHECK_FAILED, "the scan worker ended with status 70" },
	{ "worker.scan=EIO@1", "tiny", CHECK_FAILED, "Input/output error" },
	{ "worker.scan=CRASH@1", "tiny", CHECK_FAILED, "the scan worker died of signal 11" },
	{ "worker.finish=KILL@1", "tiny", CHECK_FAILED, "the scan worker died of signal 9" },
	{ "worker.start=EIO", "tiny", CHECK_STATES, "the scan worker cannot start: " },
	{ "zygote.fork=ENOMEM@1", "tiny", CHECK_STATES, "the scan worker cannot start: start" },
};

static void check_faults(void)
{
	uint8_t *p;
	int writable, fd = file_with(2000000, &p, &writable);

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct client_setup setup = tiny_setup();
		struct client *c;
		char text[400] = "";
		enum check_state state = CHECK_STATES;

		(void)setenv("SALLYPORT_FAULT", faults[i].fault, 1);
		c = started(&setup);
		(void)unsetenv("SALLYPORT_FAULT");
		if (c != NULL)
			state = tiny_scan_fd(c, fd, 2000000, text, sizeof(text));
		T_OK(c != NULL && strstr(client_description(c), faults[i].ready) != NULL &&
			     state == faults[i].state &&
			     strncmp(text, faults[i].says, strlen(faults[i].says)) == 0,
		     "%s: %s", faults[i].fault, text);
		client_stop(&c);
	}
	free(p);
	fd_close(&fd);
	fd_close(&writable);
}
#else
static void check_faults(void)
{
}
#endif

/* --- who dies with whom --- */

static bool is_gone(pid_t pid)
{
	for (int i = 0; i < 6000; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		(void)poll(NULL, 0, 10);
	}
	return false;
}

static void check_deaths(void)
{
	struct client_setup setup = tiny_setup();
	struct client *c = started(&setup);
	char text[400];
	pid_t worker;

	if (!T_OK(c != NULL, "client starts"))
		return;
	(void)tiny_scan_text(c, BYTES("echo"), WALL_MS, text, sizeof(text));
	worker = client_worker_pid(c);
	(void)kill(client_zygote_pid(c), SIGKILL);
	T_OK(tiny_scan_text(c, BYTES("hang"), WALL_MS, text, sizeof(text)) == CHECK_STATES,
	     "zygote killed: %s", text);
	T_OK(is_gone(worker), "its worker dies with it");
	client_stop(&c);

	c = started(&setup);
	if (!T_OK(c != NULL, "client starts"))
		return;
	(void)tiny_scan_text(c, BYTES("echo"), WALL_MS, text, sizeof(text));
	worker = client_worker_pid(c);
	client_stop(&c);
	T_OK(is_gone(worker), "the worker ends with its client");
}

int main(void)
{
	tiny_begin();
	check_messages();
	check_files();
	check_memory();
	check_start();
	check_faults();
	check_deaths();
	tiny_end();
	return t_done();
}
