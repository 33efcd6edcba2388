/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/migrate_rows.h - options of a MailScanner site that do something else here. */
#ifndef TOOLS_MIGRATE_ROWS_H
#define TOOLS_MIGRATE_ROWS_H

#include "conf/opt.h"

enum migrate_when {
	MIGRATE_OWN, /* the site wrote a value of its own */
	MIGRATE_ON,  /* the value is not "no", even where nobody wrote it */
};

struct migrate_row {
	enum opt_id id;
	enum migrate_when when;
	const char *fine; /* "a|b": values in whatever case that work as they are; NULL: none */
	const char *text; /* what is different, in a sentence without its full stop */
};

/* The row of option @id, or NULL. */
const struct migrate_row *migrate_row_find(enum opt_id id);

#endif
