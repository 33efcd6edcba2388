#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sallyportd under MailScanner's name, every switch of it, and the helper commands: on a site of its own."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, queuefile, samples, script, tap, wait  # noqa: E402

RULES = ("From: *@quiet.test no\nTo: boss@dest.test no\nFrom: 192.0.2. no\n"
         "FromOrTo: default yes\n")
LETTER = bytes(samples.letter("one pass"))


class Site:
    """A configuration, queues, and the daemon under MailScanner's name."""

    def __init__(self, folder):
        self.gate = gateway.Gateway(folder)
        self.rules = self.gate.path("etc", "scan.rules")
        with open(self.rules, "w", encoding="ascii") as f:
            f.write(RULES)
        self.gate.options["Virus Scanning"] = self.rules
        self.gate.options["Always Looked Up Last"] = "&MailWatchLogging"
        self.gate.write_configuration()
        self.program = os.path.join(folder, "MailScanner")
        os.symlink(os.path.join(self.gate.build, "sallyportd"), self.program)

    def run(self, *words, conf=True, program=None, seconds=120):
        argv = [program or self.program, *words] + ([self.gate.conf] if conf else [])
        return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL)


def words(site):
    for switch in ("-h", "--help"):
        done = site.run(switch, conf=False)
        tap.ok(done.returncode == 0 and done.stdout.startswith("Usage: MailScanner"), f"{switch}: usage")
    for switch in ("-v", "--version", "-version"):
        done = site.run(switch, conf=False)
        tap.ok(done.returncode == 0 and "This is Sallyport version" in done.stdout and "Linux" in done.stdout,
               f"{switch}: system and version")
    done = site.run("--nonsense", conf=False)
    tap.ok(done.returncode == 64 and "Usage" in done.stderr, "an unknown switch: usage, 64")
    done = site.run("--ip=192.0.2.999")
    tap.ok(done.returncode == 64 and "'192.0.2.999' is no IP address" in done.stderr, "a wrong address starts no gateway")
    own = site.run("--help", conf=False, program=os.path.join(site.gate.build, "sallyportd"))
    tap.ok(own.stdout.startswith("Usage: sallyportd"), "under its own name: its own usage")


def changed(site):
    for switch in ("-c", "--changed", "-changed"):
        done = site.run(switch)
        lines = done.stdout.splitlines()
        tap.ok(done.returncode == 0 and lines[0].split() == ["Option", "Name", "Default", "Current", "Value"],
               f"{switch}: a heading")
        row = next((x for x in lines if x.startswith("Max Children ")), "")
        tap.equal((row[:35].strip(), row[36:51].strip(), row[52:]), ("Max Children", "5", "2"), f"{switch}: three columns")
        tap.ok(any(x.startswith("Virus Scanning ") and x.endswith("RULESET:Default=yes") for x in lines),
               f"{switch}: a ruleset")
        tap.ok(any(x.startswith("Always Looked Up Last ") and x.endswith("FUNCTION:MailWatchLogging") for x in lines),
               f"{switch}: a function")
        tap.ok(not any(x.startswith("Log Spam ") for x in lines), f"{switch}: only what differs")
    own = site.run("-c", site.gate.conf, "--changed", conf=False, program=os.path.join(site.gate.build, "sallyportd"))
    tap.ok(own.returncode == 0 and "Max Children" in own.stdout, "under its own name -c is the configuration")


def value(site):
    asked = [
        (("--value=Virus Scanning",), "virusscan", "1", "scan.rules:4"),
        (("--value=virusscan",), "virusscan", "1", "scan.rules:4"),
        (("--value", "VirusScanning", "--from=a@quiet.test"), "virusscan", "0", "scan.rules:1"),
        (("--value=virusscan", "--from=A@Quiet.TEST", "--to=boss@dest.test"), "virusscan", "0 0", "scan.rules:1"),
        (("--value=virusscan", "--to=x@dest.test", "--to=boss@dest.test"), "virusscan", "0", "scan.rules:2"),
        (("--value=virusscan", "--ip=192.0.2.9"), "virusscan", "0", "scan.rules:3"),
        (("--value=Max Children",), "children", "2", "sallyport.conf"),
        (("--value=Mail Header",), "mailheader", "X-test-MailScanner:", "sallyport.conf"),
        (("--value=Silent Viruses", "--virus=Eicar"), "silentviruses", "HTML-IFrame All-Viruses", "default"),
    ]
    for argv, internal, want, where in asked:
        done = site.run(*argv)
        tap.ok(done.returncode == 0 and f'internal option name "{internal}"' in done.stderr, f"{argv}: the name")
        tap.ok(f'Result is "{want}"\n' in done.stderr, f"{argv}: {want}")
        tap.ok(where in done.stderr and "0=No 1=Yes" in done.stderr, f"{argv}: decided by {where}")
    done = site.run("--value=Virus Scaning")
    tap.ok(done.returncode == 64 and 'did you mean "Virus Scanning"' in done.stderr, "an unknown option")


