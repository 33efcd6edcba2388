/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/throttle/rig.c - a supervisor and a gateway that a test drives line by line.
 *
 * A command a line on standard input, one JSON object a line as the answer. The maps are used the
 * way the gateway does: through throttle_maps_*, after "drop" as nobody.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/num.h"
#include "throttle/kernel.h"

#define WORDS_MAX 16
#define NOBODY    65534

struct rig {
	struct throttle_kernel *k;
	struct throttle_maps *m;
	struct throttle_setup setup;
	const char *interfaces[WORDS_MAX];
	size_t events;
	char *words[WORDS_MAX];
	int words_n;
};

static struct rig rig;

static const char *word(int i)
{
	return i < rig.words_n ? rig.words[i] : "";
}

static uint64_t number(int i)
{
	uint64_t n = 0;

	return num_parse(bytes_str(word(i)), 10, UINT64_MAX, &n) == 0 ? n : 0;
}

static struct throttle_prefix prefix(int i)
{
	struct throttle_prefix p = { 0 };

	if (!throttle_prefix_parse(word(i), &p))
		fprintf(stderr, "rig: '%s' is no prefix\n", word(i));
	return p;
}

static enum throttle_list list(int i)
{
	if (strcmp(word(i), "allow") == 0)
		return THROTTLE_LIST_ALLOW;
	return strcmp(word(i), "deny") == 0 ? THROTTLE_LIST_DENY : THROTTLE_LIST_PENALTY;
}

static void answer(int r, const struct err *err)
{
	printf("{\"r\": %d, \"why\": \"%s\"}\n", r, r < 0 ? err->text : "");
}

/* Values of the settings: "name=value". Tiers: "rate0=INTERVAL_MS/BURST/CONCURRENT". */
static void set_one(char *text)
{
	struct throttle_settings *s = &rig.setup.settings;
	struct bytes rest = bytes_str(strchr(text, '=') != NULL ? strchr(text, '=') + 1 : "");
	uint64_t n[3] = { 0 };

	for (int i = 0; i < 3 && num_take(&rest, UINT64_MAX, &n[i]) == 0; i++)
		rest = bytes_from(rest, 1);
	if (strncmp(text, "rate", 4) == 0 && text[4] >= '0' && text[4] < '0' + THROTTLE_TIERS)
		s->tiers[text[4] - '0'] =
			(struct throttle_rate){ n[0] * 1000000, (uint32_t)n[1], (uint32_t)n[2] };
	else if (strncmp(text, "port", 4) == 0)
		s->ports[text[4] - '0'] = (uint16_t)n[0];
	else if (strncmp(text, "enforce=", 8) == 0)
		s->enforce = (uint32_t)n[0];
	else if (strncmp(text, "flags=", 6) == 0)
		s->flags = (uint32_t)n[0];
	else if (strncmp(text, "flood=", 6) == 0)
		s->flood_factor = (uint32_t)n[0];
	else if (strncmp(text, "slower=", 7) == 0)
		s->slower_div = (uint32_t)n[0];
	else if (strncmp(text, "few=", 4) == 0)
		s->few_per_minute = (uint32_t)n[0];
	else if (strncmp(text, "method=", 7) == 0)
		rig.setup.method = (enum throttle_method)n[0];
	else if (strncmp(text, "keep=", 5) == 0)
		rig.setup.keep = n[0] != 0;
	else if (strncmp(text, "sources=", 8) == 0)
		rig.setup.sources_max = (uint32_t)n[0];
	else if (strncmp(text, "connections=", 12) == 0)
		rig.setup.connections_max = (uint32_t)n[0];
	else if (strncmp(text, "lists=", 6) == 0)
		rig.setup.lists_max = (uint32_t)n[0];
	else if (strncmp(text, "xdp=", 4) == 0)
		rig.setup.xdp = (enum throttle_xdp)n[0];
	else if (strncmp(text, "interface=", 10) == 0)
		rig.interfaces[rig.setup.interfaces_n++] = strdup(text + 10);
	else if (strncmp(text, "pins=", 5) == 0)
		rig.setup.pin_dir = strdup(text + 5);
	else
		fprintf(stderr, "rig: what is %s?\n", text);
}

static void set_all(void)
{
	rig.setup.interfaces = rig.interfaces;
	for (int i = 1; i < rig.words_n; i++)
		set_one(rig.words[i]);
}

