/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/prepare.h - what the zygote does once so that its workers need not, or cannot: load
 * what libraries would open lazily, and lay the engine out for cheap forks.
 */
#ifndef WORKER_PREPARE_H
#define WORKER_PREPARE_H

#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>

#define PREPARE_CHARSETS_MAX 80

/* Character sets are shared objects that iconv_open() loads; in the sandbox it cannot. They stay
 * loaded as long as they are open. */
struct prepared {
	iconv_t sets[PREPARE_CHARSETS_MAX];
	unsigned n;
};

void prepare_libraries(struct prepared *ret_p);
void prepare_fini(struct prepared *p);

/*
 * Collapse large anonymous memory into huge pages: fork() then copies one entry for 2 MB, and the
 * workers' reads miss the TLB less. Takes 2 s for 750 MB, so below @min_bytes in all nothing is
 * done. Returns the bytes collapsed; 0 too where the kernel cannot (before 6.1). Without @now the
 * kernel is only asked to do it some time.
 */
uint64_t prepare_huge_pages(uint64_t min_bytes, bool now);

/*
 * What is allocated from now on lies on all memory nodes in turn: every core reads the engine, and
 * one node alone would be everybody's bottleneck. Workers go back to memory of their own node.
 */
void prepare_spread_memory(void);
/* Memory of @node while it has some; -1: of whatever node we run on. */
void prepare_own_memory(int node);

#endif
