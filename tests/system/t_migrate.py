#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport migrate`: a stock site and one with settings of its own; nothing in the folder changes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, script, tap  # noqa: E402

# What differs from the sample, in a file that is read last.
CHANGED = """# site's own
Max Children = 7
Virus Scanners = sophos clamd
Remove These Headers = X-Odd:
Queue Scan Interval = 11
Gunzip Command = /bin/zcat
Required SpamAssassin Score = 4.5
Spam Checks = no
Use Default Rules With Multiple Recipients = yes
Always Looked Up Last = &MailWatchLogging
Maximum Attachment Size = %rules-dir%/attachment.rules
Information Header Value = Ask us
Hostname = mail.example
"""
RULES = "From: *@a.test 100k\n\n# nobody\nFromOrTo: b.test 200k\nFromOrTo: default -1\n"


def make_site(folder):
    """The sample configuration under MailScanner's name, with folders and programs this host has."""
    shutil.copytree(os.path.join(gateway.TOP, "config"), folder)
    with open(os.path.join(folder, "sallyport.conf"), encoding="utf-8") as f:
        lines = [x for x in f if not x.startswith(("Sendmail =", "Sendmail2 ="))]
    os.unlink(os.path.join(folder, "sallyport.conf"))
    put(folder, "MailScanner.conf", "".join(lines))
    for name in ("in", "out", "quarantine"):
        os.mkdir(os.path.join(folder, name))
    put(folder, "conf.d/10-host.conf",
        "Incoming Queue Dir = %conf-dir%/in\nOutgoing Queue Dir = %conf-dir%/out\n"
        "Quarantine Dir = %conf-dir%/quarantine\n")
    return folder