def lint(site):
    done = site.run("--lintlite")
    tap.ok(done.returncode == 78 and "Perl function &MailWatchLogging cannot run" in done.stderr,
           "--lintlite: mistakes on standard error")
    site.gate.options["Always Looked Up Last"] = "no"
    site.gate.write_configuration()
    tap.equal(site.run("--lintlite").returncode, 0, "--lintlite: exit code")
    tap.equal(site.run("--lintlight").returncode, 0, "--lintlight is the same")
    done = site.run("--lint")
    order = ["Reading configuration file", "Lock files", "Mail Header:", "spamassassin.conf", "Processing Attempts",
             "Virus Scanners = auto", "/tmp: can be written", "EICAR", "The test message was recognised."]
    places = [done.stdout.find(x) for x in order]
    tap.ok(-1 not in places and places == sorted(places), f"--lint: all steps in order {places}")
    tap.ok("eicar.com" in done.stdout and "Eicar" in done.stdout, "--lint: what was found in the message")
    tap.equal(done.returncode, 0, "--lint: exit code")
    bad = site.gate.path("etc", "bad.conf")
    with open(bad, "w", encoding="ascii") as f:
        f.write("Max Children = many\nMail Header = X-a:b:\n")
    done = site.run("--lint", bad, conf=False)
    tap.ok(done.returncode == 78 and f"{bad}:1:16: error" in done.stderr, "--lint: a mistake, its place, 78")
    tap.ok("no header name may have" in done.stdout, "--lint: header names")
    rules = site.gate.path("etc", "bad.rules.conf")
    for line, want in (("frob\ty\t-\t-", "1:1: error: 'frob' is not an action"),
                       ("allow\t(\t-\t-", "1:1: error: pattern '(' is wrong"),
                       ("allow\tx", "1:1: warning: rule ignored")):
        with open(rules, "w", encoding="ascii") as f:
            f.write(line + "\n")
        with open(bad, "w", encoding="ascii") as f:
            f.write(f"Filename Rules = {rules}\n")
        tap.ok(f"{rules}:{want}" in site.run("--lintlite", bad, conf=False).stderr, f"rule files: {want}")
    site.gate.options["Always Looked Up Last"] = "&MailWatchLogging"
    site.gate.write_configuration()


def one_pass(site):
    writer = queuefile.SendmailWriter(site.gate.in_queue)
    first, second = writer.write(LETTER), writer.write(LETTER)
    done = site.run("--id=" + first)
    tap.equal(done.returncode, 0, "--id: ends by itself")
    tap.equal(site.gate.queue_ids(), [second], "--id: this message and no other")
    tap.ok(os.path.exists(os.path.join(site.gate.out_queue, "qf" + first)), "--id: delivered")
    done = site.run("--debug")
    tap.ok(done.returncode == 0 and site.gate.queue_ids() == [], "--debug: what waits, then it ends")
    tap.ok("is ready" in done.stderr, "--debug: the log is on standard error")
    tap.equal(site.run("--debug-sa").returncode, 0, "--debug-sa: with nothing to do")

    other = site.gate.path("other.in")
    os.mkdir(other, 0o700)
    third = queuefile.SendmailWriter(other).write(LETTER)
    done = site.run("--debug", "--inqueuedir=" + other)
    tap.ok(done.returncode == 0 and not os.path.exists(os.path.join(other, "qf" + third)) and
           os.path.exists(os.path.join(site.gate.out_queue, "qf" + third)), "--inqueuedir: another queue")
    fourth = queuefile.SendmailWriter(other).write(LETTER)
    done = site.run("--debug", "--inqueuedir=" + site.gate.path("oth*.in"))
    tap.ok(done.returncode == 0 and os.path.exists(os.path.join(site.gate.out_queue, "qf" + fourth)),
           "--inqueuedir: a wildcard")

    site.gate.options["Debug"] = "yes"
    site.gate.write_configuration()
    fifth = writer.write(LETTER)
    done = site.run()
    tap.ok(done.returncode == 0 and os.path.exists(os.path.join(site.gate.out_queue, "qf" + fifth)),
           "Debug = yes: the same")
    site.gate.options["Debug"] = "no"
    site.gate.write_configuration()


