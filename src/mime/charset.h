/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/charset.h - text of any declared charset as UTF-8. */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include "core/arena.h"
#include "core/bytes.h"

/* Before forks: loads what iconv needs from disk, so that a sandboxed worker need not. */
void charset_init(void);

/*
 * @in, declared as @charset, as UTF-8. Never refuses: bytes that the charset does not know, and
 * all bytes of an unknown charset, stay as they are. @in itself is returned when it needs no
 * change. Not more than four times as long as @in. p == NULL: the arena is full.
 */
struct bytes charset_to_utf8(struct arena *a, struct bytes in, struct bytes charset);

#endif
