/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/sendmail_head.c - reading sendmail's qf file.
 *
 * A line that begins with a blank continues the one before; the first letter of a line says what it
 * is; a line with a dot ends the file. In values, sendmail writes a byte of its internal range
 * (0x80-0x9f, 0xff) behind a 0xff when it came from outside, and bare when it is its own, such as
 * a macro in "Return-Path: <$g>": texts are decoded here and encoded in sendmail_write.c.
 */
#include "queue/sendmail_head.h"

#include <errno.h>

#include "core/num.h"

/* What the first pass counts, so that the second one allocates once. */
struct counts {
	size_t metas, headers, rcpts, address_bytes;
	bool quoted; /* something must be decoded */
};

struct reader {
	struct queue_entry *e;
	struct pair_entry *p;
	struct sendmail_meta *meta;
	struct envelope_builder env;
	struct bytes sender;
	bool has_sender;
	bool flags; /* recipients have flags: version 1 and later */
	struct arena *a;
	struct err *err;
};

static int invalid(const struct reader *r, const char *why)
{
	return err_set(r->err, ERR_INPUT, -EBADMSG, "qf%s: %s", r->e->id, why);
}

static int too_large(const struct reader *r)
{
	return err_set(r->err, ERR_LIMIT, -ENOMEM, "qf%s: more than the message memory allows",
		       r->e->id);
}

static void count(struct bytes raw, struct counts *c)
{
	struct bytes rest = raw, record;

	c->quoted = bytes_index(raw, SENDMAIL_QUOTE) >= 0;
	while (sendmail_next_record(&rest, &record) && record.p[0] != '.') {
		c->headers += record.p[0] == 'H';
		c->metas += record.p[0] != 'H';
		c->rcpts += record.p[0] == 'R';
		if (record.p[0] == 'R' || record.p[0] == 'S')
			c->address_bytes += record.n;
	}
}

/* --- the internal range of bytes --- */

static size_t decode(struct bytes in, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == SENDMAIL_QUOTE && i + 1 < in.n)
			i++;
		out[n++] = in.p[i];
	}
	return n;
}

/* @text, which lies in the file, decoded at the same offset of p->decoded. */
static struct bytes decoded(const struct pair_entry *p, struct bytes text)
{
	uint8_t *at;

	if (p->decoded == NULL || bytes_index(text, SENDMAIL_QUOTE) < 0)
		return text;
	at = p->decoded + (text.p - p->raw.p);
	return bytes_of(at, decode(text, at));
}

/* --- reading --- */

static int read_header(struct reader *r, struct bytes record)
{
	struct bytes text = sendmail_without_lf(bytes_from(record, 1)), mark = bytes_head(text, 0);
	ptrdiff_t end;

	if (text.n > 0 && text.p[0] == '?') {
		end = bytes_index(bytes_from(text, 1), '?');
		if (end < 0)
			return invalid(r, "header flags without an end");
		mark = bytes_head(text, (size_t)end + 2);
		text = bytes_from(text, mark.n);
	}
	r->e->headers.v[r->e->headers.n++] =
		(struct header){ .text = decoded(r->p, text), .mark = mark };
	return 0;
}

/* Address of an S or R line, without <>. */
static struct bytes address(const struct reader *r, struct bytes value)
{
	struct bytes a = decoded(r->p, bytes_trim(value));

	if (a.n > 0 && a.p[a.n - 1] == '>') {
		const uint8_t *open = memrchr(a.p, '<', a.n);

		if (open != NULL)
			a = bytes_of(open + 1, (size_t)(a.p + a.n - 1 - (open + 1)));
	}
	return a;
}

static int read_sender(struct reader *r, struct bytes value)
{
	r->sender = address(r, value);
	r->has_sender = true;
	return bytes_index(r->sender, '\0') >= 0 ? invalid(r, "NUL in the sender") : 0;
}

static int read_recipient(struct reader *r, struct bytes value)
{
	ptrdiff_t colon = r->flags ? bytes_index(value, ':') : -1;
	struct bytes to;

	if (r->flags && colon < 0)
		return invalid(r, "recipient line without ':'");
	to = address(r, bytes_from(value, (size_t)(colon + 1)));
	if (to.n == 0 || bytes_index(to, '\0') >= 0)
		return invalid(r, "recipient line without an address");
	envelope_recipient(&r->env, to);
	return 0;
}

static int read_version(struct reader *r, struct bytes value)
{
	uint64_t version;

	if (num_parse(bytes_trim(value), 10, 1000, &version) < 0)
		return invalid(r, "version is not a number");
	r->flags = version >= 1;
	return 0;
}

static int read_time(struct reader *r, struct bytes value)
{
	uint64_t s;

	if (num_parse(bytes_trim(value), 10, INT64_MAX, &s) < 0)
		return invalid(r, "creation time is not a number");
	r->e->env.received_s = (int64_t)s;
	return 0;
}

static int text_value(struct reader *r, struct bytes value, const char **ret)
{
	char *text = arena_str(r->a, decoded(r->p, bytes_trim(value)));

	if (text == NULL)
		return too_large(r);
	*ret = text;
	return 0;
}

static int read_split(struct reader *r, struct bytes value)
{
	const char *text;
	int res = text_value(r, value, &text);

	if (res == 0 && envelope_split(&r->e->env, r->e->id, bytes_str(text), r->a) < 0)
		res = too_large(r);
	return res;
}

