#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Workers, scan threads and the gateway's loop run where the options say, in the class they say, and what
the gateway starts runs anywhere. Two scan threads in one process come to the same verdicts as two
processes, and a crash with both at work loses nothing.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, lines, queuefile, roundtrip, samples, script, sink, tap, wait  # noqa: E402

ALLOWED = sorted(os.sched_getaffinity(0))
MESSAGES = 200
KILLS, PER_KILL = 12, 40
# Says where and in which class it was started: what the gateway tells the MTA.
KICK = """#!/bin/sh
grep -h Cpus_allowed_list /proc/self/status >>%(out)s
cut -d' ' -f41 /proc/self/stat >>%(out)s
"""


def status_field(pid, name, tid=None):
    with open(f"/proc/{pid}/task/{tid or pid}/status", encoding="ascii", errors="replace") as f:
        return next(line.split(":")[1].strip() for line in f if line.startswith(name + ":"))


def cores_of(pid):
    """Where each thread of @pid may run, in order of its start."""
    return [status_field(pid, "Cpus_allowed_list", tid)
            for tid in sorted(os.listdir(f"/proc/{pid}/task"), key=int)]


def sandboxes_of(pid):
    """{thread: (system-call filter, rights, new ones possible)}"""
    return {tid: tuple(status_field(pid, f, tid) for f in ("Seccomp", "CapEff", "NoNewPrivs"))
            for tid in os.listdir(f"/proc/{pid}/task")}


def workers(gate):
    return sorted(p for p, role in gate.tree().items() if role == "worker")


def soon(look, want):
    """What look() gives at last: a worker is there before its threads are where they belong."""
    def there():
        with contextlib.suppress(OSError, ValueError):  # between fork and its place
            return look() == want
        return False
    with contextlib.suppress(wait.Late):
        wait.until(there, 60, str(want))
    return look()


def policy(pid):
    return os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK


def run_gateway(options):
    """(folder, gateway) in a folder that goes with the context."""
    folder = contextlib.ExitStack()
    return folder, gateway.Gateway(folder.enter_context(script.folder()), options=options)


def test_processes():
    folder, gate = run_gateway({"Max Children": "auto"})
    with folder:
        try:
            gate.start()
            wait.until(lambda: len(workers(gate)) == len(ALLOWED), 60, "all workers")
            got = soon(lambda: sorted(cores_of(p) for p in workers(gate)), sorted([str(c)] for c in ALLOWED))
            tap.equal(sorted(int(c[0]) for c in got if len(c) == 1), ALLOWED,
                      f"Max Children = auto: one worker of one thread on each core {got}")
            if len(ALLOWED) < 8:
                loop = status_field(gate.pid("gateway"), "Cpus_allowed_list")
                tap.equal(loop, status_field(os.getpid(), "Cpus_allowed_list"), "the loop runs anywhere")
        finally:
            gate.stop()


def test_threads():
    folder, gate = run_gateway({"Max Children": "1", "Scan Threads": 2, "Loop Core": "none"})
    with folder:
        try:
            gate.start()
            want = [[str(c) for c in ALLOWED[:2]]]
            got = soon(lambda: [cores_of(p) for p in workers(gate)], want)
            tap.equal(got, want, "Scan Threads = 2: one worker, a core for each thread")
            closed = ("2", "0" * 16, "1")
            pids = workers(gate) + [p for p, role in gate.tree().items() if role == "exporter"]
            # A worker counts as up from its fork on; mail posted to it waits until it has closed itself in.
            wait.until(lambda: all(set(sandboxes_of(p).values()) == {closed} for p in pids), 20,
                       f"filters and no rights in every thread of {[sandboxes_of(p) for p in pids]}")
            tap.equal([len(sandboxes_of(p)) for p in workers(gate)], [2],
                      "both threads of the worker, and the exporter, have a system-call filter and no rights")
            status = gate.ask("status")
            tap.equal((status["workers"], status["scan_threads"]), (1, 2), "status says so")
        finally:
            gate.stop()


