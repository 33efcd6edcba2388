/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/ruleset_lookup.c - what a question to a ruleset costs, by number and kind of its rules,
 * beside PCRE2 alone on the same list.
 *
 * Each case runs in a process of its own. Half of the senders asked for are in the list, evenly
 * spread over it (the worst case for caches), half are not.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "conf/conf.h"
#include "core/clock.h"
#include "core/str.h"

static const char usage[] =
	"Usage: ruleset_lookup [--small] [KIND]\n"
	"\n"
	"Nanoseconds a look-up, memory and load time of rulesets of 1,000 and 1,000,000 rules\n"
	"(wildcards and expressions: 1,000 and 20,000), and of PCRE2 alone: all rules in one\n"
	"alternation, or one expression a rule where that is too large. --small: a tenth.\n";

#define MAIN       "/site/main.conf"
#define RULES      "/site/big.rules"
#define ASKED      4096u
#define LOOKUPS    400000u
#define PCRE2_NS   (UINT64_C(1) * 1000000000)
#define LOOP_RULES 4000u /* expressions of the loop; more are counted up from these */

enum kind { ADDRESSES, DOMAINS, NETWORKS, MIXED, WILDCARDS, EXPRESSIONS, KINDS };
static const char *const kind_names[KINDS] = { "addresses", "domains",   "networks",
					       "mixed",     "wildcards", "expressions" };

struct result {
	uint64_t lookup_ns, load_ms, memory_kb, pcre2_ns;
	unsigned matched;
	bool pcre2_loop, failed;
};

/* ---- rules and who is asked for ---- */

/* Scattered, so that neighbours in the list are no neighbours in memory. */
static unsigned scatter(unsigned i)
{
	return (i * 2654435761u) >> 4;
}

static enum kind kind_of(enum kind k, unsigned i)
{
	static const enum kind mix[] = { ADDRESSES, DOMAINS, ADDRESSES, NETWORKS, DOMAINS };

	if (k != MIXED)
		return k;
	return i % 100 == 99 ? (i % 200 == 99 ? WILDCARDS : EXPRESSIONS) : mix[i % 5];
}

static void rule_of(enum kind k, unsigned i, char out[80])
{
	unsigned x = scatter(i);

	switch (kind_of(k, i)) {
	case ADDRESSES:
		(void)snprintf(out, 80, "user%u@d%u.example", i, x % 50000);
		break;
	case DOMAINS:
		(void)snprintf(out, 80, "*@%sdom%u.example", i % 4 == 0 ? "*." : "", i);
		break;
	case NETWORKS:
		(void)snprintf(out, 80, "%u.%u.%u.%u%s", 1 + (i >> 16) % 200, i >> 8 & 255, i & 255,
			       i % 3 == 0 ? 0 : x & 255, i % 3 == 0 ? "/24" : "");
		break;
	case WILDCARDS:
		(void)snprintf(out, 80, "*news%ux*@*.ex%u*", i, x % 977);
		break;
	default:
		(void)snprintf(out, 80, "/^bounce-[0-9]+-%ux@.*\\.host%u\\./", i, x % 977);
		break;
	}
}

struct asked {
	char from[80], ip[24];
};

/* A message that rule @i of @k matches, or nearly does. */
static void ask_of(enum kind k, unsigned i, bool hit, struct asked *a)
{
	unsigned x = scatter(i);

	(void)snprintf(a->ip, sizeof(a->ip), "203.0.113.%u", i & 255);
	(void)snprintf(a->from, sizeof(a->from), "someone%u@other%u.example", i, x);
	if (!hit)
		return;
	switch (kind_of(k, i)) {
	case ADDRESSES:
		(void)snprintf(a->from, sizeof(a->from), "user%u@d%u.example", i, x % 50000);
		break;
	case DOMAINS:
		(void)snprintf(a->from, sizeof(a->from), "joe@%sdom%u.example",
			       i % 4 == 0 ? "mx." : "", i);
		break;
	case NETWORKS:
		(void)snprintf(a->ip, sizeof(a->ip), "%u.%u.%u.%u", 1 + (i >> 16) % 200,
			       i >> 8 & 255, i & 255, x & 255);
		break;
	case WILDCARDS:
		(void)snprintf(a->from, sizeof(a->from), "the-news%ux-letter@a.ex%u.com", i,
			       x % 977);
		break;
	default:
		(void)snprintf(a->from, sizeof(a->from), "bounce-77-%ux@a.host%u.com", i, x % 977);
		break;
	}
}