def processing(site):
    database = site.gate.options["Processing Attempts Database"]
    with sqlite3.connect(database) as db:  # the daemon has made it
        db.execute("INSERT INTO processing VALUES ('ONCE', 1, 1700000000)")
        db.execute("INSERT INTO processing VALUES ('OFTEN', 4, 1700000000)")
        db.execute("INSERT INTO archive VALUES ('GONE', 6, 1700000000)")
    done = site.run("--processing")
    tap.equal(done.returncode, 0, "--processing: exit code")
    tap.ok("Currently being processed:" in done.stdout and "Tries\tMessage\tNext Try At" in done.stdout and
           "Archive:" in done.stdout and "Tries\tMessage\tLast Tried" in done.stdout, "--processing: both tables")
    tap.ok("4\tOFTEN\t" in done.stdout and "6\tGONE\t" in done.stdout and "ONCE" not in done.stdout,
           "--processing: more than once")
    tap.ok("2023" in done.stdout, "--processing: dates")
    tap.ok("1\tONCE" in site.run("--processing=0").stdout, "--processing=0: all of them")
    tap.ok("OFTEN" not in site.run("--processing=4").stdout, "--processing=4: more than four times")
    tap.equal(site.run("--processing=x").returncode, 64, "--processing=x: usage")


def helper(site, name, *words, environment=None):
    """Once by its name, once as a command of sallyport: the same."""
    link = site.gate.path(name)
    if not os.path.lexists(link):
        os.symlink(os.path.join(site.gate.build, "sallyport"), link)
    return subprocess.run([link, *words], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})


def defaults(site, text):
    with open(site.gate.path("etc", "defaults"), "w", encoding="ascii") as f:
        f.write(text)


def small_helpers(site):
    conf = site.gate.conf
    for name, want in (("Max Children", "2"), ("mailheader", "X-test-MailScanner:"), ("Virus Scanning", site.rules),
                       ("Always Looked Up Last", "&MailWatchLogging")):
        tap.equal(helper(site, "ms-peek", name, conf).stdout, want + "\n", f"ms-peek {name}")
    tap.equal(helper(site, "ms-peek", "Max Chidren", conf).returncode, 64, "ms-peek: no such option")
    tap.equal(helper(site, "ms-peek").returncode, 64, "ms-peek: usage")
    for name in ("create-locks", "update-vs", "update-sa", "perl-check"):
        tap.equal(helper(site, "ms-" + name).returncode, 0, f"ms-{name}: nothing to do, said with 0")
    for name in ("ms-update-phishing", "ms-sa-cache", "ms-upgrade-conf", "ms-configure", "upgrade_languages_conf"):
        done = helper(site, name)
        tap.ok(done.returncode == 64 and done.stderr.startswith(name + ": "), f"{name}: what takes its place, 64")
    done = subprocess.run([os.path.join(site.gate.build, "sallyport"), "ms-peek", "children", conf],
                          capture_output=True, text=True, check=False)
    tap.equal(done.stdout, "2\n", "as a command of sallyport")


def clean_quarantine(site):
    for day in ("20200101", "20991231"):
        os.makedirs(os.path.join(site.gate.quarantine, day, "ID"))
        with open(os.path.join(site.gate.quarantine, day, "ID", "message"), "wb") as f:
            f.write(b"From: a\n\nFrom here on\n>From there\nno end")
    os.makedirs(os.path.join(site.gate.quarantine, "spam20200101"))
    defaults(site, "q_days=0\n")
    done = helper(site, "ms-clean-quarantine", site.gate.conf)
    tap.ok(done.returncode == 0 and os.path.isdir(os.path.join(site.gate.quarantine, "20200101")),
           "ms-clean-quarantine: q_days=0 keeps all")
    box = helper(site, "ms-df2mbox", os.path.join(site.gate.quarantine, "20200101", "ID")).stdout
    tap.equal(box.splitlines()[1:], ["From: a", "", ">From here on", ">>From there", "no end", ""], "ms-df2mbox")
    defaults(site, "# comment\nq_days='soon'\n")
    tap.equal(helper(site, "ms-cron", "DAILY", site.gate.conf).returncode, 78, "q_days that is no number")
    defaults(site, "q_days=\"20\"\n")
    done = helper(site, "ms-cron", "DAILY", site.gate.conf)
    tap.equal((done.returncode, sorted(x for x in os.listdir(site.gate.quarantine) if x != "lost")),
              (0, ["20991231", "spam20200101"]), "ms-cron DAILY: old days and nothing else")
    tap.equal(helper(site, "ms-cron", "WEEKLY").returncode, 64, "ms-cron WEEKLY: usage")


