/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/exporter_role.c - the exporter process: its descriptors, then HTTP until it is told to
 * stop. */
#include <fcntl.h>
#include <sysexits.h>

#include "core/fault.h"
#include "core/log.h"
#include "daemon/channel.h"
#include "daemon/roles.h"
#include "exporter/exporter.h"

int exporter_main(void)
{
	int fds[EXPORTER_LISTEN_MAX];
	struct exporter_setup s = { .pages_fd = CHANNEL_FD, .listen_fds = fds, .sandbox = true };
	struct err err;

	fault_set_role("exporter");
	/* The supervisor closed everything behind the last of ours. */
	while (s.listen_n < EXPORTER_LISTEN_MAX &&
	       fcntl(CHANNEL_FD + 1 + (int)s.listen_n, F_SETFD, FD_CLOEXEC) == 0) {
		fds[s.listen_n] = CHANNEL_FD + 1 + (int)s.listen_n;
		s.listen_n++;
	}
	if (exporter_run(&s, &err) < 0) {
		log_err("%s", err.text);
		return EX_OSERR;
	}
	return EX_OK;
}
