/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/err.h - why something failed: what the caller must do, and what a human reads. */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/base.h"

enum err_kind {
	ERR_NONE,
	ERR_TEMP,   /* may work later: keep the message in the queue        */
	ERR_INPUT,  /* this message or file is malformed: retry cannot help */
	ERR_LIMIT,  /* a configured ceiling was hit: policy decides         */
	ERR_CONFIG, /* the administrator must change something              */
	ERR_BUG,    /* one of our own invariants is broken                  */
};

struct err {
	enum err_kind kind;
	int code;       /* negative errno, same value the call returned */
	char text[256]; /* one printable line; hostile bytes already escaped */
};

/*
 * Fill @e (NULL: the caller does not want the reason) and return @code, which is always < 0, so
 * that failing is one statement: return err_set(...). Control characters that reach the text
 * through %s are replaced by '?'. Never allocates.
 */
int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...) PRINTF(4, 5);

/* The same for the current errno, whose kind comes from a table; ": strerror" is added.
 * Preserves errno. Returns -errno. */
int err_errno(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* The same for a negative errno value @code, as a ring operation returns it. */
int err_code(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

/* "temporary", "input", ... for logs and JSON. */
const char *err_kind_name(enum err_kind kind);

#endif