def test_loop():
    """The loop on the last core, in a real-time class; its children are free of both."""
    folder, gate = run_gateway({"Max Children": "auto", "Loop Core": ALLOWED[-1], "Loop Realtime": "rr",
                                "Loop Realtime Priority": 7, "Delivery Method": "batch"})
    with folder:
        said, script = gate.path("kick.out"), gate.path("kick")
        with open(script, "w", encoding="ascii") as f:
            f.write(KICK % {"out": said})
        os.chmod(script, 0o755)
        gate.options["Sendmail2"] = script
        gate.write_configuration()
        try:
            gate.start()
            pid = gate.pid("gateway")
            tap.equal(status_field(pid, "Cpus_allowed_list"), str(ALLOWED[-1]), "the loop is on its core")
            want = [[str(c)] for c in ALLOWED[:-1]]
            tap.equal(soon(lambda: sorted((cores_of(p) for p in workers(gate)), key=lambda c: int(c[0])), want), want,
                      "no worker is there")
            check_class(gate, pid)
            queuefile.SendmailWriter(gate.in_queue).write(bytes(samples.letter("To be delivered")))
            wait.until(lambda: len(lines.whole(said)) >= 2, 60, "the MTA's command")
            told = lines.whole(said)
            tap.equal(told[0].split(":")[1].strip(), status_field(os.getpid(), "Cpus_allowed_list"),
                      "what it starts runs anywhere")
            tap.equal(told[1], "0", "and in the normal class")
            before = policy(pid)
            os.kill(next(iter(gate.tree())), signal.SIGHUP)
            wait.until(lambda: "Configuration reloaded" in gate.log_text(), 60, "a reload")
            tap.equal((gate.pid("gateway"), policy(pid)), (pid, before), "a reload changes neither")
            check_guard(gate, pid)
        finally:
            gate.stop()


def check_class(gate, pid):
    if "the loop stays in the normal class" in gate.log_text():
        tap.skip("real-time class", "this host refuses it: " + gate.log_text().split("Loop Realtime")[1][:60])
        return
    tap.equal((policy(pid), os.sched_getparam(pid).sched_priority), (os.SCHED_RR, 7), "the loop is in its class")
    normal = [p for p, role in gate.tree().items() if role != "gateway" and policy(p) != os.SCHED_OTHER]
    tap.equal(normal, [], "nobody else is")


def check_guard(gate, pid):
    """What the kernel sends when the loop has run too long without a pause."""
    if policy(pid) != os.SCHED_RR:
        return
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        limit = next(line.split()[3] for line in f if line.startswith("Max realtime timeout"))
    tap.equal(limit, "1000000", "its time without a pause is limited")
    os.kill(pid, signal.SIGXCPU)
    wait.until(lambda: policy(pid) == os.SCHED_OTHER, 60, "normal class")
    wait.until(lambda: "ran too long without a pause" in gate.log_text(), 60, "a line in the log")
    tap.ok(gate.ready(), "after that it goes on in the normal class")


def test_refused():
    """Without the right to a real-time class: a clear line, and mail flows."""
    if shutil.which("setpriv") is None:
        tap.skip("a class that is refused", "no setpriv here")
        return
    folder, gate = run_gateway({"Max Children": 1, "Loop Realtime": "fifo"})
    with folder:
        wrapped = gate.path("bin")
        os.makedirs(wrapped)
        script = os.path.join(wrapped, "sallyportd")
        with open(script, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nulimit -r 0\nexec setpriv --bounding-set=-sys_nice,-sys_resource "
                    f"{gate.build}/sallyportd \"$@\"\n")
        os.chmod(script, 0o755)
        gate.build = wrapped
        try:
            gate.start()
            queuefile.SendmailWriter(gate.in_queue).write(bytes(samples.letter("Hello")))
            gate.wait_empty(30)
            tap.equal(policy(gate.pid("gateway")), os.SCHED_OTHER, "a class that is refused: the loop stays normal")
            said = [x for x in gate.log_text().splitlines() if "Loop Realtime = fifo" in x]
            tap.ok(len(said) == 1 and "CAP_SYS_NICE" in said[0], f"and says so: {said}")
        finally:
            gate.stop()


