/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/ruleset.h - a file of rules in place of a value.
 *
 * A rule has one condition or two ("and"). A condition with keys (pattern.h) stands in a hash from
 * key to condition; the others are in a list and are tried one by one. Of a rule with two
 * conditions one is looked up, the rarer one, and the other one is then asked directly.
 */
#ifndef CONF_RULESET_H
#define CONF_RULESET_H

#include "conf/conf_internal.h"
#include "conf/pattern.h"

enum rule_direction { RULE_FROM, RULE_TO, RULE_OR, RULE_BOTH, RULE_VIRUS };

struct rule_cond {
	struct pattern pattern;
	uint32_t rule;
	uint8_t direction;
};

struct rule {
	uint32_t line, value;
	uint32_t cond; /* of ruleset.conds; a second one follows when @two */
	uint32_t two;
};

/* What most questions need stands here, 32 bytes, so that an answer costs few cache lines. */
struct rule_entry {
	const uint8_t *key;
	uint32_t hash;
	uint32_t next; /* in its bucket, UINT32_MAX at the end; ascending rules */
	uint32_t cond, rule;
	uint16_t key_n;
	uint8_t kind;  /* enum key_kind */
	uint8_t sides; /* the key alone decides, for: bit for each enum rule_side; 0: ask @cond */
};
_Static_assert(sizeof(struct rule_entry) == 32, "two to a cache line");

enum rule_side { SIDE_FROM, SIDE_TO };

#define RULE_NONE UINT32_MAX

struct ruleset {
	const char *file;
	bool all_matches;
	char joint; /* between the values of all matches */
	struct rule *rules;
	struct rule_cond *conds;
	struct rule_entry *entries;
	struct conf_value *values;  /* each once */
	uint32_t *linear;           /* conditions without keys, ascending rules */
	uint32_t *heads;            /* buckets of entries */
	struct rule_screen *screen; /* in front of @linear; NULL: none (rule_screen.h) */
	size_t rules_n, rules_cap, conds_n, conds_cap, entries_n, entries_cap;
	size_t values_n, values_cap, linear_n, linear_cap;
	size_t heads_n; /* power of two */
	/* Three bits in one word for each hash in use. Most questions are answered "no" here, in a
	 * megabyte that stays in the cache, and never touch the big tables. */
	uint64_t *filter;
	size_t filter_words;     /* power of two */
	uint64_t has_kind;       /* bit for each enum key_kind */
	uint64_t has_bits[2][3]; /* IPv4, IPv6: bit for each prefix length in use */
};

/* Whether @text, the value of option @id, names a ruleset. */
bool ruleset_is_meant(struct conf_loader *l, enum opt_id id, const char *text);
/* Read it into the setting of @id. False: it cannot be read (reported), the default holds. */
bool ruleset_load(struct conf_loader *l, enum opt_id id, const char *path, struct conf_place at);
/* The same for the rows of a database: lines "NUMBER<tab>RULE". @name is that of the whole. */
bool ruleset_load_rows(struct conf_loader *l, enum opt_id id, const char *name, struct bytes rows,
		       struct conf_place at);

/* rule_index.c: what the loader and the evaluation share. Keys are hashed from their last byte to
 * their first, so that all ends of a domain cost one walk. */
#define RULE_HASH_START      2166136261u
#define RULE_HASH_STEP(h, c) (((h) ^ (c)) * 16777619u)
#define RULE_HASH_END(h, kind)                                                                     \
	((((h) ^ ((uint32_t)(kind)*0x9e3779b9u)) * 0x85ebca6bu) ^                                  \
	 ((((h) ^ ((uint32_t)(kind)*0x9e3779b9u)) * 0x85ebca6bu) >> 15))
uint32_t rule_hash(enum key_kind kind, struct bytes key);
/* The bits of a hash in its word of the filter, whose number are the hash's low bits. */
#define RULE_FILTER_BITS(h)                                                                        \
	(UINT64_C(1) << ((h)*0x9e3779b1u >> 26) | UINT64_C(1) << ((h)*0x85ebca77u >> 26) |         \
	 UINT64_C(1) << ((h)*0xc2b2ae3du >> 26))
/* Make room for one more element behind @n of *@list. False: no memory. */
bool rule_grow(void *list, size_t *cap, size_t n, size_t size) MUST_CHECK;
/* After the last rule: fill entries, linear, heads. False: no memory. */
bool rule_index_build(struct ruleset *rs) MUST_CHECK;

/* rule_eval.c: rules that match, one number for each match, ascending; first match only unless the
 * ruleset is one of all matches. */
struct rule_hits {
	uint32_t few[32];
	uint32_t *list; /* few, or malloc'ed */
	size_t n, cap;
	bool failed; /* no memory */
};
void rule_hits_init(struct rule_hits *h);
void rule_hits_fini(struct rule_hits *h);
/* Use Default Rules With Multiple Recipients: who stands for several. */
enum rule_many {
	MANY_EACH,   /* nobody: each is asked for */
	MANY_DOMAIN, /* *@domain when all share one, *@* otherwise */
	MANY_ANY,    /* always *@* (Compatibility) */
};
enum rule_many ruleset_many(const struct conf *c);
void ruleset_match(const struct ruleset *rs, const struct conf_who *who, enum rule_many many,
		   struct rule_hits *ret_h);

#endif
