# SPDX-License-Identifier: GPL-2.0-or-later
"""
The accounting equation: accepted = delivered + quarantined + queued, no body changed, and nothing
twice that need not be. A message accepted for several recipients is an entry for each of them.
"""

import contextlib
import fcntl
import json
import os
import threading

from kit import queuefile, wait
from kit.sink import body_hash, case_of, split_message

FACTS = ".facts.json"  # beside a quarantined message


class Account:
    def __init__(self):
        self.accepted = {}    # case -> body hash
        self.wanted = {}      # case -> what must become of it, where a test says so
        self.delivered = {}   # case -> [body hash]
        self.quarantined = {}
        self.queued = {}

    def accept(self, case, body, want=None):
        self.accepted[case] = body_hash(body)
        if want is not None:
            self.wanted[case] = want

    @staticmethod
    def entry(case, recipient):
        return f"{case} {recipient}"

    def accept_for(self, case, body, wanted):
        """@wanted: recipient -> what must become of his copy."""
        for recipient, want in wanted.items():
            self.accept(self.entry(case, recipient), body, want)

    def _add(self, where, message, recipients):
        case = case_of(message)
        if case is None:
            return
        entries = [e for e in (self.entry(case, r) for r in recipients) if e in self.accepted]
        for e in entries or [case]:
            where.setdefault(e, []).append(body_hash(split_message(message)[1]))

    def add_delivered(self, case, body):
        self.delivered.setdefault(case, []).append(body_hash(body))

    def add_taken(self, message, recipients):
        if case_of(message) is None:
            self.add_delivered(None, split_message(message)[1])
        self._add(self.delivered, message, recipients)

    def read_quarantine(self, folder):
        for path, names in _files(folder):
            if "message" in names:
                with open(os.path.join(path, "message"), "rb") as f:
                    self._add(self.quarantined, f.read(), _noted_recipients(path))

    def read_queue(self, where, mta, folder):
        for name in names_in(mta, folder):
            with contextlib.suppress(OSError, ValueError):
                self._add(where, read_message(mta, folder, name), read_recipients(mta, folder, name))

    # --- the answers ---

    def missing(self):
        """Accepted and nowhere to be found. That there was no mail at all is told, too: it would pass every test."""
        if not self.accepted:
            return ["(no message was ever accepted)"]
        found = set(self.delivered) | set(self.quarantined) | set(self.queued)
        return sorted(set(self.accepted) - found)

    def unknown(self):
        found = set(self.delivered) | set(self.quarantined) | set(self.queued)
        return sorted(found - set(self.accepted))

    def changed(self):
        return sorted(c for c, hashes in self.delivered.items()
                      if c in self.accepted and any(h != self.accepted[c] for h in hashes))

    def repeats(self):
        """How many deliveries there were beyond the first of each."""
        return sum(len(h) - 1 for h in self.delivered.values())

    def let_through(self):
        """Delivered although they had to be withheld."""
        return sorted(c for c in self.delivered if self.wanted.get(c) == "quarantine")

    def withheld(self):
        """Quarantined and not delivered although they were fine."""
        return sorted(c for c in self.quarantined
                      if self.wanted.get(c) == "deliver" and c not in self.delivered)

    def summary(self):
        return (f"accepted {len(self.accepted)} = delivered {len(self.delivered)} + quarantined "
                f"{len(set(self.quarantined) - set(self.delivered))} + queued "
                f"{len(set(self.queued) - set(self.delivered) - set(self.quarantined))}, "
                f"repeats {self.repeats()}")


def _files(folder):
    for path, _, names in os.walk(folder):
        if not os.path.basename(path).startswith("."):
            yield path, names


def _sendmail_message(qf, df):
    head, keep = [], False
    for line in qf.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if keep:
                head.append(line)
            continue
        keep = line[:1] == b"H"
        if keep:
            text = line[1:]
            if text[:1] == b"?":
                text = text[text.index(b"?", 1) + 1:]
            head.append(text)
    return b"\n".join(head) + b"\n\n" + df


def _exim_message(header, data):
    fields, at = [], header.index(b"\n\n") + 2
    while at < len(header):
        end = at
        while header[end:end + 1].isdigit():
            end += 1
        size = int(header[at:end])
        if header[end:end + 1] != b"*":
            fields.append(header[end + 2:end + 2 + size])
        at = end + 2 + size
    return b"".join(fields) + b"\n" + data[data.index(b"\n") + 1:]


