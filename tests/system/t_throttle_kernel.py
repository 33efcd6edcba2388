#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kernel's share of the throttle with real connections between two network namespaces: refusals,
open connections, penalties, lists, restarts, and what is left where the kernel gives less.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, netns, script, tap, wait  # noqa: E402

PORT, OTHER = 2525, 2526
HOUR_MS = 3600 * 1000
HOSTS = [f"10.77.{a}.{b}" for a in range(1, 30) for b in (1, 2)]
HOSTS6 = [f"fd77:0:{a}:{b}::{c}" for a in range(1, 12) for b in (1, 2) for c in (1, 2)]
PASS, ALLOWED, FULL, ODD, DENIED, PENALTY, RATE, CONCURRENT = range(8)
LOOKUP, XDP = range(2)
NOTHING, FEW, SLOWER = 3, 2, 1
SK_LOOKUP, NFTABLES, USER, XDP_ALONE = 1, 2, 3, 4
RIG = os.path.join(gateway.build_dir(), "tests", "throttle", "throttle_rig")


class Rig:
    """The program that loads, and answers; each test begins with one and ends it."""

    def __init__(self, pair, before=(), env=None):
        self.process = subprocess.Popen([*before, *pair.argv([RIG])], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})

    def ask(self, command, **options):
        line = " ".join([command, *(f"{k}={v}" for k, v in options.items())])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"rig ended at '{line}': {self.process.stderr.read()}")
        return json.loads(answer)

    def count(self, layer, verdict):
        return self.ask("counts")["n"][layer][verdict]

    def open_of(self, source):
        return self.ask(f"source {source}")["tiers"][0]["open"]

    def end(self):
        self.process.stdin.close()
        said = self.process.stderr.read()
        tap.ok(self.process.wait() == 0 and said == "", "the rig ended well and wrote nothing to standard error")
        if said:
            tap.note(said)

    def kill(self):
        self.process.kill()
        self.process.wait()


def words(*pairs):
    return [word for count, word in pairs for _ in range(count)]


def quick(text, pair, run):
    """Refusals come at once: nobody had to send his SYN again, which he does after a second."""
    before = pair.first_packets()
    result = run()
    after = pair.first_packets()
    tap.ok(after[0] > before[0] and after[1] == before[1], f"{text}: no waiting ({after[0] - before[0]} connections)")
    return result


def test_bursts(pair, rig):
    for source in (HOSTS[0], HOSTS6[0]):
        got = quick(source, pair, lambda s=source: pair.burst(s, PORT, 12))
        tap.equal(got, words((5, "ok"), (7, "refused")), f"{source}: 5 of a burst of 12 get in, 7 are refused")
        tap.equal(pair.burst(source, OTHER, 8), words((8, "ok")), f"{source}: another port is nobody's business")
        tiers = rig.ask(f"source {source}")["tiers"]
        tap.equal((tiers[0]["seen"], tiers[0]["refused"]), (12, 7), "seen and refused")
    tap.equal(pair.burst(HOSTS[1], PORT, 5), words((3, "ok"), (2, "refused")),
              "its /24 has 3 left of 8: refused hosts took nothing")
    tap.equal(pair.burst(HOSTS6[1], PORT, 4), words((2, "ok"), (2, "refused")), "the /64 has 2 left of 7")
    tap.equal((rig.count(LOOKUP, PASS), rig.count(LOOKUP, RATE)), (15, 18), "verdicts are counted")
    said = rig.ask("events 10000")
    tap.ok(said["readable"], "the descriptor of events was readable")
    tap.equal([(e["address"], e["verdict"], e["bits"], e["port"]) for e in said["events"]],
              [(HOSTS[0], RATE, 128, PORT), (HOSTS6[0], RATE, 128, PORT), (HOSTS[1], RATE, 120, PORT),
               (HOSTS6[1], RATE, 64, PORT)], "one event for the first refusal of each")
    tap.ok(not rig.ask("events")["readable"], "and not readable any more")


