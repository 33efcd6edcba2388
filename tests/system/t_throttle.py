#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The throttle as the gateway uses it: zip bombs are charged to the address that sent them, honest
senders to nobody; levels, lists, `why`, forgiveness, reload, restart, crash. Then without bpf(2): one
warning, mail flows. Then with it, in network namespaces: connections of a charged sender are refused
by the kernel, others are not.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, queuefile, samples, script, tap, wait  # noqa: E402

NO_BPF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kit", "no_bpf.py")
ATTACKER, HONEST = "192.0.2.66", [f"192.0.2.{n}" for n in range(10, 20)]
ALLOWED, DENIED, CUSTOMER = "198.51.100.9", "203.0.113.5", "198.18.0.9"
ATTACKER6, SAME64, OTHER64 = "2001:db8:0:66::1", "2001:db8:0:66::2", "2001:db8:0:67::1"
BOMB = {s.name: s.message for s in samples.everything() if s.name in ("bomb", "clean", "virus")}
OPTIONS = {
    "Throttle": "enforce",
    "Throttle Method": "user",
    "Throttle Allow": "198.51.100.0/24",
    "Throttle Deny": "203.0.113.0/24",
    "Throttle Cost Half Life": 600,
    "Throttle Penalty Time": 600,
    "Throttle Cost Free": 60000,  # a loaded test machine must not make honest mail costly
}


class Site:
    def __init__(self, folder, options, wrapper=()):
        self.gate = gateway.Gateway(folder, options={**OPTIONS, **options})
        self.gate.wrapper = list(wrapper)
        self.writer = queuefile.SendmailWriter(self.gate.in_queue)

    def send(self, kind, client):
        self.writer.write(BOMB[kind], client_ip=client)

    def send_authenticated(self, kind, client):
        """As sendmail writes it: the protocol says so, no id is noted."""
        fields, body = queuefile.split_headers(BOMB[kind])
        name = self.writer.new_id()
        head = self.writer.header_text(fields, "sender@origin.test", ["rcpt@dest.test"], client)
        self.writer.put("df" + name, body)
        self.writer.put("tf" + name, head.replace(b"$rESMTP\n", b"$rESMTPSA\n"))
        os.rename(self.writer.path("tf" + name), self.writer.path("qf" + name))

    def settle(self):
        self.gate.wait_empty(60)

    def throttle(self, *words):
        return self.gate.control("throttle", *words) or {}

    def exit_code(self, *words):
        argv = [os.path.join(self.gate.build, "sallyport"), "throttle", *words, "-c", self.gate.conf]
        return subprocess.run(argv, capture_output=True, timeout=60, check=False)

    def level(self, client):
        return self.throttle("decide", client).get("level")

    def rows(self, name):
        return {r["prefix"]: r for r in self.throttle("list").get(name, [])}

    def reasons(self, client):
        host = self.throttle("why", client).get("host", {})
        return {r["reason"]: r["count"] for r in host.get("reasons", [])}


