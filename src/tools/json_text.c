/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/json_text.c - showing JSON members. */
#include "tools/json_text.h"

#include "core/text.h"

const char *text_member(const json_t *o, const char *name, char *out, size_t size)
{
	const char *v = json_string_value(json_object_get(o, name));

	return text_escape(out, size, bytes_str(v == NULL ? "" : v));
}

void text_findings(const struct cli *cli, const json_t *facts)
{
	const json_t *findings = json_object_get(facts, "findings"), *f;
	char kind[32], report[512], rule[256];
	size_t i;

	json_array_foreach(findings, i, f)(void)
		printf("  %s%-10s%s %s%s%s\n", cli_red(cli),
		       text_member(f, "kind", kind, sizeof(kind)), cli_plain(cli),
		       text_member(f, "report", report, sizeof(report)),
		       text_member(f, "rule", rule, sizeof(rule))[0] == '\0' ? "" : "  by ", rule);
}