def verdicts(options, mail):
    """{case: (outcome, findings)} and what is lost."""
    found = {}
    folder, gate = run_gateway(options)
    with folder:
        log = gate.path("state", "messages.json")
        gate.options["Message Log"] = log
        gate.write_configuration()
        writer, ids = queuefile.SendmailWriter(gate.in_queue), {}
        for case, message in mail:
            ids[writer.write(message)] = case
        try:
            gate.start()
            gate.wait_empty(120)
        finally:
            gate.stop()
        for row in lines.records(log):
            facts = row.get("facts", {})
            what = sorted((x["kind"], x.get("name", ""), x.get("part", "")) for x in facts["findings"])
            checks = {name: c["state"] for name, c in facts["checks"].items()}
            found[ids[row["id"]]] = (row["outcome"], what, checks)
    return found


def test_same_verdicts():
    mail = [(s.name, s.message) for s in samples.everything()] + roundtrip.corpus(MESSAGES)
    one = verdicts({"Max Children": 2, "Scan Threads": 1}, mail)
    two = verdicts({"Max Children": 1, "Scan Threads": 2}, mail)
    tap.equal(len(one), len(mail), f"{len(one)} messages with processes of one thread")
    different = {c: (one.get(c), two.get(c)) for c, _ in mail if one.get(c) != two.get(c)}
    tap.equal(different, {}, "two threads in one process come to the same verdicts")
    tap.ok(sum(1 for v in one.values() if v[1]) >= 10, "of which some found something")


def test_crash():
    """Poison among clean mail, again and again, with one process of two threads."""
    if not gateway.has_faults():
        tap.skip("crashes of two threads at once", "a build without fault points")
        return
    folder, gate = run_gateway({"Max Children": 1, "Scan Threads": 2, "Processing Retry Delay": 1,
                                "Rescan Interval": 1, "Maximum Processing Attempts": 2, "Message Time Limit": 2})
    with folder:
        acc, writer = account.Account(), queuefile.SendmailWriter(gate.in_queue)
        for n in range(300):
            poison = {50: "crash", 51: "crash", 120: "crash", 200: "spin"}.get(n)
            head = f"X-Sallyport-Test: {poison}\n".encode() if poison else b""
            message = sink.with_case(head + bytes(samples.letter(f"Letter {n}")), f"case-{n}")
            acc.accept(f"case-{n}", queuefile.split_headers(message)[1], "quarantine" if poison else "deliver")
            writer.write(message)
        try:
            gate.start()
            pid = gate.pid("gateway")
            gate.wait_empty(120)
            acc.read_queue(acc.delivered, "sendmail", gate.out_queue)
            acc.read_quarantine(gate.quarantine)
            tap.equal(acc.missing(), [], f"crashes of two threads at once: none is missing ({acc.summary()})")
            tap.equal((acc.withheld(), acc.let_through()), ([], []), "only the poison is withheld")
            tap.equal(gate.pid("gateway"), pid, "the gateway is the same process")
            tap.note(f"{gate.counters().get('worker_deaths_total', '?')} deaths")
        finally:
            gate.stop()


def test_killed():
    """The process of two threads is killed again and again with mail in both."""
    folder, gate = run_gateway({"Max Children": 1, "Scan Threads": 2, "Processing Retry Delay": 1,
                                "Rescan Interval": 1, "Maximum Processing Attempts": 100})
    with folder:
        acc, writer = account.Account(), queuefile.SendmailWriter(gate.in_queue)

        def write(n):
            message = sink.with_case(bytes(samples.letter(f"Letter {n}", "A line of text.\n" * (n % 60))), f"case-{n}")
            acc.accept(f"case-{n}", queuefile.split_headers(message)[1], "deliver")
            writer.write(message)
        try:
            gate.start()
            for n in range(KILLS):
                for m in range(PER_KILL):  # so that there is work, however fast this machine is
                    write(n * PER_KILL + m)
                victim = wait.until(lambda: next((p for p in workers(gate) if len(cores_of(p)) == 2), None), 60, "two threads")
                os.kill(victim, signal.SIGKILL)
                wait.until(lambda v=victim: workers(gate) not in ([], [v]), 60, "a successor")
            gate.wait_empty(120)
            acc.read_queue(acc.delivered, "sendmail", gate.out_queue)
            tap.equal(gate.counters().get("worker_deaths_total"), KILLS, f"killed {KILLS} times")
            tap.equal((acc.missing(), acc.changed(), acc.repeats()), ([], [], 0),
                      f"every message is delivered once ({acc.summary()})")
        finally:
            gate.stop()


