#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Hidden left-overs of interrupted quarantining are removed from every directory that Quarantine Dir
names for anybody, and from those that an earlier configuration named: by real kills and by hand.
What somebody is at work on stays, and so does all that is no left-over.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, queuefile, samples, script, tap, wait  # noqa: E402

DAY = "20261101"
REMOVED = "unfinished entries of an earlier run"
RELOADED = "Configuration reloaded"
VIRUS = next(bytes(s.message) for s in samples.everything() if s.want == samples.QUARANTINE)


class Site:
    def __init__(self, folder):
        self.gate = gateway.Gateway(folder, options={"Maximum Processing Attempts": 0})
        self.dirs = {name: self.gate.path("q-" + name) for name in "abcd"}
        for path in self.dirs.values():
            os.mkdir(path, 0o750)
        self.rules = self.gate.path("etc", "quarantine.rules")

    def name(self, *names):
        """A ruleset that sends mail for NAME.test to quarantine NAME, other mail to the default."""
        with open(self.rules, "w", encoding="ascii") as f:
            f.writelines(f"To: *@{n}.test {self.dirs[n]}\n" for n in names)
            f.write(f"FromOrTo: default {self.gate.quarantine}\n")
        self.gate.options["Quarantine Dir"] = self.rules
        self.gate.write_configuration()

    def hup(self):
        before = self.gate.log_text().count(RELOADED)
        os.kill(self.gate.pid("supervisor"), signal.SIGHUP)
        wait.until(lambda: self.gate.log_text().count(RELOADED) > before, 60, "a reload")

    def remembered(self):
        """The directories that a later start will look at."""
        try:
            with open(self.gate.options["Processing Attempts Database"] + ".quarantines", encoding="utf-8") as f:
                return set(f.read().splitlines())
        except FileNotFoundError:
            return set()

    def crash(self):
        """The whole tree dies at once."""
        pids = list(self.gate.tree())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it went with its parent
                os.kill(pid, signal.SIGKILL)
        self.gate.kill()
        wait.until(lambda: not gateway.alive(pids), 60, "the end of all processes")


def leave(root, name=".LEFT.tmp"):
    """What an interrupted run leaves; returns its path."""
    path = os.path.join(root, DAY, name)
    os.makedirs(path)
    with open(os.path.join(path, "message"), "wb") as f:
        f.write(b"half")
    return path


def gone(*paths):
    wait.until(lambda: not any(os.path.exists(p) for p in paths), 60, f"removal of {paths}")


def by_hand(site):
    """At start and reload; with somebody at work, and things that only look like it."""
    site.name("a", "b")
    roots = [site.gate.quarantine, site.dirs["a"], site.dirs["b"]]
    left = [leave(r) for r in roots]
    busy = leave(site.dirs["a"], ".BUSY.tmp")
    kept = [leave(site.dirs["a"], n) for n in ("ID", ".other", "visible.tmp")] + [leave(site.dirs["c"])]
    fd = os.open(busy, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    site.gate.start()
    gone(*left)
    tap.ok(True, "start: left-overs of all directories of the ruleset are removed")
    tap.ok(all(os.path.exists(p) for p in [busy, *kept]), "start: what somebody is at work on stays, and what is none")
    wait.until(lambda: f"removed 3 {REMOVED}" in site.gate.log_text(), 60, "the line that says so")
    os.close(fd)
    site.name("a", "b", "c")
    site.hup()
    gone(busy, kept[-1])
    tap.ok(all(os.path.exists(p) for p in kept[:-1]), "reload: those of a new directory, and one that was given up")
    tap.equal(site.gate.stop(), 0, "stops cleanly")


def killed(site):
    """The gateway dies while it quarantines into a directory that the ruleset names."""
    site.name("a")
    site.gate.environment = {"SALLYPORT_FAULT": "hold.write=KILL@1", "SALLYPORT_FAULT_ROLE": "gateway"}
    site.gate.start()
    wait.until(lambda: site.dirs["a"] in site.remembered(), 30, "the directory in its memory")
    os.kill(site.gate.pid("supervisor"), signal.SIGSTOP)  # nobody starts another one
    dying = site.gate.pid("gateway")
    queuefile.SendmailWriter(site.gate.in_queue).write(VIRUS, recipients=("x@a.test",))
    hidden = lambda: [x for _, names, _ in os.walk(site.dirs["a"]) for x in names  # noqa: E731
                      if x.endswith(".tmp") and x.startswith(".")]
    wait.until(lambda: not gateway.alive([dying]), 60, "a gateway killed at work")
    site.crash()
    tap.ok(hidden(), f"an interrupted run leaves {hidden()}")
    site.gate.environment = {}
    site.name("b")  # the directory of before is named no more
    site.gate.start()
    wait.until(lambda: not hidden(), 60, "removal in a directory of the configuration before")
    site.gate.wait_empty(60)
    items = site.gate.quarantine_list()
    tap.ok(any(i["path"].startswith(site.gate.quarantine) for i in items), "and the message is quarantined by the new one")
    tap.equal(site.gate.stop(), 0, "stops cleanly")


def renamed(site):
    """After a reload that names another directory, then the end of everything."""
    site.name("a")
    site.gate.start()
    site.name("b")
    site.hup()
    wait.until(lambda: {site.dirs["a"], site.dirs["b"]} <= site.remembered(), 30, "both directories in its memory")
    site.crash()
    left = [leave(site.dirs["a"], ".OLD.tmp"), leave(site.dirs["b"], ".OLD.tmp")]
    stranger = leave(site.dirs["d"], ".OLD.tmp")  # no configuration ever named it
    site.name("c")
    site.gate.start()
    gone(*left)
    tap.ok(os.path.exists(stranger), "directories of configurations before a kill are looked at, and no others")
    tap.equal(site.gate.stop(), 0, "stops cleanly")
    left = leave(site.dirs["a"], ".OLD.tmp")
    site.gate.start()
    mark = leave(site.dirs["c"], ".NEW.tmp")  # is looked at after the other
    site.hup()
    gone(mark)
    tap.ok(os.path.exists(left), "once looked at they are forgotten")
    tap.equal(site.gate.stop(), 0, "stops cleanly")
    shutil.rmtree(left)


def not_writable(site):
    """The log says so when the configuration takes effect, not when a message has to wait."""
    site.name("a", "d")
    os.rename(site.dirs["d"], site.dirs["d"] + ".away")
    os.mkdir(site.dirs["d"])
    site.gate.start()
    tap.ok(site.dirs["d"] not in site.gate.log_text(), "(a directory that can be written is no news)")
    os.rmdir(site.dirs["d"])
    site.name("a", "d")
    os.symlink("/proc/1", site.dirs["d"])  # a directory in which even root makes none
    site.hup()
    wait.until(lambda: f"quarantine '{site.dirs['d']}'" in site.gate.log_text(), 60, "the warning")
    tap.ok(True, "a directory of the ruleset that cannot be written is told at the reload")
    queuefile.SendmailWriter(site.gate.in_queue).write(VIRUS, recipients=("x@a.test",))
    site.gate.wait_empty(60)
    tap.equal(site.gate.stop(), 0, "mail for others goes on")
    os.unlink(site.dirs["d"])
    os.rename(site.dirs["d"] + ".away", site.dirs["d"])


def main():
    script.need("processes change users")
    script.need_faults()
    with script.folder() as folder:
        for part in (by_hand, killed, renamed, not_writable):
            site = Site(os.path.join(folder, part.__name__))
            try:
                part(site)
            except wait.Late as late:
                script.too_late(late, f"{part.__name__}: ")
                tap.note(site.gate.log_tail())
            finally:
                site.gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
