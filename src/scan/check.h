/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/check.h - inside this folder: what a check gets and how it reports. A new check is one file
 * with one check_fn and one row in the table of scan.c.
 */
#ifndef SCAN_CHECK_H
#define SCAN_CHECK_H

#include <locale.h>

#include "metrics/meter.h"
#include "mime/mime.h"
#include "scan/rule_file.h"
#include "scan/scan.h"

/* One file to look at: a MIME leaf, or a member of an archive, document or encoded text. */
struct leaf {
	struct leaf *next;      /* in order of discovery: containers before their members */
	struct leaf *container; /* NULL: a MIME leaf */
	struct mime_part *part; /* the MIME leaf it came from */
	const char **path;      /* outermost (the part's name) ... own name, UTF-8 or raw bytes */
	size_t path_n;
	const char **names; /* every reading of its own name, at least one unless unnamed */
	size_t names_n;
	char origin;          /* MailScanner's type letter: n z r u o t */
	unsigned depth;       /* 0: MIME leaf; archive level otherwise */
	struct bytes content; /* decoded; empty when @unread */
	bool encrypted;       /* cannot be read without a password */
	bool unread;          /* content not to be had (encrypted, limit, broken): never "clean" */
	bool type_exempt;     /* an explicit allow with Override Filetypes */
	uint8_t sha256[32];   /* of content, when has_sha256 */
	bool has_sha256;
	struct fact_verdict *cached;       /* from the shared cache; NULL: unknown */
	const char *file_type, *file_mime; /* libmagic's answers, once asked; else NULL */
	struct fact_part *fact;            /* where its part is reported */
	bool container_encrypted;          /* it was reported as an archive with passwords */
	bool document;                     /* its members are parts of one document */
	struct virus_content *virus;       /* virus.c's; NULL: not asked */
};

struct scan_state {
	struct scanner *scanner;
	const struct scan_request *request;
	struct bytes message;
	struct mime_tree tree; /* root NULL when the message could not be parsed */
	struct leaf *leaves, **leaves_tail;
	size_t leaves_n;
	struct budget budget;
	struct arena *arena;
	struct facts *facts; /* findings and parts arrays grow through the functions below */
	size_t things_n;     /* parts and members in the facts */
	char *limit_text;    /* room kept for the one finding that must not be lost */
};

/*
 * Run one check on the whole message. Fills @ret_result (state RAN unless it says otherwise).
 * Returns 0, or negative: then the result is FAILED with err.text as the reason.
 */
typedef int check_fn(struct scan_state *s, struct check_result *ret_result, struct err *err);

check_fn check_archives, check_filenames, check_filetypes, check_content, check_sizes, check_virus,
	check_test;

/* Append a finding (copied). Beyond FACTS_FINDINGS_MAX: facts.cut. */
int scan_add_finding(struct scan_state *s, const struct finding *f, struct err *err) MUST_CHECK;
/* A finding about @leaf: part, path and class are filled in. @name, @report, @log, @rule lent. */
int scan_find(struct scan_state *s, const struct leaf *leaf, enum finding_kind kind, char class,
	      const char *name, const char *report, const char *log, const char *rule,
	      struct err *err) MUST_CHECK;
/* Append a leaf; @from is copied, hashed and looked up in the verdict cache, and reported in the
 * facts: a MIME leaf as part, any other as member. NULL: out of arena (the budget says so). */
struct leaf *scan_add_leaf(struct scan_state *s, const struct leaf *from) MUST_CHECK;
/* One leaf for each leaf of the MIME tree, decoded. -EFBIG (ERR_LIMIT): see budget. */
int scan_add_mime_leaves(struct scan_state *s, struct err *err) MUST_CHECK;
/* "a.zip/b.zip/c.exe" in @s->arena, for people. */
const char *scan_leaf_place(struct scan_state *s, const struct leaf *leaf);
/* A limit that the budget itself did not notice, with the place; only the first counts. */
void scan_limit(struct scan_state *s, enum budget_limit what, const char *fmt, ...) PRINTF(3, 4);
#define SCAN_LIMIT_TEXT_MAX 320u
/* At the start: room for the finding below, which must not be lost for want of memory. */
int scan_keep_room(struct scan_state *s, struct err *err) MUST_CHECK;
/* At the end: the finding that goes with the limit in the budget. Takes the place of the last
 * one when memory is out. */
