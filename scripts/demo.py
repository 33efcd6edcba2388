# SPDX-License-Identifier: GPL-2.0-or-later
"""The private instance of scripts/run: some twenty messages, a table, a status line."""

import os
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
os.environ.setdefault("SALLYPORT_BUILD", os.path.join(TOP, "build"))
from kit import gateway, queuefile, samples, wait  # noqa: E402

RUN = os.path.join(TOP, "run")
HOST_SIGNATURES = "/var/lib/clamav"
MESSAGE_SECONDS = 30
TERMINAL = sys.stdout.isatty()
COLOURS = {"delivered": "\33[32m", "quarantined": "\33[31m", "in the queue": "\33[33m"} if TERMINAL else {}
BOLD, DIM, PLAIN, CLEAR = ("\33[1m", "\33[2m", "\33[0m", "\r\33[K") if TERMINAL else ("", "", "", "")


def say(text=""):
    print(f"{CLEAR}{text}", flush=True)


def status(text):
    if TERMINAL:
        width = shutil.get_terminal_size().columns - 1
        print(f"{CLEAR}{text[:width]}", end="", flush=True)


def host_signatures():
    names = os.listdir(HOST_SIGNATURES) if os.path.isdir(HOST_SIGNATURES) else []
    return HOST_SIGNATURES if any(n.endswith((".cvd", ".cld")) for n in names) else None


def still_running():
    """The pid of an instance that an earlier scripts/run left in this folder, or None."""
    try:
        with open(os.path.join(RUN, "state", "sallyportd.pid"), encoding="ascii") as f:
            pid = int(f.read().split()[-1])
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return pid if b"sallyportd" in f.read() else None
    except (OSError, ValueError, IndexError):
        return None


def new_instance():
    work = os.path.join(RUN, "work")
    if os.path.ismount(work):
        subprocess.run(["umount", work], check=True)
    shutil.rmtree(RUN, ignore_errors=True)
    os.makedirs(work)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=0750", "sallyport-work", work], check=False)
    os.makedirs(os.path.join(RUN, "drop"))
    return gateway.Gateway(RUN, signatures=host_signatures(), options={"Message Log": os.path.join(RUN, "state", "messages.json")})


def start(gate):
    began = time.monotonic()
    gate.start(wait_ready=False)
    while not gate.ready():
        if not gate.running():
            say(gate.log_tail())
            sys.exit("sallyportd did not start; its log is above and in run/log")
        if time.monotonic() - began > 120:
            sys.exit("sallyportd is not ready after two minutes; see run/log")
        status(f"Starting sallyportd, loading signatures ... {time.monotonic() - began:.0f} s")
        time.sleep(0.05)
    say(f"sallyportd is ready after {time.monotonic() - began:.1f} s ({len(gate.tree())} processes, "
        f"signatures from {os.path.relpath(gate.signatures, TOP) if gate.signatures.startswith(TOP) else gate.signatures})")


# --- one message ---

def outcome(gate, name):
    """(what became of it, why)"""
    if os.path.exists(os.path.join(gate.out_queue, "qf" + name)):
        return "delivered", ""
    for item in gate.quarantine_list():
        if item.get("id") == name:
            return "quarantined", reason(item)
    said = [x for x in gate.log_text().splitlines() if name in x]
    return "in the queue", said[-1].partition(": ")[2] if said else "see run/log"


def reason(item):
    facts = item.get("facts") or {}
    for finding in facts.get("findings", []):
        path = "/".join(finding.get("path") or [])
        text = finding.get("report") or finding.get("name") or ""
        return f"{finding.get('kind', '')}: {text}" + (f" in {path}" if path and path not in text else "")
    return facts.get("why", "") or item.get("kind", "")


def put(gate, writer, message):
    """Into the incoming queue; waits until it has left. (id, seconds)"""
    began = time.monotonic()
    name = writer.write(message)
    path = os.path.join(gate.in_queue, "qf" + name)
    try:
        wait.until(lambda: not os.path.exists(path), MESSAGE_SECONDS, name, every=0.0005)
    except wait.Late:
        pass
    return name, time.monotonic() - began


