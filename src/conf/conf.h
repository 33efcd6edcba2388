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
#include "core/str.h"

struct conf;

/*
 * What a database of the site is asked. The first three members name the question; the
 * others are how to get there: only the database looks at them and no source keeps any of them.
 */
enum conf_query_kind {
	CONF_QUERY_SERIAL,       /* a number that grows when something was changed */
	CONF_QUERY_PEEK,         /* one value; argument: the option */
	CONF_QUERY_SETTINGS,     /* option and value of every row */
	CONF_QUERY_RULESET,      /* number and rule of every row; argument: its name */
	CONF_QUERY_SPAMASSASSIN, /* lines */
	CONF_QUERIES
};

struct conf_query {
	enum conf_query_kind what;
	bool ldap;
	const char *argument;                              /* "" when there is none */
	const char *dsn, *username, *password, *statement; /* SQL */
	const char *server, *base, *site;                  /* LDAP */
	const char *cache;                                 /* file with the last good answers */
	bool debug;                                        /* one log line for each query */
};

/* Asks databases for a disk source: confdb/ is the one. It adds to @rows one line for each row:
 * first column, tab, second column, line feed; single columns are second ones. Errors: ERR_TEMP
 * when it may work later; code -ENOTCONN when there is no connection; code -ENODATA: not read, and
 * loading shall go on without (conf_unread()): for reports, never for what mail is judged by. */
struct conf_database {
	int (*ask)(struct conf_database *d, const struct conf_query *q, struct str *rows,
		   struct err *err);
};

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
	/* Rows of a database, as struct conf_database writes them, lent as above. */
	int (*query)(struct conf_source *s, const struct conf_query *q, struct bytes *ret_rows,
		     struct err *err);
	/* @part of an answer is a secret: no bundle may hold it. */
	void (*hide)(struct conf_source *s, struct bytes part);
};

/* Reads the disk and remembers every answer. */
int conf_source_disk(struct conf_source **ret_s, struct err *err) MUST_CHECK;
/* Questions to databases go to @d, which must live until the source is closed. Without it they
 * fail with -ENOTSUP. */
void conf_source_set_database(struct conf_source *disk, struct conf_database *d);
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
/* What the database answers to @q; @rows is copied. */
int conf_source_add_rows(struct conf_source *memory, const struct conf_query *q,
			 struct bytes rows) MUST_CHECK;
/* What the command line says: option @id is @value as it stands (no substitutions), whatever files
 * and databases say. Before @disk is loaded from; its bundles say the same. */
int conf_source_set_option(struct conf_source *disk, enum opt_id id, const char *value) MUST_CHECK;
/* @s must be of one of the functions above. */
void conf_source_close(struct conf_source **s);

/* One mistake found while loading: "FILE:LINE:COLUMN: text"; in a row of a database the file is
 * "SQL Ruleset NAME" and the line its number. */
enum conf_severity { CONF_WARNING, CONF_ERROR };
struct conf_problem {
	enum conf_severity severity;
	const char *file;      /* lent by the report, as all of this */
	unsigned line, column; /* from 1; 0: it is in no line, such as a default */
	const char *text;      /* what is wrong and what was expected */
};

/* "FILE:LINE", or "SQL Ruleset NAME row 7". */
void conf_place_add(struct str *out, const char *file, unsigned line);
/* "FILE:LINE:COLUMN", or "SQL Ruleset NAME row 7", or "FILE" where it is in no line. */
void conf_problem_place(const struct conf_problem *p, struct str *out);

/* All mistakes of one load; at most 10,000, then one that says so. */
struct conf_report;
struct conf_report *conf_report_new(void) MUST_CHECK;
void conf_report_free(struct conf_report **r);
/* For mistakes that are found in what the configuration names. */
void conf_report_add(struct conf_report *r, enum conf_severity severity, const char *file,
		     unsigned line, unsigned column, const char *text);
/* By file, line and column, as a reader goes through the files. */
void conf_report_sort(struct conf_report *r);
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
/*
 * Add to @ret what the files say of the simple option @id, else its default: whatever mistakes they
 * hold, and without asking databases. For who must reach a daemon whose configuration somebody is
 * just editing. Fails when @path cannot be read.
 */
int conf_glance(struct conf_source *s, const char *path, enum opt_id id, struct str *ret,
		struct err *err) MUST_CHECK;
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf **c);
/* Differs between any two loads in one process; the generation a message began with. */
uint64_t conf_generation(const struct conf *c);

/*
 * Expressions of rulesets that gave up on this message's addresses, and how often (regex_match()).
 * One for each message, all zero at first: senders choose the addresses, and many of them.
 */
#define CONF_PATIENCE_MAX 32u
struct conf_patience {
	uint32_t n;
	uint8_t times[CONF_PATIENCE_MAX];
	const void *of[CONF_PATIENCE_MAX];
};

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
	struct conf_patience *patience; /* NULL: each question begins with a new one */
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

/* How the value is written in a file ("yes", "50m"), and where it came from ("FILE:LINE", "SQL
 * Config row 7", "SQL Ruleset NAME row 7" or "default"). For --value, --changed and JSON. The value
 * of DB Password is never told. */
const char *conf_written(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *conf_where(const struct conf *c, enum opt_id id, const struct conf_who *who);

/* The last text of %name%, for report templates; NULL: not defined. */
const char *conf_variable(const struct conf *c, const char *name);
/* True when a host: rule asks for conf_who.client_host(_checked): look names up only then. */
bool conf_wants_host(const struct conf *c);

/* The content of a file the configuration names (rule file, definition file), as it was when the
 * snapshot was loaded. -ENOENT when no option named it. */
int conf_file(const struct conf *c, const char *path, struct bytes *ret_content) MUST_CHECK;

/* Lines that SQL SpamAssassin Config gave are such a file with this name, one in each line. */
#define CONF_SPAMASSASSIN_LINES "SQL SpamAssassin Config"

/* The databases the snapshot was read from: whether there is one, and the serial number its content
 * had when reading began (-1: it has none). */
struct conf_serial {
	bool used;
	int64_t number;
};
enum conf_back_end { CONF_SQL, CONF_LDAP, CONF_BACK_ENDS };
struct conf_serial conf_serial(const struct conf *c, enum conf_back_end b);

/* Every value option @id can have for anybody (its default and each rule's), without repeats, so
 * that rule files can be compiled before the first message asks. Returns how many. */
size_t conf_every_value(const struct conf *c, enum opt_id id, const char **ret, size_t max);
/* The same as a list that the caller frees; strings are lent. Returns 0 or -ENOMEM. */
int conf_values(const struct conf *c, enum opt_id id, const char ***ret, size_t *ret_n) MUST_CHECK;

#endif
