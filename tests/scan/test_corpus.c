/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Archives nobody here made, against what other programs say they hold. SALLYPORT_CORPUS: the
 * unpacked corpus; SALLYPORT_EXPECTED: the folder of expected-archives.tsv (file, property,
 * expected value, basis). Where two programs differ on a damaged archive neither need be right, so
 * agreement is counted; what must hold for every file is that nothing is passed over in silence.
 */
#include "tests/scan/make.h"
#include "tests/scan/opened.h"
#include "tests/t.h"

#define FILE_MAX (256 * MIB)

struct tally {
	unsigned files, members, agree, encrypted, encrypted_agree, not_agree;
	unsigned silent, slow;
};

static struct opened o;
static struct tally tally;
static char current[1024]; /* the file that is open */
static bool expects_members;

static struct made read_file(const char *folder, const char *name)
{
	struct made m = { .p = NULL };
	char path[2048];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return m;
	for (;;) {
		uint8_t block[65536];
		size_t n = fread(block, 1, sizeof(block), f);

		made_add(&m, block, n);
		if (n < sizeof(block) || m.n > FILE_MAX)
			break;
	}
	(void)fclose(f);
	return m;
}

static bool has_finding(const char *name)
{
	for (size_t i = 0; i < o.facts.findings_n; i++)
		if (strcmp(o.facts.findings[i].name, name) == 0)
			return true;
	return false;
}

/* Formats that are known not to be read, and self-extracting programs of other machines. */
static bool is_excused(const char *name)
{
	static const char *const excused[] = { "clam.chm", "testCompress209.doc",
					       "sfx.run",  "sfx.x",
					       "sfx.com",  "issue11169.tar" };

	for (size_t i = 0; i < ARRAY_LEN(excused); i++)
		if (bytes_ends_nocase(bytes_str(name), bytes_str(excused[i])))
			return true;
	return false;
}

static void finish_file(void)
{
	if (current[0] == '\0')
		return;
	if (expects_members && o.s.leaves->next == NULL && o.facts.findings_n == 0 &&
	    o.s.budget.hit == BUDGET_NONE && !is_excused(current)) {
		printf("# silent: %s\n", current);
		tally.silent++;
	}
	opened_reset(&o);
	current[0] = '\0';
}

static struct made content;

static bool start_file(const char *corpus, struct bytes name)
{
	uint64_t before;

	if (bytes_eq(bytes_str(current), name))
		return true;
	finish_file();
	made_free(&content);
	if (name.n >= sizeof(current))
		return false;
	memcpy(current, name.p, name.n);
	current[name.n] = '\0';
	content = read_file(corpus, current);
	expects_members = false;
	if (content.n == 0) {
		current[0] = '\0';
		return false;
	}
	before = clock_thread_cpu_ns();
	opened_run(&o, strrchr(current, '/') == NULL ? current : strrchr(current, '/') + 1,
		   made_bytes(&content));
	if (clock_thread_cpu_ns() - before > 5ull * 1000 * 1000 * 1000) {
		printf("# slow: %s\n", current);
		tally.slow++;
	}
	tally.files++;
	return true;
}

/* "key=value" in the '|'-separated rest of a member's line. */
static struct bytes field(struct bytes line, const char *key)
{
	while (line.n > 0) {
		ptrdiff_t end = bytes_index(line, '|');
		struct bytes one = end < 0 ? line : bytes_head(line, (size_t)end);

		if (bytes_starts(one, bytes_str(key)))
			return bytes_from(one, strlen(key));
		line = bytes_from(line, one.n + 1);
	}
	return BYTES("");
}

static bool same_hash(const struct leaf *l, struct bytes hex)
{
	char mine[65];

	for (size_t i = 0; i < 32; i++)
		(void)snprintf(mine + 2 * i, 3, "%02x", l->sha256[i]);
	return hex.n == 0 || bytes_eq(bytes_str(mine), hex);
}

static bool same_size(const struct leaf *l, struct bytes digits)
{
	char mine[24];

	(void)snprintf(mine, sizeof(mine), "%zu", l->content.n);
	return digits.n == 0 || bytes_eq(bytes_str(mine), digits);
}

static bool has_name(const struct leaf *l, struct bytes name)
{
	for (size_t i = 0; i < l->names_n; i++)
		if (bytes_eq_nocase(bytes_str(l->names[i]), name))
			return true;
	return false;
}

static void member(struct bytes expected)
{
	ptrdiff_t bar = bytes_index(expected, '|');
	struct bytes name = bar < 0 ? expected : bytes_head(expected, (size_t)bar);
	bool encrypted = bytes_eq(field(expected, "encrypted="), BYTES("+"));

	if (name.n == 0 || name.p[name.n - 1] == '/' ||
	    bytes_eq(field(expected, "dir="), BYTES("+")))
		return;
	expects_members = true;
	tally.members++;
	for (const struct leaf *l = o.s.leaves->next; l != NULL; l = l->next)
		if (has_name(l, name) &&
		    (encrypted ? l->encrypted
			       : same_size(l, field(expected, "size=")) &&
					 same_hash(l, field(expected, "sha256=")))) {
			tally.agree++;
			return;
		}
}

static void encryption(struct bytes expected)
{
	bool mine = has_finding("passwordprotected");

	if (bytes_eq(expected, BYTES("no"))) {
		tally.not_agree += mine;
		return;
	}
	tally.encrypted++;
	tally.encrypted_agree += mine;
	if (!mine)
		printf("# not seen as encrypted: %s\n", current);
}

static void line(const char *corpus, struct bytes text)
{
	struct bytes fields[3];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		ptrdiff_t tab = bytes_index(text, '\t');

		if (tab < 0)
			return;
		fields[i] = bytes_head(text, (size_t)tab);
		text = bytes_from(text, (size_t)tab + 1);
	}
	if (!bytes_starts(fields[0], BYTES("archives/")) || !start_file(corpus, fields[0]))
		return;
	if (bytes_eq(fields[1], BYTES("archive.member")))
		member(fields[2]);
	else if (bytes_eq(fields[1], BYTES("archive.encrypted")))
		encryption(fields[2]);
}

int main(void)
{
	const char *corpus = getenv("SALLYPORT_CORPUS"), *expected = getenv("SALLYPORT_EXPECTED");
	struct made table;
	struct bytes rest, text;

	if (corpus == NULL || expected == NULL)
		return t_skip_all("SALLYPORT_CORPUS or SALLYPORT_EXPECTED is not set");
	table = read_file(expected, "expected-archives.tsv");
	opened_init(&o);
	rest = made_bytes(&table);
	while (bytes_next_line(&rest, &text))
		line(corpus, text);
	finish_file();
	T_OK(tally.files > 500, "%u files", tally.files);
	T_OK(tally.agree * 100 > tally.members * 75,
	     "%u of %u members agree in name, size and hash", tally.agree, tally.members);
	T_OK(tally.silent == 0, "%u archives with members are passed over in silence",
	     tally.silent);
	T_OK(tally.encrypted > 0 && tally.encrypted_agree == tally.encrypted,
	     "%u of %u encrypted archives are seen as such", tally.encrypted_agree,
	     tally.encrypted);
	/* One file a fuzzer made has the flag of encryption and nothing else. */
	T_OK(tally.not_agree <= 1, "%u others are too", tally.not_agree);
	T_OK(tally.slow == 0, "none takes more than 5 s");
	opened_fini(&o);
	made_free(&content);
	made_free(&table);
	return t_done();
}
