/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libclamav finds is told, and what it passes over in silence is told too (the traps T1, T2
 * and T3 of the design). */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "scan/check.h"
#include "tests/conf/site.h"
#include "tests/scan/make.h"

#define MEMBER_MAX (1 * MIB)

static struct clam_scanner *scanner;
static struct clam_engine *engine;
static char tmp_dir[] = "/tmp/sallyport-test-XXXXXX";

static struct budget small_budget(void)
{
	struct budget_limits limits = budget_default_limits;
	struct budget b;

	limits.max[BUDGET_MEMBER_BYTES] = MEMBER_MAX;
	limits.max[BUDGET_EXPANDED_BYTES] = 8 * MIB;
	limits.max[BUDGET_MEMBERS] = 20;
	limits.max[BUDGET_ARCHIVE_DEPTH] = 3;
	budget_init(&b, &limits, 1000, clock_thread_cpu_ns());
	return b;
}

static struct clam_result scan(struct bytes content, bool raw)
{
	struct budget b = small_budget();
	struct clam_ask ask = { .content = content, .raw_message = raw, .budget = &b };
	struct clam_result result = { .virus = "" };
	struct err err = { .kind = ERR_NONE };

	if (clam_scan(scanner, &ask, &result, &err) < 0)
		T_OK(false, "the scan works: %s", err.text);
	return result;
}

static bool is_clean(const struct clam_result *r)
{
	return r->virus[0] == '\0' && r->limit[0] == '\0' && !r->encrypted;
}

static void load_engine(struct site *site)
{
	struct err err = { .kind = ERR_NONE };
	char text[512];

	(void)snprintf(text, sizeof(text), "ClamAV Database Directory = %s/signatures\n",
		       getenv("SALLYPORT_TEST_DATA"));
	site_text(site, text);
	T_OK(site->conf != NULL && clam_engine_new(&engine, site->conf, &err) == 0,
	     "the test signatures load: %s", err.text);
	if (engine == NULL)
		exit(t_done());
	T_OK(strcmp(clam_engine_describe(engine), "6 signatures") == 0, "described as \"%s\"",
	     clam_engine_describe(engine));
	T_OK(clam_scanner_new(&scanner, engine, tmp_dir, &err) == 0, "a scanner: %s", err.text);
}

static void no_signatures(void)
{
	struct clam_engine *e = NULL;
	struct err err = { .kind = ERR_NONE };
	struct site site;
	char text[512];

	(void)snprintf(text, sizeof(text), "ClamAV Database Directory = %s\n", tmp_dir);
	site_text(&site, text);
	T_OK(clam_engine_new(&e, site.conf, &err) < 0 && err.kind == ERR_CONFIG && e == NULL &&
		     strstr(err.text, tmp_dir) != NULL,
	     "an empty directory is no scanner: %s", err.text);
	site_close(&site);
	site_text(&site, "ClamAV Database Directory = /nowhere/at/all\n");
	T_OK(clam_engine_new(&e, site.conf, &err) < 0 && err.kind == ERR_CONFIG && e == NULL,
	     "nor is a missing one: %s", err.text);
	site_close(&site);
}

static void finds(void)
{
	struct clam_result r = scan(make_eicar(), false);
	struct made zip = make_zip1("a.txt", make_eicar());

	T_OK(strncmp(r.virus, "Eicar", 5) == 0, "EICAR: %s", r.virus);
	r = scan(BYTES("some text, then the Sallyport test word: sallyport test word\n"), false);
	T_OK(strstr(r.virus, "Test.Word") != NULL, "a word within text: %s", r.virus);
	r = scan(made_bytes(&zip), false);
	T_OK(strncmp(r.virus, "Eicar", 5) == 0, "EICAR in a zip: %s", r.virus);
	r = scan(BYTES("nothing in here\n"), false);
	T_OK(is_clean(&r), "a harmless text is clean");
	/* The reason why the HTML parser stays on for plain text. */
	r = scan(BYTES("SallyPort   NORMAL\n text and more of it, as people write it\n"), false);
	T_OK(strstr(r.virus, "NormalText") != NULL, "a signature on normalised text: %s", r.virus);
	r = scan(BYTES("From: a@example.org\nTo: b@example.org\nSubject: x\n"
		       "X-Sallyport-Signature: mail\nMIME-Version: 1.0\n\nhello\n"),
		 true);
	T_OK(strstr(r.virus, "Test.Mail") != NULL, "a signature on mail files: %s", r.virus);
	made_free(&zip);
}

