/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/parse.c - GMime's reading of a message as our tree.
 *
 * GMime parses over the caller's bytes: with a persistent stream its leaves are ranges of absolute
 * offsets, so that nothing is copied. Once the tree stands, all GMime objects are gone.
 */
#include <errno.h>
#include <gmime/gmime.h>

#include "mime/charset.h"
#include "mime/internal.h"

/* GMime stops descending without a word at 1,024 multiparts and 512 messages: stay below. */
enum { DEPTH_MAX = 300 };

void mime_init(void)
{
	g_mime_init();
	charset_init();
}

int mime_limit(struct mime_ctx *c)
{
	return err_set(c->err, ERR_LIMIT, -EFBIG, "MIME limit reached: %s", c->b->why);
}

int mime_no_memory(struct mime_ctx *c)
{
	(void)budget_charge(c->b, BUDGET_MEMORY, UINT64_MAX, BYTES("MIME tree"));
	return err_set(c->err, ERR_LIMIT, -EFBIG, "MIME tree does not fit into the arena");
}

struct reader {
	struct mime_ctx *c;
	struct bytes message;
};

static struct bytes range(const struct reader *rd, size_t start, size_t end)
{
	end = MIN_OF(end, rd->message.n);
	start = MIN_OF(start, end);
	return bytes_of(rd->message.p + start, end - start);
}

static size_t first_header(GMimeObject *o)
{
	GMimeHeaderList *list = g_mime_object_get_header_list(o);
	gint64 at = -1;

	if (list != NULL && g_mime_header_list_get_count(list) > 0)
		at = g_mime_header_get_offset(g_mime_header_list_get_header_at(list, 0));
	return at < 0 ? SIZE_MAX : (size_t)at;
}

static GMimeStream *content_stream(GMimeObject *o)
{
	GMimeDataWrapper *w = GMIME_IS_PART(o) ? g_mime_part_get_content((GMimePart *)o) : NULL;

	return w == NULL ? NULL : g_mime_data_wrapper_get_stream(w);
}

static enum mime_encoding encoding_of(GMimeObject *o)
{
	if (!GMIME_IS_PART(o))
		return MIME_7BIT;
	switch (g_mime_part_get_content_encoding((GMimePart *)o)) {
	case GMIME_CONTENT_ENCODING_BASE64:
		return MIME_BASE64;
	case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
		return MIME_QP;
	case GMIME_CONTENT_ENCODING_UUENCODE:
		return MIME_UU;
	default:
		return MIME_7BIT;
	}
}

static char *type_of(struct mime_ctx *c, GMimeObject *o)
{
	GMimeContentType *ct = g_mime_object_get_content_type(o);
	const char *major = ct == NULL ? NULL : g_mime_content_type_get_media_type(ct);
	const char *minor = ct == NULL ? NULL : g_mime_content_type_get_media_subtype(ct);
	char *type = arena_printf(c->a, "%s/%s", major == NULL ? "text" : major,
				  minor == NULL ? "plain" : minor);

	for (char *t = type; t != NULL && *t != '\0'; t++)
		*t = (char)ascii_lower((uint8_t)*t);
	return type;
}

/* Charge and make a part below @parent (NULL: the root). */
static struct mime_part *new_part(struct mime_ctx *c, struct mime_part *parent)
{
	struct mime_part *p;

