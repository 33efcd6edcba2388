#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
No loss (promise P1): processes are killed at every state change and at random moments, and system
calls made to fail at every fault point, under load. Afterwards every accepted message must be
delivered or quarantined, no body changed, and repeats at most what was in flight at a kill. A third of
the messages have recipients who disagree, so that they are split: there each recipient counts.

SALLYPORT_KILLS=N    random kills (300)        SALLYPORT_SEED=N    another order of them
"""

import itertools
import os
import random
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, dns, gateway, load, queuefile, samples, script, tap, wait  # noqa: E402

KILLS = int(os.environ.get("SALLYPORT_KILLS", "300"))
SEED = int(os.environ.get("SALLYPORT_SEED", "1"))
IN_FLIGHT = 32
OPTIONS = {"Max Messages In Flight": IN_FLIGHT, "Maximum Processing Attempts": 0, "Processing Retry Delay": 1,
           "Rescan Interval": 1}
# A message must survive this without being left out for ever.
SETTLE_SECONDS = 120
RCPT, FREE = "rcpt@dest.test", ("one@noscan.test", "two@noscan.test")  # the latter's mail is not looked at
# In the order a split comes by them; each queue format has its way with bodies.
SPLIT_POINTS = ["msg.state.splitting", "queue.split.write", "split.sync.file", "queue.split.publish",
                "queue.split.published", "split.sync.dir", "queue.split.reduce", "queue.split.reduced",
                "split.sync.reduced", "msg.state.split"]
BODY_POINTS = {"sendmail": ["queue.split.link"], "exim": ["queue.split.copy", "queue.split.name"]}
WRITERS = {"sendmail": queuefile.SendmailWriter, "exim": queuefile.EximWriter}


def disagreeing(messages):
    """Every third message goes to more recipients, two of whom take anything."""
    for n, (case, message, want) in enumerate(messages):
        if n % 3 == 0:
            want = {RCPT: want, **{r: samples.DELIVER for r in FREE}}
        yield case, message, want


def fault_points():
    """(states, other points) as the source has them, so that none is forgotten."""
    points = set()
    for folder, _, names in os.walk(os.path.join(gateway.TOP, "src")):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    text = f.read()
                points |= set(re.findall(r'fault_at\(\s*"([a-z0-9._-]+)"', text))
                points |= set(re.findall(r'"(msg\.state\.[a-z]+)"', text))
                points |= set(re.findall(r'"((?:queue\.)?split\.[a-z.]+)"', text))
                points |= set(re.findall(r'\?\s*"([a-z]+\.[a-z.]+)"\s*:\s*"[a-z.]+"\s*,', text))
                points |= set(re.findall(r'\?\s*"[a-z]+\.[a-z.]+"\s*:\s*"([a-z]+\.[a-z.]+)"\s*,', text))
    states = sorted(p for p in points if p.startswith("msg.state."))
    return states, sorted(points - set(states))


def clients():
    """A new one for each message, so that its name must be asked for."""
    for n in itertools.count():
        yield f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


class Sweep:
    """One daemon under load, and what happens to it."""

    def __init__(self, folder, role="gateway", mta="sendmail"):
        self.mta = mta
        self.gate = gateway.Gateway(folder, self._queues(folder), OPTIONS)
        self.names = dns.Server()  # knows nobody
        self._rules()
        self.fault_file = self.gate.path("fault")
        self.fault("")
        self.gate.environment = {"SALLYPORT_FAULT_FILE": self.fault_file}
        if role is not None:
            self.gate.environment["SALLYPORT_FAULT_ROLE"] = role
        self.account = account.Account()
        self.kills = self.fruitless = 0
        self.gate.start()
        self.last_tree = self.gate.tree()
        self.drain = account.Drain(mta, self.gate.out_queue)
        self.load = account.Load(self.account, WRITERS[mta](self.gate.in_queue), disagreeing(load.mixed(SEED)),
                                 clients=clients())

    def _queues(self, folder):
        """Of Exim's kind; None for sendmail's, which the gateway's kit makes."""
        if self.mta == "sendmail":
            return None
        queues = [os.path.join(folder, n) for n in ("exim.in", "exim.out")]
        for q in queues:
            os.makedirs(q, 0o700)
        return (self.mta, *queues, "root", "/bin/true")

    def _rules(self):
        path = self.gate.path("etc", "scan.rules")
        with open(path, "w", encoding="ascii") as f:
            f.write("From: host:nowhere.test no\nTo: *@noscan.test no\nFromOrTo: default yes\n")
        self.gate.options["Scan Messages"] = path
        self.gate.options["DNS Servers"] = f"127.0.0.1:{self.names.port}"
        self.gate.write_configuration()

    def fault(self, text):
        with open(self.fault_file + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.fault_file + ".new", self.fault_file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """However it ended: nothing of ours goes on."""
        self.load.stop()
        self.drain.stop(account.Account())
        self.gate.stop()
        self.names.stop()

    def ensure_up(self):
        """Start it again if the supervisor itself is gone; its children must have gone with it."""
        if not self.gate.running():
            try:
                wait.until(lambda: not gateway.alive(self.last_tree), 60, "end of the killed supervisor's children")
            except wait.Late as late:
                raise wait.Late(f"{late}: {[(p, self.last_tree[p]) for p in gateway.alive(self.last_tree)]}") from None
            self.gate.start(wait_ready=False)
        deaths = self.gateway_deaths()
        wait.until(lambda: self.gate.ready() or self.gateway_deaths() > deaths or not self.gate.running(), 60,
                   f"sallyportd, see {self.gate.log}")

    def kill(self, pid):
        self.last_tree = self.gate.tree()
        try:
            os.kill(pid, signal.SIGKILL)
            self.kills += 1
        except ProcessLookupError:
            self.fruitless += 1
        wait.until(lambda: not gateway.alive([pid]), 60, "end of a killed process")

    def messages_out(self, count, seconds):
        """Until so many more have come out; False when they did not in that time."""
        target = len(self.drain.taken) + count
        try:
            wait.until(lambda: len(self.drain.taken) >= target, seconds, "messages coming out", every=0.005)
            return True
        except wait.Late:
            return False

    def gateway_deaths(self):
        return len(re.findall(r"gateway \(pid \d+\) ended: signal 9", self.gate.log_text()))

    def finish(self, what):
        """Let everything settle, then the equation."""
        self.fault("")
        self.load.stop()
        self.ensure_up()
        self.gate.wait_empty(SETTLE_SECONDS)
        wait.until(lambda: self.hidden(self.gate.in_queue) == [], 60, "sweep of what unfinished splits left")
        self.drain.stop(self.account)
        code = self.gate.stop()
        acc = self.account
        acc.read_quarantine(self.gate.quarantine)
        acc.read_queue(acc.queued, self.mta, self.gate.in_queue)
        tap.equal(acc.missing(), [], f"{what}: none of {len(acc.accepted)} is missing ({acc.summary()})")
        tap.equal(acc.unknown(), [], f"{what}: nothing came from nowhere")
        tap.equal(acc.changed(), [], f"{what}: no body changed")
        tap.equal(acc.let_through(), [], f"{what}: nothing bad was let through")
        tap.equal(acc.withheld(), [], f"{what}: nothing clean was withheld")
        copies = IN_FLIGHT * (1 + len(FREE))
        tap.ok(acc.repeats() <= max(self.kills, 1) * copies, f"{what}: {acc.repeats()} repeats in {self.kills} kills, "
               f"at most {copies} each")
        tap.equal(code, 0, f"{what}: stops cleanly on TERM")
        # A header file whose body the drain took from under a repeat is no loss: it was counted before.
        tap.equal(self.hidden(self.gate.out_queue, "df", "-D"), [], f"{what}: no left-over in the outgoing queue")
        tap.equal(self.hidden(self.gate.in_queue), [], f"{what}: no hidden left-over in the incoming queue")
        tap.ok(self.gate_splits() > 0, f"{what}: messages were split")

    @staticmethod
    def hidden(folder, *also):
        """Files of ours that the server does not look at."""
        return sorted(n for n in os.listdir(folder) if n.startswith(("sp.", *also)) or n.endswith(("-T", "-R", "-B", "-O", *also)))

    def gate_splits(self):
        return self.gate.log_text().count(" split into ")


def at_states(folder, states, mta="sendmail", times=(1, 7, 50)):
    with Sweep(folder, mta=mta) as sweep:
        for state in states:
            for nth in times:
                sweep.kill(sweep.gate.pid("supervisor"))
                before = sweep.gateway_deaths()
                also = ",commit.sync.file=EIO" if state == "msg.state.released" else ""  # or nobody comes there
                sweep.fault(f"{state}=KILL@{nth}{also}")  # counted from the start of the process
                sweep.ensure_up()
                try:
                    wait.until(lambda b=before: sweep.gateway_deaths() > b, 60, state)
                    sweep.kills += sweep.gateway_deaths() - before
                except wait.Late:
                    sweep.fruitless += 1
                    tap.ok(False, f"the gateway came to {state} {nth} times")
                sweep.fault("")
            tap.progress(f"{state}: {sweep.kills} kills, {sweep.load.written} messages")
        sweep.finish(f"{len(states)} states")


def at_splits(folder):
    """Each step of a split, with both queue formats."""
    for mta in WRITERS:
        at_states(os.path.join(folder, mta), SPLIT_POINTS + BODY_POINTS[mta], mta, (1, 2, 7))


def at_random(folder):
    with Sweep(folder) as sweep:
        rng = random.Random(SEED)
        roles, since_supervisor = {}, 0
        for n in range(KILLS):
            sweep.ensure_up()
            # The supervisor waits longer after each quick death of a child; killed itself, it begins anew.
            role = "supervisor" if since_supervisor >= 4 else rng.choice(gateway.ROLES)
            since_supervisor = 0 if role == "supervisor" else since_supervisor + 1
            pid = sweep.gate.pid(role)
            if pid is None:
                sweep.fruitless += 1
                continue
            # A moment measured in messages that came out; now and then at once, into the start-up.
            if rng.random() < 0.8:
                sweep.messages_out(rng.randrange(1, 12), 30)
            sweep.kill(pid)
            roles[role] = roles.get(role, 0) + 1
            if n % 25 == 24:
                tap.progress(f"{n + 1} of {KILLS} kills, {sweep.load.written} messages")
        tap.note(f"killed: {roles}, not found: {sweep.fruitless}")
        tap.ok(sweep.kills >= KILLS * 9 // 10, f"{sweep.kills} processes were killed")
        sweep.finish(f"{sweep.kills} random kills")


def with_errors(folder, points):
    with Sweep(folder, role=None) as sweep:
        for point in points:
            for error in ("EIO", "ENOSPC", "SHORT"):
                for _ in range(4):  # it fails for a moment, then goes on
                    sweep.fault(f"{point}={error}")
                    sweep.messages_out(5, 0.1)
                    sweep.fault("")
                    tap_quiet(sweep.messages_out(10, 60), f"{point}={error}: mail goes on afterwards, within a minute")
                if not tap_quiet(sweep.gate.running(), f"{point}={error} ended the daemon"):
                    sweep.ensure_up()
            tap.progress(f"{point}: {sweep.load.written} messages")
        sweep.kills = len(points) * 12  # a failed sync may repeat what was in flight, as a kill may
        sweep.finish(f"{len(points)} points failing three ways")


def tap_quiet(fine, text):
    """A point in the account only when it failed: these would be hundreds."""
    return fine or tap.ok(False, text)


def main():
    script.need("processes change users")
    script.need_faults()
    states, points = fault_points()
    tap.ok(len(states) >= 8, f"{len(states)} states have fault points")
    parts = {"states": lambda f: at_states(f, states), "splits": at_splits, "random": at_random, 
             "errors": lambda f: with_errors(f, points)}
    wanted = sys.argv[1:] or list(parts)
    with script.folder() as folder:
        for name in wanted:
            try:
                parts[name](os.path.join(folder, name))
            except wait.Late as late:
                script.too_late(late, f"{name}: ")
    tap.done()


if __name__ == "__main__":
    main()
