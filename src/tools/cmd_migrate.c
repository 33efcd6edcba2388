/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_migrate.c - sallyport migrate: what becomes of a MailScanner site's configuration. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "conf/definitions.h"
#include "conf/explain.h"
#include "conf/waits.h"
#include "core/text.h"
#include "tools/cli.h"
#include "tools/migrate_rows.h"

#define SHOWN_MAX     101 /* characters of a value in the text report, with the NUL */
#define DIFFERENCES   "see docs/differences.md"
#define JSON_MAX      (16 * MIB)
#define SITE_PATH_MAX 4096

static const char usage[] =
	"Usage: sallyport migrate [DIR|FILE] [--json]\n"
	"\n"
	"Reads the configuration of a MailScanner site (DIR/MailScanner.conf, or FILE) with all "
	"it\n"
	"names and tells what becomes of it. Changes nothing. Without an argument it takes the\n"
	"configuration that other commands take.\n"
	"\n"
	"--json prints one object:\n"
	"  file, loaded      what was read; false: the daemon would not start with it\n"
	"  attention         true when anything below but \"rulesets\" is not empty\n"
	"  works             number of options set that work as they are\n"
	"  differs, no_effect, not_built\n"
	"                    [{option, value, source, text}]: behave differently, are accepted\n"
	"                    without effect, belong to something that is not built yet\n"
	"  functions         the same for Perl functions, which cannot run; value is the function\n"
	"  unread            the same for what a database that is away did not tell: value is the\n"
	"                    name of a ruleset, or the statement whose answers are missing; the\n"
	"                    report is about the files alone, and the daemon would not start\n"
	"  rulesets          [{option, file, lines}], lines: those that hold rules\n"
	"  problems          [{severity, file, line, column, text}], as sallyport check has them\n"
	"\n"
	"Exit: 0 nothing needs attention, 1 something does, 64 usage, 75 a database cannot be\n"
	"asked, 78 the configuration cannot be loaded.\n";

enum group { DIFFERS, NO_EFFECT, NOT_BUILT, FUNCTIONS, UNREAD, RULESETS, GROUPS };

static const struct {
	const char *json, *title;
} group_names[GROUPS] = {
	[DIFFERS] = { "differs", "behave differently" },
	[NO_EFFECT] = { "no_effect", "accepted without effect" },
	[NOT_BUILT] = { "not_built", "not built yet" },
	[FUNCTIONS] = { "functions", "Perl functions, which cannot run" },
	[UNREAD] = { "unread", "not read: the database is away" },
	[RULESETS] = { "rulesets", "rulesets" },
};

struct item {
	enum opt_id id;
	const char *text;
};

struct migration {
	struct cli cli;
	char path[SITE_PATH_MAX];
	const struct conf *c; /* NULL: could not be loaded */
	const struct conf_report *report;
	struct item items[GROUPS][OPT_ROWS];
	size_t n[GROUPS];
	size_t works;
};

/* ---- finding out ---- */

/* Some message gets another answer than "no". */
static bool is_on(const struct conf *c, enum opt_id id)
{
	const char **values = NULL;
	bool on = false;
	size_t n = 0;

	if (conf_values(c, id, &values, &n) < 0)
		return true; /* rather a line too many */
	for (size_t i = 0; i < n && !on; i++)
		on = values[i][0] != '\0' && strcmp(values[i], "0") != 0;
	free(values);
	return on;
}

static bool is_fine(const char *fine, const char *value)
{
	size_t n = strlen(value);

	for (const char *end; fine != NULL; fine = *end == '\0' ? NULL : end + 1) {
		end = strchrnul(fine, '|');
		if ((size_t)(end - fine) == n && strncasecmp(fine, value, n) == 0)
			return true;
	}
	return false;
}

static bool row_counts(const struct migration *m, const struct migrate_row *row)
{
	if (row == NULL)
		return false;
	if (row->when == MIGRATE_ON)
		return is_on(m->c, row->id);
	return conf_is_own(m->c, row->id) && !is_fine(row->fine, conf_written(m->c, row->id, NULL));
}

static void add(struct migration *m, enum group g, enum opt_id id, const char *text)
{
	m->items[g][m->n[g]++] = (struct item){ id, text };
}

