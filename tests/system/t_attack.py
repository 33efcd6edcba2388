#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Three attackers send zip bombs as fast as they can connect, over IPv4 and IPv6, through a real sendmail;
ten honest clients send mail. Who burned the gateway's processors is refused by the kernel, honest mail
arrives, penalties end, allow lists hold, a restart forgets nothing, and `why` explains. How fast honest
mail goes meanwhile is perf/attack.py's question.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import packages, scene, script, tap, wait  # noqa: E402

OPTIONS = {"Throttle Slower Cost": 25, "Throttle Few Cost": 40, "Throttle Nothing Cost": 55,
           "Throttle Cost Half Life": 60, "Throttle Penalty Time": 900}


def penalties(gate):
    """{prefix: level} of what the throttle holds against somebody now."""
    answer = gate.control("throttle", "list") or {}
    return {p["prefix"]: p["level"] for p in answer.get("penalty", [])}


def prefix_of(address):
    """What an address is charged under: itself, or its /64."""
    return address if ":" not in address else address.rsplit("::", 1)[0] + "::/64"


def counts(gate):
    return (gate.control("throttle", "stats") or {}).get("counts", {}).get("lookup", {})


def why(gate, address):
    return gate.control("throttle", "why", address) or {}


def attack_part(s):
    culprits = {prefix_of(source) for source, _ in scene.ATTACKERS}
    # How many bombs get in before the first is judged is the machine's affair; after that none must.
    running = s.attack(300, until_refused=True)
    try:
        wait.until(lambda: culprits <= {p for p, level in penalties(s.gate).items() if level == "nothing"}, 180,
                   "a penalty for each attacker")
        before = counts(s.gate).get("penalty", 0)
        tap.ok(True, "each attacker has a penalty after the first bombs")
        honest = s.honest("during", 0.5, 5)
        wait.until(lambda: counts(s.gate).get("penalty", 0) > before + 100, 120, "refusals in the kernel")
    finally:
        attackers = [c.end() for c in running]
    for a in attackers:
        n = a["counts"]
        tap.note(f"{a['source']}: {n}")
        tap.ok(n.get("refused", 0) > n.get("accepted", 0) > 0, f"{a['source']}: first let in, then refused")
    accepted = sum(a["counts"].get("accepted", 0) for a in attackers)
    sent = [case for h in honest for case, _ in h["sent"]]
    refused = sum(h["counts"].get("refused", 0) for h in honest)
    tap.ok(len(sent) >= 50 and refused == 0, f"honest clients are never refused ({len(sent)} messages)")
    wait.until(lambda: len(s.sink.deliveries) >= len(sent), 120, "honest mail at the sink")
    tap.equal(sorted(d.case for d in s.sink.deliveries), sorted(sent), "all of it arrives, once, and nothing else")
    s.gate.wait_empty(180)
    tap.equal(len(s.gate.quarantine_list()), accepted, f"every bomb that was taken is in quarantine ({accepted})")


def explain_part(s):
    for source, _ in scene.ATTACKERS:
        told = why(s.gate, source)
        tap.ok(told.get("decision") == "refuse" and "zip bombs" in told.get("why", ""),
               f"why {source}: {told.get('why')}")
    told = why(s.gate, scene.HONEST[0][0])
    tap.ok(told.get("decision") == "pass", f"why {scene.HONEST[0][0]}: {told.get('why')}")


def restart_part(s):
    before = set(penalties(s.gate))
    s.gate.stop()
    s.gate.start()
    tap.ok(before and before <= set(penalties(s.gate)), "a restart keeps the penalties")
    source, host = scene.ATTACKERS[0]
    tap.ok(s.once(source, host, "again")["counts"].get("refused") == 1, "and the kernel goes on refusing")


def lists_part(s):
    source, host = scene.ATTACKERS[0]
    s.gate.control("throttle", "add", "allow", source)
    tap.ok(s.once(source, host, "allowed")["counts"].get("accepted") == 1, "an allowed address gets in all the same")
    s.gate.control("throttle", "del", "allow", source)
    tap.ok(source not in penalties(s.gate), "what it owed is forgiven")
    s.gate.control("throttle", "add", "penalty", source, "--level", "nothing", "--for", "10m")
    tap.ok(s.once(source, host, "no-more")["counts"].get("refused") == 1, "off the list it can be refused again")
    source, host = scene.HONEST[0]
    s.gate.control("throttle", "add", "deny", source)
    tap.ok(s.once(source, host, "denied")["counts"].get("refused") == 1, "a denied address is refused")
    s.gate.control("throttle", "del", "deny", source)
    tap.ok(s.once(source, host, "back")["counts"].get("accepted") == 1, "and welcome when it is off the list")


def end_part(s):
    """By word and by time. That penalties of accounts end is t_throttle.py's affair: it can wait for them."""
    source, host = scene.ATTACKERS[1]
    s.gate.control("throttle", "del", "penalty", source)
    tap.ok(s.once(source, host, "forgiven")["counts"].get("accepted") == 1, "a lifted penalty lets in at once")
    s.gate.control("throttle", "add", "penalty", source, "--level", "nothing", "--for", "10m")
    tap.ok(s.once(source, host, "again")["counts"].get("refused") == 1, "a new one by hand refuses")
    s.gate.control("throttle", "add", "penalty", source, "--level", "nothing", "--for", "2s")
    wait.until(lambda: source not in penalties(s.gate), 60, "the end of a penalty")
    tap.ok(s.once(source, host, "over")["counts"].get("accepted") == 1, "when its time is over it lets in")


def main():
    script.need("namespaces, BPF")
    with script.folder() as folder:
        try:
            s = scene.Scene(folder, OPTIONS)
        except (OSError, packages.Missing) as reason:
            tap.skip_all(str(reason))
        try:
            s.gate.start()
            stats = s.gate.control("throttle", "stats") or {}
            parts = {p["name"]: p for p in stats.get("parts", [])}
            if not parts.get("sk_lookup", {}).get("active"):
                tap.skip_all(f"no sk_lookup here: {parts.get('sk_lookup', {}).get('why')}")
            attack_part(s)
            explain_part(s)
            restart_part(s)
            lists_part(s)
            end_part(s)
        except wait.Late as late:
            tap.ok(False, f"{late}\n{s.gate.log_tail()}")
        finally:
            s.close()
    tap.done()


if __name__ == "__main__":
    main()
