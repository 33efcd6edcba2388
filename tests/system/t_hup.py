#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What must not depend on the configuration that a reload finds: files are opened anew on SIGHUP
whatever it says, and what the command line said holds after every reload, also when a database
has another opinion and when the daemon has left the folder that its paths began in.
"""

import os
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import databases, gateway, lines, queuefile, samples, script, tap, wait  # noqa: E402

RELOADED = "Configuration reloaded"
FAILED = "the configuration in force stays"
LETTER = bytes(samples.letter("a letter"))


def hup(gate, text, count=1):
    """SIGHUP, until the log has @count more lines with @text."""
    before = gate.log_text().count(text)
    os.kill(gate.pid("supervisor"), signal.SIGHUP)
    wait.until(lambda: gate.log_text().count(text) >= before + count, 60, f"'{text}' after SIGHUP")


def deliver(gate, folder=None):
    """One message; returns its id when it has left the queue."""
    name = queuefile.SendmailWriter(folder or gate.in_queue).write(LETTER)
    wait.until(lambda: os.path.exists(os.path.join(gate.out_queue, "qf" + name)), 60, f"delivery of {name}")
    return name


def ids(path):
    """The ids of a message log's lines."""
    return [r["id"] for r in lines.records(path)]


def has(path, name):
    wait.until(lambda: name in ids(path), 60, f"the line of {name} in {path}")


def sallyport(gate, *words):
    return subprocess.run([os.path.join(gate.build, "sallyport"), *words, "-c", gate.conf], capture_output=True,
                          text=True, timeout=60, check=False)


def rotate(gate, log, number):
    os.rename(log, f"{log}.{number}")
    return f"{log}.{number}"


def message_log(folder):
    log = os.path.join(folder, "json", "messages.json")
    os.makedirs(os.path.dirname(log))
    gate = gateway.Gateway(os.path.join(folder, "log"), options={"Message Log": log})
    try:
        gate.start()
        has(log, deliver(gate))

        old = rotate(gate, log, 1)
        gate.options["Filename Rules"] = "/nonexistent/rules"
        gate.write_configuration()
        hup(gate, FAILED)
        name = deliver(gate)
        has(log, name)
        tap.ok(name not in ids(old), "SIGHUP with a mistake in the configuration opens the message log anew")

        old = rotate(gate, log, 2)
        done = sallyport(gate, "reload")  # what config/system/sallyport.logrotate calls
        tap.ok(done.returncode == 78 and f"{gate.conf}:" in done.stderr, "the reload command tells the mistake")
        wait.until(lambda: os.path.exists(log), 60, "the message log after the reload command")
        name = deliver(gate)
        has(log, name)
        tap.ok(name not in ids(old), "and opens the message log anew")
        for command in ("status", "stats", "queue"):
            done = sallyport(gate, command)
            tap.ok(done.returncode == 0 and done.stdout and "the gateway is asked all the same" in done.stderr,
                   f"{command} with a mistake in the configuration: the gateway's answer")
        wait.until(lambda: gate.log_text().count(FAILED) == 2, 60, "the end of its reload")

        # The file cannot be made: what is open goes on.
        old = rotate(gate, log, 3)
        os.mkdir(log)
        hup(gate, "lines go on into the file that was open")
        name = deliver(gate)
        has(old, name)
        tap.ok(True, "a message log that cannot be opened: the old file is written on")
        os.rmdir(log)
        gate.options["Filename Rules"] = gate.path("etc", "filename.rules.conf")
        gate.options["Message Log"] = gate.path("no", "such", "folder")
        gate.write_configuration()
        hup(gate, RELOADED)
        has(log, deliver(gate))  # which SIGHUP has opened, before the new path was known
        tap.ok(True, "the same with a new path in a good configuration")
        hup(gate, RELOADED)
        tap.equal([x for x in gate.log_text().splitlines() if "nothing is written" in x], [], "never dark")
        gate.options["Message Log"] = ""
        gate.write_configuration()
        hup(gate, RELOADED)
        name = deliver(gate)
        tap.equal(gate.stop(), 0, "stops cleanly")
        tap.ok(name not in ids(log) + ids(old), "without a path there is none")
    finally:
        gate.stop()


def queues(gate, *names):
    paths = [gate.path(n) for n in names]
    for p in paths:
        os.mkdir(p, 0o700)
    return paths


def command_line(folder):
    """--inqueuedir, and a database that names another queue."""
    db = databases.Sqlite(os.path.join(folder, "server"))
    gate = gateway.Gateway(os.path.join(folder, "switch"), options=db.options())
    given, other = queues(gate, "given", "other")
    gate.switches = ["--inqueuedir=" + given]
    try:
        gate.start()
        deliver(gate, given)
        tap.ok(True, "--inqueuedir: the queue of the command line")
        for n in range(2):
            hup(gate, RELOADED)
            deliver(gate, given)
        tap.ok(True, "--inqueuedir: after SIGHUP, too, with a configuration from a database")
        db.publish("v1")
        wait.until(lambda: gate.log_text().count(RELOADED) >= 3, 60, "a reload for what changed in the database")
        deliver(gate, given)
        tap.ok(True, "--inqueuedir: and when the database changed")
        with sqlite3.connect(db.path) as c:
            c.execute("INSERT INTO config VALUES ('all', 'inqueuedir', ?)", (other,))
        hup(gate, RELOADED)
        deliver(gate, given)
        tap.equal(gate.ask("status").get("dirs"), [given], "--inqueuedir: counts more than the database's own row")
        gate.stop()
        gate.switches = []
        gate.start()
        deliver(gate, other)
        tap.ok(True, "(without the switch that row counts)")
    finally:
        gate.stop()