/* Rulesets are listed beside whatever else is said of their option. */
static void judge(struct migration *m, enum opt_id id)
{
	const struct opt *o = &opt_rows[id];
	const struct migrate_row *row = migrate_row_find(id);
	bool own = conf_is_own(m->c, id), counts = row_counts(m, row);
	const char *why;
	size_t lines;

	if (conf_unread(m->c, id, &why) != NULL) {
		add(m, UNREAD, id, why);
		return;
	}
	if (row != NULL && row->when == MIGRATE_ON && !counts)
		own = false; /* switched off: it is not missed */
	if (conf_ruleset(m->c, id, &lines) != NULL)
		add(m, RULESETS, id, "");
	if (conf_function(m->c, id) != NULL)
		add(m, FUNCTIONS, id, "the built-in default holds");
	else if ((o->flags & (OPT_NO_EFFECT | OPT_OBSOLETE)) != 0) {
		if (own)
			add(m, NO_EFFECT, id, o->why == NULL ? "" : o->why);
	} else if ((o->flags & OPT_LATER) != 0) {
		if (own || counts)
			add(m, NOT_BUILT, id, row == NULL ? opt_waits_for(id) : row->text);
	} else if (counts)
		add(m, DIFFERS, id, row->text);
	else
		m->works += strcmp(conf_where(m->c, id, NULL), "default") != 0;
}

static bool needs_attention(const struct migration *m)
{
	return m->c == NULL || m->n[DIFFERS] + m->n[NO_EFFECT] + m->n[NOT_BUILT] + m->n[FUNCTIONS] +
					       m->n[UNREAD] + conf_report_count(m->report) >
				       0;
}

static void describe(const struct migration *m, enum group g, const struct item *it,
		     struct str *out)
{
	const char *why, *unread = conf_unread(m->c, it->id, &why);

	if (g == FUNCTIONS)
		str_add(out, conf_function(m->c, it->id));
	else if (g == UNREAD && unread[0] != '\0')
		str_add(out, unread);
	else
		conf_describe(m->c, it->id, out);
}

/* ---- JSON ---- */

static void add_item(struct jout *j, const struct migration *m, enum group g, const struct item *it)
{
	AUTO(str_fini) struct str text;
	const char *file;
	size_t lines = 0;

	str_init(&text, MIB);
	jout_object(j, NULL);
	jout_member_str(j, "option", bytes_str(opt_rows[it->id].name));
	if (g == RULESETS) {
		file = conf_ruleset(m->c, it->id, &lines);
		jout_member_str(j, "file", bytes_str(file));
		jout_member_num(j, "lines", lines);
		jout_end(j);
		return;
	}
	describe(m, g, it, &text);
	jout_member_str(j, "value", str_bytes(&text));
	str_reset(&text);
	conf_describe_place(m->c, it->id, &text);
	jout_member_str(j, "source", str_bytes(&text));
	jout_member_str(j, "text", bytes_str(it->text));
	jout_end(j);
}

static int print_json(const struct migration *m)
{
	const struct err too_long = { .kind = ERR_TEMP, .text = "the report is too long" };
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, JSON_MAX);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	jout_member_str(&j, "file", bytes_str(m->path));
	jout_member_bool(&j, "loaded", m->c != NULL && !m->cli.away);
	jout_member_bool(&j, "attention", needs_attention(m));
	jout_member_num(&j, "works", m->works);
	for (enum group g = 0; g < GROUPS; g++) {
		jout_array(&j, group_names[g].json);
		for (size_t i = 0; i < m->n[g]; i++)
			add_item(&j, m, g, &m->items[g][i]);
		jout_end(&j);
	}
	jout_array(&j, "problems");
	for (size_t i = 0; i < conf_report_count(m->report); i++)
		cli_add_problem(&j, conf_report_at(m->report, i));
	jout_end(&j);
	jout_end(&j);
	if (text.failed)
		return cli_fail(&too_long);
	(void)printf("%s\n", str_view(&text));
	return 0;
}

/* ---- text ---- */

