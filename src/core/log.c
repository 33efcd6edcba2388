/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/log.c - records to syslog or stderr. */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "core/text.h"

/* Process-wide by nature: a log has one destination, set once at start. */
static struct {
	enum log_target target;
	enum log_level level;
	const char *tag;
} state = { LOG_TO_STDERR, LOG_LEVEL_INFO, "sallyport" };

static const struct {
	const char *name;
	int value;
} facilities[] = {
	{ "mail", LOG_MAIL },         { "daemon", LOG_DAEMON }, { "user", LOG_USER },
	{ "local0", LOG_LOCAL0 },     { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 },     { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 },     { "local7", LOG_LOCAL7 }, { "auth", LOG_AUTH },
	{ "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },     { "ftp", LOG_FTP },
	{ "lpr", LOG_LPR },           { "news", LOG_NEWS },     { "syslog", LOG_SYSLOG },
	{ "uucp", LOG_UUCP },
};

static int facility_of(const char *name)
{
	if (strncasecmp(name, "log_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_LEN(facilities); i++)
		if (strcasecmp(facilities[i].name, name) == 0)
			return facilities[i].value;
	return LOG_MAIL;
}

void log_init(enum log_target target, const char *tag, const char *facility)
{
	state.target = target;
	state.tag = tag;
	if (target == LOG_TO_SYSLOG)
		openlog(tag, LOG_PID | LOG_NDELAY, facility_of(facility));
}

void log_set_facility(const char *facility)
{
	if (state.target == LOG_TO_SYSLOG)
		openlog(state.tag, LOG_PID | LOG_NDELAY, facility_of(facility));
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { [LOG_LEVEL_ERR] = "error",
					     [LOG_LEVEL_WARNING] = "warning",
					     [LOG_LEVEL_NOTICE] = "notice",
					     [LOG_LEVEL_INFO] = "info",
					     [LOG_LEVEL_DEBUG] = "debug" };
	char text[2000], line[2100];
	int saved = errno, n;
	va_list ap;

	if (level > state.level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_make_printable(text);
	if (state.target == LOG_TO_SYSLOG) {
		syslog((int)level, "%s", text);
	} else {
		/* One write, so that lines of several processes do not mix. */
		n = snprintf(line, sizeof(line), "%s %s[%d]: %s\n", names[level], state.tag,
			     (int)getpid(), text);
		if (n > 0)
			(void)!write(STDERR_FILENO, line, MIN_OF((size_t)n, sizeof(line) - 1));
	}
	errno = saved;
}
