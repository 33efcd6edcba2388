#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scan throughput of sallyportd with one pinned worker, with two, and with one worker of two scan threads,
in turns within one run. Ratios against the one worker: of wall time, which others on the host disturb,
and of the workers' processor time (two workers at the same cost a message are 2.00), which they hardly
do. All bodies are new, the verdict cache is off. Needs root and two cores; a folder in memory keeps the
disk out of it.
"""

import os
import statistics
import sys

import bench

CASES = (("1 worker", {"Max Children": 1, "Scan Threads": 1}, 1),
         ("2 workers", {"Max Children": 2, "Scan Threads": 1}, 2),
         ("1 worker of 2 threads", {"Max Children": 1, "Scan Threads": 2}, 2))
COMMON = {"Verdict Cache Entries": 0, "Loop Core": "none"}


def worker_ms(gate):
    return sum(bench.cpu_ms(p) for p in bench.pids(gate, "worker"))


def one_run(folder, options, a):
    """(messages a second, worker us a message, gateway us a message, worker private KB)"""
    began = {}

    def note(gate):
        began["worker"] = worker_ms(gate)
        began["gateway"] = bench.cpu_ms(gate.pid("gateway"))

    with bench.daemon(os.path.join(folder, "gate"), {**COMMON, **options}) as gate:
        bench.fill(gate.in_queue, "distinct", a.messages, a.bytes)
        seconds = bench.time_queue(gate, a.messages, on_start=note)
        scan = (worker_ms(gate) - began["worker"]) * 1000 / a.messages
        loop = (bench.cpu_ms(gate.pid("gateway")) - began["gateway"]) * 1000 / a.messages
        private = sum(bench.status_kb(p, "Private_Dirty")["Private_Dirty"] for p in bench.pids(gate, "worker"))
        gate.stop()
        bench.empty(gate.out_queue)
    return a.messages / seconds, scan, loop, private


def main():
    a = bench.arguments(__doc__, messages=2000, bytes=20000, rounds=3)
    if os.geteuid() != 0:
        sys.exit("needs root")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("needs two cores")
    found = {name: [] for name, _, _ in CASES}
    bench.say(f"{a.messages} messages of about {a.bytes} bytes, {a.rounds} rounds, load at the start {os.getloadavg()[0]:.1f}")
    with bench.scratch(a.folder) as folder:
        for _ in range(a.rounds):
            for name, options, _ in CASES:
                found[name].append(one_run(folder, options, a))
    base = found[CASES[0][0]]
    for name, _, scan_n in CASES:
        wall = [r[0] / b[0] for r, b in zip(found[name], base)]
        cpu = [scan_n * b[1] / r[1] for r, b in zip(found[name], base)]
        rate, scan, loop, private = (statistics.median(r[i] for r in found[name]) for i in range(4))
        bench.say(f"{name}: {rate:.0f}/s, worker CPU {scan:.0f} us/message ({1e6 / scan:.0f} messages a CPU second), "
                  f"gateway {loop:.0f} us; ratio wall {statistics.median(wall):.2f} "
                  f"({', '.join(f'{w:.2f}' for w in wall)}), by CPU {statistics.median(cpu):.2f} "
                  f"({', '.join(f'{c:.2f}' for c in cpu)}); private memory {private / 1024:.1f} MB")
    bench.say(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