static void print_item(const struct migration *m, enum group g, const struct item *it, bool last)
{
	AUTO(str_fini) struct str value, place;
	char shown[SHOWN_MAX];
	size_t lines = 0;

	str_init(&value, MIB);
	str_init(&place, MIB);
	if (g == RULESETS)
		str_add(&value, conf_ruleset(m->c, it->id, &lines));
	else
		describe(m, g, it, &value);
	conf_describe_place(m->c, it->id, &place);
	(void)printf("│  %s %s = %s", last ? "└─" : "├─", opt_rows[it->id].name,
		     text_escape(shown, sizeof(shown), str_bytes(&value)));
	if (g == RULESETS)
		(void)printf("  %s%zu %s%s\n", cli_dim(&m->cli), lines,
			     lines == 1 ? "line" : "lines", cli_plain(&m->cli));
	else
		(void)printf("  %s%s%s\n", cli_dim(&m->cli), str_view(&place), cli_plain(&m->cli));
	if (it->text[0] != '\0')
		(void)printf("│  %s     %s%s%s%s\n", last ? " " : "│",
			     g == NOT_BUILT && strncmp(it->text, "not built", 9) != 0 ? "waits for "
										      : "",
			     it->text, g == DIFFERS ? "; " : "", g == DIFFERS ? DIFFERENCES : "");
}

static void print_text(const struct migration *m)
{
	size_t problems = conf_report_count(m->report);

	(void)printf("%s\n", m->path);
	if (m->c != NULL)
		(void)printf("├─ %s%zu options work as they are%s\n", cli_green(&m->cli), m->works,
			     cli_plain(&m->cli));
	for (enum group g = 0; g < GROUPS; g++) {
		if (m->n[g] == 0)
			continue;
		(void)printf("├─ %s%zu %s%s\n", g == RULESETS ? "" : cli_yellow(&m->cli), m->n[g],
			     group_names[g].title, g == RULESETS ? "" : cli_plain(&m->cli));
		for (size_t i = 0; i < m->n[g]; i++)
			print_item(m, g, &m->items[g][i], i + 1 == m->n[g]);
	}
	(void)printf("└─ %s%zu %s%s\n", problems > 0 ? cli_red(&m->cli) : cli_green(&m->cli),
		     problems, problems == 1 ? "mistake" : "mistakes", cli_plain(&m->cli));
	for (size_t i = 0; i < problems; i++) {
		(void)printf("   %s ", i + 1 == problems ? "└─" : "├─");
		cli_print_problem(&m->cli, conf_report_at(m->report, i));
	}
}

/* ---- command ---- */

static bool take_path(struct migration *m, const char *arg)
{
	const char *name = "";
	struct stat st;
	int n;

	if (stat(arg, &st) == 0 && S_ISDIR(st.st_mode))
		name = arg[strlen(arg) - 1] == '/' ? "MailScanner.conf" : "/MailScanner.conf";
	n = snprintf(m->path, sizeof(m->path), "%s%s", arg, name);
	m->cli.conf_path = m->path;
	return n > 0 && (size_t)n < sizeof(m->path);
}

static int migrate(struct migration *m)
{
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	int r, code;

	if (report == NULL)
		return EX_TEMPFAIL;
	m->report = report;
	m->cli.go_on = true;
	code = cli_load(&m->cli, &c, NULL, report);
	if (code != 0 && code != EX_CONFIG)
		return code;
	m->c = c;
	if (c != NULL) {
		conf_explain_lines(c, report);
		conf_check_definitions(c, report);
		conf_report_sort(report);
	}
	for (enum opt_id id = 0; c != NULL && id < OPT_ROWS; id++)
		judge(m, id);
	if (m->cli.json) {
		r = print_json(m);
		if (r != 0)
			return r;
	} else {
		print_text(m);
	}
	if (code == 0 && m->cli.away)
		return EX_TEMPFAIL;
	return code != 0 ? code : needs_attention(m);
}

int cmd_migrate(int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS, { NULL, 0, NULL, 0 } };
	struct migration m = { .cli.conf_path = cli_default_conf() };
	int o, r;

	(void)cli_common(&m.cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&m.cli, o, optarg, usage);
		if (r != 0)
			return r > 0 ? EX_OK : cli_usage(usage);
	}
	if (argc - optind > 1 || !take_path(&m, optind < argc ? argv[optind] : m.cli.conf_path) ||
	    m.path[0] == '\0')
		return cli_usage(usage);
	return migrate(&m);
}
