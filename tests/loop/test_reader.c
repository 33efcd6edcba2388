/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The restricted ring: what it reads, what it refuses, and the way without it. */
#include "loop/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/fault.h"
#include "tests/t.h"

/* Opcodes of io_uring_enter(2), by number: the test must not depend on what headers know. */
enum {
	OP_NOP = 0,
	OP_READV = 1,
	OP_WRITEV = 2,
	OP_FSYNC = 3,
	OP_READ_FIXED = 4,
	OP_POLL_ADD = 6,
	OP_SENDMSG = 9,
	OP_RECVMSG = 10,
	OP_ACCEPT = 13,
	OP_CONNECT = 16,
	OP_OPENAT = 18,
	OP_CLOSE = 19,
	OP_STATX = 21,
	OP_READ = 22,
	OP_WRITE = 23,
	OP_SEND = 26,
	OP_OPENAT2 = 28,
	OP_SPLICE = 30,
	OP_RENAMEAT = 35,
	OP_UNLINKAT = 36,
	OP_MKDIRAT = 37,
	OP_MSG_RING = 40,
	OP_SOCKET = 45,
	OP_URING_CMD = 46,
	OP_FIXED_FD_INSTALL = 54,
	OP_LAST = 80
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

static int file_of(size_t n)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	uint8_t *p = malloc(n + 1);
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i);
	done = pwrite(fd, p, n, 0);
	free(p);
	return done == (ssize_t)n ? fd : -1;
}

static bool is_pattern(const uint8_t *p, size_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(offset + i))
			return false;
	return true;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static const struct {
	size_t file, offset, ask;
	int want;
	const char *what;
} reads[] = {
	{ 10, 0, 10, 10, "small" },
	{ 0, 0, 0, 0, "nothing" },
	{ 5000, 100, 4900, 4900, "from an offset" },
	{ 5000, 100, 300, 300, "a piece" },
	{ 5000, 0, 6000, 5000, "shorter than announced" },
	{ 5000, 7000, 10, 0, "behind the end" },
	{ 512 * 1024 - 1, 0, 512 * 1024 - 1, 512 * 1024 - 1, "largest of a batch" },
	{ 512 * 1024, 0, 512 * 1024, 512 * 1024, "alone" },
	{ 3 * 1024 * 1024, 17, 3 * 1024 * 1024 - 17, 3 * 1024 * 1024 - 17, "large" },
	{ 3 * 1024 * 1024, 0, 4 * 1024 * 1024, 3 * 1024 * 1024, "large and shorter" },
};

/* All rows @times over in one call: more than one batch, large ones between small ones. */
static void check_reads(struct reader *r, unsigned times, const char *mode)
{
	unsigned n = (unsigned)ARRAY_LEN(reads) * times;
	struct read_item *items = calloc(n, sizeof(*items));
	int *fds = calloc(n, sizeof(*fds));

	for (unsigned i = 0; i < n; i++) {
		size_t k = i % ARRAY_LEN(reads);

		fds[i] = file_of(reads[k].file);
		items[i] = (struct read_item){ .fd = fds[i],
					       .offset = reads[k].offset,
					       .buf = malloc(reads[k].ask + 1),
					       .n = reads[k].ask };
	}
	T_OK(reader_run(r, items, n, NULL) == 0, "%s: %u reads", mode, n);
	for (unsigned i = 0; i < n; i++) {
		size_t k = i % ARRAY_LEN(reads);

		if (i < ARRAY_LEN(reads) || items[i].result != reads[k].want || is_open(fds[i]))
			T_OK(items[i].result == reads[k].want && !is_open(fds[i]) &&
				     is_pattern(items[i].buf, reads[k].offset,
						(size_t)items[i].result),
			     "%s: %s: %d bytes, closed", mode, reads[k].what, items[i].result);
		free(items[i].buf);
	}
	free(items);
	free(fds);
}

static void check_errors(struct reader *r, const char *mode)
{
	uint8_t buf[16];
	struct err err;
	int write_only = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct read_item bad = { .fd = write_only, .buf = buf, .n = sizeof(buf) };
	struct read_item none = { .fd = -1, .buf = buf, .n = sizeof(buf) };

	T_OK(reader_run(r, &bad, 1, &err) == 0 && bad.result == -EBADF && !is_open(write_only),
	     "%s: a failed read is that item's result, and closed", mode);
	T_OK(reader_run(r, &none, 1, &err) == -EINVAL, "%s: no descriptor: refused", mode);
}

