/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/scan/test_rule_set.c - Hyperscan with PCRE2's help says what PCRE2 alone says; nothing that
 * fails counts as "no match".
 */
#include "scan/rule_set.h"

#include <errno.h>
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "scan/rule_file.h"
#include "tests/t.h"

#define NONE RULE_SET_NO_MATCH

static struct rule_set *make(const struct rule_pattern *p, size_t n, unsigned flags)
{
	struct rule_set *s = NULL;
	struct err err = { .kind = ERR_NONE };

	if (rule_set_new(&s, p, n, flags, &err) < 0)
		printf("# %s\n", err.text);
	return s;
}

static struct rule_work *work_for(const struct rule_set *s)
{
	struct rule_work *w = NULL;

	if (rule_work_new(&w, NULL) < 0 || rule_work_fit(w, s, NULL) < 0)
		printf("# no work memory\n");
	return w;
}

/* First match of one pattern or list on one subject; -errno below zero. */
static long long first(const struct rule_set *s, struct rule_work *w, struct bytes subject,
		       struct err *err)
{
	size_t pattern = 0, in = 0;
	int r = rule_set_match(s, w, &subject, 1, &pattern, &in, err);

	if (r < 0)
		return r;
	return pattern == NONE ? (long long)1 << 40 : (long long)pattern;
}

/* --- single patterns --- */

static const struct {
	const char *pattern;
	struct bytes subject;
	bool match;
} singles[] = {
	{ "\\.exe$", BYTES("a.exe"), true },
	{ "\\.exe$", BYTES("a.EXE"), true },
	{ "\\.EXE$", BYTES("a.exe"), true },
	{ "\\.exe$", BYTES("a.exe.txt"), false },
	{ "\\.exe$", BYTES("a.exe\n"), true }, /* $ is also before a last newline, as in Perl */
	{ "\\.exe$", BYTES("a.exe\n\n"), false },
	{ "\\.exe\\z", BYTES("a.exe\n"), false },
	{ "\\.exe$", BYTES("a.exe\nb"), false }, /* no multi-line mode */
	{ "^b", BYTES("a\nb"), false },
	{ "a.b", BYTES("a\nb"), true }, /* '.' takes a newline */
	{ "a.b", BYTES("a\0b"), true },
	{ "a\\x00b", BYTES("a\0b"), true },
	{ "a[^x]b", BYTES("a\0b"), true },
	{ "\\.exe$", BYTES("a\0b.exe"), true },
	{ "\\.exe", BYTES("a.exe\0.txt"), true },
	{ "\\.exe$", BYTES("a.exe\0.txt"), false },
	{ "^.{3}$", BYTES("\xff\xfe\x80"), true }, /* bytes, not characters */
	{ "^.{2}$", BYTES("\xc3\xa9"), true },
	{ "^.$", BYTES("\xc3\xa9"), false },
	{ "\xc3\xa9", BYTES("caf\xc3\xa9"), true },
	{ "\\xe2\\x80\\xae",
	  BYTES("gpj.\xe2\x80\xae"
		"exe"),
	  true },
	{ "[\\x80-\\xff]", BYTES("caf\xe9"), true },
	{ "\xe9", BYTES("caf\xe9"), true },
	{ "\xc9", BYTES("caf\xe9"), false }, /* case is ASCII's */
	{ "", BYTES("a"), false },           /* no pattern: never */
	{ ".*", BYTES(""), true },
	{ "^$", BYTES(""), true },
	{ "x?", BYTES(""), true },
	{ ".", BYTES(""), false },
	{ "\\s{3,}", BYTES("a   b"), true },
	{ "\\s{3,}", BYTES("a \t\vb"), true },
	{ ".{150,}", BYTES("0123456789"), false },
	{ "(\\.[a-z]{3})\\1$", BYTES("a.txt.txt"), true }, /* prefilter and confirm */
	{ "(\\.[a-z]{3})\\1$", BYTES("a.txt.doc"), false },
	{ "(\\.[a-z]{3})\\1$", BYTES("a.txt.TXT"), true },
	{ "(?<!\\.tar)\\.gz$", BYTES("a.gz"), true },
	{ "(?<!\\.tar)\\.gz$", BYTES("a.tar.gz"), false },
	{ "^(?!.*\\.pdf$)", BYTES("a.pdf"), false },
	{ "^(?!.*\\.pdf$)", BYTES("a.exe"), true },
	{ "^\\((?:[^()]|(?R))*\\)$", BYTES("(a)"), true }, /* only PCRE2 can */
	{ "^(?>a+)b", BYTES("aaab"), true },
	{ "a++b", BYTES("aaab"), true },
	{ "(?i)A(?-i)B", BYTES("aB"), true },
	{ "(?i)A(?-i)B", BYTES("ab"), false },
	{ "(?-s)a.b", BYTES("a\nb"), false },
	{ "(?m)^b", BYTES("a\nb"), true },
	{ "(?x) a b # comment", BYTES("ab"), true },
	{ "\\Qa.b\\E", BYTES("a.b"), true },
	{ "\\Qa.b\\E", BYTES("axb"), false },
	{ "[[:digit:]]", BYTES("a1"), true },
	{ "\\h", BYTES("a b"), true },
	{ "a\\Kb", BYTES("ab"), true },
	{ "\\bscript", BYTES("a script"), true },
	{ "\\bscript", BYTES("postscript"), false },
};

