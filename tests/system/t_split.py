#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Recipients of one message to whom rulesets give different values, through real servers: each gets
what the rules say for him alone, and the message is not made more messages than that needs.
"""

import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, lines, mta, packages, samples, script, sink, tap, wait  # noqa: E402

MANY = 1000
RULES = {
    "Scan Messages": ("scan.rules", "To: *@noscan.test no\nFromOrTo: default yes\n"),
    "Virus Scanning": ("virus.rules", "To: *@novirus.test no\nFromOrTo: default yes\n"),
    "Filename Rules": ("names.rules", "To: *@anyname.test {any}\nFromOrTo: default {normal}\n"),
    "Maximum Message Size": ("size.rules", "To: *@small.test 3000\nFromOrTo: default 0\n"),
    "Information Header Value": ("information.rules",
                                 "To: *@other.test Ask the other people\nFromOrTo: default Ask us\n"),
}


class Bench:
    """Server, gateway and sink of one kind, and what the gateway's message log says."""

    def __init__(self, kind, folder, options=None, environment=None):
        self.sink = sink.Sink()
        self.server = kind(os.path.join(folder, "mta"), self.sink.port)
        self.server.start()
        self.log = os.path.join(folder, "sallyport", "state", "messages.log")
        self.gate = gateway.Gateway(
            os.path.join(folder, "sallyport"),
            (kind.name, self.server.in_queue, self.server.out_queue, self.server.user, self.server.sendmail2),
            {"Message Log": self.log, "Mark Unscanned Messages": "yes", "Unscanned Header Value": "Not looked at",
             **(options or {})})
        self._rulesets()
        self.gate.environment = environment or {}
        self.gate.start()
        self.client = sink.Client(self.server.port)

    def _rulesets(self):
        any_name = self.gate.path("etc", "any.conf")
        with open(any_name, "w", encoding="ascii") as f:
            f.write("allow\t.*\t-\t-\n")
        for option, (name, text) in RULES.items():
            path = self.gate.path("etc", name)
            with open(path, "w", encoding="ascii") as f:
                f.write(text.format(any=any_name, normal=self.gate.options["Filename Rules"]))
            self.gate.options[option] = path
        self.gate.write_configuration()

    def close(self):
        self.client.close()
        self.gate.stop()
        self.server.stop()
        self.sink.stop()

    def send(self, case, message, recipients):
        self.client.send(sink.with_case(bytes(message), case), recipients=recipients)

    def deliveries(self, case):
        """recipient -> [delivery]"""
        found = {}
        for d in self.sink.by_case().get(case, []):
            for r in d.recipients:
                found.setdefault(r.lower(), []).append(d)
        return found

    def records(self):
        """Lines of the message log, by id of the message that was sent."""
        found = {}
        for r in lines.records(self.log):
            found.setdefault(r.get("split_from", r["id"]), []).append(r)
        return found

    def record_of(self, case):
        """All lines about the one message that went to the recipients of @case, named after it."""
        tag = f"{case}@"
        for group in self.records().values():
            if any(tag in t for r in group for t in r["to"]):
                return group
        return []

    def settle(self, case, count):
        """Until every recipient of @case is in the message log."""
        wait.until(lambda: sum(r["to_n"] for r in self.record_of(case)) >= count, 120,
                   f"{case}: {count} recipients in the message log\n{self.gate.log_tail()}")
        self.gate.wait_empty(60)


def to(case, *domains):
    """Recipients whose names tell the case."""
    return [f"{case}@{d}.test" for d in domains]


def virus():
    return samples.with_file("Invoice", "note.txt", samples.eicar(), "text", "plain")


def program():
    return samples.with_file("The tool", "tool.exe", b"no program at all\n", "text", "plain")


def large():
    return samples.letter("A long letter", "A line of it.\n" * 400)


def outcomes(bench, case):
    """recipient's domain -> outcome"""
    return {t.partition("@")[2]: r["outcome"] for r in bench.record_of(case) for t in r["to"]}


