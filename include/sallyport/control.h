/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport/control.h - the control socket's protocol, version 1.
 *
 * A local stream socket (option Control Socket). The client sends one JSON object and a newline:
 * {"command": NAME, ...}; the server answers with one JSON object and a newline, and closes.
 * Every answer has "ok"; false comes with "error", a sentence for people.
 *
 *   status   "version", "generation", "engine", "in_flight", "in_flight_max", "workers",
 *            "workers_up", "scan_threads" (in each worker), "loop_core" (left out: any),
 *            "draining", "dirs" [path]
 *   queue    "messages" [{"id", "state", "from", "size", "age_ms", "attempts", "why"}]: in hand;
 *            "attempts" [{"id", "count", "next_in_s"}]: failed before, will be tried again
 *   stats    "metrics" {name: number, or {"count", "sum_us", "p50_us", "p90_us", "p99_us",
 *            "max_us"}}; in it "stages" [as in top],
 *            "workers" [{"worker", "messages", "cpu_us", "deaths"}]
 *   metrics  "content_type", "page": the page for Prometheus, text format 0.0.4
 *   top      what a live view shows; it computes rates from the totals of two answers:
 *            "version", "uptime_ms" (of the gateway), "engine", "draining", "in_flight",
 *            "in_flight_max", "workers_up";
 *            "queues" [{"path", "messages" (counted at the last question, in slices; missing until
 *            then), "in_hand", "oldest_s" (age of the oldest in hand; missing: none)}];
 *            "workers" [{"worker", "pid", "core" (-1: any), "state", "id" and "age_ms" (of what it
 *            works on; missing: nothing), "in_hand", "messages", "cpu_us", "deaths" (totals of that
 *            number), "retiring" (true or missing)}]: one for each scan thread, counted over all
 *            workers; threads of one worker share its pid, and its deaths stand with the first.
 *            State: S starting, E ending, I idle, R reading, P parsing, A archives, N names and
 *            types, V viruses, C content;
 *            "totals" {"delivered", "quarantined", "deferred", "other", "bytes", "expanded_bytes",
 *            "scan_cpu_us", "cache_hits", "attempts_failed", "worker_deaths", "worker_timeouts",
 *            "commits", "syncs"};
 *            "times" {"wait", "scan", "commit", "message": {"count", "p50_us", "p99_us"}};
 *            "stages" [{"name", "count", "cpu_us", "wall_us", "p50_us", "p99_us", "max_us"}]: each
 *            check, "read", "rest"; with "counted" scans also "cycles", "instructions",
 *            "cache_misses", "branch_misses" of those
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
 *                     "seconds" (0 or absent: without end); "prefix"
 *   throttle-del      takes "list", "prefix"; of penalties the accounts inside are closed;
 *                     "prefix"
 *   throttle-off      takes "seconds" (0 or absent: until a restart); refuse nobody
 *   throttle-on       refuse again
 *   throttle-stats    "mode", "method", "off" (by command), "off_left_s", "parts" [{"name",
 *                     "active", "why"}], "rates_charge" ("handshakes" or "SYNs"; absent: nothing
 *                     refuses), "entries" {list: n}, "accounts", "penalised", "evicted", and of
 *                     the kernel "counts" {layer: {verdict: n}}, "opened", "closed", "open_full",
 *                     "rate_full", "events_lost"
 *   throttle-why      takes "address", or a network up to an IPv4 /24 or IPv6 /48; "address",
 *                     "decision" (pass, slow, refuse), "level", "why", "enforced",
 *                     "host" and "network" (an account, below; absent: none), "kernel" [{"prefix",
 *                     "known", "may_open_now", "seen", "refused", "open"}] or "kernel_error",
 *                     "half_life_s"
 *   throttle-decide   takes the same; "address", "decision", "level", "why"
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
