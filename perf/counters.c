/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/counters.c - what it costs to know what a scan costs: the same messages with Performance
 * Counters = yes and = no, in one process, taking turns after each message, so that whatever else
 * the machine does meets both. Prints the ratio of their processor times: the median of the rounds,
 * and the quarter and three-quarter points.
 *
 * "yes" includes the probes and what a worker adds around a scan when each message is a batch of
 * its own, which is the worst case: the clocks for reading and for the rest. Compiled-in probes
 * without a reader cannot be switched off; each is one no-operation.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/num.h"
#include "metrics/perf_group.h"
#include "policy/policy.h"
#include "scan/scan.h"
#include "scan/verdict_cache.h"
#include "tests/mime/file.h"

enum {
	MAILS_MAX = 5000,
	MAIL_BYTES_MAX = 1 << 20,
	ARENA_BYTES = 512 << 20,
	ROUNDS_MAX = 1000,
	CACHE_ENTRIES = 65536
};

static struct bytes mails[MAILS_MAX];
static size_t mails_n;

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "counters: %s: %s\n", what, err == NULL ? "failed" : err->text);
	exit(1);
}

static int add_mail(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct bytes m;

	(void)ftw;
	if (type != FTW_F || st->st_size < 200 || st->st_size > MAIL_BYTES_MAX ||
	    mails_n == MAILS_MAX || strstr(path, ".json") != NULL || strstr(path, ".gz") != NULL)
		return 0;
	m = file_read(path);
	if (m.n > 0 && memchr(m.p, ':', MIN_OF(m.n, 60u)) != NULL)
		mails[mails_n++] = m;
	return 0;
}

static void thin_out(size_t wanted)
{
	size_t step = MAX_OF(mails_n / wanted, 1u), n = 0;

	for (size_t i = 0; i < mails_n && n < wanted; i += step)
		mails[n++] = mails[i];
	mails_n = n;
}

struct side {
	struct conf *conf;
	struct scan_engine *engine;
	struct scanner *scanner, *cached; /* the second knows every content already */
	struct verdict_cache *cache;
	struct scan_request request;
	uint64_t ns;
	bool counting;
};

static void add_file(struct conf_source *s, const char *to, const char *path)
{
	struct bytes content = file_read(path);

	if (content.n == 0 || conf_source_add(s, to, CONF_FILE, false, content) < 0)
		die(path, NULL);
}

