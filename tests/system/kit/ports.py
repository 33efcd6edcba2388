# SPDX-License-Identifier: GPL-2.0-or-later
"""
Ports for servers that must be told theirs. Not the kernel's choice for a socket that is closed again: the
next connection of anybody may get that number before the server does.
"""

import random
import socket

_given = set()


def _candidates():
    """Numbers that the kernel gives to nobody who does not ask for them."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        low, high = map(int, f.read().split())
    numbers = [n for n in range(10000, 65000) if not low <= n <= high]
    return numbers or list(range(10000, 65000))


def _taken(port, family, host, kinds):
    """Why it cannot be had, or None."""
    try:
        for kind in kinds:
            with socket.socket(family, kind) as s:
                s.bind((host, port))
    except OSError as why:
        return str(why)
    return None


def free(host="127.0.0.1", kinds=(socket.SOCK_STREAM,)):
    """A port of @host on which nobody listens, another one each time. OSError without such an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kinds[0]) as s:
        s.bind((host, 0))  # the address itself is there
    why = None
    for port in random.sample(_candidates(), 200):
        why = "given before" if port in _given else _taken(port, family, host, kinds)
        if why is None:
            _given.add(port)
            return port
    raise OSError(f"no free port on {host}: {why}")
