/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core/probe.h - places where perf, bpftrace and systemtap can look in (USDT). A probe that nobody
 * is attached to is one no-operation instruction; its arguments must be values that are there
 * anyway. Without systemtap's header they vanish. perf/bpftrace/ has programs that use them.
 *
 *   sallyport:msg_state    id (text), from state (text), to state (text), CLOCK_MONOTONIC ns
 *   sallyport:scan_begin   id (text), bytes
 *   sallyport:scan_end     id (text), thread CPU us, bytes
 *   sallyport:check_begin  check (text), id (text)
 *   sallyport:check_end    check (text), wall ns, state (enum check_state), id (text); also for a
 *                          check that could not begin because the message cannot be taken apart
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#if defined(__has_include) && __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE2(name, a, b)       DTRACE_PROBE2(sallyport, name, a, b)
#define PROBE3(name, a, b, c)    DTRACE_PROBE3(sallyport, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(sallyport, name, a, b, c, d)
#else
#define PROBE2(name, a, b)       ((void)(a), (void)(b))
#define PROBE3(name, a, b, c)    ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