def test_open(pair, rig):
    source, other = HOSTS[2], HOSTS6[4]
    for s in (source, other):
        rig.ask("settings", **{f"rate{t}": "1/1000/3" for t in (0, 2)})
        held = [pair.connect(s, PORT) for _ in range(6)]
        tap.equal([w for _, w in held], words((3, "ok"), (3, "refused")), f"{s}: 3 open at once")
        held[0][0].close()
        wait.until(lambda s=s: rig.open_of(s) == 2, 30, "the count goes down")
        again = pair.connect(s, PORT)
        tap.equal(again[1], "ok", f"{s}: one closed, one more gets in")
        for sock, _ in [*held[1:3], again]:
            netns.reset(sock)
        wait.until(lambda s=s: rig.open_of(s) == 0, 30, "the count is 0 after resets")
        rig.ask("settings", **{f"rate{t}": "1/1000/100" for t in (0, 2)})
        before = rig.ask("counts")
        tap.equal(pair.burst(s, PORT, 20), words((20, "ok")), f"{s}: 20 more, then reset")
        wait.until(lambda s=s: rig.open_of(s) == 0, 30, "0 after 20 resets")
        child = pair.held_by_child(s, PORT, 20)
        tap.equal(rig.open_of(s), 20, f"{s}: a client holds 20")
        child.kill()
        child.wait()
        wait.until(lambda s=s: rig.open_of(s) == 0, 30, "0 after SIGKILL")
        wait.until(lambda b=before: rig.ask("counts")["closed"] >= b["closed"] + 40, 30, "40 closed")
        after = rig.ask("counts")
        tap.equal((after["opened"] - before["opened"], after["closed"] - before["closed"]), (40, 40),
                  f"{s}: 40 opened, 40 closed, none left")
    tap.equal(rig.ask("counts")["open_full"], 0, "there was room for all")
    with netns.Inside(pair.client):
        elsewhere = netns.Server(pair.client, [PORT])
    before = rig.ask("counts")["opened"]
    tap.equal(pair.connect(HOSTS[0], PORT, to=HOSTS[3])[1], "ok", "a server of another namespace on the same port")
    tap.equal(rig.ask("counts")["opened"], before, "is not counted")
    elsewhere.close()


def test_forged(pair, rig):
    """SYNs in a sender's name take nothing from it; its own connections are counted exactly, wherever they wait."""
    for source, neighbour in ((HOSTS[46], HOSTS[47]), (HOSTS6[32], HOSTS6[33])):
        before = rig.count(LOOKUP, PASS)
        pair.forge(source, PORT, 50)
        wait.until(lambda b=before: rig.count(LOOKUP, PASS) == b + 50, 60, "50 forged SYNs")
        tiers = rig.ask(f"source {source}")["tiers"]
        tap.equal([t["seen"] for t in tiers], [0] * len(tiers), f"{source}: 50 forged SYNs pass and take nothing")
        tap.equal(pair.burst(source, PORT, 7), words((5, "ok"), (2, "refused")),
                  f"{source}: the real one has all of its rate, and no more")
        pair.forge(neighbour, PORT, 50)
        tap.equal(pair.burst(neighbour, PORT, 1), ["ok"], f"{neighbour}: forged SYNs of a network")


def test_owed(pair, rig):
    """Handshakes that end at once: all get in, and all are charged."""
    for source in (HOSTS[48], HOSTS6[34]):
        tap.equal(pair.at_once(source, PORT, 8, lambda: rig.count(LOOKUP, PASS)), words((8, "ok")), f"{source}: eight at once find a bucket of 5 full")
        tiers = rig.ask(f"source {source}")["tiers"]
        tap.equal([t["seen"] for t in tiers[:2]], [8, 8], "  each is charged")
        tap.equal(pair.burst(source, PORT, 2), words((2, "refused")), "  then there is nothing")


def test_paid(pair, rig):
    """What was owed is paid back: in the end nobody has had more than the rate and its burst."""
    interval, burst = 0.4, 5
    for source in (HOSTS[49], HOSTS6[35]):
        began, got = time.monotonic(), 12
        tap.equal(pair.at_once(source, PORT, got, lambda: rig.count(LOOKUP, PASS)), words((got, "ok")), f"{source}: twelve at once")
        while got < 15:
            wait.until(lambda s=source: pair.burst(s, PORT, 1) == ["ok"], 60, "what an interval earns")
            got += 1
        took = time.monotonic() - began
        tap.ok(got <= burst + took / interval + 1, f"{source}: fifteen took as long as fifteen do ({took:.1f} s)")


def cookies(pair, when):
    """SYN cookies: 1 when the backlog is full, 2 always. False: this kernel has none."""
    done = subprocess.run(pair.argv(["sh", "-c", f"echo {when} >/proc/sys/net/ipv4/tcp_syncookies"]),
                          capture_output=True, check=False)
    return done.returncode == 0


def test_cookies(pair, rig):
    """With SYN cookies the kernel looks for a listener twice, for the SYN and for what ends the handshake."""
    if not cookies(pair, 2):
        tap.skip("SYN cookies", "this kernel has none")
        return
    for source in (HOSTS[51], HOSTS6[36]):
        before = rig.count(LOOKUP, PASS)
        tap.equal(pair.burst(source, PORT, 7), words((5, "ok"), (2, "refused")), f"{source}: SYN cookies: 5 of 7")
        tap.equal(rig.count(LOOKUP, PASS) - before, 10, "  looked at twice, charged once")
    cookies(pair, 1)


def test_kept_charge(pair, pins):
    """Charged once each, by kept programs without a daemon and by those that take over."""
    options = {"pins": pins, "port0": PORT, "rate0": f"{HOUR_MS}/5/0", "rate2": f"{HOUR_MS}/5/0", "keep": 1}
    rig = Rig(pair)
    tap.ok(rig.ask("open", **options)["parts"]["handshake"]["active"], "ended handshakes are charged")
    rig.ask("settings")
    rig.kill()
    for source in (HOSTS[52], HOSTS6[37]):
        pair.forge(source, PORT, 50)
        tap.equal(pair.burst(source, PORT, 3), words((3, "ok")), f"{source}: without a daemon forged SYNs take nothing")
    rig = Rig(pair)
    tap.ok(rig.ask("open", **{**options, "keep": 0})["parts"]["handshake"]["active"], "a daemon takes over")
    for source in (HOSTS[52], HOSTS6[37]):
        tap.equal(pair.burst(source, PORT, 4), words((2, "ok"), (2, "refused")), f"{source}: 2 of its 5 were left")
    rig.end()


