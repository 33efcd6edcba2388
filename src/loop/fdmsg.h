/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/fdmsg.h - one record with descriptors beside it on a SOCK_SEQPACKET socket: how our own
 * processes talk. Nothing blocks. */
#ifndef LOOP_FDMSG_H
#define LOOP_FDMSG_H

#include "core/bytes.h"
#include "core/err.h"

#define FDMSG_FDS_MAX 64

/* Send one record. -EAGAIN when the other side does not read; -EPIPE when it is gone. */
int fdmsg_send(int sock, const void *record, size_t n, const int *fds, size_t fds_n,
	       struct err *err) MUST_CHECK;
/*
 * Receive one record of exactly @n bytes: 1; 0: none there; -EPIPE: the other side is gone;
 * -EBADMSG: another size, or more descriptors than @fds_max (all are closed). Descriptors come
 * with CLOEXEC; the rest of @ret_fds is -1.
 */
int fdmsg_recv(int sock, void *ret_record, size_t n, int *ret_fds, size_t fds_max,
	       struct err *err) MUST_CHECK;

#endif
