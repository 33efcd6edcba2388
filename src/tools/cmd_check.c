/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_check.c - sallyport check: all mistakes at once. */
#include <getopt.h>
#include <sysexits.h>

#include "tools/cli.h"

static const char usage[] =
	"Usage: sallyport check [-c FILE] [--json]\n"
	"\n"
	"Reads the configuration with everything it names and reports each mistake with file,\n"
	"line and what was expected, and what keeps the daemon from starting on this host:\n"
	"users, queue directories, missing signatures. Changes nothing.\n"
	"\n"
	"Exit: 0 no mistakes, 1 warnings only, 64 usage, 75 the database cannot be asked,\n"
	"78 errors: a line does not count, or the daemon would not start (the last line of the\n"
	"report tells).\n";

static void print_json(const struct conf_report *r, bool loaded, bool starts)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, 16 * MIB);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	jout_member_bool(&j, "ok", loaded && conf_report_count(r) == 0);
	jout_member_bool(&j, "starts", starts);
	jout_array(&j, "problems");
	for (size_t i = 0; i < conf_report_count(r); i++)
		cli_add_problem(&j, conf_report_at(r, i));
	jout_end(&j);
	jout_end(&j);
	(void)printf("%s\n", str_view(&text));
}

static void count(const struct conf_report *r, size_t *ret_errors, size_t *ret_warnings)
{
	*ret_errors = 0;
	for (size_t i = 0; i < conf_report_count(r); i++)
		*ret_errors += conf_report_at(r, i)->severity == CONF_ERROR;
	*ret_warnings = conf_report_count(r) - *ret_errors;
}

/* The last line: what becomes of the daemon. */
static void print_sum(const struct cli *cli, const struct conf_report *r, bool loaded, bool starts)
{
	size_t errors, warnings;
	const char *what = "the daemon starts with it";

	count(r, &errors, &warnings);
	if (!loaded)
		what = "the daemon would not start; queues and rule files have not been looked at";
	else if (!starts)
		what = "the daemon would not start";
	else if (errors > 0)
		what = "the daemon starts, but lines with an error do not count";
	(void)fputs(errors > 0 ? cli_red(cli) : cli_yellow(cli), stdout);
	if (errors > 0)
		(void)printf("%zu %s%s", errors, errors == 1 ? "error" : "errors",
			     warnings > 0 ? ", " : "");
	if (warnings > 0)
		(void)printf("%zu %s", warnings, warnings == 1 ? "warning" : "warnings");
	(void)printf("%s: %s\n", cli_plain(cli), what);
}

static void print_text(const struct cli *cli, const struct conf_report *r, bool loaded, bool starts)
{
	for (size_t i = 0; i < conf_report_count(r); i++)
		cli_print_problem(cli, conf_report_at(r, i));
	if (loaded && conf_report_count(r) == 0)
		(void)printf("%sno mistakes%s in %s\n", cli_green(cli), cli_plain(cli),
			     cli->conf_path);
	else if (conf_report_count(r) > 0)
		print_sum(cli, r, loaded, starts);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS, { NULL, 0, NULL, 0 } };
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	struct cli cli = { .conf_path = cli_default_conf() };
	int o, r, code = EX_OK;
	bool starts = false;

	(void)cli_common(&cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&cli, o, optarg, usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(usage);
	}
	if (optind < argc || report == NULL)
		return cli_usage(usage);
	code = cli_load(&cli, &c, NULL, report);
	if (c != NULL)
		starts = cli_check_all(c, report);
	if (cli.json)
		print_json(report, code == 0, starts);
	else
		print_text(&cli, report, code == 0, starts);
	for (size_t i = 0; code != EX_CONFIG && i < conf_report_count(report); i++)
		code = conf_report_at(report, i)->severity == CONF_ERROR ? EX_CONFIG : 1;
	return code;
}