def charging(site):
    for client in HONEST:
        site.send("clean", client)
    for client in (ATTACKER, ATTACKER, ATTACKER, ALLOWED, "127.0.0.1", "0.0.0.0"):
        site.send("bomb", client)
    site.send("virus", HONEST[0])
    site.send_authenticated("bomb", CUSTOMER)
    site.settle()
    tap.equal(site.throttle("decide", ATTACKER).get("decision"), "slow", "three bombs: the sender is slowed down")
    tap.equal(site.level(ATTACKER), "slower", "  at level slower")
    tap.equal(site.reasons(ATTACKER), {"zip bombs and limits": 3}, "  why says what for")
    why = site.throttle("why", ATTACKER)
    tap.ok(60 < why["host"]["cost_s"] <= 90, f"  it owes 90 s, less what was forgiven: {why['host']['cost_s']:.1f}")
    tap.ok(599 <= why["host"]["since_s"] + why["host"]["left_s"] <= 601, "  for ten minutes")
    tap.equal(why["network"]["level"], "normal", "  its network is not to blame")
    tap.equal(why["enforced"], False, "  nothing refuses it: Throttle Method = user")
    for client in HONEST[1:]:
        tap.equal((site.level(client), site.reasons(client)), ("normal", {}), f"honest {client} owes nothing")
    tap.equal((site.level(HONEST[0]), site.reasons(HONEST[0])), ("normal", {"viruses": 1}), "one virus is no penalty")
    for client in (ALLOWED, "127.0.0.1", "0.0.0.0", CUSTOMER):
        tap.equal((site.level(client), site.reasons(client)), ("normal", {}), f"{client} is never charged")
    tap.equal(site.throttle("decide", DENIED).get("decision"), "refuse", "Throttle Deny: refused")
    top = site.throttle("top", "2")["sources"]
    tap.equal([s["prefix"] for s in top], ["192.0.2.0/24", ATTACKER], "top: the costliest first")
    counters = site.gate.counters()
    tap.equal(counters.get("throttle_charged_messages_total"), 4, "four messages were charged")
    tap.equal(counters.get("throttle_penalties_slower_total"), 1, "one penalty")
    tap.equal(counters.get("throttle_penalised"), 1, "one source has one")
    text = site.gate.log_text()
    tap.equal(text.count(f"Throttle: {ATTACKER} "), 1, "one line about it in the log")
    tap.equal(text.count("nothing refuses connections"), 1, "one warning that nothing is enforced")
    for _ in range(5):
        site.send("bomb", ATTACKER)
    site.settle()
    tap.equal(site.throttle("decide", ATTACKER).get("decision"), "refuse", "eight bombs: nothing more from it")