/* T1: too long a member of a zip is cut or left out, and the scan is clean. */
static void trap_t1_long_member(void)
{
	struct bytes zeros = make_zeros(2 * MEMBER_MAX);
	struct made honest = make_zip1("zeros.bin", zeros);
	struct made exact = make_zip1("exact.bin", bytes_head(zeros, MEMBER_MAX));
	struct made below = make_zip1("below.bin", bytes_head(zeros, MEMBER_MAX - 1));
	struct made inner = make_zip1("inner.zip", made_bytes(&honest));
	struct clam_result r = scan(made_bytes(&honest), false);

	T_OK(r.limit[0] != '\0' && r.limit_kind == BUDGET_MEMBER_BYTES,
	     "T1: a member of twice the limit is a limit: %s", r.limit);
	r = scan(made_bytes(&honest), false);
	T_OK(r.limit[0] != '\0', "T1: the second time too: %s", r.limit);
	r = scan(made_bytes(&exact), false);
	T_OK(r.limit[0] != '\0', "T1: as long as the limit may have been cut: %s", r.limit);
	r = scan(made_bytes(&below), false);
	T_OK(is_clean(&r), "T1: one byte less is clean: %s", r.limit);
	r = scan(made_bytes(&inner), false);
	T_OK(r.limit[0] != '\0', "T1: one level down: %s", r.limit);
	/* The size in both headers is a lie; the data are what they are. */
	for (size_t i = 0; i + 4 <= honest.n; i++)
		if (memcmp(honest.p + i, "\0\0\x20\0", 4) == 0)
			memcpy(honest.p + i, "\x0a\0\0\0", 4);
	r = scan(made_bytes(&honest), false);
	T_OK(r.limit[0] != '\0', "T1: with a size that lies: %s", r.limit);
	made_free(&honest);
	made_free(&exact);
	made_free(&below);
	made_free(&inner);
	free((void *)(uintptr_t)zeros.p);
}

/* T2: limits that make the scan clean unless it is told to say so. */
static void trap_t2_limits(void)
{
	static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
					     "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
					     "k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
	struct make_file many[ARRAY_LEN(names)];
	struct bytes zeros = make_zeros(MEMBER_MAX - 1);
	struct made files, bytes, deep = make_zip1("x.txt", BYTES("harmless")), gz;
	struct clam_result r;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		many[i] = (struct make_file){ names[i], bytes_str(names[i]) };
	files = make_zip(many, ARRAY_LEN(names));
	r = scan(made_bytes(&files), false);
	T_OK(strstr(r.limit, "MaxFiles") != NULL && r.limit_kind == BUDGET_MEMBERS, "T2: files: %s",
	     r.limit);
	for (size_t i = 0; i < 16; i++)
		many[i].content = zeros;
	bytes = make_zip(many, 16);
	r = scan(made_bytes(&bytes), false);
	T_OK(strstr(r.limit, "MaxScanSize") != NULL && r.limit_kind == BUDGET_EXPANDED_BYTES,
	     "T2: bytes: %s", r.limit);
	for (unsigned i = 0; i < 30; i++) {
		struct made outer = make_zip1("x.zip", made_bytes(&deep));

		made_free(&deep);
		deep = outer;
	}
	r = scan(made_bytes(&deep), false);
	T_OK(strstr(r.limit, "MaxRecursion") != NULL && r.limit_kind == BUDGET_ARCHIVE_DEPTH,
	     "T2: depth: %s", r.limit);
	many[0].content = make_zeros(3 * MEMBER_MAX);
	gz = make_archive("raw", "gzip", many, 1);
	r = scan(made_bytes(&gz), false);
	T_OK(r.limit[0] != '\0', "T2: a compressed file: %s", r.limit);
	free((void *)(uintptr_t)many[0].content.p);
	free((void *)(uintptr_t)zeros.p);
	made_free(&files);
	made_free(&bytes);
	made_free(&deep);
	made_free(&gz);
}

/* A limit must not hide what was found before or after it. */
static void limit_and_virus(void)
{
	struct bytes zeros = make_zeros(2 * MEMBER_MAX);
	struct make_file files[] = { { "zeros.bin", zeros }, { "e.txt", make_eicar() } };
	struct made zip = make_zip(files, 2);
	struct clam_result r = scan(made_bytes(&zip), false);

	T_OK(strncmp(r.virus, "Eicar", 5) == 0 && r.limit[0] != '\0',
	     "both a virus (%s) and a limit (%s) are told", r.virus, r.limit);
	made_free(&zip);
	free((void *)(uintptr_t)zeros.p);
}

