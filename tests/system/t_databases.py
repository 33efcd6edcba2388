#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A gateway whose options and rules come from a database: SQLite, PostgreSQL and LDAP, real ones.
While mail flows the content changes and its serial number grows: each message has the settings of
one moment and none is lost. The server goes away: mail flows on with what is in force. Neither
gateway nor zygote nor workers hold the password.
"""

import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, databases, gateway, load, packages, queuefile, samples, script, sink, tap, wait  # noqa: E402

CHANGES = 4
BACKLOG = 40
SETTLE_SECONDS = 60
FAILED = "the configuration in force stays"
INFORMATION, MAIL = b"X-test-MailScanner-Information", b"X-test-MailScanner"


def settings_of(message):
    return sink.settings_of(message, INFORMATION, MAIL)


def command(gate, *words):
    return subprocess.run([os.path.join(gate.build, "sallyport"), *words, "-c", gate.conf], capture_output=True,
                          text=True, timeout=60, check=False)


def check_tools(gate, db, name):
    """The deciding row is named, the password is not shown."""
    done = command(gate, "config", "--value", "Clean Header Value", "--from", "a@b", "--json")
    got = json.loads(done.stdout or "{}")
    tap.equal((got.get("value"), got.get("source")), (f"clean {name}", db.place),
              f"{db.name}: config --value names the row that decides")
    dump = command(gate, "config", "--dump")
    tap.ok(databases.PASSWORD not in dump.stdout + dump.stderr and "info " + name in dump.stdout,
           f"{db.name}: config --dump tells values, no password")
    checked = command(gate, "check")
    tap.ok(checked.returncode in (0, 1) and "error" not in checked.stdout, f"{db.name}: check finds no mistake")
    if checked.returncode not in (0, 1):
        tap.note(checked.stdout + checked.stderr)


def memory_holds(pid, what):
    """Whether the memory of @pid holds the bytes @what."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps.read().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)", line)
            if not found or found.group(3) in ("[vvar]", "[vsyscall]"):
                continue
            start, end = int(found.group(1), 16), int(found.group(2), 16)
            if end - start > 1 << 30:
                continue
            try:
                mem.seek(start)
                if what in mem.read(end - start):
                    return True
            except (OSError, ValueError, OverflowError):  # not to be read, or gone
                continue
    return False


def check_secret(gate, db):
    secret = databases.PASSWORD.encode()
    # Supervisor and loader read it; what the supervisor is about to execute is "other", too.
    holders = {role for pid, role in gate.tree().items()
               if role in ("gateway", "zygote", "worker") and memory_holds(pid, secret)}
    tap.equal(sorted(holders), [], f"{db.name}: gateway, zygote and workers do not hold the password")
    tap.ok(memory_holds(gate.pid("gateway"), b"info v"), f"{db.name}: (what it may know is found in its memory)")
    tap.ok(databases.PASSWORD not in gate.log_text(), f"{db.name}: nor does the log")


def said(gate, text):
    return gate.log_text().count(text)


def wait_for(drain, name):
    wait.until(lambda: any(settings_of(m) == name for m in drain.taken[-50:]), 90, f"messages with the settings {name}")


def changes(gate, db, drain):
    for n in range(CHANGES):
        db.publish(f"v{n}")
        wait_for(drain, f"v{n}")
        tap.progress(f"{db.name}: change {n + 1}")
    return f"v{CHANGES - 1}"


def goes_away(gate, db, drain):
    """Nothing changes but the log: one line for many questions, one for each reload that is asked for."""
    before, again, reloads = said(gate, FAILED), said(gate, "can be asked again"), said(gate, "reload: ")
    db.away()
    wait.until(lambda: said(gate, FAILED) > before, 60, "the log says that the database is away")
    taken = len(drain.taken)
    wait.until(lambda: len(drain.taken) > taken + 20, 60, "mail while the database is away")
    tap.ok(said(gate, FAILED) == before + 1, f"{db.name}: one line says that the database is away")
    for words in (("status",), ("stats",), ("queue",), ("throttle", "list")):
        done = command(gate, *words)
        tap.ok(done.returncode == 0 and "about the files alone" in done.stderr,
               f"{db.name}: {' '.join(words)} asks the gateway all the same")
    os.kill(gate.pid("supervisor"), signal.SIGHUP)
    wait.until(lambda: said(gate, "reload: ") > reloads, 60, "the log says that the reload failed")
    line = [x for x in gate.log_text().splitlines() if "reload: " in x][-1]
    tap.ok(FAILED in line and re.search(r"sallyport\.conf:\d+: (DB DSN|LDAP Server)", line),
           f"{db.name}: a reload without the database changes nothing and names its line")
    db.back()
    db.publish("again")
    wait_for(drain, "again")
    tap.equal(said(gate, "can be asked again"), again + 1, f"{db.name}: back, and what changed is in force")


def loaders(gate):
    """Children of the supervisor under its own name; what the gateway starts is another thing."""
    return {p for p, role in gate.tree().items() if role == "other" and gateway.parent(p) == gate.pid("supervisor")}


def hangs(gate, db, drain):
    """A server that does not answer for 30 s holds up a loader, not the supervisor."""
    if db.name != "PostgreSQL":
        return
    db.hang(True)
    try:
        before = loaders(gate)  # it may be served by a process that goes on
        loader = wait.until(lambda: next(iter(loaders(gate) - before), None), 60, "a loader that waits", every=0.1)
        old = gate.pid("zygote")
        os.kill(old, signal.SIGKILL)
        wait.until(lambda: gate.pid("zygote") not in (None, old) and gate.ready(), 25, "a new zygote and workers")
        taken = len(drain.taken)
        wait.until(lambda: len(drain.taken) > taken + 20, 20, "mail while the database hangs")
        tap.ok(gateway.alive([loader]) == [loader], f"{db.name}: hangs: meanwhile the supervisor did its work")
    finally:
        db.hang(False)


