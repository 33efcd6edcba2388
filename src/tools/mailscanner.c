/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/mailscanner.c - the daemon's command line, and MailScanner's questions. */
#include "tools/mailscanner.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/explain.h"
#include "core/num.h"
#include "core/text.h"
#include "tools/cli.h"

#define TO_MAX   100
#define COLUMN_1 35 /* of --changed */
#define COLUMN_2 15

static const char usage_own[] =
	"Usage: sallyportd [-c FILE] [--foreground] [--inqueuedir=DIR]\n"
	"       sallyportd --debug [--id=ID]\n"
	"       sallyportd --lint | --lintlite | --changed | --value=OPTION | --processing[=N]\n"
	"\n"
	"Takes mail out of the incoming queues, has it scanned and moves it on.\n"
	"\n"
	"  -c, --config FILE   configuration (default: " CLI_CONF_DEFAULT ",\n"
	"                      or MailScanner's own where that is absent)\n"
	"  --foreground        stay at the terminal, log to standard error\n";
static const char usage_mailscanner[] =
	"Usage: MailScanner [SWITCH]... [FILE]\n"
	"\n"
	"Sallyport under MailScanner's name. FILE is the configuration.\n"
	"\n"
	"  -c, --changed       options that differ from their built-in defaults\n";
static const char usage_common[] =
	"  --debug             what waits once, in the foreground, then end\n"
	"  --id=ID             the same for this message alone\n"
	"  --inqueuedir=DIR    directory or wildcard in place of Incoming Queue Dir\n"
	"  --lint              check the configuration, scanners and folders, scan a test virus\n"
	"  --lintlite          check the configuration only\n"
	"  --changed           options that differ from their built-in defaults\n"
	"  --value=OPTION      value of an option; --from=A, --to=A (several), --ip=A and\n"
	"                      --virus=TEXT say for which message\n"
	"  --processing[=N]    messages tried more than N times (1)\n"
	"  -v, --version       version\n"
	"  -h, --help          this text\n"
	"\n"
	"Signals: HUP reads the configuration again, TERM finishes mail in hand and stops.\n"
	"Exit: 0 stopped, 64 usage, 71 system error, 75 try again, 78 configuration.\n";

enum {
	ASK_NOTHING,
	ASK_CHANGED = 'C',
	ASK_HELP = 'h',
	ASK_VERSION = 'v',
	ASK_CONFIG = 'f',
	ASK_VALUE = 256,
	ASK_FROM,
	ASK_TO,
	ASK_IP,
	ASK_VIRUS,
	ASK_LINT,
	ASK_LINTLITE,
	ASK_PROCESSING,
	ASK_DEBUG,
	ASK_DEBUG_SA,
	ASK_ID,
	ASK_IN_QUEUE,
	ASK_FOREGROUND,
};

static const struct option options[] = {
	{ "help", no_argument, NULL, ASK_HELP },
	{ "version", no_argument, NULL, ASK_VERSION },
	{ "lint", no_argument, NULL, ASK_LINT },
	{ "lintlite", no_argument, NULL, ASK_LINTLITE },
	{ "lintlight", no_argument, NULL, ASK_LINTLITE },
	{ "processing", optional_argument, NULL, ASK_PROCESSING },
	{ "changed", no_argument, NULL, ASK_CHANGED },
	{ "value", required_argument, NULL, ASK_VALUE },
	{ "from", required_argument, NULL, ASK_FROM },
	{ "to", required_argument, NULL, ASK_TO },
	{ "ip", required_argument, NULL, ASK_IP },
	{ "virus", required_argument, NULL, ASK_VIRUS },
	{ "inqueuedir", required_argument, NULL, ASK_IN_QUEUE },
	{ "id", required_argument, NULL, ASK_ID },
	{ "debug", no_argument, NULL, ASK_DEBUG },
	{ "debug-sa", no_argument, NULL, ASK_DEBUG_SA },
	{ "config", required_argument, NULL, ASK_CONFIG },
	{ "foreground", no_argument, NULL, ASK_FOREGROUND },
	{ NULL, 0, NULL, 0 },
};

struct ask {
	struct mailscanner_run *run;
	bool as_mailscanner;
	int what;
	const char *option, *to[TO_MAX], *virus;
	struct conf_who who;
	bool about_message;
	uint64_t more_than;
};

/* ---- answers ---- */