def put(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def fingerprint(folder):
    """{name: (content's hash, modification time, mode)} of everything."""
    found = {}
    for path, folders, names in os.walk(folder):
        for name in folders + names:
            full = os.path.join(path, name)
            st = os.stat(full)
            content = b""
            if os.path.isfile(full):
                with open(full, "rb") as f:
                    content = f.read()
            found[os.path.relpath(full, folder)] = (hashlib.sha256(content).hexdigest(), st.st_mtime_ns, st.st_mode)
    return found


def migrate(*words):
    return subprocess.run([os.path.join(gateway.build_dir(), "sallyport"), "migrate", *words],
                          capture_output=True, text=True, timeout=60, check=False)


def report(site, want_exit, what):
    """The JSON report; says itself when there is none."""
    before = fingerprint(site)
    done = migrate(site, "--json")
    tap.equal(done.returncode, want_exit, f"{what}: exit code")
    tap.ok(fingerprint(site) == before, f"{what}: nothing in the folder changed")
    try:
        return json.loads(done.stdout)
    except ValueError:
        tap.ok(False, f"{what}: one JSON object")
        tap.note(done.stdout[:500] + done.stderr[:500])
        return {}


def options(answer, group):
    return {x["option"]: x for x in answer.get(group, [])}


def stock(folder):
    site = make_site(os.path.join(folder, "stock"))
    answer = report(site, 1, "stock")
    tap.equal(answer.get("loaded"), True, "stock: can be loaded")
    tap.equal(answer.get("problems"), [], "stock: no mistakes")
    tap.equal((answer.get("differs"), answer.get("no_effect"), answer.get("functions")), ([], [], []),
              "stock: nothing the site changed")
    tap.ok(answer.get("works", 0) > 100, f"stock: {answer.get('works')} options work as they are")
    tap.ok("Spam Checks" in options(answer, "not_built"), "stock: says that spam is not looked for yet")
    return answer.get("works", 0)


def quiet(folder):
    """Nothing of what is not built is asked for: nothing needs attention."""
    site = make_site(os.path.join(folder, "quiet"))
    names = ("Find Phishing Fraud", "Sign Clean Messages", "Deliver Cleaned Messages", "Notify Senders",
             "Send Notices", "Spam Checks")
    put(site, "conf.d/50-site.conf", "".join(f"{n} = no\n" for n in names))
    answer = report(site, 0, "quiet")
    tap.equal((answer.get("attention"), answer.get("not_built")), (False, []), "quiet: nothing is missed")


def minimal(folder):
    """A site that says only what works here."""
    site = make_site(os.path.join(folder, "minimal"))
    with open(os.path.join(site, "MailScanner.conf"), encoding="utf-8") as f:
        lines = [x for x in f if not x.startswith(("Spam Checks", "Send Notices"))]
    put(site, "MailScanner.conf", "".join(lines))
    answer = report(site, 1, "minimal")
    tap.ok("Spam Checks" in options(answer, "not_built"), "minimal: what is on by default counts too")
    tap.equal(options(answer, "not_built").get("Spam Checks", {}).get("source"), "default", "minimal: and says so")


def changed(folder, stock_works):
    site = make_site(os.path.join(folder, "changed"))
    put(site, "conf.d/50-site.conf", CHANGED)
    put(site, "rules/attachment.rules", RULES)
    answer = report(site, 1, "changed")
    tap.equal(answer.get("attention"), True, "changed: needs attention")
    tap.equal(sorted(options(answer, "differs")),
              ["Remove These Headers", "Use Default Rules With Multiple Recipients", "Virus Scanners"],
              "changed: what behaves differently")
    own = options(answer, "differs").get("Virus Scanners", {})
    tap.equal((own.get("value"), own.get("source")), ("sophos clamd", f"{site}/conf.d/50-site.conf:3"),
              "changed: value and its line")
    none = options(answer, "no_effect")
    tap.equal(sorted(none), ["Gunzip Command", "Queue Scan Interval"], "changed: what has no effect")
    tap.ok(all(x["text"] for x in none.values()), "changed: and why")
    built = options(answer, "not_built")
    tap.ok("Required SpamAssassin Score" in built, "changed: an option of something not built")
    tap.ok("High SpamAssassin Score" not in built, "changed: not those that nobody changed")
    function = options(answer, "functions").get("Always Looked Up Last", {})
    tap.equal(function.get("value"), "&MailWatchLogging", "changed: the Perl function")
    rules = options(answer, "rulesets").get("Maximum Attachment Size", {})
    tap.equal((rules.get("file"), rules.get("lines")), (f"{site}/rules/attachment.rules", 2), "changed: the ruleset")
    # three differ that worked before
    tap.equal(answer.get("works"), stock_works - 3, "changed: the others work")
    text = migrate(site).stdout
    for part in ("Virus Scanners = sophos clamd", "see docs/differences.md", "&MailWatchLogging", "2 lines"):
        tap.ok(part in text, f"changed: text says {part}")
    tap.ok("\033" not in text, "changed: no colours without a terminal")


def edges(folder):
    site = make_site(os.path.join(folder, "broken"))
    tap.equal(report(os.path.join(folder, "broken"), 1, "whole").get("problems"), [], "whole: no mistakes")
    put(site, "conf.d/60-typo.conf", "\nMax Chidlren = 3\nFilename Rules = &OurRules\n")
    answer = report(site, 78, "broken")
    tap.equal(answer.get("loaded"), False, "broken: cannot be loaded")
    places = {(os.path.basename(p["file"]), p["line"]) for p in answer.get("problems", [])}
    tap.ok(("60-typo.conf", 3) in places, f"broken: file and line of the mistake among {sorted(places)}")
    tap.equal(migrate(os.path.join(folder, "nothing")).returncode, 78, "no such site")
    tap.equal(migrate("a", "b").returncode, 64, "one site at a time")
    tap.equal(migrate("--help").returncode, 0, "--help")
    file = os.path.join(site, "MailScanner.conf")
    os.unlink(os.path.join(site, "conf.d/60-typo.conf"))
    tap.equal(migrate(file).stdout, migrate(site).stdout, "the file or its folder")


DATABASES = {
    "SQL": "DB DSN = DBI:SQLite:dbname=%conf-dir%/away.db\nDB Username = ms\nDB Password = geheim\n"
           "SQL Config = SELECT option, value FROM config WHERE host = ?\n"
           "SQL Ruleset = SELECT num, rule FROM ruleset WHERE name = ?\n"
           "SQL Quick Peek = SELECT value FROM config WHERE option = ? AND host = ?\n",
    "LDAP": "LDAP Server = 127.0.0.1:1\nLDAP Base = dc=example\nLDAP Site = gw\n",
}


def away(folder):
    """The database cannot be asked: a report of the files, and what is missing."""
    for kind, lines in DATABASES.items():
        site = make_site(os.path.join(folder, "away-" + kind))
        put(site, "conf.d/40-database.conf", lines)
        put(site, "conf.d/50-site.conf", CHANGED + "Virus Scanning = scan.customize\nClean Header Value = clean.RuleSet\n")
        put(site, "rules/attachment.rules", RULES)
        answer = report(site, 75, f"{kind} away")
        tap.equal((answer.get("loaded"), answer.get("attention")), (False, True), f"{kind} away: the daemon would not start")
        unread = options(answer, "unread")
        want = {"SQL": ["Clean Header Value", "SQL Config", "SQL Quick Peek", "Virus Scanning"],
                "LDAP": ["Clean Header Value", "LDAP Server", "Virus Scanning"]}[kind]
        tap.equal(sorted(unread), want, f"{kind} away: all that was not read")
        rules = unread.get("Virus Scanning", {})
        tap.equal((rules.get("value"), rules.get("source")), ("scan.customize", f"{site}/conf.d/50-site.conf:14"),
                  f"{kind} away: which ruleset, and its line")
        tap.ok(all(x["text"] and x["source"].startswith(site) for x in unread.values()), f"{kind} away: why: {rules.get('text')}")
        tap.equal(sorted(options(answer, "differs")),
                  ["Remove These Headers", "Use Default Rules With Multiple Recipients", "Virus Scanners"],
                  f"{kind} away: what the files say is reported")
        tap.ok("Always Looked Up Last" in options(answer, "functions") and
               "Maximum Attachment Size" in options(answer, "rulesets"), f"{kind} away: functions and rulesets of files, too")
        tap.ok(answer.get("works", 0) > 100, f"{kind} away: {answer.get('works')} options work")
        done = migrate(site)
        tap.ok(done.returncode == 75 and "scan.customize" in done.stdout and "not read" in done.stdout, f"{kind} away: as text")
        lines = [x for x in done.stderr.splitlines() if "about the files alone" in x]
        tap.ok(len(lines) == 1 and "geheim" not in done.stdout + done.stderr, f"{kind} away: said once, without a password")
        put(site, "conf.d/60-typo.conf", "Filename Rules = &OurRules\n")
        tap.equal(report(site, 78, f"{kind} away and a mistake").get("loaded"), False, f"{kind} away: a mistake comes first")


def main():
    script.need()
    with script.folder() as folder:
        works = stock(folder)
        quiet(folder)
        minimal(folder)
        changed(folder, works)
        edges(folder)
        away(folder)
    tap.done()


if __name__ == "__main__":
    main()
