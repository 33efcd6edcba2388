/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/page.c - the exporter's end of ctl/pages.h. */
#include "exporter/page.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ctl/pages.h"

#define RECORD_BYTES_MAX (sizeof(uint64_t) + PAGE_BYTES_MAX)

int page_init(struct page *p, int fd)
{
	*p = (struct page){ .fd = fd, .buf = malloc(RECORD_BYTES_MAX) };
	str_init(&p->text, PAGE_BYTES_MAX + 1);
	return p->buf == NULL ? -ENOMEM : 0;
}

void page_fini(struct page *p)
{
	fd_close(&p->fd);
	str_fini(&p->text);
	free(p->buf);
	p->buf = NULL;
}

bool page_is_fresh(const struct page *p, uint64_t now_ns)
{
	return p->got_ns != 0 && now_ns - p->got_ns < PAGE_FRESH_NS;
}

void page_ask(struct page *p, uint64_t now_ns)
{
	struct page_request r;

	if (p->asked_ns != 0)
		return;
	r.serial = ++p->serial;
	p->asked_ns = now_ns;
	/* A socket that is full belongs to a gateway that does not answer: the time limit says so.
	 */
	(void)!send(p->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool is_answer(const struct page *p, size_t n)
{
	uint64_t serial;

	if (n < sizeof(serial) || n > RECORD_BYTES_MAX || p->asked_ns == 0)
		return false;
	memcpy(&serial, p->buf, sizeof(serial));
	return serial == p->serial;
}

int page_receive(struct page *p, uint64_t now_ns)
{
	ssize_t n;

	while ((n = recv(p->fd, p->buf, RECORD_BYTES_MAX, MSG_DONTWAIT | MSG_TRUNC)) > 0) {
		if (!is_answer(p, (size_t)n))
			continue;
		str_reset(&p->text);
		str_add_bytes(&p->text,
			      bytes_of(p->buf + sizeof(uint64_t), (size_t)n - sizeof(uint64_t)));
		if (p->text.failed)
			continue;
		p->asked_ns = 0;
		p->got_ns = now_ns;
		return 1;
	}
	return n == 0 || (errno != EAGAIN && errno != EINTR) ? -EPIPE : 0;
}

bool page_gave_up(struct page *p, uint64_t now_ns)
{
	if (p->asked_ns == 0 || now_ns - p->asked_ns < PAGE_ANSWER_NS)
		return false;
	p->asked_ns = 0;
	return true;
}
