/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/quarantine_internal.h - what storing and listing share. */
#ifndef STORE_QUARANTINE_INTERNAL_H
#define STORE_QUARANTINE_INTERNAL_H

#include <stdbool.h>

#define QUARANTINE_FACTS ".facts.json"

bool quarantine_day_is_valid(const char *day);

/* @fd is what @name in @parent_fd is now. */
bool quarantine_is_at(int fd, int parent_fd, const char *name);

/* Remove directory @name and the files in it (one level: we make no more), as far as possible. */
void quarantine_remove_dir(int parent_fd, const char *name);

#endif
