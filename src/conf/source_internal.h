/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/source_internal.h - the remembered answers that disk, bundle and memory sources share. */
#ifndef CONF_SOURCE_INTERNAL_H
#define CONF_SOURCE_INTERNAL_H

#include "conf/conf.h"
#include "core/arena.h"

enum conf_question {
	CONF_ASK_READ,
	CONF_ASK_KIND,
	CONF_ASK_GLOB,
	CONF_ASK_ENV,
	CONF_ASK_MADE,
	CONF_ASK_QUERY,
	CONF_QUESTIONS
};

struct conf_answer {
	enum conf_question what;
	bool exec;        /* KIND */
	int code;         /* READ, GLOB, ENV, QUERY: 0 or -errno; KIND: enum conf_kind */
	const char *name; /* what was asked for */
	struct bytes content;
	struct conf_answer *next; /* in its bucket */
};

#define SOURCE_BUCKETS 1024u

struct conf_store {
	struct conf_source ops; /* first: a struct conf_source * is one of us */
	struct arena *arena;
	struct conf_answer *buckets[SOURCE_BUCKETS];
	size_t answers_n;
	struct conf_database *database; /* of a disk source; NULL: none */
	void *map;                      /* of a bundle; contents point into it */
	size_t map_bytes;
};

struct conf_store *conf_store_new(void) MUST_CHECK;
struct conf_answer *conf_store_find(struct conf_store *st, enum conf_question what,
				    const char *name);
/* Add an empty answer for @name, which must not be there. NULL: no memory. */
struct conf_answer *conf_store_add(struct conf_store *st, enum conf_question what,
				   const char *name);
/* What a bundle calls the question @q, which says nothing of how to get there. NULL: no memory. */
const char *conf_store_query_name(struct conf_store *st, const struct conf_query *q);
/* Answer only what is stored. */
void conf_store_answer_only(struct conf_store *st);

#endif
