/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_top.c - sallyport top: what the gateway is doing now. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "core/clock.h"
#include "core/num.h"
#include "ctl/client.h"
#include "tools/cli.h"
#include "tools/top_model.h"
#include "tools/top_screen.h"

#define ANSWER_BYTES_MAX (8u * 1024 * 1024)
#define DELAY_MIN_MS     100
#define DELAY_MAX_MS     60000
#define PATIENCE_SECONDS 2 /* so long no key counts when the gateway hangs */

static const char usage[] =
	"Usage: sallyport top [-c FILE] [--delay SECONDS] [--once] [--json]\n"
	"\n"
	"Shows the running gateway live: rates, queues and their age, one row a scan thread with\n"
	"what it does and for how long, what each stage costs, the costliest sources, and the\n"
	"throttle's lists and refusals.\n"
	"\n"
	"  --delay SECONDS  between two looks, 0.1 to 60 (default 1)\n"
	"  --once           two looks, one page of text, then end\n"
	"  --json           a JSON object for each look instead of a screen\n"
	"\n"
	"Keys: q ends, space stops and goes on, + and - change the delay, r draws anew.\n"
	"Exit: 0, 64 usage, 75 no gateway answers, 78 configuration.\n";

enum { TOP_OPT_DELAY = 256, TOP_OPT_ONCE };

static const struct option options[] = {
	CLI_LONG_OPTIONS,
	{ "delay", required_argument, NULL, TOP_OPT_DELAY },
	{ "once", no_argument, NULL, TOP_OPT_ONCE },
	{ NULL, 0, NULL, 0 },
};

struct top {
	struct cli cli;
	const char *socket;
	int delay_ms;
	bool once;
	/* The newer of the two looks is at frames[now]. */
	struct top_frame frames[2];
	unsigned now, looks;
	struct top_rates rates;
};

static volatile sig_atomic_t ended;

static void on_signal(int sig UNUSED)
{
	ended = 1;
}

static int ask(const struct top *t, const char *command, struct str *answer, struct err *err)
{
	str_init(answer, ANSWER_BYTES_MAX);
	return ctl_ask_within(t->socket, command, PATIENCE_SECONDS, answer, err);
}

/* One more look; the rates are those since the last one. */
static int look(struct top *t, struct err *err)
{
	AUTO(str_fini) struct str top, stats, sources;
	struct top_frame *f = &t->frames[1 - t->now];
	int r;

	str_init(&stats, ANSWER_BYTES_MAX);
	str_init(&sources, ANSWER_BYTES_MAX);
	r = ask(t, "top", &top, err);
	if (r == 0)
		r = ask(t, "throttle-stats", &stats, err);
	if (r == 0)
		r = ask(t, "throttle-sources", &sources, err);
	if (r == 0)
		r = top_read(str_view(&top), str_view(&stats), str_view(&sources),
			     (double)clock_now_ns() / 1e9, f, err);
	if (r < 0)
		return r;
	t->now = 1 - t->now;
	t->looks++;
	top_rates(t->looks > 1 ? &t->frames[1 - t->now] : f, f, &t->rates);
	return 0;
}

static void pause_ms(int ms)
{
	struct timespec s = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&s, NULL);
}

static void print_json(const struct top *t)
{
	AUTO(str_fini) struct str out;
	struct jout j;

	str_init(&out, ANSWER_BYTES_MAX);
	jout_begin(&j, &out);
	jout_object(&j, NULL);
	top_json(&t->frames[t->now], &t->rates, &j);
	jout_end(&j);
	(void)puts(str_view(&out));
	(void)fflush(stdout);
}

/* Looks as text or JSON: a rate needs two. */
static int without_screen(struct top *t)
{
	struct err err;

	for (;;) {
		if (look(t, &err) < 0)
			return cli_fail(&err);
		if (t->looks > 1 && t->cli.json)
			print_json(t);
		else if (t->looks > 1)
			top_print(&t->frames[t->now], &t->rates);
		if (ended || (t->once && t->looks > 1))
			return EX_OK;
		pause_ms(t->delay_ms);
	}
}

