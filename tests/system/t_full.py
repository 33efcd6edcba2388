#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The disk of the queues is full for longer than a message has attempts: it waits, whether it is to be delivered as a
whole or split, and goes out when there is space. A reload on a full disk works.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, lines, queuefile, samples, script, tap, wait  # noqa: E402

ATTEMPTS = 2
WAITS = "stays in the queue, which is no attempt at it: "


def mount(path):
    """A small file system of its own. False: not allowed here."""
    os.mkdir(path)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", path], check=False,
                          capture_output=True).returncode == 0


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def messages(spool, incoming):
    """Written while there is space, put into the queue when there is none."""
    writer = queuefile.SendmailWriter(os.path.join(spool, "stage"))
    os.mkdir(writer.queue)
    ids = {name: writer.write(bytes(samples.letter(name)), recipients=to) for name, to in (
        ("whole", ["x@b.test"]), ("split", ["x@a.test", "x@b.test"]))}
    fill(os.path.join(spool, "filler"))
    for i in ids.values():
        for kind in ("df", "qf"):
            os.rename(writer.path(kind + i), os.path.join(incoming, kind + i))
    return ids


def visible(queue):
    """What the MTA would see there; hidden files come and go with each attempt."""
    return [n for n in os.listdir(queue) if n.startswith("qf")]


def run(gate, spool):
    log = gate.options["Message Log"]
    gate.start()
    ids = messages(spool, gate.in_queue)
    for name, i in ids.items():
        wait.until(lambda m=i: gate.log_text().count(f"Message {m} {WAITS}") > ATTEMPTS + 1, 60,
                   f"{name}: more looks at it than it has attempts")
    tap.equal(gate.queue_ids(), sorted(ids.values()), "both wait in the queue")
    tap.equal([visible(gate.out_queue), lines.records(log)], [[], []], "nothing else became of them")
    wait.until(lambda: os.listdir(gate.out_queue) == [], 60, "what the last attempt began to be taken back")
    tap.equal(gate.counters().get("attempts_failed_total"), 0, "no attempt is counted")
    before = gate.log_text().count("Configuration reloaded")
    gate.ask("reload")
    wait.until(lambda: gate.log_text().count("Configuration reloaded") > before, 60, "a reload")
    tap.ok(True, "a reload works on a full disk")
    os.unlink(os.path.join(spool, "filler"))
    gate.wait_empty(60)
    wait.until(lambda: sum(r["to_n"] for r in lines.records(log)) >= 3, 60, "three recipients in the message log")
    tap.equal(sorted((r["to"], r["outcome"]) for r in lines.records(log)),
              [(["x@a.test"], "deliver"), (["x@b.test"], "deliver"), (["x@b.test"], "deliver")],
              "with space again each is delivered, once")
    tap.equal(len(visible(gate.out_queue)), 3, "three messages in the outgoing queue")
    tap.equal(gate.quarantine_list(), [], "none was set aside")


def main():
    script.need("mounts a file system")
    with script.folder() as folder:
        spool = os.path.join(folder, "spool")
        if not mount(spool):
            tap.skip_all("no file system can be mounted here")
        try:
            queues = [os.path.join(spool, name) for name in ("in", "out")]
            for q in queues:
                os.mkdir(q, 0o700)
            gate = gateway.Gateway(os.path.join(folder, "gate"), ("sendmail", *queues, "root", "/bin/true"), {
                "Maximum Processing Attempts": ATTEMPTS, "Message Log": os.path.join(folder, "messages.log"),
                "Information Header Value": os.path.join(folder, "information.rules")})
            with open(gate.options["Information Header Value"], "w", encoding="ascii") as f:
                f.write("To: *@a.test Ask them\nFromOrTo: default Ask us\n")
            try:
                run(gate, spool)
            except wait.Late as late:
                script.too_late(late)
                tap.note(gate.log_tail())
            finally:
                gate.stop()
        finally:
            subprocess.run(["umount", spool], check=False)
    tap.done()


if __name__ == "__main__":
    main()
