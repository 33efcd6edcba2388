/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_check.c - sallyport check: all mistakes at once. */
#include <getopt.h>
#include <sysexits.h>

#include "tools/cli.h"

static const char usage[] =
	"Usage: sallyport check [-c FILE] [--json]\n"
	"\n"
	"Reads the configuration with everything it names and reports each mistake with file,\n"
	"line and what was expected. Changes nothing.\n"
	"\n"
	"Exit: 0 no mistakes, 1 warnings only, 64 usage, 75 the database cannot be asked,\n"
	"78 mistakes the daemon would not start with.\n";

static int print_json(const struct conf_report *r, bool loaded)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, 16 * MIB);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	jout_member_bool(&j, "ok", loaded && conf_report_count(r) == 0);
	jout_array(&j, "problems");
	for (size_t i = 0; i < conf_report_count(r); i++)
		cli_add_problem(&j, conf_report_at(r, i));
	jout_end(&j);
	jout_end(&j);
	(void)printf("%s\n", str_view(&text));
	return 0;
}

static void print_text(const struct cli *cli, const struct conf_report *r, bool loaded)
{
	for (size_t i = 0; i < conf_report_count(r); i++)
		cli_print_problem(cli, conf_report_at(r, i));
	if (loaded && conf_report_count(r) == 0)
		(void)printf("%sno mistakes%s in %s\n", cli_green(cli), cli_plain(cli),
			     cli->conf_path);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS, { NULL, 0, NULL, 0 } };
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	struct cli cli = { .conf_path = cli_default_conf() };
	int o, r, code = EX_OK;

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
		cli_check_all(c, report);
	if (cli.json)
		(void)print_json(report, code == 0);
	else
		print_text(&cli, report, code == 0);
	for (size_t i = 0; code != EX_CONFIG && i < conf_report_count(report); i++)
		code = conf_report_at(report, i)->severity == CONF_ERROR ? EX_CONFIG : 1;
	return code;
}
