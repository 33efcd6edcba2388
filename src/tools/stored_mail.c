/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/stored_mail.c - finding and opening stored messages. */
#include "tools/stored_mail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/queue.h"

#define PATH_BYTES   4200
#define HEADER_BYTES (256 * MIB) /* memory for the header file of one message */
#define SLICE        1000000u

typedef int each_mail(const struct stored_mail *m, void *arg);

/* How the two files of an entry are called. */
static const struct {
	const char *queue;
	const char *head[2], *body[2]; /* in front of the id, behind it */
} formats[] = {
	{ "sendmail", { "qf", "" }, { "df", "" } },
	{ "exim", { "", "-H" }, { "", "-D" } },
};

static unsigned complain(const char *path, const char *why)
{
	(void)fprintf(stderr, "%s: %s\n", path, why);
	return 1;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- whole messages ---- */

static unsigned whole_message(const char *path, each_mail *each, void *arg)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return complain(path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return complain(path, "not a regular file");
	return each(&(struct stored_mail){ .path = path, .fd = fd }, arg) != 0;
}

/* ---- queue files ---- */

static int open_dir(struct queue_dir **ret_d, size_t format, const char *dir, struct err *err)
{
	const struct queue_settings set = { .lock = QUEUE_LOCK_NONE, .copies = true };

	return queue_dir_open(ret_d, queue_find(formats[format].queue), dir, &set, err);
}

static unsigned one_entry(struct queue_dir *d, const char *id, each_mail *each, void *arg)
{
	AUTO(arena_free) struct arena *a = arena_new(HEADER_BYTES);
	struct queue_entry e;
	struct stored_mail m;
	struct err err;
	char path[PATH_BYTES + QUEUE_ID_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", queue_dir_path(d), id);
	if (a == NULL)
		return complain(path, "out of memory");
	if (queue_claim(d, NULL, id, a, &e, &err) < 0)
		return complain(queue_dir_path(d), err.text);
	m = (struct stored_mail){ .path = path,
				  .headers = &e.headers,
				  .sender = e.env.sender_verbatim,
				  .received_s = e.env.received_s,
				  .fd = e.body_fd,
				  .at = e.body_offset };
	return each(&m, arg) != 0;
}

/* The id of entry file @base when its other file is beside it, else false. */
static bool is_entry(size_t format, const char *dir, const char *base, char id[QUEUE_ID_MAX])
{
	const char *const *const parts[] = { formats[format].head, formats[format].body };
	size_t before = strlen(parts[0][0]), after = strlen(parts[0][1]), n = strlen(base);

	if (n <= before + after || n - before - after >= QUEUE_ID_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char other[PATH_BYTES + QUEUE_ID_MAX + 8];

		if (strncmp(base, parts[i][0], before) != 0 ||
		    strcmp(base + n - after, parts[i][1]) != 0)
			continue;
		(void)snprintf(id, QUEUE_ID_MAX, "%.*s", (int)(n - before - after), base + before);
		(void)snprintf(other, sizeof(other), "%s/%s%s%s", dir, parts[1 - i][0], id,
			       parts[1 - i][1]);
		return is_file(other);
	}
	return false;
}

static unsigned from_file(const char *path, each_mail *each, void *arg)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_BYTES], id[QUEUE_ID_MAX];
	struct err err;

	(void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
		       slash == NULL ? "." : path);
	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		AUTO(queue_dir_close) struct queue_dir *d = NULL;

		if (!is_entry(f, dir, slash == NULL ? path : slash + 1, id))
			continue;
		if (open_dir(&d, f, dir, &err) < 0)
			return complain(dir, err.text);
		return one_entry(d, id, each, arg);
	}
	return whole_message(path, each, arg);
}

static unsigned from_queue(struct queue_dir *d, each_mail *each, void *arg, unsigned *found)
{
	char id[QUEUE_ID_MAX];
	unsigned failed = 0;
	struct err err;
	int r = queue_list_begin(d, &err);

	if (r < 0)
		return complain(queue_dir_path(d), err.text);
	while ((r = queue_list_next(d, SLICE, id, &err)) == 1 || r == -EAGAIN) {
		if (r != 1)
			continue;
		(*found)++;
		failed += one_entry(d, id, each, arg);
	}
	return r < 0 ? failed + complain(queue_dir_path(d), err.text) : failed;
}

static unsigned from_folder(const char *path, each_mail *each, void *arg)
{
	unsigned failed = 0, found = 0;
	char message[PATH_BYTES];
	struct err err;

	(void)snprintf(message, sizeof(message), "%s/message", path);
	if (is_file(message))
		return whole_message(message, each, arg);
	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		AUTO(queue_dir_close) struct queue_dir *d = NULL;

		if (open_dir(&d, f, path, &err) < 0)
			return complain(path, err.text);
		failed += from_queue(d, each, arg, &found);
	}
	if (found == 0 && failed == 0)
		return complain(path, "neither the file 'message' nor queue files are in it");
	return failed;
}

unsigned stored_mail_each(const char *path, each_mail *each, void *arg)
{
	struct stat st;

	if (strlen(path) > PATH_BYTES - 100)
		return complain(path, strerror(ENAMETOOLONG));
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return from_folder(path, each, arg);
	return from_file(path, each, arg);
}