static void test_singles(void)
{
	static const unsigned modes[] = { RULE_SET_JIT, 0, RULE_SET_PLAIN,
					  RULE_SET_PLAIN | RULE_SET_JIT };

	for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
		bool ok = true;

		for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
			struct rule_pattern p = { singles[i].pattern, "test:1" };
			AUTO(rule_set_free) struct rule_set *s = make(&p, 1, modes[m]);
			AUTO(rule_work_free) struct rule_work *w = work_for(s);

			ok = ok && s != NULL &&
			     (first(s, w, singles[i].subject, NULL) == 0) == singles[i].match;
		}
		T_OK(ok, "pattern %zu: %s", i, singles[i].pattern);
	}
}

/* --- order --- */

static void test_order(void)
{
	static const struct rule_pattern p[] = {
		{ "", "t:1" },                       /* never */
		{ "(\\.[a-z]{3})\\1$", "t:2" },      /* prefilter */
		{ "\\.txt$", "t:3" },                /* native, ends late */
		{ "^\\((?:[^()]|(?R))*\\)", "t:4" }, /* plain */
		{ "^a", "t:5" },                     /* native, ends first */
		{ ".", "t:6" },
	};
	AUTO(rule_set_free) struct rule_set *s = make(p, ARRAY_LEN(p), RULE_SET_JIT);
	AUTO(rule_work_free) struct rule_work *w = work_for(s);
	static const struct bytes two[] = { BYTES("abc"), BYTES("b.txt"), BYTES("c.txt") };
	struct rule_set_info info;
	size_t pattern = 0, subject = 0;

	rule_set_info(s, &info);
	T_OK(info.native_n == 3 && info.prefilter_n == 1 && info.plain_n == 1,
	     "who runs what: %zu native, %zu prefilter, %zu plain", info.native_n, info.prefilter_n,
	     info.plain_n);
	T_OK(first(s, w, BYTES("a.txt"), NULL) == 2, "the earliest rule, not the earliest match");
	T_OK(first(s, w, BYTES("a.txt.txt"), NULL) == 1, "a confirmed prefilter comes first");
	T_OK(first(s, w, BYTES("a.abc.txt"), NULL) == 2, "an unconfirmed one does not count");
	T_OK(first(s, w, BYTES("(a)"), NULL) == 3, "PCRE2's own rule in its place");
	T_OK(first(s, w, BYTES("abc"), NULL) == 4, "a later native rule");
	T_OK(first(s, w, BYTES("xyz"), NULL) == 5, "the last rule");
	T_OK(first(s, w, BYTES(""), NULL) > 5, "none");
	T_OK(rule_set_match(s, w, two, 3, &pattern, &subject, NULL) == 0 && pattern == 2 &&
		     subject == 1,
	     "several subjects: the best rule on any, and the first subject that gave it");
	T_OK(rule_set_match(s, w, two, 0, &pattern, &subject, NULL) == 0 && pattern == NONE,
	     "no subject: no match");
}

/* A native row that matches early must not end the scan before a prefilter in front of it. */
static void test_early_stop(void)
{
	static const struct rule_pattern p[] = { { "(\\.[a-z]{3})\\1$", "t:1" }, { "x", "t:2" } };
	AUTO(rule_set_free) struct rule_set *s = make(p, ARRAY_LEN(p), RULE_SET_JIT);
	AUTO(rule_work_free) struct rule_work *w = work_for(s);

	T_OK(first(s, w, BYTES("xxxx.abc.abc"), NULL) == 0, "a later match in front");
	T_OK(first(s, w, BYTES("xxxx.abc.abd"), NULL) == 1, "and without it");
}

