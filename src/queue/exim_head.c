/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/exim_head.c - reading Exim's -H file: four fixed lines, options, the tree of addresses not
 * to deliver to, recipients, an empty line, headers with their length before them.
 */
#include "queue/exim_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/num.h"

struct reader {
	struct queue_entry *e;
	struct exim_meta *meta;
	struct bytes rest;
	const char *why; /* set with -EBADMSG */
	struct bytes *done;
	size_t done_n; /* names of the tree, sorted */
	struct arena *a;
};

static int bad(struct reader *r, const char *why)
{
	r->why = why;
	return -EBADMSG;
}

/* What was taken off since @start. */
static struct bytes since(const struct reader *r, struct bytes start)
{
	return bytes_head(start, start.n - r->rest.n);
}

static bool take_line(struct reader *r, struct bytes *ret_line)
{
	return bytes_index(r->rest, '\n') >= 0 && bytes_next_line(&r->rest, ret_line);
}

/* --- the four lines at the beginning --- */

/* "login uid gid"; the login may hold blanks, and old ids may be negative. */
static bool is_user_line(struct bytes line)
{
	for (int i = 0; i < 2; i++) {
		size_t n = line.n;

		while (n > 0 && (ascii_is_digit(line.p[n - 1]) || line.p[n - 1] == '-'))
			n--;
		if (n == line.n || n == 0 || line.p[n - 1] != ' ')
			return false;
		line.n = n - 1;
	}
	return true;
}

static int read_time(struct reader *r, struct bytes line)
{
	struct bytes warnings;
	uint64_t s, n;

	if (num_take(&line, INT64_MAX, &s) < 0 || !bytes_next_word(&line, &warnings) ||
	    num_parse(warnings, 10, INT32_MAX, &n) < 0)
		return bad(r, "the time line is not two numbers");
	r->e->env.received_s = (int64_t)s;
	return 0;
}

static int read_start(struct reader *r, struct bytes *ret_sender)
{
	struct bytes start = r->rest, line;
	size_t id_n = strlen(r->e->id);

	if (!take_line(r, &line) || line.n != id_n + 2 || memcmp(line.p, r->e->id, id_n) != 0 ||
	    memcmp(line.p + id_n, "-H", 2) != 0)
		return bad(r, "does not begin with its own name");
	if (!take_line(r, &line) || !is_user_line(line))
		return bad(r, "no user line");
	if (!take_line(r, &line) || line.n < 2 || line.p[0] != '<' || line.p[line.n - 1] != '>')
		return bad(r, "no sender line");
	*ret_sender = bytes_from(bytes_head(line, line.n - 1), 1);
	if (!take_line(r, &line))
		return bad(r, "no time line");
	r->meta->start = since(r, start);
	return read_time(r, line);
}

/* --- options --- */

/* "[address]:port"; very old files have "address.port". */
static const char *host_address(struct reader *r, struct bytes value)
{
	const char *ip = text_bracketed_ip(value, false, r->a);
	unsigned dots = 0;
	char old[64];
	int n;

	if (ip != NULL)
		return ip;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '.' && ++dots == 4)
			value.n = i;
	n = snprintf(old, sizeof(old), "[%.*s]", (int)MIN_OF(value.n, sizeof(old)),
		     (const char *)value.p);
	if (n < (int)sizeof(old))
		ip = text_bracketed_ip(bytes_str(old), false, r->a);
	return ip == NULL ? "127.0.0.1" : ip;
}

static int read_option(struct reader *r, const struct exim_option *o)
{
	struct envelope *env = &r->e->env;
	const char **text = NULL;

	if (bytes_eq(o->name, BYTES("host_address")))
		env->client_ip = host_address(r, o->value);
	else if (bytes_eq(o->name, BYTES("helo_name")))
		text = &env->client_name;
	else if (bytes_eq(o->name, BYTES("host_name")) && env->client_name == NULL)
		text = &env->client_name;
	else if (bytes_eq(o->name, BYTES("received_protocol")))
		env->authenticated |= text_protocol_authenticated(o->value);
	else if (bytes_eq(o->name, BYTES("auth_id")))
		text = &env->auth_id;
	else if (bytes_eq(o->name, BYTES(EXIM_SPLIT_FROM)))
		return envelope_split(env, r->e->id, o->value, r->a);
	else if (bytes_eq(o->name, BYTES("spool_file_wireformat")))
		r->meta->wire_format = true;
	if (text != NULL) {
		*text = arena_str(r->a, o->value);
		if (*text == NULL)
			return -ENOMEM;
		env->authenticated |= text == &env->auth_id && o->value.n > 0;
	}
	return 0;
}

static int read_options(struct reader *r)
{
	struct bytes start = r->rest;
	int res = 0;

	while (res == 0 && r->rest.n > 0 && r->rest.p[0] == '-') {
		struct exim_option o;

		res = exim_next_option(&r->rest, &o, &r->why);
		if (res == 0)
			res = read_option(r, &o);
	}
	r->meta->options = since(r, start);
	return res;
}

/* --- the tree --- */

static bool is_flag(uint8_t c)
{
	return c == 'Y' || c == 'N';
}

/* Nodes in preorder, each with flags for a left and a right child: no stack is needed to know when
 * the last one has come. @names: where they go; NULL: only count. */
