/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker/ops.h - what zygote and worker need from conf/ and scan/, as a table: the product passes
 * the real functions (worker/product.h), tests a few lines of their own. So this folder
 * knows sandboxes and processes, and its tests load no signatures.
 *
 * The comments of scan/scan.h and scan/wire.h hold for the functions here.
 */
#ifndef WORKER_OPS_H
#define WORKER_OPS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/err.h"
#include "scan/facts.h"
#include "scan/request.h"

struct conf;
struct reader;
struct scan_engine;
struct scanner;
struct verdict_cache;

struct worker_ops {
	/* Zygote. The configuration from the bundle in @fd; @path is its main file. */
	int (*conf_new)(struct conf **ret_c, int fd, const char *path, struct err *err);
	int (*engine_new)(struct scan_engine **ret_e, const struct conf *c, struct err *err);
	uint64_t (*engine_generation)(const struct scan_engine *e);
	const char *(*engine_describe)(const struct scan_engine *e);

	/* Worker. scanner_new(), once for each thread, runs before the last steps of the sandbox,
	 * so that libraries can still open their own files; no byte of a message has been seen
	 * then. */
	int (*cache_attach)(struct verdict_cache **ret_c, int fd, struct err *err);
	int (*scanner_new)(struct scanner **ret_s, struct scan_engine *e, const char *tmp_dir,
			   const struct verdict_cache *cache, struct err *err);
	/* In the thread that will scan, before the system-call filter. NULL: nothing to do. */
	void (*begin_thread)(struct scanner *s);
	/* NULL in the product. Tests: once in each scan thread, inside the finished sandbox, before
	 * the first job. */
	void (*sandboxed)(struct reader *r);
	/* NULL: nothing is shown. */
	void (*show_stage)(struct scanner *s, _Atomic uint8_t *shown);
	int (*get_request)(struct bytes in, struct arena *a, struct scan_request *ret_r,
			   struct err *err);
	int (*scan)(struct scanner *s, const struct scan_request *r, struct bytes message,
		    struct arena *a, struct facts *ret_f, struct err *err);
	ssize_t (*put_facts)(const struct facts *f, uint8_t *out, size_t size, struct err *err);

	/* Client. */
	ssize_t (*put_request)(const struct scan_request *r, uint8_t *out, size_t size,
			       struct err *err);
	int (*get_facts)(struct bytes in, struct arena *a, struct facts *ret_f, struct err *err);
};

#endif
