/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/mail_file.c - reading the headers of a message file, writing a changed one. */
#include "tools/mail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"

/* The worker gets nothing that it could write to. */
static int read_only(int fd, struct err *err)
{
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? err_errno(err, "memory file for standard input") : r;
}

static int spool_stdin(struct err *err)
{
	AUTO(fd_close) int fd = memfd_create("sallyport-stdin", MFD_CLOEXEC);
	char buf[64 * 1024];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, "memory file for standard input");
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			return err_errno(err, "memory file for standard input");
	if (n < 0)
		return err_errno(err, "read standard input");
	return read_only(fd, err);
}

/* The first @max bytes. */
static int read_start(int fd, size_t max, struct arena *a, struct bytes *ret, struct err *err)
{
	uint8_t *p = arena_alloc(a, max);
	size_t have = 0;
	ssize_t n;

	if (p == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "headers of %zu bytes", max);
	while (have < max && (n = pread(fd, p + have, max - have, (off_t)have)) != 0) {
		if (n < 0)
			return err_errno(err, "read message");
		have += (size_t)n;
	}
	arena_shrink(a, p, have);
	*ret = bytes_of(p, have);
	return 0;
}

static bool is_blank(struct bytes line)
{
	return line.n == 0 || (line.n == 1 && line.p[0] == '\r');
}

static bool is_folded(struct bytes line)
{
	return line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* Join @line to the header before it, both being neighbours in the buffer. */
static void extend(struct header *h, struct bytes line)
{
	h->text.n = (size_t)(line.p + line.n - h->text.p);
}

static int split(struct mail_file *m, struct bytes start, struct arena *a, struct err *err)
{
	struct bytes rest = start, line;
	bool first = true;

	while (bytes_next_line(&rest, &line)) {
		if (is_blank(line)) {
			m->crlf = line.n == 1;
			m->body_at = start.n - rest.n;
			return 0;
		}
		if (first && bytes_starts(line, BYTES("From "))) {
			first = false;
			continue;
		}
		first = false;
		if (line.p[line.n - 1] == '\r')
			line.n--;
		if (is_folded(line) && m->headers.n > 0)
			extend(&m->headers.v[m->headers.n - 1], line);
		else if (header_list_insert(&m->headers, a, m->headers.n,
					    (struct header){ .text = line,
							     .mark = BYTES("file") }) < 0)
			return err_set(err, ERR_LIMIT, -ENOMEM, "too many header lines");
	}
	if (start.n < m->size_bytes)
		return err_set(err, ERR_LIMIT, -EFBIG, "headers of more than %zu bytes", start.n);
	m->body_at = m->size_bytes; /* headers only */
	return 0;
}

int mail_file_open(struct mail_file *ret_m, const char *path, size_t header_max, struct arena *a,
		   struct err *err)
{
	struct mail_file m = { .fd = -1 };
	struct bytes start = { 0 };
	struct stat st;
	int r;

	if (strcmp(path, "-") == 0)
		m.fd = spool_stdin(err);
	else
		m.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (m.fd < 0)
		return strcmp(path, "-") == 0 ? m.fd : err_errno(err, "%s", path);
	r = fstat(m.fd, &st) < 0 ? err_errno(err, "%s", path) : 0;
	if (r == 0 && !S_ISREG(st.st_mode))
		r = err_set(err, ERR_INPUT, -EINVAL, "%s is not a plain file", path);
	if (r == 0) {
		m.size_bytes = (uint64_t)st.st_size;
		r = read_start(m.fd, MIN_OF(header_max, (size_t)st.st_size), a, &start, err);
	}
	if (r == 0)
		r = split(&m, start, a, err);
	if (r < 0) {
		fd_close(&m.fd);
		return r;
	}
	*ret_m = m;
	return 0;
}

static void put_headers(const struct mail_file *m, struct str *out)
{
	for (size_t i = 0; i < m->headers.n; i++) {
		const struct header *h = &m->headers.v[i];

		if (h->deleted)
			continue;
		str_add_bytes(out, h->text);
		str_add(out, m->crlf ? "\r\n" : "\n");
	}
	str_add(out, m->crlf ? "\r\n" : "\n");
}

static int copy_body(const struct mail_file *m, int to, struct err *err)
{
	off_t at = (off_t)m->body_at;

	while ((uint64_t)at < m->size_bytes) {
		ssize_t n = copy_file_range(m->fd, &at, to, NULL, m->size_bytes - (uint64_t)at, 0);

		if (n < 0)
			return err_errno(err, "copy body");
		if (n == 0)
			return err_set(err, ERR_TEMP, -ENODATA, "the file became shorter");
	}
	return 0;
}

int mail_file_write(const struct mail_file *m, const char *path, struct err *err)
{
	AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	AUTO(str_fini) struct str head;

	str_init(&head, 64 * MIB);
	if (fd < 0)
		return err_errno(err, "%s", path);
	put_headers(m, &head);
	if (head.failed)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: headers too large", path);
	if (write(fd, str_view(&head), head.n) != (ssize_t)head.n)
		return err_errno(err, "%s", path);
	return copy_body(m, fd, err);
}
