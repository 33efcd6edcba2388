/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport/control.h - the control socket's protocol, version 1.
 *
 * A local stream socket (option Control Socket). The client sends one JSON object and a newline:
 * {"command": NAME, ...}; the server answers with one JSON object and a newline, and closes.
 * Every answer has "ok"; false comes with "error", a sentence for people.
 *
 *   status   "version", "generation", "engine", "in_flight", "in_flight_max", "workers",
 *            "workers_up", "draining", "dirs" [path]
 *   queue    "messages" [{"id", "state", "from", "size", "age_ms", "attempts", "why"}]: in hand
 * now; "attempts" [{"id", "count", "next_in_s"}]: failed before, will be tried again; "dirs" [path]
 *   stats    "metrics" {name: number, or {"count", "sum_us", "p50_us", "p99_us"}}
 *   rescan   look at all queues now
 *   reload   read the configuration again; the answer says that it was asked for
 *
 * About senders ("ok" false with option Throttle = no). A prefix is "192.0.2.1", "192.0.2.0/24" or
 * "2001:db8::/32"; a level "slower", "few" or "nothing"; times are seconds, left_s 0 is without
 * end.
 *
 *   throttle-list     "allow", "deny" [{"prefix", "origin", "left_s"}], "penalty" [{the same,
 *                     "level", "why"}], "cut" (more than 20,000 in one of them)
 *   throttle-add      takes "list" (allow, deny, penalty), "prefix", "level" (of penalties),
 *                     "seconds" (0 or absent: without end)
 *   throttle-del      takes "list", "prefix"; of penalties the accounts inside are closed, too
 *   throttle-stats    "mode", "method", "parts" [{"name", "active", "why"}], "entries", "accounts",
 *                     "penalised", "evicted", and of the kernel "counts" {layer: {verdict: n}},
 *                     "opened", "closed", "open_full", "events_lost"
 *   throttle-why      takes "address": "decision" (pass, slow, refuse), "level", "why", "enforced",
 *                     "host" and "network" (an account, below; absent: none), "kernel" [{"prefix",
 *                     "known", "may_open_now", "seen", "refused", "open"}] or "kernel_error",
 *                     "half_life_s"
 *   throttle-decide   takes "address": "decision", "level", "why"
 *   throttle-sources  takes "n" (default 20, at most 200): "sources" [account], costliest first
 *
 * An account: {"prefix", "cost_s", "level", "since_s" (ago), "left_s", "strikes", "messages",
 * "limits_s" {level: seconds}, "reasons" [{"reason", "count", "cost_s"}]}.
 *
 * Requests are at most 4,096 bytes. Unknown members are ignored; unknown commands answer ok false.
 */
#ifndef SALLYPORT_CONTROL_H
#define SALLYPORT_CONTROL_H

#define SALLYPORT_CONTROL_VERSION       1
#define SALLYPORT_CONTROL_REQUEST_BYTES 4096

#endif