def row(gate, name, seconds, what, size):
    became, why = outcome(gate, name)
    width = max(60, shutil.get_terminal_size((150, 25)).columns) - 68
    why = "".join(c if c.isprintable() else "?" for c in why)[:max(20, width)]
    took = f"{seconds * 1000:7.1f} ms" if seconds < 10 else f"{seconds:7.1f} s "
    say(f"{what:<28.28} {size:>9,} {COLOURS.get(became, '')}{became:<13}{PLAIN} {took}  {DIM}{why}{PLAIN}")
    return became


def table(gate, writer):
    status("Making test messages ...")
    chosen = samples.everything()
    say(f"\n{BOLD}{'message':<28} {'bytes':>9} {'became':<13} {'in':>7}     why{PLAIN}")
    surprises = []
    for s in chosen:
        status(f"{s.about} ...")
        name, seconds = put(gate, writer, s.message)
        became = row(gate, name, seconds, s.about, len(s.message))
        if s.want != samples.EITHER and not became.startswith(s.want):
            surprises.append(f"{s.about}: {became}, expected {s.want}")
    say()
    for text in surprises:
        say(f"Unexpected: {text}")
    cost(gate)
    return not surprises


def cost(gate):
    """What the sender of all that has been charged, and what would come of it."""
    answer = gate.control("throttle", "top") or {}
    for source in answer.get("sources", []):
        if "/" in source["prefix"]:
            continue  # its network's account
        reasons = ", ".join(f"{r['count']} {r['reason']}" for r in source.get("reasons", []))
        say(f"The sender of all that, {source['prefix']}, was charged {source['cost_s']:.0f} s: {reasons}.")
        say(f"{DIM}That is level {source.get('level')}; with Throttle = enforce the kernel would act on it.{PLAIN}")
        say()


# --- staying ---

def drop(gate, writer):
    """Messages that the user has put into run/drop."""
    folder = os.path.join(RUN, "drop")
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        with open(path, "rb") as f:
            message = f.read().replace(b"\r\n", b"\n")
        os.unlink(path)
        name, seconds = put(gate, writer, message)
        row(gate, name, seconds, entry, len(message))


def stay(gate, writer):
    say("Running until Ctrl-C. Copy a message file into run/drop/ to see what becomes of it. In another terminal:")
    for words, about in (("top", "what happens now"), ("stats", "counters, times, what each stage costs"),
                         ("queue", "what waits, and why"), ("quarantine list", "what was withheld"),
                         ("explain ID", "what became of a message"), ("throttle top", "what senders cost"),
                         ("host --quick", "what this machine can do")):
        say(f"  build/sallyport {words + ' -c run/etc/sallyport.conf':<46} {DIM}{about}{PLAIN}")
    say(f"  {'curl --unix-socket run/state/metrics http://localhost/metrics':<62} {DIM}for Prometheus{PLAIN}")
    began = time.monotonic()
    while gate.running():
        drop(gate, writer)
        up, count = gate.ask("status") or {}, gate.counters()
        counts = ", ".join(f"{count.get(f'messages_{k}_total', 0)} {k}" for k in ("delivered", "quarantined", "deferred"))
        status(f"{time.monotonic() - began:.0f} s  {up.get('workers_up', 0)} workers: {counts}, "
               f"{up.get('in_flight', 0)} in hand, {len(gate.queue_ids())} waiting")
        time.sleep(0.5)
    say("sallyportd has ended; see run/log")
    return False


def main():
    once = "--once" in sys.argv
    pid = still_running()
    if pid is not None:
        sys.exit(f"An instance is already running in run/ (process {pid}); end it first: kill {pid}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    gate = new_instance()
    fine = False
    try:
        start(gate)
        writer = queuefile.SendmailWriter(gate.in_queue)
        fine = table(gate, writer)
        if not once:
            fine = stay(gate, writer)
    except KeyboardInterrupt:
        fine = True
        say()
    finally:
        status("Stopping ...")
        code = gate.stop()
        if os.path.ismount(gate.work):
            subprocess.run(["umount", gate.work], check=False)
        say("Stopped." if code == 0 else f"sallyportd did not stop cleanly ({code}); see run/log")
    say("What it did is in run/: log, mqueue (delivered), quarantine, etc/sallyport.conf.")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
