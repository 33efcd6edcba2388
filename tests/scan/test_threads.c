/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads on one engine: libclamav keeps limits in the engine, so scans with different limits must
 * not meet there. Each thread knows what its own limits must make of each content. Then the whole
 * scan: what threads find side by side is what one finds alone. Runs under the thread sanitizer
 * too.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"
#include "scan/check.h"
#include "scan/scan.h"
#include "tests/conf/site.h"
#include "tests/mime/file.h"
#include "tests/scan/make.h"

enum { THREADS = 4, ROUNDS = 40, MEMBER_BYTES = 2 << 20 };

struct worker {
	pthread_t id;
	struct clam_scanner *scanner;
	uint64_t member_max;
	struct bytes zip; /* with a member of MEMBER_BYTES */
	struct bytes eicar;
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

		good = good && scan(w, w->eicar, &r) && strncmp(r.virus, "Eicar", 5) == 0 &&
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
		w[i] = (struct worker){ .zip = zip,
					.eicar = make_eicar(),
					.member_max = i % 2 == 0 ? MIB : 8 * MIB };
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

/* --- whole messages --- */

enum { MESSAGES = 16, DIGEST_BYTES = 8192 };

struct mail {
	struct bytes text[MESSAGES];
	char *want[MESSAGES]
		  [2]; /* without and with a scan of the whole message as libclamav sees it */
	size_t n;
};

struct crew {
	pthread_t id;
	struct scanner *scanner;
	const struct mail *mail;
	unsigned index, wrong, right;
};

static struct scan_request request_of(bool raw)
{
	struct scan_request r = { .virus_scanning = true,
				  .full_message_scan = raw,
				  .dangerous_content = true,
				  .check_types = true,
				  .find_archives_by_content = true,
				  .unpack_documents = true,
				  .max_attachments = -1,
				  .max_attachment_bytes = -1,
				  .min_attachment_bytes = -1,
				  .archives_are = "zro",
				  .limits = budget_default_limits,
				  .id = "1ABC" };

	for (size_t i = 0; i < SCAN_RULES_SETS; i++) {
		r.rules[i].name_rules = "/site/names.conf";
		r.rules[i].type_rules = "/site/types.conf";
	}
	return r;
}

/* What was found out, without what differs each time. malloc'ed. */
static char *digest(struct scanner *s, struct bytes message, bool raw)
{
	AUTO(arena_free) struct arena *a = arena_new(512 * MIB);
	struct scan_request r = request_of(raw);
	struct facts f;
	struct str out;

	str_init(&out, DIGEST_BYTES);
	if (a == NULL || scan_message(s, &r, message, a, &f, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < CHECK_COUNT; i++)
		str_addf(&out, "%u ", f.checks[i].state);
	for (size_t i = 0; i < f.findings_n; i++)
		str_addf(&out, "%u %s %s;", f.findings[i].kind, f.findings[i].part,
			 f.findings[i].name);
	for (size_t i = 0; i < f.parts_n; i++)
		str_addf(&out, "%s %s;", f.parts[i].type,
			 f.parts[i].file_type == NULL ? "-" : f.parts[i].file_type);
	return str_take(&out);
}

static void *scan_mail(void *arg)
{
	struct crew *c = arg;

	for (unsigned round = 0; round < 4; round++)
		for (size_t i = 0; i < c->mail->n; i++) {
			size_t at = (i + c->index * 3) % c->mail->n;
			bool raw = (round + c->index) % 2 == 1;
			char *got = digest(c->scanner, c->mail->text[at], raw);

			if (got != NULL && strcmp(got, c->mail->want[at][raw]) == 0)
				c->right++;
			else
				c->wrong++;
			free(got);
		}
	return NULL;
}

static void load_mail(struct mail *m)
{
	static const char *const names[] = { "broken",    "clean",     "double-ext",
					     "encrypted", "forwarded", "html",
					     "japanese",  "partial",   "signed" };
	char path[512];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/mail/%s.eml", getenv("SALLYPORT_TEST_DATA"),
			       names[i]);
		m->text[m->n++] = file_read(path);
	}
	m->text[m->n++] =
		bytes_str("From: a@example.org\nSubject: x\nMIME-Version: 1.0\n"
			  "Content-Type: text/plain; name=x.exe\n\nsallyport test word\n");
}

static void put_rules(struct site *s, const char *as, const char *name)
{
	struct bytes content;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/rules/%s", getenv("SALLYPORT_TEST_DATA"), name);
	content = file_read(path);
	if (conf_source_add(s->source, as, CONF_FILE, false, content) < 0)
		abort();
	free((void *)(uintptr_t)content.p);
}

static struct scan_engine *whole_engine(struct site *s)
{
	struct scan_engine *e = NULL;
	struct err err = { .text = "" };
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "ClamAV Database Directory = %s/signatures\nVirus Scanners = auto\n"
		       "Filename Rules = /site/names.conf\nFiletype Rules = /site/types.conf\n"
		       "Archives: Filename Rules = /site/names.conf\n"
		       "Archives: Filetype Rules = /site/types.conf\n",
		       getenv("SALLYPORT_TEST_DATA"));
	site_open(s);
	site_file(s, SITE_MAIN, text);
	put_rules(s, "/site/names.conf", "filename.rules.conf");
	put_rules(s, "/site/types.conf", "filetype.rules.conf");
	site_load(s);
	T_OK(s->conf != NULL && scan_engine_new(&e, s->conf, &err) == 0, "a whole engine: %s",
	     err.text);
	return e;
}

static void whole_scans(const char *tmp_dir)
{
	struct crew c[THREADS] = { { .index = 0 } };
	struct mail mail = { .n = 0 };
	struct site site;
	struct scan_engine *e = whole_engine(&site);
	unsigned distinct = 0;

	load_mail(&mail);
	for (unsigned t = 0; t < THREADS; t++) {
		c[t] = (struct crew){ .index = t, .mail = &mail };
		T_OK(scanner_new(&c[t].scanner, e, tmp_dir, NULL, NULL) == 0, "scanner %u", t);
	}
	for (size_t i = 0; i < mail.n; i++) {
		for (size_t raw = 0; raw < 2; raw++)
			mail.want[i][raw] = digest(c[0].scanner, mail.text[i], raw == 1);
		distinct += i > 0 && strcmp(mail.want[i][0], mail.want[i - 1][0]) != 0;
	}
	T_OK(distinct + 1 == mail.n, "every message has something of its own");
	for (unsigned t = 0; t < THREADS; t++)
		T_OK(pthread_create(&c[t].id, NULL, scan_mail, &c[t]) == 0, "thread %u", t);
	for (unsigned t = 0; t < THREADS; t++) {
		(void)pthread_join(c[t].id, NULL);
		T_OK(c[t].wrong == 0 && c[t].right == 4 * mail.n, "thread %u: %u right, %u wrong",
		     t, c[t].right, c[t].wrong);
	}
	for (unsigned t = 0; t < THREADS; t++)
		scanner_free(&c[t].scanner);
	for (size_t i = 0; i < mail.n; i++) {
		free(mail.want[i][0]);
		free(mail.want[i][1]);
		if (i + 1 < mail.n)
			free((void *)(uintptr_t)mail.text[i].p);
	}
	scan_engine_free(&e);
	site_close(&site);
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
	whole_scans(tmp_dir);
	T_OK(rmdir(tmp_dir) == 0, "nothing is left in the shared directory");
	return t_done();
}
