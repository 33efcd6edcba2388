# SPDX-License-Identifier: GPL-2.0-or-later
"""Two network namespaces joined by a veth pair: a server in one, clients in the other."""

import ctypes
import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

from kit import wait

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def have_tools():
    return all(shutil.which(x) for x in ("ip", "nsenter"))


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


# Arguments: in whose name, port, how many.
FORGER = """
import socket, struct, sys
def total(data):
    s = sum(struct.unpack(f'!{len(data) // 2}H', data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff
source, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
v6 = ':' in source
family, target = (socket.AF_INET6, 'fd77::1') if v6 else (socket.AF_INET, '10.77.0.1')
pair = socket.inet_pton(family, source) + socket.inet_pton(family, target)
s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(count):
    tcp = struct.pack('!HHIIBBHHH', 1025 + i, port, 1 + i, 0, 0x50, 2, 1024, 0, 0)
    tcp = tcp[:16] + struct.pack('!H', total(pair + struct.pack('!HH', 6, len(tcp)) + tcp)) + tcp[18:]
    head = struct.pack('!IHBB', 6 << 28, len(tcp), 6, 64) if v6 else struct.pack('!BBHHHBBH', 0x45, 0, 40, 1, 0, 64, 6, 0)
    s.sendto(head + pair + tcp, (target, 0))
"""


class Inside:
    """with Inside(namespace): sockets of this thread are made there."""

    def __init__(self, name):
        self.path = f"/var/run/netns/{name}"

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)

    def __exit__(self, *_):
        _setns(self.home)
        os.close(self.home)


def _ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True)


def _counter(file, protocol, name):
    """One of this thread's network namespace."""
    with open(f"/proc/thread-self/net/{file}", encoding="ascii") as f:
        names, values = (line.split() for line in f if line.startswith(protocol + ":"))
    return int(values[names.index(name)])


class Pair:
    """Server 10.77.0.1 and fd77::1; every address of 10.77.0.0/16 and fd77::/32 given is a client's."""

    def __init__(self, clients):
        tag = f"spt{os.getpid()}"
        self.server, self.client = tag + "s", tag + "c"
        self.device = "veth0"
        try:
            for name in (self.server, self.client):
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", self.server, "link", "add", self.device, "type", "veth", "peer", "name", "veth0",
                "netns", self.client)
            for name, addresses in ((self.server, ["10.77.0.1", "fd77::1"]), (self.client, clients)):
                for address in addresses:
                    bits = "32" if ":" in address else "16"
                    _ip("-n", name, "address", "add", f"{address}/{bits}", "dev", "veth0",
                        *(["nodad"] if ":" in address else []))
                _ip("-n", name, "link", "set", "veth0", "up")
        except subprocess.CalledProcessError as why:
            self.close()
            raise OSError(errno.EOPNOTSUPP, why.stderr.decode().strip()) from why

    def close(self):
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def argv(self, command, name=None):
        """The command as run in the server's namespace, mounts left as they are."""
        return ["nsenter", f"--net=/var/run/netns/{name or self.server}", *command]

    def connect(self, source, port, seconds=2.0, to=None):
        """(socket or None, "ok" | "refused" | "timeout"). "ok" has read the server's greeting: connect() returns
        before the server's kernel has seen the end of the handshake."""
        v6 = ":" in source
        with Inside(self.client):
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(seconds)
        s.bind((source, 0))
        try:
            s.connect((to or ("fd77::1" if v6 else "10.77.0.1"), port))
            s.settimeout(60)  # its server has it: what the kernel counts there has been counted
            return (s, "ok") if s.recv(1) else (None, "closed")
        except (TimeoutError, socket.timeout):
            word = "timeout"
        except OSError as why:
            word = "refused" if why.errno in (errno.ECONNREFUSED, errno.ECONNRESET) else errno.errorcode[why.errno]
        s.close()
        return None, word

    def burst(self, source, port, count, seconds=2.0):
        """Words of so many connections one after the other, all held until the last; then closed."""
        made = [self.connect(source, port, seconds) for _ in range(count)]
        for s, _ in made:
            if s is not None:
                reset(s)
        return [word for _, word in made]

    def forge(self, source, port, count):
        """So many SYNs in the name of @source, which knows nothing of them and says so if it is asked."""
        done = subprocess.run(self.argv([sys.executable, "-c", FORGER, source, str(port), str(count)], self.client),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"forging SYNs of {source}: {done.stderr}")

    def at_once(self, source, port, count, looked_at, seconds=60.0):
        """So many connections whose SYNs are all out before one handshake ends: the server's answers wait until
        the client's namespace lets them in. Words; all are closed."""
        v6 = ":" in source
        nft = self.argv(["nft", "-f", "-"], self.client)
        hold = (f"table inet hold {{\nchain c {{\ntype filter hook input priority 0\n"
                f"{'ip6' if v6 else 'ip'} daddr {source} tcp sport {port} drop\n}}\n}}\n")
        subprocess.run(nft, input=hold, text=True, check=True, capture_output=True)
        made, before = [], looked_at()
        try:
            for _ in range(count):
                with Inside(self.client):
                    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
                s.setblocking(False)
                s.bind((source, 0))
                s.connect_ex(("fd77::1" if v6 else "10.77.0.1", port))
                made.append(s)
            # A busy processor lets them wait on their way: looked_at() counts those that have come.
            wait.until(lambda: looked_at() >= before + count, 60, "all SYNs")
        finally:
            subprocess.run(nft, input="delete table inet hold", text=True, check=True, capture_output=True)
        return [self._outcome(s, seconds) for s in made]

    @staticmethod
    def _outcome(s, seconds):
        s.settimeout(seconds)
        try:
            word = "ok" if s.recv(1) else "closed"
            reset(s)
        except (TimeoutError, socket.timeout):
            word = "timeout"
        except OSError as why:
            word = "refused" if why.errno in (errno.ECONNREFUSED, errno.ECONNRESET) else errno.errorcode[why.errno]
        s.close()
        return word

    def held_by_child(self, source, port, count):
        """A process of its own that holds so many connections."""
        v6 = ":" in source
        code = ("import socket, sys, time\n"
                f"s = [socket.create_connection(('{'fd77::1' if v6 else '10.77.0.1'}', {port}), 5,"
                f" ('{source}', 0)) for _ in range({count})]\n[x.recv(1) for x in s]\nprint('held', flush=True)\n"
                "time.sleep(600)\n")
        child = subprocess.Popen(self.argv([sys.executable, "-c", code], self.client), stdout=subprocess.PIPE)
        child.stdout.readline()
        return child

    def first_packets(self):
        """(connections begun, SYNs that had to be sent again) by all clients so far."""
        with Inside(self.client):
            return _counter("snmp", "Tcp", "ActiveOpens"), _counter("netstat", "TcpExt", "TCPSynRetrans")


