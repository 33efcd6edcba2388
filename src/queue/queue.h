/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue/queue.h - one interface for the mail queues of different MTAs.
 *
 * What is true on disk in each state, and who may change it, stands in docs/durability.md. All
 * functions are called by the gateway only, on its loop thread. They make system calls on small
 * local files and never wait for a lock or for a disk sync: syncing is the caller's, in groups.
 * (One exception, after a crash only: -EALREADY of queue_claim() syncs the outgoing directory.)
 * A failure of any function before queue_publish() leaves the incoming entry as it was found.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/str.h"
#include "queue/headers.h"

#define QUEUE_ID_MAX 64 /* with NUL; longer names are not queue files */

/* All but NONE take both an fcntl() and a flock() lock: this keeps out an MTA that uses either, and
 * a second gateway. The one named must work; the other may fail where the file system has none. */
enum queue_lock { QUEUE_LOCK_DEFAULT, QUEUE_LOCK_FLOCK, QUEUE_LOCK_POSIX, QUEUE_LOCK_NONE };

struct queue_settings {
	enum queue_lock lock;
	bool split_spool;          /* Split Exim Spool: layout of the outgoing directory; what is
				    * found incoming is read either way */
	int received_ip_header;    /* Read IP Address From Received Header: 0 no, N-th from top */
	uint64_t header_max_bytes; /* a larger queue header file is refused: ERR_LIMIT */
	uid_t owner;               /* entries of other owners than this or root are refused */
	mode_t file_mode;          /* 0: that of the incoming file */
	bool copies;               /* reading only: of no queue any more, such as a quarantine;
				    * whoever owns them, wherever their body once was */
	bool sweep;                /* listing removes what a queue_split of a dead process left */
};

struct queue_ops; /* one queue format; see queue_find() */
struct queue_dir; /* one opened queue directory with its detected layout */

/* "sendmail", "exim" (case-insensitive substring of @mta, as option MTA): NULL when unknown. */
const struct queue_ops *queue_find(const char *mta);
const char *queue_name(const struct queue_ops *ops);

/*
 * The directories that option `Incoming Queue Dir` names: one directory, a glob, or a plain file
 * that lists directories and globs one a line (@file_content: its content, NULL when @value is not
 * a file). Missing ones are skipped with a line in @warnings (may be NULL).
 * Returns the count; names are in @a.
 */
int queue_expand_dirs(const char *value, const char *file_content, struct arena *a,
		      const char ***ret_dirs, struct str *warnings, struct err *err) MUST_CHECK;

/* Whether queue_dir_open() would take @path as the queue of @owner, and the file system it is on.
 * Opens nothing. */
int queue_dir_look(const char *path, uid_t owner, dev_t *ret_device, struct err *err) MUST_CHECK;
/* What to say, with both paths, where messages cannot be linked from one queue into the other. */
#define QUEUE_OTHER_DEVICE "%s & %s must be on the same filesystem/partition!"
#define QUEUE_BOTH_WAYS                                                                            \
	"%s is both incoming and outgoing queue directory: the MTA would deliver unread mail "     \
	"from it"

/* Open @path (checks: directory, owner) and detect its layout (flat, qf/df sub-directories, split
 * spool, hashed). Start-up and reload only. */
int queue_dir_open(struct queue_dir **ret_d, const struct queue_ops *ops, const char *path,
		   const struct queue_settings *set, struct err *err) MUST_CHECK;
void queue_dir_close(struct queue_dir **d);
const char *queue_dir_path(const struct queue_dir *d);
/* Device number, to check that incoming and outgoing are on one file system. */
dev_t queue_dir_device(const struct queue_dir *d);
/* They have a directory in common, under whatever name. */
bool queue_dir_overlaps(const struct queue_dir *a, const struct queue_dir *b);

/* Directories that must be watched for new header files (IN_MOVED_TO and IN_CLOSE_WRITE: sendmail
 * writes a header file in place, Exim renames it). A rescan, queue_list_begin(), can add some at
 * the end: a split directory that Exim made, or one that was removed and made again. */
size_t queue_dir_watch_n(const struct queue_dir *d);
const char *queue_dir_watch_path(const struct queue_dir *d, size_t i);