def read_text(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def worker_deaths(site):
    """Poison: each of its three attempts costs a worker, and the sender what that is worth."""
    if not gateway.has_faults():
        tap.skip("a message that kills its worker is charged", "a build without fault points")
        return
    site.writer.write(b"X-Sallyport-Test: crash\n" + BOMB["clean"], client_ip="192.0.6.6")
    site.settle()
    tap.equal(site.reasons("192.0.6.6"), {"lost scan workers": 3}, "a message that kills its worker is charged")
    tap.equal(site.level("192.0.6.6"), "few", "  for each attempt")


def lists(site):
    for name, prefix, more in (("allow", "192.0.2.128/25", []), ("deny", "2001:db8:bad::/48", ["--for", "1h"]),
                               ("penalty", "192.0.3.0/24", ["--level", "few", "--for", "2h"])):
        began = time.monotonic()
        tap.equal(site.throttle("add", name, prefix, *more).get("ok"), True, f"add {name} {prefix}")
        row = site.rows(name).get(prefix, {})
        tap.equal(row.get("origin"), "command", "  is listed")
        if more:
            whole = {"1h": 3600, "2h": 7200}[more[-1]]
            tap.ok(whole - (time.monotonic() - began) - 2 <= row.get("left_s", 0) <= whole, f"  with its end, after {more[-1]}")
    tap.equal(site.level("192.0.3.77"), "few", "a penalty by hand counts")
    tap.equal(site.throttle("decide", "2001:db8:bad:1::1").get("decision"), "refuse", "a denied IPv6 network")
    tap.equal(site.rows("deny")["203.0.113.0/24"]["origin"], "option", "what an option says is listed as such")
    for words, says in ((["add", "deny", "192.0.2.0/99"], "not an address or a network"),
                        (["add", "deny", "127.0.0.1"], "loopback"),
                        (["add", "penalty", "192.0.2.1"], "needs a level"),
                        (["add", "deny", "203.0.113.0/24"], "option Throttle Deny has"),
                        (["del", "deny", "203.0.113.0/24"], "option Throttle Deny says so"),
                        (["del", "allow", "10.0.0.0/8"], "is not on the allow list"),
                        (["why", "203.0.0.0/8"], "holds many senders"), (["decide", "2001:db8::/32"], "holds many")):
        done = site.exit_code(*words)
        tap.ok(done.returncode == 65 and says.encode() in done.stderr, f"{' '.join(words)}: {done.stderr.decode().strip()}")
    why = site.throttle("why", "192.0.2.0/24")
    tap.equal(why.get("network", {}).get("prefix"), "192.0.2.0/24", "why of a network's account")
    for words in ([], ["add"], ["add", "deny"], ["stats", "x"], ["list", "--for", "5x"], ["frob"], ["top", "many"],
                  ["top", "0"], ["top", "201"], ["stats", "--for", "3s"], ["list", "--level", "few"],
                  ["add", "allow", "192.0.9.1", "--level", "few"], ["off", "--for", "49711d"]):
        tap.equal(site.exit_code(*words).returncode, 64, f"usage: throttle {' '.join(words)}")
    tap.equal([site.exit_code("decide", c).returncode for c in (HONEST[1], "192.0.3.1", DENIED)], [0, 1, 2],
              "decide tells the outcome by its exit code")
    for words in (["list"], ["why", ATTACKER], ["top"], ["stats"]):
        done = site.exit_code(*words)
        tap.ok(done.returncode == 0 and len(done.stdout) > 40 and not done.stderr, f"text: throttle {' '.join(words)}")
        tap.note(done.stdout.decode())


def after_restart(site, how):
    tap.equal(site.level(ATTACKER), "nothing", f"{how}: the attacker's penalty is kept")
    tap.equal(site.reasons(ATTACKER), {"zip bombs and limits": 8}, "  and why")
    tap.equal(site.rows("penalty").get("192.0.3.0/24", {}).get("level"), "few", "  and penalties by hand")
    tap.equal(site.rows("allow").get("192.0.2.128/25", {}).get("origin"), "command", "  and lists by hand")
    tap.equal(site.rows("allow").get("198.51.100.0/24", {}).get("origin"), "option", "  and those of options")


def restarts(site):
    tap.equal(site.gate.stop(), 0, "stops")
    site.gate.start()
    after_restart(site, "restart")
    pid = site.gate.pid("gateway")
    os.kill(pid, signal.SIGKILL)
    wait.until(lambda: site.gate.pid("gateway") not in (pid, None) and site.gate.ready(), 60, "another gateway")
    after_restart(site, "crash of the gateway")
    for name, prefix in (("allow", "192.0.2.128/25"), ("deny", "2001:db8:bad::/48"), ("penalty", "192.0.3.0/24"),
                         ("penalty", ATTACKER)):
        tap.equal(site.throttle("del", name, prefix).get("ok"), True, f"del {name} {prefix}")
        tap.ok(prefix not in site.rows(name), "  is gone")
    tap.equal((site.level(ATTACKER), site.reasons(ATTACKER)), ("normal", {}), "a penalty taken away is forgiven")


def reloading(site):
    """Short times, and a ruleset: one network has other limits."""
    rules = site.gate.path("etc", "slower.rules")
    with open(rules, "w", encoding="ascii") as f:
        f.write("From: 192.0.4. 1000\nFromOrTo: default 20\n")
    site.gate.options.update({"Throttle Cost Half Life": 1, "Throttle Penalty Time": 3,
                              "Throttle Slower Cost": rules, "Throttle Few Cost": 0, "Throttle Nothing Cost": 0,
                              "Throttle Deny": ""})
    site.gate.write_configuration()
    site.gate.control("reload")
    wait.until(lambda: "203.0.113.0/24" not in site.rows("deny"), 60, "the configuration in force")
    tap.equal(site.level(DENIED), "normal", "a reload takes networks off")
    site.send("bomb", "192.0.2.99")
    site.send("bomb", "192.0.4.1")
    # The log remembers what lasts for three seconds only.
    wait.until(lambda: "Throttle: 192.0.2.99 " in site.gate.log_text(), 60, "a penalty")
    tap.ok(True, "a lower limit: one bomb is enough")
    site.settle()
    tap.ok("Throttle: 192.0.4.1 " not in site.gate.log_text(), "a ruleset spares a network")
    wait.until(lambda: site.level("192.0.2.99") == "normal", 60, "the penalty's end")
    wait.until(lambda: "192.0.2.99 is at level normal again" in site.gate.log_text(), 60, "the log line of its end")
    tap.ok(True, "a penalty ends, and the log says so")
    tap.equal(site.throttle("add", "deny", "192.0.9.0/24", "--for", "1s").get("ok"), True, "an entry for a second")
    wait.until(lambda: "192.0.9.0/24" not in site.rows("deny"), 60, "the end of an entry")
    tap.ok(True, "  ends")


def in_user_space(folder):
    site = Site(os.path.join(folder, "user"), {})
    try:
        site.gate.start()
        charging(site)
        worker_deaths(site)
        lists(site)
        restarts(site)
        reloading(site)
        tap.equal(site.gate.stop(), 0, "stops cleanly")
    finally:
        site.gate.stop()


def disk_fails(folder):
    """The state file cannot be made durable: one warning, mail flows, and it is written when the disk is well again."""
    if not gateway.has_faults():
        tap.skip("a state file that cannot be written", "a build without fault points")
        return
    site = Site(os.path.join(folder, "disk"), {})
    faults, kept = site.gate.path("faults"), site.gate.path("state", "throttle.state")

    def fault(text):
        with open(faults, "w", encoding="ascii") as f:
            f.write(text)
    fault("throttle.state.sync=EIO")
    site.gate.environment = {"SALLYPORT_FAULT_FILE": faults}
    try:
        site.gate.start()
        site.throttle("add", "deny", "192.0.5.0/24")
        wait.until(lambda: "a restart forgives what is owed" in site.gate.log_text(), 60, "a warning")
        site.throttle("add", "deny", "192.0.6.0/24")
        site.send("bomb", ATTACKER)
        site.send("clean", HONEST[0])
        site.settle()
        tap.equal(site.gate.log_text().count("a restart forgives"), 1, "a disk that fails: one warning, mail flows")
        tap.ok(not os.path.exists(kept), "  what is not synced is not called written")
        fault("")
        site.throttle("add", "deny", "192.0.7.0/24")
        wait.until(lambda: os.path.exists(kept) and "192.0.7.0/24" in read_text(kept), 60, "the file")
        tap.ok(all(f"deny 192.0.{n}.0/24 0" in read_text(kept) for n in (5, 6, 7)), "  all of it is written later")
        wait.until(lambda: "throttle.state: written again" in site.gate.log_text(), 60, "a line that it is well again")
        tap.ok(True, "  and the log says so")
    finally:
        site.gate.stop()


def no_account(folder):
    site = Site(os.path.join(folder, "off"), {"Throttle": "no"})
    try:
        site.gate.start()
        site.send("bomb", ATTACKER)
        site.settle()
        done = site.exit_code("list")
        tap.ok(done.returncode == 65 and b"option Throttle is no" in done.stderr, "Throttle = no: there is nothing to ask")
    finally:
        site.gate.stop()


def without_bpf(folder):
    """A host that forbids bpf(2): what was asked for cannot be had."""
    site = Site(os.path.join(folder, "nobpf"), {"Throttle Method": "sk_lookup"}, [sys.executable, NO_BPF])
    try:
        site.gate.start()
        site.send("bomb", ATTACKER)
        site.send("bomb", ATTACKER)
        site.send("clean", HONEST[0])
        site.settle()
        warnings = [line for line in site.gate.log_text().splitlines() if "Throttle" in line and "warning" in line]
        tap.equal(len(warnings), 1, "without bpf(2): one warning")
        tap.note("\n".join(warnings))
        tap.ok(len(os.listdir(site.gate.out_queue)) >= 2, "mail flows")
        tap.equal(site.level(ATTACKER), "slower", "decisions are made all the same")
        stats = site.throttle("stats")
        tap.equal((stats["method"], stats.get("rates_charge")), ("user", None), "stats: nothing refuses connections")
        tap.ok(any(p["why"] for p in stats["parts"]), "  and says why")
    finally:
        site.gate.stop()


# --- with the kernel ---

class Net:
    """Two network namespaces with a wire between them: the host at 192.0.2.1 and 2001:db8::1, senders at its
    other end."""

    def __init__(self, addresses):
        self.host, self.far = f"sp{os.getpid()}h", f"sp{os.getpid()}f"
        self.listener = None
        for name in (self.host, self.far):
            self.run("ip", "netns", "add", name)
        self.run("ip", "link", "add", "spv0", "netns", self.host, "type", "veth", "peer", "name", "spv1",
                 "netns", self.far)
        for name, link, own in ((self.host, "spv0", ["192.0.2.1", "2001:db8::1"]), (self.far, "spv1", addresses)):
            for address in own:
                more = [f"{address}/32", "nodad"] if ":" in address else [f"{address}/24"]
                self.run("ip", "-n", name, "addr", "add", *more, "dev", link)
        for name, link in ((self.host, "spv0"), (self.far, "spv1"), (self.host, "lo"), (self.far, "lo")):
            self.run("ip", "-n", name, "link", "set", link, "up")
        self.listener = subprocess.Popen(
            self.inside(self.host) + [sys.executable, "-c", "import socket\ns = socket.create_server(('::', 25), family=socket.AF_INET6, "
                                      "backlog=64, dualstack_ipv6=True)\n"
                                      "print('up', flush=True)\nwhile True: s.accept()[0].close()"],
            stdout=subprocess.PIPE)
        self.listener.stdout.readline()

    @staticmethod
    def run(*argv):
        subprocess.run(argv, check=True, capture_output=True, timeout=60)

    @staticmethod
    def inside(name):
        """Not `ip netns exec`: that would hide the BPF file system."""
        return ["nsenter", f"--net=/run/netns/{name}", "--"]

    def connect(self, source):
        """"open", "refused" or what else happened."""
        code = ("import socket, sys\nsix = ':' in sys.argv[1]\n"
                "s = socket.socket(socket.AF_INET6 if six else socket.AF_INET)\ns.settimeout(5)\ns.bind((sys.argv[1], 0))\n"
                "try:\n s.connect(('2001:db8::1' if six else '192.0.2.1', 25))\n print('open')\n"
                "except ConnectionRefusedError: print('refused')\nexcept OSError as e: print(e)")
        done = subprocess.run(self.inside(self.far) + [sys.executable, "-c", code, source], capture_output=True,
                              timeout=60, check=False)
        return done.stdout.decode().strip()

    def close(self):
        if self.listener is not None:
            self.listener.kill()
            self.listener.wait()
        for name in (self.host, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=60, check=False)


def refused(site, net, counts):
    tap.equal([net.connect(a) for a in (ATTACKER, HONEST[0])], ["open", "open"], "both may connect")
    for _ in range(8):
        site.send("bomb", ATTACKER)
    site.send("clean", HONEST[0])
    site.settle()
    tap.equal(site.level(ATTACKER), "nothing", "eight bombs: nothing more from it")
    wait.until(lambda: net.connect(ATTACKER) == "refused", 60, "the kernel refuses it")
    tap.equal(net.connect(HONEST[0]), "open", "the kernel refuses it, not others")
    for _ in range(8):
        site.send("bomb", f"IPv6:{ATTACKER6}")
    site.settle()
    wait.until(lambda: net.connect(ATTACKER6) == "refused", 60, "the kernel refuses it")
    tap.equal([net.connect(a) for a in (SAME64, OTHER64)], ["refused", "open"], "IPv6: all of its /64, not the next")
    why = site.throttle("why", ATTACKER)
    tap.equal(why["enforced"], True, "why: it is enforced")
    tap.note(site.exit_code("why", ATTACKER).stdout.decode())
    if not counts:
        return
    wait.until(lambda: f"connections of {ATTACKER} to port 25 are refused" in site.gate.log_text(), 60,
               "the log line of the first refusal")
    tap.ok(True, "the first refusal is a line in the log")
    tap.ok(site.gate.counters().get("throttle_refused_penalty_total", 0) >= 1, "refusals are counted")


def kept_in_kernel(site, net, method):
    kept = site.gate.path("state", "throttle.state")
    wait.until(lambda: re.search(rf"^account {re.escape(ATTACKER)} \d+ 3 ", read_text(kept), re.M), 60,
               "the last level in the state file")
    pid, supervisor = site.gate.pid("gateway"), site.gate.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)  # or there is a next one before we have asked
    os.kill(pid, signal.SIGKILL)
    tap.equal(net.connect(ATTACKER), "refused", "while the gateway is down it is refused, too")
    os.kill(supervisor, signal.SIGCONT)
    wait.until(lambda: site.gate.pid("gateway") not in (pid, None) and site.gate.ready(), 60, "another gateway")
    if method == "nftables":
        becomes(net, ATTACKER, "refused", "and by the next gateway, which has filled the sets anew")
    else:
        tap.equal(net.connect(ATTACKER), "refused", "and by the next gateway, which got the same maps")
    tap.equal(site.level(ATTACKER), "nothing", "  which knows why")
    tap.equal(site.throttle("del", "penalty", ATTACKER).get("ok"), True, "taken away by command")
    becomes(net, ATTACKER, "open", "  it may connect again")  # nftables belong to the supervisor, who is told
    tap.equal(site.throttle("add", "deny", ATTACKER).get("ok"), True, "denied by command")
    becomes(net, ATTACKER, "refused", "  it is refused")
    tap.equal(site.throttle("add", "allow", ATTACKER).get("ok"), True, "allowed by command")
    becomes(net, ATTACKER, "open", "  the allow list wins")
    tap.equal(site.throttle("del", "allow", ATTACKER).get("ok"), True, "no more")
    becomes(net, ATTACKER, "refused", "  it is refused again")
    site.gate.options["Throttle"] = "account"
    site.gate.write_configuration()
    site.gate.control("reload")
    wait.until(lambda: net.connect(ATTACKER) == "open", 60, "a reload that refuses nobody")
    tap.ok(True, "a reload with Throttle = account refuses nobody")
    site.gate.options["Throttle"] = "enforce"
    site.gate.write_configuration()
    site.gate.control("reload")
    wait.until(lambda: net.connect(ATTACKER) == "refused", 60, "a reload that refuses again")
    tap.ok(True, "and another one refuses again")
    tap.note(site.exit_code("stats").stdout.decode())
    tap.equal(site.gate.stop(), 0, "stops")
    tap.equal(net.connect(ATTACKER), "open", "with the daemon its programs go")


