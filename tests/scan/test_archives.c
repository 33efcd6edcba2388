/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What archives hold, in every reading, within the budget; and what is said of those that cannot
 * be read. */
#include "tests/scan/make.h"
#include "tests/scan/opened.h"
#include "tests/t.h"

static struct opened o;

static void fresh(void)
{
	opened_reset(&o);
	opened_fini(&o);
	opened_init(&o);
}

static void open_it(const char *name, const struct made *m)
{
	opened_reset(&o);
	opened_run(&o, name, made_bytes(m));
}

static const struct leaf *leaf_named(const char *name)
{
	for (const struct leaf *l = o.s.leaves->next; l != NULL; l = l->next)
		for (size_t i = 0; i < l->names_n; i++)
			if (strcmp(l->names[i], name) == 0)
				return l;
	return NULL;
}

static unsigned leaves_named(const char *name)
{
	unsigned n = 0;

	for (const struct leaf *l = o.s.leaves->next; l != NULL; l = l->next)
		for (size_t i = 0; i < l->names_n; i++)
			n += strcmp(l->names[i], name) == 0;
	return n;
}

static unsigned leaves_with(struct bytes content)
{
	unsigned n = 0;

	for (const struct leaf *l = o.s.leaves->next; l != NULL; l = l->next)
		n += !l->unread && bytes_eq(l->content, content);
	return n;
}

static bool found(const char *name)
{
	for (size_t i = 0; i < o.facts.findings_n; i++)
		if (strcmp(o.facts.findings[i].name, name) == 0)
			return true;
	return false;
}

static void formats(void)
{
	static const struct {
		const char *format, *filter, *name;
		unsigned depth;
	} cases[] = {
		{ "zip", NULL, "a.zip", 1 },
		{ "7zip", NULL, "a.7z", 1 },
		{ "gnutar", NULL, "a.tar", 1 },
		{ "pax", NULL, "a.tar", 1 },
		{ "v7tar", NULL, "a.tar", 1 },
		{ "newc", NULL, "a.cpio", 1 },
		{ "odc", NULL, "a.cpio", 1 },
		{ "iso9660", NULL, "a.iso", 1 },
		{ "arbsd", NULL, "a.a", 1 },
		{ "gnutar", "gzip", "a.tgz", 2 },
		{ "gnutar", "bzip2", "a.tbz2", 2 },
		{ "gnutar", "xz", "a.txz", 2 },
		{ "gnutar", "zstd", "a.tar.zst", 2 },
		{ "gnutar", "lz4", "a.tar.lz4", 2 },
		{ "gnutar", "lzip", "a.tar.lz", 2 },
		{ "gnutar", "lzma", "a.tar.lzma", 2 },
		{ "gnutar", "compress", "a.tar.Z", 2 },
	};
	struct make_file files[] = { { "evil.exe", BYTES("MZ this is the one") },
				     { "other.txt", BYTES("some other text") } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct made m = make_archive(cases[i].format, cases[i].filter, files, 2);
		const struct leaf *l;

		open_it(cases[i].name, &m);
		l = leaf_named("evil.exe");
		T_OK(l != NULL && bytes_eq(l->content, files[0].content) && l->has_sha256 &&
			     l->depth == cases[i].depth && leaves_with(files[1].content) > 0 &&
			     o.facts.findings_n == 0 && o.rc == 0,
		     "%s%s%s: both members with names", cases[i].format,
		     cases[i].filter != NULL ? " in " : "",
		     cases[i].filter != NULL ? cases[i].filter : "");
		made_free(&m);
	}
}

