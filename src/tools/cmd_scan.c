/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_scan.c - sallyport scan: the whole pipeline on message files, without a queue. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "action/edit.h"
#include "conf/recipients.h"
#include "core/clock.h"
#include "tools/client_name.h"
#include "tools/scan_output.h"
#include "tools/zygote_role.h"
#include "worker/client.h"
#include "worker/product.h"

#define TO_MAX           100
#define ARENA_BYTES      (64 * MIB)
#define START_TIMEOUT_MS (120 * 1000)

static const char usage[] =
	"Usage: sallyport scan [-c FILE] [--from ADDRESS] [--to ADDRESS]... [--ip ADDRESS]\n"
	"                      [--host NAME] [--host-checked NAME] [--resolve]\n"
	"                      [--json] [--out DIR] FILE...\n"
	"\n"
	"Scans messages (RFC 5322 files; - is standard input) in the sandbox as the gateway would\n"
	"and says what would become of them. Changes nothing but what --out asks for.\n"
	"\n"
	"  --from, --to, --ip  envelope and client, for options that differ by "
	"them\n" CLIENT_NAME_USAGE "  --json              one JSON object a line for each message\n"
	"  --out DIR           write what would be delivered to DIR/FILE.out and what would be\n"
	"                      quarantined to DIR/quarantine/FILE\n"
	"\n"
	"Exit: 0 nothing found, 1 something found, 64 usage, 73 --out cannot be made,\n"
	"75 a check could not run, 78 configuration.\n";

struct scan {
	struct cli cli;
	const char *to[TO_MAX], *out_dir;
	struct conf_who who;
	struct client_name name;
	struct conf *conf;
	struct client *client;
	struct arena *arena;
	unsigned n;
	bool found, unfinished;
};

/* --- one message --- */

static void fill_entry(struct queue_entry *e, const struct scan *s, const struct mail_file *m,
		       const char *id)
{
	*e = (struct queue_entry){ .headers = m->headers,
				   .body_fd = -1,
				   .size_bytes = m->size_bytes };
	(void)snprintf(e->id, sizeof(e->id), "%s", id);
	e->env = (struct envelope){ .sender = s->who.from,
				    .sender_verbatim = s->who.from,
				    .to = (const char **)(uintptr_t)s->who.to,
				    .to_verbatim = (const char **)(uintptr_t)s->who.to,
				    .to_n = s->who.to_n,
				    .client_ip = s->who.client_ip };
}

/* The headers as the gateway would write them. */
static int edit_headers(const struct scan *s, struct mail_file *m, const char *id, bool scanned,
			bool untouched, struct err *err)
{
	struct edit edit = { .list = &m->headers, .arena = s->arena };
	enum edit_outcome mark = scanned ? EDIT_CLEAN : EDIT_UNSCANNED;
	struct queue_entry entry;

	fill_entry(&entry, s, m, id);
	return edit_for_delivery(&edit, s->conf, &s->who, &entry, untouched ? EDIT_UNTOUCHED : mark,
				 err);
}

static int write_out(const struct scan *s, const struct mail_file *m, const char *file,
		     enum outcome o, struct err *err)
{
	char *copy = strdup(strcmp(file, "-") == 0 ? "stdin" : file), *path = NULL;
	bool deliver = o == OUTCOME_DELIVER || o == OUTCOME_DELIVER_MODIFIED;
	int r = -ENOMEM;

	if (copy != NULL)
		path = arena_printf(s->arena, deliver ? "%s/%s.out" : "%s/quarantine/%s",
				    s->out_dir, basename(copy));
	free(copy);
	if (path == NULL)
		return err_set(err, ERR_TEMP, r, "--out: out of memory");
	return mail_file_write(m, path, err);
}

static int ask_worker(struct scan *s, const struct mail_file *m, struct scan_request *request,
		      struct facts *ret_f, struct err *err)
{
	struct client_message message = { .fd = m->fd, .fd_bytes = m->size_bytes };
	uint32_t wall_ms = (uint32_t)conf_num(s->conf, OPT_MESSAGE_TIME_LIMIT, NULL) * 1000;

