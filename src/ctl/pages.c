/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/pages.c - the gateway's end of ctl/pages.h. The exporter talks to the whole network: what it
 * sends is not trusted, and nothing waits for it. */
#include "ctl/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/log.h"
#include "ctl/internal.h"
#include "metrics/metrics.h"
#include "msg/gate.h"

#define FRESH_NS  UINT64_C(100000000)
#define DRAIN_MAX 1024 /* requests in one turn */

struct pages {
	struct ctl *ctl;
	struct op op;
	int fd;
	struct str page;
	uint64_t made_ns; /* 0: never */
	bool told;        /* that it is too large */
};

void ctl_put_page(struct ctl *c, struct str *out)
{
	if (c->gate != NULL)
		gate_measure(c->gate);
	metrics_write_prometheus(c->metrics, out);
}

static void make(struct pages *p)
{
	uint64_t now = loop_now_ns(p->ctl->loop);

	if (p->made_ns != 0 && now - p->made_ns < FRESH_NS)
		return;
	p->made_ns = now;
	str_reset(&p->page);
	ctl_put_page(p->ctl, &p->page);
	if (p->page.failed && !p->told)
		log_err("the metrics page is larger than %u bytes and is not served",
			PAGE_BYTES_MAX);
	p->told = p->page.failed;
}

/* A record that does not fit into the socket is dropped: its reader is not reading. */
static void answer(struct pages *p, uint64_t serial)
{
	struct iovec iov[2] = { { &serial, sizeof(serial) } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	make(p);
	if (p->page.failed)
		return;
	iov[1] = (struct iovec){ p->page.p, p->page.n };
	(void)!sendmsg(p->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The newest request; 1, or 0 when there is none, negative when there is no exporter any more. */
static int newest(struct pages *p, uint64_t *ret_serial)
{
	struct page_request r;
	ssize_t n = 1;
	int found = 0;

	for (unsigned i = 0; i < DRAIN_MAX; i++) {
		n = recv(p->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_TRUNC);
		if (n <= 0)
			break;
		if (n != (ssize_t)sizeof(r))
			continue; /* nonsense */
		*ret_serial = r.serial;
		found = 1;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return -EPIPE;
	return found;
}

static void asked(struct op *op, int result, bool more)
{
	struct pages *p = CONTAINER_OF(op, struct pages, op);
	uint64_t serial = 0;
	int r = result < 0 && result != -EBUSY ? result : newest(p, &serial);

	if (r == 1)
		answer(p, serial);
	if (r >= 0 && !more)
		loop_poll(p->ctl->loop, &p->op, p->fd);
}

int ctl_serve_pages(struct ctl *c, int fd, struct err *err)
{
	struct pages *p;

	if (c->pages != NULL)
		return err_set(err, ERR_BUG, -EBUSY, "metrics pages are served already");
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "metrics pages: out of memory");
	p->ctl = c;
	p->fd = fd;
	p->op.done = asked;
	str_init(&p->page, PAGE_BYTES_MAX);
	c->pages = p;
	loop_poll(c->loop, &p->op, fd);
	return 0;
}

void ctl_pages_free(struct pages **p)
{
	if (*p == NULL)
		return;
	fd_close(&(*p)->fd);
	str_fini(&(*p)->page);
	free(*p);
	*p = NULL;
}
