/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/main.c - sallyportd: command line and roles. */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/log.h"
#include "core/std_fds.h"
#include "daemon/roles.h"
#include "tools/mailscanner.h"
#include "tools/zygote_role.h"

#define GATEWAY_ROLE  "--role=gateway"
#define EXPORTER_ROLE "--role=exporter"

enum { OPT_ROLE = 256, OPT_FOREGROUND, OPT_ONCE, OPT_ID };

/* What our own supervisor says: children.c. */
static const struct option options[] = {
	{ "role", required_argument, NULL, OPT_ROLE },
	{ "config", required_argument, NULL, 'c' },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "id", required_argument, NULL, OPT_ID },
	{ NULL, 0, NULL, 0 },
};

/* systemd.exec(5) says how: the variable alone is inherited by much that is no service. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];

	if (stream == NULL || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, stream) == 0;
}

/*
 * Under systemd the journal takes syslog's lines just as well as those of standard error: with
 * level and facility, and under the name that programs look for which read MailScanner's log.
 */
static void start_log(bool foreground)
{
	if (foreground && !stderr_is_journal())
		log_init(LOG_TO_STDERR, "sallyportd", "mail");
	else
		log_init(LOG_TO_SYSLOG, "MailScanner", "mail");
}

static int run_role(int argc, char **argv)
{
	struct daemon_options o = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_path = optarg;
			break;
		case OPT_FOREGROUND:
			o.foreground = true;
			break;
		case OPT_ONCE:
			o.once = true;
			break;
		case OPT_ID:
			o.only_id = optarg;
			break;
		case OPT_ROLE:
			break;
		default:
			return EX_USAGE;
		}
	}
	start_log(o.foreground);
	/* What runs at the end of a program needs calls that its filter does not know. */
	if (strcmp(argv[1], EXPORTER_ROLE) == 0)
		_exit(exporter_main());
	return gateway_main(&o);
}

int main(int argc, char **argv)
{
	struct mailscanner_run run;
	int code;

	std_fds_open();
	/* MailScanner's umask: queue and quarantine files are nobody else's. */
	(void)umask(077);
	if (zygote_role_is(argc, argv)) {
		log_init(LOG_TO_STDERR, "sallyportd", "mail");
		return zygote_role_main(argc, argv);
	}
	if (argc > 1 && (strcmp(argv[1], GATEWAY_ROLE) == 0 || strcmp(argv[1], EXPORTER_ROLE) == 0))
		return run_role(argc, argv);
	log_init(LOG_TO_STDERR, "sallyportd", "mail");
	code = mailscanner_main(argc, argv, &run);
	if (code >= 0) {
		mailscanner_run_fini(&run);
		return std_out_end(code);
	}
	if (run.foreground)
		start_log(true);
	code = supervisor_main(&(struct daemon_options){ .conf_path = run.conf_path,
							 .foreground = run.foreground,
							 .once = run.once,
							 .only_id = run.only_id,
							 .in_queue = run.in_queue });
	mailscanner_run_fini(&run);
	return code;
}
