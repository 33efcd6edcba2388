/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/site.c - what is made once from a configuration snapshot: opened queues, owners, modes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/num.h"
#include "core/str.h"
#include "msg/internal.h"
#include "msg/owners.h"

/* A header block may be this much larger in memory than on disk: line table, rewritten lines. */
#define ARENA_PER_HEADER_BYTE 6
#define ARENA_BASE_BYTES      (1024u * 1024)

static enum queue_lock lock_type(const char *words)
{
	if (strcasecmp(words, "flock") == 0)
		return QUEUE_LOCK_FLOCK;
	if (strcasecmp(words, "posix") == 0)
		return QUEUE_LOCK_POSIX;
	if (strcasecmp(words, "none") == 0)
		return QUEUE_LOCK_NONE;
	return QUEUE_LOCK_DEFAULT;
}

/* The option, or what it falls back to when it is empty. */
static enum opt_id first_of(const struct conf *c, enum opt_id id, enum opt_id fallback)
{
	return conf_str(c, id, NULL)[0] != '\0' ? id : fallback;
}

/* no, yes (the first) or which one. */
static int received_header(const struct conf *c)
{
	const char *word = conf_words(c, OPT_READ_IP_ADDRESS_FROM_RECEIVED_HEADER, NULL);
	uint64_t n;

	return num_parse(bytes_str(word), 10, 1000, &n) < 0 ? 0 : (int)n;
}

static int read_settings(struct site *s, struct err *err)
{
	struct conf *c = s->conf;
	int r;

	s->ops = queue_find(conf_str(c, OPT_MTA, NULL));
	if (s->ops == NULL)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "MTA = %s: this version knows sendmail and exim",
			       conf_str(c, OPT_MTA, NULL));
	s->queue = (struct queue_settings){
		.lock = lock_type(conf_str(c, OPT_LOCK_TYPE, NULL)),
		.split_spool = conf_bool(c, OPT_SPLIT_EXIM_SPOOL, NULL),
		.received_ip_header = received_header(c),
		.header_max_bytes = (uint64_t)conf_num(c, OPT_MAXIMUM_HEADER_BYTES, NULL) * 2,
		.owner = geteuid(),
		.sweep = true,
	};
	s->arena_bytes = ARENA_BASE_BYTES + ARENA_PER_HEADER_BYTE * s->queue.header_max_bytes;
	r = owner_mode(c, OPT_QUARANTINE_PERMISSIONS, &s->quarantine_mode, err);
	if (r == 0)
		r = owner_user(c, first_of(c, OPT_QUARANTINE_USER, OPT_RUN_AS_USER),
			       &s->quarantine_uid, err);
	if (r == 0)
		r = owner_group(c, first_of(c, OPT_QUARANTINE_GROUP, OPT_RUN_AS_GROUP),
				&s->quarantine_gid, err);
	return r;
}

struct site_watch *site_watch_new(struct site_dir *d, size_t watch_i)
{
	struct site_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct site_watch){ .next = d->site->watched, .dir = d, .watch_i = watch_i };
	d->site->watched = w;
	return w;
}

static int open_incoming(struct site *s, struct arena *a, struct err *err)
{
	const char *value = conf_str(s->conf, OPT_INCOMING_QUEUE_DIR, NULL), *content = NULL;
	AUTO(str_fini) struct str warnings;
	struct bytes file;
	const char **dirs;
	int n;

	str_init(&warnings, 16 * 1024);
	if (conf_file(s->conf, value, &file) == 0) {
		content = arena_str(a, file);
		if (content == NULL)
			return err_set(err, ERR_LIMIT, -ENOMEM, "%s: too large", value);
	}
	n = queue_expand_dirs(value, content, a, &dirs, &warnings, err);
	if (n < 0)
		return n;
	if (warnings.n > 0)
		log_warning("Incoming Queue Dir: %s", str_view(&warnings));
	if (n == 0)
		return err_set(err, ERR_CONFIG, -ENOENT,
			       "Incoming Queue Dir = %s: no such directory", value);
	s->in = calloc((size_t)n, sizeof(*s->in));
	if (s->in == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "queues: out of memory");
	for (int i = 0; i < n; i++) {
		struct site_dir *d = &s->in[s->in_n];
		int r = queue_dir_open(&d->dir, s->ops, dirs[i], &s->queue, err);

		if (r < 0)
			return r;
		d->site = s;
		d->index = s->in_n++;
	}
	return 0;
}