static struct asked *make_asked(enum kind k, unsigned n)
{
	struct asked *a = calloc(ASKED, sizeof(*a));

	for (unsigned i = 0; a != NULL && i < ASKED; i++)
		ask_of(k, (unsigned)((uint64_t)scatter(i) % n), i % 2 == 0, &a[i]);
	return a;
}

/* ---- ours ---- */

static size_t memory_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size = 0, resident = 0;

	if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f != NULL)
		(void)fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static struct conf *load(enum kind k, unsigned n, struct result *r)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(str_fini) struct str text;
	struct conf *c = NULL;
	struct err err = { .text = "out of memory" };
	uint64_t began;
	size_t before;

	str_init(&text, 256 * MIB);
	for (unsigned i = 0; i < n; i++) {
		char rule[80];

		rule_of(k, i, rule);
		str_addf(&text, "From: %s store%u\n", rule, i % 7);
	}
	if (report == NULL || text.failed || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, MAIN, CONF_FILE, false, BYTES("Spam Actions = " RULES "\n")) < 0 ||
	    conf_source_add(s, RULES, CONF_FILE, false, str_bytes(&text)) < 0)
		return NULL;
	str_fini(&text);
	(void)malloc_trim(0);
	before = memory_kb();
	began = clock_now_ns();
	if (conf_load(&c, s, MAIN, report, &err) < 0) {
		(void)fprintf(stderr, "ruleset_lookup: %s\n", err.text);
		return NULL;
	}
	r->load_ms = (clock_now_ns() - began) / 1000000;
	(void)malloc_trim(0);
	r->memory_kb = memory_kb() - before;
	return c;
}

static void measure_ours(const struct conf *c, const struct asked *a, struct result *r)
{
	uint64_t began = 0;

	for (unsigned i = 0; i < LOOKUPS + ASKED; i++) {
		const struct asked *x = &a[i % ASKED];
		struct conf_who who = { .from = x->from, .client_ip = x->ip };

		if (i == ASKED) { /* the first round warms up, and counts */
			began = clock_thread_cpu_ns();
		}
		if (strncmp(conf_str(c, OPT_SPAM_ACTIONS, &who), "store", 5) == 0 && i < ASKED)
			r->matched++;
	}
	r->lookup_ns = (clock_thread_cpu_ns() - began) / LOOKUPS;
}

/* ---- PCRE2 alone ---- */

/* What a site would write by hand: on the address, networks on the client. */
static void expression_of(enum kind k, unsigned i, struct str *out)
{
	char rule[80];

	rule_of(k, i, rule);
	if (rule[0] == '/') {
		str_add_bytes(out, bytes_of(rule + 1, strlen(rule) - 2));
		return;
	}
	str_add_char(out, '^');
	for (const char *p = rule; *p != '\0' && *p != '/'; p++) {
		if (*p == '.')
			str_add_char(out, '\\');
		if (*p == '*')
			str_add_char(out, '.');
		str_add_char(out, *p);
	}
	if (strchr(rule, '/') == NULL)
		str_add_char(out, '$');
}

static pcre2_code *compile(const struct str *s)
{
	PCRE2_SIZE offset;
	int number;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)str_view(s), s->n, PCRE2_CASELESS, &number,
					 &offset, NULL);

	if (code != NULL)
		(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static pcre2_code *one_alternation(enum kind k, unsigned n)
{
	AUTO(str_fini) struct str s;

	str_init(&s, 256 * MIB);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			str_add_char(&s, '|');
		expression_of(k, i, &s);
	}
	return s.failed ? NULL : compile(&s);
}

static bool matches(const pcre2_code *code, const struct asked *a, pcre2_match_data *data)
{
	return pcre2_match(code, (PCRE2_SPTR)a->from, strlen(a->from), 0, 0, data, NULL) >= 0 ||
	       pcre2_match(code, (PCRE2_SPTR)a->ip, strlen(a->ip), 0, 0, data, NULL) >= 0;
}

