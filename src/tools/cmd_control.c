/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_control.c - queue, stats, status, reload: questions to the running gateway. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "core/text.h"
#include "ctl/client.h"
#include "queue/queue.h"
#include "tools/cli.h"

#define ANSWER_BYTES_MAX (8u * 1024 * 1024)
#define EXIT_TEXT        "\nExit: 0, 64 usage, 75 no gateway answers, 78 configuration.\n"

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

/* What a scan's time goes to, where a scan has told. */
static void print_stages(const struct cli *cli, const json_t *stages)
{
	const json_t *s;
	size_t i;

	(void)printf("\n%-12s %10s %12s %12s %10s %10s\n", "stage", "scans", "CPU us each",
		     "us each", "p50 us", "p99 us");
	json_array_foreach(stages, i, s)
	{
		long long n = number_of(s, "count");

		if (n > 0)
			(void)printf("%-12s %10lld %s%12.1f%s %12.1f %10lld %10lld\n",
				     text_of(s, "name"), n, cli_green(cli),
				     (double)number_of(s, "cpu_us") / (double)n, cli_plain(cli),
				     (double)number_of(s, "wall_us") / (double)n,
				     number_of(s, "p50_us"), number_of(s, "p99_us"));
	}
}

static void print_workers(const json_t *workers)
{
	const json_t *w;
	size_t i;

	(void)printf("\n%-12s %10s %12s %10s\n", "worker", "messages", "CPU s", "restarts");
	json_array_foreach(workers, i, w)(void)
		printf("%-12lld %10lld %12.1f %10lld\n", number_of(w, "worker"),
		       number_of(w, "messages"), (double)number_of(w, "cpu_us") / 1e6,
		       number_of(w, "deaths"));
}

