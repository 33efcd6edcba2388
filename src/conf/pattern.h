/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/pattern.h - one pattern of a ruleset: what kind it is, and whether something matches it.
 *
 * Most kinds have *keys*: texts of which one must be found when the pattern matches, so that a
 * hash answers for a million patterns at once. Kinds without keys are tried one after the other.
 */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/bytes.h"

enum pattern_kind {
	PATTERN_NEVER,   /* broken, or of a kind that its direction cannot match */
	PATTERN_ANY,     /* *@*: every address that has an '@' */
	PATTERN_ADDRESS, /* joe@example.com */
	PATTERN_DOMAIN,  /* *@example.com; the text is the domain */
	PATTERN_SUB,     /* *@*.example.com; the text is ".example.com" */
	PATTERN_USER,    /* joe@*; the text is "joe@" */
	PATTERN_GLOB,    /* other wildcards on the whole address */
	PATTERN_REGEX,   /* on addresses */
	PATTERN_IP,      /* a complete address */
	PATTERN_IP_TEXT, /* the beginning of the text of an address */
	PATTERN_IP_REGEX,
	PATTERN_NET,  /* networks: CIDR, ranges */
	PATTERN_HOST, /* ".example.com" as end of ".HOST"; empty: no name */
	PATTERN_HOST_GLOB,
	PATTERN_HOST_REGEX,
	PATTERN_REPORT, /* wildcards inside a report */
	PATTERN_REPORT_REGEX,
};

enum key_kind {
	KEY_ADDRESS,
	KEY_DOMAIN,
	KEY_SUB,
	KEY_USER,
	KEY_IP_TEXT,
	KEY_NET4, /* struct net */
	KEY_NET6,
	KEY_HOST,
	KEY_HOST_CHECKED,
	KEY_KINDS
};

struct net {
	uint8_t bits;
	uint8_t addr[16]; /* IPv4: the first four */
};

struct nets {
	bool v6;
	size_t n;
	struct net net[];
};

/* A compiled expression and its text, which Hyperscan wants to see, too. */
struct regex {
	void *code;
	const char *text;
};

struct pattern {
	uint8_t kind; /* enum pattern_kind */
	bool checked; /* HOST*: the forward-confirmed name */
	uint32_t n;   /* of text */
	union {
		const uint8_t *text;
		const struct regex *regex;
		const struct nets *nets;
	};
};

/* A message's client address in the forms that patterns need. */
struct client {
	char text[64]; /* canonical when it is an address */
	bool known, is_ip, v6;
	uint8_t addr[16];
};

/* Work space of one evaluation: memory of the regular expressions, and their patience, which is
 * the caller's; NULL: without end. */
struct conf_patience;
struct regex_scratch {
	void *match_data, *limits;
	struct conf_patience *patience;
};
void regex_scratch_fini(struct regex_scratch *s);

/* Whether @r matches @subject. One that backtracks without end does not; having come to that a few
 * times, it is given a hundredth of the steps for the rest of the message. */
bool regex_match(const struct regex *r, struct bytes subject, struct regex_scratch *s);

struct pattern_note {
	char text[200]; /* what to warn about; empty: nothing */
	bool broken;    /* it cannot match because it is wrong, not because of its kind */
};

enum pattern_flags {
	PATTERN_OF_REPORT = 1u << 0, /* Virus: */
	PATTERN_LOWER = 1u << 1,     /* expressions in lower case, escapes too (Compatibility) */
};

/* Parse an address, IP or host pattern (not a file of patterns) or a pattern on reports. Never
 * fails: what is wrong becomes PATTERN_NEVER with a note. False: no memory. */
bool pattern_parse(struct pattern *ret_p, struct arena *a, struct bytes text, unsigned flags,
		   struct pattern_note *ret_note) MUST_CHECK;

/* A note on a pattern of an address or a client that loads and matches no mail; none when there is
 * one already. */
void pattern_doubt(const struct pattern *p, struct bytes text, struct pattern_note *note);

bool pattern_is_ip(const struct pattern *p);   /* plain, networks, regex on it */
bool pattern_is_host(const struct pattern *p); /* host:, host-nocheck: */

/* The @i-th key of @p; false: there are no more. No key at all: try it one by one. */
bool pattern_key(const struct pattern *p, size_t i, enum key_kind *ret_kind, struct bytes *ret_key);

void client_init(struct client *c, const char *ip);
bool pattern_match_address(const struct pattern *p, struct bytes address, struct regex_scratch *s);
bool pattern_match_client(const struct pattern *p, const struct client *c, struct regex_scratch *s);
/* @host: NULL is unknown, "" is none. */
bool pattern_match_host(const struct pattern *p, const char *host, struct regex_scratch *s);
bool pattern_match_report(const struct pattern *p, struct bytes report, struct regex_scratch *s);

/* "." and the lower-cased @host in @out; 0: it is none or too long. */
#define HOST_MAX 256
size_t host_normal(const char *host, char out[HOST_MAX]);

#endif