/* T11: libclamav of Debian does not open RAR at all, without an error. */
static void trap_t11_rar(void)
{
	struct make_file files[] = { { "evil.exe", BYTES("MZ stored in a rar") },
				     { "b.txt", BYTES("text") } };
	struct made m = make_rar(files, 2), sfx = { .p = NULL };

	open_it("a.rar", &m);
	T_OK(leaf_named("evil.exe") != NULL && leaves_with(files[0].content) == 1 &&
		     leaves_with(files[1].content) == 1 && o.s.leaves->next->origin == 'r',
	     "T11: members of a rar archive are seen");
	MADE_ADD(&sfx, "MZ and then a program, and then");
	made_add(&sfx, m.p, m.n);
	open_it("setup.exe", &sfx);
	T_OK(leaf_named("evil.exe") != NULL, "T11: also behind a program");
	made_free(&m);
	made_free(&sfx);
}

static void zip_readings(void)
{
	struct make_entry two_names = { .name = "good.txt",
					.local_name = "evil.exe",
					.content = BYTES("content of two names") };
	struct make_entry hidden[] = {
		{ .name = "seen.txt", .content = BYTES("in the directory") },
		{ .name = "hidden.exe", .content = BYTES("in none"), .no_directory = true }
	};
	struct make_entry methods = {
		.name = "m.txt", .content = BYTES("as it lies"), .method = 8, .local_method = 0
	};
	struct make_entry twice[] = { { .name = "same.txt", .content = BYTES("first content") },
				      { .name = "same.txt", .content = BYTES("second content") } };
	struct make_entry missing = { .name = "gone.exe", .content = BYTES("x"), .no_local = true };
	struct made m = make_zip_by_hand(&two_names, 1), more = { .p = NULL };

	open_it("a.zip", &m);
	T_OK(leaf_named("good.txt") != NULL && leaf_named("good.txt") == leaf_named("evil.exe"),
	     "a file with two names has both");
	MADE_ADD(&more, "MZ some program");
	made_add(&more, m.p, m.n);
	open_it("setup.exe", &more);
	T_OK(leaf_named("evil.exe") != NULL, "behind a program");
	made_add(&more, m.p, m.n);
	made_free(&m);
	m = make_zip_by_hand(twice, 2);
	made_add(&more, m.p, m.n);
	open_it("a.bin", &more);
	T_OK(leaf_named("evil.exe") != NULL && leaf_named("same.txt") != NULL,
	     "two archives one behind the other");
	open_it("a.zip", &m);
	T_OK(leaves_named("same.txt") == 2 && leaves_with(twice[0].content) == 1 &&
		     leaves_with(twice[1].content) == 1,
	     "two files of one name are two");
	made_free(&m);
	made_free(&more);
	m = make_zip_by_hand(hidden, 2);
	open_it("a.zip", &m);
	T_OK(leaf_named("hidden.exe") != NULL && leaves_with(hidden[1].content) == 1 &&
		     leaves_named("seen.txt") == 1,
	     "a file that no directory mentions");
	made_free(&m);
	m = make_zip_by_hand(&methods, 1);
	open_it("a.zip", &m);
	T_OK(leaves_with(methods.content) == 1, "unpacked both ways when the methods differ");
	made_free(&m);
	m = make_zip_by_hand(&missing, 1);
	open_it("a.zip", &m);
	T_OK(leaf_named("gone.exe") != NULL && leaf_named("gone.exe")->unread &&
		     found("unreadablearchive"),
	     "a file that is only in the directory is unread");
	made_free(&m);
}

/* An archive that was stored in another is no overlap, and is opened once. */
static void zip_in_zip(void)
{
	struct make_entry in = { .name = "in.txt", .content = BYTES("innermost") };
	struct made inner = make_zip_by_hand(&in, 1), m;
	struct make_entry out[] = { { .name = "in.zip", .content = made_bytes(&inner) },
				    { .name = "z.txt", .content = BYTES("beside") } };

	m = make_zip_by_hand(out, 2);
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_NONE && leaves_named("in.zip") == 1 &&
		     leaves_named("in.txt") == 1 && leaves_named("z.txt") == 1,
	     "a stored archive is a member and is opened: %s", o.s.budget.why);
	T_OK(leaf_named("in.txt") != NULL && leaf_named("in.txt")->path_n == 3 &&
		     strcmp(scan_leaf_place(&o.s, leaf_named("in.txt")), "a.zip/in.zip/in.txt") ==
			     0 &&
		     o.facts.parts_n == 1 && o.facts.parts[0].members_n == 3 &&
		     o.facts.parts[0].members[2].path_n == 2,
	     "with its path, in leaf and facts");
	made_free(&inner);
	made_free(&m);
}