/* T9: seccomp does not see ring operations, so the ring itself must refuse them. */
static void check_restrictions(struct reader *r)
{
	int fd = file_of(100);
	uint8_t buf[8];
	unsigned allowed = 0;

	for (unsigned op = 0; op < OP_LAST; op++) {
		int res = op == OP_CLOSE || op == OP_READ
				  ? -EACCES
				  : reader_try(r, (uint8_t)op, fd, "/etc/passwd");

		if (res == -EACCES || (res == -EINVAL && op > OP_SOCKET))
			continue; /* refused, or unknown to this kernel */
		printf("# operation %u: %d\n", op, res);
		allowed++;
	}
	T_OK(allowed == 0, "T9: every operation but READ and CLOSE is refused");
	T_OK(reader_try(r, OP_OPENAT, AT_FDCWD, "/etc/passwd") == -EACCES, "T9: OPENAT is refused");
	T_OK(reader_try(r, OP_READ, fd, buf) == 0, "READ works");
	T_OK(reader_try(r, OP_CLOSE, fd, NULL) == 0 && !is_open(fd), "CLOSE works");
}

#ifdef SALLYPORT_FAULTS
static void with_fault(const char *spec, void (*fn)(struct reader *, const char *),
		       const char *mode)
{
	struct reader *r = NULL;

	(void)setenv("SALLYPORT_FAULT", spec, 1);
	if (T_OK(reader_new(&r, NULL) == 0, "%s: reader", mode))
		fn(r, mode);
	(void)unsetenv("SALLYPORT_FAULT");
	reader_free(&r);
}

static void plain_reads(struct reader *r, const char *mode)
{
	T_OK(strncmp(reader_mode(r), "plain reads", 11) == 0, "%s: says '%s'", mode,
	     reader_mode(r));
	check_reads(r, 2, mode);
	check_errors(r, mode);
	T_OK(reader_try(r, OP_OPENAT, AT_FDCWD, "/etc/passwd") == -ENOSYS, "%s: no ring at all",
	     mode);
}

static void one_read(struct reader *r, int want, int want_result, const char *mode)
{
	int fd = file_of(1000);
	uint8_t buf[1000];
	struct read_item item = { .fd = fd, .buf = buf, .n = sizeof(buf) };

	T_OK(reader_run(r, &item, 1, NULL) == want, "%s: returns %d", mode, want);
	if (want == 0)
		T_OK(item.result == want_result && !is_open(fd), "%s: result %d", mode,
		     item.result);
	else
		(void)close(fd);
}

static void short_read(struct reader *r, const char *mode)
{
	one_read(r, 0, 500, mode);
}

static void read_error(struct reader *r, const char *mode)
{
	one_read(r, 0, -EIO, mode);
}

static void ring_error(struct reader *r, const char *mode)
{
	one_read(r, -EIO, 0, mode);
}

static void short_preads(struct reader *r, const char *mode)
{
	one_read(r, 0, 1000, mode);
}

static void check_faults(void)
{
	with_fault("reader.setup=EACCES", plain_reads, "no io_uring");
	with_fault("reader.read=SHORT", short_read, "shortened by the ring");
	with_fault("reader.read=EIO", read_error, "I/O error");
	with_fault("reader.submit=EIO", ring_error, "broken ring");
	with_fault("reader.setup=EACCES,reader.pread=EINTR@1", short_preads, "interrupted");
	with_fault("reader.setup=EACCES,reader.pread=EIO", read_error, "I/O error of pread");
}
#else
static void check_faults(void)
{
}
#endif

int main(void)
{
	struct reader *r = NULL;

	if (!T_OK(reader_new(&r, NULL) == 0, "new reader"))
		return t_done();
	printf("# %s\n", reader_mode(r));
	check_reads(r, 7, "reader");
	check_errors(r, "reader");
	if (strcmp(reader_mode(r), "io_uring") == 0)
		check_restrictions(r);
	reader_free(&r);
	check_faults();
	return t_done();
}
