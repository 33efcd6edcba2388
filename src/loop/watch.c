/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/watch.c - inotify and fanotify behind one interface. */
#include "loop/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"

#define EVENT_BYTES (64 * 1024)

/* A directory as the kernel names it in its events: a watch number, or a file handle. */
struct place {
	void *cookie;
	int wd;                     /* inotify */
	struct file_handle *handle; /* fanotify; owned */
};

struct watch {
	enum watch_kind kind;
	int fd;
	struct place *places;
	size_t places_n;
	uint8_t *buf;
};

void watch_free(struct watch **w)
{
	if (*w == NULL)
		return;
	fd_close(&(*w)->fd);
	for (size_t i = 0; i < (*w)->places_n; i++)
		free((*w)->places[i].handle);
	free((*w)->places);
	free((*w)->buf);
	free(*w);
	*w = NULL;
}

int watch_new(struct watch **ret_w, enum watch_kind kind, struct err *err)
{
	AUTO(watch_free) struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queue watch: out of memory");
	w->fd = -1;
	w->kind = kind;
	w->buf = malloc(EVENT_BYTES);
	if (w->buf == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queue watch: out of memory");
	/* A blocking descriptor would stop the whole ring when it is read. */
	if (kind == WATCH_INOTIFY)
		w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	else
		w->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK |
					      FAN_CLOEXEC,
				      O_RDONLY | O_CLOEXEC);
	if (w->fd < 0)
		return err_errno(err, "%s",
				 kind == WATCH_INOTIFY
					 ? "inotify (see sysctl fs.inotify.max_user_instances)"
					 : "fanotify");
	*ret_w = TAKE(w);
	return 0;
}

static int add_inotify(struct watch *w, const char *path, struct place *p, struct err *err)
{
	p->wd = inotify_add_watch(w->fd, path,
				  IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR | IN_DELETE_SELF |
					  IN_MOVE_SELF);
	if (p->wd < 0)
		return err_errno(err, "watch %s (see sysctl fs.inotify.max_user_watches)", path);
	return 0;
}

static int add_fanotify(struct watch *w, const char *path, struct place *p, struct err *err)
{
	struct file_handle probe = { .handle_bytes = 0 };
	int mount_id;

	if (fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
			  FAN_MOVED_TO | FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, AT_FDCWD, path) < 0)
		return err_errno(err, "watch %s", path);
	/* The size of a handle is the file system's affair: the first call asks for it. */
	(void)name_to_handle_at(AT_FDCWD, path, &probe, &mount_id, 0);
	p->handle = calloc(1, sizeof(*p->handle) + probe.handle_bytes);
	if (p->handle == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "watch %s: out of memory", path);
	p->handle->handle_bytes = probe.handle_bytes;
	if (name_to_handle_at(AT_FDCWD, path, p->handle, &mount_id, 0) < 0)
		return err_errno(err, "file handle of %s", path);
	return 0;
}

static bool same_place(const struct place *a, const struct place *b)
{
	if (a->handle == NULL || b->handle == NULL)
		return a->handle == b->handle && a->wd == b->wd;
	return a->handle->handle_bytes == b->handle->handle_bytes &&
	       a->handle->handle_type == b->handle->handle_type &&
	       memcmp(a->handle->f_handle, b->handle->f_handle, a->handle->handle_bytes) == 0;
}

int watch_add(struct watch *w, const char *path, void *cookie, struct err *err)
{
	struct place p = { .cookie = cookie, .wd = -1 }, *grown;
	int r;

	r = w->kind == WATCH_INOTIFY ? add_inotify(w, path, &p, err)
				     : add_fanotify(w, path, &p, err);
	if (r < 0) {
		free(p.handle);
		return r;
	}
	for (size_t i = 0; i < w->places_n; i++)
		if (same_place(&w->places[i], &p)) {
			free(p.handle);
			w->places[i].cookie = cookie;
			return 0;
		}
	grown = reallocarray(w->places, w->places_n + 1, sizeof(*grown));
	if (grown == NULL) {
		free(p.handle);
		return err_set(err, ERR_TEMP, -ENOMEM, "watch %s: out of memory", path);
	}
	w->places = grown;
	w->places[w->places_n++] = p;
	return 0;
}

int watch_fd(const struct watch *w)
{
	return w->fd;
}

typedef void seen_fn(void *arg, void *cookie, const char *name);

static void tell_inotify(struct watch *w, size_t n, seen_fn *seen, void *arg)
{
	size_t at = 0;

	while (at + sizeof(struct inotify_event) <= n) {
		const struct inotify_event *e = (const void *)(w->buf + at);

		at += sizeof(*e) + e->len;
		if ((e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) {
			seen(arg, NULL, NULL);
			continue;
		}
		for (size_t i = 0; e->len > 0 && i < w->places_n; i++)
			if (w->places[i].wd == e->wd)
				seen(arg, w->places[i].cookie, e->name);
	}
}

/* One event's record of directory handle and name; NULL cookie when it is not ours. */
static void tell_handle(struct watch *w, const struct fanotify_event_info_fid *fid, seen_fn *seen,
			void *arg)
{
	const struct file_handle *h = (const void *)fid->handle;
	struct place asked = { .wd = -1, .handle = (struct file_handle *)(uintptr_t)h };
	const char *name = (const char *)h->f_handle + h->handle_bytes;

	for (size_t i = 0; i < w->places_n; i++)
		if (same_place(&w->places[i], &asked))
			seen(arg, w->places[i].cookie, name);
}

static void tell_fanotify(struct watch *w, size_t n, seen_fn *seen, void *arg)
{
	const struct fanotify_event_metadata *m = (const void *)w->buf;
	size_t left = n;

	for (; FAN_EVENT_OK(m, left); m = FAN_EVENT_NEXT(m, left)) {
		const struct fanotify_event_info_fid *fid = (const void *)(m + 1);

		if ((m->mask & FAN_Q_OVERFLOW) != 0) {
			seen(arg, NULL, NULL);
			continue;
		}
		if (m->event_len > sizeof(*m) &&
		    fid->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME)
			tell_handle(w, fid, seen, arg);
	}
}

int watch_read(struct watch *w, seen_fn *seen, void *arg, struct err *err)
{
	ssize_t n = read(w->fd, w->buf, EVENT_BYTES);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : err_errno(err, "read queue events");
	if (w->kind == WATCH_INOTIFY)
		tell_inotify(w, (size_t)n, seen, arg);
	else
		tell_fanotify(w, (size_t)n, seen, arg);
	return n > 0 ? 1 : 0;
}
