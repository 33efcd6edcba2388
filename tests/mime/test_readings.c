/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every reading becomes a part: for each message, the type, encoding, name and content that some
 * reader sees must be among the parts; and well-formed mail gets no second reading.
 */
#include <string.h>

#include "mime/mime.h"
#include "tests/t.h"

#define TOP  "From: a@example.com\nSubject: x\n"
#define B64  "Content-Transfer-Encoding: base64\n"
#define PART "Content-Type: image/gif\n" B64 "\nQUJDRA==\n"

/* @content NULL: not asked. @type NULL: any. */
static const struct {
	const char *what, *message, *type, *content;
	unsigned defect;
} cases[] = {
	{ "two types", TOP "Content-Type: text/plain\nContent-Type: text/html\n\nx\n", "text/html",
	  "x\n", MIME_DUP_HEADER },
	{ "two encodings, first",
	  TOP B64 "Content-Transfer-Encoding: quoted-printable\n\nQUJDRA==\n", NULL, "ABCD",
	  MIME_BAD_ENCODING },
	{ "two encodings, last",
	  TOP "Content-Transfer-Encoding: quoted-printable\n" B64 "\nQUJDRA==\n", NULL, "ABCD",
	  MIME_DUP_HEADER },
	{ "conflicting encodings, undecoded", TOP B64 "Content-Transfer-Encoding: 7bit\n\nQUJD\n",
	  NULL, "QUJD\n", MIME_BAD_ENCODING },
	{ "encoding in quotes", TOP "Content-Transfer-Encoding: \"base64\"\n\nQUJDRA==\n", NULL,
	  "ABCD", MIME_BAD_ENCODING },
	{ "encoding with a comment inside",
	  TOP "Content-Transfer-Encoding: bas(x)e64\n\nQUJDRA==\n", NULL, "ABCD",
	  MIME_BAD_ENCODING },
	{ "encoding folded", TOP "Content-Transfer-Encoding:\n base64\n\nQUJDRA==\n", NULL, "ABCD",
	  0 },
	{ "encoding as an encoded word",
	  TOP "Content-Transfer-Encoding: =?utf-8?B?YmFzZTY0?=\n\nQUJDRA==\n", NULL, "ABCD",
	  MIME_BAD_ENCODING },
	{ "unknown encoding", TOP "Content-Transfer-Encoding: xyz\n\nQUJDREFCQ0Q=\n", NULL,
	  "ABCDABCD", MIME_BAD_ENCODING },
	{ "blank in front of the colon", TOP "Content-Transfer-Encoding : base64\n\nQUJDRA==\n",
	  NULL, "ABCD", MIME_BAD_HEADER },
	{ "header behind a lone CR", TOP "X: y\rContent-Transfer-Encoding: base64\n\nQUJDRA==\n",
	  NULL, "ABCD", MIME_BARE_CR },
	{ "header in a fold", TOP "X Y: y\n " B64 "\nQUJDRA==\n", NULL, "ABCD", MIME_BAD_HEADER },
	{ "no blank line", TOP B64 "QUJDRA==\n", NULL, "ABCD", MIME_NO_BLANK_LINE },
	{ "line ends of lone CRs",
	  "Subject: x\rContent-Type: multipart/mixed; boundary=x\r\r--x\r"
	  "Content-Type: image/gif\rContent-Transfer-Encoding: base64\r\rQUJDRA==\r--x--\r",
	  "image/gif", "ABCD", MIME_BARE_CR },
	{ "two boundaries, first",
	  TOP "Content-Type: multipart/mixed; boundary=x; boundary=y\n\n--x\n" PART "--x--\n",
	  "image/gif", "ABCD", MIME_BAD_PARAM },
	{ "two boundaries, last",
	  TOP "Content-Type: multipart/mixed; boundary=y; boundary=x\n\n--x\n" PART "--x--\n",
	  "image/gif", "ABCD", MIME_BAD_PARAM },
	{ "no boundary", TOP "Content-Type: multipart/mixed\n\n--x\n" PART "--x--\n", "image/gif",
	  "ABCD", MIME_BAD_BOUNDARY },
	{ "blanks behind the boundary",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--x \t\n" PART "--x--\n", "image/gif",
	  "ABCD", 0 },
	{ "boundary with more behind it",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--xy\n" PART "--x--\n", "image/gif",
	  "ABCD", 0 },
	{ "unterminated", TOP "Content-Type: multipart/mixed; boundary=x\n\n--x\n" PART,
	  "image/gif", "ABCD", 0 },
	{ "in the preamble",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--y\n" PART "--y--\n--x\n\na\n--x--\n",
	  "image/gif", "ABCD", 0 },
	{ "in the epilogue",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n--x\n" PART "--x--\n",
	  "image/gif", "ABCD", 0 },
	{ "uuencode in the preamble",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\nbegin 644 a\n#04)#\n`\nend\n"
	      "--x\n\na\n--x--\n",
	  "application/octet-stream", "ABC", 0 },
	{ "outer boundary inside the base64",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--x\n"
	      "Content-Type: multipart/mixed; boundary=y\n\n--y\n"
	      "Content-Type: image/gif\n" B64 "\nQUJD\n--x\nQUJD\n--y--\n--x--\n",
	  "image/gif", NULL, 0 },
	{ "message in base64",
	  TOP "Content-Type: message/rfc822\n" B64 "\nU3ViamVjdDogeQoKQUJDRA==\n", "text/plain",
	  "ABCD", 0 },
	{ "uuencode in text", TOP "\nhello\nbegin 644 a\n#04)#\n`\nend\n",
	  "application/octet-stream", "ABC", 0 },
	{ "yEnc in text", TOP "\nhello\n=ybegin line=128 size=3 name=a\nklm\n=yend size=3\n",
	  "application/octet-stream", "ABC", 0 },
	{ "uuencode inside base64", TOP B64 "\nYmVnaW4gNjQ0IGEKIzA0KSMKYAplbmQK\n",
	  "application/octet-stream", "ABC", 0 },
	{ "message in text",
	  TOP "\nSee below:\nSubject: y\nContent-Type: image/gif\n" B64 "\nQUJDRA==\n", "image/gif",
	  "ABCD", 0 },
	{ "part header behind a blank line",
	  TOP "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n" PART "--x--\n", "image/gif",
	  "ABCD", 0 },
	{ "partial", TOP "Content-Type: message/partial; id=1; number=1\n\nx\n", "message/partial",
	  NULL, MIME_PARTIAL },
	{ "partial in another reading",
	  TOP "Content-Type: text/plain\nContent-Type: message/partial; id=1; number=1\n\nx\n",
	  "message/partial", NULL, MIME_PARTIAL },
	{ "external", TOP "Content-Type: message/external-body; access-type=URL\n\nx\n",
	  "message/external-body", NULL, MIME_EXTERNAL },
};