static void encrypted_member(void)
{
	struct make_entry e = { .name = "a.txt",
				.content = BYTES("0123456789abcdefgh"),
				.flags = 1 };
	struct made zip = make_zip_by_hand(&e, 1);
	struct clam_result r = scan(made_bytes(&zip), false);

	T_OK(r.encrypted, "a member with a password is noticed");
	made_free(&zip);
}

/* Two processes from one engine, both unpacking all the time; each with a directory of its own. */
static bool child_works(const char *dir)
{
	struct bytes content = make_zeros(200000);
	struct make_file files[] = { { "a", content }, { "b", content }, { "c", BYTES("x") } };
	struct made zip = make_archive("gnutar", "gzip", files, 3);
	struct clam_result r;
	bool good = true;

	if (mkdir(dir, 0700) < 0 || clam_scanner_new(&scanner, engine, dir, NULL) < 0)
		return false;
	for (int i = 0; i < 60 && good; i++) {
		r = scan(made_bytes(&zip), false);
		good = is_clean(&r);
	}
	return good;
}

static void trap_t3_siblings(void)
{
	pid_t pids[4];
	unsigned good = 0;
	char dir[64];

	for (unsigned i = 0; i < ARRAY_LEN(pids); i++) {
		(void)snprintf(dir, sizeof(dir), "%s/%u", tmp_dir, i);
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(child_works(dir) ? 0 : 1);
	}
	for (unsigned i = 0; i < ARRAY_LEN(pids); i++) {
		int status = -1;

		(void)waitpid(pids[i], &status, 0);
		good += status == 0;
		(void)snprintf(dir, sizeof(dir), "%s/%u", tmp_dir, i);
		(void)rmdir(dir);
	}
	T_OK(good == ARRAY_LEN(pids), "T3: %u of 4 processes scan without failing", good);
}

/* T3 again: libclamav only logs that it cannot write, and calls the file clean. */
static void trap_t3_logged_error(void)
{
	struct made zip = make_zip1("a.txt", BYTES("sallyport test word, but who can see it"));
	struct budget b = small_budget();
	struct clam_ask ask = { .content = made_bytes(&zip), .budget = &b };
	struct clam_result result;
	struct err err = { .kind = ERR_NONE };
	struct clam_scanner *lost = NULL;

	T_OK(clam_scanner_new(&lost, engine, "/nowhere/at/all", &err) == 0, "a lost scanner");
	T_OK(clam_scan(lost, &ask, &result, &err) < 0 && err.kind == ERR_TEMP,
	     "T3: without its directory the scan fails: %s", err.text);
	clam_scanner_free(&lost);
	T_OK(clam_scanner_new(&lost, engine, tmp_dir, &err) == 0 &&
		     clam_scan(lost, &ask, &result, &err) == 0 &&
		     strstr(result.virus, "Test.Word") != NULL,
	     "and works again with it");
	clam_scanner_free(&lost);
	made_free(&zip);
}

struct layers {
	unsigned n, word;
};

static void on_layer(void *arg, struct bytes layer)
{
	struct layers *l = arg;

	l->n++;
	l->word += bytes_eq(layer, BYTES("inside"));
}

static void layers_are_told(void)
{
	struct made zip = make_zip1("a.txt", BYTES("inside"));
	struct budget b = small_budget();
	struct layers layers = { .n = 0 };
	struct clam_ask ask = {
		.content = made_bytes(&zip), .budget = &b, .layer = on_layer, .arg = &layers
	};
	struct clam_result result;

	T_OK(clam_scan(scanner, &ask, &result, NULL) == 0 && layers.n == 2 && layers.word == 1,
	     "archive and member are told as layers (%u, %u)", layers.n, layers.word);
	made_free(&zip);
}

int main(void)
{
	struct site site;

	if (getenv("SALLYPORT_TEST_DATA") == NULL)
		return t_skip_all("SALLYPORT_TEST_DATA is not set");
	if (mkdtemp(tmp_dir) == NULL)
		return t_skip_all("no temporary directory");
	no_signatures();
	load_engine(&site);
	finds();
	trap_t1_long_member();
	trap_t2_limits();
	limit_and_virus();
	encrypted_member();
	layers_are_told();
	trap_t3_siblings();
	trap_t3_logged_error();
	clam_scanner_free(&scanner);
	clam_engine_free(&engine);
	site_close(&site);
	(void)rmdir(tmp_dir);
	return t_done();
}