/*
 * Listing, in slices, so that a queue of any size never stops the loop:
 *   queue_list_begin(); while (queue_list_next() == 1) ...
 * queue_list_next() answers 1 with *@ret_id, 0 at the end, -EAGAIN after about @slice directory
 * entries (call again from the loop), or an error (of one directory: calling again goes on with the
 * next). Order is the directory's. Foreign names are left out; a link, FIFO or directory under a
 * message's name is told by queue_claim().
 */
int queue_list_begin(struct queue_dir *d, struct err *err) MUST_CHECK;
int queue_list_next(struct queue_dir *d, unsigned slice, char ret_id[QUEUE_ID_MAX],
		    struct err *err) MUST_CHECK;
/* How many messages there are, those in hand and foreign ones included; independent of a listing,
 * in slices as well: 0 and *@ret_n when all were counted, else -EAGAIN. */
int queue_count(struct queue_dir *d, unsigned slice, uint64_t *ret_n) MUST_CHECK;
/* A name seen by the watch in directory @watch_i: true and the id when it is a file whose arrival
 * can mean a complete message. For Exim this is the body file, too: it is closed, and its lock
 * gone, after the header file came. */
bool queue_name_to_id(const struct queue_dir *d, size_t watch_i, const char *name,
		      char ret_id[QUEUE_ID_MAX]);

struct envelope {
	const char *sender;          /* lower case, no <>; "" is the null sender */
	const char *sender_verbatim; /* as the queue file has it, no <> */
	const char **to;             /* lower case */
	const char **to_verbatim;
	size_t to_n;
	const char *client_ip;   /* lower case, no "IPv6:"; sendmail: 0.0.0.0 when the MTA noted
				  * nothing, 127.0.0.1 when it noted no address; Exim: 127.0.0.1 */
	const char *client_name; /* HELO or host name as the MTA noted it; NULL: none */
	const char *auth_id;     /* authenticated sender; NULL: not noted, "": none */
	bool authenticated;      /* it has an id, or came by a protocol that says so */
	const char *split_from;  /* id of the message that this one was split from; NULL: none */
	size_t to_all;   /* recipients it came with: more than @to_n where it was split, or the MTA
			  * has delivered to some of them. What asks for a number means this one */
	bool split_mark; /* the queue file says so: of the derived ones, and of the original */
	int64_t received_s; /* Unix seconds */
};

/* One claimed, locked and parsed message. Memory is the arena given to queue_claim(); descriptors
 * are closed and locks released when that arena is reset. */
struct queue_entry {
	struct queue_dir *dir;
	char id[QUEUE_ID_MAX];
	struct envelope env;
	struct header_list headers;
	int body_fd;          /* read only; the worker gets a duplicate */
	uint64_t body_offset; /* first body byte in body_fd */
	uint64_t body_bytes;
	ino_t body_inode;
	uint64_t size_bytes; /* header file + body file: MailScanner's message size */
	void *format;        /* of the queue format: metadata lines, verbatim */
};

/*
 * Claim @id: open without following links, check type, owner and completeness, lock without
 * waiting, parse.
 * Returns 0; -EAGAIN: locked by somebody or still being written: try later, say nothing;
 * -ENOENT: gone, say nothing;
 * -EBADMSG (ERR_INPUT): invalid queue file, left in place, @err says why;
 * -ENOMEM (ERR_LIMIT): larger than header_max_bytes or than the arena allows;
 * or -errno (ERR_TEMP, ERR_CONFIG).
 * -EALREADY: an earlier run had published it and stopped before removing the original (the
 * outgoing queue @out holds a link to the same body under this id, and a header file); the outgoing
 * directory has been synced and the original removed now. @out may be NULL: not looked at.
 * @ret_e is written only when 0 is returned; then nothing is left of an earlier run in @out that
 * was not published.
 */
int queue_claim(struct queue_dir *in, struct queue_dir *out, const char *id, struct arena *a,
		struct queue_entry *ret_e, struct err *err) MUST_CHECK;

/* A message on its way into the outgoing queue: body linked, header file written under its
 * temporary name, nothing visible to the MTA yet. */
struct queue_staged {
	struct queue_dir *out;
	char id[QUEUE_ID_MAX]; /* in the outgoing queue */
	int sync_fd[2];        /* files to fdatasync before queue_publish(); -1: none; closed with
				* the arena, or when published or unstaged */
	int dir_fd[2];         /* directories to fsync after it; -1: none; lent by @out */
	void *format;
};

