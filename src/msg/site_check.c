/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/site_check.c - what site.c would refuse, for `sallyport check`. The functions that judge are
 * those that site.c uses; here nothing is opened for writing, swept or locked.
 */
#include "msg/site_check.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/explain.h"
#include "conf/opt.h"
#include "core/arena.h"
#include "core/str.h"
#include "core/text.h"
#include "msg/owners.h"
#include "queue/queue.h"

struct site_look {
	const struct conf *c;
	struct conf_report *r;
	struct arena *arena;
	uid_t owner; /* of queues */
	const char **in;
	size_t in_n;
	bool refused;
};

static void say(struct site_look *k, enum opt_id id, const struct err *err)
{
	conf_report_option(k->c, k->r, CONF_ERROR, id, err->text);
	k->refused = true;
}

static void look_at_mta(struct site_look *k)
{
	const char *mta = conf_str(k->c, OPT_MTA, NULL);
	struct err err;

	if (queue_find(mta) != NULL)
		return;
	(void)err_set(&err, ERR_CONFIG, -1, "MTA = %s: this version knows sendmail and exim", mta);
	say(k, OPT_MTA, &err);
}

static void look_at_owners(struct site_look *k)
{
	static const enum opt_id groups[] = { OPT_RUN_AS_GROUP, OPT_QUARANTINE_GROUP };
	struct err err;
	mode_t mode;
	uid_t uid;
	gid_t gid;

	k->owner = geteuid();
	if (owner_user(k->c, OPT_RUN_AS_USER, &uid, &err) < 0)
		say(k, OPT_RUN_AS_USER, &err);
	else if (uid != (uid_t)-1)
		k->owner = uid;
	/* without root's rights the workers keep the user they have */
	if (geteuid() == 0 && owner_user(k->c, OPT_SCAN_USER, &uid, &err) < 0)
		say(k, OPT_SCAN_USER, &err);
	if (owner_user(k->c, OPT_QUARANTINE_USER, &uid, &err) < 0)
		say(k, OPT_QUARANTINE_USER, &err);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (owner_group(k->c, groups[i], &gid, &err) < 0)
			say(k, groups[i], &err);
	if (owner_mode(k->c, OPT_QUARANTINE_PERMISSIONS, &mode, &err) < 0)
		say(k, OPT_QUARANTINE_PERMISSIONS, &err);
}

/* Lines as queue_expand_dirs() writes them. */
static void warn_each(const struct site_look *k, struct bytes lines)
{
	struct bytes line;

	while (bytes_next_line(&lines, &line)) {
		const char *text = arena_printf(k->arena, "Incoming Queue Dir: %.*s", (int)line.n,
						(const char *)line.p);

		if (text != NULL)
			conf_report_option(k->c, k->r, CONF_WARNING, OPT_INCOMING_QUEUE_DIR, text);
	}
}

static void look_at_incoming(struct site_look *k)
{
	const char *value = conf_str(k->c, OPT_INCOMING_QUEUE_DIR, NULL), *content = NULL;
	AUTO(str_fini) struct str warnings;
	struct bytes file;
	struct err err;
	dev_t device;
	int n;

	str_init(&warnings, MIB);
	if (conf_file(k->c, value, &file) == 0)
		content = arena_str(k->arena, file);
	n = queue_expand_dirs(value, content, k->arena, &k->in, &warnings, &err);
	if (n > 0 || content != NULL)
		warn_each(k, str_bytes(&warnings));
	if (n == 0)
		(void)err_set(&err, ERR_CONFIG, -1,
			      "Incoming Queue Dir = %s: no such directory; the gateway would not "
			      "start",
			      value);
	if (n <= 0) {
		say(k, OPT_INCOMING_QUEUE_DIR, &err);
		return;
	}
	k->in_n = (size_t)n;
	for (size_t i = 0; i < k->in_n; i++)
		if (queue_dir_look(k->in[i], k->owner, &device, &err) < 0)
			say(k, OPT_INCOMING_QUEUE_DIR, &err);
}

