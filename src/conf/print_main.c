/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/print_main.c - build-time program: writes the sample file or the manual page to stdout. */
#include <stdio.h>
#include <sysexits.h>

#include "conf/print.h"

#define DOCUMENT_MAX_BYTES ((size_t)4 * MIB)

int main(int argc, char **argv)
{
	AUTO(str_fini) struct str out;

	str_init(&out, DOCUMENT_MAX_BYTES);
	if (argc == 2 && strcmp(argv[1], "sample") == 0) {
		conf_print_sample(&out);
	} else if (argc == 2 && strcmp(argv[1], "manual") == 0) {
		conf_print_manual(&out);
	} else {
		(void)fprintf(stderr, "usage: conf-print sample|manual\n");
		return EX_USAGE;
	}
	if (out.failed || fputs(str_view(&out), stdout) == EOF || fflush(stdout) == EOF)
		return EX_IOERR;
	return EX_OK;
}
