# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMTP server that takes every message and remembers it, and a client that sends many."""

import asyncio
import hashlib
import re
import smtplib
import threading
from dataclasses import dataclass, field

from kit import wait

CASE_HEADER = "X-Sallyport-Case"
_CASE = re.compile(rb"^" + CASE_HEADER.encode() + rb":\s*(\S+)", re.I | re.M)


def split_message(data):
    """(headers, body) of a message with LF line ends; both may be empty."""
    if data.startswith(b"\n"):
        return b"", data[1:]
    head, _, body = data.partition(b"\n\n")
    return head + b"\n", body


def case_of(data):
    found = _CASE.search(split_message(data)[0])
    return found.group(1).decode() if found else None


def header_values(headers, name):
    """All values of header @name (bytes), unfolded."""
    text = re.sub(rb"\n[ \t]+", b" ", headers)
    found = re.findall(rb"^" + re.escape(name) + rb":[ \t]*(.*)$", text, re.I | re.M)
    return [v.decode("utf-8", "replace").strip() for v in found]


def settings_of(message, information, mail):
    """NAME, when the two headers of a message say "info NAME" and "clean NAME", from one configuration;
    anything else in a form that shows what it was."""
    headers = split_message(message)[0]
    info, clean = header_values(headers, information), header_values(headers, mail)
    if len(info) == 1 and len(clean) == 1 and info[0].startswith("info ") and clean[0] == "clean " + info[0][5:]:
        return info[0][5:]
    return f"{info} {clean}"


def body_hash(body):
    return hashlib.sha256(body).hexdigest()


@dataclass
class Delivery:
    case: str
    sender: str
    recipients: list
    headers: bytes = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name):
        return header_values(self.headers, name.encode())


class Sink:
    """Listens on a loopback port (0: one that is free); deliveries are in .deliveries, in the order they came."""

    def __init__(self, port=0):
        self.deliveries = []
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        if not self._ready.wait(60):
            raise wait.Late("the sink does not listen")

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._talk, "127.0.0.1", self.port, limit=1 << 20, backlog=512)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _talk(self, reader, writer):
        sender, recipients = "", []

        def say(text):
            writer.write(text.encode() + b"\r\n")

        try:
            say("220 sink.test ESMTP")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    say("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0")
                elif verb == b"MAIL":
                    sender, recipients = _address(line), []
                    say("250 ok")
                elif verb == b"RCPT":
                    recipients.append(_address(line))
                    say("250 ok")
                elif verb == b"DATA":
                    say("354 go on")
                    await writer.drain()
                    self._keep(sender, recipients, await _read_data(reader))
                    say("250 kept")
                elif verb == b"QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _keep(self, sender, recipients, data):
        headers, body = split_message(data)
        self.deliveries.append(Delivery(case_of(data), sender, recipients, headers, body))

    def by_case(self):
        found = {}
        for d in self.deliveries:
            found.setdefault(d.case, []).append(d)
        return found


def _address(line):
    found = re.search(rb"<([^>]*)>", line)
    return found.group(1).decode("utf-8", "replace") if found else ""


async def _read_data(reader):
    """The message with LF line ends and dots removed."""
    lines = []
    while True:
        line = await _read_line(reader)
        if line in (b".\r\n", b".\n", b""):
            return b"".join(lines)
        if line.startswith(b"."):
            line = line[1:]
        lines.append(line[:-2] + b"\n" if line.endswith(b"\r\n") else line)


async def _read_line(reader):
    parts = []
    while True:
        try:
            parts.append(await reader.readuntil(b"\n"))
            return b"".join(parts)
        except asyncio.LimitOverrunError as e:
            parts.append(await reader.readexactly(e.consumed))
        except asyncio.IncompleteReadError as e:
            return b"".join(parts) + e.partial


def with_case(message, case):
    """@message (LF line ends) with our case header in front; an mbox line is dropped."""
    if message.startswith(b"From "):
        message = message.partition(b"\n")[2]
    return f"{CASE_HEADER}: {case}\n".encode() + message


class Client:
    """One SMTP connection over which many messages go; opened again when the server ends it."""

    def __init__(self, port):
        self._port = port
        self._smtp = None

    def send(self, message, sender="sender@origin.test", recipients=("rcpt@dest.test",)):
        wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        for last in (False, True):
            try:
                if self._smtp is None:
                    self._smtp = smtplib.SMTP("127.0.0.1", self._port, "client.test", timeout=60)
                self._smtp.sendmail(sender, list(recipients), wire)
                return
            except (smtplib.SMTPServerDisconnected, ConnectionError):
                self._smtp = None
                if last:
                    raise

    def close(self):
        if self._smtp is not None:
            self._smtp.quit()
            self._smtp = None
