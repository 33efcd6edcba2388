/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/fdmsg.c - records and SCM_RIGHTS. */
#include "loop/fdmsg.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * FDMSG_FDS_MAX)];
};

int fdmsg_send(int sock, const void *record, size_t n, const int *fds, size_t fds_n,
	       struct err *err)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)record, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	struct cmsghdr *c;

	assert(fds_n <= FDMSG_FDS_MAX);
	if (fds_n > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds_n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fds_n);
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return err_errno(err, "send to our other process");
	return 0;
}

/* Take the descriptors out; those beyond @fds_max are closed. Returns how many there were. */
static size_t take_fds(struct msghdr *msg, int *ret_fds, size_t fds_max)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t here;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < fds_max)
				ret_fds[n] = fd;
			else
				(void)close(fd);
		}
	}
	return n;
}

int fdmsg_recv(int sock, void *ret_record, size_t n, int *ret_fds, size_t fds_max, struct err *err)
{
	struct iovec iov = { .iov_base = ret_record, .iov_len = n };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	size_t fds_n;
	ssize_t got;

	for (size_t i = 0; i < fds_max; i++)
		ret_fds[i] = -1;
	got = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0 && errno == ECONNRESET)
		return err_set(err, ERR_TEMP, -EPIPE, "our other process is gone");
	if (got < 0)
		return err_errno(err, "receive from our other process");
	fds_n = take_fds(&msg, ret_fds, fds_max);
	if (got == 0 && fds_n == 0)
		return err_set(err, ERR_TEMP, -EPIPE, "our other process is gone");
	if ((size_t)got != n || fds_n > fds_max ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		for (size_t i = 0; i < fds_max; i++)
			fd_close(&ret_fds[i]);
		return err_set(err, ERR_BUG, -EBADMSG, "record of %zd bytes and %zu descriptors",
			       got, fds_n);
	}
	return 1;
}
