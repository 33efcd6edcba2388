/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/exim_write.c - writing Exim's -H file: pieces that did not change go out as they came. */
#include <stdio.h>

#include "queue/exim_head.h"

/* The letters that Exim gives to headers it looks at, as its own receiving code does. */
static const struct {
	const char *name;
	char letter;
	bool resent; /* Resent-NAME has the letter, too */
} letters[] = {
	{ "Bcc", 'B', true },        { "Cc", 'C', true },        { "From", 'F', true },
	{ "Message-ID", 'I', true }, { "Reply-To", 'R', false }, { "Sender", 'S', true },
	{ "To", 'T', true },         { "Received", 'P', false },
};

static uint8_t letter_of(struct bytes text)
{
	struct bytes name = header_name(text);
	bool resent = bytes_starts_nocase(name, BYTES("Resent-"));

	if (resent)
		name = bytes_from(name, 7);
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (bytes_eq_nocase(name, bytes_str(letters[i].name)) &&
		    (!resent || letters[i].resent))
			return (uint8_t)letters[i].letter;
	return ' ';
}

bool exim_head_is_verbatim(const struct pair_entry *p, struct bytes text)
{
	const uint8_t *end = p->raw.p + p->raw.n, *start = text.p;
	struct bytes rest;
	struct header h;
	const char *why;

	/* Its length stands before it: "012F ". */
	if (text.p < p->raw.p + 3 || text.p >= end)
		return false;
	start -= 2;
	while (start > p->raw.p && ascii_is_digit(start[-1]))
		start--;
	rest = bytes_of(start, (size_t)(end - start));
	return exim_next_header(&rest, &h, &why) == 1 && h.text.p == text.p && h.text.n == text.n;
}

bool exim_head_can_copy(const struct pair_entry *p)
{
	(void)p;
	return true;
}

static void add_number(struct sink *s, const char *before, uint64_t n)
{
	char buf[64];

	(void)snprintf(buf, sizeof(buf), "%s%llu\n", before, (unsigned long long)n);
	sink_text(s, buf);
}

/*
 * Lines that count the body are made anew for a new body. wireformat says that each of its lines
 * ends in CR LF; a new body may be otherwise, and then Exim must add the CRs itself.
 */
static void add_options(struct sink *s, const struct exim_meta *meta, const struct queue_copied *c)
{
	bool wire = meta->wire_format && c->lines == c->crlf_lines;
	struct bytes rest = meta->options;
	struct exim_option o;
	const char *why;

	while (rest.n > 0 && exim_next_option(&rest, &o, &why) == 0) {
		bool is_lines = bytes_eq(o.name, BYTES("body_linecount"));
		bool is_wire = bytes_eq(o.name, BYTES("spool_file_wireformat"));

		if ((is_lines || is_wire) && !wire)
			add_number(s, "-body_linecount ", c->lines);
		else if (!bytes_eq(o.name, BYTES("body_zerocount")))
			sink_add(s, o.raw);
	}
	if (c->nuls > 0)
		add_number(s, "-body_zerocount ", c->nuls);
}

static void add_recipients(struct sink *s, const struct exim_meta *meta,
			   const struct queue_change *change)
{
	add_number(s, "", (change->drop_to ? 0 : meta->rcpts_n) + change->add_to_n);
	if (!change->drop_to)
		sink_add(s, meta->rcpts);
	for (size_t i = 0; i < change->add_to_n; i++) {
		sink_text(s, change->add_to[i]);
		sink_text(s, "\n");
	}
}

/* What Exim notes behind an address can name another recipient by its number in the list: there is
 * no such number any more. */
static void add_rcpt_line(struct sink *s, struct bytes line, struct bytes address)
{
	size_t hash = line.n, comma;
	struct bytes alone;

	while (hash > address.n && line.p[hash - 1] != '#')
		hash--;
	for (comma = hash; comma > address.n && line.p[comma - 1] != ',';)
		comma--;
	if (hash > address.n && ((line.p[line.n - 1] - '0') & 1) != 0) {
		sink_add(s, bytes_head(line, comma));
		sink_text(s, "-1");
		sink_add(s, bytes_from(line, hash - 1));
	} else if (hash == address.n && exim_recipient(address, &alone) == 0 &&
		   bytes_eq(alone, address)) { /* the old forms: nothing but that number */
		sink_add(s, address);
	} else {
		sink_add(s, line);
	}
	sink_text(s, "\n");
}

/* The recipients of one part. Those that are delivered already are not in the envelope. */
static void add_part_recipients(struct sink *s, const struct pair_build *b,
				const struct exim_meta *meta)
{
	const struct envelope *env = &b->e->env;
	const struct pair_part *part = b->part;
	struct bytes rest = meta->rcpts, line, address;
	uint64_t n = 0;

	for (size_t i = 0; i < env->to_n; i++)
		n += part->of[i] == part->number;
	add_number(s, "", n);
	for (size_t i = 0; i < env->to_n && bytes_next_line(&rest, &line);) {
		if (exim_recipient(line, &address) < 0 ||
		    !bytes_eq(address, bytes_str(env->to_verbatim[i])))
			continue;
		if (part->of[i++] == part->number)
			add_rcpt_line(s, line, address);
	}
}

static void add_part_start(struct sink *s, const struct pair_build *b, const struct exim_meta *meta)
{
	char mark[SPLIT_MARK_MAX];

	sink_text(s, b->part->id);
	sink_add(s, bytes_from(meta->start, strlen(b->e->id)));
	sink_add(s, meta->options);
	if (!b->e->env.split_mark) {
		sink_text(s, "-" EXIM_SPLIT_FROM " ");
		sink_text(s, envelope_split_mark(b->e, mark));
		sink_text(s, "\n");
	}
	sink_add(s, meta->tree);
	add_part_recipients(s, b, meta);
}

static void add_start(struct sink *s, const struct pair_build *b, const struct exim_meta *meta)
{
	sink_add(s, meta->start);
	if (b->body != NULL)
		add_options(s, meta, b->body);
	else
		sink_add(s, meta->options);
	sink_add(s, meta->tree);
	add_recipients(s, meta, b->change);
}

/* Deleted headers stay in the file, marked, as Exim does it. */
static void add_header(struct sink *s, const struct header *h)
{
	uint8_t letter = h->mark.n > 0 ? h->mark.p[0] : letter_of(h->text);
	char buf[32];

	if (h->deleted)
		letter = '*';
	(void)snprintf(buf, sizeof(buf), "%03zu%c ", h->text.n + 1, letter);
	sink_text(s, buf);
	sink_add(s, h->text);
	sink_text(s, "\n");
}

void exim_head_build(const struct pair_build *b, struct sink *s)
{
	const struct pair_entry *p = b->e->format;
	const struct exim_meta *meta = p->meta;
	const struct header_list *l = b->change->headers;

	if (l == NULL)
		l = &b->e->headers;
	if (b->part != NULL)
		add_part_start(s, b, meta);
	else
		add_start(s, b, meta);
	sink_text(s, "\n");
	for (size_t i = 0; i < l->n; i++)
		add_header(s, &l->v[i]);
}
