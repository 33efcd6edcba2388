/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/sendmail_head.h - sendmail's qf file as text: reading and writing, no files. */
#ifndef QUEUE_SENDMAIL_HEAD_H
#define QUEUE_SENDMAIL_HEAD_H

#include "queue/pair.h"

/* pair_entry.meta */
struct sendmail_meta {
	struct bytes *lines; /* all but headers and the end, each with its LF, folded lines whole */
	size_t n;
	size_t rcpt_at; /* the first line of a recipient */
	bool has_data_dir;
};

/* Before a byte of sendmail's internal range (0x80-0x9f, 0xff) that came from outside. */
#define SENDMAIL_QUOTE 0xff

/* Name of the macro that tells what message an entry was split from. */
#define SENDMAIL_SPLIT_FROM "{sallyport_split}"

/* Take the next line with its continuation lines and last LF off @rest; false: none left. */
bool sendmail_next_record(struct bytes *rest, struct bytes *ret);
struct bytes sendmail_without_lf(struct bytes record);

/* As pair_format's parse(), is_verbatim(), can_copy() and build(). */
int sendmail_head_parse(struct queue_entry *e, const struct queue_settings *set, struct arena *a,
			struct err *err) MUST_CHECK;
bool sendmail_head_is_verbatim(const struct pair_entry *p, struct bytes text);
bool sendmail_head_can_copy(const struct pair_entry *p);
void sendmail_head_build(const struct pair_build *b, struct sink *s);

#endif
