/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_ruleset - a ruleset and a message, both ways of matching. Needs conf_dep.
 * The input is the ruleset, then after a 0x01 byte lines: sender, client IP, host, recipients. */
#include <stdlib.h>

#include "conf/conf_internal.h"
#include "conf/ruleset.h"
#include "core/str.h"

#define TO_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of @rest as a string in @out; "" at the end. */
static const char *take_line(struct bytes *rest, struct str *out)
{
	struct bytes line = { NULL, 0 };

	str_init(out, 4096);
	(void)bytes_next_line(rest, &line);
	if (line.n > 0 && memchr(line.p, 0, line.n) == NULL)
		str_add_bytes(out, bytes_head(line, 4095));
	return str_view(out);
}

/* The screen must not change an answer. */
static void compare(const struct ruleset *rs, const struct conf_who *who)
{
	struct ruleset bare = *rs;
	struct rule_hits fast, slow;

	bare.screen = NULL;
	rule_hits_init(&fast);
	rule_hits_init(&slow);
	ruleset_match(rs, who, MANY_EACH, &fast);
	ruleset_match(&bare, who, MANY_EACH, &slow);
	if (fast.n != slow.n || memcmp(fast.list, slow.list, fast.n * sizeof(*fast.list)) != 0)
		abort();
	rule_hits_fini(&fast);
	rule_hits_fini(&slow);
}

static void ask(const struct conf *c, struct bytes message)
{
	struct str parts[3 + TO_MAX];
	const char *to[TO_MAX];
	struct conf_who who = { .to = to };

	who.from = take_line(&message, &parts[0]);
	who.client_ip = take_line(&message, &parts[1]);
	who.client_host = take_line(&message, &parts[2]);
	who.client_host_checked = who.client_host;
	who.reports = &who.from;
	who.reports_n = 1;
	for (size_t i = 0; i < TO_MAX; i++) {
		to[i] = take_line(&message, &parts[3 + i]);
		who.to_n += who.to_n == i && *to[i] != '\0';
	}
	if (conf_str(c, OPT_SPAM_ACTIONS, &who) == NULL ||
	    conf_str(c, OPT_SILENT_VIRUSES, &who) == NULL)
		abort();
	if (c->settings[OPT_SILENT_VIRUSES].rules != NULL)
		compare(c->settings[OPT_SILENT_VIRUSES].rules, &who);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		str_fini(&parts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_unref) struct conf *c = NULL;
	struct bytes in = bytes_of(data, size);
	ptrdiff_t end = bytes_index(in, 1);
	struct bytes rules = end < 0 ? in : bytes_head(in, (size_t)end);
	struct err err;

	if (conf_source_memory(&s, &err) < 0)
		return 0;
	if (conf_source_add(s, "/m", CONF_FILE, false,
			    BYTES("Spam Actions = /r.rules\nSilent Viruses = /r.rules\n")) < 0 ||
	    conf_source_add(s, "/r.rules", CONF_FILE, false, rules) < 0)
		abort();
	if (conf_load(&c, s, "/m", NULL, &err) < 0)
		return 0;
	ask(c, end < 0 ? bytes_of(NULL, 0) : bytes_from(in, (size_t)end + 1));
	return 0;
}