def test_charged_syn(pair):
    """Without the tracepoint there is nothing else to charge: that is said, and what it means is so."""
    rig = Rig(pair, env={"SALLYPORT_FAULT": "on_state=EIO"})
    said = rig.ask("open", port0=PORT, rate0=f"{HOUR_MS}/5/0")["parts"]["handshake"]
    tap.ok(not said["active"] and "forges" in said["why"], f"without counting, SYNs are charged: {said['why']}")
    pair.forge(HOSTS[50], PORT, 50)
    wait.until(lambda: rig.count(LOOKUP, RATE) == 45, 60, "50 forged SYNs")
    tap.equal(pair.burst(HOSTS[50], PORT, 1), ["refused"], "and forged ones use up a rate")
    rig.end()


RACER = """
import socket, struct, sys
for i in range(int(sys.argv[2])):
    s = socket.create_connection(("10.77.0.1", %d), 10, (sys.argv[1], 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
""" % PORT


def test_race(pair, rig):
    """First and last connections of a source on several processors at once: nothing may be left."""
    sources = [HOSTS[40], HOSTS[40], HOSTS[41], HOSTS[42]]
    racers = [subprocess.Popen(pair.argv([sys.executable, "-c", RACER, s, "1000"], pair.client)) for s in sources]
    tap.equal([r.wait() for r in racers], [0] * len(racers), "4,000 connections from four processes")
    with contextlib.suppress(wait.Late):
        wait.until(lambda: rig.ask("counts")["closed"] >= 4000, 60, "as many closed as opened")
    counts = rig.ask("counts")
    tap.equal((counts["opened"], counts["closed"]), (4000, 4000), "all were counted, at their beginning and their end")
    tap.equal([t["open"] for s in sources for t in rig.ask(f"source {s}")["tiers"]], [0] * 8, "and none is left")
    tap.equal(rig.count(LOOKUP, PASS), 4000, "each was judged once")


def test_penalties(pair, rig):
    rig.ask("settings", few=3, slower=10, rate0="1000/50/0")
    for source in (HOSTS[4], HOSTS6[8]):
        rig.ask(f"put penalty {source} {NOTHING} 600000")
        tap.equal(quick(source, pair, lambda s=source: pair.burst(s, PORT, 3)), words((3, "refused")), f"{source}: penalty")
        began = time.monotonic()
        rig.ask(f"put penalty {source} {NOTHING} 1200")
        wait.until(lambda s=source: pair.burst(s, PORT, 1) == ["ok"], 30, "a shorter penalty replaces it and expires")
        tap.ok(1.1 < time.monotonic() - began, f"{source}: it lasted as long as it said")
        rig.ask(f"put penalty {source} {NOTHING} 600000")
        tap.equal(pair.burst(source, PORT, 1), ["refused"], f"{source}: a new penalty")
        rig.ask(f"remove penalty {source}")
        tap.equal(pair.burst(source, PORT, 1), ["ok"], f"{source}: taken back")
    rig.ask(f"put penalty 10.77.4.0/24 {FEW} 600000")
    tap.equal(pair.burst(HOSTS[6], PORT, 4), words((1, "ok"), (3, "refused")), "few: one, and no other")
    tap.equal(pair.burst(HOSTS[7], PORT, 1), ["refused"], "nor its neighbour")
    tap.ok(rig.count(LOOKUP, PENALTY) >= 9, "counted as penalties")


def test_lists(pair, rig):
    rig.ask("settings", rate0=f"{HOUR_MS}/2/0", rate2=f"{HOUR_MS}/2/0")
    for source, net in ((HOSTS[8], "10.77.5.0/24"), (HOSTS6[12], "fd77:0:4::/48")):
        rig.ask(f"put penalty {source} {NOTHING} 600000")
        rig.ask(f"put deny {net}")
        tap.equal(pair.burst(source, PORT, 2), words((2, "refused")), f"{source}: denied")
        rig.ask(f"put allow {net}")
        tap.equal(pair.burst(source, PORT, 20), words((20, "ok")), f"{source}: the allow list holds against all of it")
        tap.equal(rig.ask("each allow")["entries"], [[net, 0]], f"{net} is listed")
        rig.ask(f"remove allow {net}")
        tap.equal(pair.burst(source, PORT, 1), ["refused"], f"{source}: no longer allowed")
        tap.equal(rig.ask(f"remove allow {net}")["r"], -2, "what is not there cannot be removed")


