/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cli.c - what the commands share. */
#include "tools/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/definitions.h"
#include "conf/explain.h"
#include "confdb/confdb.h"
#include "msg/site_check.h"

const char *cli_default_conf(void)
{
	if (access(CLI_CONF_DEFAULT, F_OK) < 0 && access(CLI_CONF_MAILSCANNER, F_OK) == 0)
		return CLI_CONF_MAILSCANNER;
	return CLI_CONF_DEFAULT;
}

int cli_common(struct cli *cli, int option, const char *arg, const char *usage)
{
	const char *no_color = getenv("NO_COLOR");

	cli->colour = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
	switch (option) {
	case 'c':
		cli->conf_path = arg;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	case 'h':
		(void)fputs(usage, stdout);
		return 1;
	default:
		return -1;
	}
}

bool cli_is_ip(const char *text)
{
	uint8_t addr[16];

	if (inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1)
		return true;
	(void)fprintf(stderr, "sallyport: '%s' is no IP address\n", text);
	return false;
}

int cli_usage(const char *usage)
{
	(void)fputs(usage, stderr);
	return EX_USAGE;
}

int cli_fail(const struct err *err)
{
	(void)fprintf(stderr, "sallyport: %s\n", err->text);
	switch (err->kind) {
	case ERR_CONFIG:
		return EX_CONFIG;
	case ERR_BUG:
		return EX_SOFTWARE;
	default:
		return EX_TEMPFAIL;
	}
}

static void free_text(char **text)
{
	free(*text);
}

char *cli_absolute(const char *path)
{
	AUTO(free_text) char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *joined;

	if (here == NULL)
		return strdup(path);
	return asprintf(&joined, "%s/%s", here, path) < 0 ? NULL : joined;
}

/* Asks until one does not answer, and waits for that one no more. */
struct patient {
	struct conf_database ops; /* first: a struct conf_database * is one of us */
	struct conf_database *asked;
	struct err why[CONF_BACK_ENDS]; /* kind ERR_NONE: it has answered so far */
};

static int ask_or_go_on(struct conf_database *d, const struct conf_query *q, struct str *rows,
			struct err *err)
{
	struct patient *p = (struct patient *)(void *)d;
	struct err *why = &p->why[q->ldap ? CONF_LDAP : CONF_SQL];

	if (why->kind == ERR_NONE) {
		int r = p->asked->ask(p->asked, q, rows, err);

		if (r == 0 || err->kind != ERR_TEMP)
			return r;
		*why = *err;
		(void)fprintf(stderr, "sallyport: %s: %s; this is about the files alone\n",
			      opt_rows[q->ldap ? OPT_LDAP_SERVER : OPT_DB_DSN].name, why->text);
	}
	return err_set(err, ERR_TEMP, -ENODATA, "%s", why->text);
}

int cli_load(struct cli *cli, struct conf **ret_c, int *ret_bundle_fd, struct conf_report *report)
{
	struct patient patient = { .ops.ask = ask_or_go_on };
	AUTO(confdb_close) struct conf_database *d = NULL;
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *own = NULL;
	char *path = cli_absolute(cli->conf_path);
	struct conf *c = NULL;
	const char *why;
	struct err err = { .kind = ERR_TEMP, .text = "out of memory" };
	int r = -1;

	if (report == NULL)
		report = own = conf_report_new();
	if (path != NULL && report != NULL)
		r = conf_source_disk(&s, &err);
	if (r == 0)
		r = confdb_open(&d, &err);
	if (r == 0) {
		patient.asked = d;
		conf_source_set_database(s, cli->go_on ? &patient.ops : d);
		r = conf_load(&c, s, path, report, &err);
	}
	if (r == 0 && confdb_used_cache(d, &why))
		(void)fprintf(stderr, "sallyport: %s; the answers kept in %s are used\n", why,
			      conf_str(c, OPT_SQL_CACHE_FILE, NULL));
	free(path);
	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++)
		cli->away |= patient.why[b].kind != ERR_NONE;
	if (r == 0 && ret_bundle_fd != NULL) {
		r = conf_source_write_bundle(s, &err);
		*ret_bundle_fd = r;
	}
	if (r < 0) {
		conf_unref(&c);
		return cli_fail(&err);
	}
	*ret_c = c;
	return 0;
}

bool cli_check_all(const struct conf *c, struct conf_report *r)
{
	bool rules, site;

	conf_explain(c, r);
	conf_check_definitions(c, r);
	rules = cli_check_rules(c, r);
	site = site_check(c, r);
	conf_report_sort(r);
	return rules && site;
}

static char *glance(const char *conf_path)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(free_text) char *path = cli_absolute(conf_path);
	AUTO(str_fini) struct str text;

	str_init(&text, 4096);
	if (path == NULL || conf_source_disk(&s, NULL) < 0 ||
	    conf_glance(s, path, OPT_CONTROL_SOCKET, &text, NULL) < 0)
		return NULL;
	return strdup(str_view(&text));
}

int cli_find_gateway(struct cli *cli, char **ret_socket, struct conf **ret_c)
{
	AUTO(conf_unref) struct conf *c = NULL;
	int r;

	cli->go_on = true;
	r = cli_load(cli, &c, NULL, NULL);
	*ret_socket =
		c == NULL ? glance(cli->conf_path) : strdup(conf_str(c, OPT_CONTROL_SOCKET, NULL));
	if (r == 0 && *ret_socket == NULL)
		r = EX_TEMPFAIL;
	if (r != 0 && *ret_socket != NULL)
		(void)fprintf(stderr, "sallyport: the gateway is asked all the same\n");
	if (ret_c != NULL)
		*ret_c = TAKE(c);
	return r;
}

void cli_add_problem(struct jout *j, const struct conf_problem *p)
{
	jout_object(j, NULL);
	jout_member_str(j, "severity", bytes_str(p->severity == CONF_ERROR ? "error" : "warning"));
	jout_member_str(j, "file", bytes_str(p->file));
	jout_member_num(j, "line", p->line);
	jout_member_num(j, "column", p->column);
	jout_member_str(j, "text", bytes_str(p->text));
	jout_end(j);
}

void cli_print_problem(const struct cli *cli, const struct conf_problem *p)
{
	bool bad = p->severity == CONF_ERROR;

	AUTO(str_fini) struct str place;

	str_init(&place, 4096);
	conf_problem_place(p, &place);
	(void)printf("%s: %s%s%s: %s\n", str_view(&place), bad ? cli_red(cli) : cli_yellow(cli),
		     bad ? "error" : "warning", cli_plain(cli), p->text);
}

const char *cli_red(const struct cli *cli)
{
	return cli->colour ? "\033[31m" : "";
}

const char *cli_green(const struct cli *cli)
{
	return cli->colour ? "\033[32m" : "";
}

const char *cli_yellow(const struct cli *cli)
{
	return cli->colour ? "\033[33m" : "";
}

const char *cli_dim(const struct cli *cli)
{
	return cli->colour ? "\033[2m" : "";
}

const char *cli_plain(const struct cli *cli)
{
	return cli->colour ? "\033[0m" : "";
}
