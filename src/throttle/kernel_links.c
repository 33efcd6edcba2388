/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/kernel_links.c - programs attached through links: closing the last descriptor detaches,
 * so a daemon that is killed leaves nothing behind unless the link is pinned.
 */
#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "throttle/kernel_internal.h"

/* Pin what is to stay, unpin what is not. */
static int settle_pin(struct throttle_link *l, const struct throttle_pins *pins, bool pinned,
		      bool keep, struct err *err)
{
	if (pinned && !keep)
		throttle_pins_remove(pins, l->name);
	if (pinned || !keep)
		return 0;
	return throttle_pins_put(pins, l->name, l->fd, err);
}

int throttle_link_attach(struct throttle_link *l, const struct throttle_pins *pins, int prog_fd,
			 int target, int type, uint32_t flags, bool keep, struct err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	l->fd = throttle_pins_get(pins, l->name);
	if (l->fd >= 0 && bpf_link_update(l->fd, prog_fd, NULL) == 0)
		return settle_pin(l, pins, true, keep, err);
	fd_close(&l->fd); /* a link to a namespace or an interface that is gone */
	throttle_pins_remove(pins, l->name);
	l->fd = bpf_link_create(prog_fd, target, (enum bpf_attach_type)type, &opts);
	if (l->fd < 0)
		return err_errno(err, "attach");
	return settle_pin(l, pins, false, keep, err);
}

int throttle_link_trace(struct throttle_link *l, const struct throttle_pins *pins, int prog_fd,
			bool keep, struct err *err)
{
	l->fd = bpf_raw_tracepoint_open(NULL, prog_fd);
	if (l->fd < 0)
		return err_errno(err, "attach");
	throttle_pins_remove(pins, l->name);
	return settle_pin(l, pins, false, keep, err);
}

int throttle_link_iterate(int prog_fd, struct err *err)
{
	AUTO(fd_close) int link_fd = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, NULL);
	AUTO(fd_close) int fd = link_fd < 0 ? -1 : bpf_iter_create(link_fd);
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, "iterate");
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	return n < 0 ? err_errno(err, "iterate") : 0;
}

void throttle_link_close(struct throttle_link *l)
{
	fd_close(&l->fd);
}
