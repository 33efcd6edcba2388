#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Two gateways serve the same incoming queue, outgoing queue and quarantine, and both reload their
configuration all the time. A third of the messages are split. Each recipient must get his mail, once:
nobody is killed here, so nothing excuses a repeat.

SALLYPORT_TWO_SECONDS=N   how long, for each queue format (12)
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, load, queuefile, samples, script, tap, wait  # noqa: E402

SECONDS = int(os.environ.get("SALLYPORT_TWO_SECONDS", "12"))
RCPT, FREE = "rcpt@dest.test", ("one@noscan.test", "two@noscan.test")  # the latter's mail is not looked at
WRITERS = {"sendmail": queuefile.SendmailWriter, "exim": queuefile.EximWriter}
OPTIONS = {"Maximum Processing Attempts": 0, "Processing Retry Delay": 1, "Rescan Interval": 1, "Max Children": 1}


def disagreeing(messages):
    for n, (case, message, want) in enumerate(messages):
        if n % 3 == 0:
            want = {RCPT: want, **{r: samples.DELIVER for r in FREE}}
        yield case, message, want


def make(folder, mta):
    """Two gateways that share queues and quarantine, and nothing else."""
    queues = [os.path.join(folder, n) for n in ("in", "out")]
    for q in queues:
        os.makedirs(q, 0o700)
    pair = [gateway.Gateway(os.path.join(folder, n), (mta, *queues, "root", "/bin/true"), OPTIONS) for n in "ab"]
    for gate in pair:
        rules = gate.path("etc", "scan.rules")
        with open(rules, "w", encoding="ascii") as f:
            f.write("To: *@noscan.test no\nFromOrTo: default yes\n")
        gate.options["Scan Messages"] = rules
        gate.options["Quarantine Dir"] = pair[0].quarantine
        gate.write_configuration()
    return pair


def splits(gate):
    return gate.log_text().count(" split into ")


def run(folder, mta):
    pair, acc = make(folder, mta), account.Account()
    for gate in pair:
        gate.start()
    drain = account.Drain(mta, pair[0].out_queue)
    mail = account.Load(acc, WRITERS[mta](pair[0].in_queue), disagreeing(load.mixed(1)))
    try:
        began = time.monotonic()
        # On a busy machine one of the two may have hardly begun by then.
        while (took := time.monotonic() - began) < SECONDS or (took < SECONDS * 10 and not all(map(splits, pair))):
            for gate in pair:
                before = gate.log_text().count("Configuration reloaded")
                os.kill(gate.pid("supervisor"), signal.SIGHUP)
                wait.until(lambda g=gate, b=before: g.log_text().count("Configuration reloaded") > b, 60, "a reload")
        mail.stop()
        pair[0].wait_empty(120)
    finally:
        mail.stop()
        drain.stop(acc)
        codes = [gate.stop() for gate in pair]
    acc.read_quarantine(pair[0].quarantine)
    acc.read_queue(acc.queued, mta, pair[0].in_queue)
    texts = [gate.log_text() for gate in pair]
    tap.equal(codes, [0, 0], f"{mta}: both stop cleanly")
    tap.ok(all(map(splits, pair)), f"{mta}: both have split messages {[splits(g) for g in pair]}, reloads {[t.count('Configuration reloaded') for t in texts]}")
    tap.equal(acc.missing(), [], f"{mta}: none is missing ({acc.summary()})")
    tap.equal(acc.changed(), [], f"{mta}: no body changed")
    tap.equal(acc.let_through(), [], f"{mta}: nothing bad was let through")
    tap.equal(acc.withheld(), [], f"{mta}: nothing clean was withheld")
    tap.equal(acc.repeats(), 0, f"{mta}: nobody got anything twice")
    tap.equal([x for t in texts for x in t.splitlines() if x.startswith("err")], [], f"{mta}: no error in the logs")


def main():
    script.need("processes change users")
    with script.folder() as folder:
        for mta in sys.argv[1:] or WRITERS:
            try:
                run(os.path.join(folder, mta), mta)
            except wait.Late as late:
                script.too_late(late, f"{mta}: ")
    tap.done()


if __name__ == "__main__":
    main()