static bool is_same_place(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void look_at_outgoing(struct site_look *k, const char *path)
{
	struct err err;
	dev_t in, out;

	if (queue_dir_look(path, k->owner, &out, &err) < 0) {
		say(k, OPT_OUTGOING_QUEUE_DIR, &err);
		return;
	}
	for (size_t i = 0; i < k->in_n; i++) {
		struct err ignored;

		if (queue_dir_look(k->in[i], k->owner, &in, &ignored) < 0)
			continue;
		if (in != out)
			(void)err_set(&err, ERR_CONFIG, -1, QUEUE_OTHER_DEVICE, k->in[i], path);
		else if (is_same_place(k->in[i], path))
			(void)err_set(&err, ERR_CONFIG, -1, QUEUE_BOTH_WAYS, path);
		else
			continue;
		say(k, OPT_OUTGOING_QUEUE_DIR, &err);
	}
}

static void look_at_quarantine(struct site_look *k, const char *path)
{
	struct stat st;
	struct err err;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return;
	(void)err_set(&err, ERR_CONFIG, -1,
		      "Quarantine Dir = %s: no such directory; the gateway would not start", path);
	say(k, OPT_QUARANTINE_DIR, &err);
}

/* Whether somebody gets another value than @no. */
static bool is_wanted(struct site_look *k, enum opt_id id, const char *no)
{
	const char *list[64];
	size_t n = conf_every_value(k->c, id, list, ARRAY_LEN(list));

	for (size_t i = 0; i < MIN_OF(n, ARRAY_LEN(list)); i++)
		if (strcmp(list[i], no) != 0)
			return true;
	return n > ARRAY_LEN(list);
}

static bool holds_files(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL)
		found = e->d_name[0] != '.';
	if (d != NULL)
		(void)closedir(d);
	return found || errno == EACCES; /* others may read it */
}

static void look_at_signatures(struct site_look *k)
{
	const char *dir = conf_str(k->c, OPT_CLAMAV_DATABASE_DIRECTORY, NULL);
	struct err err;

	if (!is_wanted(k, OPT_VIRUS_SCANNING, "0") || !is_wanted(k, OPT_VIRUS_SCANNERS, "none"))
		return;
	errno = 0;
	if (holds_files(dir))
		return;
	(void)err_set(&err, ERR_CONFIG, -1,
		      "ClamAV Database Directory = %s: no signatures there; run freshclam, or name "
		      "the directory that has them; the gateway would not start",
		      dir);
	say(k, OPT_CLAMAV_DATABASE_DIRECTORY, &err);
}

/* No other scanner is started, and nobody may believe that one looks at the mail. */
static void look_at_scanners(struct site_look *k, const char *scanners)
{
	static const char *const known[] = { "auto", "none", "clamav", "clamavmodule", "clamd" };
	struct bytes rest = bytes_str(scanners), word;

	while (bytes_next_word(&rest, &word)) {
		char shown[41], text[200];
		size_t i = 0;

		word.n -= word.p[word.n - 1] == ',';
		while (i < ARRAY_LEN(known) && !bytes_eq_nocase(word, bytes_str(known[i])))
			i++;
		if (i < ARRAY_LEN(known) || word.n == 0)
			continue;
		(void)snprintf(text, sizeof(text),
			       "Virus Scanners: '%s' is not started; only the ClamAV library scans",
			       text_escape(shown, sizeof(shown), word));
		conf_report_option(k->c, k->r, CONF_WARNING, OPT_VIRUS_SCANNERS, text);
	}
}

static void look_at_each(struct site_look *k, enum opt_id id,
			 void (*look)(struct site_look *k, const char *path))
{
	const char **list;
	size_t n;

	if (conf_values(k->c, id, &list, &n) < 0) {
		k->refused = true; /* no memory: nothing is said to be well */
		return;
	}
	for (size_t i = 0; i < n; i++)
		look(k, list[i]);
	free(list);
}

bool site_check(const struct conf *c, struct conf_report *r)
{
	AUTO(arena_free) struct arena *a = arena_new(64 * MIB);
	struct site_look k = { .c = c, .r = r, .arena = a };

	if (a == NULL)
		return false;
	look_at_mta(&k);
	look_at_owners(&k);
	look_at_incoming(&k);
	look_at_each(&k, OPT_OUTGOING_QUEUE_DIR, look_at_outgoing);
	look_at_each(&k, OPT_QUARANTINE_DIR, look_at_quarantine);
	look_at_signatures(&k);
	look_at_each(&k, OPT_VIRUS_SCANNERS, look_at_scanners);
	return !k.refused;
}