static int walk_tree(struct reader *r, struct bytes *names, size_t *ret_n)
{
	uint64_t open = 1;
	size_t n = 0;

	while (open > 0) {
		struct bytes line;

		if (!take_line(r, &line) || line.n < 4 || !is_flag(line.p[0]) ||
		    !is_flag(line.p[1]) || line.p[2] != ' ')
			return bad(r, "the tree of delivered addresses is broken");
		open = open - 1 + (line.p[0] == 'Y') + (line.p[1] == 'Y');
		if (names != NULL)
			names[n] = bytes_from(line, 3);
		n++;
	}
	*ret_n = n;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN_OF(x->n, y->n));

	return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static int read_tree(struct reader *r)
{
	struct bytes start = r->rest, line;
	int res;

	if (bytes_starts(r->rest, BYTES("XX\n"))) {
		(void)take_line(r, &line);
		r->meta->tree = since(r, start);
		return 0;
	}
	res = walk_tree(r, NULL, &r->done_n);
	if (res < 0)
		return res;
	r->meta->tree = since(r, start);
	r->done = arena_array(r->a, r->done_n, sizeof(*r->done));
	if (r->done == NULL)
		return -ENOMEM;
	r->rest = start;
	res = walk_tree(r, r->done, &r->done_n);
	qsort(r->done, r->done_n, sizeof(*r->done), by_bytes);
	return res;
}

static bool is_done(const struct reader *r, struct bytes address)
{
	return r->done_n > 0 &&
	       bsearch(&address, r->done, r->done_n, sizeof(*r->done), by_bytes) != NULL;
}

/* --- recipients --- */

/* How many recipients are still to be delivered to, and the bytes of their addresses. */
static int count_recipients(struct reader *r, size_t *ret_n, size_t *ret_bytes)
{
	struct bytes line, address;

	*ret_n = *ret_bytes = 0;
	for (uint64_t i = 0; i < r->meta->rcpts_n; i++) {
		if (!take_line(r, &line))
			return bad(r, "fewer recipients than it says");
		if (exim_recipient(line, &address) < 0)
			return bad(r, "a recipient line that is not understood");
		if (!is_done(r, address)) {
			++*ret_n;
			*ret_bytes += address.n;
		}
	}
	return 0;
}

static int read_recipients(struct reader *r, struct bytes sender)
{
	struct bytes line, start, rest, address;
	struct envelope_builder env;
	size_t n, text_bytes;
	int res;

	if (!take_line(r, &line) ||
	    num_parse(bytes_trim(line), 10, r->rest.n, &r->meta->rcpts_n) < 0)
		return bad(r, "no recipient count");
	start = r->rest;
	res = count_recipients(r, &n, &text_bytes);
	if (res < 0)
		return res;
	rest = r->meta->rcpts = since(r, start);
	if (n == 0)
		return bad(r, "no recipient that is not delivered yet");
	if (envelope_begin(&env, &r->e->env, n, text_bytes + sender.n, r->a) < 0)
		return -ENOMEM;
	envelope_sender(&env, sender);
	while (bytes_next_line(&rest, &line))
		if (exim_recipient(line, &address) == 0 && !is_done(r, address))
			envelope_recipient(&env, address);
	if (!take_line(r, &line) || line.n > 0)
		return bad(r, "no empty line after the recipients");
	return 0;
}

/* --- headers --- */

static int read_headers(struct reader *r)
{
	struct header_list *l = &r->e->headers;
	struct bytes rest = r->rest;
	struct header h;
	int res;

	*l = (struct header_list){ .cap = 16 };
	while ((res = exim_next_header(&rest, &h, &r->why)) == 1)
		l->cap++;
	if (res < 0)
		return res;
	l->v = arena_array(r->a, l->cap, sizeof(*l->v));
	if (l->v == NULL)
		return -ENOMEM;
	while (exim_next_header(&r->rest, &h, &r->why) == 1)
		l->v[l->n++] = h;
	return 0;
}

static int read_all(struct reader *r)
{
	struct bytes sender;
	int res;

	/* Exim never writes one; blocks of them stand in files that a crash cut off. */
	if (bytes_index(r->rest, '\0') >= 0)
		return bad(r, "holds NUL bytes");
	res = read_start(r, &sender);
	if (res == 0)
		res = read_options(r);
	if (res == 0)
		res = read_tree(r);
	if (res == 0)
		res = read_recipients(r, sender);
	return res < 0 ? res : read_headers(r);
}

int exim_head_parse(struct queue_entry *e, const struct queue_settings *set, struct arena *a,
		    struct err *err)
{
	struct pair_entry *p = e->format;
	struct reader r = { .e = e, .rest = p->raw, .a = a };
	int res = -ENOMEM;

	e->env = (struct envelope){ .client_ip = "127.0.0.1" };
	r.meta = p->meta = arena_zalloc(a, sizeof(*r.meta));
	if (r.meta != NULL)
		res = read_all(&r);
	if (res == -ENOMEM)
		return err_set(err, ERR_LIMIT, res, "%s-H: more than the message memory allows",
			       e->id);
	if (res < 0)
		return err_set(err, ERR_INPUT, res, "%s-H: %s", e->id, r.why);
	e->env.to_all = MAX_OF(e->env.to_all, e->env.to_n);
	if (set->received_ip_header > 0)
		envelope_received_ip(&e->env, &e->headers, set->received_ip_header, false, a);
	return 0;
}
