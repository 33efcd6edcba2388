/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/compat.c - option Compatibility. */
#include "conf/compat.h"

#include <string.h>

#include "core/text.h"

bool compat_wanted(const char *text)
{
	return text != NULL && bytes_eq_nocase(bytes_trim(bytes_str(text)), BYTES("mailscanner"));
}

bool compat_is_harmless(enum opt_id id)
{
	static const char *const sections[] = {
		"Changes to Message Headers",
		"Changes to the Subject: line",
		"Logging",
		"Notices to System Administrators",
		"Notifications back to the senders of blocked messages",
	};

	/* this one decides what is delivered, and stands among the headers for no good reason */
	if (id == OPT_DELIVER_CLEANED_MESSAGES)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		if (strcmp(opt_rows[id].section, sections[i]) == 0)
			return true;
	}
	return false;
}

bool compat_plain_truth(enum opt_id id)
{
	return id == OPT_USE_SPAMASSASSIN || id == OPT_MCP_USE_SPAMASSASSIN ||
	       id == OPT_CLAMD_USE_THREADS;
}
