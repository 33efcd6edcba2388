/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole message through the whole pipeline: what is found, where, and that nothing half-done
 * counts as done. */
#include "scan/scan.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/str.h"
#include "scan/verdict_cache.h"
#include "tests/conf/site.h"
#include "tests/scan/make.h"

static const char rules_text[] = "deny\t\\.exe$\tWindows program\tNo programs here\n"
				 "allow\t.\t-\t-\n";

static struct scan_engine *engine;
static struct scanner *scanner;
static struct verdict_cache *cache;
static struct scan_request request;
static struct facts facts;
static struct arena *arena;
static struct err err;
static char tmp_dir[] = "/tmp/sallyport-test-XXXXXX";

static void fresh(void)
{
	request = (struct scan_request){ .virus_scanning = true,
					 .full_message_scan = true,
					 .dangerous_content = true,
					 .check_types = true,
					 .check_encrypted_names = true,
					 .find_archives_by_content = true,
					 .unpack_documents = true,
					 .expand_tnef = true,
					 .max_attachments = -1,
					 .max_attachment_bytes = -1,
					 .min_attachment_bytes = -1,
					 .archives_are = "zro",
					 .limits = budget_default_limits,
					 .id = "1ABC" };
	for (size_t i = 0; i < SCAN_RULES_SETS; i++)
		request.rules[i].name_rules = "/site/names.conf";
}

static int scan(const char *message)
{
	err = (struct err){ .kind = ERR_NONE };
	arena_free(&arena);
	arena = arena_new((size_t)request.limits.max[BUDGET_MEMORY]);
	return scan_message(scanner, &request, bytes_str(message), arena, &facts, &err);
}

static bool start(struct site *site)
{
	AUTO(fd_close) int fd = -1;
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "ClamAV Database Directory = %s/signatures\nVirus Scanners = auto\n"
		       "Filename Rules = /site/names.conf\n"
		       "Archives: Filename Rules = /site/names.conf\n",
		       getenv("SALLYPORT_TEST_DATA"));
	site_open(site);
	site_file(site, SITE_MAIN, text);
	site_file(site, "/site/names.conf", rules_text);
	site_load(site);
	return T_OK(site->conf != NULL && scan_engine_new(&engine, site->conf, &err) == 0,
		    "an engine: %s %s", site->err.text, err.text) &&
	       T_OK(verdict_cache_new(&cache, 64, &fd, &err) == 0, "a cache: %s", err.text) &&
	       T_OK(scanner_new(&scanner, engine, tmp_dir, cache, &err) == 0, "a scanner: %s",
		    err.text);
}

static const struct finding *find(const char *name)
{
	for (size_t i = 0; i < facts.findings_n; i++)
		if (strstr(facts.findings[i].name, name) != NULL)
			return &facts.findings[i];
	return NULL;
}

static bool all_ran(void)
{
	for (size_t i = 0; i < CHECK_TEST; i++) /* the last one is not in every build */
		if (facts.checks[i].state != CHECK_RAN)
			return false;
	return true;
}

static void show(void)
{
	for (size_t i = 0; i < CHECK_COUNT; i++)
		printf("# %s: %s %s\n", check_name((enum check_id)i),
		       check_state_name(facts.checks[i].state),
		       facts.checks[i].why == NULL ? "" : facts.checks[i].why);
	for (size_t i = 0; i < facts.findings_n; i++)
		printf("# finding %s: %s\n", facts.findings[i].name, facts.findings[i].report);
}

/* A message with one attachment, base64. */
static struct str mail(const char *name, struct bytes content, const char *header)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct str s;

	str_init(&s, 64 * MIB);
	str_addf(&s,
		 "From: a@example.org\nTo: b@example.org\nSubject: a test\nMessage-ID: <1@x>\n"
		 "%sMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
		 "Content-Type: text/plain\n\nhello there\n--b\n"
		 "Content-Type: application/octet-stream; name=\"%s\"\n"
		 "Content-Transfer-Encoding: base64\n\n",
		 header, name);
	for (size_t i = 0; i < content.n; i += 3) {
		uint32_t v = 0;
		char out[5] = "====";

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < content.n ? content.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			if (i + k <= content.n)
				out[k] = digits[v >> (18 - 6 * k) & 63];
		str_add(&s, out);
		if (i % 57 == 54)
			str_add(&s, "\n");
	}
	str_add(&s, "\n--b--\n");
	return s;
}

