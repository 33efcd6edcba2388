/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cli.h - the commands of `sallyport`, one file each, and what they share. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"
#include "core/err.h"
#include "core/jout.h"

#define CLI_CONF_DEFAULT     "/etc/sallyport/sallyport.conf"
#define CLI_CONF_MAILSCANNER "/etc/MailScanner/MailScanner.conf"

/* The first of the two that exists; the first when none does. */
const char *cli_default_conf(void);

/* @path from the root on, as includes and %conf-dir% want it; links stay, so that all programs see
 * the same folder. The caller's to free. NULL: no memory. */
char *cli_absolute(const char *path);

/* Options that every command has. */
struct cli {
	const char *conf_path;
	bool json;
	bool go_on;  /* a database that is away makes no failure of cli_load(), but */
	bool away;   /* this; what is unread conf_unread() tells */
	bool colour; /* standard output is a terminal and NO_COLOR is not set */
};

/* What getopt_long() should know beside a command's own options; 'c', 'j', 'h' in its answer. */
#define CLI_LONG_OPTIONS                                                                           \
	{ "config", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' },            \
	{                                                                                          \
		"help", no_argument, NULL, 'h'                                                     \
	}
/* Take one of those three: -1 not one of them; otherwise 0, or 1 when help was printed. */
int cli_common(struct cli *cli, int option, const char *arg, const char *usage);
/* Whether @text is an IP address; otherwise that has been printed. */
bool cli_is_ip(const char *text);
/* Print @usage to standard error; EX_USAGE. */
int cli_usage(const char *usage);

/* Load the configuration from disk. Problems go into @report (may be NULL). On failure the reason
 * has been printed and the exit code is returned; 0 otherwise. */
int cli_load(struct cli *cli, struct conf **ret_c, int *ret_bundle_fd, struct conf_report *report);
/*
 * For commands that ask the gateway: load as cli_load() does, whether databases are away or not,
 * and find Control Socket, which is malloc'ed in *@ret_socket even when loading failed because of a
 * mistake: the gateway runs with what was there before. *@ret_c (may be NULL) is NULL then. Returns
 * as cli_load().
 */
int cli_find_gateway(struct cli *cli, char **ret_socket, struct conf **ret_c);
/* "sallyport: reason" on standard error; exit code for its kind. */
int cli_fail(const struct err *err);

/* Add to @r all that can be found out about @c beside what loading it said. False: the daemon would
 * not start with it. */
bool cli_check_all(const struct conf *c, struct conf_report *r);
/* Of it: mistakes in the rules of file names and types. */
bool cli_check_rules(const struct conf *c, struct conf_report *r);
/* One mistake as an element of the open JSON array. */
void cli_add_problem(struct jout *j, const struct conf_problem *p);
/* One mistake as a line of text. */
void cli_print_problem(const struct cli *cli, const struct conf_problem *p);

/* Escape sequences, or "" without colour. */
const char *cli_red(const struct cli *cli);
const char *cli_green(const struct cli *cli);
const char *cli_yellow(const struct cli *cli);
const char *cli_dim(const struct cli *cli);
const char *cli_plain(const struct cli *cli);

/* Each prints its own --help; argv[0] is the command's name. Exit code of sysexits.h. */
int cmd_scan(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_host(int argc, char **argv);
int cmd_quarantine(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_throttle(int argc, char **argv);

#endif
