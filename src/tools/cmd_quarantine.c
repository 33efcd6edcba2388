/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_quarantine.c - sallyport quarantine list | show ID. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/jout.h"
#include "store/quarantine.h"
#include "tools/json_text.h"
#include "tools/stored_mail.h"

static const char usage[] =
	"Usage: sallyport quarantine list [-c FILE] [--json]\n"
	"       sallyport quarantine show ID [-c FILE] [--json] [--message]\n"
	"\n"
	"  list       every withheld message, newest day first\n"
	"  show ID    what was found in it and where it lies\n"
	"  --message  print the stored message itself, byte for byte\n"
	"\n"
	"Exit: 0, 1 no such message, 64 usage, 75 the quarantine, or the database that may name\n"
	"another one, cannot be read, 78 configuration.\n";

struct view {
	struct cli cli;
	bool message;
	unsigned n;
};

/* All that Quarantine Dir names; the default first. */
struct places {
	const char **dirs;
	size_t n;
};

static void places_fini(struct places *p)
{
	free(p->dirs);
}

static void time_text(int64_t unix_s, char out[32])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		memcpy(out, "?", 2);
}

static void add_item(struct jout *j, const struct quarantine_item *i)
{
	jout_object(j, NULL);
	jout_member_str(j, "id", bytes_str(i->id));
	jout_member_str(j, "day", bytes_str(i->day));
	jout_member_str(j, "kind", bytes_str(i->kind));
	jout_member_str(j, "path", bytes_str(i->path));
	jout_member_num(j, "size", i->size_bytes);
	jout_member_int(j, "stored", i->stored_s);
	jout_member_raw(j, "facts", i->facts == NULL ? "null" : i->facts);
	jout_end(j);
}

static int print_json(const struct quarantine_item *i)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, 16 * MIB);
	jout_begin(&j, &text);
	add_item(&j, i);
	(void)printf("%s\n", str_view(&text));
	return 0;
}

static int list_one(const struct quarantine_item *i, void *arg)
{
	struct view *v = arg;
	json_t *facts = i->facts == NULL ? NULL : json_loads(i->facts, 0, NULL);
	char when[32], from[128], why[256];

	v->n++;
	if (v->cli.json) {
		(void)print_json(i);
	} else {
		time_text(i->stored_s, when);
		(void)printf("%s  %-18s %9" PRIu64 " bytes  <%s>  %s%s%s\n", when, i->id,
			     i->size_bytes, text_member(facts, "from", from, sizeof(from)),
			     cli_red(&v->cli), text_member(facts, "why", why, sizeof(why)),
			     cli_plain(&v->cli));
	}
	json_decref(facts);
	return 0;
}

/* One of several that is not there (any more) holds nothing. */
static bool is_missing(const struct places *p, int r)
{
	return r == -ENOENT && p->n > 1;
}

static int run_list(struct view *v, const struct places *p)
{
	struct err err;
	int code = EX_OK;

	for (size_t i = 0; i < p->n; i++) {
		int r = quarantine_list(p->dirs[i], list_one, v, &err);

		if (r < 0 && !is_missing(p, r))
			code = cli_fail(&err);
	}
	if (v->n == 0 && !v->cli.json && code == EX_OK)
		(void)printf("the quarantine %s is empty\n", p->dirs[0]);
	return code == EX_OK && v->cli.away ? EX_TEMPFAIL : code; /* it may name more of them */
}

static int copy_out(const struct stored_mail *m, void *arg UNUSED)
{
	char buf[64 * 1024];
	off_t at = (off_t)m->at;
	ssize_t n;

	for (size_t i = 0; m->headers != NULL && i < m->headers->n; i++) {
		const struct header *h = &m->headers->v[i];

		if (!h->deleted)
			(void)printf("%.*s\n", (int)h->text.n, (const char *)h->text.p);
	}
	if (m->headers != NULL)
		(void)putchar('\n');
	while ((n = pread(m->fd, buf, sizeof(buf), at)) > 0) {
		(void)fwrite(buf, 1, (size_t)n, stdout);
		at += n;
	}
	if (n == 0 && fflush(stdout) == 0 && ferror(stdout) == 0)
		return 0;
	(void)fprintf(stderr, "sallyport: %s: %s\n", m->path, strerror(errno));
	return 1;
}

static int print_message(const struct quarantine_item *i)
{
	return stored_mail_each(i->path, copy_out, NULL) > 0 ? EX_TEMPFAIL : EX_OK;
}

static int print_item(const struct view *v, const struct quarantine_item *i)
{
	json_t *facts = i->facts == NULL ? NULL : json_loads(i->facts, 0, NULL);
	static const char *const names[] = { "from", "client_ip", "subject", "why" };
	char when[32], text[512];

	time_text(i->stored_s, when);
	(void)printf("%s  (%s)\n  stored     %s, %" PRIu64 " bytes, in %s\n", i->id, i->kind, when,
		     i->size_bytes, i->path);
	for (size_t k = 0; facts != NULL && k < ARRAY_LEN(names); k++)
		(void)printf("  %-10s %s\n", names[k],
			     text_member(facts, names[k], text, sizeof(text)));
	text_findings(&v->cli, facts);
	json_decref(facts);
	return EX_OK;
}

static int run_show(const struct view *v, const struct places *p, const char *id)
{
	AUTO(arena_free) struct arena *a = arena_new(16 * MIB);
	struct quarantine_item item;
	struct err err = { .kind = ERR_TEMP, .text = "out of memory" };
	int r = a == NULL ? -ENOMEM : -ENOENT, code = EX_OK;

	for (size_t i = 0; r < 0 && a != NULL && i < p->n; i++) {
		r = quarantine_find(p->dirs[i], id, a, &item, &err);
		if (r < 0 && r != -ENOENT)
			code = cli_fail(&err);
	}
	if (r < 0 && (code != EX_OK || a == NULL))
		return code != EX_OK ? code : cli_fail(&err);
	if (r < 0) {
		(void)fprintf(stderr, "sallyport: %s%s holds no message %s\n", p->dirs[0],
			      p->n > 1 ? " (and each other quarantine)" : "", id);
		return 1;
	}
	if (v->message)
		return print_message(&item);
	return v->cli.json ? print_json(&item) : print_item(v, &item);
}

int cmd_quarantine(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_LONG_OPTIONS,
		{ "message", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	struct view v = { .cli.conf_path = cli_default_conf() };
	AUTO(conf_unref) struct conf *c = NULL;
	AUTO(places_fini) struct places places = { 0 };
	int o, r;

	(void)cli_common(&v.cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&v.cli, o, optarg, usage);
		if (r > 0)
			return EX_OK;
		if (r < 0 && o != 'm')
			return cli_usage(usage);
		v.message |= o == 'm';
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return cli_usage(usage);
	v.cli.go_on = true;
	r = cli_load(&v.cli, &c, NULL, NULL);
	if (r != 0)
		return r;
	if (conf_values(c, OPT_QUARANTINE_DIR, &places.dirs, &places.n) < 0)
		return EX_TEMPFAIL;
	if (strcmp(argv[0], "list") == 0 && argc == 1)
		return run_list(&v, &places);
	if (strcmp(argv[0], "show") == 0 && argc == 2)
		return run_show(&v, &places, argv[1]);
	return cli_usage(usage);
}