static void lying_sizes(void)
{
	struct bytes zeros = make_zeros(5 * MIB);
	struct made m = make_zip1("zeros.bin", zeros);

	/* Both headers claim 10 bytes. */
	for (size_t i = 0; i + 4 <= m.n; i++)
		if (memcmp(m.p + i, "\0\0\x50\0", 4) == 0)
			memcpy(m.p + i, "\x0a\0\0\0", 4);
	open_it("a.zip", &m);
	T_OK(leaves_with(zeros) == 1, "a size that lies does not shorten the file");
	o.request.limits.max[BUDGET_MEMBER_BYTES] = 4 * MIB;
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_MEMBER_BYTES && leaf_named("zeros.bin") != NULL &&
		     leaf_named("zeros.bin")->unread && leaf_named("zeros.bin")->content.n == 0,
	     "nor gets it past the limit: %s", o.s.budget.why);
	fresh();
	made_free(&m);
	free((void *)(uintptr_t)zeros.p);
}

static void overlaps(void)
{
	struct make_entry e[] = {
		{ .name = "a", .content = BYTES("0123456789") },
		{ .name = "b", .content = BYTES("0123456789"), .no_local = true, .offset = 1 },
		{ .name = "c", .content = BYTES("PK\3\4 not really") }
	};
	struct made m = make_zip_by_hand(e, 2);

	open_it("a.zip", &m);
	T_OK(leaves_named("a") > 0 && leaves_named("b") > 0 && o.s.budget.hit == BUDGET_NONE,
	     "two names for one file are no overlap");
	/* The first file now reaches into the second. */
	e[1] = (struct make_entry){ .name = "b", .content = BYTES("0123456789") };
	made_free(&m);
	m = make_zip_by_hand(e, 2);
	for (size_t i = 0; i + 12 < m.n; i++)
		if (memcmp(m.p + i, "PK\1\2", 4) == 0) {
			m.p[i + 20] = 60;
			break;
		}
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_RATIO, "overlapping files are a bomb: %s", o.s.budget.why);
	made_free(&m);
}

static struct made nested(unsigned levels)
{
	struct made m = make_zip1("core.txt", BYTES("the core"));

	for (unsigned i = 1; i < levels; i++) {
		struct made outer = make_zip1("x.zip", made_bytes(&m));

		made_free(&m);
		m = outer;
	}
	return m;
}

static void depth(void)
{
	struct made m = nested(8);

	open_it("a.zip", &m);
	T_OK(leaf_named("core.txt") != NULL && leaf_named("core.txt")->depth == 8 &&
		     o.s.budget.hit == BUDGET_NONE,
	     "eight levels are opened");
	made_free(&m);
	m = nested(9);
	open_it("a.zip", &m);
	T_OK(leaf_named("core.txt") == NULL && o.s.budget.hit == BUDGET_ARCHIVE_DEPTH,
	     "the ninth is too deep: %s", o.s.budget.why);
	made_free(&m);
}

