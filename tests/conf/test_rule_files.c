/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_rule_files.c - what the shipped rule files say about names and types. They are
 * read here in the simplest way that can be right, so that the files are tested, not a parser.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tests/conf/tree.h"

enum verdict { NONE, ALLOW, DENY, RENAME };

static enum verdict action(struct bytes word)
{
	return bytes_eq(word, BYTES("allow"))    ? ALLOW
	       : bytes_eq(word, BYTES("deny"))   ? DENY
	       : bytes_eq(word, BYTES("rename")) ? RENAME
						 : NONE;
}

/* 1 match, 0 none, -1 the expression is broken. */
static int matches(struct bytes re, const char *name)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	PCRE2_SIZE at;
	int why, r = -1;
	pcre2_code *code =
		pcre2_compile(re.p, re.n, PCRE2_CASELESS | PCRE2_DOTALL, &why, &at, NULL);

	if (code != NULL && data != NULL)
		r = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, 0, data, NULL) >= 0;
	pcre2_code_free(code);
	pcre2_match_data_free(data);
	return r;
}

/* Next rule line of @rest as four tab-separated columns; false at the end. *@ret_bad counts lines
 * that are no rules. */
static bool next_rule(struct bytes *rest, struct bytes columns[4], unsigned *bad)
{
	struct bytes line;

	while (bytes_next_line(rest, &line)) {
		unsigned n = 0;

		if (line.n == 0 || line.p[0] == '#')
			continue;
		for (; n < 4 && line.n > 0; n++) {
			ptrdiff_t tab = bytes_index(line, '\t');

			columns[n] = tab < 0 ? line : bytes_head(line, (size_t)tab);
			line = bytes_from(line, tab < 0 ? line.n : (size_t)tab + 1);
		}
		*bad += n != 4 || line.n > 0 || action(columns[0]) == NONE ||
			matches(columns[1], "x") < 0;
		return true;
	}
	return false;
}

static enum verdict judge(const struct str *file, const char *name)
{
	struct bytes rest = str_bytes(file), columns[4];
	unsigned bad = 0;

	while (next_rule(&rest, columns, &bad)) {
		if (matches(columns[1], name) == 1)
			return action(columns[0]);
	}
	return NONE;
}

static const struct {
	const char *name;
	enum verdict normal, archive;
} names[] = {
	{ "report.pdf", NONE, NONE },
	{ "report.docx", NONE, NONE },
	{ "form.fdf", RENAME, DENY },
	{ "favicon.ico", DENY, DENY },
	{ "x.ani", DENY, DENY },
	{ "x.cur", DENY, DENY },
	{ "x.ceo", DENY, DENY },
	{ "x.cab", DENY, DENY },
	{ "pretty  park.exe", DENY, DENY },
	{ "document.xml.rel", ALLOW, ALLOW },
	{ "sheet.x12.rel", ALLOW, ALLOW },
	{ "a.rtf", ALLOW, ALLOW },
	{ "A.JPG", ALLOW, ALLOW },
	{ "a.exe.jpg", ALLOW, ALLOW },
	{ "a.url", ALLOW, ALLOW },
	{ "a.vcf", ALLOW, ALLOW },
	{ "a.zip", ALLOW, ALLOW },
	{ "a.tar.gz", ALLOW, ALLOW },
	{ "a.tgz", ALLOW, ALLOW },
	{ "a.bz2", ALLOW, ALLOW },
	{ "a.z", ALLOW, ALLOW },
	{ "a.sit.bin", ALLOW, ALLOW },
	{ "a.bak", ALLOW, NONE },
	{ "a.tex", ALLOW, NONE },
	{ "a.doc.bak", ALLOW, DENY },
	{ "a.reg", DENY, DENY },
	{ "a.chm", DENY, DENY },
	{ "a.hta", DENY, DENY },
	{ "a.js", DENY, DENY },
	{ "a.jse", DENY, DENY },
	{ "a.json", NONE, NONE },
	{ "a.job", DENY, DENY },
	{ "a.lnk", DENY, DENY },
	{ "a.mad", DENY, DENY },
	{ "a.maf", DENY, DENY },
	{ "a.mat", NONE, DENY },
	{ "a.pif", DENY, DENY },
	{ "a.shs", DENY, DENY },
	{ "a.vbs", DENY, DENY },
	{ "a.wsh", DENY, DENY },
	{ "a.ws", DENY, DENY },
	{ "a.cer", DENY, DENY },
	{ "a.mda", DENY, DENY },
	{ "a.mdb", NONE, NONE },
	{ "a.pst", DENY, DENY },
	{ "a.vsmacros", DENY, DENY },
	{ "a.vst", DENY, DENY },
	{ "a.vsd", NONE, NONE },
	{ "command.com", DENY, DENY },
	{ "setup.exe", DENY, DENY },
	{ "setup.exe.txt", ALLOW, ALLOW },
	{ "photo.jpg.exe", DENY, DENY },
	{ "x.scr", DENY, DENY },
	{ "x.bat", DENY, DENY },
	{ "x.cmd", DENY, DENY },
	{ "x.cpl", DENY, DENY },
	{ "x.mhtml", DENY, DENY },
	{ "x.{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}", DENY, DENY },
	{ "picture          .png", DENY, DENY },
	{ "a.doc.doc", ALLOW, ALLOW },
	{ "notes.mon.doc", ALLOW, ALLOW },
	{ "notes.sept.doc", ALLOW, ALLOW },
	{ "notes.doc.pdf", DENY, DENY },
	{ "notes.doc.docx", DENY, NONE },
	{ "notes.docx.pdf", DENY, DENY },
	{ "v1.2.pdf", NONE, NONE },
};

