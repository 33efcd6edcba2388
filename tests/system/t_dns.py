#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rules on the name of the client, with the real gateway and name servers that answer well, badly,
slowly and not at all. What a message's client is called decides into which outgoing queue it goes;
where that cannot be found out, the message stays in the incoming queue.
"""

import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, dns, gateway, packages, ports, queuefile, samples, script, sink, tap, wait  # noqa: E402
from kit.dns import A, CNAME, PTR  # noqa: E402

QUEUES = ("vip", "good", "liar", "local", "spoofed", "none", "default")
RULES = """From: host:good.example and To: vip@dest.test {vip}
From: host-nocheck:liar.example {liar}
From: host:good.example {good}
From: host:localhost {local}
From: host:_SPOOFED_ {spoofed}
From: host: {none}
FromOrTo: default {default}
"""
GOOD, SLOW_N, KNOWN_N = "192.0.2.1", 2000, 100
MESSAGE = samples.letter("Weekly figures").as_bytes()


def zone_of_good(ip):
    return {**dns.ptr(ip, "mx.good.example"), **dns.address("mx.good.example", GOOD, ip)}


def many_names(ip):
    """A hundred PTR names, none of which leads back."""
    names = [f"h{i:02}.many.example" for i in range(100)]
    zone = dns.ptr(ip, *names)
    for n in names:
        zone.update(dns.address(n, "203.0.113.9"))
    return zone


def chain(ip, hops):
    """The PTR record behind @hops CNAMEs."""
    names = [dns.reverse(ip)] + [f"{i}.hop.example" for i in range(hops)]
    records = [dns.record(a, CNAME, dns.encode(b)) for a, b in zip(names, names[1:])]
    records.append(dns.record(names[-1], PTR, dns.encode(f"mx{hops}.good.example")))
    return {(names[0], PTR): dns.Answer(records), **dns.address(f"mx{hops}.good.example", ip)}


def loop(ip):
    owner = dns.reverse(ip)
    return {(owner, PTR): dns.Answer([dns.record(owner, CNAME, dns.encode("x.example")),
                                      dns.record("x.example", CNAME, dns.encode(owner))])}


def hostile(ip, *labels):
    owner = dns.reverse(ip)
    return {(owner, PTR): dns.Answer([dns.record(owner, PTR, dns.encode(list(labels)))])}


def answers(ip, kind, name, *more):
    """@ip is called @name by an answer of the class @kind, and the name leads back."""
    owner = dns.reverse(ip)
    return {(owner, PTR): kind([dns.record(owner, PTR, dns.encode(name))], *more), **dns.address(name, ip)}


def oversized(ip):
    """More names than fit into UDP; the first of them leads back."""
    names = ["a.good.example"] + [f"{'n' * 50}{i}.good.example" for i in range(60)]
    return {**dns.ptr(ip, *names), **dns.address("a.good.example", ip)}


# (what, client, zone, queue)
CASES = [
    ("a confirmed name", "192.0.2.1", {**dns.ptr(GOOD, "mx.good.example"),
                                       **dns.address("mx.good.example", GOOD)}, "good"),
    ("capital letters", "192.0.2.2", {**dns.ptr("192.0.2.2", "MX2.Good.EXAMPLE"),
                                      **dns.address("mx2.good.example", "192.0.2.2")}, "good"),
    ("a name of somebody else", "192.0.2.3", dns.ptr("192.0.2.3", "mx.good.example"), "spoofed"),
    ("no PTR record", "192.0.2.4", {}, "none"),
    ("a name without an address", "192.0.2.5", dns.ptr("192.0.2.5", "gone.good.example"), "none"),
    ("host-nocheck: does not ask for the confirmation", "192.0.2.6",
     {**dns.ptr("192.0.2.6", "x.liar.example"), **dns.address("x.liar.example", "203.0.113.9")}, "liar"),
    ("two names, the second confirmed", "192.0.2.7",
     {**dns.ptr("192.0.2.7", "aa.other.example", "zz.good.example"),
      **dns.address("aa.other.example", "203.0.113.9"), **dns.address("zz.good.example", "192.0.2.7")}, "good"),
    ("a name with two addresses", "192.0.2.8",
     {**dns.ptr("192.0.2.8", "two.good.example"),
      **dns.address("two.good.example", "203.0.113.9", "192.0.2.8")}, "good"),
    ("a PTR behind a CNAME", "192.0.2.9", chain("192.0.2.9", 1), "good"),
    ("a PTR behind eight CNAMEs", "192.0.2.10", chain("192.0.2.10", 8), "good"),
    ("truncated, then over TCP", "192.0.2.11", answers("192.0.2.11", dns.Truncated, "tc.good.example"), "good"),
    ("too long for UDP", "192.0.2.12", oversized("192.0.2.12"), "good"),
    ("others answer first", "192.0.2.13", answers("192.0.2.13", dns.WrongId, "id.good.example"), "good"),
    ("the first try fails", "192.0.2.14", answers("192.0.2.14", dns.FirstFails, "retry.good.example"), "good"),
    ("an answer after a second", "192.0.2.15", answers("192.0.2.15", dns.Answer, "slow.good.example", 0, 1.0),
     "good"),
    ("a hundred names", "192.0.2.16", many_names("192.0.2.16"), "spoofed"),
    ("control characters", "192.0.2.17", hostile("192.0.2.17", b"a\n\x01\x00", "good", "example"), "none"),
    ("a dot inside a label", "192.0.2.18", hostile("192.0.2.18", b"mx.good.example"), "none"),
    ("bytes above 127", "192.0.2.19", hostile("192.0.2.19", b"\xff\xfe\xfd"), "none"),
    ("an address as a name", "192.0.2.20", dns.ptr("192.0.2.20", "192.0.2.1"), "none"),
    ("IPv6", "2001:db8::25", {**dns.ptr("2001:db8::25", "six.good.example"),
                              **dns.address("six.good.example", "2001:db8::25")}, "good"),
    ("IPv6, only an IPv4 address", "2001:db8::26", {**dns.ptr("2001:db8::26", "four.good.example"),
                                                    **dns.address("four.good.example", GOOD)}, "none"),
    ("a private address", "10.1.2.3", {**dns.ptr("10.1.2.3", "in.good.example"),
                                       **dns.address("in.good.example", "10.1.2.3")}, "good"),
    ("loopback", "127.0.0.1", {}, "local"),
    ("a name no rule is about", "192.0.2.21", {**dns.ptr("192.0.2.21", "mx.other.example"),
                                               **dns.address("mx.other.example", "192.0.2.21")}, "default"),
    ("localhost as the name of a stranger", "192.0.2.22", {**dns.ptr("192.0.2.22", "localhost"),
                                                           **dns.address("localhost", "127.0.0.1")}, "spoofed"),
    ("a name in the hosts file", "192.0.2.23", {}, "good"),
    ("a name in the hosts file and another in the DNS", "192.0.2.24",
     {**dns.ptr("192.0.2.24", "mx9.other.example"), **dns.address("mx9.other.example", "192.0.2.24")}, "good"),
    # None: nobody knows, so the message stays where it is.
    ("SERVFAIL", "192.0.2.30", {(dns.reverse("192.0.2.30"), PTR): dns.Answer(code=2)}, None),
    ("REFUSED", "192.0.2.31", {(dns.reverse("192.0.2.31"), PTR): dns.Answer(code=5)}, None),
    ("silence", "192.0.2.32", {(dns.reverse("192.0.2.32"), PTR): dns.Silent()}, None),
    ("CNAMEs in a circle", "192.0.2.33", loop("192.0.2.33"), None),
    ("nonsense behind the question", "192.0.2.34",
     {(dns.reverse("192.0.2.34"), PTR): dns.Raw(7, b"\xc0\x0c\xff\xff")}, None),
    ("a pointer to itself", "192.0.2.35",
     {(dns.reverse("192.0.2.35"), PTR): dns.Raw(1, b"\xc0" + bytes([12 + len(dns.encode(
         dns.reverse("192.0.2.35"))) + 4]) + bytes(10))}, None),
    ("a name whose confirmation fails", "192.0.2.36",
     {**dns.ptr("192.0.2.36", "fail.good.example"), ("fail.good.example", A): dns.Answer(code=2)}, None),
    ("nine CNAMEs", "192.0.2.37", chain("192.0.2.37", 9), None),
]


def word(text):
    """@text as the number of a case."""
    return "".join(c if c.isalnum() else "-" for c in text)


class Site:
    """A gateway with one outgoing queue for each answer."""

    def __init__(self, folder, port, **options):
        self.gate = gateway.Gateway(folder, options={
            "DNS Servers": f"127.0.0.1:{port}", "DNS Timeout": 2, "DNS Retries": 2, "Rescan Interval": 1,
            "Hosts File": os.path.join(folder, "etc", "hosts"), "Outgoing Queue Dir": os.path.join(folder, "etc", "out.rules"), **options})
        self.queues = {q: self.gate.path("mqueue." + q) for q in QUEUES}
        for path in self.queues.values():
            os.mkdir(path, 0o700)
        with open(self.gate.path("etc", "out.rules"), "w", encoding="ascii") as f:
            f.write(RULES.format(**self.queues))
        with open(self.gate.path("etc", "hosts"), "w", encoding="ascii") as f:
            f.write("192.0.2.23 hub.good.example hub\n192.0.2.24 hub2.good.example\n")
        self._writer = queuefile.SendmailWriter(self.gate.in_queue)

    def send(self, ip, case, recipients=("rcpt@dest.test",)):
        return self._writer.write(sink.with_case(MESSAGE, word(case)), client_ip=ip, recipients=recipients)

    def where(self):
        """{case: queue} of all that was delivered; a list where that happened more than once."""
        found = {}
        for queue, path in self.queues.items():
            for message in account.read_queue("sendmail", path):
                case = sink.case_of(message)
                found[case] = queue if case not in found else [found[case], queue]
        return found

    def count(self, name):
        return self.gate.counters().get(name, 0)

    def quarantined(self):
        return len(self.gate.quarantine_list())


def ask_the_tools(site):
    """sallyport config and scan, which may be told the names or look them up themselves."""
    def value(*words):
        return site.gate.control("config", "--value", "Outgoing Queue Dir", *words) or {}

    def queue(*words):
        return os.path.basename(value(*words).get("value", "")).replace("mqueue.", "")

    for what, ip, _, want in CASES[:6]:
        tap.equal(queue("--ip", ip, "--resolve"), want, f"config --value --resolve: {what}")
    tap.equal(value("--ip", "192.0.2.30", "--resolve"), {}, "config --value --resolve: SERVFAIL is no answer")
    tap.equal([queue("--host-checked", n) for n in ("mx.good.example", "_SPOOFED_", "", "x.liar.example")],
              ["good", "spoofed", "none", "liar"], "config --value --host-checked")
    tap.equal(queue("--host", "x.liar.example", "--host-checked", "_SPOOFED_"), "liar", "config --value --host")
    tap.equal([value("--ip", GOOD).get("lacks_client_name"), value("--host-checked", "").get("lacks_client_name")],
              [True, False], "it says whether a host: rule was passed over")
    with open(site.gate.path("message"), "wb") as f:
        f.write(MESSAGE)
    argv = [os.path.join(site.gate.build, "sallyport"), "scan", "-c", site.gate.conf, "--json", "--ip"]
    said = subprocess.run([*argv, GOOD, site.gate.path("message")], capture_output=True, text=True, check=False)
    tap.ok(said.returncode == 0 and "host: rules match nothing" in said.stderr, "scan says so, too")
    said = subprocess.run([*argv, GOOD, "--resolve", site.gate.path("message")], capture_output=True, text=True,
                          check=False)
    tap.ok(said.returncode == 0 and "host: rules" not in said.stderr, "scan --resolve knows the name")


def all_answers(folder):
    server = dns.Server()
    for _, _, zone, _ in CASES:
        server.zone.update(zone)
    site = Site(folder, server.port)
    gate = site.gate.start()
    ids = {what: site.send(ip, what) for what, ip, _, _ in CASES}
    unknown = {ids[what] for what, _, _, want in CASES if want is None}
    gate.wait_empty(60, besides=unknown)
    wait.until(lambda: site.count("host_names_kept_total") >= len(unknown), 60, "every kept message was looked at")
    where = site.where()
    for what, ip, _, want in CASES:
        tap.equal(where.get(word(what)), want, f"{what} ({ip}): {want or 'stays in the queue'}")
    tap.equal(set(gate.queue_ids()), unknown, "the others, and only those, are in the incoming queue")
    # The same clients again: no server is asked. (Who had to wait for an answer has asked twice the first time.)
    server.settle()
    asked = len(server.asked)
    known = [(what, ip) for what, ip, _, want in CASES if want is not None]
    for what, ip in known:
        site.send(ip, "again " + what)
    gate.wait_empty(60, besides=unknown)
    fresh = [k for k in server.asked[asked:] if not any(dns.reverse(ip) == k[0] for _, ip, _, w in CASES if w is None)
             and k[0] != "fail.good.example" and ".hop." not in k[0]]
    tap.equal(fresh, [], "a second message of each client asks no server")
    where = site.where()
    tap.equal([w for w, _ in known if where.get(word("again " + w)) != where.get(word(w))], [], "and goes the same way")
    for ip in (GOOD, "192.0.2.3"):
        site.send(ip, "split " + ip, ("rcpt@dest.test", "vip@dest.test"))
    gate.wait_empty(60, besides=unknown)
    where = site.where()
    tap.equal([sorted(where[word("split " + GOOD)]), where[word("split 192.0.2.3")]], [["good", "vip"], "spoofed"],
              "two recipients: the name decides whether their ways part")
    ask_the_tools(site)
    # Their servers recover.
    for _, ip, _, want in CASES:
        if want is None:
            server.zone.update({**dns.ptr(ip, "mx.good.example")})
    server.zone.update(dns.address("mx.good.example", *[c[1] for c in CASES if ":" not in c[1]]))
    server.zone.update(dns.address("fail.good.example", "192.0.2.36"))
    gate.wait_empty(150)
    where = site.where()
    tap.equal({where.get(word(what)) for what, _, _, want in CASES if want is None} - {"good", "spoofed"}, set(),
              "when there is an answer the kept ones go their way")
    tap.equal((site.quarantined(), gate.stop()), (0, 0), "nothing was quarantined; stops cleanly")
    server.stop()


def outage(folder):
    """No server answers for a while: nothing is lost, delivered or set aside; then all goes on."""
    server = dns.Server()
    n = 30
    for i in range(n):
        server.zone.update(zone_of_good(f"198.51.100.{i}"))
    server.zone.update(dns.address("mx.good.example", *[f"198.51.100.{i}" for i in range(n)]))
    site = Site(folder, server.port, **{"Maximum Processing Attempts": 2, "DNS Timeout": 1, "DNS Retries": 1})
    server.silent = True
    began = time.monotonic()
    gate = site.gate.start()
    ids = {site.send(f"198.51.100.{i}", f"outage {i}") for i in range(n)}
    wait.until(lambda: all(server.count(dns.reverse(f"198.51.100.{i}")) >= 3 for i in range(n)), 90,
               "three questions for each")
    tap.equal(set(gate.queue_ids()), ids, f"all {n} messages are in the incoming queue after three questions for each")
    tap.equal((site.where(), site.quarantined()), ({}, 0), "none was delivered, none quarantined")
    tap.equal(site.count("attempts_failed_total"), 0, "no attempt was counted")
    lines = gate.log_text().count("cannot be looked up")
    minutes = (time.monotonic() - began) / 60
    tap.ok(1 <= lines <= 1 + minutes, f"{lines} lines in the log in {minutes:.1f} minutes, not one for each")
    # A stop while names are being looked up: at once, and nothing is lost.
    server.hold("in-addr.arpa")
    server.silent = False
    wait.until(lambda: site.count("messages_resolving") > 0, 90, "messages that wait for names", every=0.005)
    tap.equal(gate.stop(), 0, "stops cleanly while names are looked up")
    tap.equal(set(gate.queue_ids()), ids, "and every message is where it was")
    gate.start()
    server.release()
    gate.wait_empty(90)
    tap.equal(site.where(), {f"outage-{i}": "good" for i in range(n)}, "when there are answers all go their way, once")
    # The same with Host Name Lookup Failure = none.
    gate.options["Host Name Lookup Failure"] = "none"
    gate.write_configuration()
    gate.ask("reload")
    wait.until(lambda: "Configuration reloaded" in gate.log_text(), 60, "the reload")
    server.silent = True
    site.send("203.0.113.7", "none")
    gate.wait_empty(60)
    tap.equal(site.where().get("none"), "none", "Host Name Lookup Failure = none: it goes on without a name")
    tap.equal(site.count("host_names_given_up_total"), 1, "and that is counted")
    # And with a limit: kept at first, then let through.
    gate.options.update({"Host Name Lookup Failure": "keep", "Host Name Lookup Limit": 4})
    gate.write_configuration()
    gate.ask("reload")
    wait.until(lambda: gate.log_text().count("Configuration reloaded") > 1, 60, "the second reload")
    kept = site.count("host_names_kept_total")
    site.send("203.0.113.8", "limit")
    gate.wait_empty(60)
    tap.ok(site.count("host_names_kept_total") > kept and site.where().get("limit") == "none",
           "Host Name Lookup Limit: it is kept at first, then it goes on without a name")
    gate.stop()
    server.stop()


def slow_server(folder):
    """More messages wait for names than there are places: the others pass them."""
    server = dns.Server(zone_of_good(GOOD))
    clients = [f"10.9.{i // 250}.{i % 250}" for i in range(SLOW_N)]
    for ip in clients:
        server.zone.update(dns.ptr(ip, "pool.other.example"))
    site = Site(folder, server.port, **{"DNS Timeout": 200, "Max Messages In Flight": 64})
    gate = site.gate.start()
    site.send(GOOD, "first")
    gate.wait_empty(60)
    server.hold("9.10.in-addr.arpa")
    for i, ip in enumerate(clients):
        site.send(ip, f"slow {i}")
    wait.until(lambda: site.count("messages_resolving") == 32, 60, "32 messages that wait for names")
    for i in range(KNOWN_N):
        site.send(GOOD, f"known {i}")
    wait.until(lambda: sum(1 for c in site.where() if c.startswith("known")) == KNOWN_N, 120,
               "messages of a known client")
    # They leave the incoming queue a moment after they are in the other one.
    wait.until(lambda: len(gate.queue_ids()) <= SLOW_N, 60, "the last of them to leave the queue")
    counters = gate.counters()
    tap.equal(len(gate.queue_ids()), SLOW_N, f"{KNOWN_N} messages of a known client pass {SLOW_N} that wait for names")
    tap.ok(counters["messages_resolving"] <= 32 and counters["messages_in_flight"] <= 64 and
           len(server.held) <= 256,
           f"bounded: {counters['messages_resolving']} messages wait, {len(server.held)} questions under way")
    server.release()
    began = time.monotonic()
    gate.wait_empty(240)
    tap.note(f"{SLOW_N} clients that nobody knew: {time.monotonic() - began:.1f} s")
    where = site.where()
    tap.equal(len(where), SLOW_N + KNOWN_N + 1, "then all are delivered")
    tap.equal({q if isinstance(q, str) else "twice" for c, q in where.items() if c.startswith("slow")}, {"none"},
              "each once, by the rule for clients without a name")
    tap.equal(gate.stop(), 0, "stops cleanly")
    server.stop()


def real_server(folder):
    records = [
        "1.2.0.192.in-addr.arpa. PTR mx.good.example.", "mx.good.example. A 192.0.2.1",
        "3.2.0.192.in-addr.arpa. PTR mx.good.example.",
        "7.2.0.192.in-addr.arpa. PTR aa.other.example.", "7.2.0.192.in-addr.arpa. PTR zz.good.example.",
        "aa.other.example. A 203.0.113.9", "zz.good.example. A 192.0.2.7",
        dns.reverse("2001:db8::25") + ". PTR six.good.example.", "six.good.example. AAAA 2001:db8::25",
    ]
    records += [f"9.2.0.192.in-addr.arpa. PTR {'x' * 60}{i}.good.example." for i in range(40)]
    records += ["9.2.0.192.in-addr.arpa. PTR a.good.example.", "a.good.example. A 192.0.2.9"]
    wants = {"192.0.2.1": "good", "192.0.2.3": "spoofed", "192.0.2.4": "none", "192.0.2.7": "good",
             "192.0.2.9": "good", "2001:db8::25": "good"}
    try:
        server = dns.Unbound(os.path.join(folder, "unbound"), ports.free(kinds=(socket.SOCK_DGRAM, socket.SOCK_STREAM)), records)
    except packages.Missing as missing:
        tap.skip("a real name server", str(missing))
        return
    site = Site(os.path.join(folder, "gate"), server.port)
    try:
        server.wait_ready()
        gate = site.gate.start()
        for ip in wants:
            site.send(ip, ip)
        gate.wait_empty(60)
        tap.equal(site.where(), {word(ip): queue for ip, queue in wants.items()}, "unbound answers: each message goes its way")
        tap.equal(site.count("dns_failures_total"), 0, "without a failure")
    finally:
        site.gate.stop()
        server.stop()


def main():
    script.need("processes change users")
    wanted = sys.argv[1:]
    with script.folder() as folder:
        for part in (all_answers, outage, slow_server, real_server):
            if wanted and part.__name__ not in wanted:
                continue
            tap.progress(part.__name__)
            try:
                part(os.path.join(folder, part.__name__))
            except wait.Late as late:
                script.too_late(late)
    tap.done()


if __name__ == "__main__":
    main()
