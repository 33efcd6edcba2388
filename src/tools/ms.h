/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ms.h - MailScanner's helper commands, by their names or as `sallyport ms-...`.
 */
#ifndef TOOLS_MS_H
#define TOOLS_MS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

/* The program was started under the name of a helper. */
bool ms_is_name(const char *argv0);
/* argv[0] is the helper's name, with or without a folder. Exit code. */
int ms_main(int argc, char **argv);

/* ms_jobs.c. @conf_path NULL: the default one. Exit codes. */
int ms_peek(int argc, char **argv);
int ms_check(int argc, char **argv);
int ms_clean_quarantine(int argc, char **argv);
int ms_cron(int argc, char **argv);
int ms_msg_alert(int argc, char **argv);
/* ms_mbox.c */
int ms_mbox(int argc, char **argv);

/* The value of @name in the shell file "defaults" beside the configuration @conf_path, or in
 * /etc/MailScanner; @otherwise when it has none. */
const char *ms_default(const char *conf_path, const char *name, const char *otherwise, char *out,
		       size_t size);

#endif