static void test_empty(void)
{
	AUTO(rule_set_free) struct rule_set *s = make(NULL, 0, RULE_SET_JIT);
	AUTO(rule_work_free) struct rule_work *w = work_for(s);

	T_OK(s != NULL && first(s, w, BYTES("a"), NULL) > 0, "a set without patterns");
}

/* --- mistakes and failures --- */

static const struct {
	const char *pattern, *says;
} wrong[] = {
	{ "a(b", "t.conf:7: pattern 'a(b' is wrong at offset 3: missing closing parenthesis" },
	{ "a)b", "offset 1" },
	{ "[a", "missing terminating ]" },
	{ "a{2,1}", "out of order" },
	{ "\\", "\\ at end of pattern" },
	{ "(?P<n>a)(?P<n>b)", "two named" },
	{ "*a", "quantifier does not follow a repeatable item" },
	{ "(*UTF)a", "disabled" },
	{ "(*UTF8)a", "disabled" },
	{ "(*UCP)a", "disabled" },
	{ "(?<=a+)b", "lookbehind assertion is not fixed length" },
};

static void test_wrong(void)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct rule_pattern p[] = { { "ok", "t.conf:6" },
					    { wrong[i].pattern, "t.conf:7" } };
		struct rule_set *s = NULL;
		struct err err = { .kind = ERR_NONE };
		int r = rule_set_new(&s, p, 2, RULE_SET_JIT, &err);

		T_OK(r == -EINVAL && err.kind == ERR_CONFIG && s == NULL &&
			     strstr(err.text, "t.conf:7") == err.text &&
			     strstr(err.text, wrong[i].says) != NULL,
		     "%s", err.text);
	}
}

/* Patterns only PCRE2 can run, and texts (@first, then "aaa...") on which they take for ever. */
static const struct {
	const char *pattern;
	char first;
	size_t bytes;
	const char *matches; /* to see that they still work afterwards */
} runaways[] = {
	{ "^(.)(?:a|aa|aaa)+(?!.)(?<!a)\\1", 'b', 200, NULL }, /* exponential */
	{ "(a+)a+(?!.)(?<!a)\\1", 'a', 800, NULL },            /* cubic: no one offset takes long */
	{ "(a+)a+(?!.)(?<!a)\\1", 'a', 8192, NULL },
	{ "^(a+)+(?!.)(?<!a)|^((?:a|aa)+)+\\2!$", 'a', 100, "aa!" },
	{ "(.)\\1", 'a', 8193, "aa" }, /* a text no name is as long as */
};

static void test_runaway(void)
{
	static const unsigned modes[] = { RULE_SET_JIT, 0, RULE_SET_PLAIN };
	static char hostile[10000];

	memset(hostile, 'a', sizeof(hostile));
	for (size_t i = 0; i < ARRAY_LEN(runaways) * ARRAY_LEN(modes); i++) {
		size_t k = i / ARRAY_LEN(modes);
		struct rule_pattern p = { runaways[k].pattern, "t.conf:9" };
		AUTO(rule_set_free) struct rule_set *s = make(&p, 1, modes[i % ARRAY_LEN(modes)]);
		AUTO(rule_work_free) struct rule_work *w = work_for(s);
		struct err err = { .kind = ERR_NONE };
		uint64_t start = clock_thread_cpu_ns();
		long long r;

		hostile[0] = runaways[k].first;
		r = first(s, w, bytes_of(hostile, runaways[k].bytes), &err);
		printf("# %llu us\n", (unsigned long long)(clock_thread_cpu_ns() - start) / 1000);
		T_OK(r == -E2BIG && err.kind == ERR_LIMIT && strstr(err.text, "t.conf:9"),
		     "a runaway pattern is a failed check: %s", err.text);
		if (runaways[k].matches != NULL)
			T_OK(first(s, w, bytes_str(runaways[k].matches), NULL) == 0,
			     "and works again afterwards");
	}
}

static void test_scan_failure(void)
{
	static const struct rule_pattern p = { "a", "t:1" };
	AUTO(rule_set_free) struct rule_set *s = make(&p, 1, 0);
	AUTO(rule_work_free) struct rule_work *w = work_for(s);
	struct err err = { .kind = ERR_NONE };
	long long r;

	(void)setenv("SALLYPORT_FAULT", "rules.scan=EIO", 1);
	r = first(s, w, BYTES("b"), &err);
	(void)unsetenv("SALLYPORT_FAULT");
#ifdef SALLYPORT_FAULTS
	T_OK(r == -EIO && err.kind == ERR_BUG, "T4: a code of hs_scan() that is no success: %s",
	     err.text);
#else
	T_OK(r > 0, "no fault points in this build");
#endif
}

