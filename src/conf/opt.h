/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/opt.h - the option table: one row an option. Parser, sample file, manual page, --lint and
 * the documentation check are generated from the rows (src/conf/options.def).
 */
#ifndef CONF_OPT_H
#define CONF_OPT_H

#include <stddef.h>

#include "core/bytes.h"

enum opt_type {
	OPT_YESNO,
	OPT_ENUM,
	OPT_NUMBER,
	OPT_DIR,
	OPT_FILE,
	OPT_COMMAND,
	OPT_STRING,
	OPT_OTHER,
};

enum opt_ruleset { OPT_NO_RULESET, OPT_FIRST_MATCH, OPT_ALL_MATCHES };

enum opt_flags {
	OPT_OURS = 1u << 0,      /* not one of MailScanner's */
	OPT_OBSOLETE = 1u << 1,  /* MailScanner accepts and ignores it */
	OPT_NO_EFFECT = 1u << 2, /* accepted without effect; the row says why */
	OPT_RESTART = 1u << 3,   /* read only when the daemon starts; a reload cannot change it */
	OPT_LATER = 1u << 4,     /* accepted; its feature is not built yet */

	/* how all-matches yes/no values that disagree ("1 0") count; without a flag any yes wins */
	OPT_ONLY_ONES = 1u << 5, /* yes when every value says yes */
	OPT_NO_ZERO = 1u << 6,   /* yes when none says no */

	OPT_HEADER_NAME = 1u << 7, /* names a header: blanks inside become '-' */
	OPT_NAMES_FILES = 1u << 8, /* its words that begin with '/' may be files: conf_file() */
	OPT_GUARD = 1u << 9,       /* a bad value would let mail pass unchecked: refuse to load */

	OPT_CPU_LIST = 1u << 10,  /* numbers such as 0,2-5, or one of its words */
	OPT_NETWORKS = 1u << 11,  /* its words are addresses, networks, or files of them */
	OPT_PORTS = 1u << 12,     /* its words are TCP ports */
	OPT_SERVERS = 1u << 13,   /* addresses with ports: conf/servers.h */
	OPT_LISTENERS = 1u << 14, /* the same, to listen on */

	OPT_EARLY = 1u << 15, /* SQL Quick Peek is asked about it, as about OPT_RESTART */
};

struct opt {
	const char *name;     /* "Max Children" */
	const char *internal; /* "children": also accepted as a key */
	enum opt_type type;
	/* YESNO, ENUM: "no=0; yes=1; <number>", what may be written and its internal value.
	 * NUMBER of our own: "MIN..MAX". STRING: "a|b", known words; others give a warning. */
	const char *words;
	const char *def;     /* as written in a file; parsed by the same code as the file */
	const char *shipped; /* what the sample file says; NULL: @def */
	enum opt_ruleset ruleset;
	const char *section;
	unsigned flags;
	const char *doc; /* our words */
	const char *why; /* for OPT_NO_EFFECT and OPT_OBSOLETE: the reason */
};

/* OPT_MAX_CHILDREN, OPT_INCOMING_QUEUE_DIR, ...: the option's name in capitals, each run of other
 * characters than letters and digits one '_'. Values index opt_rows[]. */
enum opt_id {
#define ROW(id, ...) OPT_##id,
#include "conf/options.def"
#undef ROW
	OPT_ROWS
};

extern const struct opt opt_rows[OPT_ROWS];

/* Row whose name or internal name is @key after normalising (lower case, only a-z 0-9); OPT_ROWS
 * when there is none. A look through all rows: for tools, not for each message. */
enum opt_id opt_find(struct bytes key);
/* The known name nearest to a mistyped @key, or NULL when none is near. */
const char *opt_nearest(struct bytes key);

#endif
