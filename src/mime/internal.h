/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/internal.h - what the files of this folder share; nobody else includes it. */
#ifndef MIME_INTERNAL_H
#define MIME_INTERNAL_H

#include "mime/mime.h"

/* One parse: everything that is made lives in @a, everything made is charged to @b. */
struct mime_ctx {
	struct arena *a;
	struct budget *b;
	struct err *err;
};

/* -EFBIG with the budget's reason; the arena's ceiling counts as the memory limit. */
int mime_limit(struct mime_ctx *c) MUST_CHECK;
int mime_no_memory(struct mime_ctx *c) MUST_CHECK;

/* headers.c */

enum { MIME_SAME_FIELD_MAX = 4 }; /* readings of one field that are kept */

struct mime_values {
	struct bytes v[MIME_SAME_FIELD_MAX]; /* raw, folds included */
	unsigned n;
};

struct mime_headers {
	struct mime_values type, encoding, disposition, description;
	struct bytes subject, message_id;
	unsigned defects;
	const uint8_t *junk; /* first line that is no header; NULL: none */
};

/* Read one raw header block the way the most generous reader would. */
void mime_headers_read(struct mime_headers *h, struct bytes block);
/* Length of the header block at the start of @b, the blank line included. */
size_t mime_header_block(struct bytes b, size_t *ret_lines);

/* params.c */

enum mime_quoting { MIME_QUOTED, MIME_UNQUOTED }; /* do quotes protect ';' */

struct mime_param {
	struct bytes key;   /* without "*N" and "*" */
	struct bytes value; /* without quotes and backslashes */
	int section;        /* -1: none */
	bool extended;      /* percent-encoded, charset in front of the first section */
};

struct mime_params {
	struct mime_param *v;
	size_t n;
	bool odd; /* readers may disagree: comments, escapes, open quotes, doubles, stray text */
};

/* The parameters of a Content-* value (what stands behind the first ';'). Returns 0 or -EFBIG. */
int mime_params_read(struct mime_ctx *c, struct bytes value, enum mime_quoting q,
		     struct mime_params *ret) MUST_CHECK;

/* names.c: all readings of the file name into @p->names. */
int mime_names_read(struct mime_ctx *c, const struct mime_headers *h,
		    struct mime_part *p) MUST_CHECK;

/* words.c: RFC 2047 to UTF-8, folds undone; NULL: arena full. */
char *mime_words_decode(struct arena *a, struct bytes in) MUST_CHECK;

#endif
