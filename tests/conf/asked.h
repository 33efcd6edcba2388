/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/asked.h - whom a case asks for, as words. */
#ifndef TESTS_CONF_ASKED_H
#define TESTS_CONF_ASKED_H

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

/*
 * Whom a case asks for, as words: f=SENDER t=RECIPIENT i=IP h=HOST c=CONFIRMED HOST v=REPORT ("_"
 * stands for a blank in reports). Several t= and v= add up.
 */
struct asked {
	struct conf_who who;
	char words[400];
	const char *to[16], *reports[8];
};

static inline void ask(struct asked *a, const char *text)
{
	char *save = NULL;

	memset(a, 0, sizeof(*a));
	(void)snprintf(a->words, sizeof(a->words), "%s", text);
	a->who.from = "";
	for (char *w = strtok_r(a->words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		const char *v = w + 2;

		if (w[0] == 'f')
			a->who.from = v;
		else if (w[0] == 't')
			a->to[a->who.to_n++] = v;
		else if (w[0] == 'i')
			a->who.client_ip = v;
		else if (w[0] == 'h')
			a->who.client_host = v;
		else if (w[0] == 'c')
			a->who.client_host_checked = v;
		else
			a->reports[a->who.reports_n++] = v;
		for (char *p = w; w[0] == 'v' && *p != '\0'; p++)
			*p = *p == '_' ? ' ' : *p;
	}
	a->who.to = a->to;
	a->who.reports = a->reports;
}

#endif