void scan_find_limit(struct scan_state *s);
/* The arena is full: a limit too. Always -ENOMEM. */
int scan_no_memory(struct scan_state *s, struct err *err);
bool scan_hash(struct scan_state *s, struct bytes content, uint8_t ret_sha256[32]);
/* MailScanner's safe name of @name, in the arena: for reports. */
const char *scan_safe_name(struct scan_state *s, const char *name);

/* --- rules.c: filename and filetype rules, compiled --- */
struct rule_engine;  /* all rule sets of one configuration, made in the zygote */
struct rule_scratch; /* per worker */
enum rule_field { RULE_NAME, RULE_TYPE, RULE_MIME };
struct rule_match {
	enum rule_action action;
	const char *log_text, *user_text; /* "" when '-' */
	const char *argument;             /* rename text, addresses; "" */
	const char *where;                /* "FILE:LINE" or "option Deny Filenames" */
	size_t subject;                   /* which one matched */
	bool from_list;                   /* an option's list, not a rule file */
};
int rule_engine_new(struct rule_engine **ret_e, const struct conf *c, struct err *err) MUST_CHECK;
void rule_engine_free(struct rule_engine **e);
uint64_t rule_engine_hash(const struct rule_engine *e);
int rule_scratch_new(struct rule_scratch **ret_s, struct rule_engine *e,
		     struct err *err) MUST_CHECK;
void rule_scratch_free(struct rule_scratch **s);
/* False: @rules has nothing to ask about @field, so that the field need not be found out. */
bool rule_wanted(struct rule_scratch *s, const struct scan_rules *rules, enum rule_field field);
/*
 * First match of allow list, deny list, rule files (in this order) on any of @subjects.
 * Compiles a set nobody has asked for yet (only lists, not files, can be new) and keeps it.
 * 0 with *@ret_m (RULE_NONE: nothing matched), or negative: the check failed.
 */
int rule_first_match(struct rule_scratch *s, const struct scan_rules *rules, enum rule_field field,
		     const struct bytes *subjects, size_t subjects_n, struct rule_match *ret_m,
		     struct err *err) MUST_CHECK;

/* --- types.c: libmagic --- */
struct type_engine;
int type_engine_new(struct type_engine **ret_e, struct err *err) MUST_CHECK;
/* In each process that asks: make its memory file. A worker must before its sandbox is shut. */
int type_engine_prepare(struct type_engine *e, struct err *err) MUST_CHECK;
void type_engine_free(struct type_engine **e);

/* --- clamav.c --- */
struct clam_engine;
struct clam_scanner;
int clam_engine_new(struct clam_engine **ret_e, const struct conf *c, struct err *err) MUST_CHECK;
void clam_engine_free(struct clam_engine **e);
int clam_scanner_new(struct clam_scanner **ret_s, struct clam_engine *e, const char *tmp_dir,
		     struct err *err) MUST_CHECK;
void clam_scanner_free(struct clam_scanner **s);

/* What libclamav said about one content. */
struct clam_result {
	char virus[96]; /* "": none */
	char limit[96]; /* a limit stopped it: never clean */
	enum budget_limit limit_kind;
	bool encrypted; /* it saw a member that needs a password */
};
struct clam_ask {
	struct bytes content;
	bool raw_message; /* a whole message, not one leaf */
	const struct budget *budget;
	/* Called for each layer libclamav looks at, the content itself included; NULL: nobody asks.
	 * If the result is clean, all these layers were. */
	void (*layer)(void *arg, struct bytes layer);
	void *arg;
};
/* 0: see *@ret_r. Negative: the scan failed, nothing is known (ERR_TEMP). */
int clam_scan(struct clam_scanner *s, const struct clam_ask *ask, struct clam_result *ret_r,
	      struct err *err) MUST_CHECK;
uint64_t clam_engine_generation(const struct clam_engine *e);
const char *clam_engine_describe(const struct clam_engine *e);

struct scanner {
	struct scan_engine *engine;
	struct rule_scratch *rules;
	struct type_engine *types;     /* the engine's or own_types */
	struct type_engine *own_types; /* NULL: not needed */
	struct clam_scanner *clam;
	const struct verdict_cache *cache; /* NULL: none */
	struct evp_md_ctx_st *hash;        /* libcrypto's, reused */
	struct evp_md_st *sha256;
	struct meter meter;                  /* what each stage costs */
	locale_t utf8;                       /* the engine's; (locale_t)0: none */
	void (*test_hook)(const char *what); /* test builds: "X-Sallyport-Test: WHAT" */
};

#endif
