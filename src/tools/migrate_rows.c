/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/migrate_rows.c - what `sallyport migrate` says about single options. The long form of each
 * is in docs/differences.md; a row leaves there and here together.
 */
#include "tools/migrate_rows.h"

#include "core/base.h"

#define MIME_ALONE    "these patterns switch the file type check on even without other rules"
#define DENY_ALWAYS   "counts in every message, not only in the last one of a batch"
#define STRICTER_RULE "an unknown action is an error, and every reading of a name is judged"

static const struct migrate_row rows[] = {
	{ OPT_MTA, MIGRATE_OWN, "sendmail|exim",
	  "only queues of sendmail and Exim are read; other servers are a configuration error" },
	{ OPT_LOCK_TYPE, MIGRATE_OWN, "flock|none|", "both kinds of locks are taken" },
	{ OPT_VIRUS_SCANNERS, MIGRATE_OWN, "auto|none|clamav",
	  "the ClamAV library scans, whatever names stand here; no other scanner is started" },
	{ OPT_MAXIMUM_ARCHIVE_DEPTH, MIGRATE_OWN, "8",
	  "size, ratio, members, time and memory of archives are limited too, and reaching any "
	  "limit is a finding" },
	{ OPT_FILENAME_RULES, MIGRATE_OWN, NULL, STRICTER_RULE },
	{ OPT_FILETYPE_RULES, MIGRATE_OWN, NULL, STRICTER_RULE },
	{ OPT_ARCHIVES_FILENAME_RULES, MIGRATE_OWN, NULL, STRICTER_RULE },
	{ OPT_ARCHIVES_FILETYPE_RULES, MIGRATE_OWN, NULL, STRICTER_RULE },
	{ OPT_ALLOW_FILE_MIME_TYPES, MIGRATE_OWN, NULL, MIME_ALONE },
	{ OPT_DENY_FILE_MIME_TYPES, MIGRATE_OWN, NULL, MIME_ALONE },
	{ OPT_ARCHIVES_ALLOW_FILE_MIME_TYPES, MIGRATE_OWN, NULL, MIME_ALONE },
	{ OPT_ARCHIVES_DENY_FILE_MIME_TYPES, MIGRATE_OWN, NULL, MIME_ALONE },
	{ OPT_DENY_FILETYPES, MIGRATE_OWN, NULL, DENY_ALWAYS },
	{ OPT_ARCHIVES_DENY_FILETYPES, MIGRATE_OWN, NULL, DENY_ALWAYS },
	{ OPT_REMOVE_THESE_HEADERS, MIGRATE_OWN, NULL,
	  "a name is a whole name; it was the beginning of one" },
	{ OPT_MAXIMUM_PROCESSING_ATTEMPTS, MIGRATE_OWN, NULL,
	  "attempts with a scanner that fails or times out are counted too" },
	{ OPT_QUARANTINE_WHOLE_MESSAGES_AS_QUEUE_FILES, MIGRATE_ON, NULL,
	  "queue files are stored beside the file 'message', not in its place" },
	{ OPT_USE_DEFAULT_RULES_WITH_MULTIPLE_RECIPIENTS, MIGRATE_ON, NULL,
	  "recipients in one domain are asked for as *@domain, as documented; recent Perl asked "
	  "for *@*" },

	/* on at a stock site, and not built yet: silence here would be a surprise later */
	{ OPT_SPAM_CHECKS, MIGRATE_ON, NULL,
	  "not built yet: no message is judged as spam, and spam actions do nothing" },
	{ OPT_SEND_NOTICES, MIGRATE_ON, NULL, "not built yet: the postmaster gets no notices" },
	{ OPT_NOTIFY_SENDERS, MIGRATE_ON, NULL, "not built yet: senders get no warnings" },
	{ OPT_SIGN_CLEAN_MESSAGES, MIGRATE_ON, NULL,
	  "not built yet: no signature is added to messages" },
	{ OPT_DELIVER_CLEANED_MESSAGES, MIGRATE_ON, NULL,
	  "not built yet: a message with a finding is quarantined whole and never delivered" },
	{ OPT_FIND_PHISHING_FRAUD, MIGRATE_ON, NULL, "not built yet: links are not looked at" },
	{ OPT_MCP_CHECKS, MIGRATE_ON, NULL, "not built yet: no message content policy" },
	{ OPT_EXTERNAL_MESSAGE_WARNING, MIGRATE_ON, NULL,
	  "not built yet: messages from outside get no warning" },
};

const struct migrate_row *migrate_row_find(enum opt_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
}
