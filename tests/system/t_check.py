#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What `sallyport check` says about the configurations that real sites have: each row is a site, what stands there that
is wrong, and the place and words that must be told. A site without a row's mistake has nothing to be told.
"""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, script, tap  # noqa: E402

SIGNATURES = os.path.join(gateway.TOP, "tests", "data", "signatures")

# (name, lines of the configuration, {file: content}, exit code, [(file, line, column, words)])
# {d} is the folder of the site; "main" the configuration, whose own lines come first in it.
SITES = [
    ("nothing wrong", "Max Children = 3\n", {}, 0, []),

    # files
    ("lines of Windows and a byte order mark", b"\xef\xbb\xbfMax Children = 3\r\n# \xfc\r\nVirus Scanning = yes\r\n", {}, 0, []),
    ("includes with braces, and two of them", "include {d}/{a,b}.conf {d}/c.conf\n",
     {"a.conf": "MTA = a\n", "b.conf": "MTA = exim\n", "c.conf": "Max Childern = 1\n"}, 1,
     [("c.conf", 1, 1, "did you mean 'Max Children'?")]),
    ("a directory among the included", "include {d}/*.d\n", {"x.d/": None}, 1,
     [("main", 1, 1, "{d}/x.d is a directory and is skipped; 'include {d}/x.d/*' reads the files in it")]),
    ("an included pipe", "include {d}/pipe\n", {"pipe|": None}, 78,
     [("main", 1, 1, "{d}/pipe cannot be read and is skipped: it is a device, a pipe or a socket")]),
    ("includes in a loop", "include {d}/a\n", {"a": "include {d}/b\n", "b": "include {d}/a\n"}, 1,
     [("b", 1, 1, "{d}/a has been read before and is skipped")]),
    ("no file on purpose", "Filename Rules = /dev/null\nInline Text Signature = /dev/null\nVirus Scanning = /dev/null\n", {},
     1, [("main", 2, 25, "accepted without effect"), ("main", 3, 18, "holds no rule")]),
    ("pipes and directories as rulesets", "Virus Scanning = {d}/pipe\nMaximum Message Size = {d}\n", {"pipe|": None}, 78,
     [("main", 1, 18, "cannot be read: it is a device, a pipe or a socket; the default 'yes' is used"),
      ("main", 2, 24, "cannot be read: it is a directory; the default '0' is used")]),
    ("a file that says it is empty", "Virus Scanning = /proc/self/status\n", {}, 78,
     [("main", 1, 18, "it changed while it was read")]),
    ("UTF-16", "Max Children = 3\n".encode("utf-16"), {}, 78, [("main", 1, 1, "save it as UTF-8")]),

    # rulesets
    ("several addresses in a rule", "Virus Scanning = {d}/r.rules\n",
     {"r.rules": "From: a@b.c, d@e.f no\nFrom: <a@b.c> no\nTo: a@b.c d@e.g no\n"}, 1,
     [("r.rules", 1, 7, "'a@b.c,' is one pattern, which never matches"), ("r.rules", 1, 14, "the address 'd@e.f' stands among"),
      ("r.rules", 2, 7, "'<a@b.c>' never matches: addresses are compared without"), ("r.rules", 3, 11, "the address 'd@e.g'")]),
    ("numbers that no IP address begins with", "Virus Scanning = {d}/r.rules\n",
     {"r.rules": "From: 192.168.1.256 no\nFrom: 300. no\nFrom: 1.2.3.4. no\nFrom: .300 no\n"
                 "From: 1.2.3. no\nFrom: 1.2.25 no\n"}, 1,
     [("r.rules", n, 7, "never matches: no address begins so") for n in (1, 2, 3, 4)] +
     [("r.rules", 6, 1, "write '1.2.25.' for the network")]),
    ("a domain that looks like an IP address", "Virus Scanning = {d}/r.rules\n", {"r.rules": "To: bad.de no\nTo: default no\n"}, 1,
     [("r.rules", 1, 5, "write *@bad.de for the domain")]),
    ("a recipient's IP address", "Virus Scanning = {d}/r.rules\n", {"r.rules": "To: 192.0.2.1 no\nTo: default no\n"}, 1,
     [("r.rules", 1, 1, "the rule never matches; write From:")]),
    ("defaults one after the other", "Virus Scanning = {d}/r.rules\n",
     {"r.rules": "From: default no\nTo: default yes\n"}, 1, [("r.rules", 1, 1, "is set again at line 2")]),
    ("nothing but comments", "Virus Scanning = {d}/r.rules\n", {"r.rules": "# To: default no\n"}, 1,
     [("main", 1, 18, "holds no rule; the default 'yes' counts for everybody")]),
    ("a rule that goes on", "Virus Scanning = {d}/r.rules\n", {"r.rules": "To: a@b.c \\\n  no\nTo:a@b.c no\n"}, 78,
     [("r.rules", 1, 11, "lines cannot be continued"), ("r.rules", 2, 3, "too few fields"),
      ("r.rules", 3, 1, "with blanks between them"), ("main", 1, 18, "holds no rule")]),

    # rules of file names and types
    ("every wrong pattern of a rule file", "Filename Rules = {d}/names\n",
     {"names": "deny\t\\.(exe$\ta\tb\nallow\t\\.txt$\t-\t-\ndeny\t(?{ 1 })\ta\tb\ndney\tx\ta\tb\ndeny  x  a  b\n"
               "deny\t-\t[\ta\tb\r\n"}, 78,
     [("names", 1, 1, "pattern '\\.(exe$' is wrong at offset 7: missing closing"), ("names", 3, 1, "is wrong at offset 2"),
      ("names", 4, 1, "'dney' is not an action"), ("names", 5, 1, "expected 4 or 5 with tabs between them"),
      ("names", 6, 1, "pattern '[' is wrong")]),
    ("wrong patterns in options", "Allow Filenames = \\.a$ (\nArchives: Deny Filetypes = [ x\n", {}, 78,
     [("main", 1, 19, "Allow Filenames: pattern '(' is wrong"), ("main", 2, 28, "Archives: Deny Filetypes: pattern '['")]),

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
    ("no signatures", "ClamAV Database Directory = {d}/in\n", {}, 78,
     [("main", 1, 29, "{d}/in: no signatures there; run freshclam")]),
    ("none needed", "ClamAV Database Directory = {d}/none\nVirus Scanners = none\n", {}, 0, []),
    ("none needed, either", "ClamAV Database Directory = {d}/none\nVirus Scanning = no\n", {}, 0, []),
    ("scanners that do not scan", "Virus Scanners = sophos, clamd mcafee6\n", {}, 1,
     [("main", 1, 18, "'sophos' is not started"), ("main", 1, 18, "'mcafee6' is not started")]),
    ("syslog's facilities", "Syslog Facility = LOG_LOCAL3\n", {}, 0, []),
    ("no facility", "Syslog Facility = nosuch\n", {}, 1, [("main", 1, 19, "none of the known words auth|")]),
    ("queues on two file systems", "Outgoing Queue Dir = /proc\n", {}, 78,
     [("main", 1, 22, "{d}/in & /proc must be on the same filesystem/partition!")]),
    ("one queue for both", "Outgoing Queue Dir = {d}/out/../in\n", {}, 78,
     [("main", 1, 22, "{d}/out/../in is both incoming and outgoing queue directory")]),
]


def write(folder, name, text):
    if name.endswith("/"):
        os.mkdir(os.path.join(folder, name))
        return
    if name.endswith("|"):
        os.mkfifo(os.path.join(folder, name[:-1]))
        return
    with open(os.path.join(folder, name), "wb") as f:
        f.write(text if isinstance(text, bytes) else text.replace("{d}", folder).encode())


def check(folder, text, files):
    """The lines of the row come first, so that their numbers are those of the row."""
    for name in ("in", "out", "quarantine"):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    for name, content in files.items():
        write(folder, name, content)
    main = text if isinstance(text, bytes) else text.replace("{d}", folder).encode()
    host = {"Incoming Queue Dir": folder + "/in", "Outgoing Queue Dir": folder + "/out",
            "Quarantine Dir": folder + "/quarantine", "ClamAV Database Directory": SIGNATURES}
    for option, value in host.items():
        if option.encode() not in main:
            main += f"{option} = {value}\n".encode()
    write(folder, "main", main)
    done = subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "check", "--json", "-c",
                           os.path.join(folder, "main")], capture_output=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)["problems"]


def is_told(problem, folder, want):
    name, line, column, words = want
    return (problem["file"] == os.path.join(folder, name) and (problem["line"], problem["column"]) == (line, column) and
            words.replace("{d}", folder) in problem["text"])


def last_lines():
    """Where a person reads: in order of the lines, and in the end what becomes of the daemon."""
    cases = (("Max Children = x\nVirus Scanning = z\nMax Childern = 2\n", 78,
              "2 errors, 1 warning: the daemon starts, but lines with an error do not count"),
             ("Max Childern = 2\n", 1, "1 warning: the daemon starts with it"),
             ("MTA = postfix\n", 78, "1 error: the daemon would not start"),
             ("Deny Filenames = (\n", 78, "1 error: the daemon would not start"),
             ("no sense\nMax Children = y\n", 78,
              "2 errors: the daemon would not start; queues and rule files have not been looked at"))
    for text, code, last in cases:
        with script.folder() as folder:
            problems = check(folder, text, {})[1]
            done = subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "check", "-c",
                                   os.path.join(folder, "main")], capture_output=True, text=True, timeout=60, check=False)
            lines = done.stdout.splitlines()
            tap.equal((done.returncode, lines[-1]), (code, last), f"check ends with: {last}")
            tap.equal([x.split(":")[1] for x in lines[:-1]], [str(p["line"]) for p in problems], "  in order of lines")
            tap.ok("\033" not in done.stdout, "  without colours, since nobody sees it")


def questions():
    """What --value says of a line that does not count, and of questions that make no sense."""
    def sallyport(*words):
        return subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "config", *words, "-c", conf],
                              capture_output=True, text=True, timeout=60, check=False)

    with script.folder() as folder:
        conf = os.path.join(folder, "main")
        write(folder, "main", "Max Children = x\nVirus Scanning = &Foo\nMTA = exim\nScan Messages = {d}/none.rules\n"
                              "Queue Scan Interval =\nDB Password = secret\n")
        for line, option in ((1, "Max Children"), (2, "Virus Scanning"), (4, "Scan Messages")):
            got = json.loads(sallyport("--value", option, "--json").stdout)
            tap.equal((got["source"], got.get("rejected")), ("default", f"{conf}:{line}"), f"{option}: its line does not count")
            tap.ok(f"what {conf}:{line} says is wrong" in sallyport("--value", option).stdout, "  and people are told")
        for option, want in (("Max Children", "x"), ("Virus Scanning", "&Foo"), ("Scan Messages", f"{folder}/none.rules"),
                             ("Restart Every", "14400"), ("DB Password", "(hidden)")):
            done = subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "ms-peek", option, conf],
                                  capture_output=True, text=True, timeout=60, check=False)
            tap.equal(done.stdout, want + "\n", f"ms-peek {option}: as the file has it")
        for option in ("MTA", "Queue Scan Interval", "Max Messages In Flight"):
            got = sallyport("--value", option)
            tap.ok("is wrong" not in got.stdout and got.returncode == 0, f"{option}: nothing wrong with it")
        for word in ("abc", "192.0.2.256", "192.0.2.0/24", ""):
            done = sallyport("--value", "MTA", "--ip", word)
            tap.ok(done.returncode == 64 and f"'{word}' is no IP address" in done.stderr, f"--ip '{word}'")
        many = [x for n in range(101) for x in ("--to", f"u{n}@a.test")]
        tap.equal(sallyport("--value", "MTA", *many).returncode, 64, "101 recipients")
        tap.equal(sallyport("--value", "MTA", *many[2:]).returncode, 0, "100 recipients")
        daemon = os.path.join(gateway.build_dir(), "sallyportd")
        done = subprocess.run([daemon, "--value=children", conf], capture_output=True, text=True, timeout=60, check=False)
        tap.ok(f"What {conf}:1 says is wrong" in done.stderr, "sallyportd --value says so, too")
        done = subprocess.run([daemon, "--changed", conf, conf], capture_output=True, text=True, timeout=60, check=False)
        tap.equal(done.returncode, 64, "two configurations are a mistake")


def closed_files():
    """As a user who may not read everything: each file has its reason, and none counts as missing."""
    if os.geteuid() != 0:
        tap.skip("a user without rights", "needs root to become one")
        return
    with script.folder() as folder:
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "shut"), 0o700)
        for name in ("shut/x", "closed"):
            write(folder, name, "")
            os.chmod(os.path.join(folder, name), 0o600)
        write(folder, "main", "include {d}/shut/*\ninclude {d}/closed\nVirus Scanning = {d}/closed\n"
                              "Language Strings = {d}/shut/x\n")
        os.chmod(os.path.join(folder, "main"), 0o644)
        program = os.path.join(folder, "sallyport")
        shutil.copy(os.path.join(gateway.build_dir(), "sallyport"), program)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "check", "--json",
                               "-c", os.path.join(folder, "main")], capture_output=True, timeout=60, check=False)
        told = [(p["line"], p["text"].replace(folder, "{d}")) for p in json.loads(done.stdout)["problems"] if p["line"] > 0]
        tap.equal(told, [
            (1, "'{d}/shut/*' cannot be looked up and is skipped: Permission denied"),
            (2, "{d}/closed cannot be read and is skipped: Permission denied"),
            (3, "Virus Scanning: the ruleset '{d}/closed' cannot be read: Permission denied; the default 'yes' is used"),
            (4, "Language Strings: '{d}/shut/x' is not a file that exists and can be read ({d}/shut/x: Permission denied); "
                "the default '' is used")], "a user without rights")


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
    last_lines()
    questions()
    closed_files()
    tap.done()


if __name__ == "__main__":
    main()
