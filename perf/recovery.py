#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A scan worker is killed (SIGKILL) under load, with a large signature set (--signatures lines, made
for this run: hashes and body patterns): milliseconds from its death to the first message its
successor finishes, and how long the zygote takes to load. Needs root.

One worker only (Max Children = 1), so that a finished message can only be the successor's; finished
means visible in the outgoing queue, as inotify tells it.
"""

import ctypes
import os
import random
import select
import signal
import statistics
import sys
import time

import bench

LIBC = ctypes.CDLL(None, use_errno=True)
IN_MOVED_TO, IN_CREATE = 0x80, 0x100


def make_signatures(folder, lines):
    rng = random.Random(7)
    os.makedirs(folder)
    with open(os.path.join(folder, "large.hdb"), "w", encoding="ascii") as f:
        for n in range(lines // 2):
            f.write(f"{rng.randbytes(16).hex()}:{rng.randrange(1000, 900000)}:Made.Hash-{n}\n")
    with open(os.path.join(folder, "large.ndb"), "w", encoding="ascii") as f:
        for n in range(lines - lines // 2):
            f.write(f"Made.Body-{n}:0:*:{rng.randbytes(24).hex()}\n")


class Watch:
    """Names that appear in a directory."""

    def __init__(self, path):
        self._fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        LIBC.inotify_add_watch(self._fd, path.encode(), IN_MOVED_TO | IN_CREATE)

    def drain(self):
        try:
            while os.read(self._fd, 1 << 16):
                pass
        except BlockingIOError:
            pass

    def wait(self, seconds):
        if not select.select([self._fd], [], [], seconds)[0]:
            raise bench.wait.Late("no message after the worker's death")

    def close(self):
        os.close(self._fd)


def kill_once(gate, watch):
    """Milliseconds until the successor is there, and until the first message comes out."""
    victim = bench.pids(gate, "worker")[0]
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    time.sleep(0.002)  # what it had finished is being published
    settled = time.monotonic()
    while time.monotonic() - settled < 0.012:  # commits of what it had finished before: at most 5 ms and a sync
        watch.drain()
        if any(p != victim for p in bench.pids(gate, "worker")):
            break
    bench.wait.until(lambda: [p for p in bench.pids(gate, "worker") if p != victim], 20, "new worker", every=0.0005)
    up = time.monotonic()
    watch.drain()
    watch.wait(20)
    return (up - began) * 1000, (time.monotonic() - began) * 1000


def run(folder, a):
    signatures = os.path.join(folder, "signatures")
    make_signatures(signatures, a.signatures)
    os.chmod(folder, 0o755)
    with bench.daemon(os.path.join(folder, "gate"), {"Max Children": 1, "Rescan Interval": 2}, signatures) as gate:
        began = time.monotonic()
        gate.start(120)
        bench.say(f"start to ready with {a.signatures} signatures: {time.monotonic() - began:.2f} s "
                  f"({(gate.ask('status') or {}).get('engine', '')})")
        for role in ("zygote", "worker"):
            m = bench.status_kb(bench.pids(gate, role)[0], "VmRSS", "Pss", "Private_Dirty")
            bench.say(f"{role}: RSS {m['VmRSS'] // 1024} MB, PSS {m['Pss'] // 1024} MB, "
                      f"private dirty {m['Private_Dirty'] // 1024} MB")
        watch = Watch(gate.out_queue)
        rows = []
        for _ in range(a.kills):
            worker = bench.pids(gate, "worker")[0]
            os.kill(worker, signal.SIGSTOP)  # or it would be done as fast as we write
            bench.fill(gate.in_queue, "distinct", a.messages, 3000)
            os.kill(worker, signal.SIGCONT)
            bench.wait.until(lambda: bench.published(gate) > 0, 20, "the first message")
            rows.append(kill_once(gate, watch))
            gate.wait_empty(120)
            bench.empty(gate.out_queue)
            time.sleep(1.2)  # a worker that ends within a second of its start waits before the next
        watch.close()
        deaths = gate.counters().get("worker_deaths_total")
    up, out = [r[0] for r in rows], [r[1] for r in rows]
    bench.say(f"{len(rows)} kills ({deaths} deaths counted): successor seen after {statistics.median(up):.1f} ms, "
              f"its first message out after {statistics.median(out):.1f} ms (worst {max(out):.1f})")


def main():
    a = bench.arguments(__doc__, signatures=300000, kills=10, messages=1000)
    if os.geteuid() != 0:
        sys.exit("needs root")
    with bench.scratch(a.folder) as folder:
        run(folder, a)


if __name__ == "__main__":
    main()