static int scan_attachment(const char *name, struct bytes content)
{
	AUTO(str_fini) struct str s = mail(name, content, "");

	return scan(str_view(&s));
}

static void clean(void)
{
	T_OK(scan_attachment("a.txt", BYTES("nothing of interest")) == 0 && all_ran() &&
		     facts.findings_n == 0,
	     "a clean message: all checks ran, nothing found");
	T_OK(facts.parts_n == 2 && strcmp(facts.parts[1].name, "a.txt") == 0 &&
		     facts.parts[1].size_bytes == 19 && facts.parts[1].has_sha256 &&
		     strcmp(facts.parts[0].name, "") == 0 && strcmp(facts.subject, "a test") == 0 &&
		     strcmp(facts.message_id, "<1@x>") == 0,
	     "parts, subject and id are told (%s)", facts.message_id);
	T_OK(facts.verdicts_n == 2 && facts.verdicts[0].virus[0] == '\0',
	     "the cache learns of both parts");
	if (!all_ran())
		show();
}

/* Every stage that a message went through has its time, and shows when it begins. */
static void costs(void)
{
	_Atomic uint8_t shown = 99;
	uint64_t cpu_ns = 0;
	unsigned free_n = 0;

	scanner_show_stage(scanner, &shown);
	(void)scan("Subject: x\n\nhello\n");
	T_OK(shown == STAGE_REST, "the last stage of a scan is what comes after the checks");
	for (unsigned i = 0; i < CHECK_TEST; i++) {
		cpu_ns += facts.stages[i].cpu_ns;
		free_n += facts.stages[i].wall_ns == 0;
	}
	T_OK(facts.has_stages && free_n == 0, "each check has a cost");
	T_OK(facts.stages[STAGE_READ].wall_ns == 0, "reading is not the scanner's");
	T_OK(cpu_ns > 0 &&
		     cpu_ns + facts.stages[STAGE_REST].cpu_ns + facts.stages[CHECK_TEST].cpu_ns >=
			     facts.cpu_us * 1000,
	     "together no less than the whole: %llu of %llu us", (unsigned long long)cpu_ns / 1000,
	     (unsigned long long)facts.cpu_us);
	scanner_show_stage(scanner, NULL);
}

static void viruses(void)
{
	struct made inner = make_zip1("evil.txt", make_eicar());
	struct make_file files[] = { { "in.zip", made_bytes(&inner) },
				     { "fine.txt", BYTES("fine") } };
	struct made outer = make_zip(files, 2);
	const struct finding *f;

	T_OK(scan_attachment("e.txt", make_eicar()) == 0 && all_ran() && facts.findings_n == 1,
	     "EICAR attached is found once");
	f = find("Eicar");
	T_OK(f != NULL && f->kind == FINDING_VIRUS && f->class == 'v' &&
		     strcmp(f->scanner, "Clamd") == 0 && strcmp(f->part, "2") == 0 &&
		     strcmp(f->report,
			    "Clamd: e.txt was infected: Eicar-Test-Signature.UNOFFICIAL") == 0 &&
		     strcmp(f->log, "Clamd::INFECTED:: Eicar-Test-Signature.UNOFFICIAL :: "
				    "./%id%/e.txt") == 0,
	     "with the words MailScanner has for it: %s", f == NULL ? "" : f->log);
	T_OK(scan_attachment("a.zip", made_bytes(&outer)) == 0 && facts.findings_n == 1,
	     "in an archive in an archive: told once");
	f = find("Eicar");
	T_OK(f != NULL && f->path_n == 3 && strcmp(f->path[0], "a.zip") == 0 &&
		     strcmp(f->path[1], "in.zip") == 0 && strcmp(f->path[2], "evil.txt") == 0,
	     "at its place");
	request.full_message_scan = false;
	T_OK(scan_attachment("a.zip", made_bytes(&outer)) == 0 && facts.findings_n == 1 &&
		     find("Eicar") != NULL,
	     "the same without the scan of the whole message");
	fresh();
	T_OK(scan("From: a@x\nX-Sallyport-Signature: mail\nSubject: x\n\nhi\n") == 0 &&
		     facts.findings_n == 1 && facts.findings[0].whole_message,
	     "what only the whole message shows is a finding about it");
	request.virus_scanning = false;
	T_OK(scan_attachment("e.txt", make_eicar()) == 0 && facts.findings_n == 0 &&
		     facts.checks[CHECK_VIRUS].state == CHECK_SKIPPED && facts.verdicts_n == 0,
	     "not asked for: skipped, and the cache learns nothing");
	fresh();
	made_free(&inner);
	made_free(&outer);
}