static void open_side(struct side *x, const char *signatures, bool counting, const char *tmp)
{
	static const struct conf_who who = { .from = "a@origin.test", .client_ip = "192.0.2.7" };
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	struct arena *kept = arena_new(1 << 20); /* as long as the program */
	char text[1024];
	struct err err;
	int fd = -1;

	(void)snprintf(text, sizeof(text),
		       "ClamAV Database Directory = %s\nVirus Scanners = auto\n"
		       "Filename Rules = /b/names\nFiletype Rules = /b/types\n"
		       "Performance Counters = %s\n",
		       signatures, counting ? "yes" : "no");
	if (report == NULL || kept == NULL || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/b/sallyport.conf", CONF_FILE, false, bytes_str(text)) < 0)
		die("configuration", NULL);
	add_file(s, "/b/names", SOURCE_ROOT "/tests/data/rules/filename.rules.conf");
	add_file(s, "/b/types", SOURCE_ROOT "/tests/data/rules/filetype.rules.conf");
	if (conf_load(&x->conf, s, "/b/sallyport.conf", report, &err) < 0 ||
	    scan_engine_new(&x->engine, x->conf, &err) < 0 ||
	    policy_request(x->conf, &who, kept, &x->request, &err) < 0 ||
	    scanner_new(&x->scanner, x->engine, tmp, NULL, &err) < 0)
		die("scanner", &err);
	scanner_begin_thread(x->scanner);
	if (verdict_cache_new(&x->cache, CACHE_ENTRIES, &fd, &err) < 0 ||
	    scanner_new(&x->cached, x->engine, tmp, x->cache, &err) < 0)
		die("scanner", &err);
	(void)close(fd);
	scanner_begin_thread(x->cached);
	x->counting = counting;
}

/* What worker/scan_jobs.c does around a scan when costs are noted: after the wait, after reading,
 * and at the end, which comes more than 100 us after the last time the thread's clock was read. */
static uint64_t laps(void)
{
	return clock_now_ns() + clock_now_ns() + clock_now_ns() + clock_thread_cpu_ns();
}

static void learn(struct side *x, const struct facts *f)
{
	for (size_t i = 0; i < f->verdicts_n; i++)
		verdict_cache_put(x->cache, scan_engine_generation(x->engine), &f->verdicts[i], 0);
}

static void scan_one(struct side *x, struct bytes mail, struct arena *a, bool warm)
{
	uint64_t since = clock_thread_cpu_ns();
	struct facts f;
	struct err err;

	if (x->counting)
		__asm__ volatile("" : : "r"(laps()));
	if (scan_message(warm ? x->cached : x->scanner, &x->request, mail, a, &f, &err) < 0)
		die("scan", &err);
	x->ns += clock_thread_cpu_ns() - since;
	learn(x, &f);
	arena_reset(a);
}

/* The side that comes second finds the message in the cache: each is second every other time. */
static double round_ratio(struct side *on, struct side *off, struct arena *a, size_t turn,
			  bool warm)
{
	on->ns = off->ns = 0;
	for (size_t i = 0; i < mails_n; i++) {
		bool on_first = (i + turn) % 2 == 0;

		scan_one(on_first ? on : off, mails[i], a, warm);
		scan_one(on_first ? off : on, mails[i], a, warm);
	}
	return (double)on->ns / (double)off->ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void say_host(void)
{
	AUTO(perf_group_close) struct perf_group *g = NULL;
	struct err err;

	if (perf_group_open(&g, perf_group_hardware, &err) < 0)
		printf("hardware counters: none (%s)\n", err.text);
	else
		printf("hardware counters: read %s\n",
		       perf_group_is_cheap(g) ? "without a system call, each message"
					      : "by the kernel, each 16th message");
}

struct sides {
	struct side on, off;
};

static void measure(const char *what, struct sides *s, struct arena *a, size_t rounds, bool warm)
{
	static double ratios[ROUNDS_MAX];
	uint64_t on_ns = 0, off_ns = 0;

	(void)round_ratio(&s->on, &s->off, a, 0, warm);
	for (size_t i = 0; i < rounds; i++) {
		ratios[i] = round_ratio(&s->on, &s->off, a, i, warm);
		on_ns += s->on.ns;
		off_ns += s->off.ns;
	}
	qsort(ratios, rounds, sizeof(ratios[0]), compare);
	printf("%s: %.1f us/message with counters, %.1f without; with / without: median %.4f "
	       "(quarters %.4f .. %.4f)\n",
	       what, (double)on_ns / 1e3 / (double)(mails_n * rounds),
	       (double)off_ns / 1e3 / (double)(mails_n * rounds), ratios[rounds / 2],
	       ratios[rounds / 4], ratios[rounds * 3 / 4]);
	(void)fflush(stdout);
}

static size_t number(const char *text, size_t otherwise)
{
	uint64_t n;

	return text == NULL || num_parse(bytes_str(text), 10, ROUNDS_MAX, &n) < 0 || n == 0
		       ? otherwise
		       : (size_t)n;
}

/* counters [ROUNDS [MESSAGES [SIGNATURES]]] */
int main(int argc, char **argv)
{
	struct sides s = { .on.conf = NULL };
	size_t rounds = number(argc > 1 ? argv[1] : NULL, 21);
	size_t messages = number(argc > 2 ? argv[2] : NULL, 300);
	const char *signatures = argc > 3 ? argv[3] : SOURCE_ROOT "/tests/data/signatures",
		   *corpus = getenv("SALLYPORT_CORPUS");
	char tmp[] = "/dev/shm/counters-XXXXXX", path[4096];
	struct arena *a = arena_new(ARENA_BYTES);

	if (corpus == NULL) {
		(void)fprintf(stderr, "counters: SALLYPORT_CORPUS is not set: skipped\n");
		return 77;
	}
	(void)snprintf(path, sizeof(path), "%s/mail-ham", corpus);
	(void)nftw(path, add_mail, 20, FTW_PHYS);
	(void)snprintf(path, sizeof(path), "%s/mail-spam", corpus);
	(void)nftw(path, add_mail, 20, FTW_PHYS);
	thin_out(messages);
	if (mails_n == 0 || a == NULL || mkdtemp(tmp) == NULL)
		die("no mail, no memory or no temporary directory", NULL);
	open_side(&s.on, signatures, true, tmp);
	open_side(&s.off, signatures, false, tmp);
	say_host();
	printf("%zu messages, %zu rounds\n", mails_n, rounds);
	measure("all contents new", &s, a, rounds, false);
	measure("all contents known", &s, a, rounds, true);
	(void)rmdir(tmp);
	return 0;
}
