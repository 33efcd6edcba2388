# SPDX-License-Identifier: GPL-2.0-or-later
"""
A name server that answers as a test tells it, also badly, on UDP and TCP of one loopback port; and
a real one, unbound, with zones of its own.
"""

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time

from kit import packages, ports, wait

A, CNAME, SOA, PTR, AAAA = 1, 5, 6, 12, 28
UDP_BYTES = 1232
UNBOUND_PACKAGES = ["unbound"]


def encode(name):
    """A name as labels; bytes are taken as one label each."""
    labels = name if isinstance(name, (list, tuple)) else [x for x in name.split(".") if x]
    return b"".join(bytes([len(x)]) + (x if isinstance(x, bytes) else x.encode()) for x in labels) + b"\0"


def record(owner, kind, data, ttl=600):
    return encode(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reverse(ip):
    if ":" in ip:
        nibbles = socket.inet_pton(socket.AF_INET6, ip).hex()
        return ".".join(reversed(nibbles)) + ".ip6.arpa"
    return ".".join(reversed(ip.split("."))) + ".in-addr.arpa"


def ptr(ip, *names, ttl=600):
    """{question: behaviour} for the names of @ip."""
    owner = reverse(ip)
    return {(owner, PTR): Answer([record(owner, PTR, encode(n), ttl) for n in names])}


def address(name, *ips, ttl=600):
    kind, family = (AAAA, socket.AF_INET6) if ":" in ips[0] else (A, socket.AF_INET)
    return {(name.lower(), kind): Answer([record(name, kind, socket.inet_pton(family, ip), ttl) for ip in ips])}


class Answer:
    """What comes back for one question."""

    def __init__(self, records=(), code=0, delay=0.0):
        self.records, self.code, self.delay = list(records), code, delay

    def message(self, question, ident, udp):
        body = b"".join(self.records)
        flags = 0x8180 | self.code
        head = struct.pack(">HHHHHH", ident, flags, 1, len(self.records), 0, 0) + question
        if udp and len(head) + len(body) > UDP_BYTES:
            return struct.pack(">HHHHHH", ident, flags | 0x200, 1, 0, 0, 0) + question
        return head + body

    def send(self, reply, question, ident, udp):
        if self.delay:
            time.sleep(self.delay)
        reply(self.message(question, ident, udp))


class WrongId(Answer):
    """Others answer first, with wrong ids and another name; then the right answer comes."""

    def send(self, reply, question, ident, udp):
        bad = record("evil.example", A, bytes([6, 6, 6, 6]))
        for wrong in (ident ^ 1, ident ^ 0x8000):
            reply(Answer([bad]).message(question, wrong, udp))
        other = encode("evil.example") + question[-4:]
        reply(Answer([bad]).message(other, ident, udp))
        super().send(reply, question, ident, udp)


class Truncated(Answer):
    """Always truncated over UDP."""

    def message(self, question, ident, udp):
        if udp:
            return struct.pack(">HHHHHH", ident, 0x8380, 1, 0, 0, 0) + question
        return super().message(question, ident, udp)


class Raw(Answer):
    """Bytes behind the question."""

    def __init__(self, count, tail):
        super().__init__()
        self._count, self._tail = count, tail

    def message(self, question, ident, udp):
        return struct.pack(">HHHHHH", ident, 0x8180, 1, self._count, 0, 0) + question + self._tail


class Silent(Answer):
    def send(self, reply, question, ident, udp):
        pass


class FirstFails(Answer):
    """SERVFAIL once."""

    asked = 0

    def send(self, reply, question, ident, udp):
        self.asked += 1
        if self.asked == 1:
            reply(Answer(code=2).message(question, ident, udp))
        else:
            super().send(reply, question, ident, udp)


class Server:
    """Answers from @zone, {(name, type): Answer}; other names do not exist."""

    def __init__(self, zone=None):
        self.zone = dict(zone or {})
        self.silent = False
        self.held = None  # a list: answers wait there until release()
        self.hold_for = ()  # ends of names
        self.asked = []  # (name, type)
        self._lock = threading.Lock()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = ports.free(kinds=(socket.SOCK_DGRAM, socket.SOCK_STREAM))
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.socket()
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind(("127.0.0.1", self.port))
        self._tcp.listen(64)
        self._stopped = threading.Event()
        for s in (self._udp, self._tcp):
            s.settimeout(0.2)
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._serve_udp, self._serve_tcp)]
        for t in self._threads:
            t.start()

    def stop(self):
        """Threads first: one that waits on a closed socket may wake up on somebody else's of the same number."""
        self._stopped.set()
        for t in self._threads:
            t.join()
        for s in (self._udp, self._tcp):
            s.close()

    def settle(self):
        """Until every question that was on its way by UDP has been read: one of ours comes behind them."""
        before = self.count("settle.test")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", self.port))
            s.send(struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + encode("settle.test") + struct.pack(">HH", A, 1))
            wait.until(lambda: self.count("settle.test") > before, 60, "a question to our own name server")

    def hold(self, *ends):
        self.held, self.hold_for = [], ends

    def release(self):
        with self._lock:
            held, self.held = self.held, None
        for answer in held:
            answer()

    def count(self, name):
        return sum(1 for n, _ in self.asked if n == name)

    def _take(self, query, reply, udp):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        key = (".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0])
        ident = struct.unpack(">H", query[:2])[0]
        self.asked.append(key)
        if self.silent:
            return
        answer = self.zone.get(key) or Answer(code=0 if any(k[0] == key[0] for k in self.zone) else 3)
        with self._lock:
            if self.held is not None and key[0].endswith(self.hold_for):
                self.held.append(lambda: answer.send(reply, question, ident, udp))
                return
        if answer.delay:
            threading.Thread(target=answer.send, args=(reply, question, ident, udp), daemon=True).start()
        else:
            answer.send(reply, question, ident, udp)

    def _serve_udp(self):
        while not self._stopped.is_set():
            with contextlib.suppress(OSError):  # nothing came, or who asked is gone
                query, peer = self._udp.recvfrom(4096)
                self._take(query, lambda m, p=peer: self._udp.sendto(m, p), True)

    def _serve_tcp(self):
        while not self._stopped.is_set():
            with contextlib.suppress(OSError):
                connection = self._tcp.accept()[0]
                threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, s):
        with s, s.makefile("rb") as f:
            while len(size := f.read(2)) == 2:
                query = f.read(struct.unpack(">H", size)[0])
                self._take(query, lambda m: s.sendall(struct.pack(">H", len(m)) + m), False)


