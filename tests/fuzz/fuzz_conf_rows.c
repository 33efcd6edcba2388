/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_conf_rows - what a database may answer. Needs conf_dep.
 * The input is rows of options, then after a 0x01 byte rows of a ruleset. */
#include <stdlib.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "DB DSN = x\nSQL Config = x\nSQL Ruleset = x\nSQL Serial Number = x\n"
			   "DB Password = %p%\nLDAP Server = x\nSpam Actions = a.customize\n";

static void add(struct conf_source *s, enum conf_query_kind what, bool ldap, const char *argument,
		struct bytes rows)
{
	const struct conf_query q = { .what = what, .ldap = ldap, .argument = argument };

	if (conf_source_add_rows(s, &q, rows) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_unref) struct conf *c = NULL;
	struct bytes in = bytes_of(data, size);
	ptrdiff_t end = bytes_index(in, 1);
	struct bytes rows = end < 0 ? in : bytes_head(in, (size_t)end);
	const struct conf_who who = { .from = "a@b" };

	if (conf_source_memory(&s, NULL) < 0)
		return 0;
	if (conf_source_add(s, "/m", CONF_FILE, false, bytes_str(text)) < 0)
		abort();
	for (int ldap = 0; ldap < 2; ldap++) {
		add(s, CONF_QUERY_SERIAL, ldap, "", rows);
		add(s, CONF_QUERY_SETTINGS, ldap, "", rows);
		add(s, CONF_QUERY_RULESET, ldap, "a.customize",
		    end < 0 ? bytes_of(NULL, 0) : bytes_from(in, (size_t)end + 1));
	}
	if (conf_load(&c, s, "/m", NULL, NULL) < 0)
		return 0;
	if (strcmp(conf_str(c, OPT_DB_PASSWORD, NULL), "(hidden)") != 0 &&
	    conf_str(c, OPT_DB_PASSWORD, NULL)[0] != '\0')
		abort();
	(void)conf_where(c, OPT_SPAM_ACTIONS, &who);
	return 0;
}
