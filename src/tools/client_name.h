/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/client_name.h - the client's name for host: rules, given or looked up: scan, config. */
#ifndef TOOLS_CLIENT_NAME_H
#define TOOLS_CLIENT_NAME_H

#include "conf/conf.h"
#include "dns/client_host.h"

struct client_name {
	const char *host, *checked; /* as given */
	bool resolve;
	struct client_host found;
};

/* For getopt_long(), as CLI_LONG_OPTIONS. */
#define CLIENT_NAME_OPTIONS                                                                        \
	{ "host", required_argument, NULL, 'n' },                                                  \
		{ "host-checked", required_argument, NULL, 'N' },                                  \
	{                                                                                          \
		"resolve", no_argument, NULL, 'r'                                                  \
	}
#define CLIENT_NAME_USAGE                                                                          \
	"  --host NAME          what the client's PTR record says, for host-nocheck: rules; "      \
	"\"\": "                                                                                   \
	"none\n"                                                                                   \
	"  --host-checked NAME  the name if it leads back to the client, or _SPOOFED_, or \"\": "  \
	"for\n"                                                                                    \
	"                       host: rules\n"                                                     \
	"  --resolve            ask the DNS for both names of --ip\n"

/* Take one of these options; -1: it is none of them. */
int client_name_take(struct client_name *n, int option, const char *arg);
/* Fill @who, whose client_ip is there, for the life of @n. With --resolve this waits for the DNS.
 * On failure the reason was printed and the exit code is returned; 0 otherwise. */
int client_name_fill(struct client_name *n, const struct conf *c, struct conf_who *who);

#endif
