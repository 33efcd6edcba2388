#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The metrics page and the live view's data under load: Unix socket, IPv4 and IPv6; promtool finds nothing to
say; figures agree with what was delivered; slow and rude clients stop nobody; gateway and exporter are
killed, the configuration is reloaded to other sockets - and mail flows throughout.
"""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, load, packages, ports, queuefile, samples, script, sink, tap, wait  # noqa: E402

CONNECTIONS_MAX = 64  # of the exporter, for each of its sockets
LIFE_SECONDS = 10
CHECKS = ("limits", "mime", "sizes", "archives", "filenames", "filetypes", "content", "virus", "read", "rest")


def dial(where):
    """@where: a path, or (host, port)."""
    if isinstance(where, str):
        s = socket.socket(socket.AF_UNIX)
    else:
        s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    s.settimeout(60)
    s.connect(where)
    return s


def http(where, path="/metrics", method="GET", headers="", body=b"", raw=None):
    """(status, headers, body); status 0: the connection was closed without an answer."""
    answer = b""
    with dial(where) as s:
        request = raw if raw is not None else \
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode() + body
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            while part := s.recv(1 << 16):
                answer += part
    head, _, text = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    return (int(words[1]) if len(words) > 1 else 0), head.decode("latin-1").lower(), text.decode()


def sample(page, name, **labels):
    """The value of one line."""
    want = "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else ""
    found = re.search(rf"^sallyport_{name}{re.escape(want)} (\S+)$", page, re.M)
    return float(found.group(1)) if found else None


def messages(page):
    """How many are through; None when it is no page."""
    outcomes = re.findall(r'^sallyport_messages_total\{outcome="[^"]*"\} (\S+)$', page, re.M)
    return sum(float(v) for v in outcomes) if outcomes else None


def promtool(page):
    program = packages.program("prometheus", "promtool")
    done = subprocess.run([program, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check_alerts(page):
    """An alert on a name or label that is not on the page never fires, and nobody sees why."""
    with open(os.path.join(gateway.TOP, "config", "prometheus", "sallyport.rules.yml"), encoding="utf-8") as f:
        rules = f.read()
    names = set(re.findall(r"\b(sallyport_\w+)", rules))
    tap.equal([n for n in sorted(names) if not re.search(rf"^{n}[ {{]", page, re.M)], [],
              f"the {len(names)} names of the alerts are on the page")
    labels = set(re.findall(r'(sallyport_\w+)\{(\w+)!?="(\w+)"', rules))
    tap.ok(labels and all(f'{n}{{{label}="{value}"' in page for n, label, value in labels), f"so are their labels {labels}")


class Site:
    def __init__(self, folder):
        self.v4 = ("127.0.0.1", ports.free())
        self.v6 = None
        with contextlib.suppress(OSError):
            self.v6 = ("::1", ports.free("::1"))
        self.gate = gateway.Gateway(folder, options={"Metrics Address": self.addresses()})
        self.unix = self.gate.path("state", "metrics")
        self.acc = account.Account()
        self.writer = queuefile.SendmailWriter(self.gate.in_queue)

    def addresses(self):
        return f"{self.v4[0]}:{self.v4[1]}" + (f" [{self.v6[0]}]:{self.v6[1]}" if self.v6 else "")

    def everywhere(self):
        return {"Unix": self.unix, "IPv4": self.v4, **({"IPv6": self.v6} if self.v6 else {})}

    def page(self, least=0):
        """One with at least @least messages, and with what was counted before the call: the exporter may serve a
        page for 100 ms, and a message is counted a moment after it has left the queue."""
        counted = max(least, messages(self.gate.ask("metrics")["page"]))

        def young():
            page = http(self.v4)[2]
            return page if (messages(page) or 0) >= counted else None
        return wait.until(young, 20, f"a page with {counted:.0f} messages")

    def serves(self, where=None):
        try:
            return http(where or self.v4)[0] == 200
        except OSError:
            return False

    def loaded(self):
        return account.Load(self.acc, self.writer, load.mixed(1, {s.name for s in samples.everything()} - {"bomb", "nested"}), 40)


# --- the page ---


def check_page(site):
    for name, where in site.everywhere().items():
        status, head, page = http(where)
        tap.ok(status == 200 and "text/plain; version=0.0.4" in head and "connection: close" in head,
               f"{name}: a page of {len(page)} bytes")
    if site.v6 is None:
        tap.skip("IPv6", "no ::1 on this machine")
    try:
        code, said = promtool(page)
        tap.ok(code == 0 and said == "", "promtool has nothing to say")
        tap.note(said)
    except packages.Missing as why:
        tap.skip("promtool", why)
    check_alerts(page)
    tap.ok(all(sample(page, "stage_cpu_seconds_total", stage=s) is not None for s in CHECKS), "each stage has its line")
    tap.ok(not re.search(r'"[^"]*(@|\b\d+\.\d+\.\d+\.\d+)[^"]*"', page), "no addresses in labels")
    tap.equal(http(site.v4, "/healthz")[::2], (200, "ok\n"), "/healthz")


def check_figures(site):
    """After all mail is through: the page agrees with what went in."""
    done = site.acc
    page = site.page(len(done.accepted))
    outcomes = {o: sample(page, "messages_total", outcome=o) for o in ("deliver", "quarantine")}
    tap.equal(sum(outcomes.values()), len(done.accepted), f"each message is counted once ({outcomes})")
    cpu = {s: sample(page, "stage_cpu_seconds_total", stage=s) for s in CHECKS}
    whole = sample(page, "scan_cpu_seconds_total")
    in_scan = sum(v for s, v in cpu.items() if s not in ("read", "rest"))
    tap.ok(0.7 * whole < in_scan <= 1.1 * whole + 0.01, f"the checks' times make up the scans': {in_scan:.3f} of {whole:.3f} s")
    tap.ok(cpu["read"] > 0 and cpu["rest"] > 0 and cpu["mime"] > 0, f"every stage costs something: {cpu}")
    tap.equal(sample(page, "stage_seconds_count", stage="mime"), sum(outcomes.values()), "one observation a message")
    workers = sum(float(v) for v in re.findall(r'^sallyport_worker_messages_total\{worker="\d+"\} (\S+)', page, re.M))
    tap.equal(workers, sum(outcomes.values()), "workers' totals")


def check_top(site):
    """Taken many times under load: each row makes sense, and the letters of work are seen."""
    states, ids, tops = set(), set(), []

    def look():
        top = site.gate.ask("top") or {}
        tops.append(top)
        workers = top.get("workers", [])
        states.update(w["state"] for w in workers)
        ids.update(w["id"] for w in workers if "id" in w)
        return not top.get("ok") or \
            (len(tops) >= 300 and ids and states & set("PANVC") and any("oldest_s" in q for t in tops for q in t["queues"]))
    with contextlib.suppress(wait.Late):  # what was not seen is a failed point below
        wait.until(look, 60, "all that top can show", every=0.01)
    if not tap.ok(all(t.get("ok") for t in tops), f"top answers, {len(tops)} times"):
        return
    top, delivered = tops[-1], [t["totals"]["delivered"] for t in tops]
    workers, queues = top["workers"], [q for t in tops for q in t["queues"]]
    tap.equal(delivered, sorted(delivered), "totals only grow")
    tap.ok(states <= set("SEIRPANVC") and states & set("PANVC"), f"state letters: {sorted(states)}")
    tap.ok(ids, f"messages are seen while workers have them: {len(ids)}")
    tap.equal({w["pid"] for w in workers}, {p for p, r in site.gate.tree().items() if r == "worker"}, "pids are the workers'")
    tap.ok(any("oldest_s" in q for q in queues) and all(q["path"] == site.gate.in_queue for q in queues),
           "the queue has its row, with the age of what is in hand")
    tap.ok([s["name"] for s in top["stages"]][:2] == ["limits", "mime"] and top["uptime_ms"] > 0 and
           sum(w["messages"] for w in workers) > 0, "stages, uptime, workers' totals")
    answer = site.gate.ask("metrics")
    tap.ok(answer["ok"] and "sallyport_messages_total" in answer["page"], "the control command metrics")


def check_count(site):
    """Messages that an MTA still holds a lock on stay in the queue, and are counted."""
    writer, held = site.writer, []
    for n in range(3):
        name, message = writer.new_id(), sink.with_case(bytes(samples.letter("Held")), f"held-{n}")
        fields, body = queuefile.split_headers(message)
        site.acc.accept(f"held-{n}", body, "deliver")
        writer.put("df" + name, body)
        writer.put("tf" + name, writer.header_text(fields, "sender@origin.test", ["rcpt@dest.test"], "192.0.2.7"))
        held.append(open(writer.path("tf" + name), "r+b"))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
        fcntl.lockf(held[-1], fcntl.LOCK_EX)
        os.rename(writer.path("tf" + name), writer.path("qf" + name))

    def counted():
        queue = site.gate.ask("top")["queues"][0]
        return queue.get("messages", 0) >= 3 and sample(site.page(), "messages_waiting", dir=site.gate.in_queue) >= 3
    wait.until(counted, 20, "a count of messages that stay in the queue", every=0.2)
    tap.ok(True, "messages in the queue are counted, for top and for the page")
    for f in held:
        f.close()


# --- rude clients ---


def check_requests(site):
    cases = [
        ("another method", 405, {"method": "POST", "headers": "Content-Length: 3\r\n", "body": b"abc"}),
        ("HEAD", 405, {"method": "HEAD"}),
        ("DELETE", 405, {"method": "DELETE"}),
        ("an unknown path", 404, {"path": "/etc/passwd"}),
        ("a path with dots", 404, {"path": "/../metrics"}),
        ("a query is no other page", 200, {"path": "/metrics?x=" + "y" * 1000}),
    ]
    for what, want, request in cases:
        tap.equal(http(site.v4, **request)[0], want, what)
    refused = {
        "headers of 100 KB": f"GET /metrics HTTP/1.1\r\nHost: x\r\nX: {'a' * 100000}\r\n\r\n".encode(),
        "a line of 100 KB": b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "a body of 10 MB": b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10000000,
        "no HTTP": bytes(range(256)) * 40 + b"\r\n\r\n",
        "no host": b"GET /metrics HTTP/1.1\r\n\r\n",
    }
    for what, raw in refused.items():
        status = http(site.v4, raw=raw)[0]
        tap.ok(status == 0 or 400 <= status < 500, f"{what}: {status or 'closed'}")
    tap.ok(site.serves(), "it serves the next")


def check_slow_clients(site):
    """More slow clients than there are places, on each socket; those that ask properly are served at once."""
    slow = []
    for where in site.everywhere().values():
        for n in range(CONNECTIONS_MAX * 2):
            with contextlib.suppress(OSError):
                s = dial(where)
                slow.append(s)
                s.sendall(b"GET /metrics HTTP/1.1\r\nX-%d: " % n)
    began, served = time.monotonic(), 0
    for n in range(20):
        with contextlib.suppress(OSError):
            for s in slow[n::20]:
                s.sendall(b"a")
        # 503 is an answer, too: that the gateway was slow, which no client of the exporter can help.
        served += all(http(where)[0] in (200, 503) for where in site.everywhere().values())
    took = time.monotonic() - began
    tap.equal(served, 20, f"20 rounds are served beside {len(slow)} slow clients, in {took:.1f} s")

    def all_closed():
        for s in list(slow):
            try:
                s.settimeout(0)
                s.send(b"a")  # keeps libmicrohttpd's own time limit from striking
                if s.recv(100) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                s.close()
                slow.remove(s)
        return not slow
    wait.until(all_closed, LIFE_SECONDS * 3, "end of clients that send a byte now and then", every=0.5)
    tap.ok(True, "a client that sends a byte now and then is closed, too")


def check_slow_reader(site):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            s = stack.enter_context(dial(site.unix))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        tap.ok(all(site.serves(site.unix) for _ in range(10)), "readers that do not read stop nobody")


# --- restarts ---


def check_restarts(site):
    gate = site.gate
    exporter, gateway_pid = gate.pid("exporter"), gate.pid("gateway")
    os.kill(exporter, signal.SIGKILL)
    wait.until(lambda: gate.pid("exporter") not in (None, exporter) and site.serves(), 30, "a new exporter")
    tap.equal(gate.pid("gateway"), gateway_pid, "an exporter that is killed is started again; the gateway is the same")
    exporter = gate.pid("exporter")
    os.kill(gateway_pid, signal.SIGKILL)
    wait.until(lambda: gate.pid("gateway") not in (None, gateway_pid) and gate.ready() and site.serves(), 60, "a new gateway")
    tap.equal(gate.pid("exporter"), exporter, "after a gateway's restart the same exporter serves its page")
    hanging = gate.pid("gateway")
    os.kill(hanging, signal.SIGSTOP)
    try:
        time.sleep(0.3)  # the page before it is served for 100 ms
        began = time.monotonic()
        status, took = http(site.v4)[0], time.monotonic() - began
        health = http(site.v4, "/healthz")[0]
    finally:
        gateway.go_on(hanging)
    tap.ok(status == 503 and health == 503 and took < 30, f"a gateway that hangs: 503 after {took:.1f} s")
    wait.until(site.serves, 60, "an answer again")


def check_reload(site):
    gate, old = site.gate, (site.unix, site.v4)
    exporter = gate.pid("exporter")
    reloads = gate.log_text().count("Configuration reloaded")
    os.kill(gate.pid("supervisor"), signal.SIGHUP)
    wait.until(lambda: gate.log_text().count("Configuration reloaded") > reloads, 60, "a reload")
    tap.ok(site.serves() and gate.pid("exporter") == exporter, "a reload without other sockets leaves the exporter alone")
    site.v4 = ("127.0.0.1", ports.free())
    site.unix = gate.path("state", "other")
    gate.options.update({"Metrics Address": site.addresses() + " 127.0.0.1:x example.test:80", "Metrics Socket": site.unix,
                         "Performance Counters": "no"})
    gate.write_configuration()
    os.kill(gate.pid("supervisor"), signal.SIGHUP)
    wait.until(lambda: site.serves() and site.serves(site.unix), 60, "the new sockets")
    tap.ok(site.v6 is None or site.serves(site.v6), "the address that stays is served")
    gone = [where for where in old if site.serves(where)]
    tap.ok(not gone and not os.path.exists(old[0]), "the old ones are gone")
    text = gate.log_text()
    tap.ok("'127.0.0.1:x' is not an address" in text and "'example.test:80' is not an address" in text, "mistakes are told")
    wait.until(lambda: list(gate.tree().values()).count("zygote") == 1, 60, "end of the retired zygote")
    before = site.page()
    deliver_some(site, 20)
    after = site.page(messages(before) + 20)
    tap.equal(*(sample(page, "stage_seconds_count", stage="mime") for page in (after, before)), "Performance Counters = no: no costs")


def deliver_some(site, n):
    for _ in range(n):
        site.writer.write(bytes(samples.letter("One more")))
    site.gate.wait_empty(60)


def check_process(site):
    pid = site.gate.pid("exporter")
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    tap.ok(status["Uid"].split()[0] != "0" and int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and
           status["Groups"].strip() == "" and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2",
           "the exporter has its own user, no capabilities, no groups, a system-call filter")
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    odd = [x for x in links if not x.startswith(("socket:", "anon_inode:", "/dev/null", "pipe:")) and x != site.gate.log]
    tap.equal(odd, [], "its descriptors are sockets")


def check_stats(site):
    """What people see of it."""
    done = subprocess.run([os.path.join(site.gate.build, "sallyport"), "stats", "-c", site.gate.conf], capture_output=True,
                          text=True, timeout=20, check=False)
    tap.ok(done.returncode == 0 and re.search(r"^mime +\d+ +\d+\.\d ", done.stdout, re.M) and
           re.search(r"^0 +\d+ +\d+\.\d +\d+$", done.stdout, re.M), "sallyport stats shows stages and workers")


def check_orphan(site):
    """Nobody is left who could stop it: it goes by itself. This time with scan threads."""
    site.gate.options.update({"Scan Threads": 2, "Max Children": 2, "Performance Counters": "yes"})
    site.gate.write_configuration()
    site.gate.start()
    wait.until(lambda: site.serves(site.unix), 20, "the metrics page")
    deliver_some(site, 20)
    rows = site.gate.ask("top")["workers"]
    workers = [p for p, r in site.gate.tree().items() if r == "worker"]
    tap.ok(len(rows) == 2 * len(workers) and {w["pid"] for w in rows} == set(workers) and
           [w["worker"] for w in rows] == list(range(len(rows))), f"a row for each thread of {len(workers)} worker processes")
    tap.equal(sum(w["messages"] for w in rows), 20, "messages are counted for each thread")
    tap.equal(sample(site.page(20), "stage_seconds_count", stage="mime"), 20, "and so are stages")
    exporter = site.gate.pid("exporter")
    site.gate.kill()
    wait.until(lambda: not gateway.alive([exporter]), 30, "the exporter's end after its supervisor's")
    tap.ok(True, "an exporter whose supervisor was killed ends")


def run(site):
    gate = site.gate
    gate.start()
    # The first page asks for a census, a later one shows it.
    wait.until(lambda: site.serves() and sample(http(site.v4)[2], "messages_waiting", dir=gate.in_queue) is not None, 20,
               "a metrics page with a census")
    writer = site.loaded()
    drain = account.Drain("sendmail", gate.out_queue)
    try:
        check_page(site)
        check_top(site)
        check_count(site)
        check_requests(site)
        check_slow_clients(site)
        check_slow_reader(site)
        check_process(site)
    finally:
        writer.stop()
    gate.wait_empty(60)
    wait.until(lambda: sample(site.page(), "messages_waiting", dir=gate.in_queue) == 0, 20, "a census without messages")
    check_figures(site)
    check_stats(site)
    writer = site.loaded()
    try:
        check_restarts(site)
    finally:
        writer.stop()
    gate.wait_empty(60)
    check_reload(site)
    drain.stop(site.acc)
    site.acc.read_quarantine(gate.quarantine)
    tap.equal(site.acc.missing(), [], f"no message is missing ({site.acc.summary()})")
    code = gate.stop()
    tap.equal(code, 0, "it stops")
    tap.ok(not os.path.exists(site.unix), "and leaves no socket behind")
    check_orphan(site)


def main():
    script.need("processes change users")
    with script.folder() as folder:
        site = Site(os.path.join(folder, "metrics"))
        try:
            run(site)
        except wait.Late as late:
            script.too_late(late)
            tap.note(site.gate.log_tail())
        finally:
            site.gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
