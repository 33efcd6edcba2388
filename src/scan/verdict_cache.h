/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/verdict_cache.h - what was learned about a content is not asked again. A fixed-size table in
 * one memory file: the gateway writes it, workers can only read (the file is sealed against future
 * write mappings), so that a worker that was taken over cannot tell the others "clean" about
 * anything but what it was given itself; and when a worker dies or is ended, what it had told is
 * taken back. Key: SHA-256 of the content and the engine generation.
 */
#ifndef SCAN_VERDICT_CACHE_H
#define SCAN_VERDICT_CACHE_H

#include <stdbool.h>

#include "core/err.h"
#include "scan/facts.h"

struct verdict_cache;

/* Gateway: make a table of @entries (rounded up to a power of two). Returns a descriptor for the
 * workers in *@ret_fd (the caller's), or -errno. */
int verdict_cache_new(struct verdict_cache **ret_c, size_t entries, int *ret_fd,
		      struct err *err) MUST_CHECK;
/* Worker: map it for reading only. -EBADMSG: not such a table. */
int verdict_cache_attach(struct verdict_cache **ret_c, int fd, struct err *err) MUST_CHECK;
void verdict_cache_free(struct verdict_cache **c);

/* Gateway. @teller: the worker (0..65,534) that reported it. Overwrites the oldest of its bucket.
 */
void verdict_cache_put(struct verdict_cache *c, uint64_t generation, const struct fact_verdict *v,
		       uint16_t teller);
/* Gateway: forget all that @teller said. */
void verdict_cache_take_back(struct verdict_cache *c, uint16_t teller);

/* Any reader, while the gateway writes: a consistent copy or false. */
bool verdict_cache_get(const struct verdict_cache *c, uint64_t generation, const uint8_t sha256[32],
		       struct fact_verdict *ret_v);

#endif
