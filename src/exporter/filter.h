/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/filter.h - inside this folder: what the exporter's process may still do. */
#ifndef EXPORTER_FILTER_H
#define EXPORTER_FILTER_H

#include "core/err.h"

/* No new privileges, no core file, no processes, no files; only the system calls that serving HTTP
 * on open sockets needs. After everything is open. */
int filter_apply(struct err *err) MUST_CHECK;

#endif