static void put_verdict(const struct fact_part *p, const char *virus)
{
	struct fact_verdict v = { .file_type = "" };

	memcpy(v.sha256, p->sha256, sizeof(v.sha256));
	(void)snprintf(v.virus, sizeof(v.virus), "%s", virus);
	verdict_cache_put(cache, scan_engine_generation(engine), &v, 1);
}

static void cached(void)
{
	request.full_message_scan = false;
	(void)scan_attachment("c.txt", BYTES("quite harmless"));
	put_verdict(&facts.parts[1], "From.The.Cache");
	T_OK(scan_attachment("c.txt", BYTES("quite harmless")) == 0 &&
		     find("From.The.Cache") != NULL && facts.verdicts_n == 1,
	     "a verdict of the cache is believed, and not told again");
	verdict_cache_take_back(cache, 1);
	T_OK(scan_attachment("c.txt", BYTES("quite harmless")) == 0 && facts.findings_n == 0,
	     "until it is taken back");
	fresh();
}

/* What could not be read to the end is never remembered as clean. */
static void not_learnt(void)
{
	struct make_entry e[] = {
		{ .name = "secret.txt", .content = BYTES("0123456789abcdef"), .flags = 1 },
		{ .name = "open.txt", .content = BYTES("for all to see") }
	};
	struct made m = make_zip_by_hand(e, 2);
	bool archive_learnt = false;

	request.allow_encrypted_archives = true;
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 && all_ran() && facts.findings_n == 0,
	     "an encrypted archive may be allowed");
	for (size_t i = 0; i < facts.verdicts_n; i++)
		archive_learnt |= memcmp(facts.verdicts[i].sha256, facts.parts[1].sha256, 32) == 0;
	T_OK(!archive_learnt && facts.verdicts_n == 2,
	     "but only what could be read is remembered (%zu)", facts.verdicts_n);
	fresh();
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 && find("passwordprotected") != NULL,
	     "or it is reported");
	made_free(&m);
}

static void limits(void)
{
	struct made m = make_zip1("core.txt", make_eicar());
	const struct finding *f;

	for (unsigned i = 0; i < 3; i++) {
		struct made outer = make_zip1("x.zip", made_bytes(&m));

		made_free(&m);
		m = outer;
	}
	request.limits.max[BUDGET_ARCHIVE_DEPTH] = 2;
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 &&
		     facts.checks[CHECK_ARCHIVES].state == CHECK_LIMIT &&
		     facts.checks[CHECK_FILENAMES].state == CHECK_LIMIT &&
		     facts.checks[CHECK_VIRUS].state == CHECK_LIMIT &&
		     facts.limit_hit == BUDGET_ARCHIVE_DEPTH,
	     "too deep: no check that needs the members counts as run");
	f = find("limit: archive depth 2 at a.zip/x.zip/x.zip");
	T_OK(f != NULL && f->kind == FINDING_DOS && f->whole_message && f->class == 'c',
	     "and the limit is a finding with its place");
	if (f == NULL)
		show();
	fresh();
	request.limits.max[BUDGET_MEMORY] = 24 * 1024;
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 && facts.limit_hit == BUDGET_MEMORY &&
		     find("limit: memory") != NULL && !all_ran(),
	     "out of memory: a limit too");
	request.limits.max[BUDGET_MEMORY] = 100;
	T_OK(scan_attachment("a.zip", made_bytes(&m)) < 0 && err.kind == ERR_LIMIT,
	     "with none at all there is nothing to say: %s", err.text);
	fresh();
	made_free(&m);
}