static const struct {
	const char *type;
	enum verdict normal, archive;
} types[] = {
	{ "ASCII text", ALLOW, ALLOW },
	{ "Bourne-Again shell script", ALLOW, ALLOW },
	{ "Zip archive data", ALLOW, ALLOW },
	{ "PostScript document text conforming DSC level 3.0", ALLOW, ALLOW },
	{ "PE32 executable (GUI) Intel 80386", DENY, DENY },
	{ "ELF 64-bit LSB shared object", DENY, DENY },
	{ "MS-DOS self-extract", DENY, DENY },
	{ "MS Windows 95/98/ME Registry patch", RENAME, DENY },
	{ "PDF document", NONE, NONE },
};

static void check_lines(const struct str *file, const char *path, size_t at_least)
{
	struct bytes rest = str_bytes(file), columns[4];
	unsigned bad = 0, n = 0;

	while (next_rule(&rest, columns, &bad))
		n++;
	T_OK(bad == 0 && n >= at_least, "%s: %u rules, %u bad", path, n, bad);
}

static void check_long_name(const struct str *normal, const struct str *archive)
{
	char name[160];

	memset(name, 'a', sizeof(name));
	memcpy(name + 146, ".pdf", 5);
	T_OK(judge(normal, name) == DENY && judge(archive, name) == DENY, "150 characters");
	memcpy(name + 145, ".pdf", 5);
	T_OK(judge(normal, name) == NONE && judge(archive, name) == NONE, "149 characters");
}

int main(void)
{
	AUTO(str_fini) struct str name, archive_name, type, archive_type;

	tree_read("config/filename.rules.conf", &name);
	tree_read("config/archives.filename.rules.conf", &archive_name);
	tree_read("config/filetype.rules.conf", &type);
	tree_read("config/archives.filetype.rules.conf", &archive_type);
	check_lines(&name, "filename.rules.conf", 65);
	check_lines(&archive_name, "archives.filename.rules.conf", 65);
	check_lines(&type, "filetype.rules.conf", 8);
	check_lines(&archive_type, "archives.filetype.rules.conf", 8);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		T_OK(judge(&name, names[i].name) == names[i].normal &&
			     judge(&archive_name, names[i].name) == names[i].archive,
		     "%s", names[i].name);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		T_OK(judge(&type, types[i].type) == types[i].normal &&
			     judge(&archive_type, types[i].type) == types[i].archive,
		     "%s", types[i].type);
	check_long_name(&name, &archive_name);
	return t_done();
}