def lstopo(kind):
    """How many objects of @kind hwloc sees; None without its program."""
    if shutil.which("hwloc-calc") is None:
        return None
    done = subprocess.run(["hwloc-calc", "-N", kind, "machine:0"], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


def check_topology(host):
    for member, kind in (("packages", "package"), ("cores", "core"), ("processors", "pu")):
        want = lstopo(kind)
        if want is None:
            tap.skip(f"{member} as hwloc sees them", "no hwloc-calc here")
        else:
            tap.equal(host[member], want, f"{member} as hwloc sees them")
    tap.equal(sum(n["processors"] for n in host["nodes"]), host["processors"], "each processor has a node")
    tap.ok(all(n["memory_bytes"] > n["free_bytes"] > 0 for n in host["nodes"]), "memory is told")


def check_measured(d):
    m, e = d["measured"], d["estimate"]
    tap.equal(m["problems"], [], "everything was measured")
    tap.ok(0 < m["disk"]["alone_per_s"] and 0 < m["disk"]["group_per_s"], "syncs")
    for what in ("copy", "match", "scan"):
        one, both = m[what]["one"], m[what]["all"]
        tap.ok(one["processes"] == 1 and both["processes"] == len(ALLOWED) and one["bytes_per_cpu_s"] > 0
               and both["bytes_per_s"] > 0 and 0 < one["busy_share"] <= 1.01, f"{what}: {one}")
    tap.ok(m["scan"]["one"]["messages_per_cpu_s"] > 0 and m["sample_messages"] > 10, "messages")
    parts = [e["scan_per_s"], e["disk_per_s"], e["loop_per_s"]]
    tap.ok(abs(e["messages_per_s"] - min(parts)) < 1e-6 * e["messages_per_s"], f"the least of {parts} limits it")


def test_host():
    folder, gate = run_gateway({"Max Children": "auto"})
    with folder:
        before = sorted(os.listdir(gate.folder))
        argv = [os.path.join(gate.build, "sallyport"), "host", "-c", gate.conf, "--json"]
        done = subprocess.run(argv + ["--quick"], capture_output=True, text=True, check=False, timeout=120)
        tap.equal((done.returncode, done.stderr), (0, ""), "sallyport host --quick --json")
        d = json.loads(done.stdout)
        check_topology(d["host"])
        check_measured(d)
        tap.equal((d["plan"]["workers"], d["plan"]["threads"]), (len(ALLOWED), 1), "the plan is the daemon's")
        names = {x["name"]: x for x in d["limits"]}
        tap.ok(os.uname().release in names["kernel"]["value"] and len(names) >= 10, "limits")
        tap.ok(all(x["ok"] or x["advice"] for x in d["limits"]), "what is missing has advice")
        short = json.loads(subprocess.run(argv + ["--no-measure"], capture_output=True, check=False).stdout)
        tap.ok("measured" not in short and short["plan"] == d["plan"], "--no-measure")
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as slow:
            wait.until(lambda: any(n.startswith(".sallyport-host") for n in os.listdir(gate.folder)), 60, "its directory")
            slow.send_signal(signal.SIGTERM)
            tap.equal(slow.wait(60), -signal.SIGTERM, "TERM ends it")
        tap.equal(sorted(os.listdir(gate.folder)), before, "nothing is left behind")


def main():
    script.need("processes change users")
    if len(ALLOWED) < 2:
        tap.skip_all("needs two cores")
    for test in (test_processes, test_threads, test_loop, test_refused, test_same_verdicts, test_crash, test_killed, test_host):
        try:
            test()
        except wait.Late as late:
            script.too_late(late)
    tap.done()


if __name__ == "__main__":
    main()
