/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/log.h - one line for the postmaster. Only the top of an operation logs; libraries return
 * struct err. Text that came from outside goes through text_escape() first; what still is a
 * control character is shown as '?'. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

#include "core/base.h"

/* Values are those of syslog(3). */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_target {
	LOG_TO_STDERR, /* "<level> tag[pid]: text" lines, for --foreground and tools */
	LOG_TO_SYSLOG,
};

/* Once at start, before threads or forks. @tag and @facility ("mail") must stay valid.
 * Unknown facility: "mail". Until it is called, lines go to stderr. */
void log_init(enum log_target target, const char *tag, const char *facility);
/* For syslog, from the next line on. */
void log_set_facility(const char *facility);
/* Lines above @level are dropped; LOG_LEVEL_INFO unless set. */
void log_set_level(enum log_level level);

/* One record. Text longer than 2,000 bytes is cut. Keeps errno. Never blocks on a dead syslog
 * longer than syslog(3) itself does. */
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_err(...)     log_at(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