	return client_scan(s->client, request, &message, wall_ms, s->arena, ret_f, err);
}

static int judge(struct scan *s, struct mail_file *m, const char *id, struct facts *f,
		 struct decision *d, bool *ret_scanned, struct err *err)
{
	struct scan_request request;
	int r = 0;

	*ret_scanned = policy_wants_scan(s->conf, &s->who);
	if (!*ret_scanned) {
		*d = (struct decision){ .outcome = OUTCOME_DELIVER, .why = "" };
		return 0;
	}
	r = policy_request(s->conf, &s->who, s->arena, &request, err);
	if (r < 0)
		return r;
	request.client_ip = s->who.client_ip;
	request.id = id;
	r = ask_worker(s, m, &request, f, err);
	if (r == 0)
		policy_decide(s->conf, &s->who, &request, f, s->arena, d);
	return r;
}

static void note_outcome(struct scan *s, const struct decision *d)
{
	if (d->outcome == OUTCOME_DEFER)
		s->unfinished = true;
	else if (d->outcome != OUTCOME_DELIVER)
		s->found = true;
}

static void show(const struct scan *s, const struct scanned *what)
{
	if (s->cli.json)
		scan_output_json(what);
	else
		scan_output_tree(&s->cli, what);
}

/* What cannot be read or scanned is a finding of its own kind: not clean, not judged. */
static void show_failure(struct scan *s, const char *file, const struct err *err)
{
	struct decision d = { .outcome = OUTCOME_DEFER, .why = err->text };
	struct scanned what = { .file = file, .id = "", .decision = &d };

	(void)fprintf(stderr, "sallyport: %s: %s\n", file, err->text);
	s->unfinished = true;
	show(s, &what);
}

static int scan_open_file(struct scan *s, const char *file, struct mail_file *m, struct err *err)
{
	uint64_t began = clock_now_ns();
	struct facts facts = { 0 };
	struct decision d;
	char id[24];
	bool scanned;
	int r;

	(void)snprintf(id, sizeof(id), "scan-%u", ++s->n);
	r = judge(s, m, id, &facts, &d, &scanned, err);
	if (r == 0 && (d.outcome == OUTCOME_DELIVER || d.outcome == OUTCOME_DELIVER_MODIFIED))
		r = edit_headers(s, m, id, d.scanned, !scanned, err);
	if (r == 0 && s->out_dir != NULL && d.outcome != OUTCOME_DEFER)
		r = write_out(s, m, file, d.outcome, err);
	if (r < 0)
		return r;
	struct scanned what = { .file = file,
				.id = id,
				.size_bytes = m->size_bytes,
				.wall_us = (clock_now_ns() - began) / 1000,
				.facts = scanned ? &facts : NULL,
				.decision = &d,
				.mail = m };
	note_outcome(s, &d);
	show(s, &what);
	return 0;
}

static void scan_file(struct scan *s, const char *file)
{
	size_t header_max = (size_t)conf_num(s->conf, OPT_MAXIMUM_HEADER_BYTES, NULL) * 2;
	struct mail_file m;
	struct err err;
	int r;

	arena_reset(s->arena);
	r = mail_file_open(&m, file, header_max, s->arena, &err);
	if (r == 0) {
		r = scan_open_file(s, file, &m, &err);
		fd_close(&m.fd);
	}
	if (r < 0)
		show_failure(s, file, &err);
}

/* --- all of them --- */

static int make_out_dirs(const char *dir)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/quarantine", dir);
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST)) {
		(void)fprintf(stderr, "sallyport: --out %s: %s\n", dir, strerror(errno));
		return EX_CANTCREAT;
	}
	return EX_OK;
}

