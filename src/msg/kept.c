/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/kept.c - options that a reload cannot change: what they were at the start, and saying so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "msg/internal.h"

static const enum opt_id kept_options[] = {
	OPT_RUN_AS_USER,
	OPT_RUN_AS_GROUP,
	OPT_PID_FILE,
	OPT_CONTROL_SOCKET,
	OPT_PROCESSING_ATTEMPTS_DATABASE,
	OPT_MAX_MESSAGES_IN_FLIGHT,
	OPT_VERDICT_CACHE_ENTRIES,
	OPT_LOOP_CORE,
	OPT_LOOP_REALTIME,
	OPT_LOOP_REALTIME_PRIORITY,
	OPT_THROTTLE,
	OPT_THROTTLE_METHOD,
	OPT_THROTTLE_XDP,
	OPT_THROTTLE_XDP_INTERFACES,
	OPT_THROTTLE_STATE_FILE,
	OPT_THROTTLE_KEEP,
	OPT_THROTTLE_PIN_DIRECTORY,
	OPT_THROTTLE_SOURCES,
	OPT_THROTTLE_RATE_ENTRIES,
	OPT_THROTTLE_CONNECTION_ENTRIES,
	OPT_THROTTLE_LIST_ENTRIES,
};

#define KEPT_N ARRAY_LEN(kept_options)

struct kept {
	char *written[KEPT_N];
};

void kept_free(struct kept **k)
{
	for (size_t i = 0; *k != NULL && i < KEPT_N; i++)
		free((*k)->written[i]);
	free(*k);
	*k = NULL;
}

int kept_new(struct kept **ret_k, const struct conf *c, struct err *err)
{
	AUTO(kept_free) struct kept *k = calloc(1, sizeof(*k));

	for (size_t i = 0; i < KEPT_N; i++) {
		if (k != NULL)
			k->written[i] = strdup(conf_written(c, kept_options[i], NULL));
		if (k == NULL || k->written[i] == NULL)
			return err_set(err, ERR_TEMP, -ENOMEM, "gateway: out of memory");
	}
	*ret_k = TAKE(k);
	return 0;
}

void kept_tell(const struct kept *k, const struct conf *c)
{
	char was[80], is[80];

	for (size_t i = 0; i < KEPT_N; i++) {
		const char *now = conf_written(c, kept_options[i], NULL);

		if (strcmp(now, k->written[i]) != 0)
			log_warning("%s: a reload cannot change it: '%s' holds from the next start "
				    "on, until then '%s'",
				    opt_rows[kept_options[i]].name,
				    text_escape(is, sizeof(is), bytes_str(now)),
				    text_escape(was, sizeof(was), bytes_str(k->written[i])));
	}
}
