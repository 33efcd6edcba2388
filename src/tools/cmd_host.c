/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_host.c - sallyport host: what this machine is, what would run where, and how much mail
 * it can take. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/host_report.h"

static const char usage[] =
	"Usage: sallyport host [-c FILE] [--quick] [--no-measure] [--dir DIR] [--json]\n"
	"\n"
	"Shows the topology of this host, the limits the kernel sets, which cores Sallyport would\n"
	"use for what, and measures what limits its mail: syncs of the disk, memory, pattern\n"
	"matching, and the site's own scan of made-up mail, on one core and on all. Takes about\n"
	"40 seconds and all cores; better not while mail flows. Changes nothing.\n"
	"\n"
	"  --quick       measure for about 10 seconds in all\n"
	"  --no-measure  do not measure\n"
	"  --dir DIR     where to try the disk; default: beside the Outgoing Queue Dir\n"
	"\n"
	"Exit: 0, 64 usage, 75 something could not be measured, 78 configuration.\n";

/* Milliseconds for each measurement. */
struct effort {
	unsigned disk, copy, match, scan;
};

static const struct effort thorough = { 8000, 2000, 2000, 8000 };
static const struct effort quick = { 1600, 500, 500, 2000 };

struct run {
	struct cli cli;
	const char *dir;
	bool quick, measure;
	struct conf *conf;
	struct host_report report;
};

static void progress(const char *what)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r\033[K%s", what);
}

/* --- configuration --- */

/* A machine is often sized before anything is installed: then all options have their defaults, and
 * there are no rules to scan by. */
