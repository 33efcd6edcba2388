#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Stopping as it happens outside of tests: a terminal's Ctrl-C reaches every process of the program at
once, and so does a service manager or a script that sends TERM to all of them. The mail in hand is
finished or stays in the queue, nobody waits for a scan that can no longer come, and no message is
blamed for the end of its worker.
Needs a build with fault points: there the header X-Sallyport-Test asks for a scan that never ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, queuefile, samples, script, sink, tap, wait  # noqa: E402

TIME_LIMIT = 8
STOP_SECONDS = 30  # the supervisor's own limit is 60
OPTIONS = {"Message Time Limit": TIME_LIMIT, "Maximum Processing Attempts": 3, "Processing Retry Delay": 1}


def write(gate, acc, case, body):
    message = sink.with_case(body, case)
    acc.accept(case, queuefile.split_headers(message)[1], "deliver")
    queuefile.SendmailWriter(gate.in_queue).write(message)


def load_and(folder, stop):
    """(seconds it took, exit code, what it logged) of a daemon with a scan under way that is stopped."""
    gate, acc = gateway.Gateway(folder, options=OPTIONS), account.Account()
    gate.start()
    try:
        write(gate, acc, "long", b"X-Sallyport-Test: spin\n" + bytes(samples.letter("Long")))
        wait.until(lambda: any(w["state"] not in "SEI" for w in (gate.ask("top") or {}).get("workers", [])), 60, "a scan")
        for n in range(20):
            write(gate, acc, f"mail-{n}", bytes(samples.letter(f"Mail {n}")))
        began = time.monotonic()
        stop(gate.tree())
        wait.until(lambda: not gate.running(), 75, "the end of sallyportd")
        seconds, code = time.monotonic() - began, gate.stop()
    finally:
        gate.stop()
    acc.read_quarantine(gate.quarantine)
    acc.read_queue(acc.queued, "sendmail", gate.in_queue)
    acc.read_queue(acc.delivered, "sendmail", gate.out_queue)
    return seconds, code, gate.log_text(), acc


def check(what, seconds, code, log, acc):
    tap.ok(seconds < STOP_SECONDS, f"{what}: it ended after {seconds:.1f} s, less than {STOP_SECONDS}")
    tap.equal(code, 0, f"{what}: and did so cleanly")
    tap.equal(acc.missing(), [], f"{what}: no mail is missing ({acc.summary()})")
    tap.ok("long" in acc.queued, f"{what}: the message without a verdict is still in the queue")
    tap.equal([x for x in log.splitlines() if "died of signal" in x], [], f"{what}: no scan was ended by it")


def ctrl_c(tree):
    leader = min(p for p, role in tree.items() if role == "supervisor")
    os.killpg(leader, signal.SIGINT)


def term_all(tree):
    for pid in tree:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # its parent was faster


def told_at_the_end(folder):
    """Mail that was delivered just before the end: the MTA hears of each."""
    gate = gateway.Gateway(folder)
    told, kick = gate.path("told"), gate.path("kick")
    with open(kick, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{told}\n')
    os.chmod(kick, 0o755)
    gate.options["Sendmail2"] = kick
    gate.write_configuration()
    for n in range(5):
        queuefile.SendmailWriter(gate.in_queue).write(bytes(samples.letter(f"Mail {n}")))
    done = subprocess.run([os.path.join(gate.build, "sallyportd"), "-c", gate.conf, "--debug"], capture_output=True,
                          timeout=60, check=False)
    tap.equal(done.returncode, 0, "--debug: ends by itself")
    ids = sorted(n[2:] for n in os.listdir(gate.out_queue) if n.startswith("qf"))

    def missing():
        with open(told, encoding="ascii") as f:
            text = f.read()
        return [i for i in ids if i not in text]

    with contextlib.suppress(wait.Late):
        wait.until(lambda: os.path.exists(told) and not missing(), 60, "kicks")
    tap.ok(len(ids) == 5 and os.path.exists(told) and not missing(), f"--debug: the MTA is told of each of {len(ids)}")


def main():
    script.need("processes change users")
    script.need_faults()
    with script.folder() as folder:
        told_at_the_end(os.path.join(folder, "told"))
        for what, stop in (("Ctrl-C", ctrl_c), ("TERM for all", term_all)):
            try:
                check(what, *load_and(os.path.join(folder, what.split()[0]), stop))
            except wait.Late as late:
                script.too_late(late)
    tap.done()


if __name__ == "__main__":
    main()
