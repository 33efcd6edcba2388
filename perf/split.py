#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What it costs that recipients of one message disagree: messages to two recipients who get different
headers, so that each becomes two, beside as many that are two from the start; and messages whose
recipients are asked for and agree, beside such with one recipient. Seconds from ready to empty, in turns. Needs root.
"""

import os
import statistics
import sys

import bench
from kit import queuefile

SPLIT, ALONE, ALIKE, PLAIN = "split", "alone", "alike", "plain"
TO = {SPLIT: ("a@dest.test", "b@other.test"), ALONE: ("a@dest.test",), ALIKE: ("a@dest.test", "b@dest.test"),
      PLAIN: ("a@dest.test",)}


def fill(queue, kind, count, size):
    writer, make = queuefile.SendmailWriter(queue), bench.letters("distinct", size)
    for _ in range(count):
        writer.write(next(make), recipients=TO[kind])


def seconds(gate, kind, a):
    written = a.messages * (2 if kind == ALONE else 1)
    fill(gate.in_queue, kind, written, a.bytes)
    bench.settle()
    took = bench.time_queue(gate, a.messages * (2 if kind in (SPLIT, ALONE) else 1))
    gate.stop()
    bench.empty(gate.out_queue)
    return took


def rules(gate):
    path = gate.path("etc", "information.rules")
    with open(path, "w", encoding="ascii") as f:
        f.write("To: *@other.test Ask the others\nFromOrTo: default Ask us\n")
    gate.options["Information Header Value"] = path
    gate.write_configuration()


def main():
    a = bench.arguments(__doc__, messages=2000, bytes=8000, rounds=3)
    if os.geteuid() != 0:
        sys.exit("needs root")
    took = {kind: [] for kind in TO}
    with bench.scratch(a.folder) as folder, bench.daemon(os.path.join(folder, "gate")) as gate:
        rules(gate)
        for _ in range(a.rounds):
            for kind, values in took.items():
                values.append(seconds(gate, kind, a))
    for kind, other, what in ((SPLIT, ALONE, "two that disagree, beside two messages"),
                              (ALIKE, PLAIN, "two that agree, beside one recipient")):
        ratios = [x / y for x, y in zip(took[kind], took[other])]
        bench.say(f"{what}: ratio of time {statistics.median(ratios):.2f} (rounds {', '.join(f'{r:.2f}' for r in ratios)}); "
                  f"{a.messages / statistics.median(took[kind]):.0f} and "
                  f"{a.messages / statistics.median(took[other]):.0f} a second")


if __name__ == "__main__":
    main()