def check_case(bench, case, message, want, entries):
    """@want: domain -> outcome; @entries: how many messages it became."""
    recipients = to(case, *want)
    bench.send(case, message, recipients)
    bench.settle(case, len(recipients))
    name = f"{bench.server.name}: {case}"
    became = bench.record_of(case)
    tap.equal(outcomes(bench, case), {f"{d}.test": w for d, w in want.items()}, f"{name}: each as his rules say")
    tap.equal(len(became), entries, f"{name}: became {entries}")
    tap.equal(sum(1 for r in became if "split_from" in r), entries - 1, f"{name}: all but one say where they come from")
    tap.equal({r.get("to_all") for r in became}, {len(recipients) if entries > 1 else None},
              f"{name}: each part knows how many recipients there were")
    out = [f"{case}@{d}.test" for d, w in want.items() if w == "deliver"]
    wait.until(lambda: set(bench.deliveries(case)) >= set(out), 60, f"{name}: deliveries")
    got = bench.deliveries(case)
    tap.equal(sorted(got), sorted(out), f"{name}: arrives where it should and nowhere else")
    tap.equal([r for r, d in got.items() if len(d) != 1], [], f"{name}: once each")
    body = sink.split_message(bytes(message))[1]
    tap.equal([r for r, d in got.items() if d[0].body != body], [], f"{name}: the body is the same")
    return got


def mark(got, case, domain):
    return got[f"{case}@{domain}.test"][0].header("X-test-MailScanner")


def rules_part(kind, folder):
    bench = Bench(kind, folder)
    try:
        got = check_case(bench, "virus", virus(), {"dest": "quarantine", "novirus": "deliver", "noscan": "deliver"}, 3)
        tap.equal(mark(got, "virus", "novirus"), ["Not looked at"], f"{kind.name}: marked as not scanned")
        tap.equal(mark(got, "virus", "noscan"), [], f"{kind.name}: not touched at all")
        check_case(bench, "program", program(), {"dest": "quarantine", "anyname": "deliver", "noscan": "deliver"}, 3)
        got = check_case(bench, "large", large(), {"dest": "deliver", "small": "quarantine", "anyname": "deliver"}, 2)
        tap.equal(mark(got, "large", "dest"), ["Found to be clean"], f"{kind.name}: marked as clean")
        # Values differ, what is done does not: one message.
        check_case(bench, "alike", samples.letter("Short"), {"dest": "deliver", "small": "deliver", "anyname": "deliver"}, 1)
        got = check_case(bench, "header", samples.letter("Two headers"), {"dest": "deliver", "other": "deliver"}, 2)
        tap.equal([got[f"header@{d}.test"][0].header("X-test-MailScanner-Information") for d in ("dest", "other")],
                  [["Ask us"], ["Ask the other people"]], f"{kind.name}: each has his header")
        tap.ok(re.search(r"Message \S+ split into \S+: recipients disagree about Information Header Value "
                         r"\(header@dest.test Ask us, header@other.test Ask the other people\)", bench.gate.log_text()),
               f"{kind.name}: the log says who disagrees about what")
        ours = bench.record_of("virus")
        derived = next(r for r in ours if "split_from" in r)
        shown = bench.gate.control("explain", derived["id"]) or {}
        tap.equal(shown.get("split_from"), derived["split_from"], f"{kind.name}: explain shows what it was split from")
        shown = bench.gate.control("explain", derived["split_from"]) or {}
        tap.equal(sorted(shown.get("split_into", "").split(", ")), sorted(r["id"] for r in ours if "split_from" in r),
                  f"{kind.name}: and what a message was split into")
        many_part(bench)

        def left():
            return [n for n in os.listdir(bench.server.in_queue) if n.startswith("sp.") or n[-2:] in ("-T", "-R", "-D")]
        with contextlib.suppress(wait.Late):  # a body goes a moment after its header file
            wait.until(lambda: not left(), 60, "an empty queue")
        tap.equal(left(), [], f"{kind.name}: nothing is left in the incoming queue")
        tap.ok(bench.gate.counters().get("messages_split_total", 0) >= 5, f"{kind.name}: splits are counted")
    finally:
        bench.close()


