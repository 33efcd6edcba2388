/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/ms.c - which helper does what here. Those that cron calls end with 0 when there is nothing
 * to do, so that it stays quiet; those that a person calls for something that does not exist any
 * more end with 64.
 */
#include "tools/ms.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/text.h"
#include "tools/cli.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv); /* NULL: say @instead and end with @code */
	int code;
	const char *instead;
} helpers[] = {
	{ "ms-peek", ms_peek, 0, NULL },
	{ "ms-check", ms_check, 0, NULL },
	{ "ms-clean-quarantine", ms_clean_quarantine, 0, NULL },
	{ "ms-cron", ms_cron, 0, NULL },
	{ "ms-msg-alert", ms_msg_alert, 0, NULL },
	{ "ms-d2mbox", ms_mbox, 0, NULL },
	{ "ms-df2mbox", ms_mbox, 0, NULL },
	{ "ms-create-locks", NULL, EX_OK,
	  "nothing to do: new signatures are loaded beside the old ones, without lock files" },
	{ "ms-update-vs", NULL, EX_OK,
	  "nothing to do: freshclam updates the signatures, and the gateway takes up new ones" },
	{ "ms-update-sa", NULL, EX_OK,
	  "nothing to do here: sa-update and spamd are SpamAssassin's own" },
	{ "ms-perl-check", NULL, EX_OK, "nothing to check: no Perl is needed" },
	{ "ms-update-phishing", NULL, EX_USAGE,
	  "not here: fetch the lists as you see fit into the files that Phishing Safe Sites File "
	  "and Phishing Bad Sites File name, then run sallyport reload" },
	{ "ms-sa-cache", NULL, EX_USAGE,
	  "there is no SpamAssassin cache database; sallyport stats has the counters" },
	{ "ms-upgrade-conf", NULL, EX_USAGE,
	  "not needed: the old file works as it is, and sallyport migrate FILE tells what "
	  "changes" },
	{ "upgrade_MailScanner_conf", NULL, EX_USAGE,
	  "not needed: the old file works as it is, and sallyport migrate FILE tells what "
	  "changes" },
	{ "upgrade_languages_conf", NULL, EX_USAGE,
	  "not needed: strings that a language file lacks are built in" },
	{ "ms-configure", NULL, EX_USAGE,
	  "there is nothing to install; sallyport check looks at the configuration" },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_LEN(helpers) && strcmp(helpers[i].name, name) != 0)
		i++;
	return i;
}

bool ms_is_name(const char *argv0)
{
	return find(base_name(argv0)) < ARRAY_LEN(helpers);
}

/* The helpers know no switches: each answers one with its usage, as a mistake. --help is none. */
static int run(size_t i, int argc, char **argv)
{
	bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
	int code;

	if (asked)
		(void)dup2(STDOUT_FILENO, STDERR_FILENO);
	code = helpers[i].run(argc, argv);
	return asked && code == EX_USAGE ? EX_OK : code;
}

int ms_main(int argc, char **argv)
{
	size_t i = find(base_name(argv[0]));

	if (i == ARRAY_LEN(helpers))
		return EX_USAGE;
	if (helpers[i].run != NULL)
		return run(i, argc, argv);
	(void)fprintf(helpers[i].code == EX_OK ? stdout : stderr, "%s: %s\n", helpers[i].name,
		      helpers[i].instead);
	return helpers[i].code;
}

/* ---- the file "defaults" ---- */

static bool read_default(const char *path, const char *name, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	struct bytes key = bytes_str(name);
	bool found = false;
	char line[1000];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		struct bytes b = bytes_trim(bytes_str(line));

		if (!bytes_starts(b, key) || b.n == key.n || b.p[key.n] != '=')
			continue;
		b = bytes_trim(bytes_from(b, key.n + 1));
		if (b.n > 1 && (b.p[0] == '"' || b.p[0] == '\'') && b.p[b.n - 1] == b.p[0])
			b = bytes_of(b.p + 1, b.n - 2);
		(void)snprintf(out, size, "%.*s", (int)b.n, (const char *)b.p);
		found = true; /* a shell takes the last one */
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

const char *ms_default(const char *conf_path, const char *name, const char *otherwise, char *out,
		       size_t size)
{
	const char *slash = strrchr(conf_path, '/');
	char path[4200];

	(void)snprintf(path, sizeof(path), "%.*sdefaults",
		       slash == NULL ? 0 : (int)(slash - conf_path) + 1, conf_path);
	if (read_default(path, name, out, size) ||
	    read_default("/etc/MailScanner/defaults", name, out, size))
		return out;
	return otherwise;
}
