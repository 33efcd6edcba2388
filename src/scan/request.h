/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/request.h - what a worker must know to scan one message: the options' values for this
 * sender and these recipients, evaluated by the gateway. Nothing here is secret.
 */
#ifndef SCAN_REQUEST_H
#define SCAN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/budget.h"

/* One set of name and type rules: values of the options with and without "Archives:". Lists are
 * as written: blank-separated regular expressions or rule file names. NULL counts as "". */
struct scan_rules {
	const char *allow_names, *deny_names, *name_rules;
	const char *allow_types, *deny_types, *type_rules;
	const char *allow_mime_types, *deny_mime_types;
};

enum { SCAN_RULES_NORMAL, SCAN_RULES_ARCHIVES, SCAN_RULES_SETS };

struct scan_request {
	bool virus_scanning;    /* Virus Scanning */
	bool full_message_scan; /* ClamAV Full Message Scan */
	bool dangerous_content; /* Dangerous Content Scanning */
	bool check_types;       /* File Command is not empty */
	bool allow_partial, allow_external;
	bool allow_encrypted_archives, require_encrypted_archives, check_encrypted_names;
	bool block_encrypted, block_unencrypted;
	bool no_unpack; /* Maximum Archive Depth = 0: archives are only asked whether they are
			   encrypted. Any other depth is limits.max[BUDGET_ARCHIVE_DEPTH] */
	bool find_archives_by_content, unpack_documents, find_uu, expand_tnef;
	bool allow_broken_tnef; /* Deliver Unparsable TNEF */
	bool override_filetypes, ignore_dat;
	bool log_permitted_names, log_permitted_types;
	int64_t max_message_bytes;                          /* <= 0: no limit */
	int64_t max_attachment_bytes, min_attachment_bytes; /* < 0: no limit */
	int64_t max_attachments;                            /* < 0: no limit */
	char archives_are[8]; /* initials of option Archives Are: "zro" */
	struct scan_rules rules[SCAN_RULES_SETS];
	struct budget_limits limits;
	const char *client_ip; /* for libclamav's callbacks and logs; "" */
	const char *id;        /* queue id, for fault points and logs */
};

#endif
