# SPDX-License-Identifier: GPL-2.0-or-later
"""
The whole way: SMTP -> real server that only queues -> Sallyport -> second server -> sink. What
t_sendmail.py and t_exim.py share.
"""

import glob
import os
import random

from kit import mta as servers
from kit import account, gateway, packages, samples, script, sink, tap, wait

CORPUS_MESSAGES = int(os.environ.get("SALLYPORT_ROUNDTRIP", "500"))
INODE_MESSAGES = 60


def corpus(count):
    """(name, message) of real mail, the same choice every time; generated mail without a corpus."""
    top = os.environ.get("SALLYPORT_CORPUS", "")
    files = sorted(f for kind in ("mail-ham", "mail-spam")
                   for f in glob.glob(os.path.join(glob.escape(top), kind, "**"), recursive=True)
                   if os.path.isfile(f)) if top else []
    if not files:
        tap.skip("real mail", "SALLYPORT_CORPUS is not set: generated mail instead")
        return [(f"made-{i}", bytes(samples.letter(f"Letter {i}", "A line.\n" * (1 + i % 50))))
                for i in range(min(count, 50))]
    random.Random(20261122).shuffle(files)
    chosen = []
    for f in files:
        message = _normal(f)
        if len(chosen) < count and b"\r" not in message:  # sendmail refuses a lone CR on the wire
            chosen.append((os.path.relpath(f, top), message))
    return chosen


def _normal(path):
    """As a client would send it: LF line ends, a last newline."""
    with open(path, "rb") as f:
        message = f.read().replace(b"\r\n", b"\n")
    return message if message.endswith(b"\n") else message + b"\n"


class Roundtrip:
    def __init__(self, kind, folder, sendmail2=None):
        self.sink = sink.Sink()
        self.server = kind(os.path.join(folder, "mta"), self.sink.port)
        self.server.start()
        self.gate = gateway.Gateway(
            os.path.join(folder, "sallyport"),
            (kind.name, self.server.in_queue, self.server.out_queue, self.server.user,
             sendmail2 or self.server.sendmail2))
        self.account = account.Account()
        self.cases = {}      # case -> (name, what must become of it)
        self.messages = {}
        self.folder = folder

    def close(self):
        self.gate.stop()
        self.server.stop()
        self.sink.stop()

    def send(self, named):
        client = sink.Client(self.server.port)
        for name, message, want in named:
            case = f"case-{len(self.cases)}"
            self.cases[case] = (name, want)
            self.messages[case] = message
            client.send(sink.with_case(message, case))
        client.close()

    def note_queue(self):
        """What the server has queued: {case: (id, inode, headers)}, and the bodies into the account."""
        found = {}
        for name in self.server.ids(self.server.in_queue):
            message = account.read_message(self.server.name, self.server.in_queue, name)
            case = sink.case_of(message)
            body = servers.body_of(self.server, self.server.in_queue, name)
            self.account.accept(case, body, self.cases[case][1])
            inode = os.stat(self.server.body_file(self.server.in_queue, name)).st_ino
            found[case] = (name, inode, self.server.header_text(self.server.in_queue, name))
        return found

    def names(self, cases):
        return [f"{c} ({self.cases[c][0]})" for c in cases][:10]



def inode_part(kind, folder):
    """Nobody serves the outgoing queue: what Sallyport put there can be looked at."""
    trip = Roundtrip(kind, folder, sendmail2="/bin/true")
    try:
        clean = [(s.name, s.message, s.want) for s in samples.everything() if s.want == samples.DELIVER]
        trip.send(clean + [(n, m, None) for n, m in corpus(INODE_MESSAGES)])
        before = trip.note_queue()
        tap.equal(len(before), len(trip.cases), f"{kind.name}: all are queued before Sallyport starts")
        trip.gate.start()
        trip.gate.wait_empty(300)
        out = trip.server.out_queue
        bad_inode, bad_body, bad_head, no_mark = [], [], [], []
        arrived = {}
        for name in trip.server.ids(out):
            case = sink.case_of(account.read_message(kind.name, out, name))
            arrived[case] = name
            was = before[case]
            if os.stat(trip.server.body_file(out, name)).st_ino != was[1]:
                bad_inode.append(case)
            if sink.body_hash(servers.body_of(trip.server, out, name)) != trip.account.accepted[case]:
                bad_body.append(case)
            head = trip.server.header_text(out, name)
            if not _headers_kept(was[2], head):
                bad_head.append(case)
            if b"\nX-test-MailScanner: Found to be clean\n" not in head or \
                    b"\nX-test-MailScanner-ID: " + was[0].encode() + b"\n" not in head:
                no_mark.append(case)
        trip.account.read_quarantine(trip.gate.quarantine)
        lost = set(before) - set(arrived) - set(trip.account.quarantined)
        tap.equal(sorted(lost), [], f"{kind.name}: every message is in one of the two places")
        tap.equal([c for c, (n, w) in trip.cases.items() if w == samples.DELIVER and c not in arrived], [],
                  f"{kind.name}: all clean samples are in the outgoing queue")
        tap.equal(trip.names(bad_inode), [], f"{kind.name}: clean body files are moved, not copied ({len(arrived)})")
        tap.equal(trip.names(bad_body), [], f"{kind.name}: clean bodies are the same bytes")
        tap.equal(trip.names(bad_head), [], f"{kind.name}: the message's own headers are all there, in order")
        tap.equal(trip.names(no_mark), [], f"{kind.name}: our headers are there as configured")
    finally:
        trip.close()


