#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sallyport top in a terminal under load: rows, keys, a smaller window, a gateway that goes; and as JSON."""

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, load as mail, queuefile, script, tap, wait  # noqa: E402

MESSAGES = 150
BACKLOG = 200


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, command, columns, rows):
        self._socket = f"sallyport-top-{os.getpid()}"
        self._run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def _run(self, *words):
        return subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False)

    def text(self):
        return self._run("capture-pane", "-p").stdout

    def press(self, key):
        self._run("send-keys", key)

    def resize(self, columns, rows):
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def shows(self, *parts, seconds=60):
        try:
            wait.until(lambda: all(p in self.text() for p in parts), seconds, f"{parts} on the screen")
            return True
        except wait.Late:
            tap.note(self.text())
            return False

    def alive(self):
        return self._run("has-session").returncode == 0

    def close(self):
        self._run("kill-server")


def once(gate, *more):
    return subprocess.run([os.path.join(gate.build, "sallyport"), "top", "-c", gate.conf, "--once", *more],
                          capture_output=True, text=True, timeout=60, check=False)


def load(gate):
    """Mail of many kinds, so that every stage has something to do."""
    writer = queuefile.SendmailWriter(gate.in_queue)
    for _case, message, _want in itertools.islice(mail.mixed(), MESSAGES):
        writer.write(message)


class Load:
    """So much mail that there is always some waiting, however fast this machine is, until it is told to stop."""

    def __init__(self, gate):
        self._gate = gate
        self._thread = account.Thread(self._write)
        self._thread.start()

    def _write(self):
        writer = queuefile.SendmailWriter(self._gate.in_queue)
        for n, (_case, message, _want) in enumerate(mail.mixed(seed=2)):
            writer.write(message)
            while n % 20 == 0 and len(self._gate.queue_ids()) > BACKLOG and not self._thread.told.wait(0.005):
                pass
            if self._thread.told.is_set():
                return

    def stop(self):
        self._thread.stop()


def screen_part(gate):
    command = f"{gate.build}/sallyport top -c {gate.conf} --delay 0.2"
    screen = Terminal(command, 120, 40)
    try:
        tap.ok(screen.shows("Sallyport", "scan threads", "THREAD", "STAGE", "SOURCE", "THROTTLE", gate.in_queue),
               "every section is there")
        tap.ok(screen.shows("I idle"), "threads without work are idle")
        flow = Load(gate)
        try:
            tap.ok(wait.until(lambda: re.search(r"per second: (?!0\.0)[\d.]+ delivered", screen.text()), 60, "a rate"),
                   "under load: messages by the second")
            tap.ok(wait.until(lambda: re.search(r" [PANVC] (parsing|archives|names|viruses|content) .* [A-Za-z0-9]{14}",
                                                screen.text()), 60, "a thread at work"),
                   "and what a thread does with which message")
        finally:
            flow.stop()
        screen.resize(60, 14)
        tap.ok(screen.shows("THROTTLE", "q quit") and len(screen.text().splitlines()) <= 14,
               "a smaller window has less, but its last line")
        screen.resize(120, 40)
        tap.ok(screen.shows("filetypes"), "and a larger one more again")
        screen.press("p")
        tap.ok(screen.shows("PAUSED"), "p pauses")
        screen.press("p")
        screen.press("+")
        tap.ok(screen.shows("every 0.1 s"), "+ looks more often")
        gate.stop()
        tap.ok(screen.shows("no gateway answers"), "it says that the gateway has gone, and stays")
        gate.start()
        tap.ok(wait.until(lambda: "no gateway answers" not in screen.text(), 60, "the gateway again"),
               "and goes on when it is back")
        screen.press("q")
        tap.ok(wait.until(lambda: not screen.alive(), 60, "the end"), "q ends it")
    finally:
        screen.close()


class Pty:
    """A terminal whose bytes are seen: what tmux would hide."""

    def __init__(self, argv, term):
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = term
            os.execv(argv[0], argv)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._fd, False)
        self.out, self.code = b"", None

    def _ended(self):
        with contextlib.suppress(BlockingIOError, OSError):
            while part := os.read(self._fd, 1 << 16):
                self.out += part
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def shows(self, part, seconds=30):
        with contextlib.suppress(wait.Late):
            wait.until(lambda: self._ended() or part in self.out, seconds, f"{part} on the terminal")
        return part in self.out

    def press(self, keys):
        os.write(self._fd, keys)

    def end(self):
        wait.until(self._ended, 30, "its end")
        os.close(self._fd)
        return self.code