/* Whatever the ceiling of the arena is: never a crash, never "all ran" on less than the whole. */
static void memory_sweep(void)
{
	struct made inner = make_zip1("evil.txt", make_eicar());
	struct made outer = make_zip1("in.zip", made_bytes(&inner));
	unsigned wrong = 0, limited = 0;

	request.full_message_scan = false;
	for (uint64_t max = 2048; max < 64 * 1024; max += 512) {
		request.limits.max[BUDGET_MEMORY] = max;
		if (scan_attachment("a.zip", made_bytes(&outer)) < 0)
			continue;
		limited += facts.limit_hit == BUDGET_MEMORY;
		wrong += all_ran() && find("Eicar") == NULL;
		wrong += facts.limit_hit != BUDGET_NONE && find("limit:") == NULL;
	}
	T_OK(wrong == 0 && limited > 0, "%u arenas were too small, %u verdicts wrong", limited,
	     wrong);
	fresh();
	made_free(&inner);
	made_free(&outer);
}

#ifdef SALLYPORT_FAULTS
static void failures(void)
{
	struct made m = make_zip1("a.txt", BYTES("x"));

	(void)setenv("SALLYPORT_FAULT", "scan.clamav=EIO", 1);
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 &&
		     facts.checks[CHECK_VIRUS].state == CHECK_FAILED && facts.verdicts_n == 0,
	     "a scan that fails is a failed check: %s", facts.checks[CHECK_VIRUS].why);
	(void)setenv("SALLYPORT_FAULT", "scan.test=EIO", 1);
	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 &&
		     facts.checks[CHECK_TEST].state == CHECK_FAILED &&
		     facts.checks[CHECK_VIRUS].state == CHECK_RAN,
	     "and so is any other");
	(void)unsetenv("SALLYPORT_FAULT");
	made_free(&m);
}

static const char *hooked;

static void on_test(const char *what)
{
	hooked = strcmp(what, "hostile") == 0 ? "hostile" : "?";
}

static void hook(void)
{
	AUTO(str_fini) struct str s = mail("a.txt", BYTES("x"), "X-Sallyport-Test: hostile\n");

	scanner_set_test_hook(scanner, on_test);
	T_OK(scan(str_view(&s)) == 0 && hooked != NULL && strcmp(hooked, "hostile") == 0,
	     "the worker's test hook is called");
	scanner_set_test_hook(scanner, NULL);
}
#endif

#define TEN  "0123456789"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN "1"

static void content(void)
{
	const char *partial = "From: a@x\nContent-Type: message/partial; id=x; number=1\n\nhi\n";

	T_OK(scan(partial) == 0 && find("partialmessage") != NULL && facts.findings[0].class == 'e',
	     "message/partial");
	request.allow_partial = true;
	T_OK(scan(partial) == 0 && facts.findings_n == 0, "message/partial, allowed");
	fresh();
	T_OK(scan("From: a@x\nContent-Type: message/external-body; access-type=URL;\n"
		  " URL=\"http://x/\"\n\nContent-Type: text/plain\n\n\n") == 0 &&
		     find("externalbody") != NULL,
	     "message/external-body");
	T_OK(scan("From: a@x\nContent-Type: multipart/mixed; boundary=" LONG "\n\n--" LONG
		  "\n\nhi\n--" LONG "--\n") == 0 &&
		     find("eudoralongmime") != NULL && facts.findings[0].class == 'v',
	     "a boundary of more than 80 characters");
	request.block_unencrypted = true;
	T_OK(scan("From: a@x\n\nhi\n") == 0 && find("unencrypted") != NULL, "not encrypted");
	request.block_unencrypted = false;
	request.block_encrypted = true;
	T_OK(scan("From: a@x\n\nhi\n") == 0 && facts.findings_n == 0, "encryption not allowed");
	T_OK(scan("From: a@x\nContent-Type: multipart/encrypted; boundary=b;\n"
		  " protocol=\"application/pgp-encrypted\"\n\n--b\n"
		  "Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n"
		  "Content-Type: application/octet-stream\n\nxxx\n--b--\n") == 0 &&
		     find("encrypted") != NULL,
	     "encrypted");
	fresh();
}

