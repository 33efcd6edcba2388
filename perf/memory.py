#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Memory: the gateway's RSS and private memory with 16 and with 256 messages in flight, hence KB for
each, and RSS and PSS of zygote and workers. The workers are stopped (SIGSTOP) before mail comes, so
that every message that may be in flight stays there. Needs root.
"""

import os
import signal
import sys

import bench

NAMES = ("VmRSS", "VmHWM", "Pss", "Private_Dirty")


def look(gate, role):
    return [bench.status_kb(p, *NAMES) for p in bench.pids(gate, role)]


def fly(folder, in_flight, a):
    with bench.daemon(os.path.join(folder, f"gate-{in_flight}"), {"Max Messages In Flight": in_flight}) as gate:
        gate.start()
        bench.wait.until(lambda: (gate.ask("status") or {}).get("workers_up") == 2, 20, "two workers")
        idle = look(gate, "gateway")[0]
        workers = bench.pids(gate, "worker")
        for p in workers:
            os.kill(p, signal.SIGSTOP)
        try:
            bench.fill(gate.in_queue, "distinct", in_flight + 50, a.bytes)
            bench.wait.until(lambda: (gate.ask("status") or {}).get("in_flight", 0) >= in_flight, 20,
                             f"{in_flight} in flight")
            full = look(gate, "gateway")[0]
        finally:
            for p in workers:
                os.kill(p, signal.SIGCONT)
        gate.wait_empty(60)
        return idle, full, look(gate, "zygote") + look(gate, "worker")


def show(name, m):
    bench.say(f"{name}: RSS {m.get('VmRSS')} KB, PSS {m.get('Pss')} KB, private dirty {m.get('Private_Dirty')} KB")


def main():
    a = bench.arguments(__doc__, bytes=8000)
    if os.geteuid() != 0:
        sys.exit("needs root")
    found = {}
    with bench.scratch(a.folder) as folder:
        for n in (16, 256):
            idle, full, others = fly(folder, n, a)
            found[n] = full["VmRSS"]
            show(f"gateway idle, at most {n} in flight", idle)
            show(f"gateway, {n} in flight", full)
    bench.say(f"KB for each message in flight: {(found[256] - found[16]) / 240:.1f} (messages of {a.bytes} bytes)")
    show("zygote", others[0])
    for m in others[1:]:
        show("worker", m)


if __name__ == "__main__":
    main()
