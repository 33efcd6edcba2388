/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads on one engine: libclamav keeps limits in the engine, so scans with different limits must
 * not meet there. Each thread knows what its own limits must make of each content.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "scan/check.h"
#include "tests/conf/site.h"
#include "tests/scan/make.h"

enum { THREADS = 4, ROUNDS = 40, MEMBER_BYTES = 2 << 20 };

struct worker {
	pthread_t id;
	struct clam_scanner *scanner;
	uint64_t member_max;
	struct bytes zip;      /* with a member of MEMBER_BYTES */
	unsigned wrong, right; /* answers */
};

static bool scan(const struct worker *w, struct bytes content, struct clam_result *ret_r)
{
	struct budget_limits limits = budget_default_limits;
	struct budget b;
	struct clam_ask ask = { .content = content, .budget = &b };

	limits.max[BUDGET_MEMBER_BYTES] = w->member_max;
	budget_init(&b, &limits, content.n, clock_thread_cpu_ns());
	*ret_r = (struct clam_result){ .virus = "" };
	return clam_scan(w->scanner, &ask, ret_r, NULL) == 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	bool cut = w->member_max < MEMBER_BYTES;
	struct clam_result r;

	for (int i = 0; i < ROUNDS; i++) {
		bool good =
			scan(w, w->zip, &r) && (r.limit[0] != '\0') == cut && r.virus[0] == '\0';

		good = good && scan(w, make_eicar(), &r) && strncmp(r.virus, "Eicar", 5) == 0 &&
		       r.limit[0] == '\0';
		good = good && scan(w, BYTES("nothing in here\n"), &r) && r.virus[0] == '\0' &&
		       r.limit[0] == '\0';
		if (good)
			w->right++;
		else
			w->wrong++;
	}
	return NULL;
}

static void run(struct clam_engine *engine, const char *tmp_dir, struct bytes zip)
{
	struct worker w[THREADS];
	unsigned right = 0;

	for (size_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .zip = zip, .member_max = i % 2 == 0 ? MIB : 8 * MIB };
		T_OK(clam_scanner_new(&w[i].scanner, engine, tmp_dir, NULL) == 0, "scanner %zu", i);
	}
	for (size_t i = 0; i < THREADS; i++)
		T_OK(pthread_create(&w[i].id, NULL, work, &w[i]) == 0, "thread %zu", i);
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(w[i].id, NULL);
		T_OK(w[i].wrong == 0, "thread %zu with members of %llu MiB: %u wrong answers", i,
		     (unsigned long long)(w[i].member_max / MIB), w[i].wrong);
		right += w[i].right;
	}
	T_OK(right == THREADS * ROUNDS, "%u right ones", right);
	for (size_t i = 0; i < THREADS; i++)
		clam_scanner_free(&w[i].scanner);
}

int main(void)
{
	static uint8_t member[MEMBER_BYTES];
	char tmp_dir[] = "/tmp/sallyport-test-XXXXXX", text[512];
	struct clam_engine *engine = NULL;
	struct made zip;
	struct site site;

	if (mkdtemp(tmp_dir) == NULL)
		return 99;
	memset(member, 'a', sizeof(member));
	zip = make_zip1("a.txt", bytes_of(member, sizeof(member)));
	(void)snprintf(text, sizeof(text), "ClamAV Database Directory = %s/signatures\n",
		       getenv("SALLYPORT_TEST_DATA"));
	site_text(&site, text);
	T_OK(site.conf != NULL && clam_engine_new(&engine, site.conf, NULL) == 0,
	     "the test signatures load");
	if (engine != NULL)
		run(engine, tmp_dir, made_bytes(&zip));
	clam_engine_free(&engine);
	site_close(&site);
	made_free(&zip);
	T_OK(rmdir(tmp_dir) == 0, "nothing is left in the shared directory");
	return t_done();
}
