#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Does a full queue cost more for each message than an empty one? Tiny identical mails, 1 to --most of
them waiting when the gateway becomes ready; wall and processor time for each, and the gateway's
peak memory (VmHWM). Needs root. Time for one message includes the group commit's delay.
"""

import os
import sys

import bench


def run(folder, count, options):
    with bench.daemon(os.path.join(folder, f"gate-{count}"), options) as gate:
        bench.fill(gate.in_queue, "same", count, 60)
        bench.settle()
        cpu = {}

        def note(_):
            cpu["start"] = bench.cpu_ms(gate.pid("gateway"))

        seconds = bench.time_queue(gate, count, on_start=note)
        gateway = gate.pid("gateway")
        used = (bench.cpu_ms(gateway) - cpu["start"]) * 1000 / count
        peak = bench.status_kb(gateway, "VmHWM")["VmHWM"]
        gate.stop()
        bench.empty(gate.out_queue)
    return seconds * 1e6 / count, used, peak


def main():
    a = bench.arguments(__doc__, most=50000)
    if os.geteuid() != 0:
        sys.exit("needs root")
    with bench.scratch(a.folder) as folder:
        for name, options in (("Scan Messages = no", {"Scan Messages": "no"}), ("full scan", {})):
            bench.say(f"--- {name}")
            for count in (1, 100, 1000, 10000, 50000):
                if count > a.most:
                    break
                wall, cpu, peak = run(folder, count, options)
                bench.say(f"{count:6} queued: {wall:8.0f} us each, gateway CPU {cpu:6.0f} us each, "
                          f"gateway VmHWM {peak} KB")


if __name__ == "__main__":
    main()
