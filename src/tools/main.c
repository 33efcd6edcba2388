/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/main.c - sallyport: one word picks the command. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/log.h"
#include "core/std_fds.h"
#include "tools/cli.h"
#include "tools/ms.h"
#include "tools/zygote_role.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "scan", cmd_scan, "scan message files without a queue" },
	{ "check", cmd_check, "find every mistake in the configuration" },
	{ "config", cmd_config, "print options and their values" },
	{ "migrate", cmd_migrate, "what changes for a MailScanner site" },
	{ "explain", cmd_explain, "what became of a message, and why" },
	{ "queue", cmd_queue, "what waits and what is in hand" },
	{ "stats", cmd_stats, "counters of the running gateway" },
	{ "top", cmd_top, "what the running gateway does, live" },
	{ "status", cmd_status, "is it running, with what" },
	{ "reload", cmd_reload, "read the configuration again" },
	{ "throttle", cmd_throttle, "senders that cost too much, and lists of networks" },
	{ "host", cmd_host, "what this machine can do, and which core does what" },
	{ "quarantine", cmd_quarantine, "list and show withheld messages" },
};

static void help(FILE *to)
{
	(void)fputs("Usage: sallyport COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n", to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].what);
	(void)fputs("\nEvery command takes -c FILE (configuration), --json and --help.\n"
		    "MailScanner's helpers (ms-peek, ms-check, ...) are commands, too: "
		    "ms-helpers(8).\n",
		    to);
}

static int run(int argc, char **argv)
{
	if (ms_is_name(argv[0]))
		return ms_main(argc, argv);
	if (argc < 2) {
		help(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help(stdout);
		return EX_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("Sallyport %s\n", SALLYPORT_VERSION);
		return EX_OK;
	}
	if (ms_is_name(argv[1]))
		return ms_main(argc - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr, "sallyport: there is no command '%s'\n\n", argv[1]);
	help(stderr);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	std_fds_open();
	log_init(LOG_TO_STDERR, "sallyport", "mail");
	if (zygote_role_is(argc, argv)) /* started by our own `scan` */
		return zygote_role_main(argc, argv);
	return std_out_end(run(argc, argv));
}
