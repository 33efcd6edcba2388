/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/parse: the tree of well-formed mail. */
#include "mime/mime.h"

#include <string.h>

#include "tests/t.h"

static const char nested[] =
	"From: a@example.com\r\nSubject: =?utf-8?Q?caf=C3=A9?=\r\n  au lait\r\n"
	"Message-Id: <1@example.com>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
	"pre\r\n--x\r\n\r\nno headers\r\n--x\r\n"
	"Content-Type: message/rfc822\r\n\r\nSubject: q\r\n"
	"Content-Type: multipart/alternative; boundary=y\r\n\r\n"
	"--y\r\nContent-Type: TEXT/HTML\r\n\r\n<p>\r\n--y--\r\n\r\n--x\r\n"
	"Content-Type: application/zip; name=\"a.zip\"\r\n"
	"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n"
	"QUJD\r\nRA==\r\n--x--\r\n";

static const struct {
	const char *id, *type, *content;
	unsigned depth;
	bool multipart, message, attachment;
} want[] = {
	{ "0", "multipart/mixed", NULL, 0, true, false, false },
	{ "1", "text/plain", "no headers", 1, false, false, false },
	{ "2", "message/rfc822", NULL, 1, false, true, false },
	{ "2.0", "multipart/alternative", NULL, 2, true, false, false },
	{ "2.1", "text/html", "<p>", 3, false, false, false },
	{ "3", "application/zip", "ABCD", 1, false, false, true },
};

static void check_part(struct mime_part *p, size_t i, struct arena *a, struct budget *b)
{
	T_OK(strcmp(p->id, want[i].id) == 0, "part %s is %s", p->id, want[i].id);
	T_OK(strcmp(p->type, want[i].type) == 0, "  type %s", p->type);
	T_OK(p->depth == want[i].depth && p->multipart == want[i].multipart &&
		     p->message == want[i].message && p->attachment == want[i].attachment &&
		     !p->alternate && p->defects == 0,
	     "  depth %u, flags, defects %x", p->depth, p->defects);
	if (want[i].content == NULL)
		return;
	T_OK(mime_decode(p, a, b, NULL) == 0 && bytes_eq(p->content, bytes_str(want[i].content)),
	     "  content");
}

int main(void)
{
	struct arena *a = arena_new(MIB);
	struct bytes msg = bytes_str(nested);
	struct mime_tree t;
	struct budget b;
	size_t i = 0;

	mime_init();
	budget_init(&b, &budget_default_limits, msg.n, 0);
	T_OK(mime_prelimits(msg, &b, NULL) == 0, "within the limits");
	T_OK(mime_parse(&t, msg, a, &b, NULL) == 0, "parses");
	T_OK(strcmp(t.subject, "café  au lait") == 0, "subject %s", t.subject);
	T_OK(strcmp(t.message_id, "<1@example.com>") == 0, "message id");
	T_OK(t.parts_n == ARRAY_LEN(want), "%u parts", t.parts_n);
	for (struct mime_part *p = t.root; p != NULL && i < ARRAY_LEN(want); p = mime_next(p))
		check_part(p, i++, a, &b);
	T_OK(strcmp(t.root->children->next->next->names->text, "a.zip") == 0, "name");
	arena_free(&a);
	return t_done();
}