static void print_stats(const struct cli *cli, const json_t *answer)
{
	json_t *metrics = json_object_get(answer, "metrics");
	const char *name;
	json_t *v;

	json_object_foreach(metrics, name, v)
	{
		char *text;

		if (json_is_array(v))
			continue;
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
		(void)printf("%-40s %s%s%s\n", name, cli_green(cli), text == NULL ? "" : text,
			     cli_plain(cli));
		free(text);
	}
	print_stages(cli, json_object_get(metrics, "stages"));
	print_workers(json_object_get(metrics, "workers"));
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

/* --- what waits: counted here, since the gateway shall not stop for it --- */

static long long count_waiting(struct queue_dir *d, struct err *err)
{
	char id[QUEUE_ID_MAX];
	long long n = 0;
	int r = queue_list_begin(d, err);

	while (r >= 0 || r == -EAGAIN) {
		r = queue_list_next(d, 1000, id, err);
		if (r == 0)
			return n;
		n += r == 1;
	}
	return r;
}

static int find_dirs(const struct conf *c, struct arena *a, const char ***ret_dirs, struct err *err)
{
	const char *value = conf_str(c, OPT_INCOMING_QUEUE_DIR, NULL), *content = NULL;
	struct bytes file;

	if (conf_file(c, value, &file) == 0)
		content = arena_str(a, file);
	return queue_expand_dirs(value, content, a, ret_dirs, NULL, err);
}

static void add_dir(json_t *list, const struct conf *c, const char *path)
{
	const struct queue_ops *ops = queue_find(conf_str(c, OPT_MTA, NULL));
	struct queue_settings set = { .lock = QUEUE_LOCK_NONE, .owner = geteuid() };
	json_t *o = json_pack("{s:s}", "path", path);
	struct queue_dir *d = NULL;
	struct err err = { .text = "unknown MTA" };
	long long n = -1;

	if (ops != NULL && queue_dir_open(&d, ops, path, &set, &err) == 0)
		n = count_waiting(d, &err);
	if (n < 0)
		(void)json_object_set_new(o, "error", json_string(err.text));
	else
		(void)json_object_set_new(o, "waiting", json_integer(n));
	queue_dir_close(&d);
	(void)json_array_append_new(list, o);
}

static void add_waiting(json_t *answer, const struct conf *c)
{
	AUTO(arena_free) struct arena *a = arena_new(4 * MIB);
	json_t *list = json_array();
	const char **dirs;
	struct err err;
	int n = a == NULL ? 0 : find_dirs(c, a, &dirs, &err);

	for (int i = 0; i < n; i++)
		add_dir(list, c, dirs[i]);
	(void)json_object_set_new(answer, "dirs", list);
}

typedef void print_fn(const struct cli *cli, const json_t *answer);

struct question {
	const char *command, *usage;
	print_fn *print;
	bool waiting; /* count the queues, whether a gateway runs or not */
	bool reads;   /* the configuration: done only when that can be loaded */
};

static void show(const struct cli *cli, const json_t *answer, const struct question *q)
{
	char *text;

	if (!cli->json) {
		q->print(cli, answer);
		return;
	}
	text = json_dumps(answer, JSON_COMPACT);
	(void)printf("%s\n", text == NULL ? "{}" : text);
	free(text);
}

/* The gateway's answer, or, when there is none, one that says so. */
static json_t *get_answer(const char *socket, const struct question *q, int *ret_code)
{
	AUTO(str_fini) struct str raw;
	struct err err;

	str_init(&raw, ANSWER_BYTES_MAX);
	if (ctl_ask(socket, q->command, &raw, &err) < 0) {
		*ret_code = cli_fail(&err);
		return json_pack("{s:b,s:s}", "ok", 0, "error", err.text);
	}
	*ret_code = EX_OK;
	return json_loads(str_view(&raw), 0, NULL);
}

/* @c NULL: nobody knows which queues there are. */
static int put(const struct cli *cli, const char *socket, const struct conf *c,
	       const struct question *q)
{
	int code;
	json_t *answer = get_answer(socket, q, &code);

	if (answer == NULL) {
		(void)fprintf(stderr, "sallyport: the gateway's answer is not JSON\n");
		return EX_PROTOCOL;
	}
	if (q->waiting && c != NULL)
		add_waiting(answer, c);
	if (code == EX_OK || q->waiting)
		show(cli, answer, q);
	json_decref(answer);
	return code;
}

static int ask(int argc, char **argv, const struct question *q)
{
	struct cli cli = { .conf_path = cli_default_conf() };
	AUTO(conf_unref) struct conf *c = NULL;
	char *socket;
	int o, r;

	(void)cli_common(&cli, 0, NULL, q->usage);
	while ((o = getopt_long(argc, argv, "c:h", common, NULL)) != -1) {
		r = cli_common(&cli, o, optarg, q->usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(q->usage);
	}
	if (optind < argc)
		return cli_usage(q->usage);
	r = cli_find_gateway(&cli, &socket, &c);
	if (socket == NULL)
		return r;
	o = put(&cli, socket, c, q);
	free(socket);
	return o != EX_OK || !q->reads ? o : r;
}

int cmd_queue(int argc, char **argv)
{
	static const struct question q = {
		.command = "queue",
		.usage = "Usage: sallyport queue [-c FILE] [--json]\n\n"
			 "What waits in the incoming queues, what is in hand and in which state,\n"
			 "and what was tried before and will be tried again.\n" EXIT_TEXT,
		.print = print_queue,
		.waiting = true,
	};

	return ask(argc, argv, &q);
}

int cmd_stats(int argc, char **argv)
{
	static const struct question q = {
		.command = "stats",
		.usage =
			"Usage: sallyport stats [-c FILE] [--json]\n\n"
			"Counters and latencies of the running gateway since its start, what each\n"
			"stage of a scan costs, and the workers.\n" EXIT_TEXT,
		.print = print_stats,
	};

	return ask(argc, argv, &q);
}

int cmd_status(int argc, char **argv)
{
	static const struct question q = {
		.command = "status",
		.usage = "Usage: sallyport status [-c FILE] [--json]\n\n"
			 "Whether the gateway runs, with which scan engine and how many "
			 "workers.\n" EXIT_TEXT,
		.print = print_status,
	};

	return ask(argc, argv, &q);
}

int cmd_reload(int argc, char **argv)
{
	static const struct question q = {
		.command = "reload",
		.usage = "Usage: sallyport reload [-c FILE] [--json]\n\n"
			 "Reads the configuration again. A mistake changes nothing; mail in hand\n"
			 "is finished under the configuration it began with.\n" EXIT_TEXT,
		.print = print_reload,
		.reads = true,
	};

	return ask(argc, argv, &q);
}
