/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/mailscanner.c - MailScanner's switches that ask a question, answered by our commands. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tools/cli.h"

#define ARGS_MAX 128

static const struct {
	const char *word; /* whole, or a prefix that ends in '=' */
	int (*run)(int argc, char **argv);
	const char *argument; /* what `run` wants instead; NULL: nothing */
} switches[] = {
	{ "--lint", cmd_check, NULL },         { "--lintlite", cmd_check, NULL },
	{ "--lintlight", cmd_check, NULL },    { "--changed", cmd_config, "--changed" },
	{ "--value=", cmd_config, "--value" }, { "--processing", cmd_queue, NULL },
};

static int find(const char *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		size_t n = strlen(switches[i].word);

		if (switches[i].word[n - 1] == '=' ? strncmp(arg, switches[i].word, n) == 0
						   : strcmp(arg, switches[i].word) == 0)
			return (int)i;
	}
	return -1;
}

bool cli_is_mailscanner_switch(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (find(argv[i]) >= 0)
			return true;
	return false;
}

int cli_mailscanner(int argc, char **argv)
{
	char *args[ARGS_MAX + 4];
	int n = 0, which = -1;

	args[n++] = argv[0];
	for (int i = 1; i < argc && n < ARGS_MAX; i++) {
		int k = find(argv[i]);

		if (k >= 0) {
			which = k;
			if (switches[k].argument != NULL)
				args[n++] = (char *)(uintptr_t)switches[k].argument;
			if (strchr(argv[i], '=') != NULL)
				args[n++] = strchr(argv[i], '=') + 1;
		} else if (argv[i][0] != '-' && strcmp(argv[i - 1], "-c") != 0) {
			args[n++] = (char *)"-c"; /* MailScanner takes its file without a switch */
			args[n++] = argv[i];
		} else {
			args[n++] = argv[i];
		}
	}
	args[n] = NULL;
	return which < 0 ? EX_USAGE : switches[which].run(n, args);
}
