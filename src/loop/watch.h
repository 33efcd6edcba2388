/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/watch.h - which names appeared in the queue directories. Events are hints: after an
 * overflow, at start and now and then the caller lists the directories anyway.
 */
#ifndef LOOP_WATCH_H
#define LOOP_WATCH_H

#include <stdbool.h>

#include "core/err.h"

struct watch;

enum watch_kind {
	WATCH_INOTIFY,  /* no privilege; one kernel watch a directory */
	WATCH_FANOTIFY, /* directory marks with names; for very many directories and bursts */
};

/* -EPERM, -EINVAL, -ENOSYS: that kind is not to be had here (the text says why). */
int watch_new(struct watch **ret_w, enum watch_kind kind, struct err *err) MUST_CHECK;
void watch_free(struct watch **w);

/* Watch directory @path; events carry @cookie. Adding a directory again replaces its cookie. */
int watch_add(struct watch *w, const char *path, void *cookie, struct err *err) MUST_CHECK;

/* Non-blocking descriptor to poll for input. */
int watch_fd(const struct watch *w);

/*
 * Read what is there: calls @seen(@arg, cookie, name) for each file that was moved into or closed
 * after writing in a watched directory, and @seen(@arg, NULL, NULL) when events were lost or a
 * directory vanished. Reads at most 64 KiB of events a call. 0, 1 when there may be more, or
 * -errno.
 */
int watch_read(struct watch *w, void (*seen)(void *arg, void *cookie, const char *name), void *arg,
	       struct err *err) MUST_CHECK;

#endif