static int print_version(void)
{
	struct utsname u;
	FILE *f = fopen("/etc/os-release", "re");
	char line[300];

	if (uname(&u) == 0)
		(void)printf("Running on\n%s %s %s %s %s\n", u.sysname, u.nodename, u.release,
			     u.version, u.machine);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		struct bytes b = bytes_trim(bytes_str(line)), key = BYTES("PRETTY_NAME=");

		if (!bytes_starts(b, key))
			continue;
		b = bytes_from(b, key.n);
		if (b.n > 1 && b.p[0] == '"')
			b = bytes_of(b.p + 1, b.n - 2);
		(void)printf("This is %.*s\n", (int)b.n, (const char *)b.p);
	}
	if (f != NULL)
		(void)fclose(f);
	(void)printf("This is Sallyport version %s\nIt takes the place of MailScanner 5.5.3\n",
		     SALLYPORT_VERSION);
	return EX_OK;
}

static int print_changed(const struct conf *c)
{
	(void)printf("%-*s %-*s %s\n", COLUMN_1, "Option Name", COLUMN_2, "Default",
		     "Current Value");
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const char *function = conf_function(c, id);
		AUTO(str_fini) struct str value = { 0 };

		if (function == NULL && !conf_is_changed(c, id))
			continue;
		str_init(&value, MIB);
		if (function != NULL)
			str_addf(&value, "FUNCTION:%s", function + 1);
		else
			conf_describe(c, id, &value);
		(void)printf("%-*s %-*s %s\n", COLUMN_1, opt_rows[id].name, COLUMN_2,
			     opt_rows[id].def, str_view(&value));
	}
	return EX_OK;
}

static const char *internal_value(const struct conf *c, enum opt_id id, const struct conf_who *who,
				  char *out, size_t size)
{
	switch (opt_rows[id].type) {
	case OPT_YESNO:
	case OPT_ENUM:
		return conf_words(c, id, who);
	case OPT_NUMBER:
		(void)snprintf(out, size, "%.15g", conf_real(c, id, who));
		return out;
	default:
		return conf_str(c, id, who);
	}
}

static int print_value(const struct ask *a, const struct conf *c)
{
	enum opt_id id = opt_find(bytes_str(a->option));
	const struct conf_who *who = a->about_message ? &a->who : NULL;
	char number[40];

	if (id == OPT_ROWS) {
		const char *near = opt_nearest(bytes_str(a->option));

		(void)fprintf(stderr, "There is no option \"%s\"%s%s%s\n", a->option,
			      near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
			      near == NULL ? "" : "\"?");
		return EX_USAGE;
	}
	(void)fprintf(stderr, "Looked up internal option name \"%s\"\n", opt_rows[id].internal);
	for (size_t i = 0; who != NULL && i < who->to_n; i++)
		(void)fprintf(stderr, "With recipient = %s\n", who->to[i]);
	if (who != NULL && who->from[0] != '\0')
		(void)fprintf(stderr, "With sender = %s\n", who->from);
	if (who != NULL && who->client_ip != NULL)
		(void)fprintf(stderr, "With client IP = %s\n", who->client_ip);
	if (who != NULL && a->virus != NULL)
		(void)fprintf(stderr, "With report = %s\n", a->virus);
	(void)fprintf(stderr, "Result is \"%s\"\nDecided by %s\n",
		      internal_value(c, id, who, number, sizeof(number)), conf_where(c, id, who));
	if (conf_is_rejected(c, id)) {
		AUTO(str_fini) struct str place;

		str_init(&place, 4200);
		conf_describe_place(c, id, &place);
		(void)fprintf(stderr, "What %s says is wrong and does not count: see --lintlite\n",
			      str_view(&place));
	}
	(void)fputs("\n0=No 1=Yes\n", stderr);
	return EX_OK;
}

static int answer(struct ask *a)
{
	struct cli cli = { .conf_path = a->run->conf_path };
	AUTO(conf_unref) struct conf *c = NULL;
	int r;

	switch (a->what) {
	case ASK_NOTHING:
		return -1;
	case ASK_HELP:
		(void)printf("%s%s", a->as_mailscanner ? usage_mailscanner : usage_own,
			     usage_common);
		return EX_OK;
	case ASK_VERSION:
		return print_version();
	case ASK_LINT:
	case ASK_LINTLITE:
		return ms_lint(a->run->conf_path, a->what == ASK_LINTLITE);
	default:
		break;
	}
	cli.go_on = a->what == ASK_PROCESSING;
	r = cli_load(&cli, &c, NULL, NULL);
	if (r != 0)
		return r;
	if (a->what == ASK_CHANGED)
		return print_changed(c);
	if (a->what == ASK_VALUE)
		return print_value(a, c);
	return ms_processing(c, (unsigned)a->more_than, stdout) < 0 ? EX_NOINPUT : EX_OK;
}

/* ---- switches ---- */

/* Envelope addresses are compared in lower case. */
static const char *lower(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		*p = (char)ascii_lower((uint8_t)*p);
	return s;
}