static void bombs(void)
{
	static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
	struct make_file files[ARRAY_LEN(names)];
	struct bytes zeros = make_zeros(4 * MIB);
	struct made m;

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		files[i] = (struct make_file){ names[i], zeros };
	m = make_zip(files, ARRAY_LEN(files));
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_RATIO, "ratio: %s", o.s.budget.why);
	o.request.limits.max[BUDGET_RATIO] = 0;
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_NONE && leaves_with(zeros) == 10, "without it: all");
	o.request.limits.max[BUDGET_EXPANDED_BYTES] = 10 * MIB;
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_EXPANDED_BYTES && leaves_with(zeros) == 2,
	     "expanded bytes: %s", o.s.budget.why);
	fresh();
	o.request.limits.max[BUDGET_RATIO] = 0;
	o.request.limits.max[BUDGET_MEMBERS] = 5;
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_MEMBERS && leaves_with(zeros) == 5, "members: %s",
	     o.s.budget.why);
	fresh();
	o.request.limits.max[BUDGET_RATIO] = 0;
	o.request.limits.max[BUDGET_MEMORY] = 10 * MIB;
	open_it("a.zip", &m);
	T_OK(o.s.budget.hit == BUDGET_MEMORY && leaves_with(zeros) == 2, "memory: %s",
	     o.s.budget.why);
	fresh();
	made_free(&m);
	free((void *)(uintptr_t)zeros.p);
}

static void passwords(void)
{
	struct make_entry e[] = {
		{ .name = "secret.exe", .content = BYTES("0123456789abcdef"), .flags = 1 },
		{ .name = "open.txt", .content = BYTES("for all to see") }
	};
	struct made m = make_zip_by_hand(e, 2), plain = make_zip1("a.txt", BYTES("plain"));

	open_it("a.zip", &m);
	T_OK(found("passwordprotected") && o.facts.findings[0].kind == FINDING_ENCRYPTED &&
		     o.facts.findings[0].class == 'c' && o.facts.findings_n == 1,
	     "an archive with a password is reported");
	T_OK(leaf_named("secret.exe") != NULL && leaf_named("secret.exe")->encrypted &&
		     leaf_named("secret.exe")->unread && leaves_with(e[1].content) == 1 &&
		     o.facts.parts[0].encrypted && o.facts.parts[0].members[0].encrypted &&
		     !o.facts.parts[0].members[1].encrypted,
	     "its member has a name but no content, the other has both");
	o.request.allow_encrypted_archives = true;
	open_it("a.zip", &m);
	T_OK(o.facts.findings_n == 0 && o.facts.parts[0].encrypted, "it may be allowed");
	o.request.require_encrypted_archives = true;
	open_it("a.zip", &m);
	T_OK(o.facts.findings_n == 0, "or required");
	open_it("b.zip", &plain);
	T_OK(found("nonpasswordprotected") && o.facts.findings_n == 1, "then others are reported");
	fresh();
	o.request.no_unpack = true;
	open_it("a.zip", &m);
	T_OK(found("passwordprotected") && o.s.leaves->next == NULL,
	     "without unpacking it is noticed all the same");
	fresh();
	made_free(&m);
	made_free(&plain);
}

static void unreadable(void)
{
	struct make_file big = { "a.bin", make_zeros(100000) };
	struct made m = make_archive("gnutar", "gzip", &big, 1), other = { .p = NULL };

	m.n /= 2;
	open_it("a.tgz", &m);
	T_OK(found("unreadablearchive") && leaf_named("a.tar") != NULL &&
		     leaf_named("a.tar")->unread,
	     "half an archive: %s", o.facts.findings_n > 0 ? o.facts.findings[0].report : "");
	made_free(&m);
	MADE_ADD(&m, "PK\3\4 this is none, though it begins like one: nothing follows that is");
	open_it("a.zip", &m);
	T_OK(found("unreadablearchive"), "only the first bytes of a zip");
	made_free(&m);
	MADE_ADD(&m, "MZ\x90 text 7z\xbc\xaf\x27\x1c and no archive behind it");
	open_it("a.exe", &m);
	T_OK(o.facts.findings_n == 0, "a program that only mentions one is left alone");
	MADE_ADD(&other, "\x60\xea\x2c\0\x22\x0b\1\x0b\x10\0\2");
	made_add(&other, big.content.p, 100);
	open_it("a.arj", &other);
	T_OK(found("unreadablearchive"), "a format that nothing here reads");
	made_free(&m);
	MADE_ADD(&m, "\x1f\x9d\xff which is not what a compressed file looks like at all");
	open_it("a.bin", &m);
	T_OK(o.s.leaves->next == NULL && o.facts.findings_n == 0 && o.s.budget.hit == BUDGET_NONE,
	     "two bytes that look like one are no archive");
	made_free(&m);
	MADE_ADD(&m, "\x1f\x8b\x08\x08\0\0\0\0\0\0name without an end, and no data");
	open_it("a.gz", &m);
	T_OK(o.s.budget.hit == BUDGET_NONE && found("unreadablearchive"),
	     "a header alone is not handed on as content: %s", o.s.budget.why);
	made_free(&m);
	made_free(&other);
	free((void *)(uintptr_t)big.content.p);
}

