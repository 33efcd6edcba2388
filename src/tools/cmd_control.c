/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_control.c - queue, stats, status, reload: questions to the running gateway. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "core/text.h"
#include "ctl/client.h"
#include "tools/cli.h"

#define ANSWER_BYTES_MAX (8u * 1024 * 1024)

static const struct option common[] = { CLI_LONG_OPTIONS, { NULL, 0, NULL, 0 } };

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

static long long number_of(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static void print_queue(const struct cli *cli, const json_t *answer)
{
	const json_t *messages = json_object_get(answer, "messages"), *m;
	const json_t *dirs = json_object_get(answer, "dirs"), *d;
	const json_t *attempts = json_object_get(answer, "attempts"), *a;
	char from[256];
	size_t i;

	json_array_foreach(dirs, i, d)(void)
		printf("%s: %lld waiting\n", text_of(d, "path"), number_of(d, "waiting"));
	(void)printf("%zu in hand\n", json_array_size(messages));
	json_array_foreach(messages, i, m)(void)
		printf("  %-16s %-10s %9lld bytes %7lld ms  attempt %lld  <%s> %s\n",
		       text_of(m, "id"), text_of(m, "state"), number_of(m, "size"),
		       number_of(m, "age_ms"), number_of(m, "attempts"),
		       text_escape(from, sizeof(from), bytes_str(text_of(m, "from"))),
		       text_of(m, "why"));
	json_array_foreach(attempts, i, a)(void)
		printf("  %s%-16s tried %lld times, again in %lld s%s\n", cli_yellow(cli),
		       text_of(a, "id"), number_of(a, "count"), number_of(a, "next_in_s"),
		       cli_plain(cli));
}

static void print_stats(const struct cli *cli, const json_t *answer)
{
	json_t *metrics = json_object_get(answer, "metrics");
	const char *name;
	json_t *v;

	json_object_foreach(metrics, name, v)
	{
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));

		(void)printf("%-40s %s%s%s\n", name, cli_green(cli), text == NULL ? "" : text,
			     cli_plain(cli));
		free(text);
	}
}

static void print_status(const struct cli *cli, const json_t *answer)
{
	bool draining = json_is_true(json_object_get(answer, "draining"));
	long long up = number_of(answer, "workers_up"), all = number_of(answer, "workers");

	(void)printf("Sallyport %s, configuration generation %lld\n", text_of(answer, "version"),
		     number_of(answer, "generation"));
	(void)printf("%s%s%s, %lld of %lld workers, %lld of %lld messages in hand\n",
		     up == all && !draining ? cli_green(cli) : cli_yellow(cli),
		     draining ? "stopping"
		     : up > 0 ? "scanning"
			      : "waiting for the scan engine",
		     cli_plain(cli), up, all, number_of(answer, "in_flight"),
		     number_of(answer, "in_flight_max"));
	(void)printf("%s\n", text_of(answer, "engine"));
}

static void print_reload(const struct cli *cli UNUSED, const json_t *answer UNUSED)
{
	(void)printf("asked for; the outcome is in the log and in sallyport status\n");
}

typedef void print_fn(const struct cli *cli, const json_t *answer);

static int show(const struct cli *cli, const char *raw, print_fn *print)
{
	json_t *answer = json_loads(raw, 0, NULL);
	int code = EX_OK;

	if (answer == NULL) {
		(void)fprintf(stderr, "sallyport: the gateway's answer is not JSON\n");
		return EX_PROTOCOL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		(void)fprintf(stderr, "sallyport: %s\n", text_of(answer, "error"));
		code = EX_UNAVAILABLE;
	} else {
		print(cli, answer);
	}
	json_decref(answer);
	return code;
}

static int ask(int argc, char **argv, const char *command, const char *usage, print_fn *print)
{
	struct cli cli = { .conf_path = cli_default_conf() };
	AUTO(conf_unref) struct conf *c = NULL;
	AUTO(str_fini) struct str answer;
	struct err err;
	int o, r;

	str_init(&answer, ANSWER_BYTES_MAX);
	(void)cli_common(&cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", common, NULL)) != -1) {
		r = cli_common(&cli, o, optarg, usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(usage);
	}
	if (optind < argc)
		return cli_usage(usage);
	r = cli_load(&cli, &c, NULL, NULL);
	if (r != 0)
		return r;
	if (ctl_ask(conf_str(c, OPT_CONTROL_SOCKET, NULL), command, &answer, &err) < 0)
		return cli_fail(&err);
	if (cli.json) {
		(void)fputs(str_view(&answer), stdout);
		return EX_OK;
	}
	return show(&cli, str_view(&answer), print);
}

int cmd_queue(int argc, char **argv)
{
	return ask(
		argc, argv, "queue",
		"Usage: sallyport queue [-c FILE] [--json]\n\n"
		"What waits in the incoming queues, what is in hand and in which state, and what\n"
		"was tried before and will be tried again.\n",
		print_queue);
}

int cmd_stats(int argc, char **argv)
{
	return ask(argc, argv, "stats",
		   "Usage: sallyport stats [-c FILE] [--json]\n\n"
		   "Counters and latencies of the running gateway since its start.\n",
		   print_stats);
}

int cmd_status(int argc, char **argv)
{
	return ask(argc, argv, "status",
		   "Usage: sallyport status [-c FILE] [--json]\n\n"
		   "Whether the gateway runs, with which scan engine and how many workers.\n",
		   print_status);
}

int cmd_reload(int argc, char **argv)
{
	return ask(argc, argv, "reload",
		   "Usage: sallyport reload [-c FILE] [--json]\n\n"
		   "Reads the configuration again. A mistake changes nothing; mail in hand is\n"
		   "finished under the configuration it began with.\n",
		   print_reload);
}
