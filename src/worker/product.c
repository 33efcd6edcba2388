/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/product.c - the table that programs use. */
#include "worker/product.h"

#include <errno.h>

#include "conf/conf.h"
#include "scan/scan.h"
#include "scan/verdict_cache.h"
#include "scan/wire.h"

/* The supervisor has reported every mistake already; here only the fatal one is left. */
static int conf_new(struct conf **ret_c, int fd, const char *path, struct err *err)
{
	AUTO(conf_source_close) struct conf_source *source = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	int r;

	if (report == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	r = conf_source_bundle(&source, fd, err);
	return r < 0 ? r : conf_load(ret_c, source, path, report, err);
}

const struct worker_ops worker_product_ops = {
	.conf_new = conf_new,
	.engine_new = scan_engine_new,
	.engine_generation = scan_engine_generation,
	.engine_describe = scan_engine_describe,
	.cache_attach = verdict_cache_attach,
	.scanner_new = scanner_new,
	.begin_thread = scanner_begin_thread,
	.show_stage = scanner_show_stage,
	.get_request = wire_get_request,
	.scan = scan_message,
	.put_facts = wire_put_facts,
	.put_request = wire_put_request,
	.get_facts = wire_get_facts,
};
