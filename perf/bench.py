# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon benchmarks share: a private gateway, mail for it, and timing one run."""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
os.environ.setdefault("SALLYPORT_BUILD", os.path.join(TOP, "build"))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
from kit import gateway, queuefile, wait  # noqa: E402

OPTIONS = {"Rescan Interval": 3600, "Log Level": "warning", "Max Children": 2, "Delivery Method": "queue"}
WORDS = ("river stone garden letter window market silver morning carriage bridge orchard "
         "winter candle harvest meadow harbour lantern thread paper signal").split()


def arguments(about, **numbers):
    """Options --name N for each number, plus --folder; their values."""
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--folder", default="/var/tmp", help="work below this directory")
    for name, default in numbers.items():
        p.add_argument("--" + name, type=type(default), default=default, help=f"default {default}")
    return p.parse_args()


@contextlib.contextmanager
def scratch(parent):
    """A directory of our own, gone afterwards, also when TERM ends us."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="sallyport-perf-", dir=parent)
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def daemon(folder, options=None, signatures=None, build=None):
    """A configured gateway, not started; stopped at the end."""
    gate = gateway.Gateway(folder, options={**OPTIONS, **(options or {})}, signatures=signatures)
    if build is not None:
        gate.build = build
    try:
        yield gate
    finally:
        gate.stop()


def text(rng, size):
    lines, at = [], 0
    while at < size:
        line = " ".join(rng.choices(WORDS, k=9))
        lines.append(line)
        at += len(line) + 1
    return "\n".join(lines) + "\n"


def letters(kind, size, seed=1):
    """Endless mail of about @size bytes: 'distinct' bodies, or the 'same' body again and again."""
    rng = random.Random(seed)
    number, body = 0, text(rng, size)
    while True:
        number += 1
        if kind == "distinct":
            # Another start, another first and last line: as a whole and in each half new.
            body = f"Number {number} {rng.random()}\n" + body[len(body) // 3:] + body[:len(body) // 3]
            body = body[:size] + f"{rng.random()}\n"
        yield (f"From: Ada Example <ada@origin.test>\nTo: Bo Example <bo@dest.test>\nSubject: Letter {number}\n"
               f"Date: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <{number}@origin.test>\nMIME-Version: 1.0\n"
               f"Content-Type: text/plain; charset=utf-8\n\n{body}").encode()


def fill(queue, kind, count, size):
    """Put @count messages into @queue; their header and body bytes as they lie on disk."""
    writer, make = queuefile.SendmailWriter(queue), letters(kind, size)
    for _ in range(count):
        writer.write(next(make))
    return sizes(queue)


def sizes(queue):
    head = sum(e.stat().st_size for e in os.scandir(queue) if e.name.startswith("qf"))
    body = sum(e.stat().st_size for e in os.scandir(queue) if e.name.startswith("df"))
    return head, body


def empty(folder):
    for e in os.scandir(folder):
        os.unlink(e.path)


def settle():
    """What earlier steps left dirty must not be paid for by the next."""
    subprocess.run(["sync"], check=True)


def published(gate):
    return sum(1 for e in os.scandir(gate.out_queue) if e.name.startswith("qf"))


def done(gate):
    return gate.counters().get("messages_delivered_total", 0)


def time_queue(gate, count, seconds=300, on_start=None):
    """
    Seconds from ready to the last of @count messages done: published, synced, removed, synced (the
    counter moves only then). Ready is the last moment it was seen not to be.
    """
    gate.start(wait_ready=False)
    began = time.monotonic()
    deadline = began + seconds
    while True:
        asked = time.monotonic()
        if gate.ready():
            break
        began = asked
        if not gate.running() or asked > deadline:
            raise wait.Late("not ready:\n" + gate.log_tail())
        time.sleep(0.002)
    if on_start is not None:
        on_start(gate)
    while done(gate) < count:
        if time.monotonic() > deadline:
            raise wait.Late(f"{done(gate)} of {count} after {seconds} s\n{gate.log_tail()}")
        time.sleep(0.05 if count > 500 else 0.002)
    took = time.monotonic() - began
    if gate.queue_ids() or published(gate) != count:
        raise wait.Late(f"{len(gate.queue_ids())} left, {published(gate)} of {count} published")
    return took


def cpu_ms(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) * 1000 / tick


def pids(gate, role):
    return [p for p, r in gate.tree().items() if r == role]


def status_kb(pid, *names):
    """Values of /proc/PID/status or smaps_rollup in KB."""
    found = {}
    for source in ("status", "smaps_rollup"):
        with open(f"/proc/{pid}/{source}", encoding="ascii", errors="replace") as f:
            for line in f:
                name, _, value = line.partition(":")
                if name in names:
                    found[name] = int(value.split()[0])
    return found


def program(name):
    return os.path.join(os.environ["SALLYPORT_BUILD"], "perf", name)


def say(*words):
    print(*words, flush=True)
