/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_throttle.c - sallyport throttle: who costs too much, who is refused, and why. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "core/num.h"
#include "core/text.h"
#include "ctl/client.h"
#include "tools/cli.h"

#define ANSWER_BYTES_MAX (8u * 1024 * 1024)
#define WORDS_MAX        3
#define TOP_MAX          200 /* as many as the gateway tells */

static const char usage[] =
	"Usage: sallyport throttle list\n"
	"       sallyport throttle add allow|deny PREFIX [--for TIME]\n"
	"       sallyport throttle add penalty PREFIX --level LEVEL [--for TIME]\n"
	"       sallyport throttle del allow|deny|penalty PREFIX\n"
	"       sallyport throttle off [--for TIME] | on\n"
	"       sallyport throttle why ADDRESS | decide ADDRESS\n"
	"       sallyport throttle top [N]\n"
	"       sallyport throttle stats\n"
	"\n"
	"  list     networks that are allowed, denied, or have a penalty now\n"
	"  add      put a network such as 192.0.2.0/24 or 2001:db8::/32 on a list\n"
	"  del      take it off; a penalty's account is forgiven, too\n"
	"  off      refuse nobody from now on, for TIME or until \"on\" or a restart; costs\n"
	"           are kept all the same\n"
	"  why      what an address (or a network with an account: IPv4 /24, IPv6 /64 or /48) has\n"
	"           cost, on which lists it is, what the kernel counts, and what becomes of its\n"
	"           connections\n"
	"  decide   only what becomes of them: exit 0 pass, 1 slow, 2 refuse\n"
	"  top      the N senders that cost most (20; at most 200)\n"
	"  stats    what refuses connections here, what is missing for it, and counts\n"
	"\n"
	"  --level LEVEL  slower, few (connections a minute) or nothing\n"
	"  --for TIME     90s, 10m, 2h, 1d (at most 49710d); without it there is no end\n"
	"\n"
	"All take -c FILE and --json. Exit: 0, 64 usage, 65 refused, 75 no gateway answers,\n"
	"78 configuration.\n";

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