def test_unprivileged(pair, rig):
    tap.equal(rig.ask("drop")["r"], 0, "become nobody, then open the gateway's side")
    with open(f"/proc/{rig.process.pid}/status", encoding="utf-8") as f:
        status = f.read()
    tap.ok("Uid:\t65534\t65534\t65534" in status and "CapEff:\t0000000000000000" in status,
           "nobody, without capabilities")
    source = HOSTS[10]
    tap.equal(rig.ask(f"put penalty {source} {NOTHING} 600000")["r"], 0, "nobody writes a penalty")
    tap.equal(pair.burst(source, PORT, 2), words((2, "refused")), "which holds")
    tap.equal([e["address"] for e in rig.ask("events")["events"]], [source], "nobody reads events")
    tap.equal(rig.ask("each penalty")["entries"], [[source, NOTHING]], "nobody lists")
    tap.equal(rig.ask(f"remove penalty {source}")["r"], 0, "nobody removes it")
    tap.equal(pair.burst(source, PORT, 1), ["ok"], "and it is gone")
    tap.equal(rig.ask(f"put deny {source}")["r"], 0, "nobody denies")
    tap.equal(rig.ask("settings", enforce=0)["r"], 0, "nobody changes settings: count only")
    tap.equal(pair.burst(source, PORT, 1), ["ok"], "let in")
    tap.equal(rig.count(LOOKUP, DENIED), 1, "and counted")


def test_restart(pair, pins):
    options = {"pins": pins, "port0": PORT, "rate0": f"{HOUR_MS}/5/4", "keep": 0}
    source, denied = HOSTS[12], HOSTS[14]
    rig = Rig(pair)
    rig.ask("open", **options)
    rig.ask(f"put deny {denied}")
    pair.burst(source, PORT, 3)
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "denied while the daemon runs")
    second = Rig(pair)
    said = second.ask("open", **options)
    tap.ok(said["r"] == -16 and "another daemon" in said["why"], f"a second one is refused: {said['why']}")
    second.end()
    rig.end()
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "not kept: nothing is enforced after its end")
    rig = Rig(pair)
    rig.ask("open", **options)
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "the deny list is there after a restart")
    tap.equal(pair.burst(source, PORT, 4), words((2, "ok"), (2, "refused")), "and the bucket: 2 of 5 were left")
    tap.ok(rig.count(LOOKUP, DENIED) == 2, "and the statistics")
    rig.kill()
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "killed: nothing is enforced")

    rig = Rig(pair)
    options["keep"] = 1
    tap.equal(rig.ask("open", **options)["r"], 0, "after SIGKILL it starts again")
    rig.ask("settings", rate0="1/1000/4")
    source = HOSTS[13]
    held = [pair.connect(source, PORT)[0] for _ in range(3)]
    rig.kill()
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "kept: enforced while there is no daemon, even killed")
    held.pop().close()
    rig = Rig(pair)
    tap.equal(rig.ask("open", **{**options, "rate0": "1/1000/4"})["r"], 0, "it takes over what is attached")
    wait.until(lambda: rig.open_of(source) == 2, 30, "a connection closed meanwhile was counted")
    more = [pair.connect(source, PORT) for _ in range(3)]
    tap.equal([w for _, w in more], words((2, "ok"), (1, "refused")), "counts of open connections go on: 2 of 4 left")
    rig.kill()
    rig = Rig(pair)
    rig.ask("open", **{**options, "rate0": "1/1000/4", "connections": 1000})
    tap.equal(rig.open_of(source), 4, "a map of another size is filled from the connections there are")
    for s in [*held, *[s for s, _ in more if s]]:
        netns.reset(s)
    wait.until(lambda: rig.open_of(source) == 0, 30, "and down to 0")
    rig.end()
    rig = Rig(pair)
    rig.ask("open", **{**options, "connections": 1000})
    before = rig.ask("counts")
    pair.burst(HOSTS[15], PORT, 3)
    wait.until(lambda: rig.ask("counts")["closed"] == before["closed"] + 3, 30, "three closed")
    tap.equal(rig.ask("counts")["opened"], before["opened"] + 3, "three opened: one tracepoint is attached, not two")
    rig.end()
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "kept after an orderly end")

    rig = Rig(pair)
    said = rig.ask("open", **{**options, "keep": 0, "sources": 5000})
    tap.equal((said["r"], said["method"]), (0, SK_LOOKUP), "a map of another size is replaced")
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "the others stay")
    rig.end()
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "keep was taken back: nothing stays attached")

    rig = Rig(pair)
    rig.ask("open", **{**options, "keep": 1})
    rig.kill()
    rig = Rig(pair)
    tap.equal(rig.ask("open", **{**options, "method": USER})["method"], USER, "asked to leave the kernel alone")
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "it detaches what was kept")
    rig.end()