static int read_macro(struct reader *r, struct bytes value)
{
	struct envelope *env = &r->e->env;

	if (bytes_starts(value, BYTES("_"))) {
		/* The ident answer comes first and may hold anything: the last address is real. */
		const char *ip = text_bracketed_ip(value, true, r->a);

		env->client_ip = ip == NULL ? "127.0.0.1" : ip;
		return 0;
	}
	if (bytes_starts(value, BYTES("s")) && bytes_trim(value).n > 1)
		return text_value(r, bytes_from(value, 1), &env->client_name);
	if (bytes_starts(value, BYTES(SENDMAIL_SPLIT_FROM)))
		return read_split(r, bytes_from(value, sizeof(SENDMAIL_SPLIT_FROM) - 1));
	/* The protocol is in every queue file, the id only where the site's sendmail.cf has
	 * C{persistentMacros}{auth_authen}; then also, empty, for who has none. */
	if (bytes_starts(value, BYTES("r")))
		env->authenticated |= text_protocol_authenticated(bytes_from(value, 1));
	if (!bytes_starts(value, BYTES("{auth_authen}")))
		return 0;
	env->authenticated |= bytes_trim(bytes_from(value, 13)).n > 0;
	return text_value(r, bytes_from(value, 13), &env->auth_id);
}

static int read_data_dir(struct reader *r, struct bytes value)
{
	struct bytes root = bytes_str(r->e->dir == NULL ? "" : r->e->dir->path);

	value = bytes_trim(value);
	if (root.n > 0 && bytes_starts(value, root)) {
		value = bytes_from(value, root.n);
		while (value.n > 0 && value.p[0] == '/')
			value = bytes_from(value, 1);
	}
	if (bytes_eq(value, BYTES(".")))
		value.n = 0;
	r->meta->has_data_dir = true;
	return text_value(r, value, &r->p->body_sub);
}

static int read_meta(struct reader *r, struct bytes record)
{
	struct bytes value = bytes_from(record, 1);
	uint8_t letter = record.p[0];

	if (letter == ' ' || letter == '\t')
		return invalid(r, "begins with a continuation line");
	if (letter == '\0' || letter == '\n' || letter == '\r')
		return invalid(r, "a line without a letter");
	if (strchr("CQrR", letter) != NULL && r->meta->rcpt_at == SIZE_MAX)
		r->meta->rcpt_at = r->meta->n;
	r->meta->lines[r->meta->n++] = record;
	switch (letter) {
	case 'V':
		return read_version(r, value);
	case 'T':
		return read_time(r, value);
	case 'S':
		return read_sender(r, value);
	case 'R':
		return read_recipient(r, value);
	case '$':
		return read_macro(r, value);
	case 'd':
		return read_data_dir(r, value);
	default:
		return 0;
	}
}

static int allocate(struct reader *r, const struct counts *c)
{
	struct header_list *l = &r->e->headers;

	r->meta = arena_zalloc(r->a, sizeof(*r->meta));
	if (r->meta == NULL)
		return too_large(r);
	*l = (struct header_list){ .cap = c->headers + 16 };
	l->v = arena_array(r->a, l->cap, sizeof(*l->v));
	r->meta->lines = arena_array(r->a, c->metas, sizeof(*r->meta->lines));
	r->meta->rcpt_at = SIZE_MAX;
	if (c->quoted)
		r->p->decoded = arena_alloc(r->a, r->p->raw.n);
	if (l->v == NULL || r->meta->lines == NULL || (c->quoted && r->p->decoded == NULL) ||
	    envelope_begin(&r->env, &r->e->env, c->rcpts, c->address_bytes, r->a) < 0)
		return too_large(r);
	r->p->meta = r->meta;
	return 0;
}

static int read_records(struct reader *r)
{
	struct bytes rest = r->p->raw, record;
	int res = 0;

	while (res == 0 && sendmail_next_record(&rest, &record)) {
		if (record.p[0] == '.') {
			if (sendmail_without_lf(record).n > 1 && record.p[1] != '\r')
				return invalid(r, "something follows the dot that ends the file");
			return rest.n == 0 ? 0 : invalid(r, "data behind the end");
		}
		if (record.p[0] == 'H')
			res = read_header(r, record);
		else
			res = read_meta(r, record);
	}
	return res < 0 ? res : invalid(r, "no end: the file was cut off or is being written");
}

int sendmail_head_parse(struct queue_entry *e, const struct queue_settings *set, struct arena *a,
			struct err *err)
{
	struct reader r = { .e = e, .p = e->format, .a = a, .err = err };
	struct counts c = { 0 };
	int res;

	e->env = (struct envelope){ .client_ip = "0.0.0.0" };
	count(r.p->raw, &c);
	res = allocate(&r, &c);
	if (res == 0)
		res = read_records(&r);
	if (res < 0)
		return res;
	if (!r.has_sender || e->env.to_n == 0)
		return invalid(&r, r.has_sender ? "no recipient" : "no sender");
	envelope_sender(&r.env, r.sender);
	e->env.to_all = MAX_OF(e->env.to_all, e->env.to_n);
	if (set->received_ip_header > 0)
		envelope_received_ip(&e->env, &e->headers, set->received_ip_header, true, a);
	return 0;
}
