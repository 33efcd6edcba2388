/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/json_text.h - JSON answers and notes for people: hostile text made safe for a terminal. */
#ifndef TOOLS_JSON_TEXT_H
#define TOOLS_JSON_TEXT_H

#include <jansson.h>

#include "tools/cli.h"

/* Member @name of @o, escaped into @out; "" when there is none. Returns @out. */
const char *text_member(const json_t *o, const char *name, char *out, size_t size);

/* A line for each of the findings in @facts. */
void text_findings(const struct cli *cli, const json_t *facts);

#endif
