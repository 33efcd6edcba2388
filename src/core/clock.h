/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/clock.h - the three clocks in use. Functions that can be tested take a time as parameter. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC: intervals, timers. 23 ns a call. */
uint64_t clock_now_ns(void);
/* Unix seconds: dates, databases. */
uint64_t clock_unix_s(void);
/* CPU nanoseconds of the calling thread. 0.5 us a call: once a message, not once a part. */
uint64_t clock_thread_cpu_ns(void);

#endif
