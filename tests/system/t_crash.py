#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A message that crashes its scan worker or never lets it go costs nobody else anything: neighbours are
delivered, the gateway goes on, and the poison is set aside after Maximum Processing Attempts.
Needs a build with fault points: there the header X-Sallyport-Test asks for it.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, queuefile, samples, script, sink, tap, wait  # noqa: E402

ATTEMPTS = 3
NEIGHBOURS = 100
OPTIONS = {"Maximum Processing Attempts": ATTEMPTS, "Processing Retry Delay": 1, "Rescan Interval": 1,
           "Message Time Limit": 2}


def poison(what):
    return f"X-Sallyport-Test: {what}\n".encode() + bytes(samples.letter(f"Poison: {what}"))


def neighbours(writer, acc, tag, count=NEIGHBOURS):
    for n in range(count):
        case = f"{tag}-{n}"
        message = sink.with_case(bytes(samples.letter(f"Neighbour {n}")), case)
        acc.accept(case, queuefile.split_headers(message)[1], "deliver")
        writer.write(message)


def try_poison(gate, acc, what):
    writer = queuefile.SendmailWriter(gate.in_queue)
    gateway_pid, workers = gate.pid("gateway"), _workers(gate)
    neighbours(writer, acc, f"{what}-before")
    message = sink.with_case(poison(what), f"poison-{what}")
    acc.accept(f"poison-{what}", queuefile.split_headers(message)[1], "quarantine")
    writer.write(message)
    neighbours(writer, acc, f"{what}-after")
    began = time.monotonic()
    wait.until(lambda: set(workers) - set(_workers(gate)), 60, f"{what}: a worker gone")
    gone = time.monotonic()
    wait.until(lambda: len(_workers(gate)) == len(workers), 60, f"{what}: a new worker", every=0.001)
    tap.note(f"{what}: worker gone after {(gone - began) * 1000:.0f} ms, a new one "
             f"{(time.monotonic() - gone) * 1000:.0f} ms later")
    gate.wait_empty(60)
    tap.equal(gate.pid("gateway"), gateway_pid, f"{what}: the gateway is the same process")
    acc.read_quarantine(gate.quarantine)
    tap.ok(f"poison-{what}" in acc.quarantined, f"{what}: the poison is quarantined")
    said = [x for x in gate.log_text().splitlines() if "attempted too many times" in x]
    tap.ok(said, f"{what}: the log says so")


def set_aside_by_rule(gate, acc):
    """Quarantine Dir may be a ruleset; what nobody has read goes where the rules say, too."""
    other, rules = gate.path("quarantine.other"), gate.path("etc", "quarantine.rules")
    os.mkdir(other, 0o700)
    with open(rules, "w", encoding="ascii") as f:
        f.write(f"To: poison@dest.test {other}\nFromOrTo: default {gate.quarantine}\n")
    gate.options["Quarantine Dir"] = rules
    gate.write_configuration()
    gate.start()
    message = sink.with_case(poison("crash"), "poison-rule")
    acc.accept("poison-rule", queuefile.split_headers(message)[1], "quarantine")
    queuefile.SendmailWriter(gate.in_queue).write(message, recipients=["poison@dest.test"])
    gate.wait_empty(60)
    found = account.Account()
    found.read_quarantine(other)
    tap.equal(sorted(found.quarantined), ["poison-rule"], "set aside where the ruleset of Quarantine Dir says")
    acc.read_quarantine(other)


def _workers(gate):
    return [p for p, role in gate.tree().items() if role == "worker"]


def main():
    script.need("processes change users")
    script.need_faults()
    with script.folder() as folder:
        gate = gateway.Gateway(folder, options=OPTIONS)
        acc = account.Account()
        try:
            gate.start()
            for what in ("crash", "spin"):
                try_poison(gate, acc, what)
            gate.stop()
            set_aside_by_rule(gate, acc)
            acc.read_queue(acc.delivered, "sendmail", gate.out_queue)
            tap.equal(acc.missing(), [], f"none is missing ({acc.summary()})")
            tap.equal(acc.withheld(), [], "every neighbour is delivered")
            tap.equal(acc.let_through(), [], "no poison is delivered")
        except wait.Late as late:
            script.too_late(late)
        finally:
            gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
