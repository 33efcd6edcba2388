/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/exim_head.h - Exim's -H file as text: reading and writing, no files. */
#ifndef QUEUE_EXIM_HEAD_H
#define QUEUE_EXIM_HEAD_H

#include "queue/pair.h"

/* pair_entry.meta: the file in four pieces, each with its last LF; the headers follow. */
struct exim_meta {
	struct bytes start;   /* id, user, sender and time lines */
	struct bytes options; /* "-name value" lines with the data of acl variables */
	struct bytes tree;    /* addresses that are not to be delivered to (any more) */
	struct bytes rcpts;   /* the recipient lines, without the count before them */
	uint64_t rcpts_n;
	bool wire_format; /* option spool_file_wireformat: the body has CR LF line ends */
};

/* One step of reading: takes a piece off @rest. A negative answer leaves why in @ret_why. */
struct exim_option {
	struct bytes name, value; /* "-body_linecount 3": body_linecount, 3; taint marks dropped */
	struct bytes raw;         /* the whole line, and the data of an acl variable */
};

int exim_next_option(struct bytes *rest, struct exim_option *ret, const char **ret_why) MUST_CHECK;
/* 1 with *@ret_h, 0 at the end, or -EBADMSG. */
int exim_next_header(struct bytes *rest, struct header *ret_h, const char **ret_why) MUST_CHECK;
/* The address of a recipient line, without what Exim notes behind it. -EBADMSG: unclear. */
int exim_recipient(struct bytes line, struct bytes *ret_address) MUST_CHECK;

/* Name of the option that tells what message an entry was split from: Exim passes over options it
 * does not know. */
#define EXIM_SPLIT_FROM "sallyport_split"

/* As pair_format's parse(), is_verbatim(), can_copy() and build(). */
int exim_head_parse(struct queue_entry *e, const struct queue_settings *set, struct arena *a,
		    struct err *err) MUST_CHECK;
bool exim_head_is_verbatim(const struct pair_entry *p, struct bytes text);
bool exim_head_can_copy(const struct pair_entry *p);
void exim_head_build(const struct pair_build *b, struct sink *s);

#endif
