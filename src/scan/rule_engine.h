/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rule_engine.h - inside this folder: a rule engine from files and lists in memory, and what
 * rules.c asks it for. */
#ifndef SCAN_RULE_ENGINE_H
#define SCAN_RULE_ENGINE_H

#include "scan/check.h"
#include "scan/rule_set.h"

struct rule_source_file {
	const char *path;
	struct bytes content;
};

struct rule_source_list {
	const char *text;   /* blank-separated patterns */
	const char *option; /* "option Deny Filenames": for errors */
};

/*
 * Compile all of @files and @lists (repeats are allowed). Nothing of them is kept.
 * ERR_CONFIG for a pattern that is wrong or a rule file with a fatal mistake (rule_file.h), with
 * FILE:LINE; files' lines that are only ignored are not told here but by rule_file_parse().
 */
int rule_engine_from_files(struct rule_engine **ret_e, const struct rule_source_file *files,
			   size_t files_n, const struct rule_source_list *lists, size_t lists_n,
			   struct err *err) MUST_CHECK;

struct rule_engine_info {
	size_t sets_n, native_n, prefilter_n, plain_n, database_bytes;
};
void rule_engine_info(const struct rule_engine *e, struct rule_engine_info *ret_i);

/* A rule file, compiled. */
struct rule_book {
	const char *path;
	struct bytes content; /* while compiling */
	struct rule_file rules;
	const char **where;    /* by row: "FILE:LINE" */
	struct rule_set *text; /* first pattern column: names and file types */
	struct rule_set *mime; /* NULL when no row has a MIME pattern */
};

/* NULL: the configuration names no such file. */
const struct rule_book *rule_scratch_book(const struct rule_scratch *s, struct bytes path);
/*
 * The set of list @text (NULL when it is empty). One that is new is compiled and kept: *@ret_set is
 * lent until the next call. @option must be a literal.
 */
int rule_scratch_list(struct rule_scratch *s, const char *text, const char *option,
		      const struct rule_set **ret_set, struct err *err) MUST_CHECK;
struct rule_work *rule_scratch_work(struct rule_scratch *s);

#endif