struct queue_change {
	const struct header_list *headers; /* what to write; NULL: as parsed */
	int body_fd; /* a new body: all of that file is copied; -1: the old one, linked */
	const char *const *add_to; /* more recipients: no <>, no control characters */
	size_t add_to_n;
	bool drop_to; /* none of the old recipients */
};

/* Returns 0 or an error with nothing left behind in the outgoing queue. What an earlier run left
 * there of this message is replaced, also when it is visible; -EEXIST (ERR_TEMP): it is of another
 * message with this id. -EINVAL (ERR_BUG): a line in @change->headers is not a header line. */
int queue_stage(struct queue_entry *e, struct queue_dir *out, const struct queue_change *change,
		struct arena *a, struct queue_staged *ret_s, struct err *err) MUST_CHECK;
/* Rename into place: from here on the MTA may deliver it. Repeating it is harmless. After an error
 * queue_unstage() is due. */
int queue_publish(struct queue_staged *s, struct err *err) MUST_CHECK;
/* Undo queue_stage(): remove what is still invisible. Never fails: leftovers are harmless. */
void queue_unstage(struct queue_staged *s);

/* Remove the incoming files, header first; release the lock. *@ret_dir_fd (lent) is the directory
 * whose fsync makes it last; it is also written when the header file has gone and only the rest
 * could not be removed. */
int queue_remove(struct queue_entry *e, int *ret_dir_fd, struct err *err) MUST_CHECK;

/* --- one message becomes several of the same queue (docs/durability.md) --- */

/* What new ids are made of: their own form of "now, this process, counter". */
struct queue_numbers {
	int64_t now_s; /* Unix seconds */
	uint32_t pid;
	uint32_t next; /* counts up, also over splits */
};

struct queue_split {
	struct queue_entry *e;
	size_t parts;              /* part 0 keeps the id */
	char (*ids)[QUEUE_ID_MAX]; /* of each part; written by queue_split_more() */
	int *sync_fd;              /* fdatasync them before queue_split_publish() */
	size_t sync_n;
	int dir_fd[2];    /* fsync them after it, [0] after queue_split_reduce(), too; -1: none */
	size_t published; /* parts that are visible; they stay, whatever happens then */
	void *format;
};

/*
 * Recipient i of @e goes to part @part_of[i], 0 to @parts - 1; no part is empty. Nothing is written
 * yet. @numbers is the caller's until the end; @part_of and memory are in @a, whose end closes the
 * files (and what is still hidden on disk then is removed by a later listing).
 */
int queue_split_begin(struct queue_entry *e, const uint32_t *part_of, size_t parts,
		      struct queue_numbers *numbers, struct arena *a, struct queue_split *ret_s,
		      struct err *err) MUST_CHECK;
/* Stage a piece, a few files or a megabyte: 1, call again; 0, all is staged and can be synced. */
int queue_split_more(struct queue_split *s, struct err *err) MUST_CHECK;
/* Make the derived entries visible. When it fails, those before @s->published stay. */
int queue_split_publish(struct queue_split *s, struct err *err) MUST_CHECK;
/* Take their recipients from the original. */
int queue_split_reduce(struct queue_split *s, struct err *err) MUST_CHECK;
/* Remove what is hidden. Never fails: leftovers are harmless. */
void queue_split_undo(struct queue_split *s);

/* Write the entry's files under their own names into @dir_fd (quarantine as queue files).
 * Copies; never links, so that permissions may differ. Both or none; fsyncs nothing. */
int queue_copy_files(struct queue_entry *e, int dir_fd, mode_t mode, struct err *err) MUST_CHECK;

/*
 * Arguments that make the MTA deliver @ids (at most 30 a call) from @out, no shell. @sendmail2 is
 * the value of option Sendmail2, split at blanks. *@ret_dir (NULL: any) is the directory to start
 * it in. argv and strings are in @a.
 */
int queue_kick_argv(const struct queue_dir *out, const char *sendmail2, const char *const *ids,
		    size_t ids_n, struct arena *a, char ***ret_argv, const char **ret_dir,
		    struct err *err) MUST_CHECK;
#define QUEUE_KICK_MAX 30

#endif