def check_messages(db, acc, taken, names):
    tap.equal(acc.missing(), [], f"{db.name}: none of {len(acc.accepted)} is missing ({acc.summary()})")
    tap.equal((acc.unknown(), acc.changed(), acc.let_through(), acc.withheld()), ([], [], [], []),
              f"{db.name}: all arrived as they were")
    tap.equal(acc.repeats(), 0, f"{db.name}: every message was delivered once")
    found = {}
    for message in taken:
        found[settings_of(message)] = found.get(settings_of(message), 0) + 1
    tap.note(f"delivered with the settings of: {found}")
    allowed = names if db.name != "LDAP" else set(found)  # two entries cannot change in one moment there
    tap.equal(sorted(set(found) - allowed), [], f"{db.name}: each message has the settings of one moment")
    tap.ok(names <= set(found), f"{db.name}: all of them were in force")


def under_load(gate, db):
    gate.start()
    before = {role: gate.pid(role) for role in ("supervisor", "gateway")}
    drain = account.Drain("sendmail", gate.out_queue)
    acc = account.Account()
    writer = account.Load(acc, queuefile.SendmailWriter(gate.in_queue),
                          load.mixed(1, {s.name for s in samples.everything()} - {"bomb", "nested"}), BACKLOG)
    try:
        wait_for(drain, "first")
        last = changes(gate, db, drain)
        check_tools(gate, db, last)
        check_secret(gate, db)
        hangs(gate, db, drain)
        goes_away(gate, db, drain)
    finally:
        writer.stop()
    gate.wait_empty(SETTLE_SECONDS)
    tap.equal({role: gate.pid(role) for role in before}, before, f"{db.name}: supervisor and gateway are the same processes")
    taken = drain.taken
    drain.stop(acc)
    tap.equal(gate.stop(), 0, f"{db.name}: stops cleanly")
    acc.read_quarantine(gate.quarantine)
    acc.read_queue(acc.queued, "sendmail", gate.in_queue)
    check_messages(db, acc, taken, {"first", "again", *(f"v{n}" for n in range(CHANGES))})


def run_to_end(gate, seconds=60):
    """Start it where it must fail; returns its exit code and what it logged."""
    before = len(gate.log_text())
    gate.start(wait_ready=False)
    wait.until(lambda: not gate.running(), seconds, "the end of a start that must fail")
    code = gate.stop()
    return code, gate.log_text()[before:]


def check_starts(gate, db):
    db.away()
    code, text = run_to_end(gate)
    tap.equal(code, 75, f"{db.name}: does not start without the database: try again later")
    errors = [x for x in text.splitlines() if re.search(r"sallyport\.conf:\d+: (DB DSN|LDAP Server)", x)]
    tap.ok(len(errors) == 1 and databases.PASSWORD not in text, f"{db.name}: and says which line names it")
    gate.options["SQL Cache File"] = gate.path("state", "cache")
    gate.write_configuration()
    db.back()
    gate.start().stop()
    tap.ok(os.stat(gate.path("state", "cache")).st_mode & 0o777 == 0o600, f"{db.name}: the answers are kept, for root only")
    with open(gate.path("state", "cache"), "rb") as f:
        tap.ok(databases.PASSWORD.encode() not in f.read(), f"{db.name}: without the password")
    db.away()
    gate.start()
    tap.ok(said(gate, "its last answers, kept in") == 1, f"{db.name}: starts with what was kept, and says so")
    reloads = said(gate, "Configuration reloaded")
    db.back()
    db.publish("late")
    wait.until(lambda: said(gate, "Configuration reloaded") > reloads, 60, "a reload when the database is back")
    check_tools(gate, db, "late")
    gate.stop()


def check_wrong_password(gate, db):
    if db.name != "PostgreSQL":
        return
    gate.options.pop("SQL Cache File", None)
    gate.options["DB Password"] = "falsch-0815"
    gate.write_configuration()
    code, text = run_to_end(gate)
    lines = [x for x in text.splitlines() if "authentication failed" in x]
    tap.ok(code == 75 and len(lines) == 1 and "DB DSN" in lines[0] and "falsch" not in text,
           f"{db.name}: a wrong password: one line, with what the server says")
    tap.note(lines[0] if lines else text)


def run(kind, folder):
    try:
        db = kind(os.path.join(folder, kind.name + "-server"))
    except packages.Missing as why:
        tap.skip(kind.name, str(why))
        return
    gate = gateway.Gateway(os.path.join(folder, kind.name), options={"Maximum Processing Attempts": 0, **db.options()})
    try:
        db.publish("first")
        under_load(gate, db)
        check_starts(gate, db)
        check_wrong_password(gate, db)
    except wait.Late as late:
        script.too_late(late)
        tap.note(gate.log_tail())
    finally:
        gate.stop()
        db.stop()


def main():
    script.need("processes change users")
    chosen = sys.argv[1:]
    with script.folder() as folder:
        for kind in (databases.Sqlite, databases.Postgres, databases.Ldap):
            if not chosen or kind.name in chosen:
                run(kind, folder)
    tap.done()


if __name__ == "__main__":
    main()
