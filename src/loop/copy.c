/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/copy.c - read a piece, write it, again. */
#include "loop/copy.h"

#include <errno.h>
#include <stdlib.h>

#include "core/fault.h"

static void finish(struct copy *c, int result)
{
	free(c->buf);
	c->buf = NULL;
	c->done(c, result);
}

static void read_piece(struct copy *c)
{
	c->reading = true;
	c->have = c->put = 0;
	/* With nothing left this reads no byte: so even an empty range ends in a completion. */
	loop_read(c->loop, &c->op, c->from_fd, c->buf,
		  (unsigned)MIN_OF(c->left, (uint64_t)COPY_PIECE_BYTES), c->from);
}

static void write_piece(struct copy *c)
{
	c->reading = false;
	loop_write(c->loop, &c->op, c->to_fd, c->buf + c->put, c->have - c->put, c->to);
}

static void step(struct op *op, int result, bool more UNUSED)
{
	struct copy *c = CONTAINER_OF(op, struct copy, op);

	result = fault_at(c->reading ? "copy.read" : "copy.write", result);
	if (result == -EINTR || result == -EAGAIN) {
		if (c->reading)
			read_piece(c);
		else
			write_piece(c);
		return;
	}
	if (result < 0 || c->left == 0) {
		finish(c, MIN_OF(result, 0));
		return;
	}
	if (result == 0) {
		finish(c, c->reading ? -ENODATA : -EIO);
		return;
	}
	if (c->reading) {
		c->have = (unsigned)result;
		c->from += (unsigned)result;
		write_piece(c);
		return;
	}
	c->put += (unsigned)result;
	c->to += (unsigned)result;
	c->left -= (unsigned)result;
	if (c->put < c->have)
		write_piece(c);
	else if (c->left > 0)
		read_piece(c);
	else
		finish(c, 0);
}

int copy_start(struct copy *c, struct loop *l, int from_fd, uint64_t from, int to_fd, uint64_t to,
	       uint64_t n, void (*done)(struct copy *c, int result))
{
	*c = (struct copy){ .op.done = step,
			    .loop = l,
			    .from_fd = from_fd,
			    .to_fd = to_fd,
			    .from = from,
			    .to = to,
			    .left = n,
			    .done = done };
	c->buf = malloc(COPY_PIECE_BYTES);
	if (c->buf == NULL)
		return -ENOMEM;
	read_piece(c);
	return 0;
}
