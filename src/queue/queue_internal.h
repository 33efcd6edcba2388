/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/queue_internal.h - what the files of this folder share: one opened directory, the table a
 * queue format fills, and small helpers on files. A format that keeps header and body in two files
 * (sendmail, Exim) fills a struct pair_format (pair.h) instead of most of the table.
 */
#ifndef QUEUE_QUEUE_INTERNAL_H
#define QUEUE_QUEUE_INTERNAL_H

#include <dirent.h>
#include <sys/stat.h>

#include "queue/queue.h"

#define QUEUE_SUBS_MAX 256 /* directories of one queue; sendmail and Exim sites have at most 62 */

/* One directory that holds queue files; number i of a queue is also number i of its watches. */
struct queue_sub {
	char *path;           /* where header files appear */
	char *name;           /* below the queue directory; "" is the queue directory itself */
	int base_fd;          /* the directory itself */
	int head_fd, body_fd; /* base_fd, or its qf/ and df/ */
	ino_t head_inode;     /* of head_fd */
	bool fresh;           /* made by this process: its parent must be synced, too */
};

struct queue_cursor { /* where a listing is */
	DIR *dir;
	size_t sub;
};

struct queue_dir {
	const struct queue_ops *ops;
	struct queue_settings set;
	char *path;
	int fd;
	dev_t device;
	struct queue_sub *subs; /* [0] is the queue directory itself; only ever grows */
	size_t subs_n;
	struct queue_cursor listing, counting;
	uint64_t counted;
};

struct queue_argv;
struct pair_format;

struct queue_ops {
	const char *name;
	/* Find the directories with queue_add_sub(); called again at each listing. */
	int (*scan)(struct queue_dir *d, struct err *err);
	/* @listed: from a listing, where each message must be answered once; else from an event. */
	bool (*name_to_id)(const struct queue_dir *d, const char *name, bool listed,
			   char ret_id[QUEUE_ID_MAX]);
	int (*claim)(struct queue_dir *in, struct queue_dir *out, const char *id, struct arena *a,
		     struct queue_entry *ret_e, struct err *err);
	int (*stage)(struct queue_entry *e, struct queue_dir *out,
		     const struct queue_change *change, struct arena *a, struct queue_staged *ret_s,
		     struct err *err);
	int (*publish)(struct queue_staged *s, struct err *err);
	void (*unstage)(struct queue_staged *s);
	int (*remove)(struct queue_entry *e, int *ret_dir_fd, struct err *err);
	int (*copy_files)(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err);
	int (*split_begin)(struct queue_split *s, const uint32_t *part_of,
			   struct queue_numbers *numbers, struct arena *a, struct err *err);
	int (*split_more)(struct queue_split *s, struct err *err);
	int (*split_publish)(struct queue_split *s, struct err *err);
	int (*split_reduce)(struct queue_split *s, struct err *err);
	void (*split_undo)(struct queue_split *s);
	/* A name that is no message's, seen by a listing: remove it if it is left over. */
	void (*sweep)(const struct queue_dir *d, const struct queue_sub *s, const char *name);
	/* What stands in argv between the command's own words and the ids, and before each id. */
	void (*kick)(const struct queue_dir *out, struct queue_argv *argv, const char *const *ids,
		     size_t ids_n, const char **ret_dir);
	const struct pair_format *pair; /* NULL: a format of another shape */
};

extern const struct queue_ops queue_sendmail_ops, queue_exim_ops;

/* --- queue_dir.c --- */

/* Open @name below the queue directory as one more sub-directory, unless it is known already;
 * @split: header and body files live in its qf/ and df/ where they exist. -ENOENT: it is gone. */
int queue_add_sub(struct queue_dir *d, const char *name, bool split, struct err *err) MUST_CHECK;
/* The sub-directory of that name, or NULL. */
struct queue_sub *queue_find_sub(const struct queue_dir *d, const char *name);

/* --- queue_kick.c --- */

struct queue_argv {
	struct arena *a;
	char **v; /* room for all of them was made; NULL at the end */
	size_t n;
	bool failed; /* the arena is full */
};

void queue_argv_add(struct queue_argv *argv, const char *text);

/* --- queue_file.c --- */

