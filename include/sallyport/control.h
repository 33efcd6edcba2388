/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport/control.h - the control socket's protocol, version 1.
 *
 * A local stream socket (option Control Socket). The client sends one JSON object and a newline:
 * {"command": NAME, ...}; the server answers with one JSON object and a newline, and closes.
 * Every answer has "ok"; false comes with "error", a sentence for people.
 *
 *   status   "version", "generation", "engine", "in_flight", "in_flight_max", "workers",
 *            "workers_up", "scan_threads" (in each worker), "loop_core" (left out: any), "draining",
 *            "dirs" [path]
 *   queue    "messages" [{"id", "state", "from", "size", "age_ms", "attempts", "why"}]: in hand
 * now; "attempts" [{"id", "count", "next_in_s"}]: failed before, will be tried again; "dirs" [path]
 *   stats    "metrics" {name: number, or {"count", "sum_us", "p50_us", "p99_us"}}
 *   rescan   look at all queues now
 *   reload   read the configuration again; the answer says that it was asked for
 *
 * Requests are at most 4,096 bytes. Unknown members are ignored; unknown commands answer ok false.
 */
#ifndef SALLYPORT_CONTROL_H
#define SALLYPORT_CONTROL_H

#define SALLYPORT_CONTROL_VERSION       1
#define SALLYPORT_CONTROL_REQUEST_BYTES 4096

#endif
