/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/kept.c - options that a reload cannot change: what they were at the start, and saying so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/text.h"
#include "msg/internal.h"

/* Members are NULL where a reload changes the option. */
struct kept {
	char *written[OPT_ROWS];
};

void kept_free(struct kept **k)
{
	for (size_t i = 0; *k != NULL && i < OPT_ROWS; i++)
		free((*k)->written[i]);
	free(*k);
	*k = NULL;
}

int kept_new(struct kept **ret_k, const struct conf *c, struct err *err)
{
	AUTO(kept_free) struct kept *k = calloc(1, sizeof(*k));

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		if ((opt_rows[id].flags & OPT_RESTART) == 0)
			continue;
		if (k != NULL)
			k->written[id] = strdup(conf_written(c, id, NULL));
		if (k == NULL || k->written[id] == NULL)
			return err_set(err, ERR_TEMP, -ENOMEM, "gateway: out of memory");
	}
	*ret_k = TAKE(k);
	return 0;
}

/* The kernel's programs can be told to let everybody in, but not be loaded without root. */
static bool can_be_reloaded(enum opt_id id, const char *was, const char *now)
{
	return id == OPT_THROTTLE && strcasecmp(was, "enforce") == 0 &&
	       strcasecmp(now, "account") == 0;
}

void kept_tell(const struct kept *k, const struct conf *c)
{
	char was[80], is[80];

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const char *now = conf_written(c, id, NULL);

		if (k->written[id] == NULL || strcmp(now, k->written[id]) == 0 ||
		    can_be_reloaded(id, k->written[id], now))
			continue;
		log_warning("%s: a reload cannot change it: '%s' holds from the next start "
			    "on, until then '%s'",
			    opt_rows[id].name, text_escape(is, sizeof(is), bytes_str(now)),
			    text_escape(was, sizeof(was), bytes_str(k->written[id])));
	}
}
