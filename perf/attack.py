#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
How much of their rate honest senders keep while three attackers open connections as fast as they can and
send zip bombs: before the attack, during it without the throttle, and with it, in one run.

Ten honest clients send a letter every so often to a real sendmail in a network namespace; what counts is
what has arrived at the sink when the time is up. Attackers and clients are processes of this machine, too:
the attackers run at the lowest priority.
"""

import argparse
import os
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
os.environ.setdefault("SALLYPORT_BUILD", os.path.join(TOP, "build"))
from kit import scene, wait  # noqa: E402


def progress(text):
    print(f"\r\33[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, end="" if sys.stderr.isatty() else "\n",
          flush=True)


def arrived(s, prefix, until):
    """Deliveries of messages of that phase, at the moment @until or now."""
    while time.monotonic() < until:
        time.sleep(0.01)
    return sum(1 for d in s.sink.deliveries if d.case.startswith(prefix))


def phase(s, name, arguments):
    """(arrived, sent, refused) of the honest clients in that many seconds, and a second for the last ones."""
    progress(name)
    began = time.monotonic()
    told = s.honest(name, arguments.every, arguments.seconds)
    got = arrived(s, name, began + arguments.seconds + 1)
    return got, sum(len(h["sent"]) for h in told), sum(h["counts"].get("refused", 0) for h in told)


def until_penalised(s):
    wait.until(lambda: len((s.gate.control("throttle", "list") or {}).get("penalty", [])) >= len(scene.ATTACKERS),
               120, "a penalty for each attacker")


def under_attack(folder, throttle, arguments):
    s = scene.Scene(folder, {"Throttle": throttle})
    try:
        s.gate.start()
        quiet = phase(s, "quiet", arguments)
        progress(f"attack, Throttle = {throttle}")
        running = s.attack(600)
        if throttle == "enforce":
            until_penalised(s)
        else:
            time.sleep(2)
        loud = phase(s, "attack", arguments)
        attackers = [c.end() for c in running]
        counts = (s.gate.control("throttle", "stats") or {}).get("counts", {}).get("lookup", {})
        return quiet, loud, attackers, counts
    finally:
        s.close()


def row(what, now, quiet):
    print(f"{what:<34} {now[1]:6} {now[0]:9} {now[0] / max(quiet[0], 1) * 100:6.0f} % {now[2]:9}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=15, help="of each phase (default 15)")
    p.add_argument("--every", type=float, default=0.5, help="seconds between a client's messages (default 0.5)")
    arguments = p.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root: network namespaces, BPF")
    with tempfile.TemporaryDirectory(prefix="sallyport-attack-") as folder:
        os.chmod(folder, 0o755)
        without = under_attack(os.path.join(folder, "without"), "account", arguments)
        with_it = under_attack(os.path.join(folder, "with"), "enforce", arguments)
    progress("")
    print(f"{len(scene.HONEST)} honest clients, a letter every {arguments.every} s each, {arguments.seconds:.0f} s; "
          f"load {os.getloadavg()[0]:.1f}")
    print(f"{'':<34} {'sent':>6} {'arrived':>9} {'of quiet':>8} {'refused':>9}")
    row("quiet", with_it[0], with_it[0])
    row("attack, Throttle = account", without[1], without[0])
    row("attack, Throttle = enforce", with_it[1], with_it[0])
    for a in with_it[2]:
        c = a["counts"]
        print(f"attacker {a['source']}: {a['tried'] / a['seconds']:.0f} connections/s, {c.get('accepted', 0)} bombs taken, "
              f"{c.get('refused', 0)} connections refused")
    print("the kernel: " + ", ".join(f"{v} {k}" for k, v in with_it[3].items() if v))


if __name__ == "__main__":
    main()
