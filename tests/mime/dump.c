/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/mime/dump.c - print the part tree of files: for people who ask why. */
#include <stdio.h>
#include <stdlib.h>

#include "core/text.h"
#include "mime/mime.h"
#include "tests/mime/file.h"

static void print_part(const struct mime_part *p, int decoded)
{
	static const char *const encodings[] = { "7bit", "base64", "qp",    "uu",
						 "yenc", "binhex", "gzip64" };
	char buf[300];

	printf("%*s%s %s %s%s%s%s%s raw=%zu headers=%zu content=%zu defects=%x", (int)p->depth * 2,
	       "", p->id, p->type, encodings[p->encoding], p->multipart ? " multipart" : "",
	       p->message ? " message" : "", p->alternate ? " alternate" : "",
	       p->attachment ? " attachment" : "", p->raw.n, p->headers.n, p->content.n,
	       p->defects);
	for (const struct mime_name *n = p->names; n != NULL; n = n->next)
		printf(" [%s]", text_escape(buf, sizeof(buf), bytes_str(n->text)));
	if (decoded == 0 && p->content.n > 0)
		printf(" \"%s\"", text_escape(buf, 60, bytes_head(p->content, 40)));
	printf("\n");
}

static void dump(const char *path)
{
	struct bytes file = file_read(path);
	struct arena *a = arena_new(512 * MIB);
	struct err err = { .kind = ERR_NONE };
	struct mime_tree t;
	struct budget b;
	int r;

	budget_init(&b, &budget_default_limits, file.n, 0);
	r = mime_prelimits(file, &b, &err);
	if (r == 0)
		r = mime_parse(&t, file, a, &b, &err);
	if (r < 0)
		printf("%s: %s\n", path, err.text);
	for (struct mime_part *p = r < 0 ? NULL : t.root; p != NULL; p = mime_next(p)) {
		r = mime_is_leaf(p) ? mime_decode(p, a, &b, &err) : 0;
		print_part(p, r);
		if (r < 0)
			printf("  %s\n", err.text);
	}
	arena_free(&a);
	free((void *)(uintptr_t)file.p);
}

int main(int argc, char **argv)
{
	mime_init();
	for (int i = 1; i < argc; i++)
		dump(argv[i]);
	return 0;
}