def test_other_version(pair, pins):
    """What a program of another version left, still attached."""
    options = {"pins": pins, "port0": PORT, "rate0": "1/1000/0", "keep": 1}
    denied, source = HOSTS[14], HOSTS[15]
    rig = Rig(pair)
    rig.ask("open", **options)
    rig.ask(f"put deny {denied}")
    rig.kill()
    settings = os.path.join(pins, os.listdir(pins)[0], "settings")
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", settings], capture_output=True, check=False)
    if dump.returncode != 0:
        tap.skip("pins of another version", dump.stderr.decode().strip() or "no bpftool")
        return
    value = [int(b, 16) for b in json.loads(dump.stdout)[0]["value"]]
    value[0] = 99
    subprocess.run(["bpftool", "map", "update", "pinned", settings, "key", "0", "0", "0", "0", "value",
                    *map(str, value)], check=True, capture_output=True)
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "another version's programs are in force")
    rig = Rig(pair)
    tap.equal(rig.ask("open", **options)["method"], SK_LOOKUP, "the next start takes over")
    tap.equal(rig.ask("each deny")["entries"], [], "  with maps of its own: the gateway fills them")
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "  and nothing of the old ones is in force")
    rig.ask(f"put deny {source}")
    tap.equal(pair.burst(source, PORT, 1), ["refused"], "  but the new ones are")
    rig.end()
    rig = Rig(pair)
    rig.ask("open", **{**options, "keep": 0})
    rig.end()
    tap.equal(pair.burst(source, PORT, 1), ["ok"], "  and go without keep")


def test_seed(pair, pins):
    held = [pair.connect(s, PORT)[0] for s in (HOSTS[16], HOSTS[16], HOSTS[16], HOSTS6[16])]
    rig = Rig(pair)
    rig.ask("open", pins=pins, port0=PORT, rate0="1/1000/4")
    tap.equal((rig.open_of(HOSTS[16]), rig.open_of(HOSTS6[16])), (3, 1), "connections from before the start are counted")
    more = [pair.connect(HOSTS[16], PORT) for _ in range(2)]
    tap.equal([w for _, w in more], ["ok", "refused"], "and limit new ones")
    for s in [*held, more[0][0]]:
        netns.reset(s)
    wait.until(lambda: rig.open_of(HOSTS[16]) == 0 and rig.open_of(HOSTS6[16]) == 0, 30, "0 in the end")
    rig.end()


def test_full(pair):
    rig = Rig(pair)
    rig.ask("open", port0=PORT, connections=4, lists=2, rate0="1/1000/1")
    held = [pair.connect(s, PORT) for s in HOSTS[18:26:2]]
    tap.equal([w for _, w in held], words((4, "ok")), "a full map of open connections lets everybody in")
    counts = rig.ask("counts")
    tap.ok(counts["open_full"] > 0 and counts["opened"] == 4, f"and counts it ({counts['open_full']})")
    for s, _ in held:
        netns.reset(s)
    wait.until(lambda: rig.ask("counts")["closed"] == 4, 30, "all closed")
    tap.equal([rig.open_of(s) for s in HOSTS[18:26:2]], [0, 0, 0, 0], "with nothing left behind")
    tap.equal([rig.ask(f"put deny 192.0.2.{n}")["r"] for n in range(3)], [0, 0, -7], "a full list says so")
    rig.end()


