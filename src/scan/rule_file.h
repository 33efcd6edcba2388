/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/rule_file.h - filename.rules.conf and filetype.rules.conf as rows. Bytes in, rows
 * and mistakes out: no files, no regular-expression library, so that `sallyport check`, the engine
 * and a fuzzer all read a rule file in the same way.
 */
#ifndef SCAN_RULE_FILE_H
#define SCAN_RULE_FILE_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/err.h"

enum rule_action { RULE_NONE, RULE_ALLOW, RULE_DENY, RULE_DENY_DELETE, RULE_RENAME, RULE_FORWARD };

struct rule_row {
	enum rule_action action;
	const char *regex;      /* for the name or file type; "" when '-': never matches */
	const char *mime_regex; /* for the MIME type; "" when '-' or with four columns */
	const char *log_text, *user_text; /* "" when '-' */
	const char *argument; /* RULE_RENAME: the new text, "" is Default Rename Pattern;
			       * RULE_FORWARD: addresses, one blank between them; else "" */
	unsigned line;        /* from 1 */
};

struct rule_problem {
	bool fatal;    /* the file must not be used; otherwise the line was ignored or is odd */
	unsigned line; /* from 1; 0: the whole file */
	const char *text;
};

struct rule_file {
	struct rule_row *rows;
	size_t rows_n;
	struct rule_problem *problems; /* in order of lines; see RULE_PROBLEMS_MAX */
	size_t problems_n, fatal_n;
};

#define RULE_ROWS_MAX     100000
#define RULE_PROBLEMS_MAX 1000 /* further fatal ones are counted, not kept */

/*
 * Read @content. Everything is copied into @a. Mistakes are data: a file full of them gives 0 and
 * fatal_n > 0. Negative only when @a is full (-ENOMEM) or there are too many rows (-EFBIG).
 */
int rule_file_parse(struct rule_file *ret_f, struct bytes content, struct arena *a,
		    struct err *err) MUST_CHECK;

/*
 * A pattern as a rule file or an option's list may write it, in the form that PCRE2 understands:
 * without slashes around it, a '*' at the start read as ".*". NULL: arena full.
 */
const char *rule_pattern_text(struct bytes written, struct arena *a) MUST_CHECK;

#endif
