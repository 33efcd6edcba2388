/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/cores.h - which cores the scan workers get: option Scan Cores within what we may use. */
#ifndef MSG_CORES_H
#define MSG_CORES_H

#include "conf/conf.h"

/* How many; at least 1. */
unsigned cores_count(const struct conf *c);
/* The core of worker @index; -1: do not pin. */
int cores_pick(const struct conf *c, unsigned index);

#endif
