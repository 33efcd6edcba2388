/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/scan_output.h - one scanned message for machines (a JSON line) or people (a tree). */
#ifndef TOOLS_SCAN_OUTPUT_H
#define TOOLS_SCAN_OUTPUT_H

#include "policy/policy.h"
#include "tools/cli.h"
#include "tools/mail_file.h"

struct scanned {
	const char *file, *id;
	uint64_t size_bytes, wall_us;
	const struct facts *facts; /* NULL: not scanned */
	const struct decision *decision;
	const struct mail_file *mail; /* headers as they would go out; NULL: unreadable */
};

void scan_output_json(const struct scanned *s);
void scan_output_tree(const struct cli *cli, const struct scanned *s);

#endif
