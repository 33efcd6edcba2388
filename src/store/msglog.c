/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/msglog.c - the message log. */
#include "store/msglog.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jout.h"
#include "store/store_internal.h"

struct msglog {
	char *path;
	int fd;
	bool torn; /* the file does not end with a line end: begin with one */
	struct str line;
};

void msglog_close(struct msglog **l)
{
	if (*l == NULL)
		return;
	fd_close(&(*l)->fd);
	str_fini(&(*l)->line);
	free((*l)->path);
	free(*l);
	*l = NULL;
}

static bool ends_torn(int fd)
{
	struct stat st;
	char last = '\n';

	if (fstat(fd, &st) < 0 || st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) != 1)
		return false;
	return last != '\n';
}

int msglog_reopen(struct msglog *l, struct err *err)
{
	int fd = STORE_CALL("msglog_open",
			    open(l->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
				 0640));

	if (fd < 0)
		return err_code(err, fd, "open message log '%s'", l->path);
	fd_close(&l->fd);
	l->fd = fd;
	l->torn = ends_torn(fd);
	return 0;
}

int msglog_open(struct msglog **ret_l, const char *path, struct err *err)
{
	AUTO(msglog_close) struct msglog *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "message log: out of memory");
	l->fd = -1;
	str_init(&l->line, MSGLOG_LINE_MAX);
	l->path = strdup(path);
	if (l->path == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "message log: out of memory");
	r = msglog_reopen(l, err);
	if (r == 0)
		*ret_l = TAKE(l);
	return r;
}

/* --- one line --- */

static void put_text(struct jout *j, const char *name, const char *v)
{
	if (v != NULL)
		jout_member_str(j, name, bytes_str(v));
}

static void put_to(struct jout *j, const struct msglog_record *r)
{
	jout_array(j, "to");
	for (size_t i = 0; i < MIN_OF(r->to_n, (size_t)MSGLOG_TO_MAX); i++)
		jout_str(j, bytes_str(r->to[i]));
	jout_end(j);
	jout_member_num(j, "to_n", r->to_n);
}

static void put_fate(struct jout *j, const struct msglog_record *r)
{
	jout_member_bool(j, "scanned", r->scanned);
	jout_member_bool(j, "virus_infected", r->virus_infected);
	jout_member_bool(j, "name_infected", r->name_infected);
	jout_member_bool(j, "size_infected", r->size_infected);
	jout_member_bool(j, "other_infected", r->other_infected);
	put_text(j, "quarantine", r->quarantine);
	jout_member_num(j, "attempt", r->attempt);
	jout_member_num(j, "wait_us", r->wait_us);
	jout_member_num(j, "scan_us", r->scan_us);
	jout_member_num(j, "commit_us", r->commit_us);
	jout_member_num(j, "total_us", r->total_us);
}

/* "id" first: msglog_find() looks for it at the beginning of a line. */
static void build(struct str *s, const struct msglog_record *r, bool with_facts)
{
	struct jout j;

	str_reset(s);
	jout_begin(&j, s);
	jout_object(&j, NULL);
	put_text(&j, "id", r->id);
	put_text(&j, "out_id", r->out_id);
	put_text(&j, "split_from", r->split_from);
	jout_member_int(&j, "received", r->received_s);
	jout_member_int(&j, "finished", r->finished_s);
	jout_member_num(&j, "size", r->size_bytes);
	put_text(&j, "client_ip", r->client_ip);
	put_text(&j, "from", r->from);
	put_to(&j, r);
	if (r->to_all > r->to_n)
		jout_member_num(&j, "to_all", r->to_all);
	put_text(&j, "subject", r->subject);
	put_text(&j, "message_id", r->message_id);
	put_text(&j, "outcome", r->outcome);
	put_text(&j, "why", r->why);
	put_fate(&j, r);
	if (r->facts != NULL && with_facts)
		jout_member_raw(&j, "facts", r->facts);
	else if (r->facts != NULL)
		jout_member_bool(&j, "cut", true);
	jout_end(&j);
	str_add_char(s, '\n');
}