def test_less_rights(pair):
    without = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin"]
    denied = HOSTS[20]
    rig = Rig(_Reversed(pair, without))
    said = rig.ask("open", port0=PORT, rate0=f"{HOUR_MS}/5/0")
    tap.equal((said["r"], said["method"]), (0, NFTABLES), "without CAP_BPF: nftables")
    for part in ("sk_lookup", "concurrency"):
        tap.ok("CAP_BPF" in said["parts"][part]["why"], f"{part}: {said['parts'][part]['why']}")
    rig.ask(f"nft {denied} {NOTHING} 60")
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "which refuse")
    tap.equal(rig.ask("counts")["r"], -95, "the gateway's calls say that there is no map")
    rig.end()
    rig = Rig(_Reversed(pair, ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin,-net_admin"]))
    said = rig.ask("open", port0=PORT, rate0=f"{HOUR_MS}/1/0")
    tap.equal((said["r"], said["method"]), (0, USER), "without CAP_NET_ADMIN too: user space")
    tap.ok("not permitted" in said["parts"]["nftables"]["why"], f"nftables: {said['parts']['nftables']['why']}")
    tap.equal(pair.burst(denied, PORT, 3), words((3, "ok")), "nothing is refused")
    rig.end()


class _Reversed:
    """Enter the namespace first, which needs CAP_SYS_ADMIN, then lose rights."""

    def __init__(self, pair, command):
        self.pair, self.command = pair, command

    def argv(self, command):
        return self.pair.argv([*self.command, *command])


def test_no_btf(pair):
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
    rig = Rig(pair, hide)
    said = rig.ask("open", port0=PORT, rate0=f"{HOUR_MS}/5/0")
    tap.equal((said["r"], said["method"]), (0, SK_LOOKUP), "without BTF sk_lookup works")
    why = said["parts"]["concurrency"]["why"]
    tap.ok("type information" in why, f"open connections are not counted: {why}")
    tap.equal(pair.burst(HOSTS[22], PORT, 7), words((5, "ok"), (2, "refused")), "and refuses")
    rig.end()


def test_xdp(pair, mode, name):
    rig = Rig(pair)
    said = rig.ask("open", port0=PORT, xdp=mode, interface=pair.device, rate0=f"{HOUR_MS}/5/0", flood=0)
    if not said["parts"]["xdp"]["active"]:
        tap.skip(f"XDP {name}", said["parts"]["xdp"]["why"])
        rig.end()
        return
    source = HOSTS[24 + mode * 2]
    got = quick(source, pair, lambda: pair.burst(source, PORT, 8))
    tap.equal(got, words((5, "ok"), (3, "refused")), f"XDP {name} and sk_lookup: one SYN is charged once")
    tap.equal(rig.count(XDP, PASS), 8, "XDP saw them")
    rig.ask(f"put penalty {source} {NOTHING} 60000")
    tap.equal(pair.burst(source, PORT, 1, 0.5), ["timeout"], "a penalty: dropped without an answer")
    tap.ok(rig.count(XDP, PENALTY) >= 1 and rig.count(LOOKUP, PENALTY) == 0, "by XDP, before sk_lookup")
    rig.end()
    tap.equal(pair.burst(source, PORT, 1), ["ok"], "detached at the end")


def test_xdp_keep(pair, pins):
    options = {"pins": pins, "port0": PORT, "xdp": 1, "interface": pair.device, "keep": 1}
    source = HOSTS[44]
    rig = Rig(pair)
    if not rig.ask("open", **options)["parts"]["xdp"]["active"]:
        tap.skip("XDP kept", "no XDP here")
        rig.end()
        return
    rig.ask(f"put penalty {source} {NOTHING} 600000")
    rig.kill()
    tap.equal(pair.burst(source, PORT, 1, 0.4), ["timeout"], "XDP is kept: it drops without a daemon")
    for mode, name in ((1, "generic"), (2, "native"), (1, "generic")):
        rig = Rig(pair)
        said = rig.ask("open", **{**options, "xdp": mode})["parts"]["xdp"]
        tap.equal((said["active"], said["why"]), (True, ""), f"taken over as {name}")
        before, sent = rig.count(XDP, PENALTY), sum(pair.first_packets())
        tap.equal(pair.burst(source, PORT, 1, 0.4), ["timeout"], "and drops")
        tap.equal(rig.count(XDP, PENALTY) - before, sum(pair.first_packets()) - sent, "each once: one program is attached")
        rig.kill()
    rig = Rig(pair)
    rig.ask("open", **{**options, "xdp": 0, "keep": 0})
    tap.equal(pair.burst(source, PORT, 1, 0.4), ["refused"], "XDP no longer wanted: detached, sk_lookup answers")
    rig.ask(f"remove penalty {source}")
    rig.end()


FAULTS = {"on_lookup": "sk_lookup", "on_socket": "concurrency", "on_state": "concurrency", "throttle.maps": "events"}


def test_faults(pair):
    """Each program, and the maps, refused by the kernel: what is left works, and says what is not."""
    for point, part in FAULTS.items():
        rig = Rig(pair, env={"SALLYPORT_FAULT": f"{point}=EIO"})
        said = rig.ask("open", port0=PORT, rate0=f"{HOUR_MS}/3/0", rate2=f"{HOUR_MS}/3/0")
        method = SK_LOOKUP if part == "concurrency" else NFTABLES
        tap.equal((said["r"], said["method"]), (0, method), f"{point} is refused")
        tap.equal(said["parts"][part]["active"], point == "on_socket", f"only the tracepoint works without the rest: {part}")
        tap.ok("Input/output error" in said["parts"][part]["why"], f"{part}: {said['parts'][part]['why']}")
        tap.equal(pair.burst(HOSTS6[28], PORT, 4), words((3, "ok"), (1, "refused")), "what is left refuses")
        rig.end()


def test_xdp_alone(pair):
    rig = Rig(pair, env={"SALLYPORT_FAULT": "on_lookup=EIO"})
    said = rig.ask("open", port0=PORT, xdp=1, interface=pair.device, rate0=f"{HOUR_MS}/3/0")
    tap.equal(said["method"], XDP_ALONE, "sk_lookup is refused: XDP alone")
    tap.equal(pair.burst(HOSTS[30], PORT, 5, 0.4), words((3, "ok"), (2, "timeout")), "it enforces the rates itself")
    rig.end()
    rig = Rig(pair)
    said = rig.ask("open", port0=PORT, xdp=1, interface="nosuch0")
    tap.ok(not said["parts"]["xdp"]["active"] and "nosuch0" in said["parts"]["xdp"]["why"],
           f"an interface that is not there: {said['parts']['xdp']['why']}")
    tap.equal(said["method"], SK_LOOKUP, "the rest works")
    rig.end()


def tables(pair):
    done = subprocess.run(pair.argv(["nft", "list", "tables"]), capture_output=True, text=True, check=False)
    return done.stdout.split("\n")


def test_nftables(pair):
    rig = Rig(pair)
    said = rig.ask("open", method=NFTABLES, port0=PORT, rate0=f"{HOUR_MS}/5/0", rate2=f"{HOUR_MS}/5/0", few=1)
    if said["method"] != NFTABLES:
        tap.skip("nftables", said["parts"]["nftables"]["why"])
        rig.end()
        return
    for source, net in ((HOSTS[32], "10.77.17.0/24"), (HOSTS6[20], "fd77:0:6::/48")):
        got = quick(source, pair, lambda s=source: pair.burst(s, PORT, 9))
        tap.equal(got, words((5, "ok"), (4, "refused")), f"nftables: {source}: 5 of 9")
        tap.equal(pair.burst(source, OTHER, 9), words((9, "ok")), "another port")
        rig.ask(f"nftlist allow {net} 1")
        tap.equal(pair.burst(source, PORT, 3), words((3, "ok")), "allowed")
        rig.ask(f"nft {source} {NOTHING} 60")
        tap.equal(pair.burst(source, PORT, 3), words((3, "ok")), "against a penalty, too")
        rig.ask(f"nftlist allow {net} 0")
        tap.equal(pair.burst(source, PORT, 1), ["refused"], "no longer")
    source, other = HOSTS[34], HOSTS6[24]
    for s, net in ((source, "10.77.18.0/24"), (other, "fd77:0:7:1::/64")):
        rig.ask(f"nft {s} {NOTHING} 60")
        tap.equal(pair.burst(s, PORT, 2), words((2, "refused")), f"{s}: penalty")
        rig.ask(f"nft {s} {NOTHING} 1")
        wait.until(lambda s=s: pair.burst(s, PORT, 1) == ["ok"], 30, "a shorter one replaces it and expires")
        rig.ask(f"nft {net} {NOTHING} 60")
        tap.equal(pair.burst(s, PORT, 1), ["refused"], f"{net}: penalty")
        rig.ask(f"nft {net} 0 0")
        tap.equal(pair.burst(s, PORT, 1), ["ok"], f"{net}: lifted")
        rig.ask(f"nftlist deny {net} 1")
        tap.equal(pair.burst(s, PORT, 1), ["refused"], f"{net}: denied")
    rig.ask(f"nft {HOSTS[36]} {FEW} 60")
    tap.equal(pair.burst(HOSTS[36], PORT, 3), words((1, "ok"), (2, "refused")), "few")
    tap.ok("table inet sallyport" in tables(pair), "a table of our own")
    rig.kill()
    wait.until(lambda: "table inet sallyport" not in tables(pair), 30, "the table goes with the process")
    tap.equal(pair.burst(source, PORT, 1), ["ok"], "killed: nothing is refused")
    rig = Rig(pair)
    rig.ask("open", method=NFTABLES, port0=PORT, rate0="1/1000/3", enforce=1)
    held = [pair.connect(HOSTS[38], PORT) for _ in range(5)]
    tap.equal([w for _, w in held], words((3, "ok"), (2, "refused")), "3 open at once")
    for s, _ in held[:3]:
        netns.reset(s)
    rig.end()
    tap.ok("table inet sallyport" not in tables(pair), "an orderly end removes it")


def test_nftables_reload(pair):
    """Limits are in rules there, so a reload has to write them anew; so do those of the lists."""
    free, few, denied = HOSTS[36], HOSTS[38], HOSTS[34]
    rig = Rig(pair)
    if rig.ask("open", method=NFTABLES, port0=PORT, rate0=f"{HOUR_MS}/5/0", few=1, keep=1)["method"] != NFTABLES:
        tap.skip("a reload with nftables", "they cannot be had")
        rig.end()
        return
    rig.ask(f"nft {few} {FEW} 600")
    rig.ask(f"nftlist deny {denied} 1")
    tap.equal(pair.burst(few, PORT, 4), words((1, "ok"), (3, "refused")), "before a reload: few is one")
    tap.equal(rig.ask("reload", rate0=f"{HOUR_MS}/3/0", few=1000)["r"], 0, "a reload")
    tap.equal(pair.burst(free, PORT, 6), words((3, "ok"), (3, "refused")), "  another burst")
    tap.equal(rig.ask("reload")["r"], 0, "a reload that changes nothing")
    tap.equal(pair.burst(free, PORT, 2), words((2, "refused")), "  fills no bucket")
    tap.ok("ok" in pair.burst(few, PORT, 1), "  another number of few")
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "  lists stay")
    tap.equal(rig.ask("reload", enforce=0)["r"], 0, "a reload that only counts")
    tap.equal(pair.burst(denied, PORT, 1) + pair.burst(free, PORT, 1), ["ok", "ok"], "  refuses nobody")
    tap.equal(rig.ask("reload", enforce=1)["r"], 0, "and back")
    tap.equal(pair.burst(denied, PORT, 1), ["refused"], "  the list is in force again")
    tap.equal(rig.ask("off")["r"], 0, "switched off")
    tap.equal(pair.burst(denied, PORT, 1) + pair.burst(free, PORT, 5), words((6, "ok")), "  nobody is refused")
    rig.ask("reload", rate0=f"{HOUR_MS}/2/0")
    tap.equal(pair.burst(free, PORT, 5), words((5, "ok")), "  not after a reload, either")
    tap.equal(rig.ask("on")["r"], 0, "switched on")
    tap.equal(pair.burst(denied, PORT, 1), ["ok"], "  lists are empty: the gateway fills them")
    tap.equal(pair.burst(free, PORT, 5), words((2, "ok"), (3, "refused")), "  the reload's rate is in force")
    rig.end()
    tap.ok("table inet sallyport" in tables(pair), "keep: the table stays")
    rig = Rig(pair)
    rig.ask("open", method=USER, keep=1)
    tap.ok("table inet sallyport" not in tables(pair), "the next start without nftables removes it")
    rig.end()


def test_mount(pair, folder):
    fresh = os.path.join(folder, "fresh")
    rig = Rig(pair)
    said = rig.ask("open", pins=fresh + "/pins", port0=PORT)
    tap.ok(said["parts"]["pins"]["active"] and os.path.ismount(fresh), "a BPF file system is mounted where none is")
    tap.ok(sorted(os.listdir(os.path.join(fresh, "pins", os.listdir(fresh + "/pins")[0]))) ==
           ["allow", "cells", "deny", "events", "open", "penalty", "rates", "settings", "socks", "stats"], "maps are pinned there")
    rig.end()
    subprocess.run(["umount", fresh], check=True)
    full = os.path.join(folder, "full")
    os.makedirs(full + "/something")
    rig = Rig(pair)
    said = rig.ask("open", pins=full + "/pins", port0=PORT)
    tap.ok(not said["parts"]["pins"]["active"] and "not empty" in said["parts"]["pins"]["why"],
           f"never over something else: {said['parts']['pins']['why']}")
    tap.equal(said["method"], SK_LOOKUP, "without pins the rest works")
    rig.end()


def with_rig(pair, run, **options):
    rig = Rig(pair)
    rig.ask("open", port0=PORT, **options)
    run(pair, rig)
    rig.end()


def run_all(pair, folder):
    pins = os.path.join(folder, "bpf", "pins")
    os.mkdir(os.path.dirname(pins))
    subprocess.run(["mount", "-t", "bpf", "none", os.path.dirname(pins)], check=True)
    limits = {"rate0": f"{HOUR_MS}/5/0", "rate1": f"{HOUR_MS}/8/0", "rate2": f"{HOUR_MS}/5/0", "rate3": f"{HOUR_MS}/7/0"}
    with_rig(pair, test_bursts, **limits)
    with_rig(pair, test_open)
    with_rig(pair, test_forged, **limits)
    with_rig(pair, test_owed, **limits)
    with_rig(pair, test_cookies, **limits)
    with_rig(pair, test_paid, rate0="400/5/0", rate2="400/5/0")
    with_rig(pair, test_race, rate0="1/100000/0")
    with_rig(pair, test_penalties)
    with_rig(pair, test_lists)
    with_rig(pair, test_unprivileged, rate0="1/1000/0")
    test_restart(pair, pins)
    test_other_version(pair, pins)
    test_kept_charge(pair, pins)
    test_seed(pair, pins)
    test_full(pair)
    test_less_rights(pair)
    test_no_btf(pair)
    test_xdp(pair, 1, "generic")
    test_xdp(pair, 2, "native")
    test_xdp_keep(pair, pins)
    if "faults" in gateway.build_dir() or "asan" in gateway.build_dir():
        test_faults(pair)
        test_charged_syn(pair)
        test_xdp_alone(pair)
    else:
        tap.skip("refused programs, XDP alone", "needs a build with fault points")
    test_nftables(pair)
    test_nftables_reload(pair)
    test_mount(pair, folder)


def why_not(pair):
    rig = Rig(pair)
    said = rig.ask("open", port0=PORT)
    rig.kill()
    part = said.get("parts", {}).get("sk_lookup", {"active": False, "why": said["why"]})
    return None if part["active"] else part["why"]


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root: network namespaces and BPF")
    if not netns.have_tools() or not shutil.which("setpriv"):
        tap.skip_all("needs ip, nsenter and setpriv")
    if not os.path.exists(RIG):
        tap.skip_all(f"no {RIG}: scripts/build makes it")
    try:
        pair = netns.Pair([*HOSTS, *HOSTS6])
    except OSError as why:
        tap.skip_all(f"no network namespaces here: {why}")
    with script.folder() as folder:
        server = netns.Server(pair.server, [PORT, OTHER])
        try:
            why = why_not(pair)
            if why:
                tap.skip_all(f"no sk_lookup here: {why}")
            run_all(pair, folder)
        except wait.Late as late:
            script.too_late(late)
        finally:
            server.close()
            pair.close()
            for name in ("bpf", "fresh"):
                subprocess.run(["umount", os.path.join(folder, name)], capture_output=True, check=False)
    tap.done()


if __name__ == "__main__":
    main()
