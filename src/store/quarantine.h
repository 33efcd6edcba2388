/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/quarantine.h - mail that policy withheld: QDIR/YYYYMMDD/ID/message, with the
 * owner, group and permissions of the options.
 *
 * Storing is in three steps, so that the loop can copy and sync in between without waiting:
 * quarantine_begin() makes a hidden directory QDIR/YYYYMMDD/.ID.tmp; the caller fills the files it
 * opens there and syncs them; quarantine_publish() renames it to ID (an ID that exists already -
 * a repeated id - gets ID-2 ...). After a crash a hidden directory means: not quarantined, the
 * message is still in the queue; quarantine_sweep() removes those.
 */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

/*
 * Days that this process knows to be on disk, by the place of a hash; zeroed: none. A day that
 * somebody else has made, or an earlier run just before it ended, may be lost in a power cut, with
 * all that was stored in it since: who finds it syncs its parent once.
 */
#define QUARANTINE_DAYS 1024

struct quarantine_days {
	struct quarantine_day {
		dev_t dev;
		ino_t ino;
	} v[QUARANTINE_DAYS];
};

struct quarantine_settings {
	const char *dir;  /* Quarantine Dir; absolute */
	uid_t user;       /* (uid_t)-1: leave */
	gid_t group;      /* (gid_t)-1: leave */
	mode_t file_mode; /* Quarantine Permissions; directories get x for each non-zero digit */
	struct quarantine_days *days; /* NULL: each time is the first one */
};

/* A message on its way in. Zeroed: none, and quarantine_end() does nothing. */
struct quarantine_put {
	char day[9]; /* "20261122" */
	char id[65];
	char tmp_name[80];   /* hidden directory while it is filled */
	char final_name[80]; /* directory name inside the day; set by quarantine_publish() */
	char path[512];      /* of the final directory, for logs; final from quarantine_publish() */
	size_t path_base;    /* length of its part up to the day */
	int day_fd, dir_fd;  /* open directories: fsync both (dir before, day after publishing) */
	int note_fd;         /* of quarantine_note(): sync it, too; -1: none */
	mode_t file_mode;
	uid_t user;
	gid_t group;
	bool owner_kept; /* this process may not give files to that user or group: worth a warning;
			    the files are then readable by fewer people, never by more */
	bool open, published;
};

/*
 * Start-up: can this process write there and set the owner? -EPERM (ERR_CONFIG): mail can be stored
 * but not with that user and group; other errors: not at all. @err says what to do.
 */
int quarantine_check(const struct quarantine_settings *set, struct err *err) MUST_CHECK;

/*
 * @day is the message's local date. @set->dir and @id must stay valid until quarantine_end(). An
 * @id that is no plain file name is refused: -EINVAL (ERR_INPUT). Errors leave nothing behind.
 * Syncs only what @set->days does not know.
 */
int quarantine_begin(struct quarantine_put *ret_p, const struct quarantine_settings *set,
		     const char *day, const char *id, struct err *err) MUST_CHECK;
/* New file in it, with mode and owner set, open for writing: "message", or a safe name. The
 * descriptor is the caller's, to fill, sync and close. */
int quarantine_create(struct quarantine_put *p, const char *name, struct err *err) MUST_CHECK;
/* Facts about the stored message (sallyport's own ".facts.json"), for list, show and release, which
 * needs the recipients in it. Once; the caller syncs @p->note_fd, quarantine_end() closes it. */
int quarantine_note(struct quarantine_put *p, const char *json, struct err *err) MUST_CHECK;
int quarantine_publish(struct quarantine_put *p, struct err *err) MUST_CHECK;
/* Remove what quarantine_begin() made (no-op once published) and close the descriptors. Also after
 * a quarantine_begin() that failed, and twice. */
void quarantine_end(struct quarantine_put *p);

/* Remove hidden left-overs of an earlier run; what somebody is at work on, here or in another
 * gateway, stays: any time, in any thread. Returns how many; 0 when @dir does not exist. */
int quarantine_sweep(const char *dir, struct err *err) MUST_CHECK;

/*
 * The directories that mail was put into, for the sweep of a later start, whose configuration may
 * not name them any more: a text file, one absolute name a line. Any thread.
 */
#define QUARANTINE_MEMORY_MAX (4 * MIB)
/* Adds the lines to @ret_lines; a file that is not there has none. */
int quarantine_memory_read(const char *path, struct str *ret_lines, struct err *err) MUST_CHECK;
/* Replaces the file as a whole; mode 0600. */
int quarantine_memory_write(const char *path, struct bytes lines, struct err *err) MUST_CHECK;

struct quarantine_item {
	const char *day, *id, *path;
	const char *kind; /* "infected", or the directory spam, nonspam, mcp, nonmcp it lies in */
	uint64_t size_bytes;
	int64_t stored_s;
	const char *facts; /* content of .facts.json; NULL when there is none (older mail) */
};

/* Calls @each for every item, newest day first, by name within a day; a non-zero answer stops and
 * is returned. What cannot be read is left out. Tools. */
int quarantine_list(const char *dir, int (*each)(const struct quarantine_item *i, void *arg),
		    void *arg, struct err *err) MUST_CHECK;
/* The one item with @id (all days, newest first), in @a. -ENOENT: none. */
int quarantine_find(const char *dir, const char *id, struct arena *a, struct quarantine_item *ret_i,
		    struct err *err) MUST_CHECK;

#endif
