/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/conf.h - an immutable snapshot of the configuration: MailScanner's file format, rulesets
 * and all files they name, read once, parsed and checked as a whole.
 *
 * A snapshot never touches the disk again: every file it needs (rule files, rulesets, definition
 * files) was read through struct conf_source while loading, and can be handed to another process
 * as a *bundle* (one sealed memory file that answers the same questions). The supervisor reads the
 * disk; gateway and zygote parse its bundle, so that all three hold the same configuration.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/opt.h"
#include "core/bytes.h"
#include "core/err.h"

struct conf;

/* Where files come from: the disk, a bundle, or memory in tests and fuzzers. */
enum conf_kind { CONF_NONE, CONF_FILE, CONF_DIR, CONF_OTHER };

struct conf_source {
	/* Whole content of @path. *@ret_content is lent until the source is closed.
	 * Returns 0, or -errno (-ENOENT, -EACCES, -EFBIG above 64 MiB). */
	int (*read)(struct conf_source *s, const char *path, struct bytes *ret_content);
	/* What @path is; *@ret_exec: it is an executable file. Symbolic links are followed. */
	enum conf_kind (*kind)(struct conf_source *s, const char *path, bool *ret_exec);
	/* Names that match the shell pattern, sorted, as one '\n'-separated text lent as above. */
	int (*glob)(struct conf_source *s, const char *pattern, struct bytes *ret_names);
	/* Value of an environment variable: all processes must see the one of the first reader.
	 * -ENOENT: not set. */
	int (*env)(struct conf_source *s, const char *name, struct bytes *ret_value);
	/* What one loader made with much work (compiled expressions), for those that read the same
	 * configuration after it; the name says all that it depends on. -ENOENT: nobody did. */
	int (*made)(struct conf_source *s, const char *name, struct bytes *ret_content);
	/* Keep a copy. Failing costs the next one the work. */
	void (*keep_made)(struct conf_source *s, const char *name, struct bytes content);
};

/* Reads the disk and remembers every answer. */
int conf_source_disk(struct conf_source **ret_s, struct err *err) MUST_CHECK;
/* Answers from the bundle in @fd (mapped; @fd stays the caller's). Input is validated. */
int conf_source_bundle(struct conf_source **ret_s, int fd, struct err *err) MUST_CHECK;
/* Every answer a disk source gave so far, as a sealed memory file. Returns the descriptor. */
int conf_source_write_bundle(struct conf_source *disk, struct err *err) MUST_CHECK;
/* Answers only what conf_source_add() gave it: tests, fuzzers, our own generators. */
int conf_source_memory(struct conf_source **ret_s, struct err *err) MUST_CHECK;
/* Add or replace the file (or directory) @path: of a memory source, or, before it is loaded from,
 * what a disk source answers. @content is copied. */
int conf_source_add(struct conf_source *s, const char *path, enum conf_kind kind, bool exec,
		    struct bytes content) MUST_CHECK;
int conf_source_add_env(struct conf_source *memory, const char *name, const char *value) MUST_CHECK;
/* @s must be of one of the functions above. */
void conf_source_close(struct conf_source **s);

/* One mistake found while loading: "FILE:LINE:COLUMN: text". */
enum conf_severity { CONF_WARNING, CONF_ERROR };
struct conf_problem {
	enum conf_severity severity;
	const char *file;      /* lent by the report, as all of this */
	unsigned line, column; /* from 1; 0 when it has none */
	const char *text;      /* what is wrong and what was expected */
};

/* All mistakes of one load; at most 10,000, then one that says so. */
struct conf_report;
struct conf_report *conf_report_new(void) MUST_CHECK;
void conf_report_free(struct conf_report **r);
/* For mistakes that are found in what the configuration names. */
void conf_report_add(struct conf_report *r, enum conf_severity severity, const char *file,
		     unsigned line, unsigned column, const char *text);
size_t conf_report_count(const struct conf_report *r);
const struct conf_problem *conf_report_at(const struct conf_report *r, size_t i);

/*
 * Load @path (absolute: %conf-dir% is its directory) with everything it includes or names. Mistakes
 * go to @report. Fails with ERR_CONFIG only for what MailScanner refuses too (a line that makes no
 * sense, an unreadable main file) and for a value that would let mail through unscanned; other bad
 * values give a problem and the default. Start-up and reload only. The snapshot lends strings until
 * the last conf_unref(); references are atomic.
 */
int conf_load(struct conf **ret_c, struct conf_source *s, const char *path,
	      struct conf_report *report, struct err *err) MUST_CHECK;
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf **c);
/* Differs between any two loads in one process; the generation a message began with. */
uint64_t conf_generation(const struct conf *c);

/*
 * Whom a value is asked for. Addresses are lower-cased, without <>; the null sender is "".
 * NULL context: the value asked without a message (the default of a ruleset).
 */
struct conf_who {
	const char *from;
	const char *const *to;
	size_t to_n;
	const char *client_ip;           /* "192.0.2.1", "2001:db8::1"; NULL: unknown */
	const char *client_host;         /* host: rules; NULL: not looked up */
	const char *client_host_checked; /* forward-confirmed name, "_SPOOFED_" or "" */
	const char *const *reports;      /* Virus: rules */
	size_t reports_n;
};

/* The value of option @id (enum opt_id of conf/opt.h) for @who. The type must be that of the row
 * (asserted). Strings are lent by the snapshot, except all-matches joins: lent by @who's scratch
 * ring of 16 values inside the snapshot's calling thread. */
bool conf_bool(const struct conf *c, enum opt_id id, const struct conf_who *who);
int64_t conf_num(const struct conf *c, enum opt_id id, const struct conf_who *who);
/* The same with its fraction: scores. */
double conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *conf_str(const struct conf *c, enum opt_id id, const struct conf_who *who);
/* The word a yes/no-like option with more words holds, as MailScanner's internal value:
 * "0", "1", "2", "convert", "add", "replace", "start", "end", ... joined by blanks. */
const char *conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who);

/* How the value is written in a file ("yes", "50m"), and where it came from ("FILE:LINE" or
 * "default"). For --value, --changed and JSON. */
const char *conf_written(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *conf_where(const struct conf *c, enum opt_id id, const struct conf_who *who);

/* The last text of %name%, for report templates; NULL: not defined. */
const char *conf_variable(const struct conf *c, const char *name);
/* True when a host: rule asks for conf_who.client_host(_checked): look names up only then. */
bool conf_wants_host(const struct conf *c);

/* The content of a file the configuration names (rule file, definition file), as it was when the
 * snapshot was loaded. -ENOENT when no option named it. */
int conf_file(const struct conf *c, const char *path, struct bytes *ret_content) MUST_CHECK;

/* Every value option @id can have for anybody (its default and each rule's), without repeats, so
 * that rule files can be compiled before the first message asks. Returns how many. */
size_t conf_every_value(const struct conf *c, enum opt_id id, const char **ret, size_t max);

#endif