class Unbound:
    """The real thing. @records: lines of a zone file, "mx.good.example. A 192.0.2.1"."""

    def __init__(self, folder, port, records):
        self.port = port
        root = packages.unpack(UNBOUND_PACKAGES, os.path.join(packages.cache_dir(), "unbound"))
        os.makedirs(folder)
        conf = os.path.join(folder, "unbound.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""server:
	interface: 127.0.0.1@{port}
	do-daemonize: no
	use-syslog: no
	chroot: ""
	directory: "{folder}"
	username: ""
	pidfile: ""
	module-config: "iterator"
	local-zone: "example." static
	local-zone: "192.in-addr.arpa." static
	local-zone: "10.in-addr.arpa." static
	local-zone: "ip6.arpa." static
remote-control:
	control-enable: no
server:
""")
            f.writelines(f"\tlocal-data: '{line}'\n" for line in records)
        self._log = os.path.join(folder, "log")
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [os.path.join(root, "usr/sbin/unbound"), "-d", "-c", conf], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, "LD_LIBRARY_PATH": packages.library_path(root)})

    def wait_ready(self):
        def answers():
            if self._process.poll() is not None:
                with open(self._log, encoding="utf-8", errors="replace") as f:
                    raise wait.Late(f"unbound ended: {f.read()[-500:]}")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.5)
                try:
                    s.connect(("127.0.0.1", self.port))
                    s.send(struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + encode("example") + struct.pack(">HH", 6, 1))
                    return len(s.recv(512)) > 0
                except OSError:
                    return False
        wait.until(answers, 30, "unbound")

    def stop(self):
        self._process.terminate()
        self._process.wait(30)
