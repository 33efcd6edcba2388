/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/pair.h - queue formats with a header file and a body file for each message. Everything on
 * disk is done once for all of them, in pair_claim.c and pair_stage.c; a format says how files are
 * named and how the header file reads. States on disk: docs/durability.md.
 */
#ifndef QUEUE_PAIR_H
#define QUEUE_PAIR_H

#include "queue/queue_internal.h"

enum pair_file {
	PAIR_HEAD,
	PAIR_BODY,
	PAIR_TEMP_HEAD, /* ours: names that the MTA never uses or looks at */
	PAIR_TEMP_BODY,
	PAIR_SPLIT_HEAD, /* ours, in the incoming queue: the header file with fewer recipients */
	PAIR_PROOF,      /* link to the incoming body while a rewritten one stands in its place */
	PAIR_FILES
};

struct pair_affix {
	const char *before, *after; /* the id */
};

#define PAIR_NAME_MAX (QUEUE_ID_MAX + 8)
#define PAIR_OTHERS   2

/* queue_entry.format of these formats. */
struct pair_entry {
	struct bytes raw; /* the header file; header texts point into it or into @decoded */
	/* As long as @raw, each text at its old offset; NULL when nothing had to be decoded. */
	uint8_t *decoded;
	struct stat head_st, body_st;
	int head_dir, body_dir; /* lent by the queue directory */
	ino_t head_dir_inode;
	int lock_fd, body_fd;
	int proof_dir;        /* where a PAIR_PROOF of this message is; -1: nowhere */
	bool in_sub;          /* a sub-directory of the queue directory */
	bool leftovers;       /* an earlier run left files in the outgoing queue */
	const char *body_sub; /* sub-directory of the body, when the header file names one */
	void *meta;           /* of the format */
};

/* What the header file is built from. */
struct pair_build {
	const struct queue_entry *e;
	const struct queue_change *change;
	const struct queue_copied *body; /* what was found in the new body; NULL: the old body */
	const struct pair_part *part;    /* NULL: of the whole message */
};

/* One of the entries that a message becomes in its own queue. */
struct pair_part {
	const char *id;
	const uint32_t *of; /* the part of each recipient */
	uint32_t number;    /* this one; 0 keeps the id */
};

struct pair_format {
	struct pair_affix names[PAIR_FILES];
	struct pair_affix other_heads[PAIR_OTHERS]; /* the MTA may rename a header file to these */
	bool lock_body;                             /* the MTA locks the body file */
	const char *body_line; /* first line of a body file: id and this; NULL: none */
	bool body_needs_lf;    /* the MTA takes it for granted that a body ends with one */
	bool (*is_id)(struct bytes id);
	/* An id as the MTA would make it, that goes to the same directory as @old. */
	void (*new_id)(char ret[QUEUE_ID_MAX], const char *old, const struct queue_numbers *n);
	/* False: @id is never in that directory. */
	bool (*may_hold)(const struct queue_sub *s, const char *id);
	/* The directory of the outgoing queue that @id goes to. */
	int (*target)(struct queue_dir *out, const char *id, struct queue_sub **ret_s,
		      struct err *err);
	/* From e->format->raw: envelope, headers, @body_sub, @meta. */
	int (*parse)(struct queue_entry *e, const struct queue_settings *set, struct arena *a,
		     struct err *err);
	/* The very bytes of one header of the file that was read. */
	bool (*is_verbatim)(const struct pair_entry *p, struct bytes text);
	/* The header file may be written again as it was read. */
	bool (*can_copy)(const struct pair_entry *p);
	void (*build)(const struct pair_build *b, struct sink *s);
	void (*remove_more)(const struct pair_entry *p,
			    const char *id); /* what else belongs to a message */
};

static inline const struct pair_format *pair_of(const struct queue_dir *d)
{
	return d->ops->pair;
}

static inline bool pair_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* pair_claim.c: the functions of struct queue_ops. */
int pair_claim(struct queue_dir *in, struct queue_dir *out, const char *id, struct arena *a,
	       struct queue_entry *ret_e, struct err *err);
int pair_remove(struct queue_entry *e, int *ret_dir_fd, struct err *err);
int pair_copy_files(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err);
bool pair_name_to_id(const struct queue_dir *d, const char *name, bool listed,
		     char ret_id[QUEUE_ID_MAX]);

/* pair_stage.c */
int pair_stage(struct queue_entry *e, struct queue_dir *out, const struct queue_change *change,
	       struct arena *a, struct queue_staged *ret_s, struct err *err);
int pair_publish(struct queue_staged *s, struct err *err);
void pair_unstage(struct queue_staged *s);
/* Rename; @replace: an older file of ours may stand there, any other must not be lost. */
int pair_move(int dir_fd, const char *from, const char *to, bool replace, const char *point,
	      struct err *err) MUST_CHECK;

/* pair_split.c */
int pair_split_begin(struct queue_split *s, const uint32_t *part_of, struct queue_numbers *numbers,
		     struct arena *a, struct err *err);
int pair_split_more(struct queue_split *s, struct err *err);
int pair_split_publish(struct queue_split *s, struct err *err);
int pair_split_reduce(struct queue_split *s, struct err *err);
void pair_split_undo(struct queue_split *s);
void pair_sweep(const struct queue_dir *d, const struct queue_sub *s, const char *name);

/* pair_look.c */

/* @name without @affix, if that is an id. */
bool pair_id_in(const struct pair_format *f, const struct pair_affix *affix, const char *name,
		char ret_id[QUEUE_ID_MAX]);
/* 1 when the MTA sees a header file of @id in @s, 0, or an error. */
int pair_is_visible(const struct pair_format *f, int head_fd, const char *id,
		    struct err *err) MUST_CHECK;

/* "qf" + id, id + "-H": into @buf. */
const char *pair_path(char buf[PAIR_NAME_MAX], const struct pair_affix *affix, const char *id);

/* What an outgoing directory holds under the id of a message. */
struct pair_look {
	bool body;      /* a body file */
	bool same_body; /* it is the incoming one, linked */
	bool proof;     /* our link to the incoming one is there */
	bool visible;   /* a header file, which the MTA sees; asked only if @body or @proof */
};

int pair_look(const struct pair_format *f, const struct queue_sub *s, const char *id,
	      const struct stat *body_st, struct pair_look *ret, struct err *err) MUST_CHECK;

/* Remove these files (bits 1u << PAIR_...), all of them ours and invisible to the MTA. */
void pair_clear(const struct pair_format *f, int head_dir, int body_dir, const char *id,
		unsigned files);

/* An outgoing directory that is the incoming one would make every message its own proof. */
int pair_check_apart(const struct queue_entry *e, const struct queue_dir *out,
		     const struct queue_sub *s, struct err *err) MUST_CHECK;

/* The bytes of the header file that @b describes, in @a. */
int pair_build_head(const struct pair_format *f, const struct pair_build *b, struct arena *a,
		    struct bytes *ret, struct err *err) MUST_CHECK;

#endif