int msglog_write(struct msglog *l, const struct msglog_record *r, struct err *err)
{
	int code;

	build(&l->line, r, true);
	if (l->line.failed)
		build(&l->line, r, false);
	if (l->line.failed)
		return err_set(err, ERR_LIMIT, -EFBIG, "message log: line of %s above %d bytes",
			       r->id, MSGLOG_LINE_MAX);
	if (l->torn) {
		code = store_write_all(l->fd, BYTES("\n"));
		if (code < 0)
			return err_code(err, code, "write message log '%s'", l->path);
	}
	l->torn = true;
	code = store_write_all(l->fd, str_bytes(&l->line));
	if (code < 0)
		return err_code(err, code, "write message log '%s'", l->path);
	l->torn = false;
	return 0;
}

/* --- reading --- */

static int read_last(FILE *f, struct bytes prefix, struct str *ret)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	ssize_t n;

	str_reset(ret);
	while ((n = getline(&line, &size, f)) > 0) {
		struct bytes b = bytes_of(line, (size_t)n);

		if (line[n - 1] != '\n' || !bytes_starts(b, prefix))
			continue;
		str_reset(ret);
		str_add_bytes(ret, bytes_head(b, b.n - 1));
		found = true;
	}
	free(line);
	if (ferror(f))
		return -EIO;
	if (ret->failed)
		return -EFBIG;
	return found ? 0 : -ENOENT;
}

/* "name":"value", as build() writes it. */
static void member_text(struct str *s, const char *name, const char *value)
{
	struct jout j;

	jout_begin(&j, s);
	jout_object(&j, NULL);
	put_text(&j, name, value);
	str_add_char(s, ',');
}

int msglog_find(const char *path, const char *id, struct str *ret_line, struct err *err)
{
	AUTO(str_fini) struct str prefix;
	FILE *f;
	int r;

	str_init(&prefix, 4096);
	member_text(&prefix, "id", id);
	if (prefix.failed)
		return err_set(err, ERR_INPUT, -ENOENT, "'%s' is not an id", id);
	f = fopen(path, "re");
	if (f == NULL)
		return err_errno(err, "open message log '%s'", path);
	r = read_last(f, str_bytes(&prefix), ret_line);
	(void)fclose(f);
	if (r == -ENOENT)
		return err_set(err, ERR_INPUT, r, "message log '%s' has nothing about %s", path,
			       id);
	return r < 0 ? err_code(err, r, "read message log '%s'", path) : 0;
}

/* The id at the beginning of the line @b; empty: it begins otherwise. */
static struct bytes id_of(struct bytes b)
{
	const struct bytes before = BYTES("{\"id\":\"");
	ptrdiff_t end;

	if (!bytes_starts(b, before))
		return BYTES("");
	b = bytes_from(b, before.n);
	end = bytes_index(b, '"');
	return bytes_head(b, end < 0 ? 0 : (size_t)end);
}

static int collect_derived(FILE *f, struct bytes member, struct str *ret_ids)
{
	enum { MEMBER_WITHIN = 512 }; /* it stands behind the ids; no value can hold its quotes */
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int found = 0;

	while ((n = getline(&line, &size, f)) > 0) {
		struct bytes b = bytes_of(line, (size_t)n);

		if (bytes_find(bytes_head(b, MEMBER_WITHIN), member) < 0 || id_of(b).n == 0)
			continue;
		if (found++ > 0)
			str_add(ret_ids, ", ");
		str_add_bytes(ret_ids, id_of(b));
	}
	free(line);
	if (ferror(f))
		return -EIO;
	return ret_ids->failed ? -EFBIG : found;
}

int msglog_find_derived(const char *path, const char *id, struct str *ret_ids, struct err *err)
{
	AUTO(str_fini) struct str member;
	FILE *f;
	int r;

	str_init(&member, 4096);
	member_text(&member, "split_from", id);
	if (member.failed)
		return err_set(err, ERR_INPUT, -ENOENT, "'%s' is not an id", id);
	f = fopen(path, "re");
	if (f == NULL)
		return err_errno(err, "open message log '%s'", path);
	r = collect_derived(f, bytes_from(str_bytes(&member), 1), ret_ids); /* without '{' */
	(void)fclose(f);
	return r < 0 ? err_code(err, r, "read message log '%s'", path) : r;
}