static int start_worker(struct scan *s, int bundle_fd)
{
	char argument[ZYGOTE_ARGUMENT_MAX], *path = realpath(s->cli.conf_path, NULL);
	const char *argv[] = { "/proc/self/exe", ZYGOTE_ROLE, argument, NULL };
	struct client_setup setup = { .argv = argv,
				      .zygote.ops = &worker_product_ops,
				      .bundle_fd = bundle_fd,
				      .conf_path = path,
				      .load_ms = START_TIMEOUT_MS };
	struct err err;
	int r;

	zygote_role_argument(argument, s->conf);
	r = client_start(&s->client, &setup, &err);
	free(path);
	return r < 0 ? cli_fail(&err) : EX_OK;
}

/* The gateway would judge each recipient by his own values; here they are joined. */
static void tell_disagreement(const struct scan *s)
{
	struct conf_groups g;
	enum opt_id id;

	if (s->who.to_n < 2 || conf_joins_recipients(s->conf) ||
	    conf_group_recipients(s->conf, &s->who, policy_options, policy_options_n, TO_MAX,
				  s->arena, &g, NULL) < 0 ||
	    g.n < 2)
		return;
	id = conf_groups_differ(&g, 0, 1, policy_options, policy_options_n);
	(void)fprintf(stderr,
		      "sallyport: %s and %s disagree about %s: the gateway judges each by his own "
		      "value; this shows what joined values lead to. Give one --to at a time.\n",
		      s->who.to[g.first[0]], s->who.to[g.first[1]], opt_rows[id].name);
}

static int find_name(struct scan *s)
{
	int code = client_name_fill(&s->name, s->conf, &s->who);

	if (conf_wants_host(s->conf) && s->who.client_host_checked == NULL)
		(void)fprintf(stderr, "sallyport: host: rules match nothing, as the client's name "
				      "is not known: give --host-checked or --resolve\n");
	return code;
}

static int run(struct scan *s, char **files)
{
	int bundle_fd = -1, code;

	code = cli_load(&s->cli, &s->conf, &bundle_fd, NULL);
	if (code == EX_OK)
		code = find_name(s);
	if (code == EX_OK && s->out_dir != NULL)
		code = make_out_dirs(s->out_dir);
	if (code == EX_OK)
		code = start_worker(s, bundle_fd);
	fd_close(&bundle_fd);
	if (code != EX_OK)
		return code;
	tell_disagreement(s);
	for (; *files != NULL; files++)
		scan_file(s, *files);
	if (s->unfinished)
		return EX_TEMPFAIL;
	return s->found ? 1 : EX_OK;
}

static const char *lower(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		*p = (char)ascii_lower((uint8_t)*p);
	return text;
}

static int take(struct scan *s, int option, char *arg)
{
	switch (option) {
	case 'f':
		s->who.from = lower(arg);
		return 0;
	case 't':
		if (s->who.to_n == TO_MAX) {
			(void)fprintf(stderr, "sallyport: more than %d --to\n", TO_MAX);
			return -1;
		}
		s->to[s->who.to_n++] = lower(arg);
		return 0;
	case 'i':
		s->who.client_ip = arg;
		return cli_is_ip(arg) ? 0 : -1;
	case 'o':
		s->out_dir = arg;
		return 0;
	default:
		return client_name_take(&s->name, option, arg);
	}
}

int cmd_scan(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_LONG_OPTIONS,
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "ip", required_argument, NULL, 'i' },
		CLIENT_NAME_OPTIONS,
		{ "out", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	struct scan s = { .cli.conf_path = cli_default_conf(),
			  .who = { .from = "", .client_ip = "127.0.0.1" } };
	int o, r;

	(void)cli_common(&s.cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&s.cli, o, optarg, usage);
		if (r > 0)
			return EX_OK;
		if (r < 0 && take(&s, o, optarg) < 0)
			return cli_usage(usage);
	}
	if (optind == argc)
		return cli_usage(usage);
	s.who.to = s.to;
	s.arena = arena_new(ARENA_BYTES);
	if (s.arena == NULL)
		return EX_OSERR;
	r = run(&s, argv + optind);
	client_stop(&s.client);
	arena_free(&s.arena);
	conf_unref(&s.conf);
	return r;
}