static long long number_of(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static double real_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

/* "9 m 5 s" */
static const char *time_text(long long s, char out[32])
{
	if (s < 60)
		(void)snprintf(out, 32, "%lld s", s);
	else if (s < 3600)
		(void)snprintf(out, 32, "%lld m %lld s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(out, 32, "%lld h %lld m", s / 3600, s / 60 % 60);
	else
		(void)snprintf(out, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return out;
}

static const char *level_colour(const struct cli *cli, const char *level)
{
	if (strcmp(level, "normal") == 0 || strcmp(level, "pass") == 0)
		return cli_green(cli);
	return strcmp(level, "nothing") == 0 || strcmp(level, "refuse") == 0 ? cli_red(cli)
									     : cli_yellow(cli);
}

/* --- answers for people --- */

static void print_list(const struct cli *cli, const json_t *answer)
{
	static const char *const lists[] = { "allow", "deny", "penalty" };
	size_t total = 0, i;
	const json_t *row;
	char left[32];

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		const json_t *rows = json_object_get(answer, lists[l]);

		total += json_array_size(rows);
		json_array_foreach(rows, i, row)
		{
			long long left_s = number_of(row, "left_s");
			const char *level = text_of(row, "level");

			(void)printf("%-8s %-32s %s%-8s%s %-8s %-12s %s\n", lists[l],
				     text_of(row, "prefix"), level_colour(cli, level), level,
				     cli_plain(cli), text_of(row, "origin"),
				     left_s == 0 ? "without end" : time_text(left_s, left),
				     text_of(row, "why"));
		}
	}
	if (total == 0)
		(void)printf("the lists are empty\n");
	if (json_is_true(json_object_get(answer, "cut")))
		(void)printf("and more: the first 20,000 of each list are shown\n");
}

static void print_done(const struct cli *cli UNUSED, const json_t *answer)
{
	(void)printf("%s: done\n", text_of(answer, "prefix"));
}

static void print_switched(const struct cli *cli UNUSED, const json_t *answer UNUSED)
{
	(void)printf("done: sallyport throttle stats shows it\n");
}

static void print_account(const struct cli *cli, const char *what, const json_t *s)
{
	const json_t *limits = json_object_get(s, "limits_s"), *r;
	const char *level = text_of(s, "level");
	char since[32], left[32];
	size_t i;

	if (s == NULL)
		return;
	(void)printf("%-9s%s: %lld charges, costs %.1f s now (slower from %.0f s, few from %.0f s, "
		     "nothing from %.0f s)\n",
		     what, text_of(s, "prefix"), number_of(s, "messages"), real_of(s, "cost_s"),
		     real_of(limits, "slower"), real_of(limits, "few"), real_of(limits, "nothing"));
	if (strcmp(level, "normal") != 0)
		(void)printf(
			"         level %s%s%s since %s, for another %s; penalty number %lld\n",
			level_colour(cli, level), level, cli_plain(cli),
			time_text(number_of(s, "since_s"), since),
			time_text(number_of(s, "left_s"), left), number_of(s, "strikes"));
	json_array_foreach(json_object_get(s, "reasons"), i, r)(void)
		printf("         %6lld %-22s %10.1f s\n", number_of(r, "count"),
		       text_of(r, "reason"), real_of(r, "cost_s"));
}

static void print_decision(const struct cli *cli, const json_t *answer)
{
	const char *decision = text_of(answer, "decision");

	(void)printf("%s: %s%s%s (level %s): %s\n", text_of(answer, "address"),
		     level_colour(cli, decision), decision, cli_plain(cli),
		     text_of(answer, "level"), text_of(answer, "why"));
}

static void print_why(const struct cli *cli, const json_t *answer)
{
	const json_t *host = json_object_get(answer, "host"), *k;
	const json_t *network = json_object_get(answer, "network");
	char half[32];
	size_t i;

	print_decision(cli, answer);
	if (!json_is_true(json_object_get(answer, "enforced")))
		(void)printf("%snothing refuses connections here: see sallyport throttle "
			     "stats%s\n",
			     cli_dim(cli), cli_plain(cli));
	print_account(cli, "account", host);
	print_account(cli, "network", network);
	if (host != NULL || network != NULL)
		(void)printf("         what is owed becomes half in %s\n",
			     time_text(number_of(answer, "half_life_s"), half));
	else
		(void)printf("account  none: its mail cost nothing lately\n");
	json_array_foreach(json_object_get(answer, "kernel"), i, k)(void)
		printf("kernel   %s: %lld connections seen, %lld refused, %lld open; may open %.0f "
		       "now\n",
		       text_of(k, "prefix"), number_of(k, "seen"), number_of(k, "refused"),
		       number_of(k, "open"), real_of(k, "may_open_now"));
	if (text_of(answer, "kernel_error")[0] != '\0')
		(void)printf("kernel   %s\n", text_of(answer, "kernel_error"));
}

static void print_top(const struct cli *cli, const json_t *answer)
{
	const json_t *sources = json_object_get(answer, "sources"), *s;
	size_t i;

	if (json_array_size(sources) == 0)
		(void)printf("nobody's mail cost anything lately\n");
	else
		(void)printf("%-32s %12s %-8s %8s  %s\n", "SOURCE", "COST", "LEVEL", "CHARGES",
			     "MOST OF IT");
	json_array_foreach(sources, i, s)
	{
		const json_t *reasons = json_object_get(s, "reasons"), *r, *most = NULL;
		const char *level = text_of(s, "level");
		size_t k;

		json_array_foreach(reasons, k,
				   r) if (most == NULL ||
					  real_of(r, "cost_s") > real_of(most, "cost_s")) most = r;
		(void)printf("%-32s %10.1f s %s%-8s%s %8lld  %lld %s\n", text_of(s, "prefix"),
			     real_of(s, "cost_s"), level_colour(cli, level), level, cli_plain(cli),
			     number_of(s, "messages"), number_of(most, "count"),
			     text_of(most, "reason"));
	}
}

static void print_counts(const json_t *answer)
{
	json_t *layers = json_object_get(answer, "counts"), *counts, *n;
	const char *layer, *verdict;

	json_object_foreach(layers, layer, counts)
	{
		(void)printf("%-8s", layer);
		json_object_foreach(counts, verdict, n)(void)
			printf(" %s %lld", verdict, (long long)json_integer_value(n));
		(void)printf("\n");
	}
	if (layers != NULL)
		(void)printf("connections: %lld opened, %lld closed, %lld not counted and %lld not "
			     "charged (map full); %lld events lost\n",
			     number_of(answer, "opened"), number_of(answer, "closed"),
			     number_of(answer, "open_full"), number_of(answer, "rate_full"),
			     number_of(answer, "events_lost"));
}

static void print_stats(const struct cli *cli, const json_t *answer)
{
	const json_t *entries = json_object_get(answer, "entries"), *p;
	const char *mode = text_of(answer, "mode"), *method = text_of(answer, "method");
	bool off = json_is_true(json_object_get(answer, "off"));
	bool enforced = strcmp(mode, "enforce") == 0 && strcmp(method, "user") != 0 && !off;
	char left[32];
	size_t i;

	(void)printf("Throttle = %s: %s%s%s%s\n", mode, enforced ? cli_green(cli) : cli_yellow(cli),
		     enforced ? "connections are refused by " : "nothing refuses connections",
		     enforced ? method : "", cli_plain(cli));
	if (off && number_of(answer, "off_left_s") > 0)
		(void)printf("  switched off by command for another %s\n",
			     time_text(number_of(answer, "off_left_s"), left));
	else if (off)
		(void)printf("  switched off by command: sallyport throttle on\n");
	json_array_foreach(json_object_get(answer, "parts"), i, p)
	{
		bool active = json_is_true(json_object_get(p, "active"));

		(void)printf("  %-12s %s%-8s%s %s\n", text_of(p, "name"),
			     active ? cli_green(cli) : cli_dim(cli), active ? "active" : "off",
			     cli_plain(cli),
			     active || text_of(p, "why")[0] != '\0' ? text_of(p, "why")
								    : "not asked for");
	}
	if (text_of(answer, "rates_charge")[0] != '\0')
		(void)printf("rates charge %s\n", text_of(answer, "rates_charge"));
	(void)printf("lists: %lld allowed, %lld denied, %lld penalties by hand\n",
		     number_of(entries, "allow"), number_of(entries, "deny"),
		     number_of(entries, "penalty"));
	(void)printf(
		"accounts: %lld, %lld of them with a penalty; %lld given up for want of room\n",
		number_of(answer, "accounts"), number_of(answer, "penalised"),
		number_of(answer, "evicted"));
	print_counts(answer);
}

/* --- questions --- */

static int decision_code(const json_t *answer)
{
	const char *decision = text_of(answer, "decision");

	return strcmp(decision, "refuse") == 0 ? 2 : strcmp(decision, "slow") == 0;
}

static const struct action {
	const char *name, *command;
	unsigned words_min, words_max; /* behind the name */
	bool level, time;              /* takes --level, --for */
	void (*print)(const struct cli *cli, const json_t *answer);
	int (*code)(const json_t *answer); /* NULL: 0 */
} actions[] = {
	{ "list", "throttle-list", 0, 0, false, false, print_list, NULL },
	{ "add", "throttle-add", 2, 2, true, true, print_done, NULL },
	{ "del", "throttle-del", 2, 2, false, false, print_done, NULL },
	{ "off", "throttle-off", 0, 0, false, true, print_switched, NULL },
	{ "on", "throttle-on", 0, 0, false, false, print_switched, NULL },
	{ "why", "throttle-why", 1, 1, false, false, print_why, NULL },
	{ "decide", "throttle-decide", 1, 1, false, false, print_decision, decision_code },
	{ "top", "throttle-sources", 0, 1, false, false, print_top, NULL },
	{ "stats", "throttle-stats", 0, 0, false, false, print_stats, NULL },
};

struct question {
	struct cli cli;
	const struct action *action;
	const char *words[WORDS_MAX];
	unsigned words_n;
	const char *level;
	uint64_t seconds, top; /* 0: not said */
};

static bool parse_time(const char *text, uint64_t *ret_s)
{
	static const struct {
		char unit;
		unsigned s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	struct bytes rest = bytes_str(text);
	uint64_t n;

	if (num_take(&rest, 1000000, &n) < 0 || n == 0 || rest.n > 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (rest.n == 0 || rest.p[0] == (uint8_t)units[i].unit) {
			*ret_s = n * units[i].s;
			return *ret_s < UINT32_MAX;
		}
	return false;
}

static size_t make_arguments(const struct question *q, struct ctl_argument args[4])
{
	size_t n = 0;

	if (q->action->words_min == 2) {
		args[n++] = (struct ctl_argument){ .name = "list", .text = q->words[0] };
		args[n++] = (struct ctl_argument){ .name = "prefix", .text = q->words[1] };
	} else if (q->action->words_min == 1) {
		args[n++] = (struct ctl_argument){ .name = "address", .text = q->words[0] };
	} else if (q->top > 0) {
		args[n++] = (struct ctl_argument){ .name = "n", .number = (long long)q->top };
	}
	if (q->level != NULL)
		args[n++] = (struct ctl_argument){ .name = "level", .text = q->level };
	if (q->seconds > 0)
		args[n++] =
			(struct ctl_argument){ .name = "seconds", .number = (long long)q->seconds };
	return n;
}

static int show(const struct question *q, const char *raw)
{
	json_t *answer = json_loads(raw, 0, NULL);
	int code = EX_OK;

	if (answer == NULL) {
		(void)fprintf(stderr, "sallyport: the gateway's answer is not JSON\n");
		return EX_PROTOCOL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		(void)fprintf(stderr, "sallyport: %s\n", text_of(answer, "error"));
		code = EX_DATAERR;
	} else {
		if (!q->cli.json)
			q->action->print(&q->cli, answer);
		if (q->action->code != NULL)
			code = q->action->code(answer);
	}
	if (q->cli.json)
		(void)printf("%s", raw); /* with its line end */
	json_decref(answer);
	return code;
}

static int ask(struct question *q)
{
	AUTO(str_fini) struct str raw;
	struct ctl_argument args[4];
	size_t n = make_arguments(q, args);
	struct err err;
	char *socket;
	int r;

	str_init(&raw, ANSWER_BYTES_MAX);
	r = cli_find_gateway(&q->cli, &socket, NULL);
	if (socket == NULL)
		return r;
	r = ctl_ask_with(socket, q->action->command, args, n, &raw, &err);
	free(socket);
	return r < 0 ? cli_fail(&err) : show(q, str_view(&raw));
}

/* The words behind the options: an action and what it takes. */
static bool take_words(struct question *q, int argc, char **argv)
{
	if (argc < 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].name, argv[0]) == 0)
			q->action = &actions[i];
	q->words_n = (unsigned)argc - 1;
	if (q->action == NULL || q->words_n < q->action->words_min ||
	    q->words_n > q->action->words_max)
		return false;
	for (unsigned i = 0; i < q->words_n; i++)
		q->words[i] = argv[i + 1];
	return true;
}

static bool PRINTF(1, 2) mistake(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	return false;
}

/* What was said and would be passed over is a mistake: somebody believes that it counts. */
static bool check_words(struct question *q)
{
	const struct action *a = q->action;

	if (q->level != NULL && (!a->level || strcmp(q->words[0], "penalty") != 0))
		return mistake("sallyport: --level belongs to \"throttle add penalty\"\n");
	if (q->seconds > 0 && !a->time)
		return mistake("sallyport: \"throttle %s\" takes no --for\n", a->name);
	if (a->words_max == 1 && a->words_min == 0 && q->words_n == 1 &&
	    (num_parse(bytes_str(q->words[0]), 10, TOP_MAX, &q->top) < 0 || q->top == 0))
		return mistake("sallyport: '%s' is not a number from 1 to 200\n", q->words[0]);
	return true;
}

int cmd_throttle(int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS,
						 { "level", required_argument, NULL, 'l' },
						 { "for", required_argument, NULL, 'f' },
						 { NULL, 0, NULL, 0 } };
	struct question q = { .cli = { .conf_path = cli_default_conf() } };
	int o, r;

	(void)cli_common(&q.cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'l') {
			q.level = optarg;
			continue;
		}
		if (o == 'f') {
			if (!parse_time(optarg, &q.seconds)) {
				(void)mistake("sallyport: --for %s: expected a time such as 90s, "
					      "10m, 2h or 1d\n",
					      optarg);
				return cli_usage(usage);
			}
			continue;
		}
		r = cli_common(&q.cli, o, optarg, usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(usage);
	}
	if (!take_words(&q, argc - optind, argv + optind) || !check_words(&q))
		return cli_usage(usage);
	return ask(&q);
}
