#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the supervisor must live through: so many reloads that old zygotes, each with a scan under way,
take all its places; the end of a zygote whose predecessor is still busy; one that is ready only when a
newer one is in use; mail and a gateway's end in the middle of a reload; and reloads without end, which
must not cost a descriptor.
Needs a build with fault points: there the header X-Sallyport-Test asks for a scan that never ends.

SALLYPORT_RELOADS=N   reloads in a row (20)
"""

import contextlib
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, queuefile, samples, script, sink, tap, wait  # noqa: E402

RELOADS = int(os.environ.get("SALLYPORT_RELOADS", "20"))
PLACES = 9  # for zygotes: CHILDREN_MAX of daemon/children.h without gateway and exporter
TIME_LIMIT = 900  # longer than any of this takes: a scan that never ends is ended by us
WAIT = 60
IN_FORCE, STAYS = "Configuration reloaded", "the configuration in force stays"


class Site:
    """A gateway with one scan worker."""

    def __init__(self, folder):
        self.gate = gateway.Gateway(folder, options={"Max Children": 1, "Message Time Limit": TIME_LIMIT,
                                                     "Maximum Processing Attempts": 1})
        self.account, self.written = account.Account(), 0
        self.gate.start()

    def write(self, want, head=b""):
        self.written += 1
        message = sink.with_case(head + bytes(samples.letter(f"Mail {self.written}")), f"mail-{self.written}")
        self.account.accept(f"mail-{self.written}", queuefile.split_headers(message)[1], want)
        queuefile.SendmailWriter(self.gate.in_queue).write(message)

    def hup(self):
        os.kill(self.gate.pid("supervisor"), signal.SIGHUP)

    def said(self, text):
        return self.gate.log_text().count(text)

    def reload(self, seconds=WAIT):
        before = self.said(IN_FORCE)
        self.hup()
        wait.until(lambda: self.said(IN_FORCE) > before and self.gate.ready(), seconds, "a reload", every=0.02)

    def zygotes(self):
        return {p for p, role in self.gate.tree().items() if role == "zygote"}

    def scanning(self):
        """The worker that gets new mail has some."""
        workers = (self.gate.ask("top") or {}).get("workers", [])
        return any(w["state"] not in "SEI" for w in workers if not w.get("retiring"))

    def end_scans(self):
        """Kill the workers of zygotes that retire, whose scans never end: their messages are set aside."""
        busy = [w["pid"] for w in (self.gate.ask("top") or {}).get("workers", []) if w.get("retiring")]
        for pid in busy:
            os.kill(pid, signal.SIGKILL)
        wait.until(lambda: not gateway.alive(busy), WAIT, "the end of killed workers")
        return len(busy)

    def delivered(self):
        return [n for n in os.listdir(self.gate.out_queue) if n.startswith("qf")]

    def finish(self, what):
        self.gate.wait_empty(WAIT)
        self.account.read_quarantine(self.gate.quarantine)
        self.account.read_queue(self.account.delivered, "sendmail", self.gate.out_queue)
        tap.equal(self.account.missing(), [], f"{what}: no mail is missing ({self.account.summary()})")
        tap.equal(self.gate.stop(), 0, f"{what}: stops cleanly")


def no_place(site):
    for n in range(PLACES - 1):
        site.write("quarantine", b"X-Sallyport-Test: spin\n")
        wait.until(site.scanning, WAIT, "a scan")
        site.reload()
        tap.progress(f"{n + 1} zygotes that retire")
    tap.equal(len(site.zygotes()), PLACES, "no place: every place is taken")
    before = site.said(IN_FORCE)
    site.hup()
    wait.until(lambda: site.said("old zygotes are still finishing") > 0, WAIT, "the log says that it has to wait")
    site.write("deliver")
    wait.until(site.delivered, WAIT, "mail meanwhile")
    tap.equal((site.said(IN_FORCE), len(site.zygotes())), (before, PLACES), "no place: the reload waits, mail does not")
    tap.equal(site.end_scans(), PLACES - 1, "no place: every old zygote had its scan")
    wait.until(lambda: site.said(IN_FORCE) > before, WAIT, "the reload when there is a place again")
    tap.ok(True, "no place: the reload takes effect when there is one again")
    site.reload()
    tap.ok(True, "no place: and so does the next one")


def successor(site):
    old = site.zygotes()
    site.write("quarantine", b"X-Sallyport-Test: spin\n")
    wait.until(site.scanning, WAIT, "a scan")
    site.reload()
    tap.ok(old < site.zygotes(), "successor: the old zygote is still there")
    os.kill(next(iter(site.zygotes() - old)), signal.SIGKILL)
    site.write("deliver")
    wait.until(site.delivered, WAIT, "mail in spite of the zygote's end")
    tap.ok(old < site.zygotes(), "successor: mail flows again while the old zygote is still at its scan")
    tap.equal(site.end_scans(), 1, "successor: it had one")


def overtaken(site):
    """A zygote that takes its time is overtaken by that of a reload: it must not come into use afterwards."""
    for _ in range(20):
        old = wait.until(lambda: site.gate.ready() and site.gate.pid("zygote"), WAIT, "a zygote in use")
        os.kill(old, signal.SIGKILL)
        slow = wait.until(lambda o=old: next(iter(site.zygotes() - {o}), None), WAIT, "another zygote", every=0.0005)
        os.kill(slow, signal.SIGSTOP)
        if not site.gate.ready():
            break
        os.kill(slow, signal.SIGCONT)  # it was ready already
        wait.until(site.gate.ready, WAIT, "workers")
    else:
        tap.note("no zygote could be caught in its start")
        return
    site.gate.options["Information Header Value"] = "new"
    site.gate.write_configuration()
    site.reload()
    os.kill(slow, signal.SIGCONT)
    wait.until(lambda: slow not in site.zygotes(), WAIT, "the end of the one that was overtaken")
    site.write("deliver")
    wait.until(site.delivered, WAIT, "mail")
    with open(site.gate.path("mqueue", site.delivered()[0]), encoding="ascii", errors="replace") as f:
        tap.ok("Information: new" in f.read(), "overtaken: mail flows, with the new settings")


def kick(site):
    """Mail that a reload overtakes: the MTA is told of it like of any other."""
    told, script = site.gate.path("told"), site.gate.path("kick")
    with open(script, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{told}\n')
    os.chmod(script, 0o755)
    site.gate.options["Sendmail2"] = script
    site.gate.write_configuration()
    site.reload()
    wait.until(lambda: len(site.zygotes()) == 1, WAIT, "the end of the old zygote")
    worker = site.gate.pid("worker")
    os.kill(worker, signal.SIGSTOP)
    site.write("deliver")
    wait.until(site.scanning, WAIT, "a message with the worker that stands still")
    site.reload()
    os.kill(worker, signal.SIGCONT)
    wait.until(site.delivered, WAIT, "the message")
    name = site.delivered()[0][2:]
    try:
        wait.until(lambda: os.path.exists(told) and name in open(told, encoding="ascii").read(), WAIT, "a kick")
        tap.ok(True, "kick: the MTA is told of a message that a reload has overtaken")
    except wait.Late as late:
        tap.ok(False, f"kick: the MTA is told of a message that a reload has overtaken: {late}")


def gateway_ends(site):
    # A database that is a pipe keeps a zygote in its start, however fast this machine is.
    signatures = site.gate.path("signatures")
    shutil.copytree(site.gate.signatures, signatures)
    pipe = os.path.join(signatures, "hold.ndb")
    os.mkfifo(pipe, 0o644)

    def let_go():
        with contextlib.suppress(OSError):  # nobody reads it
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return len(site.zygotes()) == 1
    site.gate.options["ClamAV Database Directory"] = signatures
    site.gate.write_configuration()
    old, stays, in_force = site.zygotes(), site.said(STAYS), site.said(IN_FORCE)
    gateway_pid = site.gate.pid("gateway")
    site.hup()
    wait.until(lambda: site.zygotes() - old, WAIT, "the zygote of a reload")
    os.kill(gateway_pid, signal.SIGKILL)
    wait.until(lambda: site.gate.pid("gateway") not in (None, gateway_pid) and site.gate.ready(), WAIT, "a gateway again")
    wait.until(lambda: site.said(STAYS) > stays, WAIT, "a line that says what became of the reload")
    tap.equal((site.said(STAYS), site.said(IN_FORCE)), (stays + 1, in_force), "gateway ends: the log says that the reload came to nothing")
    wait.until(let_go, WAIT, "the end of the reload's zygote")
    os.unlink(pipe)
    site.write("deliver")
    site.reload()
    tap.ok(True, "gateway ends: the next reload takes effect")


def hangs(site):
    """Killed after half a minute, before a watchdog ends the supervisor alone, whose successor would find the queues in use."""
    hung = site.gate.pid("gateway")
    site.write("deliver")
    os.kill(hung, signal.SIGSTOP)
    wait.until(lambda: site.gate.pid("gateway") not in (None, hung) and site.gate.ready(), 120, "another gateway", every=0.2)
    tap.equal(site.said("no sign of life"), 1, "hangs: a gateway that hangs is killed and another one started")


def descriptors(site):
    return {role: len(os.listdir(f"/proc/{site.gate.pid(role)}/fd")) for role in ("supervisor", "gateway", "zygote")}


def many(site):
    site.reload()
    wait.until(lambda: len(site.zygotes()) == 1, WAIT, "the end of the old zygote")
    before = descriptors(site)
    for n in range(RELOADS):
        site.reload()
        if n % 20 == 19:
            tap.progress(f"{n + 1} reloads")
    site.write("deliver")
    site.gate.wait_empty(20)
    wait.until(lambda: len(site.zygotes()) == 1, WAIT, "the end of the old zygotes")
    try:
        wait.until(lambda: at_most(descriptors(site), before), WAIT, "the descriptors there were")
    except wait.Late:
        pass
    after = descriptors(site)
    tap.ok(at_most(after, before), f"{RELOADS} reloads: no more descriptors than before ({after}, before {before})")


def at_most(now, before):
    return all(now[role] <= before[role] for role in before)


def main():
    parts = {"no place": no_place, "overtaken": overtaken, "kick": kick, "successor": successor, "gateway ends": gateway_ends, "hangs": hangs,
             "many": many}
    script.need("processes change users")
    with script.folder() as folder:
        for what in sys.argv[1:] or parts:
            site = Site(os.path.join(folder, what.replace(" ", "-")))
            try:
                parts[what](site)
                site.finish(what)
            except wait.Late as late:
                script.too_late(late, f"{what}: ")
                tap.note(site.gate.log_tail())
            finally:
                site.gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
