/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/main.c - sallyportd: command line and roles. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/log.h"
#include "daemon/roles.h"
#include "tools/cli.h"
#include "tools/zygote_role.h"

static const char usage[] =
	"Usage: sallyportd [-c FILE] [--foreground]\n"
	"       sallyportd --lint | --version | --help\n"
	"\n"
	"Takes mail out of the incoming queues, has it scanned and moves it on.\n"
	"\n"
	"  -c, --config FILE  configuration (default: " CLI_CONF_DEFAULT ",\n"
	"                     or MailScanner's own where that is absent)\n"
	"  --foreground       stay at the terminal, log to standard error\n"
	"  --lint             check the configuration and the scanners, then end\n"
	"  --value=OPTION     print the value of an option (also --from, --to, --ip, --virus)\n"
	"  --changed          print the options that differ from their defaults\n"
	"\n"
	"Signals: HUP reads the configuration again, TERM finishes mail in hand and stops.\n"
	"Exit: 0 stopped, 64 usage, 71 system error, 75 try again, 78 configuration.\n";

enum { OPT_ROLE = 256, OPT_FOREGROUND, OPT_LINT, OPT_VALUE, OPT_CHANGED, OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "lint", no_argument, NULL, OPT_LINT },
	{ "changed", no_argument, NULL, OPT_CHANGED },
	{ "role", required_argument, NULL, OPT_ROLE }, /* from our own supervisor */
	{ NULL, 0, NULL, 0 },
};

static int run_role(const char *role, const struct daemon_options *o)
{
	if (o->foreground)
		log_init(LOG_TO_STDERR, "sallyportd", "mail");
	else
		log_init(LOG_TO_SYSLOG, "MailScanner", "mail");
	if (strcmp(role, "gateway") == 0)
		return gateway_main(o);
	/* What runs at the end of a program needs calls that its filter does not know. */
	if (strcmp(role, "exporter") == 0)
		_exit(exporter_main());
	(void)fputs(usage, stderr);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	struct daemon_options o = { .conf_path = cli_default_conf() };
	const char *role = NULL;
	int c;

	/* MailScanner's umask: queue and quarantine files are nobody else's (spec a8). */
	(void)umask(077);
	if (zygote_role_is(argc, argv)) {
		log_init(LOG_TO_STDERR, "sallyportd", "mail");
		return zygote_role_main(argc, argv);
	}
	/* Options with arguments of their own belong to `sallyport`: --value, --changed, --lint. */
	if (cli_is_mailscanner_switch(argc, argv))
		return cli_mailscanner(argc, argv);
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_path = optarg;
			break;
		case OPT_FOREGROUND:
			o.foreground = true;
			break;
		case OPT_ROLE:
			role = optarg;
			break;
		case OPT_VERSION:
			printf("Sallyport %s\n", SALLYPORT_VERSION);
			return EX_OK;
		case 'h':
			(void)fputs(usage, stdout);
			return EX_OK;
		default:
			(void)fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) /* MailScanner takes its file without a switch */
		o.conf_path = argv[optind];
	if (role != NULL)
		return run_role(role, &o);
	log_init(LOG_TO_STDERR, "sallyportd", "mail");
	return supervisor_main(&o);
}
