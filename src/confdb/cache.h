/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confdb/cache.h - the answers of the last good load, in a file. */
#ifndef CONFDB_CACHE_H
#define CONFDB_CACHE_H

#include "conf/conf.h"

/* -ENOENT when @path is "" or not there, -EPERM when others may write it, or another -errno. */
int cache_open(struct conf_source **ret_s, const char *path) MUST_CHECK;
int cache_ask(struct conf_source *s, const struct conf_query *q, struct str *rows,
	      struct err *err) MUST_CHECK;

#endif