class Cable:
    """
    The same for a whole scene: this process moves into the server's namespace, so that all it starts
    lives there; clients are started with client(). @server, @clients: addresses with prefix length.
    """

    def __init__(self, server, clients):
        tag = f"spc{os.getpid()}"
        self.server, self.clients = tag + "s", tag + "c"
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for name in (self.server, self.clients):
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", self.server, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0",
                "netns", self.clients)
            for name, addresses in ((self.server, server), (self.clients, clients)):
                for address in addresses:
                    _ip("-n", name, "address", "add", address, "dev", "veth0",
                        *(["nodad"] if ":" in address else []))
                _ip("-n", name, "link", "set", "veth0", "up")
            self._move_in()
        except subprocess.CalledProcessError as why:
            self.close()
            raise OSError(errno.EOPNOTSUPP, why.stderr.decode().strip()) from why

    def _move_in(self):
        fd = os.open(f"/run/netns/{self.server}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(fd)
        finally:
            os.close(fd)
        # A server may listen on 0.0.0.0 and :: with one port.
        with open("/proc/sys/net/ipv6/bindv6only", "w", encoding="ascii") as f:
            f.write("1")

    def client(self, argv, **more):
        """Popen of @argv among the clients, mounts left as they are."""
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.clients}", *argv], **more)

    def close(self):
        _setns(self._home)
        for name in (self.server, self.clients):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        os.close(self._home)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Server:
    """Takes every connection on all addresses of its namespace, greets and closes it when the client does."""

    def __init__(self, namespace, ports):
        self.taken = 0
        self.sockets = []
        with Inside(namespace):
            for port in ports:
                s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                s.bind(("::", port))
                s.listen(4096)
                self.sockets.append(s)
        for s in self.sockets:
            threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            self.taken += 1
            threading.Thread(target=self._hold, args=(s,), daemon=True).start()

    @staticmethod
    def _hold(s):
        try:
            s.sendall(b"2")
            while s.recv(4096):
                pass
        except OSError:
            pass
        s.close()

    def close(self):
        for s in self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
