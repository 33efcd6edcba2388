/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/zygote_msg.c - one message, with descriptors, on the socket between master and zygote. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "worker/zygote.h"

union fds_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(ZYGOTE_FDS_MAX * sizeof(int))];
};

int zygote_send(int sock, const struct zygote_msg *m, const int *fds, size_t fds_n, struct err *err)
{
	struct iovec iov = { (void *)m, sizeof(*m) };
	union fds_control control = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fds_n > ZYGOTE_FDS_MAX)
		return err_set(err, ERR_BUG, -EINVAL, "%zu descriptors for the zygote", fds_n);
	if (fds_n > 0) {
		h.msg_control = control.buf;
		h.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds_n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fds_n * sizeof(int));
	}
	if (sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_errno(err, "send to the other side of the zygote's socket");
	return 0;
}

static void take_fds(struct msghdr *h, int ret_fds[ZYGOTE_FDS_MAX])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);

	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

static bool well_formed(const struct zygote_msg *m, ssize_t n, int flags)
{
	return n == (ssize_t)sizeof(*m) && (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && m->type > 0 &&
	       m->type < ZYGOTE_TYPES && m->worker < ZYGOTE_WORKERS_MAX &&
	       memchr(m->text, '\0', sizeof(m->text)) != NULL;
}

int zygote_recv(int sock, struct zygote_msg *ret_m, int ret_fds[ZYGOTE_FDS_MAX], struct err *err)
{
	struct zygote_msg m;
	struct iovec iov = { &m, sizeof(m) };
	union fds_control control;
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
		ret_fds[i] = -1;
	n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return err_set(err, ERR_TEMP, -EPIPE,
			       "the other side of the zygote's socket is gone");
	if (n < 0)
		return err_errno(err, "receive on the zygote's socket");
	take_fds(&h, ret_fds);
	if (!well_formed(&m, n, h.msg_flags)) {
		for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
			fd_close(&ret_fds[i]);
		return err_set(err, ERR_BUG, -EBADMSG, "malformed message on the zygote's socket");
	}
	*ret_m = m;
	return 1;
}
