/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue_kick.c - the command that makes the MTA deliver, as argv: no shell. */
#include <errno.h>

#include "core/num.h"
#include "queue/queue_internal.h"

void queue_argv_add(struct queue_argv *argv, const char *text)
{
	if (text == NULL)
		argv->failed = true;
	else
		argv->v[argv->n++] = (char *)(uintptr_t)text; /* argv is not const by tradition */
}

/* The words of @command; 0 when there are none. */
static size_t add_words(struct queue_argv *argv, const char *command)
{
	struct bytes rest = bytes_str(command), word;

	while (bytes_next_word(&rest, &word))
		queue_argv_add(argv, arena_str(argv->a, word));
	return argv->n;
}

int queue_kick_argv(const struct queue_dir *out, const char *sendmail2, const char *const *ids,
		    size_t ids_n, struct arena *a, char ***ret_argv, const char **ret_dir,
		    struct err *err)
{
	size_t room = num_add_sat(sendmail2 == NULL ? 0 : strlen(sendmail2) / 2, ids_n);
	struct queue_argv argv = { .a = a };

	if (ids_n == 0 || ids_n > QUEUE_KICK_MAX)
		return err_set(err, ERR_BUG, -EINVAL, "kick: %zu ids; expected 1 to %d", ids_n,
			       QUEUE_KICK_MAX);
	argv.v = arena_array(a, room + 4, sizeof(*argv.v)); /* a word, an option, NULL to spare */
	if (argv.v == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "kick: out of memory");
	if (add_words(&argv, sendmail2) == 0)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "Sendmail2 is empty: no command to make the MTA deliver");
	*ret_dir = NULL;
	out->ops->kick(out, &argv, ids, ids_n, ret_dir);
	if (argv.failed)
		return err_set(err, ERR_LIMIT, -ENOMEM, "kick: out of memory");
	*ret_argv = argv.v;
	return 0;
}
