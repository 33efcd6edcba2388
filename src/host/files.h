/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/files.h - small files of /sys and /proc. Blocking. */
#ifndef HOST_FILES_H
#define HOST_FILES_H

#include <stddef.h>

#include "core/base.h"

/* The beginning of @root@path as text; -ENAMETOOLONG or the errno of the failed call. */
int host_text(char *out, size_t size, const char *root, const char *path) MUST_CHECK;

#endif
