/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/conf_internal.h - what the files of conf/ share: the snapshot and the loader. */
#ifndef CONF_CONF_INTERNAL_H
#define CONF_CONF_INTERNAL_H

#include <stdatomic.h>

#include "conf/conf.h"
#include "core/arena.h"
#include "core/str.h"
#include "core/text.h"

#define CONF_VALUE_MAX_BYTES ((size_t)MIB) /* one value after substitution */
#define CONF_FILE_MAX_BYTES  (64 * MIB)
#define CONF_ROWS_MAX_BYTES  (512 * MIB) /* of one query: 10,000,000 rules and more */
#define CONF_SNAPSHOT_MAX    (8 * GIB)

/* opt.c: the same as opt_find() for a loader that asks 400 times. */
#define OPT_INDEX_SIZE 2048u
struct opt_index {
	struct {
		const char *key;
		uint16_t key_of; /* enum opt_id + 1; 0: free */
	} slot[OPT_INDEX_SIZE];
};
void opt_index_build(struct opt_index *x);
enum opt_id opt_index_find(const struct opt_index *x, struct bytes key);
bool opt_key_is_empty(struct bytes key);

struct conf_place {
	const char *file;
	unsigned line, column;
};

/* Add a mistake to @r (NULL: nobody wants to know). Bytes from files must be escaped before. */
void conf_problem_add(struct conf_report *r, enum conf_severity severity, struct conf_place at,
		      const char *fmt, ...) PRINTF(4, 5);

/* One value, converted. */
struct conf_value {
	const char *written; /* as in the file, substituted and trimmed */
	const char *text;    /* MailScanner's internal value */
	double num;          /* NUMBER */
	struct conf_place at;
};

struct ruleset;

struct conf_setting {
	struct conf_value value; /* simple value, or the default of the ruleset */
	struct ruleset *rules;   /* NULL: a simple value */
	const char *function;    /* Perl function the site wrote, which cannot run; NULL: none */
	const char *unread;      /* ruleset, or "", that a database was not asked for; NULL: none */
	const char *unread_why;
	const char *where; /* "FILE:LINE" of the value's line, or "default" */
	const char *default_written;
	const char
		*raw; /* what the line says, right or wrong; NULL: no line sets it, or a secret */
	struct conf_place set_at; /* the line of the configuration, whatever came of it */
	bool all_matches;
	bool is_set;   /* not the built-in default */
	bool rejected; /* a line sets it, but what it says is wrong */
};

struct conf_var {
	struct conf_var *next;
	const char *name, *text;
	struct bytes raw; /* text in the file, before substitution; lent by the source */
	bool used;        /* since it got this text */
	bool secret;      /* a password was made of it */
};

/* Something odd that is no mistake, for conf_explain(). */
struct conf_note {
	struct conf_note *next;
	struct conf_place at;
	const char *text;
};

struct conf_kept_file {
	struct conf_kept_file *next;
	const char *path;
	struct bytes content;
};

#define CONF_FILE_BUCKETS 256u

struct conf {
	atomic_uint refs;
	uint64_t generation;
	struct arena *arena;
	const char *path; /* the main file */
	struct conf_setting settings[OPT_ROWS];
	struct conf_var *vars;
	struct conf_note *notes;
	struct conf_kept_file *files[CONF_FILE_BUCKETS];
	struct conf_serial serials[CONF_BACK_ENDS];
	bool wants_host;
	bool one_for_many; /* Use Default Rules With Multiple Recipients */
	bool compatible;   /* Compatibility = mailscanner */
};

/* conf.c: the value of @id for @who, with the life of conf_str()'s. */
const struct conf_value *conf_value_of(const struct conf *c, enum opt_id id,
				       const struct conf_who *who);

/* What a line of a file said about an option, before conversion. */
struct conf_raw {
	const char *text; /* NULL: not set */
	struct conf_place at;
};