def with_kernel(folder, method):
    if not shutil.which("ip") or not shutil.which("nsenter"):
        tap.skip(f"refusing connections by {method}", "needs ip and nsenter")
        return
    net = Net([ATTACKER, *HONEST, ATTACKER6, SAME64, OTHER64])
    pins = f"/sys/fs/bpf/sallyport-test-{os.getpid()}"
    site = Site(os.path.join(folder, method), {"Throttle Method": method, "Throttle Pin Directory": pins},
                net.inside(net.host))
    try:
        site.gate.start()
        got = site.throttle("stats")
        if got.get("method") != method:
            tap.skip(f"refusing connections by {method}", "; ".join(p["why"] for p in got.get("parts", []) if p["why"]))
            return
        counted = any(p["active"] for p in got["parts"] if p["name"] == "concurrency")
        charged = "handshakes" if counted else "SYNs"
        tap.equal(got.get("rates_charge"), charged, f"stats: rates charge {charged}")
        tap.ok(f"rates charge {charged}".encode() in site.exit_code("stats").stdout, "  to people, too")
        refused(site, net, counts=method != "nftables")  # whose rules tell nothing
        kept_in_kernel(site, net, method)
    finally:
        site.gate.stop()
        net.close()
        subprocess.run(["rm", "-rf", pins], check=False)


