/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/facts.c - names of the values that leave the program in JSON, logs and statistics. */
#include "scan/facts.h"

static const char *const checks[CHECK_COUNT] = {
	[CHECK_LIMITS] = "limits",       [CHECK_MIME] = "mime",
	[CHECK_SIZES] = "sizes",         [CHECK_ARCHIVES] = "archives",
	[CHECK_FILENAMES] = "filenames", [CHECK_FILETYPES] = "filetypes",
	[CHECK_CONTENT] = "content",     [CHECK_VIRUS] = "virus",
	[CHECK_TEST] = "test",
};

static const char *const states[CHECK_STATES] = {
	[CHECK_SKIPPED] = "skipped", [CHECK_RAN] = "ran",     [CHECK_TIMEOUT] = "timeout",
	[CHECK_FAILED] = "failed",   [CHECK_LIMIT] = "limit",
};

static const char *const kinds[FINDING_KINDS] = {
	[FINDING_VIRUS] = "virus",
	[FINDING_FILENAME] = "filename",
	[FINDING_FILETYPE] = "filetype",
	[FINDING_CONTENT] = "content",
	[FINDING_PHISHING] = "phishing",
	[FINDING_SIZE] = "size",
	[FINDING_ENCRYPTED] = "encrypted",
	[FINDING_DOS] = "dos",
	[FINDING_UNPARSABLE] = "unparsable",
	[FINDING_SPAM] = "spam",
	[FINDING_MCP] = "mcp",
};

static const char letters[STAGE_COUNT] = {
	[CHECK_LIMITS] = 'P',   [CHECK_MIME] = 'P',      [CHECK_SIZES] = 'N',
	[CHECK_ARCHIVES] = 'A', [CHECK_FILENAMES] = 'N', [CHECK_FILETYPES] = 'N',
	[CHECK_CONTENT] = 'C',  [CHECK_VIRUS] = 'V',     [CHECK_TEST] = 'C',
	[STAGE_READ] = 'R',     [STAGE_REST] = 'P',
};

const char *check_name(enum check_id id)
{
	return (size_t)id < CHECK_COUNT ? checks[id] : "unknown";
}

const char *check_state_name(enum check_state s)
{
	return (size_t)s < CHECK_STATES ? states[s] : "unknown";
}

const char *finding_kind_name(enum finding_kind k)
{
	return (size_t)k < FINDING_KINDS ? kinds[k] : "unknown";
}

const char *stage_name(unsigned stage)
{
	if (stage == STAGE_READ)
		return "read";
	return stage == STAGE_REST ? "rest" : check_name((enum check_id)stage);
}

char stage_letter(unsigned stage)
{
	return stage < STAGE_COUNT && letters[stage] != 0 ? letters[stage] : '?';
}
