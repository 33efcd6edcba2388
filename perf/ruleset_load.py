#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What does a ruleset from a database cost to load, beside the same rules in a file? --rules rows, read by
"sallyport config"; processor time of that process, its peak memory, and both as a ratio to the file's.
PostgreSQL is measured when its programs are there; its own processor time is not counted.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
from kit import databases, packages  # noqa: E402

NAME = "big.customize"
STATEMENT = "SQL Ruleset = SELECT num, rule FROM ruleset WHERE name = ? ORDER BY num\n"


def rule(i):
    return f"From: user{i}@domain{i % 50000}.example.com {'yes' if i % 3 else 'no'}"


def from_file(folder, count):
    path = os.path.join(folder, "big.rules")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(rule(i) + "\n" for i in range(count))
    return f"Virus Scanning = {path}\n"


def from_sqlite(folder, count):
    path = os.path.join(folder, "big.db")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE ruleset (name TEXT, num INTEGER, rule TEXT)")
        db.executemany("INSERT INTO ruleset VALUES (?, ?, ?)", ((NAME, i, rule(i)) for i in range(count)))
        db.execute("CREATE INDEX by_name ON ruleset (name, num)")
    return f"Virus Scanning = {NAME}\nDB DSN = DBI:SQLite:dbname={path}\n{STATEMENT}"


def from_postgres(server, count):
    server.execute("INSERT INTO ruleset SELECT '" + NAME + "', i, 'From: user' || i || '@domain' || (i % 50000) || "
                   "'.example.com ' || (CASE WHEN i % 3 = 0 THEN 'no' ELSE 'yes' END) "
                   f"FROM generate_series(0, {count - 1}) i; CREATE INDEX by_name ON ruleset (name, num)")
    options = {k: v for k, v in server.options().items() if k.startswith("DB ")}
    return f"Virus Scanning = {NAME}\n" + "".join(f"{k} = {v}\n" for k, v in options.items()) + STATEMENT


def run(program, conf):
    began = time.monotonic()
    pid = os.posix_spawn(program, [program, "config", "-c", conf, "--value", "Virus Scanning", "--from", "user7@domain7.example.com"],
                         os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, used = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{program} ended with {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - began


def measure(args, folder, name, text, base):
    conf = os.path.join(folder, "big.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(text)
    cpu, memory, wall = min(run(os.path.join(args.build, "sallyport"), conf) for _ in range(args.rounds))
    ratio = f"{cpu / base[0]:5.2f} {memory / base[1]:7.2f}" if base else " 1.00    1.00"
    print(f"{name:12} {cpu:8.2f} s CPU {memory:8.0f} MiB {wall:8.2f} s wall   CPU, memory against the file: {ratio}", flush=True)
    return cpu, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        os.chmod(folder, 0o755)
        base = measure(args, folder, "file", from_file(folder, args.rules), None)
        measure(args, folder, "SQLite", from_sqlite(folder, args.rules), base)
        if os.geteuid() != 0:
            return
        try:
            server = databases.Postgres(os.path.join(folder, "pg"))
        except packages.Missing as why:
            print(f"PostgreSQL   not measured: {why}")
            return
        try:
            measure(args, folder, "PostgreSQL", from_postgres(server, args.rules), base)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