	if (!budget_charge(c->b, BUDGET_PARTS, 1, BYTES("message")))
		return NULL;
	p = arena_zalloc(c->a, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->parent = parent;
	p->depth = parent == NULL ? 0 : parent->depth + 1;
	return p;
}

static int failed(struct mime_ctx *c)
{
	return c->b->hit != BUDGET_NONE ? mime_limit(c) : mime_no_memory(c);
}

/* Where the header block starts and the body begins; @at: where the entity starts at the latest. */
static void set_ranges(const struct reader *rd, struct mime_part *p, GMimeObject *o, size_t start,
		       size_t end)
{
	GMimeStream *s = content_stream(o);
	size_t lines, body;

	if (s != NULL && s->bound_end >= s->bound_start) {
		body = (size_t)s->bound_start;
		p->raw = range(rd, body, (size_t)s->bound_end);
		p->headers = range(rd, MIN_OF(start, body), body);
		return;
	}
	if (start == SIZE_MAX)
		start = end;
	p->headers = range(rd, start, end);
	p->headers = bytes_head(p->headers, mime_header_block(p->headers, &lines));
	p->raw = range(rd, start + p->headers.n, end);
}

static int read_headers(struct mime_ctx *c, struct mime_part *p)
{
	struct mime_headers h;

	mime_headers_read(&h, p->headers);
	p->defects |= h.defects;
	if (h.disposition.n > 0)
		p->attachment = bytes_starts_nocase(h.disposition.v[0], BYTES("attachment"));
	return mime_names_read(c, &h, p);
}

static void set_kind(struct mime_part *p)
{
	if (strcmp(p->type, "message/partial") == 0)
		p->defects |= MIME_PARTIAL;
	if (strcmp(p->type, "message/external-body") == 0)
		p->defects |= MIME_EXTERNAL;
	p->encrypted = strcmp(p->type, "multipart/encrypted") == 0 ||
		       strcmp(p->type, "application/pgp-encrypted") == 0;
}

struct work {
	GMimeObject *o;
	struct mime_part *part;
	size_t start, end; /* of the entity, header included; start may be unknown (SIZE_MAX) */
};

static int fill(const struct reader *rd, struct work *w)
{
	struct mime_part *p = w->part;

	p->type = type_of(rd->c, w->o);
	if (p->type == NULL)
		return mime_no_memory(rd->c);
	p->encoding = encoding_of(w->o);
	p->multipart = GMIME_IS_MULTIPART(w->o);
	p->message = GMIME_IS_MESSAGE_PART(w->o);
	set_ranges(rd, p, w->o, w->start, w->end);
	set_kind(p);
	return read_headers(rd->c, p);
}

static GMimeObject *inner(GMimeObject *o, size_t *ret_start)
{
	GMimeMessage *m = g_mime_message_part_get_message((GMimeMessagePart *)o);
	GMimeObject *body = m == NULL ? NULL : g_mime_message_get_mime_part(m);

	if (body == NULL)
		return NULL;
	*ret_start = MIN_OF(first_header((GMimeObject *)m), first_header(body));
	return body;
}

static int read_entity(const struct reader *rd, struct work *w);

static int read_child(const struct reader *rd, struct mime_part *parent, struct mime_part ***link,
		      struct work *w)
{
	w->part = new_part(rd->c, parent);
	if (w->part == NULL)
		return failed(rd->c);
	**link = w->part;
	*link = &w->part->next;
	return read_entity(rd, w);
}

/* First byte of the entity as far as GMime tells: its first header or its content. */
static size_t entity_start(GMimeObject *o)
{
	size_t at = first_header(o);
	GMimeStream *s = content_stream(o);

	if (at == SIZE_MAX && s != NULL)
		at = (size_t)s->bound_start;
	return at;
}

static int read_multipart(const struct reader *rd, struct work *w)
{
	GMimeMultipart *m = (GMimeMultipart *)w->o;
	struct mime_part **link = &w->part->children;
	int n = g_mime_multipart_get_count(m), r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		struct work child = { .o = g_mime_multipart_get_part(m, i), .end = w->end };

		child.start = first_header(child.o);
		if (i + 1 < n)
			child.end =
				MIN_OF(w->end, entity_start(g_mime_multipart_get_part(m, i + 1)));
		r = read_child(rd, w->part, &link, &child);
	}
	return r;
}

static int read_message(const struct reader *rd, struct work *w)
{
	struct mime_part **link = &w->part->children;
	struct work child = { .end = w->end };

	child.o = inner(w->o, &child.start);
	return child.o == NULL ? 0 : read_child(rd, w->part, &link, &child);
}