struct conf_loader {
	struct conf *c;
	struct conf_source *source;
	struct conf_report *report;
	struct conf_raw raw[OPT_ROWS];
	struct opt_index index;
	struct conf_var *seen; /* names of files read so far */
	unsigned depth;        /* of includes */
	unsigned unknown_n;    /* keys that are no option */
	bool goes_on;          /* the line before ended in a backslash */
	bool no_database;      /* it failed: it is not asked again */
	bool unread;           /* something of a database was not read: -ENODATA */
	bool fatal;            /* loading must fail; the report says why */
	bool no_memory;
	struct err why; /* the first fatal mistake */
};

/* expand.c: substitutions of %name%, $NAME and \n, in that order. NULL: too long (reported) or no
 * memory. The result is in the snapshot's arena. */
const char *conf_expand(struct conf_loader *l, struct bytes text, struct conf_place at);
const char *conf_var_get(const struct conf *c, struct bytes name);
struct conf_var *conf_var_find(const struct conf *c, struct bytes name);
int conf_var_set(struct conf_loader *l, struct bytes name, const char *text, struct conf_place at);

/* value.c: convert @text as the type of @id asks. False: bad, *@ret_why says what was expected.
 * @check: files, directories and commands must exist (defaults are taken as they are). */
bool conf_value_parse(struct conf_loader *l, enum opt_id id, const char *text, bool check,
		      struct conf_place at, struct conf_value *ret_v, const char **ret_why);
/* What to add to a message about a bad @text: what it is written with that no value has; or "". */
const char *conf_value_hint(const char *text);
/* "no, yes": for messages. In the snapshot's arena. */
const char *conf_value_expected(struct conf_loader *l, enum opt_id id);

/* database.c: options and rulesets from SQL and LDAP. */
void conf_database_read(struct conf_loader *l);
/* Whether @text names a ruleset in a database, and reading it as ruleset_load() does. */
bool conf_database_has_ruleset(struct conf_loader *l, const char *text, struct conf_place at);
bool conf_database_ruleset(struct conf_loader *l, enum opt_id id, const char *name,
			   struct conf_place at);

/* secret.c: what must be in no bundle. Any key may be given, and lines that are comments. */
void conf_hide_comment(struct conf_loader *l, struct bytes line);
void conf_hide_value(struct conf_loader *l, struct bytes key, struct bytes value,
		     struct bytes to_line_end);
/* A line that makes no sense may still be about a password: messages do not show it. */
bool conf_mentions_password(struct bytes text);
/* The value of an option that may not be shown. */
#define CONF_HIDDEN "(hidden)"

/* What a place's number counts: "line" or "row". */
const char *conf_place_unit(const char *file);
/* The place of what conf_source_set_option() was given; it has no number. */
#define CONF_PLACE_SWITCH    "command line"
/* What sources call it: a name of the MADE ones. */
#define CONF_SWITCH_NAME_MAX 128
const char *conf_switch_name(enum opt_id id, char out[CONF_SWITCH_NAME_MAX]);
#define CONF_PLACE_SQL  "SQL "
#define CONF_PLACE_LDAP "LDAP "

/* source.c: why reading a file returned @code. */
const char *conf_why_unread(int code);

/* load.c */
void conf_fatal(struct conf_loader *l, struct conf_place at, const char *fmt, ...) PRINTF(3, 4);
void conf_unknown_key(struct conf_loader *l, struct bytes key, struct conf_place at);
/* "%name%" as a key. */
bool conf_is_variable(struct bytes key);
void conf_note_add(struct conf_loader *l, struct conf_place at, const char *fmt, ...) PRINTF(3, 4);
/* Keep the content of @path for conf_file(). Returns 0 or what reading it returned. */
int conf_keep_file(struct conf_loader *l, const char *path);
/* The same for content that is no file; copied. */
int conf_keep_content(struct conf_loader *l, const char *name, struct bytes content);
/* A file name that lives as long as the snapshot. */
const char *conf_keep_name(struct conf_loader *l, const char *path);

/* Hostile bytes as an argument of a message: at most 100 characters, on the caller's stack. */
#define SHOWN(b) text_escape((char[101]){ 0 }, 101, (b))

#endif