/* 1: @o is one of these; 0: it is none; -1: it is wrong, which was said. */
static int take_message(struct ask *a, int o, char *arg)
{
	switch (o) {
	case ASK_FROM:
		a->who.from = lower(arg);
		break;
	case ASK_TO:
		if (a->who.to_n == TO_MAX) {
			(void)fprintf(stderr, "more than %d --to\n", TO_MAX);
			return -1;
		}
		a->to[a->who.to_n++] = lower(arg);
		break;
	case ASK_IP:
		if (!cli_is_ip(arg))
			return -1;
		a->who.client_ip = arg;
		break;
	case ASK_VIRUS:
		a->virus = arg;
		a->who.reports_n = 1;
		break;
	default:
		return 0;
	}
	a->about_message = true;
	return 1;
}

static bool take_run(struct mailscanner_run *run, int o, const char *arg)
{
	switch (o) {
	case ASK_CONFIG:
		run->conf_path = arg;
		return true;
	case ASK_FOREGROUND:
		run->foreground = true;
		return true;
	case ASK_IN_QUEUE:
		run->in_queue = arg;
		return true;
	case ASK_ID:
		run->only_id = arg;
		break;
	case ASK_DEBUG:
		break;
	case ASK_DEBUG_SA:
		(void)fputs("--debug-sa: SpamAssassin is asked over its own protocol; its log is "
			    "spamd's\n",
			    stderr);
		break;
	default:
		return false;
	}
	run->foreground = run->once = true;
	return true;
}

static bool take(struct ask *a, int o, char *arg)
{
	int r = o == '?' ? -1 : take_message(a, o, arg);

	if (r != 0 || take_run(a->run, o, arg))
		return r >= 0;
	a->what = o;
	if (o == ASK_VALUE)
		a->option = arg;
	if (o == ASK_PROCESSING && arg != NULL)
		return num_parse(bytes_str(arg), 10, UINT32_MAX, &a->more_than) == 0;
	return true;
}

static bool is_mailscanner(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcasecmp(slash == NULL ? argv0 : slash + 1, "MailScanner") == 0;
}

/* The next switch; -c means different things under the two names. */
static int next(const struct ask *a, int argc, char **argv)
{
	int o;

	if (a->as_mailscanner) {
		o = getopt_long_only(argc, argv, "chv", options, NULL);
		return o == 'c' ? ASK_CHANGED : o;
	}
	o = getopt_long(argc, argv, "c:hv", options, NULL);
	return o == 'c' ? ASK_CONFIG : o;
}

/* The daemon leaves the folder it was started in, and reads both again at each reload. */
static int make_absolute(struct mailscanner_run *run)
{
	run->conf_path = run->owned[0] = cli_absolute(run->conf_path);
	if (run->in_queue != NULL)
		run->in_queue = run->owned[1] = cli_absolute(run->in_queue);
	if (run->conf_path == NULL)
		return EX_TEMPFAIL;
	if (strlen(run->conf_path) < MAILSCANNER_PATH_MAX)
		return -1;
	(void)fprintf(stderr, "%s: the name of the configuration may have %d bytes\n",
		      run->conf_path, MAILSCANNER_PATH_MAX - 1);
	return EX_USAGE;
}

void mailscanner_run_fini(struct mailscanner_run *run)
{
	for (size_t i = 0; i < ARRAY_LEN(run->owned); i++)
		free(run->owned[i]);
	*run = (struct mailscanner_run){ 0 };
}

int mailscanner_main(int argc, char **argv, struct mailscanner_run *ret_run)
{
	struct ask a = { .run = ret_run, .more_than = 1, .who.from = "" };
	int o;

	*ret_run = (struct mailscanner_run){ 0 };
	a.as_mailscanner = is_mailscanner(argv[0]);
	ret_run->conf_path = cli_default_conf();
	if (a.as_mailscanner &&
	    (access(CLI_CONF_MAILSCANNER, F_OK) == 0 || access(ret_run->conf_path, F_OK) < 0))
		ret_run->conf_path = CLI_CONF_MAILSCANNER;
	while ((o = next(&a, argc, argv)) != -1) {
		if (take(&a, o, optarg))
			continue;
		(void)fprintf(stderr, "%s%s", a.as_mailscanner ? usage_mailscanner : usage_own,
			      usage_common);
		return EX_USAGE;
	}
	if (argc - optind > 1) {
		(void)fprintf(stderr, "one configuration file, not %d\n%s%s", argc - optind,
			      a.as_mailscanner ? usage_mailscanner : usage_own, usage_common);
		return EX_USAGE;
	}
	if (optind < argc)
		ret_run->conf_path = argv[optind];
	a.who.to = a.to;
	a.who.reports = &a.virus;
	o = answer(&a);
	return o >= 0 ? o : make_absolute(ret_run);
}