def relative(folder):
    """Paths from the folder where the daemon was started, which it leaves for the background."""
    gate = gateway.Gateway(os.path.join(folder, "relative"))
    given, = queues(gate, "given")
    argv = [os.path.join(gate.build, "sallyportd"), "-c", "etc/sallyport.conf", "--inqueuedir=given"]
    done = subprocess.run(argv, cwd=gate.folder, capture_output=True, timeout=60, check=False)
    tap.equal(done.returncode, 0, "goes to the background")
    try:
        wait.until(gate.ready, 60, "workers")
        with open(gate.options["PID file"], encoding="ascii") as f:
            pid = int(f.read())
        deliver(gate, given)
        before = gate.ask("status").get("generation")
        gate.options["Information Header Value"] = "after the reload"
        gate.write_configuration()
        os.kill(pid, signal.SIGHUP)
        wait.until(lambda: (gate.ask("status") or {}).get("generation") not in (None, before), 60, "a reload with relative paths")
        name = deliver(gate, given)
        with open(os.path.join(gate.out_queue, "qf" + name), "rb") as f:
            tap.ok(b"after the reload" in f.read(), "relative paths of the command line hold after a reload")
    finally:
        if os.path.exists(gate.options["PID file"]):
            with open(gate.options["PID file"], encoding="ascii") as f:
                pid = int(f.read())
            os.kill(pid, signal.SIGTERM)
            wait.until(lambda: not gateway.alive([pid]), 75, "its end")


def moved(folder):
    """Control Socket and PID file of a later configuration belong to somebody else."""
    gate = gateway.Gateway(os.path.join(folder, "moved"))
    old = [gate.options[n] for n in ("PID file", "Control Socket")]
    new = [gate.path(n) for n in ("other.pid", "other.socket")]
    for path in new:
        with open(path, "w", encoding="ascii") as f:
            f.write("somebody's\n")
    try:
        gate.start()
        pid = gate.pid("supervisor")
        gate.options.update(dict(zip(("PID file", "Control Socket"), new)))
        gate.write_configuration()
        before = gate.log_text().count(RELOADED)
        os.kill(pid, signal.SIGHUP)
        wait.until(lambda: gate.log_text().count(RELOADED) > before, 60, "a reload")
        wait.until(lambda: all(f"until then '{p}'" in gate.log_text() for p in old), 20, "two lines that say where they stay")
        tap.equal(gate.stop(), 0, "moved: stops cleanly")
        tap.equal([p for p in old if os.path.lexists(p)], [], "moved: its own PID file and socket are gone")
        tap.equal([p for p in new if not os.path.isfile(p)], [], "moved: the other files are not touched")
    finally:
        gate.stop()


def log_level(folder):
    """A configuration that fails late, in the scan engine, has changed nothing: nor what is logged."""
    gate = gateway.Gateway(os.path.join(folder, "level"))
    os.mkdir(gate.path("etc", "empty"))
    good = gate.options["ClamAV Database Directory"]
    try:
        gate.start()
        gate.options.update({"Log Level": "err", "ClamAV Database Directory": gate.path("etc", "empty")})
        gate.write_configuration()
        hup(gate, FAILED)
        hup(gate, "SIGHUP: reading the configuration again")
        before = gate.log_text().count(" Delivered 1 messages")
        deliver(gate)
        wait.until(lambda: gate.log_text().count(" Delivered 1 messages") > before, 20, "an info line of the gateway")
        tap.ok(True, "Log Level of a configuration that failed does not count")
        wait.until(lambda: gate.log_text().count(FAILED) == 2, 60, "the end of the second reload")
        gate.options["ClamAV Database Directory"] = good
        gate.write_configuration()
        generation = gate.ask("status")["generation"]
        os.kill(gate.pid("supervisor"), signal.SIGHUP)
        wait.until(lambda: gate.ask("status")["generation"] != generation, 60, "a reload")
        before = gate.log_text().count(" Delivered 1 messages")
        deliver(gate)
        tap.equal(gate.stop(), 0, "level: stops cleanly")
        text = gate.log_text()
        tap.ok(text.count(" Delivered 1 messages") == before and "finishing what is in hand" not in text,
               "one that is in force does, in gateway and supervisor")
    finally:
        gate.stop()


def linked(folder):
    """A configuration that is a link: programs agree about the folder it is in."""
    gate = gateway.Gateway(os.path.join(folder, "linked"))
    os.makedirs(gate.path("here"))
    os.symlink("../etc/sallyport.conf", gate.path("here", "link.conf"))
    gate.options["%where%"] = "%conf-dir%"
    gate.options["Information Header Value"] = "%where%"
    gate.write_configuration()
    gate.conf = gate.path("here", "link.conf")
    try:
        gate.start()
        name = deliver(gate)
        with open(os.path.join(gate.out_queue, "qf" + name), "rb") as f:
            own = gate.path("here").encode() in f.read()
        told = gate.control("config", "--value", "Information Header Value") or {}
        tap.ok(own and told.get("value") == gate.path("here"), f"daemon and tools agree what %conf-dir% is: {told}")
    finally:
        gate.stop()


def main():
    script.need()
    with script.folder() as folder:
        for part in (message_log, command_line, relative, moved, log_level, linked):
            try:
                part(os.path.join(folder, part.__name__))
            except wait.Late as late:
                script.too_late(late, f"{part.__name__}: ")
    tap.done()


if __name__ == "__main__":
    main()
