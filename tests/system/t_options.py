#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Each of MailScanner's 398 options answers `config --value` with the built-in default of the table
options.tsv (SALLYPORT_SPEC names its folder; otherwise it lies beside the corpus), and the unmodified
sample configuration has no mistake.
"""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, script, tap  # noqa: E402

COLUMNS = ["name", "internal_name", "type", "allowed_values", "default", "shipped_value", "ruleset", "section",
           "effect", "obsolete"]


def find_table():
    places = [os.environ.get("SALLYPORT_SPEC"), os.path.join(os.environ.get("SALLYPORT_EXPECTED", "/nonexistent"),
                                                             "..", "spec")]
    for place in filter(None, places):
        path = os.path.join(place, "options.tsv")
        if os.path.isfile(path):
            return path
    return None


def read_table(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    if lines[0] != COLUMNS:
        raise ValueError(f"{path}: columns {lines[0]}")
    return [dict(zip(COLUMNS, x)) for x in lines[1:] if not x[0].startswith("%")]


def sallyport(*words):
    return subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), *words], capture_output=True, text=True,
                          timeout=60, check=False)


def ask(conf, name):
    done = sallyport("config", "--value", name, "--json", "-c", conf)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": done.stderr}


def defaults(table, conf):
    """An empty file: all that holds is built in. The table writes a line feed as the file does."""
    for row in table:
        want = {"option": row["name"], "value": row["default"].replace("\\n", "\n"), "source": "default"}
        tap.equal(ask(conf, row["name"]), want, f"{row['name']} = {row['default'][:40]}")


def sample(folder):
    """The sample configuration, but for queues and programs that this host may lack."""
    site = os.path.join(folder, "stock")
    shutil.copytree(os.path.join(gateway.TOP, "config"), site)
    path = os.path.join(site, "sallyport.conf")
    with open(path, encoding="utf-8") as f:
        lines = [x for x in f if not x.startswith(("Sendmail =", "Sendmail2 ="))]
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(lines)
    with open(os.path.join(site, "conf.d", "10-host.conf"), "w", encoding="ascii") as f:
        for name in ("Incoming Queue Dir", "Outgoing Queue Dir", "Quarantine Dir"):
            own = os.path.join(folder, name.split()[0])
            os.mkdir(own, 0o700)
            f.write(f"{name} = {own}\n")
        f.write(f"ClamAV Database Directory = {gateway.TOP}/tests/data/signatures\n")
    done = sallyport("check", "--json", "-c", path)
    tap.equal((done.returncode, json.loads(done.stdout)), (0, {"ok": True, "starts": True, "problems": []}),
              "check: the sample is fine")
    tap.equal(sallyport("check", "-c", path).stdout, f"no mistakes in {path}\n", "check: and says so")


def recipients(folder):
    """Several recipients: what they have together, as MailScanner answers, and what the gateway goes by."""
    rules, conf = os.path.join(folder, "size.rules"), os.path.join(folder, "size.conf")
    with open(rules, "w", encoding="ascii") as f:
        f.write("To: a@x.test 3000\nTo: b@x.test 5000\nFromOrTo: default 7\n")

    def value(more, *to):
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"Maximum Message Size = {rules}\n{more}\n")
        words = [w for t in to for w in ("--to", t)]
        got = json.loads(sallyport("config", "--value", "Maximum Message Size", *words, "--json", "-c", conf).stdout)
        return got["value"], [(r["to"], r["value"], r["source"]) for r in got.get("recipients", [])]

    each = [("b@x.test", "5000", f"{rules}:2"), ("a@x.test", "3000", f"{rules}:1"), ("c@x.test", "7", f"{rules}:3")]
    tap.equal(value("", *(e[0] for e in each)), ("3000", each), "recipients who disagree: each has his own value")
    tap.equal(value("", "c@x.test", "d@x.test"), ("7", []), "who agree: one value")
    tap.equal(value("Recipient Values = join", "b@x.test", "a@x.test"), ("3000", []), "and when they are joined")
    done = sallyport("config", "--value", "Maximum Message Size", *(["--to", "a@x.test"] * 101), "-c", conf)
    tap.equal((done.returncode, done.stdout, "more than 100 --to" in done.stderr), (64, "", True), "too many: refused")


def main():
    path = find_table()
    script.need()
    with script.folder() as folder:
        sample(folder)
        recipients(folder)
        if path is None:
            tap.skip("the table of options", "neither SALLYPORT_SPEC nor the folder beside the corpus has options.tsv")
            tap.done()
            return
        table = read_table(path)
        tap.equal(len(table), 398, "options in the table")
        conf = os.path.join(folder, "empty.conf")
        with open(conf, "w", encoding="ascii"):
            pass
        defaults(table, conf)
    tap.done()


if __name__ == "__main__":
    main()
