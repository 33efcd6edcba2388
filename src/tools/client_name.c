/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/client_name.c - names of clients for the commands. */
#include "tools/client_name.h"

#include <strings.h>
#include <sysexits.h>

#include "tools/cli.h"

#define RING_ENTRIES 64

int client_name_take(struct client_name *n, int option, const char *arg)
{
	switch (option) {
	case 'n':
		n->host = arg;
		return 0;
	case 'N':
		n->checked = arg;
		return 0;
	case 'r':
		n->resolve = true;
		return 0;
	default:
		return -1;
	}
}

static void nothing(struct client_host *h UNUSED)
{
}

static int turn(struct client_name *n, struct loop *l, struct dns *d, const char *ip)
{
	struct err err;

	n->found.done = nothing;
	if (client_host_find(&n->found, d, ip, 0))
		return EX_OK;
	while (!n->found.finished)
		if (loop_turn(l, &err) < 0) {
			client_host_cancel(&n->found);
			return cli_fail(&err);
		}
	return EX_OK;
}

static int look_up(struct client_name *n, const struct conf *c, const char *ip)
{
	AUTO(loop_free) struct loop *l = NULL;
	AUTO(dns_free) struct dns *d = NULL;
	struct dns_settings set = dns_settings_of(c);
	struct err err;
	int code;

	if (loop_new(&l, RING_ENTRIES, &err) < 0 || dns_new(&d, l, &set, &err) < 0)
		return cli_fail(&err);
	code = turn(n, l, d, ip);
	if (code != EX_OK || n->found.status == DNS_FOUND || n->found.status == DNS_NONE)
		return code;
	(void)err_set(&err, ERR_TEMP, -1, "the name of %s cannot be looked up (%s: %s)", ip,
		      n->found.question, dns_status_name(n->found.status));
	return cli_fail(&err);
}

int client_name_fill(struct client_name *n, const struct conf *c, struct conf_who *who)
{
	int code;

	if (n->resolve && who->client_ip != NULL) {
		code = look_up(n, c, who->client_ip);
		if (code != EX_OK)
			return code;
		who->client_host = n->found.name;
		who->client_host_checked = n->found.checked;
	}
	if (n->checked != NULL) /* a confirmed name is the name */
		who->client_host = who->client_host_checked = n->checked;
	if (n->checked != NULL && strcasecmp(n->checked, CLIENT_HOST_SPOOFED) == 0)
		who->client_host = NULL;
	if (n->host != NULL)
		who->client_host = n->host;
	return EX_OK;
}