static void close_out(struct site_out **list)
{
	while (*list != NULL) {
		struct site_out *o = *list;

		*list = o->next;
		queue_dir_close(&o->dir);
		free(o->path);
		free(o->ids);
		free(o);
	}
}

static int check_pair(const struct queue_dir *in, const struct queue_dir *out, struct err *err)
{
	/* A hard link must be possible, or clean mail could not be moved. */
	if (queue_dir_device(in) != queue_dir_device(out))
		return err_set(err, ERR_CONFIG, -EXDEV, QUEUE_OTHER_DEVICE, queue_dir_path(in),
			       queue_dir_path(out));
	if (queue_dir_overlaps(in, out))
		return err_set(err, ERR_CONFIG, -EINVAL, QUEUE_BOTH_WAYS, queue_dir_path(out));
	return 0;
}

static int open_out(struct site *s, const char *path, struct site_out **ret_o, struct err *err)
{
	struct site_out *o = calloc(1, sizeof(*o));
	int r;

	if (o == NULL || (o->path = strdup(path)) == NULL) {
		free(o);
		return err_set(err, ERR_TEMP, -ENOMEM, "queues: out of memory");
	}
	r = queue_dir_open(&o->dir, s->ops, path, &s->queue, err);
	for (size_t i = 0; r == 0 && i < s->in_n; i++)
		r = check_pair(s->in[i].dir, o->dir, err);
	if (r < 0) {
		close_out(&o);
		return r;
	}
	o->next = s->out;
	s->out = o;
	*ret_o = o;
	return 0;
}

int site_out_at(struct site *s, const char *path, struct site_out **ret_o, struct err *err)
{
	for (struct site_out *o = s->out; o != NULL; o = o->next)
		if (strcmp(o->path, path) == 0) {
			*ret_o = o;
			return 0;
		}
	return open_out(s, path, ret_o, err);
}

int site_out_dir(struct site *s, const struct conf_who *who, struct site_out **ret_o,
		 struct err *err)
{
	return site_out_at(s, conf_str(s->conf, OPT_OUTGOING_QUEUE_DIR, who), ret_o, err);
}

static int check_quarantine(struct site *s, struct err *err)
{
	struct quarantine_settings set = { .dir = conf_str(s->conf, OPT_QUARANTINE_DIR, NULL),
					   .user = s->quarantine_uid,
					   .group = s->quarantine_gid,
					   .file_mode = s->quarantine_mode };
	int n = quarantine_check(&set, err);

	if (n == -EPERM) /* mail is kept safe all the same: fewer people can read it */
		log_warning("%s", err->text);
	else if (n < 0)
		return n;
	return 0;
}

int site_new(struct site **ret_s, struct conf *c, struct err *err)
{
	AUTO(site_unref) struct site *s = calloc(1, sizeof(*s));
	AUTO(arena_free) struct arena *a = arena_new(4 * MIB);
	struct site_out *out;
	int r;

	if (s == NULL || a == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	s->refs = 1;
	s->conf = conf_ref(c);
	r = read_settings(s, err);
	if (r == 0)
		r = open_incoming(s, a, err);
	if (r == 0)
		r = site_out_dir(s, NULL, &out, err);
	if (r == 0)
		r = check_quarantine(s, err);
	if (r < 0)
		return r;
	recipients_options(s);
	*ret_s = TAKE(s);
	return 0;
}

struct site *site_ref(struct site *s)
{
	s->refs++;
	return s;
}

void site_unref(struct site **s)
{
	struct site *site = TAKE(*s);

	if (site == NULL || --site->refs > 0)
		return;
	for (size_t i = 0; i < site->in_n; i++)
		queue_dir_close(&site->in[i].dir);
	close_out(&site->out);
	free(site->in);
	while (site->watched != NULL) {
		struct site_watch *w = site->watched;

		site->watched = w->next;
		free(w);
	}
	conf_unref(&site->conf);
	free(site);
}
