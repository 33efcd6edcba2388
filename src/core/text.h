/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/text.h - making hostile bytes safe to show: logs, reports, terminals. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include "core/bytes.h"

/* Replace control characters (C0, DEL, C1 in UTF-8) of the NUL-terminated @s by '?', in place. */
void text_make_printable(char *s);

/*
 * Write @in to @out (@out_size > 0 bytes, always NUL-terminated), each byte below 0x20, 0x7f, each
 * invalid UTF-8 byte and the first of each character that is not seen (C1 controls, no-break space,
 * marks that turn the direction of writing) as \xNN; a backslash is doubled. Cut at the size, never
 * inside an escape. Returns @out, so that it can stand in an argument list.
 */
const char *text_escape(char *out, size_t out_size, struct bytes in);

/* Length of the UTF-8 sequence at the start of @in; 0 when there is no well-formed one (RFC 3629:
 * no surrogates, no overlong forms). */
size_t text_utf8_length(struct bytes in);

#endif
