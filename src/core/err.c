/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/err.c - filling struct err. */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

static const struct {
	int code;
	enum err_kind kind;
} kinds[] = {
	{ ENOENT, ERR_TEMP },        { ENOSPC, ERR_TEMP },  { EIO, ERR_TEMP },
	{ EACCES, ERR_CONFIG },      { EPERM, ERR_CONFIG }, { EROFS, ERR_CONFIG },
	{ ENAMETOOLONG, ERR_INPUT }, { ELOOP, ERR_INPUT },  { EBADMSG, ERR_INPUT },
	{ EFBIG, ERR_LIMIT },        { EBADF, ERR_BUG },    { EFAULT, ERR_BUG },
	{ EINVAL, ERR_BUG },
};

static const char *const kind_names[] = {
	[ERR_NONE] = "none",   [ERR_TEMP] = "temporary",       [ERR_INPUT] = "input",
	[ERR_LIMIT] = "limit", [ERR_CONFIG] = "configuration", [ERR_BUG] = "bug",
};

static enum err_kind kind_of(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].code == code)
			return kinds[i].kind;
	return ERR_TEMP;
}

static void fill(struct err *e, const char *fmt, va_list ap)
{
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	text_make_printable(e->text);
}

int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return code;
	e->kind = kind;
	e->code = code;
	va_start(ap, fmt);
	fill(e, fmt, ap);
	va_end(ap);
	return code;
}

static void add_reason(struct err *e, int code)
{
	size_t n = strlen(e->text);

	(void)snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(-code));
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e == NULL)
		return -saved;
	e->kind = kind_of(saved);
	e->code = -saved;
	va_start(ap, fmt);
	fill(e, fmt, ap);
	va_end(ap);
	add_reason(e, -saved);
	errno = saved;
	return -saved;
}

int err_code(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return code;
	e->kind = kind_of(-code);
	e->code = code;
	va_start(ap, fmt);
	fill(e, fmt, ap);
	va_end(ap);
	add_reason(e, code);
	return code;
}

const char *err_kind_name(enum err_kind kind)
{
	return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}