def mbox(text):
    """[(first line, lines)] of the messages in an mbox."""
    found = []
    for line in text.splitlines():
        if line.startswith("From "):
            found.append((line, []))
        else:
            found[-1][1].append(line)
    return found


def queue_files(site):
    """What MailScanner stored as queue files: folders of one message, a folder of many, single files."""
    message = b"Subject: queue files\nTo: a\n\tb\n\nFrom here on\n>From there\nno end"
    body = ["", ">From here on", ">>From there", "no end", ""]
    for writer, program in ((queuefile.SendmailWriter, "ms-df2mbox"), (queuefile.EximWriter, "ms-d2mbox")):
        folder = site.gate.path("old", program)
        os.makedirs(folder)
        os.chmod(folder, 0o777)  # other owners and modes than a queue's: it is none
        os.chown(folder, 65534, 65534)
        out = writer(folder, (65534, 65534))
        name = out.write(message, sender="Jane@origin.test")
        for file in os.listdir(folder):
            os.chmod(out.path(file), 0o666)
        tree = sorted((x, os.stat(out.path(x)).st_mtime_ns) for x in os.listdir(folder))
        files = [out.path(x) for x in os.listdir(folder)]
        want = None
        for what, words in (("a folder", [folder]), ("both files", files), ("one", files[:1]), ("the other", files[1:])):
            done = helper(site, program, *words)
            got = mbox(done.stdout)
            tap.ok(done.returncode == 0 and len(got) == 1 and got[0][0].startswith("From Jane@origin.test ") and
                   got[0][1] == ["Subject: queue files", "To: a", "\tb", *body], f"{program}: {what}")
            want = want or done.stdout
            tap.equal(done.stdout, want, f"{program}: {what} is the same as the folder")
        tap.ok(tree == sorted((x, os.stat(out.path(x)).st_mtime_ns) for x in os.listdir(folder)),
               f"{program}: changes nothing")
        out.write(message, sender="")
        got = mbox(helper(site, program, folder).stdout)
        tap.equal(sorted(x[0].split()[1] for x in got), ["Jane@origin.test", "MAILER-DAEMON"], f"{program}: many in a folder")
        broken = [x for x in os.listdir(folder) if name in x and (x.startswith("df") or x.endswith("-D"))]
        os.unlink(out.path(broken[0]))
        done = helper(site, program, folder)
        tap.ok(done.returncode == 66 and name in done.stderr and len(mbox(done.stdout)) == 1,
               f"{program}: half a message is told, the other printed")
    done = helper(site, "ms-d2mbox", site.gate.path("state"))
    tap.ok(done.returncode == 66 and "neither" in done.stderr, "ms-d2mbox: nothing in it")


def as_queue_files(site):
    """Our own, and what `quarantine show` makes of MailScanner's."""
    site.gate.options["Quarantine Whole Messages As Queue Files"] = "yes"
    site.gate.write_configuration()
    sample = next(s for s in samples.everything() if s.want == samples.QUARANTINE)
    name = queuefile.SendmailWriter(site.gate.in_queue).write(bytes(sample.message), client_ip="198.51.100.7")
    done = site.run("--debug")
    tap.equal(done.returncode, 0, "as queue files: one pass")
    folder = next(i["path"] for i in site.gate.quarantine_list() if i["id"] == name)
    tap.ok({"message", "qf" + name, "df" + name} <= set(os.listdir(folder)), "as queue files: message and queue files")
    box = helper(site, "ms-df2mbox", folder).stdout
    stored = os.path.join(folder, "message")
    with open(stored, "rb") as f:
        message = f.read()
    os.unlink(stored)
    again = helper(site, "ms-df2mbox", folder).stdout
    tap.equal(again.split("\n")[1:], box.split("\n")[1:], "as queue files: without 'message' the same mbox")
    show = subprocess.run([os.path.join(site.gate.build, "sallyport"), "quarantine", "show", name, "--message", "-c",
                           site.gate.conf], capture_output=True, check=False)
    tap.ok(show.returncode == 0 and show.stdout == message, "as queue files: show --message, byte for byte")
    spam = os.path.join(site.gate.quarantine, "20991231", "spam")
    os.makedirs(spam, exist_ok=True)
    with open(os.path.join(spam, "PLAIN"), "wb") as f:
        f.write(b"Subject: plain\n\nno end")
    show = subprocess.run([os.path.join(site.gate.build, "sallyport"), "quarantine", "show", "PLAIN", "--message", "-c",
                           site.gate.conf], capture_output=True, check=False)
    tap.equal((show.returncode, show.stdout), (0, b"Subject: plain\n\nno end"), "show --message: MailScanner's plain file")
    shutil.rmtree(os.path.dirname(folder))
    site.gate.options["Quarantine Whole Messages As Queue Files"] = "no"
    site.gate.write_configuration()