static void take_key(struct top *t, enum top_key key, bool *paused)
{
	if (key == TOP_KEY_PAUSE)
		*paused = !*paused;
	else if (key == TOP_KEY_SOONER)
		t->delay_ms = MAX_OF(t->delay_ms / 2, DELAY_MIN_MS);
	else if (key == TOP_KEY_LATER)
		t->delay_ms = MIN_OF(t->delay_ms * 2, DELAY_MAX_MS);
}

static int with_screen(struct top *t)
{
	struct err err, why = { .text = "" };
	struct top_screen *s = NULL;
	bool paused = false;

	if (look(t, &err) < 0) /* before the screen is cleared: most likely nothing runs */
		return cli_fail(&err);
	if (top_screen_open(&s, t->cli.colour, &err) < 0) {
		(void)cli_fail(&err);
		return EX_USAGE;
	}
	for (uint64_t next = clock_now_ns(); !ended;) {
		uint64_t now = clock_now_ns();
		enum top_key key;
		char note[sizeof(why.text) + 100];

		if (now >= next && !paused) {
			why.text[0] = '\0';
			if (look(t, &why) == 0)
				why.text[0] = '\0';
			next = now + (uint64_t)t->delay_ms * 1000000;
		}
		(void)snprintf(note, sizeof(note), "%s%s%sq quit, space pause, +/- every %.1f s",
			       paused ? "PAUSED  " : "", why.text, why.text[0] == '\0' ? "" : " - ",
			       t->delay_ms / 1000.0);
		top_screen_draw(s, &t->frames[t->now], &t->rates, note, why.text[0] != '\0');
		now = clock_now_ns();
		key = top_screen_key(s, paused       ? DELAY_MAX_MS
					: now < next ? (int)((next - now) / 1000000) + 1
						     : 0);
		if (key == TOP_KEY_QUIT)
			break;
		take_key(t, key, &paused);
	}
	top_screen_close(&s);
	return EX_OK;
}

/* "2", "0.5": seconds with at most one digit behind the point. */
static bool delay_parse(const char *text, int *ret_ms)
{
	struct bytes rest = bytes_str(text);
	uint64_t whole, tenths = 0, ms;

	if (num_take(&rest, DELAY_MAX_MS / 1000, &whole) < 0)
		return false;
	if (rest.n == 2 && rest.p[0] == '.') {
		rest = bytes_from(rest, 1);
		if (num_take(&rest, 9, &tenths) < 0)
			return false;
	}
	ms = whole * 1000 + tenths * 100;
	if (rest.n > 0 || ms < DELAY_MIN_MS || ms > DELAY_MAX_MS)
		return false;
	*ret_ms = (int)ms;
	return true;
}

static int run(struct top *t)
{
	struct sigaction act = { .sa_handler = on_signal };
	char *socket;
	int code = cli_find_gateway(&t->cli, &socket, NULL);

	if (socket == NULL)
		return code;
	t->socket = socket;
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	(void)sigaction(SIGQUIT, &act, NULL);
	code = t->once || t->cli.json ? without_screen(t) : with_screen(t);
	free(socket);
	return code;
}

int cmd_top(int argc, char **argv)
{
	struct top *t = calloc(1, sizeof(*t));
	int option, code = -1;

	if (t == NULL)
		return EX_OSERR;
	t->cli.conf_path = cli_default_conf();
	t->delay_ms = 1000;
	while (code < 0 && (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		int r = cli_common(&t->cli, option, optarg, usage);

		if (r == 1)
			code = EX_OK;
		else if (r == 0)
			continue;
		else if (option == TOP_OPT_ONCE)
			t->once = true;
		else if (option != TOP_OPT_DELAY || !delay_parse(optarg, &t->delay_ms))
			code = cli_usage(usage);
	}
	if (code < 0 && optind < argc)
		code = cli_usage(usage);
	if (code < 0)
		code = run(t);
	free(t);
	return code;
}