static void print_parts(int r, const struct err *err)
{
	const struct throttle_part_state *parts;

	printf("{\"r\": %d, \"why\": \"%s\"", r, r < 0 ? err->text : "");
	if (r == 0) {
		parts = throttle_kernel_parts(rig.k);
		printf(", \"method\": %d, \"parts\": {", throttle_kernel_method(rig.k));
		for (int p = 0; p < THROTTLE_PARTS; p++)
			printf("%s\"%s\": {\"active\": %s, \"why\": \"%s\"}", p > 0 ? ", " : "",
			       throttle_part_name((enum throttle_part)p),
			       parts[p].active ? "true" : "false", parts[p].why);
		printf("}");
	}
	printf("}\n");
}

/* Everything that costs rights; then the gateway's descriptors, as if they had been passed. */
static void do_open(void)
{
	int fds[THROTTLE_FDS];
	struct err err;
	int r;

	set_all();
	r = throttle_kernel_open(&rig.k, &rig.setup, &err);
	if (r == 0) {
		throttle_kernel_fds(rig.k, fds);
		for (int i = 0; i < THROTTLE_FDS; i++)
			fds[i] = fds[i] >= 0 ? dup(fds[i]) : -1;
		r = throttle_maps_open(&rig.m, fds, &err);
	}
	print_parts(r, &err);
}

/* Become nobody: nothing that the supervisor may do is left. The map is opened again after it. */
static void do_drop(void)
{
	int fds[THROTTLE_FDS];
	struct err err = { 0 };
	int r = 0;

	throttle_maps_close(&rig.m);
	throttle_kernel_fds(rig.k, fds);
	for (int i = 0; i < THROTTLE_FDS; i++)
		fds[i] = fds[i] >= 0 ? dup(fds[i]) : -1;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_errno(&err, "become nobody");
	if (r == 0)
		r = throttle_maps_open(&rig.m, fds, &err);
	answer(r, &err);
}

static void do_settings(void)
{
	struct err err;

	set_all();
	answer(throttle_maps_settings(rig.m, &rig.setup.settings, &err), &err);
}

/* put LIST PREFIX [LEVEL MILLISECONDS] */
static void do_put(void)
{
	struct throttle_penalty penalty = { .until_ns = clock_now_ns() + number(4) * 1000000,
					    .level = (uint32_t)number(3) };
	struct throttle_prefix p = prefix(2);
	enum throttle_list l = list(1);
	struct err err;

	answer(throttle_maps_put(rig.m, l, &p, l == THROTTLE_LIST_PENALTY ? &penalty : NULL, &err),
	       &err);
}

static void do_remove(void)
{
	struct throttle_prefix p = prefix(2);
	struct err err;

	answer(throttle_maps_remove(rig.m, list(1), &p, &err), &err);
}

static void each_entry(void *arg, const struct throttle_prefix *p,
		       const struct throttle_penalty *penalty)
{
	char text[THROTTLE_PREFIX_TEXT];
	int *n = arg;

	printf("%s[\"%s\", %u]", (*n)++ > 0 ? ", " : "", throttle_prefix_text(p, text),
	       penalty != NULL ? penalty->level : 0);
}

static void do_each(void)
{
	struct err err = { 0 };
	int n = 0, r;

	printf("{\"entries\": [");
	r = throttle_maps_each(rig.m, list(1), each_entry, &n, &err);
	printf("], \"r\": %d, \"why\": \"%s\"}\n", r, err.text);
}

static void do_counts(void)
{
	struct throttle_counts c = { 0 };
	struct err err = { 0 };
	int r = throttle_maps_counts(rig.m, &c, &err);

	printf("{\"r\": %d, \"why\": \"%s\", \"n\": [", r, err.text);
	for (int l = 0; l < THROTTLE_LAYERS; l++)
		for (int v = 0; v < THROTTLE_VERDICTS; v++)
			printf("%s%llu%s", v == 0 ? "[" : "", (unsigned long long)c.n[l][v],
			       v < THROTTLE_VERDICTS - 1 ? ", "
			       : l < THROTTLE_LAYERS - 1 ? "], "
							 : "]");
	printf("], \"opened\": %llu, \"closed\": %llu, \"lost\": %llu, \"open_full\": %llu, "
	       "\"rate_full\": %llu}\n",
	       (unsigned long long)c.opened, (unsigned long long)c.closed,
	       (unsigned long long)c.events_lost, (unsigned long long)c.open_full,
	       (unsigned long long)c.rate_full);
}