def by_ruleset(site):
    """Directories that only a ruleset names are listed, shown and cleaned, too."""
    other, missing = site.gate.path("quarantine.other"), site.gate.path("quarantine.missing")
    rules = site.gate.path("etc", "quarantine.rules")
    for day in ("20200101", "20991231"):
        os.makedirs(os.path.join(other, day, "OTHER" + day))
        with open(os.path.join(other, day, "OTHER" + day, "message"), "wb") as f:
            f.write(b"Subject: other\n\n")
    os.makedirs(missing)
    with open(rules, "w", encoding="ascii") as f:
        f.write(f"To: *@other.test {other}\nTo: *@missing.test {missing}\nFromOrTo: default {site.gate.quarantine}\n")
    before, site.gate.options["Quarantine Dir"] = site.gate.options["Quarantine Dir"], rules
    site.gate.write_configuration()
    os.rmdir(missing)  # it was there once
    tap.ok({"OTHER20200101", "OTHER20991231"} <= {i["id"] for i in site.gate.quarantine_list()}, "by ruleset: list")
    show = site.gate.control("quarantine", "show", "OTHER20991231") or {}
    tap.equal(show.get("path"), os.path.join(other, "20991231", "OTHER20991231"), "by ruleset: show")
    defaults(site, "q_days=20\n")
    done = helper(site, "ms-clean-quarantine", site.gate.conf)
    tap.equal((done.returncode, os.listdir(other)), (0, ["20991231"]), "by ruleset: cleaned")
    site.gate.options["Quarantine Dir"] = before
    site.gate.write_configuration()


def alert(site):
    got = site.gate.path("sent")
    site.gate.options["Sendmail"] = site.gate.path("mailer") + " -oi"
    with open(site.gate.path("mailer"), "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\n{{ echo \"$@\"; cat; }} > {got}\n")
    os.chmod(site.gate.path("mailer"), 0o755)
    site.gate.write_configuration()
    tap.equal(helper(site, "ms-msg-alert", site.gate.conf).returncode, 0, "ms-msg-alert: exit code")
    with open(got, encoding="ascii") as f:
        text = f.read()
    tap.ok(text.startswith("-oi -t\nTo: postmaster\n") and "4\tOFTEN\t" in text, "ms-msg-alert: the table is mailed")


def check_and_start(site):
    defaults(site, "run_mailscanner=0\n")
    done = helper(site, "ms-check", site.gate.conf)
    tap.ok(done.returncode == 0 and "not started" in done.stdout, "ms-check: run_mailscanner=0")
    defaults(site, f"run_mailscanner=1\nstopped_lockfile={site.rules}\n")
    done = helper(site, "ms-cron", "CHECK", site.gate.conf)
    tap.ok(done.returncode == 0 and "was stopped" in done.stdout, "ms-cron CHECK: the lock file")
    defaults(site, "run_mailscanner=1\nstopped_lockfile=/nonexistent\n")
    done = helper(site, "ms-check", site.gate.conf)
    tap.ok(done.returncode == 0 and "starting" in done.stdout, "ms-check: starts it")
    try:
        wait.until(site.gate.ready, 60, "the daemon that ms-check started")
        done = helper(site, "ms-check", site.gate.conf)
        tap.equal((done.returncode, done.stdout), (0, ""), "ms-check: it runs")
    finally:
        with open(site.gate.options["PID file"], encoding="ascii") as f:
            pid = int(f.read().split()[-1])
        os.kill(pid, signal.SIGTERM)
        wait.until(lambda: not gateway.alive([pid]), 75, "its end")


def main():
    script.need("the daemon makes sandboxes")
    with script.folder() as folder:
        site = Site(os.path.join(folder, "site"))
        words(site)
        changed(site)
        value(site)
        lint(site)
        one_pass(site)
        as_queue_files(site)
        processing(site)
        small_helpers(site)
        clean_quarantine(site)
        queue_files(site)
        by_ruleset(site)
        alert(site)
        check_and_start(site)
    tap.done()


if __name__ == "__main__":
    main()
