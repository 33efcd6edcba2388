/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/entity.c - other readings of one entity (header block and body): another type, another
 * encoding, another first line of the body. Each becomes an alternate part below the part that
 * holds the bytes.
 */
#include "mime/internal.h"

enum { TYPES_MAX = 4, STARTS_MAX = 3, TYPE_MAX_BYTES = 128 };

struct entity {
	struct mime_part *below;
	struct bytes block, region; /* header block; all bytes behind its start */
	struct mime_headers h;
	const char *types[TYPES_MAX];
	const uint8_t *starts[STARTS_MAX];
	unsigned types_n, starts_n;
	struct mime_part shared; /* what all readings have in common: names, defects */
	bool has_shared;
};

static bool same_bytes(struct bytes a, struct bytes b)
{
	size_t more = MAX_OF(a.n, b.n) - MIN_OF(a.n, b.n);

	return a.p == b.p && more <= 4; /* the line end before a boundary */
}

static bool is_known(struct mime_part *below, struct bytes body, const char *type,
		     enum mime_encoding encoding)
{
	struct mime_part *p = below;

	while (p->parent != NULL)
		p = p->parent;
	for (; p != NULL; p = mime_next(p))
		if (p->encoding == encoding && same_bytes(p->raw, body) && mime_is_leaf(p) &&
		    strcmp(p->type, type) == 0)
			return true;
	return false;
}

static bool is_plain_text(const char *type)
{
	return strcmp(type, "text/plain") == 0 || strcmp(type, "text/rfc822-headers") == 0 ||
	       strcmp(type, "message/delivery-status") == 0;
}

/* Plain text without a name inside other plain text shows no reader anything new. */
static bool is_pointless(const struct entity *e, struct bytes body, const char *type,
			 enum mime_encoding encoding)
{
	const struct mime_part *in = e->below;

	if (encoding != MIME_7BIT || in->encoding != MIME_7BIT || !mime_is_leaf(in) ||
	    !is_plain_text(type) || !is_plain_text(in->type))
		return false;
	if (e->h.disposition.n > 0 || bytes_find(e->block, BYTES("name")) >= 0)
		return false;
	return body.p >= in->raw.p && body.p + body.n <= in->raw.p + in->raw.n;
}

/* Once for all readings: a long header is not read again for each. */
static int read_shared(struct mime_ctx *c, struct entity *e)
{
	if (e->has_shared)
		return 0;
	e->has_shared = true;
	e->shared.defects = e->h.defects;
	return mime_names_read(c, &e->h, &e->shared);
}

static int add_reading(struct mime_ctx *c, struct entity *e, struct bytes body, const char *type,
		       enum mime_encoding encoding)
{
	struct mime_part *p;
	int r;

	if (is_pointless(e, body, type, encoding))
		return 0;
	if (is_known(e->below, body, type, encoding))
		return 0;
	r = read_shared(c, e);
	if (r < 0)
		return r;
	p = mime_new_reading(c, e->below);
	if (p == NULL)
		return mime_failed(c);
	p->type = type;
	p->encoding = encoding;
	p->headers = e->block;
	p->raw = body;
	p->names = e->shared.names;
	p->charset = e->below->charset;
	p->defects = e->shared.defects | mime_type_defects(type);
	p->attachment = e->h.disposition.n > 0 &&
			bytes_starts_nocase(e->h.disposition.v[0], BYTES("attachment"));
	return 0;
}

/* The media type of a Content-Type value, whatever stands around it; NULL: no type at all. */
static const char *type_in(struct mime_ctx *c, struct bytes value)
{
	char out[TYPE_MAX_BYTES];
	size_t n = 0;
	unsigned depth = 0;

	value = bytes_trim(value);
	for (size_t i = 0; i < value.n && n < sizeof(out) && value.p[i] != ';'; i++) {
		if (value.p[i] == '\n' || value.p[i] == '\r')
			break;
		if (value.p[i] == '(')
			depth++;
		else if (depth > 0)
			depth -= value.p[i] == ')';
		else if (value.p[i] > ' ' && value.p[i] != '"' && value.p[i] != '\\')
			out[n++] = (char)ascii_lower(value.p[i]);
	}
	return n > 0 ? arena_str(c->a, bytes_of(out, n)) : "text/plain";
}

static int find_types(struct mime_ctx *c, struct entity *e)
{
	for (unsigned i = 0; i < e->h.type.n; i++) {
		const char *type = type_in(c, e->h.type.v[i]);
		bool known = false;

		if (type == NULL)
			return mime_no_memory(c);
		for (unsigned j = 0; j < e->types_n; j++)
			known = known || strcmp(e->types[j], type) == 0;
		if (!known)
			e->types[e->types_n++] = type;
	}
	if (e->types_n == 0)
		e->types[e->types_n++] = "text/plain";
	return 0;
}

static void add_start(struct entity *e, const uint8_t *at)
{
	if (at == NULL || at >= e->region.p + e->region.n || e->starts_n == STARTS_MAX)
		return;
	for (unsigned i = 0; i < e->starts_n; i++)
		if (e->starts[i] == at)
			return;
	e->starts[e->starts_n++] = at;
}

/* Behind the first line of blanks only, or NULL: for some readers it ends the header. */
static const uint8_t *behind_blank_line(struct bytes block)
{
	struct bytes line;

	while (bytes_next_line(&block, &line))
		if (bytes_trim(line).n == 0)
			return block.p;
	return NULL;
}

static int add_readings(struct mime_ctx *c, struct entity *e)
{
	struct bytes body;
	unsigned mask;
	int r;

	for (unsigned s = 0; s < e->starts_n; s++) {
		body = bytes_from(e->region, (size_t)(e->starts[s] - e->region.p));
		r = mime_encodings(c, &e->h, body, &mask);
		for (unsigned t = 0; r == 0 && t < e->types_n; t++)
			for (unsigned i = MIME_7BIT; r == 0 && i < MIME_ENCODINGS; i++)
				if ((mask & 1u << i) != 0 &&
				    !(i == MIME_7BIT && s == 0 && mime_is_multipart(e->types[t])))
					r = add_reading(c, e, body, e->types[t],
							(enum mime_encoding)i);
		if (r < 0)
			return r;
	}
	return 0;
}

int mime_entity_readings(struct mime_ctx *c, struct mime_part *below, struct bytes region,
			 size_t block, const uint8_t *body)
{
	struct entity e = { .below = below, .region = region };
	int r;

	e.block = bytes_head(region, block);
	mime_headers_read(&e.h, e.block);
	r = find_types(c, &e);
	if (r < 0)
		return r;
	add_start(&e, body != NULL ? body : e.block.p + e.block.n);
	add_start(&e, behind_blank_line(e.block));
	add_start(&e, e.h.junk);
	return add_readings(c, &e);
}
