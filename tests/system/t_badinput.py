#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What nobody should put into a queue: half files, foreign files, files of other people, messages that
are far too large, too deep or too long. Each gets one clear line in the log, none is lost, nothing
else waits for it, and no process grows beyond its bound.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, queuefile, samples, script, sink, tap, wait  # noqa: E402

GATEWAY_BYTES = 300 << 20
WORKER_BYTES = 900 << 20  # a 100 MB message, its decoded parts, the engine
HEAD = b"From: a@origin.test\nTo: b@dest.test\nSubject: bad input\nMIME-Version: 1.0\n"


def _multipart(parts):
    return (HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" +
            b"--b\nContent-Type: text/plain\n\nx\n" * parts + b"--b--\n")


def _deep(levels):
    out = [HEAD]
    out += [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels)]
    return b"".join(out) + b"\nend\n"


def hard_messages():
    """(name, message, may it be delivered); what is over the limit for queue files may stay there"""
    line = b"0123456789abcde" * 4 + b"\n"
    return [
        ("100 MB", HEAD + b"\n" + line * ((100 << 20) // len(line)), True),
        ("10,000 parts", _multipart(10_000), False),
        ("5,000 nested multiparts", _deep(5_000), False),
        ("50,000 headers", HEAD + b"X-Filler: some words to fill the line\n" * 50_000 + b"\nbody\n", False),
        ("one header of 2 MB", HEAD + b"X-Long: " + b"a" * (2 << 20) + b"\n\nbody\n", False),
        ("NULs in headers and body", HEAD.replace(b"bad", b"b\0d") + b"\nbo\0dy\0\n", True),
        ("no final newline", HEAD + b"\nthe end", True),
        ("empty body", HEAD + b"\n", True),
        ("no headers at all", b"\nonly a body\n", True),
        ("address groups", HEAD + b"Cc: " + b"a:" * 40_000 + b";\n\nx\n", True),
        ("a line of 20 MB", HEAD + b"\n" + b"y" * (20 << 20) + b"\n", True),
    ]


class Bad:
    """Files that are no good messages; they must stay where they are."""

    def __init__(self, gate):
        self.gate = gate
        self.writer = queuefile.SendmailWriter(gate.in_queue)
        self.staying = {}  # id -> what it is

    def _qf(self, text=None, body=b"body\n", prefix="qf"):
        name = self.writer.new_id()
        fields = queuefile.split_headers(HEAD + b"\n")[0]
        good = self.writer.header_text(fields, "a@origin.test", ["b@dest.test"], "192.0.2.9")
        if body is not None:
            self.writer.put("df" + name, body)
        self.writer.put(prefix + name, good if text is None else text(good))
        return name

    def make(self):
        path = self.writer.path
        self.staying[self._qf(lambda good: good[:len(good) // 2])] = "half a header file"
        self._qf(lambda good: b"")  # a server that is just beginning: nothing to say about it
        self.staying[self._qf(lambda good: os.urandom(4000))] = "noise as header file"
        self.staying[self._qf(body=None)] = "no body file"
        self.staying[self._qf(lambda g: b"\n".join(x for x in g.split(b"\n") if not x.startswith(b"R")))] = \
            "no recipients"
        # Made so that they are bad before the gateway can see them.
        name = self._qf(body=None, prefix="tf")
        self.writer.put("df" + name, b"text\n")
        os.chown(path("df" + name), 65534, 65534)
        os.chown(path("tf" + name), 65534, 65534)
        os.rename(path("tf" + name), path("qf" + name))
        self.staying[name] = "another owner"
        name = self._qf(body=None, prefix="tf")
        with open(self.gate.path("elsewhere"), "wb") as f:
            f.write(b"text\n")
        os.symlink(self.gate.path("elsewhere"), path("df" + name))
        os.rename(path("tf" + name), path("qf" + name))
        self.staying[name] = "body is a symbolic link"
        name = self.writer.new_id()
        os.symlink("/etc/passwd", path("qf" + name))
        self.staying[name] = "header file is a symbolic link"
        name = self.writer.new_id()
        os.mkfifo(path("qf" + name))
        self.staying[name] = "header file is a FIFO"
        name = self.writer.new_id()
        os.mkdir(path("qf" + name))
        self.staying[name] = "header file is a directory"
        for foreign in ("README", "core", ".hidden", "tf123", "xfABC", "qf", "qf..", "qf" + "A" * 200):
            with open(path(foreign), "w", encoding="ascii") as f:
                f.write("what is this\n")


def snapshot(folder):
    found = {}
    for name in os.listdir(folder):
        st = os.lstat(os.path.join(folder, name))
        found[name] = (st.st_ino, st.st_size, st.st_mode, st.st_mtime_ns)
    return found


def bad_files(gate):
    bad = Bad(gate)
    bad.make()
    before = snapshot(gate.in_queue)
    name = bad.writer.write(sink.with_case(bytes(samples.letter("A good one among them")), "good"))
    wait.until(lambda: name not in gate.queue_ids(), 60, "the good message among the bad files")
    tap.ok(True, "a good message passes them")
    try:  # links and the like raise no event: the next rescan finds them
        wait.until(lambda: all(bad_id in gate.log_text() for bad_id in bad.staying), 60, "a line for each in the log")
    except wait.Late as late:
        tap.note(late)
    rescans = gate.log_text().count("\n")
    tap.equal(snapshot(gate.in_queue), before, "all bad files are as they were")
    lines = gate.log_text().splitlines()
    for bad_id, what in bad.staying.items():
        said = [x for x in lines if bad_id in x]
        tap.ok(0 < len(said) <= 3, f"{what}: {len(said)} line(s) in the log")
        if said:
            tap.note(said[0][-160:])
    tap.ok(rescans < 500, f"the log does not flood ({rescans} lines)")


def settled(gate, name):
    """Out of the incoming queue, or left there with a line in the log that names the limit."""
    if name not in gate.queue_ids():
        return "gone"
    told = [x for x in gate.log_text().splitlines() if name in x and "left in place" in x and "limit" in x]
    return "refused" if told else None


def hard(gate, acc):
    writer = queuefile.SendmailWriter(gate.in_queue)
    became = {}
    for n, (what, message, _) in enumerate(hard_messages()):
        if not message.startswith(b"\n"):
            message = sink.with_case(message, f"hard-{n}")
            acc.accept(f"hard-{n}", queuefile.split_headers(message)[1])
        name = writer.write(message)
        after = bytes(samples.letter(f"After {what}"))
        acc.accept(f"after-{n}", queuefile.split_headers(after)[1])
        next_name = writer.write(sink.with_case(after, f"after-{n}"))
        try:
            became[n] = wait.until(lambda m=name: settled(gate, m), 180, what)
            wait.until(lambda m=next_name: settled(gate, m), 60, f"the message after {what}")
            tap.ok(True, f"{what}: dealt with ({became[n]})")
        except wait.Late as late:
            tap.ok(False, f"{what}: not dealt with")
            tap.note(f"{late}\n{gate.log_tail(10)}")
    acc.read_queue(acc.delivered, "sendmail", gate.out_queue)
    acc.read_queue(acc.queued, "sendmail", gate.in_queue)
    acc.read_quarantine(gate.quarantine)
    tap.equal(acc.missing(), [], f"none is missing ({acc.summary()})")
    for n, (what, message, may) in enumerate(hard_messages()):
        if not message.startswith(b"\n"):
            tap.ok(f"hard-{n}" not in acc.delivered or may, f"{what} is not let through unchecked")
        tap.ok(f"after-{n}" in acc.delivered, f"the message after {what} is delivered")
    tap.equal(acc.changed(), [], "no body changed")


def main():
    script.need("files of other owners")
    with script.folder() as folder:
        gate = gateway.Gateway(folder, options={"Rescan Interval": 1, "Maximum Processing Attempts": 2})
        acc = account.Account()
        try:
            gate.start()
            gateway_pid = gate.pid("gateway")
            bad_files(gate)
            hard(gate, acc)
            tap.equal(gate.pid("gateway"), gateway_pid, "the gateway is the same process")
            peak = gate.peak_memory()
            tap.ok(peak.get("gateway", 0) < GATEWAY_BYTES, f"gateway: {peak.get('gateway', 0) >> 20} MB at most")
            tap.ok(peak.get("worker", 0) < WORKER_BYTES, f"worker: {peak.get('worker', 0) >> 20} MB at most")
        except wait.Late as late:
            script.too_late(late)
        finally:
            gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
