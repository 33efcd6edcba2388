/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/channel.c - records between supervisor and gateway. */
#include "daemon/channel.h"

#include <errno.h>

#include "loop/fdmsg.h"

int channel_send(int sock, const struct channel_msg *m, const int *fds, size_t fds_n,
		 struct err *err)
{
	return fdmsg_send(sock, m, sizeof(*m), fds, fds_n, err);
}

int channel_recv(int sock, struct channel_msg *ret_m, int ret_fds[CHANNEL_FDS_MAX], struct err *err)
{
	int r = fdmsg_recv(sock, ret_m, sizeof(*ret_m), ret_fds, CHANNEL_FDS_MAX, err);

	if (r == 1) {
		ret_m->text[sizeof(ret_m->text) - 1] = '\0';
		if (ret_m->type == 0 || ret_m->type >= CHANNEL_TYPES)
			return err_set(err, ERR_BUG, -EBADMSG, "record of type %u", ret_m->type);
	}
	return r;
}
