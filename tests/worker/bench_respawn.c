/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a crash of a scan worker costs, and what memory a worker has for itself, with a large
 * engine in the zygote and each value of option Huge Pages. A measurement, not a test: `meson test
 * --benchmark`. Argument: megabytes of the stand-in for the engine (750).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/num.h"
#include "tests/worker/rig.h"
#include "tests/worker/tiny.h"

#define ROUNDS 21

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_ms(uint64_t *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	return (double)ns[ROUNDS / 2] / 1e6;
}

static void scan_once(struct rig *r, const char *text)
{
	char out[400];
	unsigned slot;

	(void)rig_post(r, 0, text);
	(void)rig_result(r, 0, &slot, out, sizeof(out));
}

static void forget(struct rig *r)
{
	jobs_free(&r->w[0].jobs);
	fd_close(&r->w[0].sock);
	fd_close(&r->w[0].event_fd);
}

/* A value of /proc/PID/smaps_rollup in KB. */
static unsigned long memory_kb(pid_t pid, const char *name)
{
	char path[64], line[128];
	unsigned long kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		struct bytes rest = bytes_str(line);
		uint64_t v;

		if (!bytes_starts(rest, bytes_str(name)))
			continue;
		rest = bytes_trim(bytes_from(rest, strlen(name)));
		if (num_take(&rest, UINT32_MAX, &v) == 0)
			kb = (unsigned long)v;
	}
	if (f != NULL)
		(void)fclose(f);
	return kb;
}

static void measure(const char *what, enum zygote_huge huge)
{
	struct client_setup setup = tiny_setup();
	uint64_t spawn[ROUNDS], first[ROUNDS], crash[ROUNDS], start = clock_now_ns(), t;
	struct rig r;

	setup.zygote.keep_stderr = false;
	setup.zygote.huge = huge;
	rig_start(&r, &setup);
	printf("%s: ready after %.0f ms: %s\n", what, (double)(clock_now_ns() - start) / 1e6,
	       r.last.text);
	for (int i = 0; i < ROUNDS; i++) {
		t = clock_now_ns();
		rig_spawn(&r, 0, -1);
		spawn[i] = clock_now_ns() - t;
		scan_once(&r, "echo");
		first[i] = clock_now_ns() - t;
		t = clock_now_ns();
		scan_once(&r, "crash");
		forget(&r);
		rig_spawn(&r, 0, -1);
		scan_once(&r, "echo");
		crash[i] = clock_now_ns() - t;
		rig_kill(&r, 0);
		(void)rig_exited(&r, 0);
	}
	rig_spawn(&r, 0, -1);
	scan_once(&r, "echo");
	printf("  worker: RSS %lu KB, PSS %lu KB, private dirty %lu KB; zygote: %lu KB in huge "
	       "pages\n",
	       memory_kb(r.w[0].pid, "Rss:"), memory_kb(r.w[0].pid, "Pss:"),
	       memory_kb(r.w[0].pid, "Private_Dirty:"), memory_kb(r.zygote, "AnonHugePages:"));
	printf("  SPAWN to SPAWNED %.2f ms, to first scan %.2f ms, crash to next scan %.2f ms\n",
	       median_ms(spawn), median_ms(first), median_ms(crash));
	(void)rig_stop(&r);
}

int main(int argc, char **argv)
{
	uint64_t mib = 750;

	if (argc > 1 && num_parse(bytes_str(argv[1]), 10, 100000, &mib) < 0)
		return 64;
	tiny_begin();
	measure("no engine", ZYGOTE_HUGE_NO);
	tiny_engine_bytes = (size_t)(mib * MIB);
	measure("no", ZYGOTE_HUGE_NO);
	measure("advise", ZYGOTE_HUGE_ADVISE);
	measure("collapse", ZYGOTE_HUGE_COLLAPSE);
	tiny_end();
	return 0;
}
