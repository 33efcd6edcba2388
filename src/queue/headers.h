/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/headers.h - the header lines of one message, as a queue format keeps them and as actions
 * edit them. Lines that nobody edits are written back byte for byte.
 */
#ifndef QUEUE_HEADERS_H
#define QUEUE_HEADERS_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/bytes.h"

struct header {
	struct bytes text; /* "Name: value", folded lines included, no LF at the end */
	struct bytes mark; /* the queue format's own flags, verbatim (sendmail "?x?", Exim type
			    * letter); empty for a header we added */
	bool deleted;      /* not delivered; Exim keeps such a header with flag '*' */
};

/* Grows in the message's arena; order is the order in the message. */
struct header_list {
	struct header *v;
	size_t n, cap;
};

/* Append or insert at @at (<= n). -ENOMEM: the arena's ceiling. @text is lent, not copied. */
int header_list_insert(struct header_list *l, struct arena *a, size_t at,
		       struct header h) MUST_CHECK;

/* Texts must not be changed in place: an edit makes a new text and leaves or empties @mark. A
 * format knows its own, untouched texts by their address and writes them as they were read. */

/* Name part of a header line (before ':', blanks before the colon dropped); empty: no header. */
struct bytes header_name(struct bytes text);
/* Value part, without blanks at both ends; still folded. */
struct bytes header_value(struct bytes text);
/* Index of the first header named @name (any case) that is not deleted, from @from on; -1: none. */
ptrdiff_t header_find(const struct header_list *l, struct bytes name, size_t from);

#endif
