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

struct reader {
	struct mime_ctx *c;
	struct bytes message;
	bool alternate;
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

/* The declared type, if it is declared once and plainly, is the one GMime sees. */
static bool type_agrees(const struct mime_headers *h, const char *type)
{
	struct bytes value;
	ptrdiff_t semicolon;

	if (h->type.n == 0)
		return true;
	value = h->type.v[0];
	semicolon = bytes_index(value, ';');
	if (semicolon >= 0)
		value = bytes_head(value, (size_t)semicolon);
	return bytes_eq_nocase(bytes_trim(value), bytes_str(type));
}

static int read_headers(struct mime_ctx *c, struct mime_part *p)
{
	struct mime_headers h;
	unsigned mask;
	int r;

	mime_headers_read(&h, p->headers);
	r = mime_encodings(c, &h, p->raw, &mask);
	if (r < 0)
		return r;
	if ((mask & (mask - 1)) == 0)
		p->encoding = (enum mime_encoding)__builtin_ctz(mask);
	if (!type_agrees(&h, p->type))
		h.defects |= MIME_BAD_HEADER;
	p->defects |= h.defects;
	if (p->parent == NULL) {
		c->subject = h.subject;
		c->message_id = h.message_id;
	}
	if (h.disposition.n > 0)
		p->attachment = bytes_starts_nocase(h.disposition.v[0], BYTES("attachment"));
	return mime_names_read(c, &h, p);
}

enum { BOUNDARY_LONG = 80, BOUNDARY_MAX = 1000 };

/* The boundary as GMime reads it; what it ends in or consists of decides whether readers agree. */
static unsigned boundary_defects(GMimeObject *o)
{
	const char *b = g_mime_object_get_content_type_parameter(o, "boundary");
	size_t n = b == NULL ? 0 : strlen(b), quotes = 0;
	unsigned defects = 0;

	while (quotes < n && b[quotes] == '"')
		quotes++;
	if (n == quotes || n > BOUNDARY_MAX || ascii_is_space((uint8_t)b[n - 1]))
		defects |= MIME_BAD_BOUNDARY;
	if (n >= BOUNDARY_LONG)
		defects |= MIME_LONG_BOUNDARY;
	return defects;
}

/* S/MIME: "enveloped-data" is encrypted; so is, until it is looked at, what does not say. */
static bool is_enveloped(GMimeObject *o, const char *type)
{
	const char *kind = g_mime_object_get_content_type_parameter(o, "smime-type");

	if (strcmp(type, "application/pkcs7-mime") != 0 &&
	    strcmp(type, "application/x-pkcs7-mime") != 0)
		return false;
	return kind == NULL || g_ascii_strcasecmp(kind, "enveloped-data") == 0 ||
	       g_ascii_strcasecmp(kind, "authenveloped-data") == 0;
}

static void set_kind(struct mime_part *p, GMimeObject *o)
{
	if (GMIME_IS_MULTIPART(o))
		p->defects |= boundary_defects(o);
	p->defects |= mime_type_defects(p->type);
	p->encrypted = strcmp(p->type, "multipart/encrypted") == 0 ||
		       strcmp(p->type, "application/pgp-encrypted") == 0 ||
		       is_enveloped(o, p->type);
}

struct work {
	GMimeObject *o;
	struct mime_part *part;
	size_t start, end; /* of the entity, header included; start may be unknown (SIZE_MAX) */
};

static int set_charset(struct mime_ctx *c, struct mime_part *p, GMimeObject *o)
{
	const char *charset = g_mime_object_get_content_type_parameter(o, "charset");

	if (charset == NULL)
		return 0;
	p->charset = arena_str(c->a, bytes_str(charset));
	return p->charset == NULL ? mime_no_memory(c) : 0;
}

static int fill(const struct reader *rd, struct work *w)
{
	struct mime_part *p = w->part;

	p->type = type_of(rd->c, w->o);
	if (p->type == NULL)
		return mime_no_memory(rd->c);
	p->encoding = encoding_of(w->o);
	p->structural = true;
	p->alternate = rd->alternate;
	/* without parts it holds bytes like any leaf, and nobody else would look at them */
	p->multipart =
		GMIME_IS_MULTIPART(w->o) && g_mime_multipart_get_count((GMimeMultipart *)w->o) > 0;
	if (GMIME_IS_MULTIPART(w->o) && !p->multipart)
		p->defects |= MIME_BAD_BOUNDARY;
	p->message = GMIME_IS_MESSAGE_PART(w->o);
	if (set_charset(rd->c, p, w->o) < 0)
		return -EFBIG;
	set_ranges(rd, p, w->o, w->start, w->end);
	set_kind(p, w->o);
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
	w->part = mime_new_part(rd->c, parent);
	if (w->part == NULL)
		return mime_failed(rd->c);
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

/* GMime gives up where the first line is no header: start at the first that is one. */
static size_t skip_junk(struct bytes buf)
{
	struct bytes rest = buf, line;

	while (bytes_next_line(&rest, &line)) {
		size_t n = 0;

		while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f && line.p[n] != ':')
			n++;
		if (bytes_trim(line).n == 0 || (n > 0 && n < line.n && line.p[n] == ':'))
			return (size_t)(line.p - buf.p);
	}
	return buf.n;
}

static GMimeMessage *parse_somehow(struct bytes buf, size_t *ret_skipped)
{
	GMimeMessage *m = gmime_parse(buf);

	*ret_skipped = 0;
	if (m != NULL)
		return m;
	*ret_skipped = skip_junk(buf);
	if (*ret_skipped == 0 || *ret_skipped == buf.n)
		return NULL;
	return gmime_parse(bytes_from(buf, *ret_skipped));
}

/* What GMime refuses altogether is one piece of text. */
static int read_as_text(struct mime_ctx *c, struct bytes buf, struct mime_part *p)
{
	size_t lines, n = mime_header_block(buf, &lines);

	p->structural = true;
	p->type = "text/plain";
	p->headers = bytes_head(buf, n);
	p->raw = bytes_from(buf, n);
	p->defects = MIME_BAD_HEADER;
	return read_headers(c, p);
}

static int read_top(struct mime_ctx *c, struct bytes buf, bool alternate, struct mime_part *top)
{
	size_t skipped;
	GMimeMessage *m = parse_somehow(buf, &skipped);
	struct bytes seen = bytes_from(buf, skipped);
	struct reader rd = { .c = c, .message = seen, .alternate = alternate };
	struct work w = { .start = 0, .end = seen.n, .part = top };
	int r;

	w.o = m == NULL ? NULL : g_mime_message_get_mime_part(m);
	r = w.o == NULL ? read_as_text(c, buf, top) : read_entity(&rd, &w);
	if (m != NULL)
		g_object_unref(m);
	if (skipped > 0 && r == 0) {
		top->headers = bytes_of(buf.p, (size_t)(top->headers.p - buf.p) + top->headers.n);
		top->defects |= MIME_BAD_HEADER;
	}
	top->alternate = alternate;
	return r;
}

static struct mime_part *new_top(struct mime_ctx *c, struct mime_part *parent, enum mime_as as)
{
	struct mime_part *top;

