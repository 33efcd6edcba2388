/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/facts.h - what scanning found out about one message. Plain values: made by a worker, sent
 * to the gateway (scan/wire.h), judged by policy/. Strings are UTF-8 or hostile bytes; whoever
 * shows them escapes them.
 */
#ifndef SCAN_FACTS_H
#define SCAN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/budget.h"
#include "metrics/cost.h"

enum check_id {
	CHECK_LIMITS,   /* pre-limits and budget */
	CHECK_MIME,     /* structure and decoding */
	CHECK_SIZES,    /* message and attachment sizes */
	CHECK_ARCHIVES, /* unpacking */
	CHECK_FILENAMES,
	CHECK_FILETYPES,
	CHECK_CONTENT, /* partial, external bodies, encryption, MIME attacks */
	CHECK_VIRUS,   /* libclamav */
	CHECK_TEST,    /* only in test builds: the hostile check, the crashing check */
	CHECK_COUNT
};

/* What the time of a scan goes to: each check, and what is around them. */
enum stage_id {
	STAGE_READ = CHECK_COUNT, /* the message into the worker's memory */
	STAGE_REST, /* requests, facts, tidying up; of one scan and the end of the last */
	STAGE_COUNT
};

/* A message is clean only if every check its policy requires says RAN (promise P2). */
enum check_state {
	CHECK_SKIPPED, /* policy did not ask for it; why says so */
	CHECK_RAN,
	CHECK_TIMEOUT,
	CHECK_FAILED,
	CHECK_LIMIT, /* a limit stopped it; there is a finding too */
	CHECK_STATES
};

struct check_result {
	enum check_state state;
	const char *why; /* NULL unless there is something to say */
	uint32_t us;     /* wall microseconds */
};

enum finding_kind {
	FINDING_VIRUS,
	FINDING_FILENAME,
	FINDING_FILETYPE,
	FINDING_CONTENT,
	FINDING_PHISHING,
	FINDING_SIZE,
	FINDING_ENCRYPTED,
	FINDING_DOS,
	FINDING_UNPARSABLE,
	FINDING_SPAM,
	FINDING_MCP,
	FINDING_KINDS
};

struct finding {
	enum finding_kind kind;
	char class;         /* MailScanner's report class: v f c s e d m, or 0 */
	bool whole_message; /* not about one part */
	bool delete_part;   /* deny+delete: the part is not kept in quarantine */
	const char *part;   /* part id; "" for the whole message */
	const char **path;  /* outermost ... innermost member; path[0] is the part's own name */
	size_t path_n;
	const char *name;    /* virus name, file name that matched, limit */
	const char *scanner; /* "Clamd"-style display name, "" for our own checks */
	const char *report;  /* the line a user reads */
	const char *log;     /* the line a postmaster reads, MailScanner's wording, with the id as
			      * "%id%"; "" when there is none */
	const char *rule;    /* "FILE:LINE" of the rule or the option that decided; "" */
};

struct fact_member {       /* a file inside an archive, document or encoded part */
	const char **path; /* as in struct finding, without the part's name */
	size_t path_n;
	uint64_t size_bytes;
	bool encrypted;
};

struct fact_part {                    /* a MIME leaf */
	const char *id, *type, *name; /* name "" when unnamed */
	const char *file_type;        /* libmagic's words; "" when not asked */
	uint64_t size_bytes;          /* decoded */
	uint8_t sha256[32];
	bool has_sha256, encrypted, alternate;
	struct fact_member *members;
	size_t members_n;
};

struct fact_verdict { /* for the shared cache: what was learned about one content */
	uint8_t sha256[32];
	char virus[96];     /* "" is clean */
	char file_type[96]; /* "" when not asked */
	char mime_type[64];
};

struct facts {
	struct check_result checks[CHECK_COUNT];
	struct finding *findings;
	size_t findings_n;
	struct fact_part *parts;
	size_t parts_n;
	struct fact_verdict *verdicts; /* new ones, to be put into the shared cache */
	size_t verdicts_n;
	bool cut;            /* findings or parts beyond the limits below were left out */
	const char *subject; /* decoded, "" when none */
	const char *message_id;
	uint64_t cpu_us, expanded_bytes;
	uint32_t mime_defects, cache_hits;
	enum budget_limit limit_hit;
	const char *limit_why; /* "" */
	struct cost stages[STAGE_COUNT];
	bool has_stages;     /* option Performance Counters */
	bool counted_events; /* stages[].events are figures */
};

#define FACTS_FINDINGS_MAX 1000
#define FACTS_PARTS_MAX    5000 /* parts and members together */

/* A time beyond this, or as many events in it, is a lie. */
#define FACTS_STAGE_NS_MAX     (UINT64_C(24) * 3600 * 1000000000)
#define FACTS_STAGE_EVENTS_MAX (FACTS_STAGE_NS_MAX * 100)

const char *check_name(enum check_id id);           /* "filenames" ... as in JSON */
const char *check_state_name(enum check_state s);   /* "ran" ... */
const char *finding_kind_name(enum finding_kind k); /* "virus" ... */
const char *stage_name(unsigned stage);             /* a check's, "read", "rest" */
/* One letter for a live view: R reading, P parsing, A archives, N names and types, V viruses,
 * C content; '?' for what is no stage. */
char stage_letter(unsigned stage);

#endif
