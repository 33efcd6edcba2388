#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The programs of perf/ that look into a running Sallyport: the probes are in the binary, every bpftrace program
parses, those that this kernel can run see real messages, and a flame graph of the workers is drawn.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import account, gateway, load, queuefile, samples, script, tap, wait  # noqa: E402

PERF = os.path.join(gateway.TOP, "perf")
PROBES = ("msg_state", "scan_begin", "scan_end", "check_begin", "check_end")
SECONDS = (3, 10, 40)
# What each program must show of a gateway under load; None: nothing may happen while it looks.
SHOWS = {
    "checks": r"@us\[mime\]:", "states": r"@us\[scanning\]:", "slow": r"ms +\d+ bytes  mostly \w+", "syscalls": r"@calls\[\d+\]: [1-9]",
    "waits": r"@us:", "preempted": None, "faults": None, "disk": None,
}
# Their tracepoints, where a kernel may be built without them.
NEEDS = {"syscalls": "raw_syscalls", "waits": "sched", "preempted": "sched", "disk": "block"}


def sallyportd():
    return os.path.realpath(os.path.join(gateway.build_dir(), "sallyportd"))


def in_tracefs(argv):
    """With tracefs, where it is not mounted for this process alone."""
    if os.path.exists("/sys/kernel/tracing/events"):
        return argv
    return ["unshare", "-m", "sh", "-c", 'mount -t tracefs none /sys/kernel/tracing && exec "$@"', "sh", *argv]


def call(argv, seconds=180, **more):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False, **more)
    return done.returncode, done.stdout, done.stderr


def check_notes():
    if not shutil.which("readelf"):
        tap.skip("probes in the binary", "no readelf")
        return
    notes = call(["readelf", "-n", sallyportd()])[1]
    if "stapsdt" not in notes:
        tap.skip("probes in the binary", "built without sys/sdt.h (systemtap-sdt-dev)")
        return
    for probe in PROBES:
        tap.ok(re.search(rf"Provider: sallyport\s+Name: {probe}\b", notes), f"the binary has the probe {probe}")


def programs():
    return {os.path.basename(f)[:-3]: f for f in sorted(glob.glob(os.path.join(PERF, "bpftrace", "*.bt")))}


def check_programs():
    listed = call([os.path.join(PERF, "trace"), "--list"])[1].splitlines()
    tap.equal([line.split()[0] for line in listed if len(line.split()) > 3], list(programs()), "each program says what it is for")
    tap.equal(sorted(SHOWS), list(programs()), "and is tested")
    if not shutil.which("bpftrace"):
        tap.skip("programs parse", "bpftrace is not installed")
        return False
    for name, path in programs().items():
        code, _, said = call(in_tracefs(["bpftrace", "-d", path, sallyportd(), "100"]))
        if not tap.ok(code == 0, f"{name} parses"):
            tap.note(said)
    return True


def events():
    return call(in_tracefs(["ls", "/sys/kernel/tracing/events"]))[1].split()


def check_live():
    there, uprobes = events(), os.path.exists("/sys/bus/event_source/devices/uprobe")
    for name, want in SHOWS.items():
        with open(programs()[name], encoding="ascii") as f:
            usdt = "usdt:" in f.read()
        if usdt and not uprobes:
            tap.skip(name, "this kernel has no uprobes")
            continue
        if NEEDS.get(name, "") not in (*there, ""):
            tap.skip(name, f"this kernel has no {NEEDS[name]} tracepoints")
            continue
        for seconds in SECONDS:  # a busy machine may have no message for a while
            code, shown, said = call([os.path.join(PERF, "trace"), name, str(seconds), "0"], seconds + 120,
                                     env={**os.environ, "SALLYPORTD": sallyportd()})
            good = code == 0 and "Attaching" in shown and (want is None or re.search(want, shown))
            if good or code != 0:
                break
        if not tap.ok(good, f"{name} looks at a running gateway"):
            tap.note(f"status {code}\n{shown[-1500:]}\n{said[-1500:]}")


def widths(text):
    """{frame: width} of a drawing."""
    found = {}
    for group in xml.fromstring(text).iter("{http://www.w3.org/2000/svg}g"):
        name = group.find("{http://www.w3.org/2000/svg}title").text.rpartition(":")[0]
        found[name] = found.get(name, 0) + float(group.find("{http://www.w3.org/2000/svg}rect").get("width"))
    return found


def check_drawing(folder):
    folded, out = os.path.join(folder, "folded"), os.path.join(folder, "drawn.svg")
    with open(folded, "w", encoding="utf-8") as f:
        f.write("main;scan [sallyportd];match<&> [libhs.so.5] 30\nmain;scan [sallyportd] 10\nmain;wait [kernel] 60\n")
    code, _, said = call([os.path.join(PERF, "flamegraph"), "--folded", folded, "-o", out])
    with open(out, encoding="utf-8") as f:
        drawn = widths(f.read())
    whole = drawn["main"]
    shares = {name: round(100 * w / whole) for name, w in drawn.items()}
    tap.equal((code, shares), (0, {"main": 100, "scan [sallyportd]": 40, "match<&> [libhs.so.5]": 30, "wait [kernel]": 60}),
              f"widths are shares, names are escaped {said}")


def check_flamegraph(gate, folder):
    if not shutil.which("perf"):
        tap.skip("flame graph", "perf (package linux-perf) is not installed")
        return
    out = os.path.join(folder, "workers.svg")
    workers = ",".join(str(p) for p, r in gate.tree().items() if r == "worker")
    for seconds in SECONDS:  # workers that are idle, or have no processor, are not seen
        code, _, said = call([os.path.join(PERF, "flamegraph"), "--pid", workers, "--seconds", str(seconds), "-o", out])
        if code != 0 and ("not permitted" in said or "perf_event_paranoid" in said):
            tap.skip("flame graph", "perf_event_open is not allowed here")
            return
        drawn = {}
        if code == 0:
            with open(out, encoding="utf-8") as f:
                drawn = widths(f.read())
        ours = any(name.startswith("scan_message ") for name in drawn)
        if ours:
            break
    if not tap.ok(code == 0, "a flame graph of the workers"):
        tap.note(said[-1500:])
        return
    tap.ok(ours, f"it shows our functions, among {len(drawn)}")


def main():
    script.need("processes change users")
    with script.folder() as folder:
        check_notes()
        check_drawing(folder)
        look = check_programs()
        gate = gateway.Gateway(os.path.join(folder, "perf"))
        try:
            gate.start()
            drain = account.Drain("sendmail", gate.out_queue)
            writer = account.Load(account.Account(), queuefile.SendmailWriter(gate.in_queue),
                                  load.mixed(1, {s.name for s in samples.everything()} - {"bomb", "nested"}), 40)
            if look:
                check_live()
            check_flamegraph(gate, folder)
            writer.stop()
            gate.wait_empty(60)
            drain.stop(account.Account())
        except wait.Late as late:
            script.too_late(late)
        finally:
            gate.stop()
    tap.done()


if __name__ == "__main__":
    main()