def _read(*path):
    if not os.path.isfile(os.path.join(*path)):  # a FIFO would keep us waiting
        raise FileNotFoundError(os.path.join(*path))
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def read_message(mta, folder, name):
    if mta == "exim":
        return _exim_message(_read(folder, name + "-H"), _read(folder, name + "-D"))
    return _sendmail_message(_read(folder, "qf" + name), _read(folder, "df" + name))


def _noted_recipients(folder):
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(folder, FACTS), "rb") as f:
            return [r.lower() for r in json.load(f).get("to", [])]
    return []


def read_recipients(mta, folder, name):
    if mta == "exim":
        lines = _read(folder, name + "-H").partition(b"\n\n")[0].split(b"\n")
        return [x.split()[0].decode("latin-1").lower() for x in lines if b"@" in x and x[:1] not in b"-<"]
    found = (x.rpartition(b"<")[2].rstrip(b">") for x in _read(folder, "qf" + name).split(b"\n") if x[:1] == b"R")
    return [x.decode("latin-1").lower() for x in found]


def names_in(mta, folder):
    names = os.listdir(folder)
    if mta == "exim":
        return sorted(n[:-2] for n in names if n.endswith("-H"))
    return sorted(n[2:] for n in names if n.startswith("qf"))


def read_queue(mta, folder):
    """Every message of a queue; files that are none are passed over."""
    for name in names_in(mta, folder):
        try:
            yield read_message(mta, folder, name)
        except (OSError, ValueError):
            continue


class Thread:
    """A thread whose end by an exception is an exception of the test, too."""

    def __init__(self, run):
        self.told = threading.Event()
        self._run, self._broken = run, None
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def start(self):
        self._thread.start()

    def _guarded(self):
        try:
            self._run()
        except Exception as why:  # pylint: disable=broad-except
            self._broken = why

    def stop(self):
        self.told.set()
        self._thread.join(120)
        if self._thread.is_alive():
            raise wait.Late(f"{self._run.__qualname__} does not end")
        if self._broken is not None:
            why, self._broken = self._broken, None
            raise RuntimeError(f"{self._run.__qualname__} broke off: {why!r}") from why


class Drain:
    """
    Plays the outgoing server: takes each message out of the outgoing queue as soon as it is there,
    so that a message released twice is seen twice.
    """

    def __init__(self, mta, folder):
        self._mta, self._folder = mta, folder
        self.taken = []  # messages
        self._recipients = []  # of each of them
        self._thread = Thread(self._run)
        self._stop = self._thread.told
        self._thread.start()

    def _run(self):
        while not self._stop.wait(0.01):
            self._sweep()
        self._sweep()

    def _sweep(self):
        for name in names_in(self._mta, self._folder):
            try:
                message = read_message(self._mta, self._folder, name)
                recipients = read_recipients(self._mta, self._folder, name)
            except FileNotFoundError:
                continue  # being written anew after a kill: the next sweep takes it
            self._recipients.append(recipients)
            self.taken.append(message)
            for gone in ([name + "-H", name + "-D"] if self._mta == "exim" else
                         ["qf" + name, "df" + name]):
                # Between the two, a gateway that starts again may clear a body without a header.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._folder, gone))

    def stop(self, account):
        """Everything taken so far goes into @account."""
        self._thread.stop()
        for message, recipients in zip(self.taken, self._recipients):
            account.add_taken(message, recipients)
        self.taken, self._recipients = [], []


class Load:
    """Writes messages into a queue, @backlog at most waiting, until stopped."""

    def __init__(self, account, writer, messages, backlog=100, clients=None):
        self._account, self._writer = account, writer
        # Endless iterator of (case, message, want), where want can be {recipient: want}.
        self._messages = messages
        self._backlog = backlog
        self._clients = clients  # endless iterator of client addresses
        self.written = 0
        self._thread = Thread(self._run)
        self._stop = self._thread.told
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            if len(os.listdir(self._writer.queue)) > 2 * self._backlog:
                self._stop.wait(0.02)
                continue
            case, message, want = next(self._messages)
            client = {} if self._clients is None else {"client_ip": next(self._clients)}
            fields_body = queuefile.split_headers(message)[1]
            if isinstance(want, dict):
                self._account.accept_for(case, fields_body, want)
                self._writer.write(message, recipients=list(want), **client)
            else:
                self._account.accept(case, fields_body, want)
                self._writer.write(message, **client)
            self.written += 1
            self._stop.wait(0.003)  # steady load, not as much as the disk takes

    def stop(self):
        self._thread.stop()


def locked(path):
    """Whether somebody holds a POSIX or flock lock on @path."""
    with open(path, "r+b") as f:
        for lock in (fcntl.lockf, fcntl.flock):
            try:
                lock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
    return False
