/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/budget.c - charging and naming limits. */
#include "core/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define RATIO_FROM_BYTES (10 * MIB)

const struct budget_limits budget_default_limits = {
	.max = {
		[BUDGET_EXPANDED_BYTES] = 400 * MIB,
		[BUDGET_MEMBER_BYTES] = 100 * MIB,
		[BUDGET_RATIO] = 250,
		[BUDGET_MEMBERS] = 5000,
		[BUDGET_ARCHIVE_DEPTH] = 8,
		[BUDGET_MIME_DEPTH] = 32,
		[BUDGET_PARTS] = 1000,
		[BUDGET_HEADER_BYTES] = 1 * MIB,
		[BUDGET_HEADER_LINES] = 10000,
		[BUDGET_CPU_MS] = 60 * 1000,
		[BUDGET_MEMORY] = 1 * GIB,
	},
};

static const char *const names[BUDGET_LIMITS] = {
	[BUDGET_NONE] = "none",
	[BUDGET_EXPANDED_BYTES] = "expanded bytes",
	[BUDGET_MEMBER_BYTES] = "member bytes",
	[BUDGET_RATIO] = "expansion ratio",
	[BUDGET_MEMBERS] = "archive members",
	[BUDGET_ARCHIVE_DEPTH] = "archive depth",
	[BUDGET_MIME_DEPTH] = "MIME depth",
	[BUDGET_PARTS] = "MIME parts",
	[BUDGET_HEADER_BYTES] = "header bytes",
	[BUDGET_HEADER_LINES] = "header lines",
	[BUDGET_CPU_MS] = "CPU milliseconds",
	[BUDGET_MEMORY] = "memory bytes",
};

const char *budget_limit_name(enum budget_limit what)
{
	return (size_t)what < BUDGET_LIMITS ? names[what] : "unknown";
}

void budget_init(struct budget *b, const struct budget_limits *limits, uint64_t message_bytes,
		 uint64_t cpu_now_ns)
{
	*b = (struct budget){ .limits = *limits,
			      .message_bytes = message_bytes,
			      .cpu_start_ns = cpu_now_ns };
}

/* The first limit is the one people see: what follows is its consequence. */
static bool reached(struct budget *b, enum budget_limit what, struct bytes where)
{
	char place[160];

	if (b->hit != BUDGET_NONE)
		return false;
	b->hit = what;
	(void)snprintf(b->why, sizeof(b->why), "%s %" PRIu64 "%s%s", names[what],
		       b->limits.max[what], where.n > 0 ? " at " : "",
		       text_escape(place, sizeof(place), where));
	return false;
}

static bool over(const struct budget *b, enum budget_limit what, uint64_t value)
{
	return b->limits.max[what] != 0 && value > b->limits.max[what];
}

static bool ratio_over(const struct budget *b, uint64_t expanded)
{
	uint64_t base = MAX_OF(b->message_bytes, KIB);

	return expanded > RATIO_FROM_BYTES && over(b, BUDGET_RATIO, expanded / base);
}

bool budget_charge(struct budget *b, enum budget_limit what, uint64_t n, struct bytes where)
{
	uint64_t sum;

	if (__builtin_add_overflow(b->used[what], n, &sum))
		sum = UINT64_MAX;
	b->used[what] = sum;
	if (over(b, what, sum))
		return reached(b, what, where);
	if (what == BUDGET_EXPANDED_BYTES && ratio_over(b, sum))
		return reached(b, BUDGET_RATIO, where);
	return true;
}

bool budget_allows(struct budget *b, enum budget_limit what, uint64_t value, struct bytes where)
{
	if (value > b->used[what])
		b->used[what] = value;
	return over(b, what, value) ? reached(b, what, where) : true;
}

bool budget_check_cpu(struct budget *b, uint64_t cpu_now_ns, struct bytes where)
{
	uint64_t ms = (cpu_now_ns - b->cpu_start_ns) / 1000000;

	return budget_allows(b, BUDGET_CPU_MS, ms, where);
}