def many_part(bench):
    """Two kinds of recipients, alternating: two messages, not a thousand."""
    name = bench.server.name
    recipients = [f"many{i}@{'dest' if i % 2 == 0 else 'novirus'}.test" for i in range(MANY)]
    message = virus()
    bench.send("many", message, recipients)

    def about_many():
        return [r for group in bench.records().values() for r in group if r["to"][0].startswith("many")]

    wait.until(lambda: sum(r["to_n"] for r in about_many()) >= MANY, 120, f"{MANY} recipients in the message log")
    tap.equal(sorted((r["outcome"], r["to_n"]) for r in about_many()), [("deliver", MANY // 2), ("quarantine", MANY // 2)],
              f"{name}: {MANY} recipients with two kinds of rules become two messages")
    wait.until(lambda: len(bench.deliveries("many")) >= MANY // 2, 120, "deliveries to many")
    got = bench.deliveries("many")
    tap.equal(set(got), {r for r in recipients if "novirus" in r}, f"{name}: the right half gets it")
    tap.equal([r for r, d in got.items() if len(d) != 1], [], f"{name}: once each")


def join_part(kind, folder):
    """MailScanner's way: one message, values joined. The default of a ruleset counts only where no rule matches for
    anybody, so that who has a rule of his own decides for those who have none."""
    bench = Bench(kind, folder, {"Recipient Values": "join"})
    try:
        check_case(bench, "virus", virus(), {"dest": "deliver", "novirus": "deliver", "noscan": "deliver"}, 1)
        check_case(bench, "alone", virus(), {"dest": "quarantine"}, 1)
        check_case(bench, "large", large(), {"dest": "quarantine", "small": "quarantine"}, 1)
    finally:
        bench.close()


def limit_part(kind, folder):
    """More kinds of recipients than a message may be split into at once: more rounds, nobody joined."""
    bench = Bench(kind, folder, {"Maximum Split Envelopes": 2})
    try:
        want = {"dest": "quarantine", "novirus": "deliver", "noscan": "deliver", "other": "quarantine"}
        got = check_case(bench, "virus", virus(), want, 4)
        tap.equal(mark(got, "virus", "noscan"), [], f"{kind.name}: the last one, too, by his own rules")
    finally:
        bench.close()


def held_up_part(kind, folder):
    """The check of one fails at first: he waits, the others do not, and nothing unread passes."""
    bench = Bench(kind, folder, {"Maximum Processing Attempts": 0},
                  {"SALLYPORT_FAULT": "scan.clamav=EIO@1", "SALLYPORT_FAULT_ROLE": "worker"})
    try:
        got = check_case(bench, "fails", samples.letter("Check fails"),
                         {"dest": "deliver", "noscan": "deliver", "novirus": "deliver"}, 3)
        tap.equal([mark(got, "fails", d) for d in ("dest", "noscan")], [["Found to be clean"], []],
                  f"{kind.name}: who needs the check got it in the end")
        attempts = {t.partition("@")[2]: r["attempt"] for r in bench.record_of("fails") for t in r["to"]}
        tap.ok(attempts["dest.test"] > 1, f"{kind.name}: he had to wait for it")
        tap.equal([attempts["noscan.test"], attempts["novirus.test"]], [1, 1], f"{kind.name}: and nobody else")
    finally:
        bench.close()


def crash_part(kind, folder):
    """What crashes the worker for one recipient's rules is set aside for him alone."""
    bench = Bench(kind, folder, {"Maximum Processing Attempts": 2},
                  {"SALLYPORT_FAULT": "scan.clamav=CRASH@1", "SALLYPORT_FAULT_ROLE": "worker"})
    try:
        check_case(bench, "crashes", samples.letter("Check crashes"),
                   {"dest": "quarantine", "noscan": "deliver", "novirus": "deliver"}, 3)
        tap.ok("attempted too many times" in bench.gate.log_text(), f"{kind.name}: the log says why")
    finally:
        bench.close()


PARTS = {"rules": rules_part, "join": join_part, "limit": limit_part, "held-up": held_up_part,
         "crash": crash_part}


def main():
    script.need("mail servers and their users")
    wanted = sys.argv[1:] or list(PARTS)
    with script.folder() as folder:
        for kind in (mta.Sendmail, mta.Exim):
            for part in wanted:
                try:
                    PARTS[part](kind, os.path.join(folder, f"{kind.name}-{part}"))
                except packages.Missing as why:
                    tap.skip(f"{kind.name}: {part}", why)
                except wait.Late as late:
                    script.too_late(late, f"{kind.name}: {part}: ")
    tap.done()


if __name__ == "__main__":
    main()
