/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/server.c - accept, one line in, one object out, close. A client that is slow or wrong loses
 * its connection; the gateway never waits for it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "ctl/internal.h"

#define CLIENT_NS UINT64_C(5000000000)

struct client {
	struct ctl *ctl;
	int fd;
	struct op op;
	struct timer timer;
	struct str reply;
	size_t sent;
	bool answering, cancelled;
	size_t n;
	char in[SALLYPORT_CONTROL_REQUEST_BYTES];
};

static void drop(struct client *cl)
{
	loop_timer_clear(cl->ctl->loop, &cl->timer);
	cl->ctl->connections--;
	fd_close(&cl->fd);
	str_fini(&cl->reply);
	free(cl);
}

static void write_some(struct client *cl)
{
	struct bytes left = bytes_from(str_bytes(&cl->reply), cl->sent);

	loop_write(cl->ctl->loop, &cl->op, cl->fd, left.p, (unsigned)MIN_OF(left.n, (size_t)MIB),
		   (uint64_t)-1);
}

static void read_some(struct client *cl)
{
	loop_read(cl->ctl->loop, &cl->op, cl->fd, cl->in + cl->n,
		  (unsigned)(sizeof(cl->in) - cl->n), (uint64_t)-1);
}

static void answer(struct client *cl, size_t line_n)
{
	cl->answering = true;
	ctl_answer(cl->ctl, bytes_of(cl->in, line_n), &cl->reply);
	str_add_char(&cl->reply, '\n');
	if (cl->reply.failed) {
		str_reset(&cl->reply);
		str_add(&cl->reply, "{\"ok\":false,\"error\":\"the answer is too large\"}\n");
	}
	write_some(cl);
}

static void step(struct op *op, int result, bool more UNUSED)
{
	struct client *cl = CONTAINER_OF(op, struct client, op);
	ptrdiff_t lf;

	if (result <= 0 || cl->cancelled) {
		drop(cl);
		return;
	}
	if (cl->answering) {
		cl->sent += (size_t)result;
		if (cl->sent < cl->reply.n)
			write_some(cl);
		else
			drop(cl);
		return;
	}
	cl->n += (size_t)result;
	lf = bytes_index(bytes_of(cl->in, cl->n), '\n');
	if (lf >= 0)
		answer(cl, (size_t)lf);
	else if (cl->n < sizeof(cl->in))
		read_some(cl);
	else
		answer(cl, 0); /* too long: says what is expected */
}

static void too_slow(struct timer *t)
{
	struct client *cl = CONTAINER_OF(t, struct client, timer);

	cl->cancelled = true;
	loop_cancel(cl->ctl->loop, &cl->op);
}

static void start(struct ctl *c, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || c->connections >= CTL_CONNECTIONS_MAX) {
		free(cl);
		(void)close(fd);
		return;
	}
	c->connections++;
	cl->ctl = c;
	cl->fd = fd;
	cl->op.done = step;
	cl->timer.fire = too_slow;
	str_init(&cl->reply, CTL_REPLY_BYTES_MAX);
	(void)!loop_timer_set(c->loop, &cl->timer, loop_now_ns(c->loop) + CLIENT_NS);
	read_some(cl);
}

static void accept_event(struct op *op, int result, bool more)
{
	struct ctl *c = CONTAINER_OF(op, struct ctl, accept_op);
	int fd;

	if (result < 0 && result != -EBUSY) {
		log_warning("control socket: %s; it is closed until a restart", strerror(-result));
		return;
	}
	while ((fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		start(c, fd);
	if (!more)
		loop_poll(c->loop, &c->accept_op, c->listen_fd);
}

int ctl_new(struct ctl **ret_c, struct loop *l, int listen_fd, struct metrics *m,
	    void (*reload)(void *arg), void *reload_arg, struct err *err)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "control server: out of memory");
	*c = (struct ctl){ .loop = l,
			   .metrics = m,
			   .accept_op.done = accept_event,
			   .listen_fd = listen_fd,
			   .reload = reload,
			   .reload_arg = reload_arg,
			   .began_ns = loop_now_ns(l) };
	loop_poll(l, &c->accept_op, listen_fd);
	*ret_c = c;
	return 0;
}

void ctl_free(struct ctl **c)
{
	if (*c == NULL)
		return;
	fd_close(&(*c)->listen_fd);
	ctl_pages_free(&(*c)->pages);
	free(*c);
	*c = NULL;
}

void ctl_set_gate(struct ctl *c, struct gate *g)
{
	if (c != NULL)
		c->gate = g;
}

void ctl_set_throttle(struct ctl *c, struct throttle *t)
{
	if (c != NULL)
		c->throttle = t;
}