static int load_defaults(struct run *r, struct err *err)
{
	static const char text[] = "Max Children = auto\nFilename Rules =\nFiletype Rules =\n"
				   "Archives: Filename Rules =\nArchives: Filetype Rules =\n";
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	int res;

	if (report == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	res = conf_source_memory(&s, err);
	if (res == 0)
		res = conf_source_add(s, "/defaults", CONF_FILE, false, bytes_str(text));
	if (res == 0)
		res = conf_load(&r->conf, s, "/defaults", report, err);
	if (res == 0)
		(void)fprintf(stderr,
			      "sallyport: there is no '%s': options have their defaults, "
			      "and there are no rule files\n",
			      r->cli.conf_path);
	return res;
}

static int load(struct run *r)
{
	struct err err = { .kind = ERR_TEMP, .text = "out of memory" };

	if (strcmp(r->cli.conf_path, cli_default_conf()) != 0 ||
	    access(r->cli.conf_path, F_OK) == 0 || errno != ENOENT)
		return cli_load(&r->cli, &r->conf, NULL, NULL);
	return load_defaults(r, &err) < 0 ? cli_fail(&err) : EX_OK;
}

/* --- topology and plan --- */

static int look(struct run *r, struct err *err)
{
	struct plan_wish w = { .workers = conf_num(r->conf, OPT_MAX_CHILDREN, NULL),
			       .threads = conf_num(r->conf, OPT_SCAN_THREADS, NULL),
			       .scan_cores = conf_str(r->conf, OPT_SCAN_CORES, NULL),
			       .loop_core = conf_str(r->conf, OPT_LOOP_CORE, NULL),
			       .numa = conf_str(r->conf, OPT_SCAN_NUMA, NULL) };
	int res = host_read(&r->report.host, "", err);

	if (res < 0)
		return res;
	host_allowed(&w.allowed);
	host_group_read(&w.group, "");
	r->report.group = w.group;
	plan_make(&r->report.plan, r->report.host, &w);
	w.workers = 0;
	plan_make(&r->report.all, r->report.host, &w);
	r->report.limits_n = host_limits(r->report.limits, HOST_LIMITS_MAX, &w.group);
	return 0;
}

/* --- measuring --- */

/* Beside the queue, not in it: an MTA may read every name it finds there. */
static void choose_dir(const struct run *r, char out[4096])
{
	const char *queue = conf_str(r->conf, OPT_OUTGOING_QUEUE_DIR, NULL);
	struct stat in, beside;
	const char *parent;
	char copy[4096];

	(void)snprintf(out, 4096, "%s", r->dir == NULL ? queue : r->dir);
	(void)snprintf(copy, sizeof(copy), "%s", queue);
	parent = dirname(copy);
	if (r->dir == NULL && stat(queue, &in) == 0 && stat(parent, &beside) == 0 &&
	    in.st_dev == beside.st_dev && access(parent, W_OK) == 0)
		(void)snprintf(out, 4096, "%s", parent);
}

static void give_up(struct host_report *h, const char *what, const struct err *err)
{
	if (h->problems_n < REPORT_PROBLEMS_MAX)
		(void)snprintf(h->problems[h->problems_n++], sizeof(h->problems[0]), "%s: %s", what,
			       err->text);
}

static void measure_disk(struct run *r, unsigned ms)
{
	struct err err;

	choose_dir(r, r->report.dir);
	progress("syncs ...");
	if (bench_disk(r->report.dir, ms, &r->report.sync, &err) < 0)
		give_up(&r->report, "syncs", &err);
}

/* On one core, then on all that would scan. */
static void measure(struct run *r, const struct bench_work *w, unsigned ms, struct report_pair *p)
{
	unsigned all = r->report.all.workers_n * r->report.all.threads_n;
	char text[80];
	struct err err;

	for (unsigned i = 0; i < 2 && !bench_interrupted(); i++) {
		(void)snprintf(text, sizeof(text), "%s on %u cores ...", w->name, i == 0 ? 1 : all);
		progress(text);
		if (bench_run(w, &r->report.all, i == 0 ? 1 : all, ms, i == 0 ? &p->one : &p->all,
			      &err) < 0) {
			give_up(&r->report, w->name, &err);
			return;
		}
	}
}

static void measure_scan(struct run *r, unsigned ms)
{
	AUTO(host_scan_free) struct host_scan *s = NULL;
	struct bench_work w;
	struct err err;

	progress("loading signatures and rules ...");
	if (host_scan_new(&s, r->conf, &err) < 0) {
		give_up(&r->report, "scan", &err);
		return;
	}
	(void)snprintf(r->report.engine, sizeof(r->report.engine), "%s",
		       host_scan_describe(s, &r->report.mail_n, &r->report.mail_bytes));
	w = host_scan_work(s);
	measure(r, &w, ms, &r->report.scan);
}

static void measure_all(struct run *r)
{
	const struct effort *e = r->quick ? &quick : &thorough;
	const struct bench_work copy = bench_copy(), match = bench_match();

	measure_disk(r, e->disk);
	if (!bench_interrupted())
		measure(r, &copy, e->copy, &r->report.copy);
	if (!bench_interrupted())
		measure(r, &match, e->match, &r->report.match);
	if (!bench_interrupted())
		measure_scan(r, e->scan);
	progress("");
}

/* --- the command --- */

/* Until everything of ours is gone; then they do what they always do. */
static void hold_signals(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(how, &set, NULL);
}

static int run(struct run *r)
{
	struct err err;
	int code = load(r);

	if (code != EX_OK)
		return code;
	if (look(r, &err) < 0)
		return cli_fail(&err);
	r->report.measured = r->measure;
	if (r->measure)
		measure_all(r);
	hold_signals(SIG_UNBLOCK);
	if (r->cli.json)
		host_report_json(&r->report);
	else
		host_report_text(&r->cli, &r->report);
	return r->report.problems_n > 0 ? EX_TEMPFAIL : EX_OK;
}

int cmd_host(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_LONG_OPTIONS,
		{ "quick", no_argument, NULL, 'q' },
		{ "no-measure", no_argument, NULL, 'n' },
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	struct run *r = calloc(1, sizeof(*r));
	int o, code = -1;

	if (r == NULL)
		return EX_OSERR;
	r->cli.conf_path = cli_default_conf();
	r->measure = true;
	while (code < 0 && (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		int common = cli_common(&r->cli, o, optarg, usage);

		if (common > 0)
			code = EX_OK;
		else if (o == '?')
			code = cli_usage(usage);
		r->quick |= o == 'q';
		r->measure &= o != 'n';
		if (o == 'd')
			r->dir = optarg;
	}
	if (code < 0 && optind != argc)
		code = cli_usage(usage);
	if (code < 0) {
		(void)cli_common(&r->cli, 0, NULL, usage);
		hold_signals(SIG_BLOCK);
		code = run(r);
		hold_signals(SIG_UNBLOCK);
	}
	host_free(&r->report.host);
	conf_unref(&r->conf);
	free(r);
	return code;
}