/* Recursion is bounded by the depth limit, which also is far below what GMime itself follows. */
static int read_entity(const struct reader *rd, struct work *w)
{
	int r;

	if (w->part->depth > DEPTH_MAX) {
		(void)budget_allows(rd->c->b, BUDGET_MIME_DEPTH, UINT64_MAX, BYTES("message"));
		return err_set(rd->c->err, ERR_LIMIT, -EFBIG, "MIME depth is above %d", DEPTH_MAX);
	}
	if (!budget_allows(rd->c->b, BUDGET_MIME_DEPTH, w->part->depth, BYTES("message")))
		return mime_limit(rd->c);
	r = fill(rd, w);
	if (r == 0 && w->part->multipart)
		r = read_multipart(rd, w);
	else if (r == 0 && w->part->message)
		r = read_message(rd, w);
	return r;
}

static GMimeMessage *gmime_parse(struct bytes message)
{
	/* GByteArray wants guint8 *; nothing writes to it. */
	GByteArray *array = g_byte_array_new_take((guint8 *)(uintptr_t)message.p, message.n);
	GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(array);
	GMimeParser *parser;
	GMimeMessage *m;

	g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_persist_stream(parser, TRUE);
	m = g_mime_parser_construct_message(parser, NULL);
	g_object_unref(parser);
	g_object_unref(stream);
	(void)g_byte_array_free(array, FALSE);
	return m;
}

static int number_parts(struct mime_ctx *c, struct mime_part *p)
{
	unsigned n = 0;

	for (struct mime_part *child = p->children; child != NULL; child = child->next) {
		const char *dot = strcmp(p->id, "0") == 0 ? "" : p->id;
		size_t len = strlen(dot);

		if (len >= 2 && strcmp(dot + len - 2, ".0") == 0)
			len -= 2;
		child->id = p->message && child->multipart
				    ? arena_printf(c->a, "%.*s.0", (int)len, dot)
				    : arena_printf(c->a, "%.*s%s%u", (int)len, dot,
						   len > 0 ? "." : "", ++n);
		if (child->id == NULL)
			return mime_no_memory(c);
	}
	return 0;
}

/* Ids, sums and the two header fields that reports show. */
static int finish(struct mime_ctx *c, struct mime_tree *t)
{
	struct mime_headers h;

	mime_headers_read(&h, t->root->headers);
	t->root->id = t->root->multipart ? "0" : "1";
	for (struct mime_part *p = t->root; p != NULL; p = mime_next(p)) {
		t->parts_n++;
		t->defects |= p->defects;
		if (number_parts(c, p) < 0)
			return -EFBIG;
	}
	if (h.subject.p != NULL)
		t->subject = mime_words_decode(c->a, h.subject);
	if (h.message_id.p != NULL)
		t->message_id = arena_str(c->a, h.message_id);
	return 0;
}

int mime_parse(struct mime_tree *ret_t, struct bytes message, struct arena *a, struct budget *b,
	       struct err *err)
{
	struct mime_ctx c = { .a = a, .b = b, .err = err };
	struct reader rd = { .c = &c, .message = message };
	struct mime_tree t = { .root = NULL };
	struct work w = { .start = 0, .end = message.n };
	GMimeMessage *m;
	int r = 0;

	m = gmime_parse(message);
	w.o = m == NULL ? NULL : g_mime_message_get_mime_part(m);
	if (w.o == NULL)
		r = err_set(err, ERR_INPUT, -EBADMSG, "not a message");
	t.root = r < 0 ? NULL : new_part(&c, NULL);
	if (r == 0 && t.root == NULL)
		r = failed(&c);
	w.part = t.root;
	if (r == 0)
		r = read_entity(&rd, &w);
	if (m != NULL)
		g_object_unref(m);
	if (r == 0)
		r = finish(&c, &t);
	if (r == 0)
		*ret_t = t;
	return r;
}

struct mime_part *mime_next(struct mime_part *p)
{
	if (p->children != NULL)
		return p->children;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p == NULL ? NULL : p->next;
}
