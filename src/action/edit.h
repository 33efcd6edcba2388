/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * action/edit.h - MailScanner's header editing primitives and the header rows it writes
 * on delivery, on a queue entry's header list. Pure: no I/O.
 */
#ifndef ACTION_EDIT_H
#define ACTION_EDIT_H

#include <stdbool.h>

#include "conf/conf.h"
#include "core/arena.h"
#include "core/err.h"
#include "queue/headers.h"
#include "queue/queue.h"

struct edit {
	struct header_list *list;
	struct arena *arena;
	bool at_top; /* Place New Headers At Top Of Message; set by edit_for_delivery() */
	bool dkim;   /* with Multiple Headers = add: Replace deletes nothing; set there, too */
	bool failed; /* the arena is full: check once, at the end */
};

/* @name with or without ':' at the end. */
void edit_replace(struct edit *e, const char *name, const char *value);
void edit_add(struct edit *e, const char *name, const char *value);
/* Replace by the @n texts of @v, sorted, each once, folded at commas to 75 columns. */
void edit_replace_list(struct edit *e, const char *name, const char *const *v, size_t n);
void edit_append(struct edit *e, const char *name, const char *value, const char *separator);
void edit_prepend(struct edit *e, const char *name, const char *value, const char *separator);
void edit_uniq(struct edit *e, const char *name);
/* @name, or "/regular expression/" on the whole line. -EINVAL (ERR_CONFIG): it does not compile. */
int edit_delete(struct edit *e, const char *name, struct err *err) MUST_CHECK;
bool edit_starts_with(const struct edit *e, const char *name, const char *text);
bool edit_ends_with(const struct edit *e, const char *name, const char *text);
enum edit_multiple { EDIT_APPEND, EDIT_REPLACE, EDIT_ADD };
void edit_multiple(struct edit *e, enum edit_multiple how, const char *name, const char *value);

/* How a message leaves, for the value of the Mail Header. */
enum edit_outcome { EDIT_CLEAN, EDIT_INFECTED, EDIT_UNSCANNED, EDIT_DISINFECTED, EDIT_UNTOUCHED };

/* The options that edit_for_delivery() asks for with @outcome: into @ret, at most @max. Returns how
 * many there are. Recipients with equal values of these get equal headers. */
size_t edit_options(enum edit_outcome outcome, enum opt_id *ret, size_t max);

/* All rows of e17 that need no spam verdict, in its order. @who selects values of rulesets.
 * EDIT_UNTOUCHED changes nothing. */
int edit_for_delivery(struct edit *e, const struct conf *c, const struct conf_who *who,
		      const struct queue_entry *entry, enum edit_outcome outcome,
		      struct err *err) MUST_CHECK;

#endif