/* Open a queue file for reading: never follows a link, never blocks, and must be a regular file
 * of the owner in @set. -ENOENT: there is none; -EBADMSG: it is something else. */
int queue_file_open(int dir_fd, const char *name, const struct queue_settings *set, int *ret_fd,
		    struct stat *ret_st, struct err *err) MUST_CHECK;
/* -EAGAIN: somebody has it. The lock ends when @fd is closed. */
int queue_file_lock(int fd, enum queue_lock how, const char *name, struct err *err) MUST_CHECK;
/* The whole file of @size bytes. -EAGAIN: it has another size now. */
int queue_file_read(int fd, const char *name, uint64_t size, struct arena *a, struct bytes *ret_raw,
		    struct err *err) MUST_CHECK;
/* A new file with the owner and mode of @like, or @mode when it is not 0. */
int queue_file_create(int dir_fd, const char *name, const struct stat *like, mode_t mode,
		      int *ret_fd, struct err *err) MUST_CHECK;
int queue_file_write(int fd, struct bytes data, const char *point, struct err *err) MUST_CHECK;

struct queue_copied {
	uint64_t lines, crlf_lines, nuls; /* of the copied bytes */
	bool cut;                         /* the last line has no LF */
};

/* Append all of @from, from @offset to its end, to @to. */
int queue_file_copy(int from, uint64_t offset, int to, struct queue_copied *ret,
		    struct err *err) MUST_CHECK;
/* 1 with *@ret_st, 0 when @name is not there, or an error. */
int queue_file_stat(int dir_fd, const char *name, struct stat *ret_st, struct err *err) MUST_CHECK;
/* Not being there is success. */
int queue_file_unlink(int dir_fd, const char *name, const char *point, struct err *err) MUST_CHECK;

/* --- queue_text.c: what formats have in common as text --- */

/* Bytes to be written, in two rounds of the same code: one counts, one copies. */
struct sink {
	uint8_t *p; /* NULL: only count */
	size_t n;
};

void sink_add(struct sink *s, struct bytes b);
void sink_text(struct sink *s, const char *text);

/* @v as @digits digits of base @base (60, 62: the alphabets of sendmail and Exim), cut on the left.
 */
void text_digits(char *out, size_t digits, unsigned base, uint64_t v);

/* The recipients and strings of an envelope, in memory that was counted before. */
struct envelope_builder {
	struct envelope *env;
	char *room;
	size_t left;
};

/* @to_n recipients with @text_bytes in total, sender included. -ENOMEM: the arena's ceiling. */
int envelope_begin(struct envelope_builder *b, struct envelope *env, size_t to_n, size_t text_bytes,
		   struct arena *a) MUST_CHECK;
void envelope_sender(struct envelope_builder *b, struct bytes address);
void envelope_recipient(struct envelope_builder *b, struct bytes address);

/* First valid address in brackets in @text, "IPv6:" dropped, lower case; NULL: none or no memory.
 * @last: the last one instead. */
/* The mark of a split, "ID COUNT": where the message @id came from, and how many recipients that
 * had. Both formats keep the first one. @mark must stay valid. */
int envelope_split(struct envelope *env, const char *id, struct bytes mark, struct arena *a);
#define SPLIT_MARK_MAX (QUEUE_ID_MAX + 24)
const char *envelope_split_mark(const struct queue_entry *e, char out[SPLIT_MARK_MAX]);

const char *text_bracketed_ip(struct bytes text, bool last, struct arena *a);
/* ESMTPA, ESMTPSA and their like (RFC 3848, RFC 6531): the client has authenticated itself. The
 * MTA's own word, which no client can choose. */
bool text_protocol_authenticated(struct bytes protocol);
/* Option Read IP Address From Received Header: replaces env->client_ip from the @nth header.
 * @after_paren: this MTA writes the real address in (...), behind what the client claimed. */
void envelope_received_ip(struct envelope *env, const struct header_list *l, int nth,
			  bool after_paren, struct arena *a);
/* An address to be written into a queue file; false: it would break the line. */
bool text_is_address(const char *address);
/* Every LF is followed by a blank, no NUL, a name before the colon. */
bool text_is_header(struct bytes text);

#endif
