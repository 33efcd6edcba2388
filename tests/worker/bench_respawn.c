/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a crash of a scan worker costs, with a large engine in the zygote, before and after its
 * memory was collapsed into huge pages. A measurement, not a test: `meson test --benchmark`.
 * Argument: megabytes of the stand-in for the engine (750).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

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

static void measure(const char *what)
{
	struct client_setup setup = tiny_setup();
	uint64_t spawn[ROUNDS], first[ROUNDS], crash[ROUNDS], start = clock_now_ns(), t;
	struct rig r;

	setup.zygote.keep_stderr = false;
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
	measure("no engine");
	tiny_engine_bytes = (size_t)(mib * MIB);
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	measure("small pages");
	(void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	measure("huge pages");
	tiny_end();
	return 0;
}