static void do_source(void)
{
	struct throttle_source s[3];
	struct throttle_prefix p = prefix(1);
	struct err err = { 0 };
	char text[THROTTLE_PREFIX_TEXT];
	size_t n = 0;
	int r = throttle_maps_source(rig.m, &p, s, &n, &err);

	printf("{\"r\": %d, \"why\": \"%s\", \"tiers\": [", r, err.text);
	for (size_t i = 0; i < n; i++)
		printf("%s{\"prefix\": \"%s\", \"tokens\": %llu, \"seen\": %llu, \"refused\": "
		       "%llu, "
		       "\"open\": %u, \"known\": %s}",
		       i > 0 ? ", " : "", throttle_prefix_text(&s[i].prefix, text),
		       (unsigned long long)s[i].tokens_x1000, (unsigned long long)s[i].seen,
		       (unsigned long long)s[i].refused, s[i].open, s[i].known ? "true" : "false");
	printf("]}\n");
}

static void each_event(void *arg, const struct throttle_event *e)
{
	struct throttle_prefix p = { .bits = 128 };
	char text[THROTTLE_PREFIX_TEXT];

	(void)arg;
	memcpy(p.addr, e->addr, sizeof(p.addr));
	printf("%s{\"address\": \"%s\", \"port\": %u, \"verdict\": %u, \"layer\": %u, \"bits\": "
	       "%u}",
	       rig.events++ > 0 ? ", " : "", throttle_prefix_text(&p, text), e->port, e->verdict,
	       e->layer, e->prefix_bits);
}

/* Those that are there; "readable" is what a loop would be told within so many milliseconds: the
 * kernel wakes up who waits a moment after the event is there. */
static void do_events(void)
{
	struct pollfd pfd = { .fd = throttle_maps_event_fd(rig.m), .events = POLLIN };
	bool readable = pfd.fd >= 0 && poll(&pfd, 1, (int)number(1)) == 1;
	struct err err = { 0 };
	int r;

	rig.events = 0;
	printf("{\"events\": [");
	r = throttle_maps_events(rig.m, each_event, NULL, &err);
	printf("], \"r\": %d, \"readable\": %s, \"why\": \"%s\"}\n", r, readable ? "true" : "false",
	       r < 0 ? err.text : "");
}

static void do_nft(void)
{
	struct throttle_prefix p = prefix(1);
	struct err err;

	answer(throttle_kernel_nft(rig.k, &p, (enum throttle_level)number(2), (uint32_t)number(3),
				   &err),
	       &err);
}

static void do_nftlist(void)
{
	struct throttle_prefix p = prefix(2);
	struct err err;

	answer(throttle_kernel_nft_list(rig.k, list(1), &p, number(3) != 0, &err), &err);
}

/* What the supervisor does on a reload. */
static void do_reload(void)
{
	struct err err;

	set_all();
	answer(throttle_kernel_settings(rig.k, &rig.setup.settings, &err), &err);
}

static void do_off(void)
{
	struct err err;

	answer(throttle_kernel_nft_anew(rig.k, false, &err), &err);
}

static void do_on(void)
{
	struct err err;

	answer(throttle_kernel_nft_anew(rig.k, true, &err), &err);
}

static void do_close(void)
{
	struct err err = { 0 };

	throttle_maps_close(&rig.m);
	throttle_kernel_close(&rig.k);
	answer(0, &err);
}

static const struct {
	const char *name;
	void (*run)(void);
} commands[] = {
	{ "open", do_open },     { "drop", do_drop },       { "settings", do_settings },
	{ "put", do_put },       { "remove", do_remove },   { "each", do_each },
	{ "counts", do_counts }, { "source", do_source },   { "events", do_events },
	{ "nft", do_nft },       { "nftlist", do_nftlist }, { "close", do_close },
	{ "reload", do_reload }, { "off", do_off },         { "on", do_on },
};

static void run(char *line)
{
	char *save = NULL;

	rig.words_n = 0;
	for (char *w = strtok_r(line, " \n", &save); w != NULL && rig.words_n < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		rig.words[rig.words_n++] = w;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(word(0), commands[i].name) == 0) {
			commands[i].run();
			fflush(stdout);
			return;
		}
	printf("{\"r\": -22, \"why\": \"no such command\"}\n");
	fflush(stdout);
}

int main(void)
{
	char line[1024];

	rig.setup.settings.enforce = 1;
	while (fgets(line, sizeof(line), stdin) != NULL)
		run(line);
	throttle_maps_close(&rig.m);
	throttle_kernel_close(&rig.k);
	for (size_t i = 0; i < rig.setup.interfaces_n; i++)
		free((char *)(uintptr_t)rig.interfaces[i]);
	free((char *)(uintptr_t)rig.setup.pin_dir);
	return 0;
}
