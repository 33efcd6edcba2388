#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What `sallyport check` says about the configurations that real sites have: each row is a site, what stands there that
is wrong, and the place and words that must be told. A site without a row's mistake has nothing to be told.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, script, tap  # noqa: E402

# (name, lines of the configuration, {file: content}, exit code, [(file, line, column, words)])
# {d} is the folder of the site; "main" the configuration, whose own lines come first in it.
SITES = [
    ("nothing wrong", "Max Children = 3\n", {}, 0, []),

    # this host
    ("another MTA", "MTA = postfix\n", {}, 78, [("main", 1, 7, "this version knows sendmail and exim")]),
    ("no such user", "Run As User = nosuchuser\n", {}, 78, [("main", 1, 15, "this host has no such user")]),
    ("no such group", "Run As Group = nosuchgroup\n", {}, 78, [("main", 1, 16, "this host has no such group")]),
    ("a user and a group by number", "Run As User = 0\nRun As Group = 0\nQuarantine Group = 8\n", {}, 0, []),
    ("no octal mode", "Quarantine Permissions = rw\n", {}, 78, [("main", 1, 26, "an octal mode such as 0660")]),
    ("no incoming queue", "Incoming Queue Dir = {d}/none\n", {}, 78,
     [("main", 1, 22, "no such directory; the gateway would not start")]),
    ("one queue of a list missing", "Incoming Queue Dir = {d}/list\n", {"list": "{d}/in\n{d}/none\n"}, 1,
     [("main", 1, 22, "{d}/none: no such directory; skipped")]),
    ("syslog's facilities", "Syslog Facility = LOG_LOCAL3\n", {}, 0, []),
    ("no facility", "Syslog Facility = nosuch\n", {}, 1, [("main", 1, 19, "none of the known words auth|")]),
    ("queues on two file systems", "Outgoing Queue Dir = /proc\n", {}, 78,
     [("main", 1, 22, "{d}/in & /proc must be on the same filesystem/partition!")]),
]


def write(folder, name, text):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(text if isinstance(text, bytes) else text.replace("{d}", folder).encode())


def check(folder, text, files):
    """The lines of the row come first, so that their numbers are those of the row."""
    for name in ("in", "out", "quarantine"):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    for name, content in files.items():
        write(folder, name, content)
    main = text if isinstance(text, bytes) else text.replace("{d}", folder).encode()
    for option, name in (("Incoming Queue Dir", "in"), ("Outgoing Queue Dir", "out"), ("Quarantine Dir", "quarantine")):
        if option.encode() not in main:
            main += f"{option} = {folder}/{name}\n".encode()
    write(folder, "main", main)
    done = subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "check", "--json", "-c",
                           os.path.join(folder, "main")], capture_output=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)["problems"]


def is_told(problem, folder, want):
    name, line, column, words = want
    return (problem["file"] == os.path.join(folder, name) and (problem["line"], problem["column"]) == (line, column) and
            words.replace("{d}", folder) in problem["text"])


def one_site(name, text, files, code, wants):
    with script.folder() as folder:
        got, problems = check(folder, text, files)
        tap.equal(got, code, f"{name}: exit {code}")
        for want in wants:
            tap.ok(any(is_told(p, folder, want) for p in problems), f"  {want[0]}:{want[1]}:{want[2]}: ... {want[3]}")
        odd = [p for p in problems if not any(is_told(p, folder, w) for w in wants)]
        tap.equal(odd, [], "  and nothing else")


def main():
    script.need()
    for site in SITES:
        one_site(*site)
    tap.done()


if __name__ == "__main__":
    main()