def _headers_kept(before, after):
    """Every header of @before in @after, in the same order; new ones may stand anywhere."""
    rest = iter(_fields(after))
    return all(any(f == g for g in rest) for f in _fields(before))


def _fields(text):
    out = []
    for line in text.split(b"\n"):
        if line[:1] in (b" ", b"\t") and out:
            out[-1] += b"\n" + line
        elif line:
            out.append(line)
    return [f for f in out if not f.lower().startswith((b"x-mozilla-status", b"x-test-mailscanner"))]


def flow_part(kind, folder):
    """Mail in, mail out, everything accounted for."""
    trip = Roundtrip(kind, folder)
    try:
        trip.send((n, m, None) for n, m in corpus(CORPUS_MESSAGES))
        first = trip.note_queue()
        tap.progress(f"{len(first)} messages queued by {kind.name}")
        trip.gate.start()
        live = [(s.name, s.message, s.want) for s in samples.everything()]
        trip.send(live)  # while it works
        for case, (name, want) in trip.cases.items():
            if case not in trip.account.accepted:
                message = next(m for n, m, _ in live if n == name)
                trip.account.accept(case, sink.split_message(sink.with_case(message, case))[1], want)
        trip.gate.wait_empty(300)
        trip.account.read_quarantine(trip.gate.quarantine)
        _wait_delivered(trip)
        _check(kind, trip)
    finally:
        trip.close()


def _wait_delivered(trip):
    expected = len(trip.cases) - len(trip.account.quarantined)

    def all_there():
        return len(trip.sink.by_case()) >= expected
    try:
        wait.until(all_there, 180, "deliveries that Sallyport itself set going", every=0.2)
    except wait.Late as late:
        tap.note(f"{late}: {len(trip.sink.by_case())} of {expected}")
    tap.ok(all_there(), "the second server was told of every message")
    trip.server.flush()


def without_us(kind, trip, cases):
    """{case: body} as it arrives when nothing but the two servers handles it: they mend some mail."""
    if not cases:
        return {}
    target = sink.Sink()
    server = kind(os.path.join(trip.folder, "alone"), target.port)
    server.start()
    try:
        client = sink.Client(server.port)
        for case in cases:
            client.send(sink.with_case(trip.messages[case], case))
        client.close()
        server.null_gateway()
        server.flush()
        wait.until(lambda: len(target.deliveries) >= len(cases), 120, "deliveries without Sallyport")
    finally:
        server.stop()
        target.stop()
    return {d.case: d.body for d in target.deliveries}


def _check(kind, trip):
    acc = trip.account
    for d in trip.sink.deliveries:
        if d.case is not None:
            acc.add_delivered(d.case, d.body)
    acc.read_queue(acc.queued, kind.name, trip.server.in_queue)
    tap.note(acc.summary())
    tap.equal(trip.names(acc.missing()), [], f"{kind.name}: none is missing ({acc.summary()})")
    tap.equal(acc.repeats(), 0, f"{kind.name}: none came twice")
    both = sorted(set(acc.delivered) & set(acc.quarantined))
    tap.equal(trip.names(both), [], f"{kind.name}: none is both delivered and quarantined")
    changed = acc.changed()
    alone = without_us(kind, trip, changed)
    ours = [c for c in changed if sink.body_hash(alone.get(c, b"")) not in acc.delivered[c]]
    tap.equal(trip.names(ours), [], f"{kind.name}: bodies reach the sink as they were "
              f"({len(changed) - len(ours)} changed by the server itself)")
    for case, (name, want) in trip.cases.items():
        if want == samples.QUARANTINE:
            tap.ok(case in acc.quarantined and case not in acc.delivered, f"{kind.name}: {name} is quarantined")
        elif want == samples.DELIVER:
            tap.ok(case in acc.delivered and case not in acc.quarantined, f"{kind.name}: {name} is delivered")
    share = len(acc.delivered) * 100 // len(trip.cases)
    tap.ok(share >= 75, f"{kind.name}: most real mail is delivered ({share} %)")


def run(kind):
    if os.geteuid() != 0:
        tap.skip_all("needs root: mail servers and their users")
    if not gateway.have_programs():
        tap.skip_all(f"no programs in {gateway.build_dir()}: scripts/build makes them")
    with script.folder() as folder:
        for part in (inode_part, flow_part):
            sub = os.path.join(folder, part.__name__)
            os.mkdir(sub, 0o755)
            try:
                part(kind, sub)
            except packages.Missing as why:
                tap.skip(f"{kind.name} {part.__name__}", why)
            except wait.Late as late:
                script.too_late(late, f"{kind.name} {part.__name__}: ")
    tap.done()