static void options(void)
{
	struct make_file f = { "a.txt", BYTES("inside") };
	struct make_file doc[] = { { "[Content_Types].xml", BYTES("<Types/>") },
				   { "word/document.xml", BYTES("<w:document/>") } };
	struct made seven = make_archive("7zip", NULL, &f, 1), docx = make_zip(doc, 2);
	struct made uu = { .p = NULL };

	o.request.find_archives_by_content = false;
	open_it("a.dat", &seven);
	T_OK(leaf_named("a.txt") == NULL, "by name only: .dat is no archive");
	open_it("a.7Z", &seven);
	T_OK(leaf_named("a.txt") != NULL, "but .7Z is");
	fresh();
	open_it("a.docx", &docx);
	T_OK(leaf_named("word/document.xml") != NULL && leaf_named("document.xml") != NULL &&
		     o.s.leaves->document,
	     "a document is opened");
	o.request.require_encrypted_archives = true;
	open_it("a.docx", &docx);
	T_OK(o.facts.findings_n == 0, "but needs no password");
	o.request.unpack_documents = false;
	open_it("a.docx", &docx);
	T_OK(leaf_named("word/document.xml") == NULL && o.facts.findings_n == 0, "or is not");
	fresh();
	MADE_ADD(&uu, "text\nbegin 644 hello.exe\n#0V%T\n`\nend\nmore\n");
	open_it("a.bin", &uu);
	T_OK(o.s.leaves->next == NULL, "uuencoded files only where asked for");
	o.request.find_uu = true;
	open_it("a.bin", &uu);
	T_OK(leaf_named("hello.exe") != NULL && leaves_with(BYTES("Cat")) == 1 &&
		     o.s.leaves->next->origin == 'u',
	     "uuencoded files where asked for");
	fresh();
	made_free(&seven);
	made_free(&docx);
	made_free(&uu);
}

static void attribute(struct made *m, uint8_t level, uint32_t id, const void *p, size_t n)
{
	made_le(m, level, 1);
	made_le(m, id, 4);
	made_le(m, n, 4);
	made_add(m, p, n);
	made_le(m, 0, 2);
}

static void tnef(void)
{
	struct made m = { .p = NULL };

	MADE_ADD(&m, "\x78\x9f\x3e\x22\1\0");
	attribute(&m, 2, 0x00069002, "rendering data", 14);
	attribute(&m, 2, 0x00018010, "EVIL.EXE", 9);
	attribute(&m, 2, 0x0006800f, "MZ attached", 11);
	attribute(&m, 2, 0x00069002, "rendering data", 14);
	attribute(&m, 2, 0x0006800f, "data first", 10);
	attribute(&m, 2, 0x00018010, "b.txt", 6);
	open_it("winmail.dat", &m);
	T_OK(leaf_named("EVIL.EXE") != NULL && leaves_with(BYTES("MZ attached")) == 1 &&
		     leaf_named("b.txt") != NULL && leaves_with(BYTES("data first")) == 1 &&
		     o.s.leaves->next->origin == 't' && o.facts.findings_n == 0,
	     "TNEF: both attachments");
	m.n -= 20;
	open_it("winmail.dat", &m);
	T_OK(found("badtnef") && o.facts.findings[0].class == 'e', "TNEF: cut short is reported");
	o.request.allow_broken_tnef = true;
	open_it("winmail.dat", &m);
	T_OK(o.facts.findings_n == 0 && leaf_named("EVIL.EXE") != NULL, "TNEF: unless allowed");
	o.request.expand_tnef = false;
	open_it("winmail.dat", &m);
	T_OK(o.s.leaves->next == NULL, "TNEF: or not asked for");
	fresh();
	made_free(&m);
}

