/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/std_fds.c - what main() does first and last. */
#include "core/std_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void std_fds_open(void)
{
	/* each open() takes the lowest number that is free; what exec() starts needs them, too */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

int std_out_end(int code)
{
	int why = 0;

	if (fflush(stdout) != 0)
		why = errno;
	if (why == 0 && ferror(stdout) == 0)
		return code;
	(void)fprintf(stderr, "%s: standard output cannot be written%s%s; some of it is lost\n",
		      program_invocation_short_name, why == 0 ? "" : ": ",
		      why == 0 ? "" : strerror(why));
	return code == EX_OK || code == 1 ? EX_IOERR : code;
}
