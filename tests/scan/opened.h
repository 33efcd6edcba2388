/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/scan/opened.h - one file taken apart by check_archives(), without MIME, rules or a virus
 * scanner around it. What those would answer is faked here.
 */
#ifndef TESTS_SCAN_OPENED_H
#define TESTS_SCAN_OPENED_H

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "scan/check.h"

struct opened {
	struct scan_state s;
	struct scan_request request;
	struct scanner scanner;
	struct mime_part part;
	struct facts facts;
	struct check_result result;
	struct err err;
	int rc;
};

uint64_t scan_engine_generation(const struct scan_engine *e UNUSED)
{
	return 1;
}

const char *scan_safe_name(struct scan_state *s UNUSED, const char *name)
{
	return name;
}

static inline void opened_init(struct opened *o)
{
	static bool ready;

	if (!ready)
		mime_init();
	ready = true;
	memset(o, 0, sizeof(*o));
	o->request = (struct scan_request){ .find_archives_by_content = true,
					    .unpack_documents = true,
					    .expand_tnef = true,
					    .limits = budget_default_limits };
	o->part = (struct mime_part){ .id = "1", .type = "application/octet-stream" };
	o->scanner.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	o->scanner.hash = EVP_MD_CTX_new();
	o->scanner.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static inline void opened_run(struct opened *o, const char *name, struct bytes content)
{
	const char *names[] = { name };
	struct leaf leaf = { .part = &o->part,
			     .path = names,
			     .path_n = 1,
			     .names = names,
			     .names_n = 1,
			     .origin = 'n',
			     .content = content };

	o->facts = (struct facts){ .subject = "" };
	o->s = (struct scan_state){ .scanner = &o->scanner,
				    .request = &o->request,
				    .message = content,
				    .arena =
					    arena_new((size_t)o->request.limits.max[BUDGET_MEMORY]),
				    .facts = &o->facts };
	o->s.leaves_tail = &o->s.leaves;
	o->err = (struct err){ .kind = ERR_NONE };
	budget_init(&o->s.budget, &o->request.limits, content.n, clock_thread_cpu_ns());
	if (o->s.arena == NULL || scan_add_leaf(&o->s, &leaf) == NULL)
		abort();
	o->s.leaves->fact = &o->facts.parts[0];
	o->result.state = CHECK_RAN;
	o->rc = check_archives(&o->s, &o->result, &o->err);
}

static inline void opened_reset(struct opened *o)
{
	arena_free(&o->s.arena);
}

static inline void opened_fini(struct opened *o)
{
	EVP_MD_CTX_free(o->scanner.hash);
	EVP_MD_free(o->scanner.sha256);
	freelocale(o->scanner.utf8);
}

#endif
