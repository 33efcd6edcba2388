/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/sendmail_write.c - lines of sendmail's qf file, and writing it: what did not change goes
 * out as it came. */
#include "queue/sendmail_head.h"

bool sendmail_next_record(struct bytes *rest, struct bytes *ret)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	do {
		ptrdiff_t lf = bytes_index(bytes_from(*rest, n), '\n');

		n = lf < 0 ? rest->n : n + (size_t)lf + 1;
	} while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'));
	*ret = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return true;
}

struct bytes sendmail_without_lf(struct bytes record)
{
	return record.n > 0 && record.p[record.n - 1] == '\n' ? bytes_head(record, record.n - 1)
							      : record;
}

static bool inside(struct bytes text, const uint8_t *p, size_t n)
{
	return p != NULL && text.p >= p && text.p < p + n;
}

/* The bytes of the file that @text was read from, if it is one whole header's text. */
static bool find_verbatim(const struct pair_entry *p, struct bytes text, struct bytes *ret)
{
	bool was_decoded = inside(text, p->decoded, p->raw.n);
	struct bytes rest, record;
	size_t n;

	if (!was_decoded && !inside(text, p->raw.p, p->raw.n))
		return false;
	rest = bytes_from(p->raw, (size_t)(text.p - (was_decoded ? p->decoded : p->raw.p)));
	if (!sendmail_next_record(&rest, &record))
		return false;
	record = sendmail_without_lf(record);
	n = record.n;
	for (size_t i = 0; was_decoded && i < record.n; i++)
		if (record.p[i] == SENDMAIL_QUOTE && i + 1 < record.n) {
			i++;
			n--;
		}
	*ret = record;
	return n == text.n;
}

bool sendmail_head_is_verbatim(const struct pair_entry *p, struct bytes text)
{
	struct bytes ignored;

	return find_verbatim(p, text, &ignored);
}

bool sendmail_head_can_copy(const struct pair_entry *p)
{
	const struct sendmail_meta *meta = p->meta;

	return !meta->has_data_dir;
}

static void add_encoded(struct sink *s, struct bytes text)
{
	static const uint8_t quote = SENDMAIL_QUOTE;

	for (size_t from = 0, i = 0; i <= text.n; i++) {
		bool internal = i < text.n && ((text.p[i] >= 0x80 && text.p[i] <= 0x9f) ||
					       text.p[i] == SENDMAIL_QUOTE);

		if (i < text.n && !internal)
			continue;
		sink_add(s, bytes_of(text.p + from, i - from));
		if (internal)
			sink_add(s, bytes_of(&quote, 1));
		from = i;
	}
}

static void add_recipients(struct sink *s, const struct queue_change *change)
{
	for (size_t i = 0; i < change->add_to_n; i++) {
		sink_text(s, "RP:<");
		add_encoded(s, bytes_str(change->add_to[i]));
		sink_text(s, ">\n");
	}
}

/* Lines that say something of the recipient below them. */
static bool is_of_recipient(const struct sendmail_meta *meta, size_t i)
{
	return i >= meta->rcpt_at && strchr("CMQrR", meta->lines[i].p[0]) != NULL;
}

/*
 * The recipients of one part. Lines before an R line belong to it, but for C, the user whose rights
 * all recipients below have, until the next one: these all stay.
 */
static void add_part_recipients(struct sink *s, const struct sendmail_meta *meta,
				const struct pair_part *part)
{
	size_t from = meta->rcpt_at, rcpt = 0;

	for (size_t i = meta->rcpt_at; i < meta->n; i++) {
		uint8_t letter = meta->lines[i].p[0];

		if (letter == 'C' || !is_of_recipient(meta, i))
			sink_add(s, meta->lines[i]);
		if (letter != 'R')
			continue;
		if (part->of[rcpt++] == part->number)
			for (size_t k = from; k <= i; k++)
				if (meta->lines[k].p[0] != 'C' && is_of_recipient(meta, k))
					sink_add(s, meta->lines[k]);
		from = i + 1;
	}
}

/* In the queue the message came from: also where the body lies. */
static void add_part(struct sink *s, const struct pair_build *b, const struct sendmail_meta *meta)
{
	char mark[SPLIT_MARK_MAX];

	for (size_t i = 0; i < MIN_OF(meta->rcpt_at, meta->n); i++)
		sink_add(s, meta->lines[i]);
	if (!b->e->env.split_mark) {
		sink_text(s, "$" SENDMAIL_SPLIT_FROM);
		sink_text(s, envelope_split_mark(b->e, mark));
		sink_text(s, "\n");
	}
	add_part_recipients(s, meta, b->part);
}

/* New recipients come before the old ones: behind them a C line would make them its alias. */
static void add_metas(struct sink *s, const struct sendmail_meta *meta,
		      const struct queue_change *change)
{
	for (size_t i = 0; i < meta->n; i++) {
		if (i == meta->rcpt_at)
			add_recipients(s, change);
		if (change->drop_to && is_of_recipient(meta, i))
			continue;
		/* The body is always beside the header file in the outgoing queue. */
		if (meta->lines[i].p[0] != 'd')
			sink_add(s, meta->lines[i]);
	}
}

static void add_header(struct sink *s, const struct pair_entry *p, const struct header *h)
{
	struct bytes verbatim;

	if (h->deleted)
		return;
	sink_text(s, "H");
	if (find_verbatim(p, h->text, &verbatim)) {
		sink_add(s, h->mark);
		sink_add(s, verbatim);
	} else {
		if (h->mark.n > 0)
			sink_add(s, h->mark);
		else
			sink_text(s, "??");
		add_encoded(s, h->text);
	}
	sink_text(s, "\n");
}

void sendmail_head_build(const struct pair_build *b, struct sink *s)
{
	const struct pair_entry *p = b->e->format;
	const struct header_list *l = b->change->headers;

	if (l == NULL)
		l = &b->e->headers;
	if (b->part != NULL)
		add_part(s, b, p->meta);
	else
		add_metas(s, p->meta, b->change);
	for (size_t i = 0; i < l->n; i++)
		add_header(s, p, &l->v[i]);
	sink_text(s, ".\n");
}