def reload_with(site, options):
    site.gate.options.update(options)
    site.gate.write_configuration()
    site.gate.control("reload")


def becomes(net, source, what, name):
    wait.until(lambda: net.connect(source) == what, 90, name)
    tap.ok(True, name)


def changed_by_reload(site, net, method):
    """Lists and limits that only a reload changes; everybody in at once by command."""
    becomes(net, ATTACKER, "refused", f"{method}: an option denies it")
    reload_with(site, {"Throttle Deny": HONEST[5]})
    becomes(net, ATTACKER, "open", "  a reload takes it off")
    becomes(net, HONEST[5], "refused", "  and puts another one on")
    reload_with(site, {"Throttle Host Rate": 1, "Throttle Host Burst": 2})
    wait.until(lambda: "refused" in [net.connect(HONEST[6]) for _ in range(4)], 40, "another rate")
    tap.ok(True, "  a lower rate")
    began = time.monotonic()
    tap.equal(site.throttle("off", "--for", "1h").get("ok"), True, "throttle off")
    becomes(net, HONEST[5], "open", "  lets everybody in")
    tap.equal([net.connect(HONEST[6]) for _ in range(3)], ["open"] * 3, "  at any rate")
    stats = site.throttle("stats")
    tap.ok(stats.get("off") and 3600 - (time.monotonic() - began) - 2 <= stats.get("off_left_s", 0) <= 3600,
           "  stats says so, and for how long")
    tap.ok(b"switched off by command" in site.exit_code("stats").stdout, "  to people, too")
    reload_with(site, {"Throttle Deny": f"{HONEST[5]} {ATTACKER}", "Throttle Host Rate": 300, "Throttle Host Burst": 100})
    wait.until(lambda: ATTACKER in site.rows("deny"), 40, "the configuration in force")
    tap.equal(net.connect(ATTACKER), "open", "  a reload does not switch it on")
    tap.equal(site.throttle("on").get("ok"), True, "throttle on")
    becomes(net, ATTACKER, "refused", "  refuses again")
    site.throttle("off", "--for", "1h")
    becomes(net, ATTACKER, "open", "throttle off once more")
    site.throttle("off", "--for", "2s")
    becomes(net, ATTACKER, "refused", "  for two seconds: ends by itself")