/* --- Hyperscan's literal compiler: why it is not used (see rule_set.c) --- */

static int count_match(unsigned id, unsigned long long from UNUSED, unsigned long long to UNUSED,
		       unsigned flags UNUSED, void *context)
{
	*(unsigned *)context |= 1u << id;
	return 0;
}

static void test_literals(void)
{
	static const char *const lits[] = { "abcdefghijklmnopqrstuvwxyz0123456789ab", "zzz" };
	static const size_t lens[] = { 38, 3 };
	static const unsigned flags[] = { 0, 0 }, ids[] = { 0, 1 };
	const struct rule_pattern p[] = { { lits[0], "t:1" }, { lits[1], "t:2" } };
	struct bytes text = BYTES("..abcdefghijklmnopqrstuvwxyz0123456789ab..zzz..");
	AUTO(rule_set_free) struct rule_set *s = make(p, 2, 0);
	AUTO(rule_work_free) struct rule_work *w = work_for(s);
	hs_database_t *db = NULL;
	hs_scratch_t *scratch = NULL;
	hs_compile_error_t *e = NULL;
	unsigned seen = 0;
	int rc = hs_compile_lit_multi(lits, flags, ids, lens, 2, HS_MODE_BLOCK, NULL, &db, &e);

	if (rc == HS_SUCCESS)
		rc = hs_alloc_scratch(db, &scratch);
	if (rc == HS_SUCCESS)
		rc = hs_scan(db, (const char *)text.p, (unsigned)text.n, 0, scratch, count_match,
			     &seen);
	printf("# hs_compile_lit_multi: code %d, matches %#x (3 would be right)\n", rc, seen);
	(void)hs_free_scratch(scratch);
	(void)hs_free_database(db);
	(void)hs_free_compile_error(e);
	T_OK(first(s, w, text, NULL) == 0, "T4: our way finds the first literal");
	T_OK(first(s, w, bytes_from(text, 10), NULL) == 1, "T4: and the second");
	T_OK(first(s, w, BYTES("zz"), NULL) > 1, "and nothing else");
}

/* --- the same as PCRE2 in order --- */

static uint64_t seed = 20261122;

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static size_t random_name(char *out, size_t max)
{
	static const char *const pieces[] = {
		".exe",
		".txt",
		".TXT",
		".doc",
		".pdf",
		".jan",
		".zip",
		".tar.gz",
		".js",
		"..",
		"          ",
		" ",
		"\n",
		"\t\v\f\r",
		"{00020420-0000-0000-c000-000000000046}",
		"a",
		"report",
		"aaa",
		"x12",
		".rel",
		"message.zip",
		".fri",
		"\xe2\x80\xae",
		"\xc3\xa9",
		"script",
		"executable",
		"ELF 64-bit",
		"text",
		"self-extract",
		"(",
		"[1]",
		"-",
		"_",
		"/",
		"\\",
		"0123456789012345678901234567890123456789",
	};
	size_t n = 0, want = rnd(8) == 0 ? rnd(200) : rnd(40);

	while (n < want) {
		const char *piece = pieces[rnd(ARRAY_LEN(pieces))];

		if (rnd(4) == 0) {
			out[n++] = (char)rnd(256); /* any byte, NUL among them */
			continue;
		}
		for (; *piece != '\0' && n < max; piece++)
			out[n++] = *piece;
	}
	return n;
}

static const struct rule_pattern tricky[] = {
	{ "(?<!e)\\.txt", "t:1" },
	{ "([a-z])\\1\\1", "t:2" },
	{ "^(?=.*exe)(?=.*txt)", "t:3" },
	{ "\\d{3}(?!\\d)", "t:4" },
	{ "^\\S+\\s\\S+$", "t:5" },
	{ "\\W\\W\\w\\W", "t:6" },
	{ "[^\\x00-\\x7f]{2}$", "t:7" },
	{ "\\Bt\\b", "t:8" },
	{ "\\R\\h", "t:9" },
	{ "(a|b|)\\.(e|x){2,}", "t:10" },
	{ "(\\()?[0-9](?(1)\\))", "t:11" },
	{ "^.{1,5}$", "t:12" },
	{ "\\Z", "t:13" },
};

