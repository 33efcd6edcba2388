/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/cpus.h - a set of logical processors, and lists of them as people write them: "0,2-5". */
#ifndef CORE_CPUS_H
#define CORE_CPUS_H

#include "core/bytes.h"
#include "core/err.h"

#define CPUS_MAX 1024u /* as many as the C library's cpu_set_t holds */

struct cpus {
	uint64_t bits[CPUS_MAX / 64];
};

/* Numbers and ranges, separated by commas; blanks do not matter; "" is the empty set. -EINVAL: not
 * a list; -ERANGE: a number above CPUS_MAX - 1, or a range that runs backwards. */
int cpus_parse(struct bytes text, struct cpus *ret_set, struct err *err) MUST_CHECK;
/* "0,2-5", cut at @size. Returns @out. */
const char *cpus_text(const struct cpus *set, char *out, size_t size);

void cpus_add(struct cpus *set, unsigned cpu);
void cpus_remove(struct cpus *set, unsigned cpu);
bool cpus_has(const struct cpus *set, unsigned cpu);
unsigned cpus_count(const struct cpus *set);
/* The lowest number from @from on; -1: none. */
int cpus_next(const struct cpus *set, unsigned from);
struct cpus cpus_and(const struct cpus *a, const struct cpus *b);

#endif
