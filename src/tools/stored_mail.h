/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/stored_mail.h - what a quarantine holds, ours or MailScanner's: whole messages in files,
 * and messages as the queue files of sendmail or Exim, read with the gateway's own readers.
 */
#ifndef TOOLS_STORED_MAIL_H
#define TOOLS_STORED_MAIL_H

#include <stdint.h>

#include "queue/headers.h"

struct stored_mail {
	const char *path;                  /* of the file, or FOLDER/ID of queue files */
	const struct header_list *headers; /* of queue files; NULL: they stand in @fd */
	const char *sender;                /* of queue files, as they have it; NULL: unknown */
	int64_t received_s;                /* the same, Unix seconds */
	int fd;                            /* lent; the body, or all of it, */
	uint64_t at;                       /* from here on */
};

/*
 * Calls @each for every message at @path: a file with a message; one of the two files of a queue
 * entry; a folder that holds the file 'message', or else queue entries. What cannot be read is said
 * on standard error. Returns how many that were, @each's answers other than 0 included.
 */
unsigned stored_mail_each(const char *path, int (*each)(const struct stored_mail *m, void *arg),
			  void *arg);

#endif