static struct rule_pattern *load(const char *name, struct arena *a, size_t *ret_n)
{
	const char *dir = getenv("SALLYPORT_TEST_DATA");
	char path[4096];
	static char text[65536];
	struct rule_pattern *p;
	struct rule_file f;
	FILE *in;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/rules/%s", dir == NULL ? "tests/data" : dir, name);
	in = fopen(path, "re");
	n = in == NULL ? 0 : fread(text, 1, sizeof(text), in);
	if (in != NULL)
		(void)fclose(in);
	if (rule_file_parse(&f, bytes_of(text, n), a, NULL) < 0)
		return NULL;
	p = arena_array(a, f.rows_n + 1, sizeof(*p));
	for (size_t i = 0; i < f.rows_n; i++)
		p[i] = (struct rule_pattern){ f.rows[i].regex,
					      arena_printf(a, "%s:%u", name, f.rows[i].line) };
	*ret_n = f.rows_n;
	return p;
}

static void compare(const char *what, const struct rule_pattern *p, size_t n, unsigned names)
{
	uint64_t start = clock_thread_cpu_ns(), compiled;
	AUTO(rule_set_free) struct rule_set *fast = make(p, n, RULE_SET_JIT);
	AUTO(rule_set_free) struct rule_set *slow = NULL;
	AUTO(rule_work_free) struct rule_work *wf = work_for(fast);
	AUTO(rule_work_free) struct rule_work *ws = NULL;
	unsigned differ = 0, matched = 0;
	uint64_t fast_ns = 0, slow_ns = 0;
	struct rule_set_info info;
	char name[600];

	compiled = clock_thread_cpu_ns() - start;
	slow = make(p, n, RULE_SET_PLAIN | RULE_SET_JIT);
	ws = work_for(slow);
	rule_set_info(fast, &info);
	for (unsigned i = 0; i < names; i++) {
		struct bytes b = bytes_of(name, random_name(name, sizeof(name) - 1));
		uint64_t t0 = clock_now_ns(), t1;
		long long x = first(fast, wf, b, NULL), y;

		t1 = clock_now_ns();
		y = first(slow, ws, b, NULL);
		slow_ns += clock_now_ns() - t1;
		fast_ns += t1 - t0;
		matched += y >= 0 && (size_t)y < n;
		if (x != y && differ++ < 5)
			printf("# differs: %lld, PCRE2 %lld on %zu bytes\n", x, y, b.n);
	}
	printf("# %s: %zu native %zu prefilter %zu plain, %zu bytes, compiled in %llu us; "
	       "%llu ns a name, PCRE2 in order %llu ns\n",
	       what, info.native_n, info.prefilter_n, info.plain_n, info.database_bytes,
	       (unsigned long long)compiled / 1000, (unsigned long long)fast_ns / names,
	       (unsigned long long)slow_ns / names);
	T_OK(differ == 0 && matched > 0 && matched <= names,
	     "%s: %u names, %u match, no difference to PCRE2 in order", what, names, matched);
}

/* In any order: another rule is the first one then. */
static void compare_shuffled(const char *what, const struct rule_pattern *p, size_t n,
			     unsigned names)
{
	struct rule_pattern shuffled[100];

	if (!T_OK(n <= ARRAY_LEN(shuffled), "%zu rules", n))
		return;
	memcpy(shuffled, p, n * sizeof(*p));
	for (size_t k = n; k > 1; k--) {
		struct rule_pattern *x = &shuffled[k - 1], *y = &shuffled[rnd(k)], t = *x;

		*x = *y;
		*y = t;
	}
	compare(what, shuffled, n, names);
}

static void test_differential(void)
{
	static const char *const files[] = { "filename.rules.conf", "archives.filename.rules.conf",
					     "filetype.rules.conf",
					     "archives.filetype.rules.conf" };
	AUTO(arena_free) struct arena *a = arena_new(SIZE_MAX);

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		size_t n = 0;
		struct rule_pattern *p = load(files[i], a, &n);

		T_OK(n >= 8, "%s has %zu rules", files[i], n);
		compare(files[i], p, n, 20000);
		compare_shuffled("the same, shuffled", p, n, 20000);
	}
	compare("tricky patterns", tricky, ARRAY_LEN(tricky), 20000);
	for (unsigned i = 0; i < 20; i++)
		compare_shuffled("tricky patterns, shuffled", tricky, ARRAY_LEN(tricky), 2000);
	for (size_t i = 0; i < ARRAY_LEN(tricky); i++)
		compare(tricky[i].text, &tricky[i], 1, 5000);
}

int main(void)
{
	test_singles();
	test_order();
	test_early_stop();
	test_empty();
	test_wrong();
	test_runaway();
	test_scan_failure();
	test_literals();
	test_differential();
	return t_done();
}
