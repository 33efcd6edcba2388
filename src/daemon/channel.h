/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/channel.h - what supervisor and gateway say to each other. The supervisor is the older
 * one: when the gateway loses it, it finishes what it has in hand and ends.
 */
#ifndef DAEMON_CHANNEL_H
#define DAEMON_CHANNEL_H

#include <stdint.h>

#include "core/err.h"

enum channel_type {
	/* supervisor -> gateway */
	CHANNEL_ZYGOTE = 1, /* fd[0] bundle, fd[1] socket of a new zygote; serial of the
			     * configuration; text: its main file */
	CHANNEL_LISTEN,     /* fd[0] listening control socket */
	CHANNEL_DRAIN,
	CHANNEL_KERNEL_PART, /* what of the throttle works: serial is the enum throttle_part,
			      * status 1 when it is active; text: why not */
	CHANNEL_KERNEL,      /* after those: status is the enum throttle_method; serial has a bit
			      * for each enum throttle_fd that fd[] holds, in their order */
	/* gateway -> supervisor */
	CHANNEL_READY,  /* serial is in force; text: the engine */
	CHANNEL_FAILED, /* serial cannot be had; text: why; status: exit code */
	CHANNEL_ALIVE,  /* every second */
	CHANNEL_RELOAD, /* somebody asked the control socket for it */
	CHANNEL_DRAINED,
	CHANNEL_REFUSE, /* for nftables: text is a prefix, status a level, serial seconds (low half;
			 * 0: take it out) and the enum throttle_list (high half);
			 * THROTTLE_LIST_ALL: empty them, status 0: refuse nobody */
	/* supervisor -> gateway */
	CHANNEL_PAGES, /* fd[0] where the exporter asks for the metrics page (ctl/pages.h) */
	/* gateway -> supervisor */
	CHANNEL_LOST, /* the zygote that got new mail has ended */
	/* supervisor -> gateway */
	CHANNEL_REOPEN, /* SIGHUP: somebody may have rotated the files that are written to */
	CHANNEL_TYPES
};

#define CHANNEL_FDS_MAX 8 /* what CHANNEL_KERNEL needs */
/* The socket of gateway and zygote to their parent or master is always this descriptor. */
#define CHANNEL_FD      3

struct channel_msg {
	uint32_t type;
	int32_t status;
	uint64_t serial;
	char text[400]; /* NUL-terminated */
};

int channel_send(int sock, const struct channel_msg *m, const int *fds, size_t fds_n,
		 struct err *err) MUST_CHECK;
/* As fdmsg_recv(). */
int channel_recv(int sock, struct channel_msg *ret_m, int ret_fds[CHANNEL_FDS_MAX],
		 struct err *err) MUST_CHECK;

#endif
