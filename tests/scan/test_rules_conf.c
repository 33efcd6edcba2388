/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/scan/test_rules_conf.c - every value of the sixteen options is compiled. */
#include "scan/rule_engine.h"

/* A configuration made here: the file under test is compiled against these names. */
#define conf_values     fake_values
#define conf_file       fake_file
#define rule_engine_new tested_engine_new
int fake_values(const struct conf *c, enum opt_id id, const char ***ret, size_t *ret_n);
int fake_file(const struct conf *c, const char *path, struct bytes *ret_content);
int tested_engine_new(struct rule_engine **ret_e, const struct conf *c, struct err *err);
#include "../../src/scan/rules_conf.c"

#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

static const char *values[OPT_ROWS][300];
static size_t values_n[OPT_ROWS];
static unsigned asked;

int fake_values(const struct conf *c UNUSED, enum opt_id id, const char ***ret, size_t *ret_n)
{
	asked++;
	*ret = calloc(values_n[id] + 1, sizeof(**ret));
	if (*ret == NULL)
		return -ENOMEM;
	memcpy(*ret, values[id], values_n[id] * sizeof(**ret));
	*ret_n = values_n[id];
	return 0;
}

int fake_file(const struct conf *c UNUSED, const char *path, struct bytes *ret_content)
{
	if (strcmp(path, "/etc/names.conf") == 0)
		*ret_content = BYTES("deny\t\\.exe$\tprogram\tNo programs\n");
	else if (strcmp(path, "/etc/types.conf") == 0)
		*ret_content = BYTES("deny\t-\t^image/\tpicture\tNo pictures\n");
	else if (strcmp(path, "/etc/bad.conf") == 0)
		*ret_content = BYTES("deny\t(\tx\ty\n");
	else
		return -ENOENT;
	return 0;
}

static void set(enum opt_id id, const char *value)
{
	values[id][values_n[id]++] = value;
}

static void clear(void)
{
	memset(values_n, 0, sizeof(values_n));
	asked = 0;
}

static void test_all(void)
{
	AUTO(rule_engine_free) struct rule_engine *e = NULL;
	AUTO(rule_scratch_free) struct rule_scratch *s = NULL;
	struct scan_rules r = { .name_rules = "/etc/names.conf", .type_rules = "/etc/types.conf" };
	struct bytes exe = BYTES("a.exe"), png = BYTES("image/png");
	struct rule_match name = { .action = RULE_NONE }, mime = { .action = RULE_NONE };
	struct err err = { .kind = ERR_NONE };
	struct rule_engine_info info;
	static char many[200][16];

	clear();
	set(OPT_FILENAME_RULES, "/etc/names.conf");
	set(OPT_FILENAME_RULES, " /etc/names.conf\t/etc/types.conf ");
	set(OPT_ARCHIVES_FILETYPE_RULES, "/etc/types.conf");
	set(OPT_ARCHIVES_FILETYPE_RULES, "");
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		(void)snprintf(many[i], sizeof(many[i]), "^name%zu$", i);
		set(OPT_ARCHIVES_DENY_FILENAMES, many[i]);
	}
	if (!T_OK(rule_engine_new(&e, NULL, &err) == 0 && rule_scratch_new(&s, e, &err) == 0,
		  "an engine: %s", err.text))
		return;
	rule_engine_info(e, &info);
	T_OK(info.sets_n == 2 + 1 + ARRAY_LEN(many), "each file and list once: %zu sets",
	     info.sets_n);
	T_OK(asked >= 16, "all options are asked");
	T_OK(rule_first_match(s, &r, RULE_NAME, &exe, 1, &name, &err) == 0 &&
		     strcmp(name.where, "/etc/names.conf:1") == 0 &&
		     rule_first_match(s, &r, RULE_MIME, &png, 1, &mime, &err) == 0 &&
		     strcmp(mime.where, "/etc/types.conf:1") == 0,
	     "and what they name is there");
}

static void test_refused(void)
{
	static const struct {
		enum opt_id id;
		const char *value, *says;
	} bad[] = {
		{ OPT_FILENAME_RULES, "/etc/names.conf /etc/gone.conf",
		  "rule file '/etc/gone.conf' of option Filename Rules" },
		{ OPT_ARCHIVES_FILETYPE_RULES, "/etc/bad.conf", "/etc/bad.conf:1: pattern '('" },
		{ OPT_ARCHIVES_DENY_FILE_MIME_TYPES, "ok [",
		  "option Archives: Deny File MIME Types: pattern '['" },
		{ OPT_ALLOW_FILETYPES, "a)", "option Allow Filetypes: pattern 'a)'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rule_engine *e = NULL;
		struct err err = { .kind = ERR_NONE };

		clear();
		set(bad[i].id, bad[i].value);
		T_OK(rule_engine_new(&e, NULL, &err) < 0 && e == NULL && err.kind == ERR_CONFIG &&
			     strstr(err.text, bad[i].says) == err.text,
		     "refused: %s", err.text);
	}
}

int main(void)
{
	test_all();
	test_refused();
	return t_done();
}
