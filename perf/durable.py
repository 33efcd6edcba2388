#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Durable messages a second: sallyportd from ready to empty queue (all published and synced) beside a
plain loop (plain_loop.c: write, fsync, rename, fsync directory, one message at a time) on the same
directory, in turns within one run. Needs root. --ext4 also runs on a fresh ext4 in a loop device,
with a journal, which is removed afterwards.
"""

import os
import statistics
import subprocess
import sys
import tempfile

import bench

CASES = (("full scan, distinct bodies", "distinct", {}),
         ("full scan, one body repeated", "same", {}),
         ("Scan Messages = no", "distinct", {"Scan Messages": "no"}))


def plain(folder, queue):
    out = os.path.join(folder, "plain")
    os.makedirs(out, exist_ok=True)
    bench.settle()
    done = subprocess.run([bench.program("plain_loop"), queue, out], check=True, capture_output=True, text=True)
    count, seconds = done.stdout.split()
    bench.empty(out)
    return int(count) / float(seconds)


def ours(gate, count):
    cpu = {}

    def note(_):
        for role in ("gateway", "worker"):
            cpu[role] = sum(bench.cpu_ms(p) for p in bench.pids(gate, role))

    seconds = bench.time_queue(gate, count, on_start=note)
    for role in cpu:
        cpu[role] = (sum(bench.cpu_ms(p) for p in bench.pids(gate, role)) - cpu[role]) * 1000 / count
    syncs = gate.counters().get("commit_syncs_total", 0) / count
    gate.stop()
    bench.empty(gate.out_queue)
    return count / seconds, cpu, syncs


def run_case(folder, name, kind, options, a):
    rates, loops, cpus, syncs = [], [], [], 0
    with bench.daemon(os.path.join(folder, "gate"), options) as gate:
        for _ in range(a.rounds):
            bench.fill(gate.in_queue, kind, a.messages, a.bytes)
            loops.append(plain(folder, gate.in_queue))
            bench.settle()
            rate, cpu, syncs = ours(gate, a.messages)
            rates.append(rate)
            cpus.append(cpu)
    ratio = statistics.median(r / p for r, p in zip(rates, loops))
    cpu = {role: statistics.median(c[role] for c in cpus) for role in cpus[0]}
    bench.say(f"{name}: {statistics.median(rates):.0f}/s, plain loop {statistics.median(loops):.0f}/s, "
              f"ratio {ratio:.1f} (rounds {', '.join(f'{r / p:.1f}' for r, p in zip(rates, loops))}); "
              f"CPU us/message gateway {cpu['gateway']:.0f}, workers {cpu['worker']:.0f}; "
              f"{syncs:.2f} syncs/message")


def run_all(parent, where, a):
    with bench.scratch(parent) as folder:
        bench.say(f"--- {where}: {a.messages} messages of about {a.bytes} bytes, {a.rounds} rounds, median")
        for name, kind, options in CASES:
            run_case(folder, name, kind, options, a)


def run_on_ext4(a):
    with bench.scratch(a.folder) as folder:
        image, mounted = os.path.join(folder, "image"), tempfile.mkdtemp(prefix="mnt-", dir=folder)
        with open(image, "wb") as f:
            f.truncate(2 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        try:
            run_all(mounted, "fresh ext4 with a journal, in a loop device", a)
        finally:
            subprocess.run(["umount", mounted], check=True)


def main():
    a = bench.arguments(__doc__, messages=5000, bytes=8000, rounds=3, ext4=0)
    if os.geteuid() != 0:
        sys.exit("needs root")
    run_all(a.folder, a.folder, a)
    if a.ext4:
        run_on_ext4(a)


if __name__ == "__main__":
    main()
