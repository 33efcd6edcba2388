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
	struct bytes subject, message_id; /* of the root, as they stand */
};

/* -EFBIG with the budget's reason; the arena's ceiling counts as the memory limit. */
int mime_limit(struct mime_ctx *c) MUST_CHECK;
int mime_no_memory(struct mime_ctx *c) MUST_CHECK;

int mime_failed(struct mime_ctx *c) MUST_CHECK; /* whichever of the two it was */

static inline bool mime_is_multipart(const char *type)
{
	return strncmp(type, "multipart", 9) == 0;
}

static inline bool mime_is_message(const char *type)
{
	return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0 ||
	       strcmp(type, "message/news") == 0;
}

/* What is odd about a type whatever the part looks like. */
static inline unsigned mime_type_defects(const char *type)
{
	if (strcmp(type, "message/partial") == 0)
		return MIME_PARTIAL;
	return strcmp(type, "message/external-body") == 0 ? MIME_EXTERNAL : 0;
}

/* tree.c */

/* Charge and make a part below @parent (NULL: the root), not yet linked. NULL: a limit. */
struct mime_part *mime_new_part(struct mime_ctx *c, struct mime_part *parent) MUST_CHECK;
/* The same, linked as the last child, alternate, with an id such as "1.2b". */
struct mime_part *mime_new_reading(struct mime_ctx *c, struct mime_part *below) MUST_CHECK;
/* Link @p as the last child of its parent. */
void mime_link(struct mime_part *p);
/* Ids for all parts of the tree below @top that have none. */
int mime_number(struct mime_ctx *c, struct mime_part *top) MUST_CHECK;
/* Depth-first walk of @top and what is below it. */
struct mime_part *mime_next_below(struct mime_part *p, const struct mime_part *top);

/* pair.c: offset of @first directly followed by @second; b.n: nowhere. */
size_t mime_find_pair(struct bytes b, uint8_t first, uint8_t second);
/* Offset, from @at on, of a line that starts with "--" (behind LF, CR or nothing); b.n: none. */
size_t mime_find_dashes(struct bytes b, size_t at);

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

/* gunzip.c: @in decompressed; @in itself when it is no gzip stream. Charges what it makes. */
int mime_gunzip(struct mime_ctx *c, struct bytes in, struct bytes *ret) MUST_CHECK;

/* words.c: RFC 2047 to UTF-8, folds undone; NULL: arena full. */
char *mime_words_decode(struct arena *a, struct bytes in) MUST_CHECK;

/* encoding.c: bits 1u << enum mime_encoding of all that a reader may decode by, never 0. */
int mime_encodings(struct mime_ctx *c, struct mime_headers *h, struct bytes body,
		   unsigned *ret_mask) MUST_CHECK;

enum mime_as { MIME_AS_ROOT, MIME_AS_CHILD, MIME_AS_READING };

/* parse.c: GMime's tree of @buf below @parent (NULL for the root). No other readings yet. */
int mime_read(struct mime_ctx *c, struct bytes buf, struct mime_part *parent, enum mime_as as,
	      struct mime_part **ret_top) MUST_CHECK;

/*
 * entity.c: alternates below @below for each way to read the entity whose bytes are @region: a
 * header block of @block bytes and a body. @body: where the body is known to start, or NULL.
 */
int mime_entity_readings(struct mime_ctx *c, struct mime_part *below, struct bytes region,
			 size_t block, const uint8_t *body) MUST_CHECK;

/* examine.c: other readings of the parts of GMime's tree below @top. */
int mime_examine(struct mime_ctx *c, struct mime_part *top) MUST_CHECK;

/*
 * carve.c: parts of @buf, the bytes of @top, that its tree does not show. *@ret_bare_cr: some line
 * of dashes ends at a lone CR.
 */
int mime_carve(struct mime_ctx *c, struct bytes buf, struct mime_part *top,
	       bool *ret_bare_cr) MUST_CHECK;

/* All of this for @buf, whose GMime tree hangs below @top. */
int mime_complete(struct mime_ctx *c, struct bytes buf, struct mime_part *top) MUST_CHECK;

/*
 * inside.c: files and messages in the content of the leaf @p, as its children. *@ret_parsed: a
 * message was parsed, whose tree has not been examined yet.
 */
int mime_look_inside(struct mime_ctx *c, struct mime_part *p, struct bytes content,
		     bool *ret_parsed) MUST_CHECK;

#endif