def kept(folder, method, after):
    """Throttle Keep: in force while nothing runs, until a start with another Throttle."""
    net = Net([ATTACKER, *HONEST])
    pins = f"/sys/fs/bpf/sallyport-test-{os.getpid()}k"
    site = Site(os.path.join(folder, f"keep-{method}"),
                {"Throttle Method": method, "Throttle Pin Directory": pins, "Throttle Keep": "yes",
                 "Throttle Deny": ATTACKER}, net.inside(net.host))
    try:
        site.gate.start()
        if site.throttle("stats").get("method") != method:
            tap.skip(f"what is kept of {method}", "it cannot be had")
            return
        changed_by_reload(site, net, method)
        tree = site.gate.tree()
        site.gate.kill()
        wait.until(lambda: not gateway.alive(tree), 60, "the end of the others")
        tap.equal(net.connect(ATTACKER), "refused", f"{method}, keep: the daemon is killed, it is refused all the same")
        site.gate.start()
        becomes(net, ATTACKER, "refused", "  and by the next daemon")
        tap.equal(net.connect(HONEST[0]), "open", "  others are not")
        reload_with(site, {"Throttle Deny": HONEST[5]})
        becomes(net, ATTACKER, "open", "  which can take it off")
        tap.equal(site.gate.stop(), 0, "stops")
        tap.equal(net.connect(HONEST[5]), "refused", "  the list stays in force")
        site.gate.options["Throttle"] = after
        site.gate.write_configuration()
        site.gate.start()
        tap.equal(net.connect(HONEST[5]), "open", f"a start with Throttle = {after}: nobody is refused")
        tap.equal(site.gate.stop(), 0, "stops")
        tap.equal(net.connect(HONEST[5]), "open", "  nor after its end")
        site.gate.options["Throttle"] = "enforce"
        site.gate.write_configuration()
        site.gate.start()
        becomes(net, HONEST[5], "refused", "enforced and kept once more")
        tap.equal(site.gate.stop(), 0, "stops")
        subprocess.run(net.inside(net.host) + ["sh", "-c", f"rm -r {pins}; nft delete table inet sallyport"],
                       capture_output=True, timeout=60, check=False)
        becomes(net, HONEST[5], "open", "the command of docs/throttle.md removes what was kept")
    except wait.Late:
        tap.note(site.gate.log_tail(20))
        raise
    finally:
        site.gate.stop()
        net.close()
        subprocess.run(["rm", "-rf", pins], check=False)


