# SPDX-License-Identifier: GPL-2.0-or-later
"""
Two network namespaces joined by a cable: this process moves into the one with the server, the
clients live in the other, each with an address of its own. Both vanish with close().
"""

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000


class Refused(Exception):
    """Namespaces cannot be made here; the test is skipped with this text."""


def _ip(*words, namespace=None):
    argv = ["ip"] + (["-n", namespace] if namespace else []) + list(words)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(argv)}: {done.stderr.strip()}")


def _enter(path):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise Refused(f"setns {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(fd)


class Cable:
    """@server and @clients: lists of addresses with prefix length, IPv4 and IPv6."""

    def __init__(self, server, clients):
        self._home = f"/proc/{os.getpid()}/ns/net"
        self._back = os.open(self._home, os.O_RDONLY | os.O_CLOEXEC)
        self.server, self.clients = f"sp-gw-{os.getpid()}", f"sp-cl-{os.getpid()}"
        self._made = []
        try:
            for name in (self.server, self.clients):
                _ip("netns", "add", name)
                self._made.append(name)
                _ip("link", "set", "lo", "up", namespace=name)
            _ip("link", "add", "mx", "netns", self.server, "type", "veth", "peer", "name", "net",
                "netns", self.clients)
            self._plug(self.server, "mx", server)
            self._plug(self.clients, "net", clients)
            _enter(f"/run/netns/{self.server}")
            # A server may listen on 0.0.0.0 and :: with one port.
            with open("/proc/sys/net/ipv6/bindv6only", "w", encoding="ascii") as f:
                f.write("1")
        except Refused:
            self.close()
            raise

    @staticmethod
    def _plug(namespace, link, addresses):
        for a in addresses:
            # No duplicate address detection: an address can be used at once.
            _ip("addr", "add", a, "dev", link, *(["nodad"] if ":" in a else []), namespace=namespace)
        _ip("link", "set", link, "up", namespace=namespace)

    def client(self, argv, **more):
        """Popen of @argv among the clients. Unlike `ip netns exec` this leaves /sys as it is."""
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.clients}", *argv], **more)

    def close(self):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.setns(self._back, CLONE_NEWNET)
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        self._made = []
        os.close(self._back)