/* The example of MS-OXRTFCP, as a property of the message. */
static void compressed_text(void)
{
	static const char packed[] = "\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125"
				     "\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
	struct made m = { .p = NULL }, p = { .p = NULL };

	made_le(&p, 1, 4);
	made_le(&p, 0x10090102, 4);
	made_le(&p, 1, 4);
	made_le(&p, sizeof(packed) - 1, 4);
	made_add(&p, packed, sizeof(packed) - 1);
	made_le(&p, 0, 3);
	MADE_ADD(&m, "\x78\x9f\x3e\x22\1\0");
	attribute(&m, 1, 0x00069003, p.p, p.n);
	open_it("winmail.dat", &m);
	T_OK(leaves_with(BYTES("{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n")) == 1 &&
		     leaf_named("body.rtf") != NULL && o.facts.findings_n == 0,
	     "TNEF: the text of the message is unpacked");
	made_free(&m);
	made_free(&p);
}

/* --- a compound file by hand: header, table, directory, then what the streams hold --- */

enum { CFB_SECTOR = 512, CFB_END = -2, CFB_FREE = -1 };

static void cfb_entry(struct made *m, const char *name, uint8_t type, uint32_t start, uint32_t size)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < 32; i++)
		made_le(m, i < n ? (uint8_t)name[i] : 0, 2);
	made_le(m, n == 0 ? 0 : 2 * (n + 1), 2);
	made_le(m, type, 1);
	made_le(m, 1, 1);
	for (size_t i = 0; i < 12; i++)
		made_le(m, UINT32_MAX, 4);
	made_le(m, start, 4);
	made_le(m, size, 4);
	made_le(m, 0, 4);
}

static void cfb_pad(struct made *m)
{
	while (m->n % CFB_SECTOR != 0)
		made_le(m, 0, 1);
}