# Each SYN is answered by a reset; not more of them are under way than every queue between the two has room for.
FORGE = """
import socket, struct, sys
def total(data):
    s = sum(struct.unpack(f'!{len(data) // 2}H', data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff
def syn(source, target):
    pair = socket.inet_aton(source) + socket.inet_aton(target)
    tcp = struct.pack('!HHIIBBHHH', 1025, 25, 1, 0, 0x50, 2, 1024, 0, 0)
    tcp = tcp[:16] + struct.pack('!H', total(pair + struct.pack('!HH', 6, len(tcp)) + tcp)) + tcp[18:]
    return struct.pack('!BBHHHBBH', 0x45, 0, 40, 1, 0, 64, 6, 0) + pair + tcp
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
answers = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
answers.settimeout(60)
first, end = int(sys.argv[1]), int(sys.argv[2])
waiting = set()
for i in range(first, end):
    source = f'10.9.{i >> 8}.{i & 255}'
    waiting.add(socket.inet_aton(source))
    s.sendto(syn(source, '192.0.2.1'), ('192.0.2.1', 0))
    while len(waiting) >= 64 or (i == end - 1 and waiting):
        packet = answers.recv(2048)
        if packet[9] == 6 and packet[33] & 4:
            waiting.discard(packet[16:20])
"""


