#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a message is kept can depend on what was found in it: Virus: rules of Quarantine Dir."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, queuefile, samples, script, tap, wait  # noqa: E402

RULES = """Virus:	*eicar*	{0}/virus
Virus:	*accepted* and To: *@a.test	{0}/programs
FromOrTo:	default	{0}/other
"""


def program():
    return samples.with_file("The tool", "tool.exe", b"no program at all\n", "text", "plain")


def virus():
    return samples.with_file("Invoice", "note.txt", samples.eicar(), "text", "plain")


def kept(gate):
    """id -> where it is"""
    found = {}
    for name in ("virus", "programs", "other"):
        for _, dirs, _ in os.walk(gate.path(name)):
            found.update({d: name for d in dirs})
    return found


def run(gate):
    gate.start()
    writer = queuefile.SendmailWriter(gate.in_queue)
    want = {writer.write(bytes(message), recipients=[to]): where for message, to, where in (
        (virus(), "x@a.test", "virus"), (virus(), "x@b.test", "virus"), (program(), "x@a.test", "programs"),
        (program(), "x@b.test", "other"))}
    gate.wait_empty(60)
    found = kept(gate)
    tap.equal({i: found.get(i) for i in want}, want, "each lies where the rules about what was found in it say")
    tap.equal(gate.stop(), 0, "stops cleanly")


def main():
    script.need("processes change users")
    with script.folder() as folder:
        gate = gateway.Gateway(os.path.join(folder, "gate"))
        for name in ("virus", "programs", "other"):
            os.mkdir(gate.path(name), 0o700)
        gate.options["Quarantine Dir"] = gate.path("etc", "dirs.rules")
        with open(gate.options["Quarantine Dir"], "w", encoding="ascii") as f:
            f.write(RULES.format(gate.folder))
        gate.write_configuration()
        try:
            run(gate)
        except wait.Late as late:
            script.too_late(late)
            tap.note(gate.log_tail())
        finally:
            gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
