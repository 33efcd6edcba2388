#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport scan`: outcomes, JSON and exit codes, without a queue and without a daemon."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, samples, script, tap  # noqa: E402

OUTCOMES = {"deliver", "deliver-modified", "quarantine", "delete", "forward", "defer"}
FINDINGS = {  # sample -> kind of its finding
    "virus": "virus", "virus-zip": "virus", "virus-deep": "virus", "double-ext": "filename",
    "exe-in-zip": "filename", "script": "filename", "encrypted": "encrypted", "partial": "content",
    "external": "content", "bomb": "dos", "nested": "dos",
}


def scan(gate, *words, stdin=b""):
    return subprocess.run([os.path.join(gate.build, "sallyport"), "scan", *words], input=stdin,
                          capture_output=True, timeout=120, check=False)


def one(gate, folder, sample):
    path = os.path.join(folder, sample.name + ".eml")
    with open(path, "wb") as f:
        f.write(sample.message)
    done = scan(gate, "-c", gate.conf, "--json", path)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        tap.ok(False, f"{sample.name}: one JSON object")
        tap.note(done.stdout[:300] + done.stderr[:1000])
        return
    outcome = answer.get("outcome")
    fine = outcome in OUTCOMES if sample.want == samples.EITHER else outcome == sample.want
    if not tap.ok(fine, f"{sample.name}: {outcome}"):
        tap.note(json.dumps(answer)[:1500])
    kinds = {x.get("kind") for x in answer.get("findings", [])}
    if sample.name in FINDINGS:
        tap.ok(FINDINGS[sample.name] in kinds, f"{sample.name}: finding {FINDINGS[sample.name]} among {sorted(kinds)}")
    tap.equal(done.returncode, 1 if kinds else 0, f"{sample.name}: exit code")
    unfinished = [c for c, v in answer.get("checks", {}).items() if v.get("state") in ("failed", "timeout")]
    tap.equal(unfinished, [], f"{sample.name}: every check came to its end")
    if outcome == "deliver":
        tap.ok(answer.get("checks", {}).get("virus", {}).get("state") == "ran", f"{sample.name}: clean means scanned")


def edges(gate, folder):
    clean = os.path.join(folder, "clean.eml")
    with open(clean, "rb") as f:
        message = f.read()
    tap.equal(scan(gate, "-c", gate.conf, "-", stdin=message).returncode, 0, "- reads standard input")
    done = scan(gate, "-c", gate.conf, "--json", clean, os.path.join(folder, "virus.eml"), clean)
    tap.equal(len(done.stdout.splitlines()), 3, "one JSON object a line for each file")
    tap.equal(done.returncode, 1, "exit 1 when one of several holds something")
    tap.equal(scan(gate).returncode, 64, "exit 64 without a file")
    tap.equal(scan(gate, "-c", os.path.join(folder, "none.conf"), clean).returncode, 78, "exit 78 without configuration")
    done = scan(gate, "-c", gate.conf, "--json", os.path.join(folder, "none.eml"))
    tap.ok(done.returncode not in (0, 1), f"a missing file is not clean (exit {done.returncode})")
    gate.options["ClamAV Database Directory"] = os.path.join(folder, "empty")
    os.mkdir(os.path.join(folder, "empty"))
    gate.write_configuration()
    done = scan(gate, "-c", gate.conf, "--json", clean)
    tap.ok(done.returncode not in (0, 1), f"without signatures nothing is clean (exit {done.returncode})")


def main():
    script.need()
    with script.folder() as folder:
        gate = gateway.Gateway(os.path.join(folder, "gate"))
        for sample in samples.everything():
            one(gate, folder, sample)
        edges(gate, folder)
    tap.done()


if __name__ == "__main__":
    main()
