/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/names, words, charset: every reading of a name, and text of any charset. */
#include <string.h>

#include "mime/charset.h"
#include "mime/mime.h"
#include "tests/t.h"

#define CD "Content-Disposition: attachment; "
#define CT "Content-Type: application/octet-stream; "

/* @first: what most readers show; @other: must be among the readings too (NULL: not asked). */
static const struct {
	const char *header, *first, *other;
} cases[] = {
	{ CD "filename=a.zip", "a.zip", NULL },
	{ CD "filename=\"a b.zip\"", "a b.zip", NULL },
	{ CT "name=a.zip", "a.zip", NULL },
	{ CD "filename=a.zip\n" CT "name=b.exe", "a.zip", "b.exe" },
	{ CT "filename=a.zip", "a.zip", NULL },
	{ CD "name=a.zip", "a.zip", NULL },
	{ CD "FileName = a.zip ; size=3", "a.zip", NULL },
	{ CD "filename=a.zip; filename=b.exe", "a.zip", "b.exe" },
	{ CD "filename=a.txt\n" CD "filename=b.exe", "a.txt", "b.exe" },
	{ CD "filename*=utf-8''%e4%bd%a0.zip", "\xe4\xbd\xa0.zip", NULL },
	{ CD "filename*=iso-8859-1'de'%e4.zip; filename=x.txt", "\xc3\xa4.zip", "x.txt" },
	{ CD "filename*0=a; filename*1=.zip", "a.zip", NULL },
	{ CD "filename*1=.zip; filename*0=a", "a.zip", ".zipa" },
	{ CD "filename*0*=utf-8''a%20; filename*1=b%20; filename*2*=%2ezip", "a b%20.zip", NULL },
	{ CD "filename*1=zip\n" CT "name*0=a; filename*0=file.", "zip", "file.zip" },
	{ CD "filename=\"=?utf-8?B?YS56aXA=?=\"", "a.zip", "=?utf-8?B?YS56aXA=?=" },
	{ CD "filename=\"=?utf-8?Q?a=2E?= =?utf-8?Q?zip?=\"", "a.zip", NULL },
	{ CD "filename=\"=?utf-16?B?AGEALgB6AGkAcA==?=\"", "a.zip", NULL },
	{ CD "filename==?utf-8?Q?a_b?=.zip", "a b.zip", NULL },
	{ CD "filename=\"=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa.zip=3F=3D?=\"",
	  "=?utf-8?Q?a.zip?=", "a.zip" },
	{ CD "filename=\"a\\.zip\"", "a.zip", "a\\.zip" },
	{ CD "filename=\"C:\\dir\\a.exe\"", "C:dira.exe", "C:\\dir\\a.exe" },
	{ CD "filename=\"a\".zip", "a", "a.zip" },
	{ CD "filename=a;.zip", "a", "a.zip" },
	{ CD "filename=\"a.zip", "a.zip", NULL },
	{ CD "filename=a.(x)zip", "a.", "a.zip" },
	{ CD "(x) filename=a.zip", "a.zip", NULL },
	{ CD "filename=\n a.zip", "a.zip", NULL },
	{ CD "filename=\"a\n b.zip\"", "a b.zip", NULL },
	{ CD "filename=\xe4.zip", "\xe4.zip", NULL },
	{ "Content-Description: report.exe\nContent-Type: image/gif", "report.exe", NULL },
	{ "Content-Description: A report about v1.2 and more\nContent-Type: image/gif", NULL,
	  NULL },
	{ "Content-Type: image/gif", NULL, NULL },
	{ CD "filename=", NULL, NULL },
	{ CD "filename*=utf-8''%", "%", NULL },
	{ CD "filename*99999999999=a", "a", NULL },
};

static bool has(const struct mime_name *n, const char *text)
{
	for (; n != NULL; n = n->next)
		if (strcmp(n->text, text) == 0)
			return true;
	return text == NULL;
}

static void check_case(size_t i, struct arena *a)
{
	char *msg = arena_printf(a, "%s\n\nx\n", cases[i].header);
	struct mime_tree t;
	struct budget b;
	const struct mime_name *n;

	budget_init(&b, &budget_default_limits, strlen(msg), 0);
	if (!T_OK(mime_parse(&t, bytes_str(msg), a, &b, NULL) == 0, "%s", cases[i].header))
		return;
	n = t.root->names;
	T_OK(cases[i].first == NULL ? n == NULL : n != NULL && strcmp(n->text, cases[i].first) == 0,
	     "  first is %s", n == NULL ? "none" : n->text);
	if (cases[i].other != NULL)
		T_OK(has(n, cases[i].other), "  %s is another reading", cases[i].other);
}

static const struct {
	const char *in, *charset;
	const char *want;
} charsets[] = {
	{ "a\xe4", "iso-8859-1", "a\xc3\xa4" },
	{ "a\xe4", "unknown-8bit", "a\xe4" },
	{ "a\xe4", "utf-8", "a\xe4" },
	{ "a\xc3", "utf-16", "a\xc3" },
	{ "\x1b$B%F\x1b(B", "iso-2022-jp", "\xe3\x83\x86" },
	{ "a\xff\xff", "shift_jis", "a\xff\xff" },
	{ "a", "utf-8//IGNORE", "a" },
	{ "a", "", "a" },
	{ "+AGE-", "utf-7", "a" },
	{ "a", "a-very-long-name-of-a-charset-that-nobody-has-ever-heard-of-or-will-hear-of-again",
	  "a" },
};

static void charset_cases(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		struct bytes got = charset_to_utf8(a, bytes_str(charsets[i].in),
						   bytes_str(charsets[i].charset));

		if (i == 3) /* one odd byte: only that nothing is lost */
			T_OK(got.n > 0, "odd length of utf-16");
		else
			T_OK(bytes_eq(got, bytes_str(charsets[i].want)), "%s", charsets[i].charset);
	}
	T_OK(charset_to_utf8(a, bytes_of("", 0), BYTES("utf-16")).n == 0, "nothing stays nothing");
}

int main(void)
{
	mime_init();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new(MIB);

		check_case(i, a);
		arena_free(&a);
	}
	struct arena *a = arena_new(MIB);
	charset_cases(a);
	arena_free(&a);
	return t_done();
}
