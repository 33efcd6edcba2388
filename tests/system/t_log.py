#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the daemon's lines go: standard error, or syslog where standard error is systemd's journal; name, facility, level."""

import contextlib
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, queuefile, samples, script, tap, wait  # noqa: E402

DEV_LOG = "/dev/log"
DELIVERED = "Uninfected: Delivered 1 messages"
LOCAL3, INFO = 19, 6


class Syslog:
    """A syslog of our own, where the host has none. It reads all the time: a few unread lines block who writes more."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(DEV_LOG)
        os.chmod(DEV_LOG, 0o666)
        self._socket.settimeout(0.05)
        self._lines = []
        self._thread = account.Thread(self._receive)
        self._thread.start()

    def _receive(self):
        while not self._thread.told.is_set():
            with contextlib.suppress(TimeoutError):
                self._lines.append(self._socket.recv(8192).decode("utf-8", "replace"))

    def read(self):
        """Ours; others on this host may write there, too."""
        return [x for x in self._lines if "MailScanner[" in x or "sallyport" in x]

    def has(self, *parts):
        return [x for x in self.read() if all(p in x for p in parts)]

    def close(self):
        try:
            self._thread.stop()
        finally:
            self._socket.close()
            os.unlink(DEV_LOG)


def deliver(gate):
    queuefile.SendmailWriter(gate.in_queue).write(bytes(samples.letter("A line")))
    gate.wait_empty(60)


def journal(folder, syslog):
    gate = gateway.Gateway(folder, options={"Syslog Facility": "local3"})
    with open(gate.log, "ab") as f:
        st = os.fstat(f.fileno())
    gate.environment["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
    try:
        gate.start()
        deliver(gate)
        wait.until(lambda: syslog.has(DELIVERED), 60, "the line of a delivery")
        line = syslog.has(DELIVERED)[-1]
        found = re.match(r"<(\d+)>.* MailScanner\[(\d+)\]: ", line)
        tap.ok(found and int(found.group(2)) == gate.pid("gateway"), f"syslog has it from the gateway, as MailScanner: {line!r}")
        tap.equal(found and int(found.group(1)), LOCAL3 * 8 + INFO, "in the facility of the option")
        own = f"MailScanner[{gate.pid('supervisor')}]"
        wait.until(lambda: syslog.has(own), 60, "a line of the supervisor")
        tap.ok(True, "the supervisor's lines are there, too")
        tap.equal(gate.log_text(), "", "and not a second time on standard error")
    finally:
        tap.equal(gate.stop(), 0, "stopped")


def terminal(folder, syslog):
    """The variable of a service that started a shell, say: standard error is something else."""
    gate = gateway.Gateway(folder)
    gate.environment["JOURNAL_STREAM"] = "8:1"
    before = len(syslog.read())
    try:
        gate.start()
        deliver(gate)
        wait.until(lambda: DELIVERED in gate.log_text(), 60, "the line of a delivery")
        tap.equal(syslog.read()[before:], [], "standard error is no journal: the lines go there alone")
    finally:
        tap.equal(gate.stop(), 0, "stopped")


def left_over():
    """Whether nobody reads it: a run of ours that was killed has left it, and it is removed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        try:
            s.connect(DEV_LOG)
        except ConnectionRefusedError:
            os.unlink(DEV_LOG)
            return True
        except OSError:
            pass
    return False


def main():
    script.need()
    if os.geteuid() != 0:
        tap.skip_all("only root may make " + DEV_LOG)
    if os.path.lexists(DEV_LOG) and not left_over():
        tap.skip_all(f"{DEV_LOG} belongs to this host's syslog")
    syslog = Syslog()
    try:
        with script.folder() as folder:
            journal(os.path.join(folder, "journal"), syslog)
            terminal(os.path.join(folder, "terminal"), syslog)
    finally:
        syslog.close()
    tap.done()


if __name__ == "__main__":
    main()
