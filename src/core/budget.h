/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core/budget.h - what one message may cost. Every parser of message bytes gets the budget and
 * asks it *before* it expands, descends or allocates (promise P4). Reaching a limit is
 * a verdict with a name, never a silent skip. One message, one thread: no locks.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

enum budget_limit {
	BUDGET_NONE,
	BUDGET_EXPANDED_BYTES, /* bytes made by decoding and unpacking, all together */
	BUDGET_MEMBER_BYTES,   /* one unpacked member */
	BUDGET_RATIO,          /* expanded bytes against the size of the message */
	BUDGET_MEMBERS,        /* archive members, all together */
	BUDGET_ARCHIVE_DEPTH,
	BUDGET_MIME_DEPTH,
	BUDGET_PARTS,        /* MIME entities */
	BUDGET_HEADER_BYTES, /* one header block */
	BUDGET_HEADER_LINES,
	BUDGET_CPU_MS, /* thread CPU time, checked between steps */
	BUDGET_MEMORY, /* arena of the message */
	BUDGET_LIMITS
};

struct budget_limits {
	uint64_t max[BUDGET_LIMITS]; /* 0: that limit is off */
};

struct budget {
	struct budget_limits limits;
	uint64_t used[BUDGET_LIMITS];
	uint64_t message_bytes;
	uint64_t cpu_start_ns;
	enum budget_limit hit; /* first limit that was reached; BUDGET_NONE so far */
	char why[256];         /* "archive depth 8 at a.zip/b.zip", escaped; empty so far */
};

/* Limits that hold unless options say otherwise; the reasons stand in docs/architecture.md. */
extern const struct budget_limits budget_default_limits;

/* Start the budget of a message of @message_bytes. @cpu_now_ns: clock_thread_cpu_ns(). */
void budget_init(struct budget *b, const struct budget_limits *limits, uint64_t message_bytes,
		 uint64_t cpu_now_ns);

/*
 * Charge @n units of a summed limit (EXPANDED_BYTES, MEMBERS, PARTS, MEMORY). Charging
 * EXPANDED_BYTES checks RATIO too, which counts only above 10 MiB of expansion: small text may
 * compress as well as it likes. False: the limit is reached; nothing more may be expanded.
 * @where names the place for people (hostile bytes allowed).
 */
bool budget_charge(struct budget *b, enum budget_limit what, uint64_t n, struct bytes where);

/* Ask whether a single value (depth, one member's bytes, one header block) is within its limit. */
bool budget_allows(struct budget *b, enum budget_limit what, uint64_t value, struct bytes where);

/* Between steps: false when the thread has used up CPU_MS. Costs half a microsecond. */
bool budget_check_cpu(struct budget *b, uint64_t cpu_now_ns, struct bytes where);

/* "archive depth", "expanded bytes", ... */
const char *budget_limit_name(enum budget_limit what);

#endif
