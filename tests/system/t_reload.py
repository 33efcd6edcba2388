#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reload under load: two configurations take turns every second or as soon as the one before is in force,
now and then a broken one comes between. Every message is delivered once, with the settings of one configuration and not of two; the
broken one changes nothing and the log says why; supervisor and gateway stay the same processes.

SALLYPORT_RELOAD_SECONDS=N   how long (20)
"""

import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, load, queuefile, samples, script, sink, tap, wait  # noqa: E402

SECONDS = int(os.environ.get("SALLYPORT_RELOAD_SECONDS", "20"))
BROKEN_EVERY = 4
BACKLOG = 40
SETTLE_SECONDS = 60
INFORMATION, MAIL = b"X-test-MailScanner-Information", b"X-test-MailScanner"
FAILED, LOADED = "the configuration in force stays", "Configuration reloaded"
# A line that makes no sense, a Perl function where mail would pass unchecked, a rule file that is not there;
# and what only the scan engine finds, which has no line.
NO_ENGINE = "ClamAV Database Directory = %conf-dir%/empty"
MISTAKES = ("this line makes no sense", NO_ENGINE, "Filename Rules = &OurRules", "Filename Rules = /nonexistent/rules")


class Site:
    """A gateway whose configuration is exchanged as a whole."""

    def __init__(self, folder):
        self.gate = gateway.Gateway(folder, options={"Maximum Processing Attempts": 0})
        self.wanted = 0  # reloads asked for with a good configuration
        self.killed = 0
        self.broken = []  # (line number, mistake)
        os.mkdir(self.gate.path("etc", "empty"))
        self.write("A")

    def write(self, name, mistake=None):
        """Settings @name; with a mistake all of them must count for nothing."""
        self.gate.options["Information Header Value"] = f"info {name}"
        self.gate.options["Clean Header Value"] = f"clean {name}"
        lines = [f"{k} = {v}\n" for k, v in self.gate.options.items()]
        if mistake is not None:
            lines.append(mistake + "\n")
            self.broken.append((len(lines), mistake))
        with open(self.gate.conf + ".new", "w", encoding="utf-8") as f:
            f.writelines(lines)
        os.rename(self.gate.conf + ".new", self.gate.conf)

    def reload(self, n):
        """By signal and by the control socket, in turn."""
        if n % 2 == 0:
            os.kill(self.gate.pid("supervisor"), signal.SIGHUP)
        else:
            if self.gate.ask("reload") is None:
                tap.ok(False, f"reload {n}: the control socket answers")

    def said(self, text):
        return self.gate.log_text().count(text)


def settings_of(message):
    return sink.settings_of(message, INFORMATION, MAIL)


def reload_for_a_while(site):
    began, n = time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        n += 1
        if n % BROKEN_EVERY == 0:
            before = site.said(FAILED)
            site.write("C", MISTAKES[n // BROKEN_EVERY % len(MISTAKES)])
            site.reload(n)
            wait.until(lambda b=before: site.said(FAILED) > b, 60, "the log says that a reload failed")
        else:
            before = site.said(LOADED)
            site.write("AB"[n % 2])
            site.reload(n)
            site.wanted += 1
            # Else one that is slow would read what is written for the next one.
            wait.until(lambda b=before: site.said(LOADED) > b, 60, "the log says that a reload is done")
        due = began + n
        wait.until(lambda d=due: time.monotonic() >= d, 30, "the next second")
        if n % 5 == 0:
            tap.progress(f"{n} reloads")


def killed(site):
    """The zygote of a reload dies, in its start or just after: a later reload must not wait for it."""
    old = zygotes(site)
    site.write("A")
    site.reload(0)
    site.wanted += 1
    pid = wait.until(lambda: next(iter(zygotes(site) - old), None), 60, "the zygote of a reload", every=0.001)
    os.kill(pid, signal.SIGKILL)
    site.killed += 1
    wait.until(site.gate.ready, 60, "workers after a zygote's end")


def zygotes(site):
    return {p for p, role in site.gate.tree().items() if role == "zygote"}


def in_a_row(site, drain):
    """The second comes while the first is under way: what was written last must hold in the end."""
    site.write("A")
    site.reload(0)
    site.write("B")
    site.reload(0)
    site.write("D")
    site.reload(1)
    site.wanted += 3
    wait.until(lambda: any(settings_of(m) == "D" for m in drain.taken[-50:]), 60,
               "messages with the configuration written last")


def descriptors(site):
    return {role: len(os.listdir(f"/proc/{site.gate.pid(role)}/fd")) for role in ("supervisor", "gateway")}


def check_messages(acc, taken, code):
    tap.equal(acc.missing(), [], f"none of {len(acc.accepted)} is missing ({acc.summary()})")
    tap.equal(acc.unknown(), [], "nothing came from nowhere")
    tap.equal(acc.changed(), [], "no body changed")
    tap.equal(acc.let_through(), [], "nothing bad was let through")
    tap.equal(acc.withheld(), [], "nothing clean was withheld")
    tap.equal(acc.repeats(), 0, "every message was delivered once")
    tap.equal(sorted(set(acc.delivered) & set(acc.quarantined)), [], "none was delivered and withheld")
    found = {}
    for message in taken:
        name = settings_of(message)
        found[name] = found.get(name, 0) + 1
    tap.note(f"delivered with the settings of: {found}")
    tap.equal(sorted(set(found) - {"A", "B", "D"}), [], "each message has the settings of one configuration")
    tap.ok(found.get("A", 0) > 0 and found.get("B", 0) > 0, "both configurations were in force")
    tap.equal(code, 0, "stops cleanly on TERM")


def check_log(site):
    text = site.gate.log_text()
    for line, mistake in sorted(set(site.broken)):
        place = re.escape(site.gate.path("etc", "empty") if mistake == NO_ENGINE else f"{site.gate.conf}:{line}")
        tap.ok(re.search(rf"reload: .*{place}\b.*{FAILED}", text), f"the log says where '{mistake}' is")
    failed, broken = text.count(FAILED), len(site.broken)
    tap.ok(broken <= failed <= broken + site.killed, f"{failed} reloads failed: {broken} broken, {site.killed} killed")
    loaded = text.count(LOADED)
    # Those that wait for one under way become one.
    tap.ok(site.wanted // 2 <= loaded <= site.wanted, f"{loaded} reloads for {site.wanted} that were asked for")


def run(site):
    gate = site.gate
    gate.start()
    before = {role: gate.pid(role) for role in ("supervisor", "gateway")}
    drain = account.Drain("sendmail", gate.out_queue)
    acc = account.Account()
    writer = account.Load(acc, queuefile.SendmailWriter(gate.in_queue),
                          load.mixed(1, {s.name for s in samples.everything()} - {"bomb", "nested"}), BACKLOG)
    try:
        wait.until(lambda: len(drain.taken) >= BACKLOG, 60, "mail")
        files = descriptors(site)  # all that it needs for its work are open
        reload_for_a_while(site)
        for _ in range(3):
            killed(site)
        in_a_row(site, drain)
    finally:
        writer.stop()
    gate.wait_empty(SETTLE_SECONDS)
    wait.until(lambda: list(gate.tree().values()).count("zygote") == 1, SETTLE_SECONDS, "end of the retired zygotes")
    tap.equal({role: gate.pid(role) for role in before}, before, "supervisor and gateway are the same processes")
    wait.until(lambda: all(descriptors(site)[r] <= files[r] + 2 for r in files), 60,
               f"descriptors closed, {descriptors(site)} where it began with {files}")
    tap.ok(True, f"no descriptor is left over: {files}, now {descriptors(site)}")
    taken = drain.taken
    drain.stop(acc)
    code = gate.stop()
    acc.read_quarantine(gate.quarantine)
    acc.read_queue(acc.queued, "sendmail", gate.in_queue)
    check_messages(acc, taken, code)
    check_log(site)


def unchangeable(gate):
    """What a running daemon cannot take over is said; what would put unread mail into the MTA's hands is refused."""
    before = dict(gate.options)
    gate.start()

    def reload(answer, **options):
        gate.options.update({name.replace("_", " "): value for name, value in options.items()})
        gate.write_configuration()
        seen = len(gate.log_text())
        os.kill(gate.pid("supervisor"), signal.SIGHUP)
        wait.until(lambda: answer in gate.log_text()[seen:], 60, answer)
        gate.options.clear()
        gate.options.update(before)
        return gate.log_text()[seen:]

    said = reload("Configuration reloaded", Run_As_User="nobody", Max_Messages_In_Flight=77, Max_Children=1)
    kept = sorted(re.findall(r"warning .*: (.*): a reload cannot change it: '(.*)' holds from the next start", said))
    tap.equal(kept, [("Max Messages In Flight", "77"), ("Run As User", "nobody")], "what must wait for the next start is said")
    tap.ok("a reload cannot" not in reload("Configuration reloaded"), "and no more when it is as it was")
    said = reload(FAILED, Outgoing_Queue_Dir=gate.in_queue)
    tap.ok(f"{gate.in_queue} is both incoming and outgoing queue directory" in said, "one queue for both: refused")
    tap.equal(gate.stop(), 0, "stops cleanly")


def main():
    script.need("processes change users")
    with script.folder() as folder:
        gate = gateway.Gateway(os.path.join(folder, "unchangeable"))
        try:
            unchangeable(gate)
        except wait.Late as late:
            script.too_late(late)
            tap.note(gate.log_tail())
        finally:
            gate.stop()
        site = Site(os.path.join(folder, "reload"))
        try:
            run(site)
        except wait.Late as late:
            script.too_late(late)
            tap.note(site.gate.log_tail())
        finally:
            site.gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
