#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Bytes that gateway and workers read and write in user space for a clean message, from
/proc/PID/io (rchar, wchar), beside the bytes of its header file and its body file. A worker's read
of the message itself goes through io_uring and does not count there: what is seen of it is what it
copies besides. Promise P5: the gateway touches headers only. Needs root.
"""

import os
import sys

import bench


def counts(gate, role):
    total = {"rchar": 0, "wchar": 0}
    for pid in bench.pids(gate, role):
        with open(f"/proc/{pid}/io", encoding="ascii") as f:
            for line in f:
                name, value = line.split(":")
                if name in total:
                    total[name] += int(value)
    return total


def run(folder, name, size, count, options):
    with bench.daemon(os.path.join(folder, "gate"), options) as gate:
        gate.start()
        spool = os.path.join(folder, "spool")
        os.makedirs(spool, exist_ok=True)
        head, body = bench.fill(spool, "distinct", count, size)
        before = {r: counts(gate, r) for r in ("gateway", "worker")}
        # Bodies first, as a server does: a header file makes a message.
        for name_ in sorted(os.listdir(spool)):
            os.rename(os.path.join(spool, name_), os.path.join(gate.in_queue, name_))
        bench.wait.until(lambda: bench.done(gate) >= count, 120, "all done", every=0.5)
        after = {r: counts(gate, r) for r in before}
        gate.stop()
        bench.empty(gate.out_queue)
    bench.say(f"{name}: {count} messages, header file {head / count:.0f} bytes, body file {body / count:.0f}")
    for role in before:
        read = (after[role]["rchar"] - before[role]["rchar"]) / count
        written = (after[role]["wchar"] - before[role]["wchar"]) / count
        bench.say(f"  {role}: read {read:.0f} bytes/message ({read / (body / count):.3f} of the body), "
                  f"written {written:.0f} ({written / (body / count):.3f})")


def main():
    a = bench.arguments(__doc__, messages=500, bytes=200000)
    if os.geteuid() != 0:
        sys.exit("needs root")
    with bench.scratch(a.folder) as folder:
        run(folder, "full scan", a.bytes, a.messages, {})
        run(folder, "Scan Messages = no", a.bytes, a.messages, {"Scan Messages": "no"})


if __name__ == "__main__":
    main()