struct found {
	bool type, content;
	unsigned defects, alternates, parts;
};

/* The same with NULs, which a string constant in the table could not hold. */
static const char nul_in_name[] = TOP "Con\0tent-Transfer-Encoding: base64\n\nQUJDRA==\n";
static const char nul_behind_name[] = TOP "Content-Transfer-Encoding\0: base64\n\nQUJDRA==\n";
static const char nul_in_value[] = TOP "Content-Transfer-Encoding: ba\0se64\n\nQUJDRA==\n";
static const char nul_in_boundary[] =
	TOP "Content-Type: multipart/mixed; boundary=x\0y\n\n--x\0y\n" PART "--x\0y--\n";

static const struct bytes with_nul[] = {
	BYTES(nul_in_name),
	BYTES(nul_behind_name),
	BYTES(nul_in_value),
	BYTES(nul_in_boundary),
};

static struct found look(struct bytes msg, const char *type, const char *content, struct arena *a)
{
	struct found f = { 0 };
	struct mime_tree t;
	struct budget b;

	budget_init(&b, &budget_default_limits, msg.n, 0);
	if (mime_prelimits(msg, &b, NULL) < 0 || mime_parse(&t, msg, a, &b, NULL) < 0)
		return f;
	for (struct mime_part *p = t.root; p != NULL; p = mime_next(p)) {
		bool typed = type == NULL || strcmp(p->type, type) == 0;

		if (mime_is_leaf(p) && mime_decode(p, a, &b, NULL) < 0)
			break;
		f.type = f.type || typed;
		f.content = f.content ||
			    (typed && content != NULL && bytes_eq(p->content, bytes_str(content)));
		f.defects |= p->defects;
		f.alternates += p->alternate;
		f.parts++;
	}
	return f;
}

static void every_reading(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new(16 * MIB);
		struct found f =
			look(bytes_str(cases[i].message), cases[i].type, cases[i].content, a);

		T_OK(f.type && (f.content || cases[i].content == NULL), "%s", cases[i].what);
		T_OK((f.defects & cases[i].defect) == cases[i].defect, "  defects %x", f.defects);
		arena_free(&a);
	}
}

static void readings_without_nul(void)
{
	for (size_t i = 0; i < ARRAY_LEN(with_nul); i++) {
		struct arena *a = arena_new(16 * MIB);
		struct found f = look(with_nul[i], NULL, "ABCD", a);

		T_OK(f.content && (f.defects & MIME_NUL) != 0, "NULs, case %zu", i);
		arena_free(&a);
	}
}

static const char *const plain[] = {
	TOP "\nhello\n",
	TOP "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nhello\n",
	"Subject: x\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n"
	"This is a multi-part message in MIME format.\r\n--x\r\n\r\na\r\n--x\r\n"
	"Content-Type: application/zip; name=\"a.zip\"\r\nContent-Transfer-Encoding: base64\r\n"
	"Content-Disposition: attachment; filename=\"a.zip\"\r\n\r\nQUJD\r\nQUI=\r\n--x--\r\n",
	TOP "DKIM-Signature: v=1; a=rsa-sha256; h=from:to:\n content-type:mime-version; b=x\n"
	    "Content-Transfer-Encoding: quoted-printable\n\n-- \nsignature =3D\n",
	TOP "\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-x: y\n+x: z\n-- \n2.39\n",
	TOP "\nto begin with, 644 is a number\nFrom: here on it is text\n",
};

static void one_reading_only(void)
{
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		struct arena *a = arena_new(16 * MIB);
		struct found f = look(bytes_str(plain[i]), NULL, NULL, a);

		T_OK(f.parts > 0 && f.alternates == 0 && f.defects == 0,
		     "well-formed %zu: %u parts, %u alternates, defects %x", i, f.parts,
		     f.alternates, f.defects);
		arena_free(&a);
	}
}

int main(void)
{
	mime_init();
	every_reading();
	readings_without_nul();
	one_reading_only();
	return t_done();
}
