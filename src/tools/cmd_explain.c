/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_explain.c - sallyport explain ID: what became of a message, from the message log. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "store/msglog.h"
#include "tools/json_text.h"

#define LINE_BYTES_MAX (4 * MIB)

static const char usage[] =
	"Usage: sallyport explain ID [-c FILE] [--json]\n"
	"\n"
	"What became of message ID (its id in the incoming queue), why, and what was found. Reads "
	"the\n"
	"file that option Message Log names.\n"
	"\n"
	"Exit: 0, 1 no such message, 64 usage, 75 no message log, 78 configuration.\n";

static void print_text(const struct cli *cli, const json_t *record)
{
	static const char *const names[] = { "outcome",   "why",        "from",
					     "client_ip", "subject",    "quarantine",
					     "out_id",    "split_from", "split_into" };
	char text[512];

	(void)printf("%s\n", text_member(record, "id", text, sizeof(text)));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (text_member(record, names[i], text, sizeof(text))[0] != '\0')
			(void)printf("  %-10s %s\n", names[i], text);
	text_findings(cli, json_object_get(record, "facts"));
}

static int explain(const struct cli *cli, const struct conf *c, const char *id)
{
	const char *path = conf_str(c, OPT_MESSAGE_LOG, NULL);
	AUTO(str_fini) struct str line;
	AUTO(str_fini) struct str derived = { 0 };
	struct err err = { .kind = ERR_TEMP,
			   .text = "option Message Log names no file: nothing is kept to explain" };
	json_t *record;
	int r = -1;

	str_init(&line, LINE_BYTES_MAX);
	if (path[0] != '\0')
		r = msglog_find(path, id, &line, &err);
	if (r == -ENOENT) {
		(void)fprintf(stderr, "sallyport: %s tells nothing about %s\n", path, id);
		return 1;
	}
	if (r < 0)
		return cli_fail(&err);
	str_init(&derived, LINE_BYTES_MAX);
	if (msglog_find_derived(path, id, &derived, &err) < 0)
		return cli_fail(&err);
	record = json_loads(str_view(&line), 0, NULL);
	if (derived.n > 0)
		(void)json_object_set_new(record, "split_into", json_string(str_view(&derived)));
	if (!cli->json)
		print_text(cli, record);
	else if (derived.n > 0)
		(void)json_dumpf(record, stdout, JSON_COMPACT);
	else
		(void)fputs(str_view(&line), stdout);
	if (cli->json)
		(void)putchar('\n');
	json_decref(record);
	return EX_OK;
}

int cmd_explain(int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS, { NULL, 0, NULL, 0 } };
	struct cli cli = { .conf_path = cli_default_conf() };
	AUTO(conf_unref) struct conf *c = NULL;
	int o, r;

	(void)cli_common(&cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&cli, o, optarg, usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(usage);
	}
	if (optind + 1 != argc)
		return cli_usage(usage);
	cli.go_on = true;
	r = cli_load(&cli, &c, NULL, NULL);
	return r != 0 ? r : explain(&cli, c, argv[optind]);
}
