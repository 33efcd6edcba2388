/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/hold.c - into quarantine: the whole message as it came (original headers), copied
 * through the ring into a hidden directory; commit.c syncs and publishes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/stat.h>

#include "core/fault.h"
#include "core/log.h"
#include "msg/internal.h"
#include "msg/report.h"

static void fail(struct msg *m)
{
	quarantine_end(&m->put);
	fd_close(&m->hold_fd);
	life_not_carried_out(m);
	life_enter(m, MSG_RELEASED);
}

/* The day of the message, local time. */
static void day_of(int64_t unix_s, char day[9])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(day, 9, "%Y%m%d", &tm) != 8)
		memcpy(day, "19700101", 9);
}

static int write_all(int fd, struct bytes b, struct err *err)
{
	while (b.n > 0) {
		ssize_t n = write(fd, b.p, b.n);

		n = fault_at("hold.write", (int)n);
		if (n < 0)
			return err_errno(err, "write quarantined message");
		if (n == 0)
			return err_set(err, ERR_TEMP, -EIO, "write quarantined message");
		b = bytes_from(b, (size_t)n);
	}
	return 0;
}

/* Headers as they came: before ours were added, without those the MTA had deleted. */
static int write_headers(struct msg *m)
{
	AUTO(str_fini) struct str text;
	const struct header_list *l = &m->entry.headers;

	str_init(&text, m->site->queue.header_max_bytes * 2 + 1);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].deleted)
			continue;
		str_add_bytes(&text, l->v[i].text);
		str_add_char(&text, '\n');
	}
	str_add_char(&text, '\n');
	if (text.failed)
		return err_set(&m->why, ERR_LIMIT, -ENOMEM, "headers too large to quarantine");
	return write_all(m->hold_fd, str_bytes(&text), &m->why);
}

static void copied(struct copy *c, int result)
{
	struct msg *m = CONTAINER_OF(c, struct msg, copy);

	if (result < 0) {
		(void)err_code(&m->why, result, "copy to quarantine");
		fail(m);
		return;
	}
	life_enter(m, MSG_STAGED);
}

static int queue_files(struct msg *m)
{
	if (!conf_bool(m->site->conf, OPT_QUARANTINE_WHOLE_MESSAGES_AS_QUEUE_FILES, NULL))
		return 0;
	return queue_copy_files(&m->entry, m->put.dir_fd, m->put.file_mode, &m->why);
}

/* Virus: rules are asked about what was found: names and the lines that a user reads. NULL: no
 * memory. */
static const char *dir_of(struct msg *m)
{
	size_t found = m->facts == NULL ? 0 : m->facts->findings_n;
	struct conf_who who = m->who;
	const char **texts = arena_array(m->arena, 2 * found + 1, sizeof(*texts));

	if (texts == NULL)
		return NULL;
	for (size_t i = 0; i < found; i++) {
		const struct finding *f = &m->facts->findings[i];

		if (f->name != NULL && f->name[0] != '\0')
			texts[who.reports_n++] = f->name;
		if (f->report != NULL && f->report[0] != '\0')
			texts[who.reports_n++] = f->report;
	}
	who.reports = texts;
	return conf_str(m->site->conf, OPT_QUARANTINE_DIR, &who);
}

static int begin(struct msg *m)
{
	struct quarantine_settings set = {
		.dir = dir_of(m),
		.user = m->site->quarantine_uid,
		.group = m->site->quarantine_gid,
		.file_mode = m->site->quarantine_mode,
		.days = &m->gate->quarantine_days,
	};
	off_t body_at;
	char day[9];
	int r;

	if (set.dir == NULL)
		return err_set(&m->why, ERR_LIMIT, -ENOMEM, "no memory to quarantine it");
	day_of(m->entry.env.received_s, day);
	r = quarantine_begin(&m->put, &set, day, m->entry.id, &m->why);
	if (r < 0)
		return r;
	r = quarantine_create(&m->put, "message", &m->why);
	if (r < 0)
		return r;
	m->hold_fd = r;
	r = write_headers(m);
	if (r == 0)
		r = queue_files(m);
	if (r == 0)
		r = report_note(m, &m->put);
	if (r < 0)
		return r;
	body_at = lseek(m->hold_fd, 0, SEEK_CUR);
	if (body_at < 0)
		return err_errno(&m->why, "quarantined message");
	return copy_start(&m->copy, m->gate->loop, m->entry.body_fd, m->entry.body_offset,
			  m->hold_fd, (uint64_t)body_at, m->entry.body_bytes, copied);
}

void hold_begin(struct msg *m)
{
	if (begin(m) < 0)
		fail(m);
}