static void sizes(void)
{
	request.max_attachment_bytes = 10;
	T_OK(scan_attachment("a.txt", BYTES("0123456789")) == 0 && facts.findings_n == 0,
	     "an attachment of the largest size");
	T_OK(scan_attachment("a.txt", BYTES("0123456789a")) == 0 &&
		     find("attachmenttoolarge") != NULL && facts.findings_n == 1 &&
		     facts.findings[0].class == 's' && facts.findings[0].kind == FINDING_SIZE,
	     "one byte more");
	fresh();
	request.min_attachment_bytes = 10;
	T_OK(scan_attachment("a.txt", BYTES("012345678")) == 0 &&
		     find("attachmenttoosmall") != NULL && facts.findings_n == 1,
	     "one byte less than the smallest (the text does not count)");
	fresh();
	request.max_message_bytes = 100;
	T_OK(scan_attachment("a.txt", BYTES("x")) == 0 && find("toobig") != NULL, "message size");
	fresh();
	request.max_attachments = 3;
	T_OK(scan_attachment("a.txt", BYTES("x")) == 0 && find("toomanyattachments") != NULL,
	     "as many parts as the limit are too many");
	request.max_attachments = 4;
	T_OK(scan_attachment("a.txt", BYTES("x")) == 0 && facts.findings_n == 0, "one less is not");
	fresh();
}

static void unparsable(void)
{
	T_OK(scan("") == 0 && find("cantparse") != NULL && facts.findings[0].class == 'e' &&
		     facts.findings[0].kind == FINDING_UNPARSABLE,
	     "an empty message cannot be parsed");
	if (facts.findings_n == 0)
		show();
}

static void message_inside(void)
{
	AUTO(str_fini) struct str inner = mail("setup.exe", make_eicar(), "");
	struct made m = make_zip1("saved.eml", str_bytes(&inner));
	const struct finding *f;

	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 && facts.findings_n == 2,
	     "a virus in a program in a saved message in an archive");
	f = find("Eicar");
	T_OK(f != NULL && f->path_n == 3 && strcmp(f->path[1], "saved.eml") == 0 &&
		     strcmp(f->path[2], "setup.exe") == 0,
	     "at its place");
	if (f == NULL || facts.findings_n != 2)
		show();
	made_free(&m);
}

static void names_inside(void)
{
	struct made m = make_zip1("setup.exe", BYTES("harmless all the same"));

	T_OK(scan_attachment("a.zip", made_bytes(&m)) == 0 && facts.findings_n == 1 &&
		     facts.findings[0].kind == FINDING_FILENAME && facts.findings[0].path_n == 2,
	     "a dangerous name inside an archive");
	made_free(&m);
}

int main(void)
{
	struct site site = { .conf = NULL };

	if (getenv("SALLYPORT_TEST_DATA") == NULL)
		return t_skip_all("SALLYPORT_TEST_DATA is not set");
	if (mkdtemp(tmp_dir) == NULL)
		return t_skip_all("no temporary directory");
	fresh();
	if (start(&site)) {
		clean();
		costs();
		viruses();
		cached();
		not_learnt();
		limits();
		memory_sweep();
#ifdef SALLYPORT_FAULTS
		failures();
		hook();
#endif
		content();
		sizes();
		names_inside();
		unparsable();
		message_inside();
	}
	arena_free(&arena);
	scanner_free(&scanner);
	verdict_cache_free(&cache);
	scan_engine_free(&engine);
	site_close(&site);
	(void)rmdir(tmp_dir);
	return t_done();
}