def terminal_part(gate):
    argv = [f"{gate.build}/sallyport", "top", "-c", gate.conf, "--delay", "0.2"]
    for term, says in (("dumb", b"cannot move its cursor"), ("nonsense", b"no such terminal")):
        t = Pty(argv, term)
        tap.ok(t.end() == 64 and says in t.out, f"TERM = {term} is refused")
    done = subprocess.run(["setsid", "sh", "-c", 'exec "$@" < /dev/null', "sh", *argv], capture_output=True, check=False)
    tap.ok(done.returncode == 64 and b"is not a terminal" in done.stderr, "without a terminal it is refused")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        t = Pty(argv, "xterm-256color")
        t.shows(b"q quit")
        os.kill(t.pid, number)
        tap.ok(t.end() == 0 and b"\x1b[?1049l" in t.out, f"{number.name} gives the terminal back")
    t = Pty(argv, "xterm-256color")
    t.shows(b"q quit")
    t.press(b"\x1b[1;5D\x1bOA")
    tap.ok(wait.until(lambda: t.press(b"p") or t.shows(b"PAUSED", 1), 30, "the next key"),
           "keys that mean nothing do not end it, the next one counts")
    t.press(b"q")
    tap.equal(t.end(), 0, "  until q")
    t = Pty(argv, "xterm-256color")
    t.shows(b"q quit")
    stuck = gate.pid("gateway")
    os.kill(stuck, signal.SIGSTOP)
    try:
        tap.ok(t.shows(b"no answer within"), "a gateway that hangs: it says so")
        t.press(b"q")
        tap.equal(t.end(), 0, "  and can be left")
    finally:
        gateway.go_on(stuck)


def full_socket(gate, folder):
    """A gateway that hangs takes no connection: once its backlog is full, even connect() waits."""
    path, conf = os.path.join(folder, "full"), os.path.join(folder, "full.conf")
    with open(gate.conf, encoding="utf-8") as f, open(conf, "w", encoding="utf-8") as out:
        out.writelines(f"Control Socket = {path}\n" if line.startswith("Control Socket") else line for line in f)
    with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as stack:
        listening.bind(path)
        listening.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                s = stack.enter_context(socket.socket(socket.AF_UNIX))
                s.setblocking(False)
                s.connect(path)
        done = subprocess.run([f"{gate.build}/sallyport", "top", "-c", conf, "--once"], capture_output=True, text=True,
                              timeout=60, check=False)
    tap.ok(done.returncode == 75 and "no answer within 2 s" in done.stderr, f"a full backlog: {done.stderr.strip()}")


def json_part(gate):
    load(gate)
    gate.wait_empty(120)
    done = once(gate, "--json")
    look = json.loads(done.stdout)
    tap.equal(done.returncode, 0, "--once --json")
    tap.equal({q["path"] for q in look["queues"]}, {gate.in_queue}, "its queue")
    tap.equal(len(look["threads"]), 2, "a row for each scan thread")
    tap.ok(all(t["state"] in "SEIRPANVC" and t["pid"] in gate.tree() for t in look["threads"]),
           "with states and real process ids")
    tap.ok({"mime", "archives", "virus"} <= {s["name"] for s in look["stages"]}, "stages by name")
    tap.ok(look["throttle"]["state"] == "account", "what the throttle does")
    text = once(gate)
    tap.ok(text.returncode == 0 and "STAGE" in text.stdout and "\33" not in text.stdout, "--once as plain text")


def refusals(gate, folder):
    gate.stop()
    done = once(gate)
    tap.ok(done.returncode == 75 and "no gateway answers" in done.stderr, "without a gateway: 75 and why")
    for words, what in ((["--delay", "0"], "a delay of nothing"), (["--delay", "1.5s"], "a delay with a unit"),
                        (["now"], "an argument")):
        done = once(gate, *words)
        tap.ok(done.returncode == 64 and "Usage: sallyport top" in done.stderr, f"{what}: 64 and the usage")
    done = subprocess.run([os.path.join(gate.build, "sallyport"), "top", "-c", os.path.join(folder, "none.conf")],
                          capture_output=True, text=True, check=False)
    tap.ok(done.returncode == 78 and "none.conf" in done.stderr, "a configuration that is not there: 78")


def main():
    script.need("the sandbox of the workers")
    with script.folder() as folder:
        gate = gateway.Gateway(os.path.join(folder, "gate"))
        gate.start()
        try:
            json_part(gate)
            if shutil.which("tmux"):
                screen_part(gate)
            else:
                tap.skip("the screen", "tmux is not installed")
            terminal_part(gate)
            full_socket(gate, folder)
            refusals(gate, folder)
        finally:
            gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