def many_events(folder):
    """More first refusals at once than are read at once: those that come later are told all the same."""
    if not shutil.which("ip") or not shutil.which("nsenter"):
        tap.skip("many first refusals", "needs ip and nsenter")
        return
    net = Net([ATTACKER])
    net.run("ip", "-n", net.host, "route", "add", "default", "via", f"{ATTACKER}")
    site = Site(os.path.join(folder, "events"), {"Throttle Method": "sk_lookup", "Throttle Pin Directory": ""},
                net.inside(net.host))
    networks = site.gate.path("etc", "denied")
    with open(networks, "w", encoding="ascii") as f:
        f.writelines(f"10.9.{i >> 8}.{i & 255}\n" for i in range(3000))
    site.gate.options["Throttle Deny"] = networks
    site.gate.write_configuration()

    def send(first, end):
        subprocess.run(net.inside(net.far) + [sys.executable, "-c", FORGE, str(first), str(end)], check=True, timeout=180)

    try:
        site.gate.start()
        if site.throttle("stats").get("method") != "sk_lookup":
            tap.skip("many first refusals", "the kernel takes no programs")
            return
        pid = site.gate.pid("gateway")
        os.kill(pid, signal.SIGSTOP)
        try:
            send(0, 2500)
        finally:
            gateway.go_on(pid)
        wait.until(lambda: "more sources are refused" in site.gate.log_text(), 90, "the number of the rest in the log")
        send(2990, 2991)
        wait.until(lambda: "connections of 10.9.11.174 to port 25 are refused" in site.gate.log_text(), 60,
                   "a later first refusal in the log")
        tap.ok(True, "2,500 first refusals at once, and a later one is told")
        tap.ok(site.gate.log_text().count("to port 25 are refused") <= 20 * 12, "  in few lines")
        counts = site.throttle("stats")["counts"]["lookup"]
        tap.equal(counts["denied"], 2501, "  each is counted")
    finally:
        site.gate.stop()
        net.close()


def keeping(folder):
    if not shutil.which("ip") or not shutil.which("nsenter"):
        tap.skip("what is kept", "needs ip and nsenter")
        return
    kept(folder, "sk_lookup", "account")
    kept(folder, "nftables", "no")


def main():
    script.need("processes change users")
    with script.folder() as folder:
        for part in (in_user_space, disk_fails, no_account, without_bpf, lambda f: with_kernel(f, "sk_lookup"),
                     lambda f: with_kernel(f, "nftables"), keeping, many_events):
            try:
                part(folder)
            except wait.Late as late:
                script.too_late(late)
    tap.done()


if __name__ == "__main__":
    main()