	if (as != MIME_AS_READING)
		return mime_new_part(c, parent);
	top = mime_new_reading(c, parent);
	if (top != NULL)
		top->depth = parent->depth + 1; /* what bounds messages in messages */
	return top;
}

int mime_read(struct mime_ctx *c, struct bytes buf, struct mime_part *parent, enum mime_as as,
	      struct mime_part **ret_top)
{
	struct mime_part *top = new_top(c, parent, as);
	bool alternate = as == MIME_AS_READING || (parent != NULL && parent->alternate);
	int r;

	if (top == NULL)
		return mime_failed(c);
	r = read_top(c, buf, alternate, top);
	if (r < 0)
		return r;
	if (as == MIME_AS_ROOT)
		top->id = top->multipart ? "0" : "1";
	else if (as == MIME_AS_CHILD)
		mime_link(top);
	r = mime_number(c, parent == NULL ? top : parent);
	if (r == 0)
		*ret_top = top;
	return r;
}

/* Sums and the two header fields that reports show. */
static int finish(struct mime_ctx *c, struct mime_tree *t)
{
	for (struct mime_part *p = t->root; p != NULL; p = mime_next(p)) {
		t->parts_n++;
		t->defects |= p->defects;
	}
	if (c->subject.p != NULL)
		t->subject = mime_words_decode(c->a, c->subject);
	if (c->message_id.p != NULL)
		t->message_id = arena_str(c->a, c->message_id);
	if ((c->subject.p != NULL && t->subject == NULL) ||
	    (c->message_id.p != NULL && t->message_id == NULL))
		return mime_no_memory(c);
	return 0;
}

int mime_parse(struct mime_tree *ret_t, struct bytes message, struct arena *a, struct budget *b,
	       struct err *err)
{
	struct mime_ctx c = { .a = a, .b = b, .err = err };
	struct mime_tree t = { .root = NULL };
	int r;

	if (message.n == 0)
		return err_set(err, ERR_INPUT, -EBADMSG, "the message is empty");
	r = mime_read(&c, message, NULL, MIME_AS_ROOT, &t.root);
	if (r == 0)
		r = mime_complete(&c, message, t.root);
	if (r == 0)
		r = finish(&c, &t);
	if (r == 0)
		*ret_t = t;
	return r;
}
