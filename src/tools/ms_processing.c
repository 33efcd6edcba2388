/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ms_processing.c - MailScanner's table of messages that were tried more than once. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "conf/conf.h"
#include "store/attempts.h"
#include "tools/mailscanner.h"

#define ROWS_MAX 10000

static void print_row(const struct attempts_row *r, FILE *to)
{
	time_t when = (time_t)r->next_s;
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	(void)fprintf(to, "%u\t%s\t%s\n", r->count, r->id, text);
}

/* Returns how many rows were printed. */
static int print_table(struct attempts *a, bool archive, unsigned more_than, FILE *to)
{
	struct attempts_row *rows = calloc(ROWS_MAX, sizeof(*rows));
	struct err err = { .text = "out of memory" };
	int n = rows == NULL ? -ENOMEM : attempts_list(a, archive, rows, ROWS_MAX, &err);
	int shown = 0;

	if (n < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	(void)fprintf(to, "%s\n\nTries\tMessage\t%s\n=====\t=======\t%s\n",
		      archive ? "Archive:" : "Currently being processed:",
		      archive ? "Last Tried" : "Next Try At",
		      archive ? "==========" : "===========");
	for (int i = 0; i < n; i++) {
		if (rows[i].count <= more_than)
			continue;
		print_row(&rows[i], to);
		shown++;
	}
	free(rows);
	return n < 0 ? -1 : shown;
}

int ms_processing(const struct conf *c, unsigned more_than, FILE *to)
{
	const char *path = conf_str(c, OPT_PROCESSING_ATTEMPTS_DATABASE, NULL);
	struct attempts *a = NULL;
	struct err err;
	int r, n, archived;

	r = attempts_open_view(&a, path, &err);
	if (r == -ENOENT) { /* nothing has failed yet */
		(void)fprintf(to, "Currently being processed:\n\nNo messages\n");
		return 0;
	}
	if (r < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	n = print_table(a, false, more_than, to);
	(void)fputc('\n', to);
	archived = print_table(a, true, more_than, to);
	attempts_close(&a);
	return n < 0 || archived < 0 ? -1 : n;
}
