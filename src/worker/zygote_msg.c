/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/zygote_msg.c - one message, with descriptors, on the socket between master and zygote. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "loop/fdmsg.h"
#include "worker/zygote.h"

int zygote_send(int sock, const struct zygote_msg *m, const int *fds, size_t fds_n, struct err *err)
{
	return fdmsg_send(sock, m, sizeof(*m), fds, fds_n, err);
}

static bool well_formed(const struct zygote_msg *m)
{
	return m->type > 0 && m->type < ZYGOTE_TYPES && m->worker < ZYGOTE_WORKERS_MAX &&
	       m->threads <= ZYGOTE_THREADS_MAX && memchr(m->text, '\0', sizeof(m->text)) != NULL;
}

int zygote_recv(int sock, struct zygote_msg *ret_m, int ret_fds[ZYGOTE_FDS_MAX], struct err *err)
{
	int r = fdmsg_recv(sock, ret_m, sizeof(*ret_m), ret_fds, ZYGOTE_FDS_MAX, err);

	if (r != 1 || well_formed(ret_m))
		return r;
	for (int i = 0; i < ZYGOTE_FDS_MAX; i++)
		fd_close(&ret_fds[i]);
	return err_set(err, ERR_BUG, -EBADMSG, "malformed message on the zygote's socket");
}