static void cfb_head(struct made *m)
{
	MADE_ADD(m, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
	made_le(m, 0x3e, 2);
	made_le(m, 3, 2);
	made_le(m, 0xfffe, 2);
	made_le(m, 9, 2); /* sectors of 512 bytes */
	made_le(m, 6, 2); /* small ones of 64 */
	made_le(m, 0, 8);
	made_le(m, 0, 2);
	made_le(m, 1, 4);
	made_le(m, 1, 4); /* directory */
	made_le(m, 0, 4);
	made_le(m, 4096, 4); /* streams below this are small */
	made_le(m, 2, 4);    /* their table */
	made_le(m, 1, 4);
	made_le(m, (uint32_t)CFB_END, 4);
	made_le(m, 0, 4);
	made_le(m, 0, 4); /* sector 0 is the table */
	for (size_t i = 1; i < 109; i++)
		made_le(m, UINT32_MAX, 4);
}

/* Sectors: 0 table, 1 directory, 2 small table, 3 small streams, then the large stream. */
static struct made make_cfb(const struct made *large, const struct made *small, bool circle)
{
	struct made m = { .p = NULL };
	size_t sectors = (large->n + CFB_SECTOR - 1) / CFB_SECTOR;

	cfb_head(&m);
	made_le(&m, (uint32_t)-3, 4);
	for (size_t i = 1; i < 4; i++)
		made_le(&m, (uint32_t)CFB_END, 4);
	for (size_t i = 0; i < 124; i++)
		made_le(&m,
			i + 1 < sectors    ? 4 + i + 1
			: i + 1 == sectors ? circle ? 4 : (uint32_t)CFB_END
					   : (uint32_t)CFB_FREE,
			4);
	cfb_entry(&m, "Root Entry", 5, 3, CFB_SECTOR);
	cfb_entry(&m, "\1Ole10Native", 2, 4, circle ? 1 << 30 : (uint32_t)large->n);
	cfb_entry(&m, "\1Ole10ItemNative", 2, 0, (uint32_t)small->n);
	cfb_entry(&m, "", 0, 0, 0);
	for (size_t i = 0; i < 128; i++)
		made_le(&m, i < 7 ? i + 1 : (uint32_t)CFB_END, 4);
	made_add(&m, small->p, small->n);
	cfb_pad(&m);
	made_add(&m, large->p, large->n);
	cfb_pad(&m);
	return m;
}

static void ole(void)
{
	struct made large = { .p = NULL }, small = { .p = NULL }, m;
	struct bytes zeros = make_zeros(6000);

	made_le(&large, 6000 + 40, 4);
	MADE_ADD(&large, "\2\0EVIL.EXE\0C:\\evil.exe\0\0\0\3\0\4\0\0\0tmp\0");
	made_le(&large, zeros.n, 4);
	made_add(&large, zeros.p, zeros.n);
	made_le(&small, 9, 4);
	MADE_ADD(&small, "MZ object");
	m = make_cfb(&large, &small, false);
	open_it("a.doc", &m);
	T_OK(leaf_named("EVIL.EXE") != NULL && leaf_named("evil.exe") == leaf_named("EVIL.EXE") &&
		     bytes_eq(leaf_named("EVIL.EXE")->content, zeros) &&
		     leaf_named("EVIL.EXE")->origin == 'o',
	     "OLE: an embedded package, with both of its names");
	T_OK(leaves_with(BYTES("MZ object")) == 1, "OLE: a small embedded object");
	o.request.unpack_documents = false;
	open_it("a.doc", &m);
	T_OK(o.s.leaves->next == NULL, "OLE: not where documents stay closed");
	fresh();
	made_free(&m);
	m = make_cfb(&large, &small, true);
	open_it("a.doc", &m);
	T_OK(o.rc == 0 && o.s.budget.hit == BUDGET_NONE, "OLE: a chain in a circle ends");
	made_free(&m);
	made_free(&large);
	made_free(&small);
	free((void *)(uintptr_t)zeros.p);
}

/* Every prefix of an archive, and every byte of it changed: no crash, no endless loop. */
static void damage(void)
{
	struct make_file files[] = { { "evil.exe", BYTES("MZ this is the one") },
				     { "other.txt", BYTES("some other text") } };
	static const char *const kinds[] = { "zip", "7zip", "gnutar", "newc" };
	unsigned runs = 0;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct made m = make_archive(kinds[k], NULL, files, 2);
		size_t whole = MIN_OF(m.n, (size_t)600);

		for (size_t i = 0; i < whole; i++, runs++) {
			uint8_t was = m.p[i];

			m.p[i] ^= 0xff;
			open_it("a.bin", &m);
			m.p[i] = was;
		}
		for (m.n = 0; m.n < whole; m.n++, runs++)
			open_it("a.bin", &m);
		made_free(&m);
	}
	T_OK(true, "%u damaged archives are survived", runs);
}

int main(void)
{
	opened_init(&o);
	o.s.arena = arena_new(1000);
	formats();
	trap_t11_rar();
	zip_readings();
	zip_in_zip();
	lying_sizes();
	overlaps();
	depth();
	bombs();
	passwords();
	unreadable();
	options();
	tnef();
	compressed_text();
	ole();
	damage();
	opened_reset(&o);
	opened_fini(&o);
	return t_done();
}
