/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/waits.c - what is not built yet, by the sections of the configuration, and where one of
 * these holds several things, by the option.
 */
#include "conf/waits.h"

#include <string.h>

#include "core/base.h"

static const struct {
	const char *section, *capability;
} sections[] = {
	{ "System settings", "milter and msmail queues" },
	{ "Virus Scanning and Vulnerability Testing", "cleaning and silent viruses" },
	{ "Options specific to Sophos Anti-Virus", "command and daemon scanners" },
	{ "Options specific to ClamAV Anti-Virus", "command and daemon scanners" },
	{ "Options specific to F-Protd-6 Anti-Virus", "command and daemon scanners" },
	{ "Options specific to Kaspersky Scan Engine (kse)", "command and daemon scanners" },
	{ "Options specific to Avastd Anti-Virus", "command and daemon scanners" },
	{ "Options specific to F-Secure Anti-Virus (f-secured)", "command and daemon scanners" },
	{ "Removing/Logging dangerous or potentially offensive content",
	  "HTML checks and disarming" },
	{ "Attachment Filename Checking", "cleaning" },
	{ "Reports and Responses", "cleaning, notices and signatures" },
	{ "Changes to Message Headers", "cleaning, notices and signatures" },
	{ "Notifications back to the senders of blocked messages", "notices" },
	{ "Changes to the Subject: line", "changes to subjects" },
	{ "Changes to the Message Body", "cleaning" },
	{ "Mail Archiving and Monitoring", "archiving" },
	{ "Notices to System Administrators", "notices" },
	{ "Spam Detection and Virus Scanner Definitions", "spam lists, command scanners" },
	{ "Spam Detection and Spam Lists (DNS blocklists)", "spam checks" },
	{ "Watermarking", "watermarks" },
	{ "SpamAssassin", "spam checks" },
	{ "What to do with spam", "spam checks" },
	{ "Custom Spam Scanner Plugin", "spam checks" },
	{ "Logging", "the checks whose results it logs" },
	{ "Advanced SpamAssassin Settings", "spam checks" },
	{ "MCP (Message Content Protection)", "message content protection" },
	{ "Processing Incoming Mail", "changing attachments" },
	{ "Quarantine and Archive Settings", "archiving" },
	{ "Database SQL Configuration Settings", "configuration from databases" },
	{ "Advanced Settings", "spam checks" },
	{ "(not in shipped file)", "queues of other mail servers" },
	{ "Sallyport", "a part of this release that is not finished" },
};

static const struct {
	enum opt_id id;
	const char *capability;
} options[] = {
	{ OPT_SENDMAIL, "notices" },
	{ OPT_REJECT_MESSAGE, "rejection reports" },
	{ OPT_USE_TNEF_CONTENTS, "TNEF replacement" },
	{ OPT_ADD_TEXT_OF_DOC, "text of Word files" },
	{ OPT_ANTIWORD, "text of Word files" },
	{ OPT_ANTIWORD_TIMEOUT, "text of Word files" },
	{ OPT_VIRUS_SCANNER_TIMEOUT, "command and daemon scanners" },
	{ OPT_SPAM_VIRUS_HEADER, "spam checks" },
	{ OPT_VIRUS_NAMES_WHICH_ARE_SPAM, "spam checks" },
	{ OPT_LOG_SPEED, "a log line about the speed of each message" },
	{ OPT_ALWAYS_LOOKED_UP_LAST, "a hook for loggers; Message Log writes JSON already" },
	{ OPT_ALWAYS_LOOKED_UP_LAST_AFTER_BATCH, "a hook for loggers; Message Log writes JSON "
						 "already" },
	{ OPT_MCP_USE_SPAMASSASSIN, "message content protection" },
};

const char *opt_waits_for(enum opt_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (options[i].id == id)
			return options[i].capability;
	}
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		if (strcmp(sections[i].section, opt_rows[id].section) == 0)
			return sections[i].capability;
	}
	return NULL;
}