static void measure_pcre2(enum kind k, unsigned n, const struct asked *a, struct result *r)
{
	unsigned codes_n = 1, asked = 0, used = MIN_OF(n, LOOP_RULES);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_code **codes = calloc(used, sizeof(pcre2_code *));
	uint64_t began, spent = 0;
	unsigned found = 0;

	if (data == NULL || codes == NULL)
		return;
	codes[0] = one_alternation(k, n);
	r->pcre2_loop = codes[0] == NULL;
	for (unsigned i = 0; r->pcre2_loop && i < used; i++) {
		AUTO(str_fini) struct str s;

		str_init(&s, KIB);
		expression_of(k, i, &s);
		codes[i] = compile(&s);
		codes_n = i + 1;
	}
	began = clock_thread_cpu_ns();
	for (; spent < PCRE2_NS && asked < LOOKUPS; asked++) {
		/* those that are not in the list: the loop must go through all of it */
		const struct asked *x = &a[(r->pcre2_loop ? asked * 2 + 1 : asked) % ASKED];

		for (unsigned i = 0; i < codes_n; i++)
			found += codes[i] != NULL && matches(codes[i], x, data);
		spent = clock_thread_cpu_ns() - began;
	}
	r->pcre2_ns = spent / asked;
	if (r->pcre2_loop)
		r->pcre2_ns = r->pcre2_ns * n / used;
	r->failed |= found > asked * codes_n;
}

/* ---- one case, in a process of its own ---- */

static void run(enum kind k, unsigned n, struct result *r)
{
	struct asked *a = make_asked(k, n);
	struct conf *c = a == NULL ? NULL : load(k, n, r);

	r->failed = c == NULL;
	if (c == NULL)
		return;
	measure_ours(c, a, r);
	conf_unref(&c);
	measure_pcre2(k, n, a, r);
}

static struct result run_apart(enum kind k, unsigned n)
{
	struct result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct result r = { .failed = true };
	int status = 1;
	pid_t pid;

	if (shared == MAP_FAILED)
		return r;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run(k, n, shared);
		_exit(shared->failed);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		r = *shared;
	(void)munmap(shared, sizeof(*shared));
	return r;
}

int main(int argc, char **argv)
{
	unsigned tenth = argc > 1 && strcmp(argv[1], "--small") == 0 ? 10 : 1;
	const char *only = argc > 1 && argv[argc - 1][0] != '-' ? argv[argc - 1] : NULL;

	if (argc > 1 && tenth == 1 && only == NULL) {
		(void)fputs(usage, strcmp(argv[1], "--help") == 0 ? stdout : stderr);
		return strcmp(argv[1], "--help") != 0;
	}
	(void)printf("%-12s %9s %9s %9s %10s %8s %14s %8s\n", "rules", "number", "ns each",
		     "load ms", "memory KB", "matched", "PCRE2 ns", "ratio");
	for (enum kind k = 0; k < KINDS; k++) {
		unsigned sizes[2] = { 1000, (k < WILDCARDS ? 1000000 : 20000) / tenth };
		uint64_t first = 0;

		if (only != NULL && strcmp(only, kind_names[k]) != 0)
			continue;

		for (unsigned i = 0; i < 2; i++) {
			struct result r = run_apart(k, sizes[i]);

			if (r.failed) {
				(void)printf("%-12s %9u failed\n", kind_names[k], sizes[i]);
				continue;
			}
			if (i == 0)
				first = r.lookup_ns;
			(void)printf("%-12s %9u %9llu %9llu %10llu %7.0f%% %9llu %s %8.1f\n",
				     kind_names[k], sizes[i], (unsigned long long)r.lookup_ns,
				     (unsigned long long)r.load_ms, (unsigned long long)r.memory_kb,
				     100.0 * r.matched / ASKED, (unsigned long long)r.pcre2_ns,
				     r.pcre2_loop ? "loop" : "one ",
				     (double)r.pcre2_ns / (double)MAX_OF(r.lookup_ns, 1u));
			if (i == 1 && first > 0)
				(void)printf("%-12s %9s %8.2f times the look-up of %u\n", "", "",
					     (double)r.lookup_ns / (double)first, sizes[0]);
		}
	}
	return 0;
}
